"""Small histories drawn by hand: commits go by a name, each a minute after the one before."""

from collections.abc import Iterable, Sequence
from hashlib import sha1

from bot.dora.commits import Sha, twin
from bot.dora.deployments import Deployment, RepositoryView, Series
from bot.dora.history import CommitRow, History
from bot.dora.instants import HOUR, MINUTE
from bot.dora.introductions import IntroducedRow, Introductions, LandingRow
from bot.dora.paths import PathMatcher

EPOCH = 1_700_000_000 * 10**9


def sha(name: str) -> Sha:
    return sha1(name.encode(), usedforsecurity=False).digest()


class Drawing:
    """`commit("c", "a b", "api/x")` draws commit c with parents a and b that changed api/x."""

    def __init__(self) -> None:
        self.rows: dict[str, CommitRow] = {}
        self.paths: dict[bytes, int] = {}
        self.names: dict[Sha, str] = {}

    def commit(
        self,
        name: str,
        parents: str = "",
        paths: str | None = "file",
        *,
        at: int | None = None,
        author: str = "Ann <ann@example.com>",
        same_as: str = "",
        shallow: bool = False,
    ) -> "Drawing":
        minute = len(self.rows) if at is None else at
        ids = None if paths is None else [self.paths.setdefault(p.encode(), len(self.paths) + 1) for p in paths.split()]
        authored_at = EPOCH + minute * MINUTE
        identity = self.rows[same_as].twin if same_as else twin(author, authored_at, name)
        self.rows[name] = CommitRow(
            sha(name), tuple(map(sha, parents.split())), authored_at, authored_at, identity, ids, shallow
        )
        self.names[sha(name)] = name
        return self

    def line(self, names: str, paths: str = "file") -> "Drawing":
        """A chain that begins at the first name, which is new unless it was drawn before."""
        before = ""
        for name in names.split():
            if name not in self.rows:
                self.commit(name, before, paths)
            before = name
        return self

    def history(self, order: Sequence[str] | None = None) -> History:
        names = self.rows if order is None else order
        return History.build([self.rows[name] for name in names], [(number, path) for path, number in self.paths.items()])

    def view(
        self,
        *patterns: str,
        introduced: Iterable[IntroducedRow] = (),
        landings: Iterable[LandingRow] = (),
        synced_from: int | None = None,
        aliases: dict[Sha, Sha] | None = None,
        order: Sequence[str] | None = None,
    ) -> RepositoryView:
        return RepositoryView(
            history=self.history(order),
            matcher=PathMatcher(patterns or ("**",)),
            introductions=Introductions(introduced, landings),
            synced_from=synced_from,
            aliases=aliases or {},
        )

    def spell(self, shas: Iterable[Sha]) -> str:
        """The names of commits, in the order given."""
        return " ".join(self.names[one] for one in shas)


def deployment(
    number: int,
    commit: str | None,
    *,
    repository: str = "r",
    version: str = "",
    finished_at: int | None = None,
    started_at: int | None = None,
    received_at: int | None = None,
    name: str = "",
) -> Deployment:
    """The deployment `d<number>`, an hour after the one with the number before."""
    finished = EPOCH + number * HOUR if finished_at is None else finished_at
    return Deployment(
        id=name or f"d{number}",
        series=Series(service="api", env="prod"),
        version=version,
        repository=repository if commit else "",
        commit_sha=sha(commit) if commit else None,
        started_at=finished if started_at is None else started_at,
        finished_at=finished,
        source="api",
        received_at=finished if received_at is None else received_at,
    )


def deployed(*commits: str | None) -> list[Deployment]:
    """A series d0, d1, … that deployed these commits."""
    return [deployment(number, commit) for number, commit in enumerate(commits)]
