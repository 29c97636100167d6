"""What both stand-ins offer to those who play a story on them: one story function plays on GitHub and on GitLab."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Union

from bot.standins.faults import Fault, Seen
from bot.standins.repository import How, Person, Repository

Json = Union[None, bool, int, float, str, Sequence["Json"], Mapping[str, "Json"]]  # noqa: UP007 - recursive
Check = Callable[[str, str, int, Json], None]
"""Called with (method, route template, status, body) of each JSON answer; raises unless the vendor describes it so."""


class StandInError(Exception):
    """A story asks for what the forge cannot do."""


class ContractBroken(Exception):
    """The stand-in gave answers that are not what the vendor describes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedDelivery:
    """A webhook on its way: `id` is its GUID or idempotency key, `repository` the path ("" if about none).

    `hook` numbers the receiver among the forge's: the App's id, or the hook's.
    """

    id: str
    hook: int = 0
    event: str
    action: str
    repository: str
    at: int
    payload: Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One commit of a push of several."""

    files: Mapping[str, str | None]
    message: str
    author: Person


class Repo(Protocol):
    """A repository on a forge and what people do there; each act happens at the forge's `now` and queues deliveries."""

    @property
    def path(self) -> str: ...
    @property
    def id(self) -> int: ...
    @property
    def git(self) -> Repository: ...

    def commit(self, branch: str, files: Mapping[str, str | None], *, message: str, author: Person) -> str:
        """Commit and push; returns the sha."""

    def push(self, branch: str, *changes: Change) -> list[str]:
        """Several commits in one push by the last one's author; returns the shas."""

    def force_push(self, branch: str, sha: str, *, by: Person) -> None: ...
    def create_branch(self, name: str, sha: str, *, by: Person) -> None: ...
    def delete_branch(self, name: str, *, by: Person) -> None: ...
    def tag(self, name: str, sha: str, *, by: Person, annotated: bool = False) -> None: ...

    def open(
        self,
        head: str,
        base: str,
        *,
        title: str,
        author: Person,
        body: str = "",
        draft: bool = False,
        labels: Sequence[str] = (),
    ) -> int:
        """Ask to merge branch `head` into `base`; returns the number."""

    def set_draft(self, number: int, draft: bool, *, by: Person) -> None: ...
    def label(self, number: int, *add: str, remove: Sequence[str] = (), by: Person) -> None: ...
    def retarget(self, number: int, base: str, *, by: Person) -> None: ...
    def retitle(self, number: int, title: str, *, by: Person) -> None: ...
    def approve(self, number: int, *, by: Person) -> int: ...
    def dismiss(self, number: int, review: int, *, by: Person) -> None: ...
    def close(self, number: int, *, by: Person) -> None: ...
    def reopen(self, number: int, *, by: Person) -> None: ...

    def merge(self, number: int, how: How, *, by: Person) -> str:
        """Press the button; returns the base branch's new tip. The request's head stays under its own ref."""

    def deploy(self, sha: str, environment: str, *, state: str = "success") -> int: ...
    def release(self, tag: str) -> int: ...
    def rename(self, new_path: str) -> None: ...
    def transfer(self, new_owner: str) -> None: ...
    def archive(self) -> None: ...
    def delete(self) -> None: ...


class Forge(Protocol):
    """A forge on one loopback port: API and git below `url`."""

    now: int
    """Seconds since 1970; advance it between steps."""
    drop: Callable[[QueuedDelivery], bool]
    """True: never sent, only logged as failed."""

    @property
    def url(self) -> str: ...
    @property
    def faults(self) -> list[Fault]: ...
    @property
    def requests(self) -> list[Seen]: ...

    async def start(self, port: int = 0) -> None: ...
    async def stop(self) -> None:
        """Stop listening. Raises ContractBroken if an answer was not as the vendor describes."""

    def create_repository(self, path: str, *, default_branch: str = "main", private: bool = False) -> Repo: ...
    async def deliver(self) -> None:
        """Send what is queued, in order, and log each attempt."""
