"""What a forge's API can tell of a repository's history where git itself may not be read."""

from dataclasses import dataclass
from typing import Protocol

from bot.dora.commits import Commit, Sha
from bot.dora.instants import Instant
from bot.forges.client import RepositoryKey


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedCommit:
    """A ref by its full name, and the commit it leads to. `tagged_at` is an annotated tag's own instant, where it is told."""

    name: str
    sha: Sha
    tagged_at: Instant | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitPage:
    """A page of a log, as the forge orders it; no commit has paths. `more`: there is a next page."""

    commits: tuple[Commit, ...]
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedPaths:
    """The paths that a commit changed, both sides of renames. `whole` is false where the forge may have left some out."""

    paths: tuple[bytes, ...]
    whole: bool


class HistorySource(Protocol):
    """A forge's answers about commits. Every call may raise ForgeUnavailableError, NotAllowedError, NotThereError."""

    async def default_branch(self, repository: RepositoryKey) -> str:
        """The default branch's short name; "" of an empty repository."""

    async def refs(self, repository: RepositoryKey) -> tuple[NamedCommit, ...]:
        """All branches and tags."""

    async def ref(self, repository: RepositoryKey, name: str) -> NamedCommit | None:
        """One ref by its full name (also a pull request's head); `None` if it is not there."""

    async def commits(self, repository: RepositoryKey, start: Sha, *, page: int, path: str = "") -> CommitPage:
        """A page (from 1) of the commits reachable from `start`; with `path`, of those that changed it or what lies below.

        A path's log may be simplified: side branches whose changes a merge did not keep may be missing.
        """

    async def paths(self, repository: RepositoryKey, sha: Sha) -> ChangedPaths:
        """What a commit changed against its first parent."""
