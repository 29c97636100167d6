"""The shape of a sample repository: people, commits and pull requests as tables, instants as `day hour:minute` from the base date."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from bot.standins import repository

Moment = str
"""`-86 14:10`: ten past two UTC, 86 days before the base date."""
DAY = 86_400


def seconds(moment: Moment) -> int:
    """The moment as whole seconds from the base date's midnight UTC."""
    day, clock = moment.split(" ")
    hour, minute = clock.split(":")
    return int(day) * DAY + int(hour) * 3_600 + int(minute) * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Person(repository.Person):
    """Somebody of the organisation; `zone` is the offset of their clock."""

    zone: str = "+0000"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitSpec:
    """A commit to be made. `subject` and `body` may name shas as `{key}` or `{key:.8}`.

    `changes` holds `path` (written), `-path` (deleted), `old>new` (moved). `squash` names the head whose tree the commit takes over.
    """

    key: str
    parents: tuple[str, ...]
    at: Moment
    author: str
    subject: str
    changes: tuple[str, ...] = ()
    body: str = ""
    squash: str = ""
    committed: Moment = ""
    by_forge: bool = False
    clock: int | None = None
    """The author date in seconds since 1970, where the author's clock was wrong."""

    @property
    def committed_at(self) -> Moment:
        """The committer date."""
        return self.committed or self.at


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSpec:
    """A review; `state` as GitHub writes it in webhooks."""

    id: int
    at: Moment
    by: str
    state: Literal["approved", "changes_requested", "commented"]
    dismissed: Moment = ""


Landing = Literal["merge", "squash", "rebase", "fast-forward"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestSpec:
    """A pull request's life. `flips` are changes between draft (False) and ready (True) after opening."""

    number: int
    branch: str
    title: str
    author: str
    commits: tuple[str, ...]
    opened: Moment
    body: str = ""
    draft: bool = False
    flips: tuple[tuple[Moment, bool], ...] = ()
    reviews: tuple[ReviewSpec, ...] = ()
    labels: tuple[tuple[str, Moment], ...] = ()
    stacked_on: str = ""
    retargeted: Moment = ""
    landing: Landing | None = None
    landed: str = ""
    """Key of the commit the target branch ended at."""
    brought: tuple[str, ...] = ()
    """What the merge added to the target branch beside `landed`, oldest first."""
    merged: Moment = ""
    merged_by: str = ""
    branch_kept: bool = False
    """Nobody deleted the branch after the merge."""

    @property
    def leaves_branch(self) -> bool:
        """Whether the branch exists in the end."""
        return self.branch_kept or not self.merged


@dataclass(frozen=True, slots=True, kw_only=True)
class TagSpec:
    """A tag; annotated ones have a tagger."""

    name: str
    commit: str
    at: Moment
    tagger: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositorySpec:
    """A repository to be built. `pull_ref` is the forge's name of a pull request's head."""

    host: str
    path: str
    number: int
    people: Mapping[str, Person]
    commits: tuple[CommitSpec, ...]
    pull_requests: tuple[PullRequestSpec, ...]
    tags: tuple[TagSpec, ...]
    line: tuple[str, ...]
    """The first-parent line of main, oldest first."""
    pull_ref: str

    @property
    def id(self) -> str:
        """The id that Rollforward gives it."""
        return f"{self.host}/{self.path}"

    @property
    def web(self) -> str:
        """Its address in the browser."""
        return f"https://{self.host}/{self.path}"
