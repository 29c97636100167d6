"""A forge as the correspondent's own protocol sees it: answers by table, failures by order, and a record of what was asked."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from bot.dora.events import ForgeEvent, PullRequestSeen, RepositoryChanged, RepositoryRef
from bot.dora.instants import DAY, MINUTE, Instant
from bot.dora.issues import IssueSelection
from bot.dora.pull_requests import PullRequest
from bot.engine.correspondent import Correspondent
from bot.facts.errands import Errand
from bot.facts.repositories import record_repositories
from bot.forges.client import (
    EventPage,
    GitAccess,
    HookSeen,
    LogEntry,
    LoggedDelivery,
    LogPage,
    Report,
    RepositoryKey,
)
from bot.pipeline.correspondence import record_page
from bot.store import Store

START = 1_790_000_000 * 10**9
PER_PAGE = 2


class Clock:
    """A clock that stands all but still until it is moved: no two readings are the same."""

    def __init__(self, now: Instant = START) -> None:
        self.now = now

    def __call__(self) -> Instant:
        self.now += 1
        return self.now


def ref(path: str, *, forge: str = "github", number: int = 1) -> RepositoryRef:
    """A repository as an event names it."""
    host = f"{forge}.com"
    return RepositoryRef(
        name=f"{host}/{path}", forge=forge, forge_id=str(number), remote=f"https://{host}/{path}.git", default_branch="main",
        installation_id="7" if forge == "github" else "", seen_at=START - DAY,
    )  # fmt: skip


def seen(repository: RepositoryRef, number: int, *, title: str = "Change", updated_at: Instant = START - DAY) -> PullRequestSeen:
    """An open pull request as a listing shows it."""
    pull_request = PullRequest(
        number=number, title=title, body="", head_ref="topic", base_ref="main", labels=(), author="ann", state="open",
        created_at=START - 2 * DAY, merged_at=None, merge_sha=None, squash_sha=None, head_sha=None,
    )  # fmt: skip
    return PullRequestSeen(repository=repository, pull_request=pull_request, updated_at=updated_at, rank=0, complete=True)


@dataclass
class ForgeDouble:
    """A ForgeClient whose repositories have so many pull requests. `fail` is asked before each answer."""

    forge: str = "github"
    history: None = None
    counts: dict[str, int] = field(default_factory=dict)
    entries: list[LogEntry] = field(default_factory=list)
    hook_list: Sequence[HookSeen] = (HookSeen(id="app", subject="GitHub App bot", state="active"),)
    fail: Callable[[str], Exception | None] = lambda _: None
    asked: list[str] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    pause: float = 0.0
    said: list[tuple[Report, str]] = field(default_factory=list)
    redelivered: list[str] = field(default_factory=list)

    async def _answer(self, question: str) -> None:
        self.asked.append(question)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.pause)
            if (error := self.fail(question)) is not None:
                raise error
        finally:
            self.at_once -= 1

    def _ref(self, path: str) -> RepositoryRef:
        return ref(path, forge=self.forge, number=list(self.counts).index(path) + 1)

    async def git_access(self, repository: RepositoryKey) -> GitAccess | None:
        return None

    async def repositories(self, *, cursor: str) -> EventPage:
        await self._answer(f"repositories {cursor}")
        events = tuple(
            RepositoryChanged(repository=self._ref(path), at=START - DAY, state="active") for path in self.counts
        )
        return EventPage(events=events, cursor="")

    async def pull_requests(self, repository: RepositoryKey, *, since: Instant | None, cursor: str) -> EventPage:
        await self._answer(f"{repository.path} {cursor}".strip())
        first = int(cursor or 1)
        count = self.counts[repository.path]
        numbers = range(first, min(first + PER_PAGE, count + 1))
        more = str(first + PER_PAGE) if first + PER_PAGE <= count else ""
        events = tuple(seen(self._ref(repository.path), number) for number in numbers)
        return EventPage(events=events, cursor=more, total=count)

    async def pull_request(self, repository: RepositoryKey, number: int) -> PullRequestSeen:
        await self._answer(f"{repository.path}#{number}")
        return seen(self._ref(repository.path), number, title="Read again")

    async def issues(
        self, repository: RepositoryKey, *, chosen: IssueSelection, since: Instant | None, cursor: str
    ) -> EventPage:
        await self._answer(f"issues {repository.path}")
        return EventPage(events=(), cursor="")

    async def changed_paths(self, repository: RepositoryKey, number: int) -> tuple[str, ...]:
        raise AssertionError("nobody asks this here")

    async def file(self, repository: RepositoryKey, path: str, *, ref: str) -> bytes | None:
        raise AssertionError("nobody asks this here")

    async def hooks(self) -> tuple[HookSeen, ...]:
        await self._answer("hooks")
        return tuple(self.hook_list)

    async def log(self, hook_id: str, *, cursor: str) -> LogPage:
        await self._answer(f"log {hook_id} {cursor}".strip())
        first = int(cursor or 0)
        page = self.entries[first : first + 3]
        return LogPage(entries=tuple(page), cursor=str(first + 3) if first + 3 < len(self.entries) else "")

    async def logged(self, hook_id: str, entry: LogEntry) -> LoggedDelivery:
        await self._answer(f"logged {entry.key}")
        headers = (("x-github-event", entry.event), ("authorization", "Bearer of-nobody"), ("x-github-delivery", entry.key))
        return LoggedDelivery(event=entry.event, headers=headers, body=b'{"zen": "Keep it logically awesome."}')

    async def redeliver(self, hook_id: str, entry_id: str) -> None:
        await self._answer(f"redeliver {hook_id} {entry_id}")
        self.redelivered.append(entry_id)

    async def report(self, repository: RepositoryKey, report: Report, *, remote: str) -> str:
        await self._answer(f"report {repository.path}#{report.number}")
        self.said.append((report, remote))
        return '{"check_run": 1}'

    async def close(self) -> None:
        """Nothing to end."""


class Office:
    """A correspondent over a store and such forges, driven by hand: pages are recorded in a thread."""

    def __init__(self, store: Store, *forges: ForgeDouble, clock: Clock | None = None, **options: object) -> None:
        self.store, self.clock = store, clock or Clock()
        self.forges = {forge.forge: forge for forge in forges}
        self.recorded: list[str] = []
        self.correspondent = Correspondent(
            store, clients=lambda: self.forges, record=self._record, clock=self.clock, **options  # type: ignore[arg-type]
        )

    async def _record(self, errand: Errand, events: tuple[ForgeEvent, ...], cursor: str, total: int | None) -> object:
        self.recorded.append(errand.key)

        def work() -> None:
            for _ in record_page(self.store, errand=errand, events=events, cursor=cursor, total=total, clock=self.clock):
                pass

        return await asyncio.to_thread(work)

    async def settle(self) -> None:
        """Work until nothing is due at this instant."""
        running = self.correspondent.running
        while await self.correspondent.start_due() or running:
            if not await self.correspondent.start_due() and running:
                await asyncio.wait(running.values(), return_when=asyncio.FIRST_COMPLETED)

    async def round(self) -> None:
        """What comes regularly, and all that follows from it."""
        await self.correspondent.wish_in_time()
        await self.settle()

    def know(self, refs: Iterable[RepositoryRef]) -> dict[str, int]:
        """Let repositories be known and readable; their numbers by name."""
        changes = [RepositoryChanged(repository=one, at=START - DAY, state="active") for one in refs]
        rows = self.store.write(lambda writer: record_repositories(writer, [], changes=changes, now=self.clock()))
        return {one.name: row.id for one, row in rows.items()}


def entry(key: str, *, age: int = 10 * MINUTE, succeeded: bool = False, id: str = "", now: Instant = START) -> LogEntry:
    """An attempt so long ago."""
    return LogEntry(id=id or key, key=key, event="ping", delivered_at=now - age, succeeded=succeeded)
