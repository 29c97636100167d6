"""One sync of a repository by API: what is asked, in which order, and what is left to say of it (rules: `api_history.py`)."""

import asyncio
import json
from collections.abc import Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import NamedTuple

from bot.dora.commits import Sha
from bot.dora.instants import MINUTE, Duration, Instant
from bot.forges.client import ForgeUnavailableError, NotAllowedError, NotThereError, RepositoryKey
from bot.forges.history import HistorySource, NamedCommit
from bot.git import RefTip
from bot.pipeline.listing import Claimed, certain
from bot.pipeline.mirror import EVERYTHING
from bot.pipeline.spool import Spool

AT_ONCE = 2
"""Questions at the same time for one repository; the client has three threads for all."""
AGAIN = MINUTE
"""Between two portions of a history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much one sync may ask: pages of commits, diffs, pages of folders' logs."""

    pages: int = 400
    diffs: int = 1_000
    log_pages: int = 1_000


class State(NamedTuple):
    """What the store knows when a sync begins."""

    refs: dict[str, Sha]
    parents: dict[Sha, tuple[Sha, ...]]
    committed_at: dict[Sha, Instant | None]
    listed: set[Sha]
    """Commits whose paths are known per folder only."""
    shallow: set[Sha]
    claimed: Claimed
    listed_folders: frozenset[bytes]
    files: frozenset[bytes]
    """The claimed paths that are files: their logs follow renames."""


class Told(NamedTuple):
    boundary: frozenset[Sha]
    partial: tuple[str, ...]
    known: str
    again_in: Duration | None


def claims_text(claimed: Claimed, *, unread: AbstractSet[bytes] = frozenset()) -> str:
    """Claims as they are remembered; folders whose logs are unread are none of them."""
    folders = sorted(folder.decode() for folder in claimed.folders - unread)
    return json.dumps({"folders": folders, "wild": claimed.wild}, ensure_ascii=False)


class Sync:
    """Asks for what is missing and keeps the answers in the spool."""

    def __init__(
        self, source: HistorySource, key: RepositoryKey, spool: Spool, state: State, budget: Budget
    ) -> None:
        self.source, self.key, self.spool, self.state = source, key, spool, state
        self.tips: list[RefTip] = []
        self.pages, self.diffs, self.log_pages = budget.pages, budget.diffs, budget.log_pages
        self.pending = spool.missing(state.parents)
        """Parents that are nowhere yet."""
        self.lost: set[Sha] = set()
        """Commits that the forge does not tell."""
        self.paused = False
        self.refused = ""
        """Why diffs may not be read."""

    async def refs(self, names: AbstractSet[str], *, full: bool) -> dict[str, Sha]:
        """The wished refs that are there."""
        found: list[NamedCommit] = list(await self.source.refs(self.key)) if full else []
        there = {ref.name for ref in found}
        for name in sorted(names - there - {EVERYTHING}):
            if not full or not name.startswith(("refs/heads/", "refs/tags/")):
                ref = await self.source.ref(self.key, name)
                found += [ref] if ref is not None else []
        self.tips = [RefTip(ref.name, ref.sha, ref.tagged_at) for ref in sorted(found, key=lambda ref: ref.name)]
        return {tip.name: tip.sha for tip in self.tips}

    async def run(self, starts: Sequence[Sha], *, tip: Sha | None) -> Told:
        """Read what the budget allows, and say what is not exact."""
        await self._walk([*starts, *sorted(self.state.shallow)])
        boundary = self._boundary()
        self.tips = [one for one in self.tips if one.sha not in self.lost]
        fresh = {
            sha for sha, parents in self.spool.parents.items() if len(parents) < 2 and sha not in boundary
        }  # fmt: skip
        await self._read_paths(self._newest(sha for sha in fresh if not self.spool.has_paths(sha)))
        listed = {sha for sha in fresh | self.state.listed if not self.spool.has_paths(sha)}
        unread = await self._read_logs(tip, listed, fresh)
        left = listed if self._is_wild() or not listed else listed - await asyncio.to_thread(self._certain, tip)
        await self._read_paths(self._newest(left))
        left = {sha for sha in left - self.lost if not self.spool.has_paths(sha)}
        again = self._open() or unread or self.paused or (left and not self.refused)
        return Told(
            boundary, self._partial(boundary, left, unread), claims_text(self.state.claimed, unread=unread),
            AGAIN if again else None,
        )  # fmt: skip

    # Commits

    async def _walk(self, starts: Sequence[Sha]) -> None:
        for start in dict.fromkeys(starts):
            if start not in self.spool and start not in self.state.parents:
                await self._log(start)
        while self._open() and self.pages > 0:
            await self._log(min(self._open()))

    def _open(self) -> set[Sha]:
        return self.pending - self.lost

    async def _log(self, start: Sha) -> None:
        """The log from a commit on, until it leads to nothing that is missing."""
        number, more, fresh = 1, True, True
        while more and fresh and self.pages > 0:
            self.pages -= 1
            try:
                page = await self.source.commits(self.key, start, page=number)
            except NotThereError:
                self.lost.add(start)
                return
            new = [one for one in page.commits if one.sha not in self.spool and one.sha not in self.state.parents]
            self.spool.add_commits(new)
            self.pending.update(parent for one in new for parent in one.parents)
            self.pending = {sha for sha in self.pending if sha not in self.spool and sha not in self.state.parents}
            if start in self.pending:
                self.lost.add(start)
            number, more, fresh = number + 1, page.more and bool(self.pending), bool(new)

    def _boundary(self) -> frozenset[Sha]:
        """Commits that stand without their parents, for now or for good."""
        cut = {sha for sha, parents in self.spool.parents.items() if not self.pending.isdisjoint(parents)}
        return frozenset(cut | {sha for sha in self.state.shallow if sha not in self.spool})

    # Paths

    def _newest(self, shas: Iterable[Sha]) -> list[Sha]:
        at = self.state.committed_at | self.spool.committed_at
        return sorted(shas, key=lambda sha: (at.get(sha) or 0, sha), reverse=True)

    async def _read_paths(self, wanted: Sequence[Sha]) -> None:
        """The commits' own diffs, as many as the budget has left; a rate limit ends them for this time."""
        portion = iter(wanted)

        async def some() -> None:
            while not self.paused and self.diffs > 0 and (sha := next(portion, None)) is not None:
                self.diffs -= 1
                await self._read_diff(sha)

        tasks = [asyncio.create_task(some()) for _ in range(AT_ONCE)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _read_diff(self, sha: Sha) -> None:
        try:
            told = await self.source.paths(self.key, sha)
        except ForgeUnavailableError as error:
            if error.slug != "rate_limited":
                raise
            self.paused = True
        except NotAllowedError as error:
            self.diffs, self.refused = 0, error.detail
        except NotThereError:
            self.lost.add(sha)
        else:
            self.spool.add_paths(sha, told.paths, whole=told.whole)

    async def _read_logs(self, tip: Sha | None, listed: set[Sha], fresh: set[Sha]) -> set[bytes]:
        """The logs of the claimed folders, as far as commits need them; the folders that are left."""
        wanted = set(self.state.claimed.folders)
        if not listed & fresh:
            wanted -= self.state.listed_folders
        if not listed or tip is None:
            return set()
        left = set(wanted)
        for folder in sorted(wanted):
            if self.paused or not await self._read_log(tip, folder, listed):
                break
            left.discard(folder)
        return left

    async def _read_log(self, tip: Sha, folder: bytes, listed: set[Sha]) -> bool:
        number, more = 1, True
        while more:
            if self.log_pages <= 0:
                return False
            self.log_pages -= 1
            try:
                page = await self.source.commits(self.key, tip, page=number, path=folder.decode())
            except NotThereError:
                return True
            except ForgeUnavailableError as error:
                if error.slug != "rate_limited":
                    raise
                self.paused = True
                return False
            self.spool.add_listed(folder, {one.sha for one in page.commits} & listed)
            number, more = number + 1, page.more
        return True

    def _certain(self, tip: Sha | None) -> set[Sha]:
        return certain(tip, self.state.parents | self.spool.parents) if tip is not None else set()

    def _is_wild(self) -> bool:
        return bool(self.state.claimed.wild or self.state.files)

    # What is not exact

    def _partial(self, boundary: Collection[Sha], left: set[Sha], unread: Collection[bytes]) -> tuple[str, ...]:
        said = []
        if self._open():
            said.append(f"the history before {len(boundary):,} commits is still to be read")
        if self.lost:
            said.append(f"the API does not tell of {len(self.lost):,} commits that others, or refs, lead to")
        if unread:
            names = ", ".join(sorted(folder.decode() for folder in unread)[:3])
            said.append(f"the logs of {len(unread):,} folders are still to be read ({names})")
        if left:
            said.append(self._why_left(len(left)) + (f" ({self.refused})" if self.refused else ""))
        if self.spool.cut:
            said.append(f"{len(self.spool.cut):,} commits changed more files than the API lists")
        if self.paused:
            said.append("the forge's rate limit ended this sync early")
        return tuple(said)

    def _why_left(self, number: int) -> str:
        """Why commits wait for their own diffs."""
        if self.state.claimed.wild:
            services = ", ".join(self.state.claimed.wild[:3])
            return (
                f"{services}: patterns that are more than a folder's path match none of {number:,} older commits until their "
                "own diffs are read"
            )
        if self.state.files:
            return f"the log of a single file follows its renames: {number:,} older commits wait for their own diffs"
        return (
            f"{number:,} older commits on side branches stand where the logs of folders say, which leave out changes that a "
            "merge did not keep; their own diffs are still to be read"
        )
