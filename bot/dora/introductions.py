"""Which pull request brought a commit to its target branch, and which commits a squash merge replaced."""

from collections.abc import Collection, Iterable
from typing import Literal

from bot.dora.commits import Sha
from bot.dora.instants import Instant
from bot.dora.pull_requests import Landing

Role = Literal["landed", "original"]
IntroducedRow = tuple[Sha, int, Role, int, Instant]
"""sha, pull request, role, position within the pull request (parents before children), merged at."""
LandingRow = tuple[int, str, str]
"""Pull request, kind ("" not known yet), flag ("" or why something is missing)."""


class Introductions:
    """A repository's merged pull requests, asked by commit."""

    def __init__(self, rows: Iterable[IntroducedRow] = (), landings: Iterable[LandingRow] = ()) -> None:
        """From rows of `introduced` and `landing`, in any order."""
        self._landing = {number: (kind, flag) for number, kind, flag in landings}
        self._introduced_by: dict[Sha, tuple[Instant, int]] = {}
        landed_by: dict[Sha, tuple[Instant, int]] = {}
        original_of: dict[Sha, tuple[Instant, int]] = {}
        originals: dict[int, list[tuple[int, Sha]]] = {}
        for sha, number, role, position, merged_at in rows:
            _keep_least(self._introduced_by, sha, (merged_at, number))
            if role == "landed":
                _keep_least(landed_by, sha, (merged_at, number))
            else:
                _keep_least(original_of, sha, (merged_at, number))
                originals.setdefault(number, []).append((position, sha))
        self._squashed_as: dict[Sha, Sha] = {}
        self._has_originals = originals.keys()
        self._squashed: dict[Sha, tuple[int, tuple[Sha, ...]]] = {}
        for sha, (_, number) in landed_by.items():
            if number in originals or self._landing.get(number, ("", ""))[0] == Landing.SQUASH:
                own = (sha for _, sha in sorted(originals.get(number, ())) if original_of[sha][1] == number)
                self._squashed[sha] = (number, tuple(own))
                self._squashed_as.update((original, sha) for original in self._squashed[sha][1])

    def pull_request_of(self, sha: Sha) -> int | None:
        """The earliest merged pull request that introduced the commit, as itself or as an original."""
        found = self._introduced_by.get(sha)
        return None if found is None else found[1]

    def is_squashed(self, sha: Sha) -> bool:
        """Whether a squash merge made this commit."""
        return sha in self._squashed

    @property
    def squashed(self) -> Collection[Sha]:
        """The commits that squash merges made."""
        return self._squashed.keys()

    def originals_of(self, sha: Sha) -> tuple[Sha, ...]:
        """The commits that a squashed one replaced, parents before children, without those of pull requests merged earlier."""
        found = self._squashed.get(sha)
        return () if found is None else found[1]

    def squashed_as(self, original: Sha) -> Sha | None:
        """The squashed commit that stands for an original."""
        return self._squashed_as.get(original)

    def lacks_originals(self, sha: Sha) -> bool:
        """Whether a squash merge made this commit and what it replaced is not known."""
        found = self._squashed.get(sha)
        return found is not None and found[0] not in self._has_originals

    def landing_of(self, number: int) -> tuple[str, str]:
        """(kind, flag) of a merged pull request; both "" when not known."""
        return self._landing.get(number, ("", ""))


def _keep_least(known: dict[Sha, tuple[Instant, int]], sha: Sha, order: tuple[Instant, int]) -> None:
    if sha not in known or order < known[sha]:
        known[sha] = order
