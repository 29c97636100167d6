"""Histories by a forge's API, for repositories that git may not read: commits, then paths as far as a budget goes.

Rules:
- Commits come newest first until all parents are known; where the budget ends, what was read stands at a shallow boundary.
- Paths of new commits by their own diffs, newest first. Of older ones the log of each folder that a service names says whether
  they changed something there; those for which such a log cannot vouch have their diffs read too, a budget's worth at a time.
- What is not exact is said in sentences, and goes on being read until nothing is left to say.
"""

import asyncio
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from bot.dora.commits import Sha
from bot.dora.instants import MINUTE, Instant
from bot.facts.fetches import want_fetch
from bot.facts.pushes import LISTED, SHALLOW, split_shas
from bot.facts.repositories import RepositoryRow
from bot.forges.client import ForgeClient, ForgeUnavailableError, NotThereError, RepositoryKey
from bot.forges.gitlab.client import GitlabClient
from bot.forges.history import HistorySource, NamedCommit
from bot.git import RefTip
from bot.pipeline.listing import Claimed, certain, load_claimed
from bot.pipeline.mirror import EVERYTHING, Fetched, Wish, known_claims
from bot.pipeline.repository_definitions import ask_for_definitions
from bot.pipeline.spool import Spool
from bot.pipeline.spooled import Spooled
from bot.settings import Settings
from bot.store import Reader, Store, Writer

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


class ApiHistory:
    """Syncs a repository by API; `clients` are the forges that can be asked."""

    def __init__(
        self, store: Store, settings: Settings, clients: Callable[[], Mapping[str, ForgeClient]], *,
        clock: Callable[[], Instant], budget: Budget = Budget(),
    ) -> None:  # fmt: skip
        self.store, self.settings, self.clients, self.clock, self.budget = store, settings, clients, clock, budget

    async def fetch(self, repository_id: int, wishes: Sequence[Wish], *, reason: str) -> Fetched | None:
        """What the API tells now; `None` where no API can be asked. Raises a ForgeError.

        `reason` is why git was not enough.
        """
        [row] = await self.store.read_async(
            lambda reader: reader.fetch("repository_by_number", RepositoryRow, id=repository_id)
        )
        client = self.clients().get("gitlab")
        if not isinstance(client, GitlabClient) or not is_gitlabs(row, self.settings):
            return None
        began_at = self.clock()
        key = RepositoryKey(path=row.name.partition("/")[2], forge_id=row.forge_id)
        spool = await asyncio.to_thread(Spool, spool_path(self.settings.data_dir, row.id))
        try:
            branch = await client.history.default_branch(key)
            state = await self.store.read_async(partial(_load, row=row))
            sync = _Sync(client.history, key, spool, state, self.budget)
            names = {wish.ref for wish in wishes}
            full = EVERYTHING in names or row.synced_from is None
            refs = await sync.refs(names, full=full)
            tip = refs.get(f"refs/heads/{branch}") or state.refs.get(f"refs/heads/{branch}")
            told = await sync.run([tip, *refs.values()] if tip else list(refs.values()), tip=tip)
            found = await ask_for_definitions(self.store, client, row.id, key, tip=tip) if tip else None
        finally:
            spool.close()
        return Fetched(
            repository_id=row.id, path=str(spool.path), began_at=began_at, full=full, wishes=tuple(wishes),
            default_branch=branch, definitions=found, way="api", reason=reason, partial=told.partial,
            spooled=Spooled(
                refs=tuple(sync.tips), boundary=told.boundary, known=told.known,
                again_at=None if told.again_in is None else self.clock() + told.again_in,
            ),
        )  # fmt: skip

    async def look_at_definitions(self) -> bool:
        """Wish for the repositories of which services claim other folders than were read; whether there were any."""
        rows = await self.store.read_async(lambda reader: reader.fetch("repositories_by_api", RepositoryRow))
        return any([await self.store.write_async(partial(_wish, row=row, now=self.clock())) for row in rows])


def spool_path(data_dir: Path, repository_id: int) -> Path:
    """Where a repository's history waits for the store."""
    return data_dir / "mirrors" / f"{repository_id}.api"


def is_gitlabs(row: RepositoryRow, settings: Settings) -> bool:
    """Whether a repository lies on the GitLab that the token was made for."""
    parts = urlsplit(settings.gitlab_url)
    host = parts.netloc.lower().removesuffix(":443" if parts.scheme == "https" else ":80")
    return row.name.startswith(f"{host}{parts.path.lower().rstrip('/')}/")


def _wish(writer: Writer, *, row: RepositoryRow, now: Instant) -> bool:
    if known_claims(writer, row.id) == claims_text(load_claimed(writer, row)):
        return False
    want_fetch(writer, repository_id=row.id, ref=EVERYTHING, now=now)
    return True


def claims_text(claimed: Claimed, *, unread: AbstractSet[bytes] = frozenset()) -> str:
    """Claims as they are remembered; folders whose logs are unread are none of them."""
    folders = sorted(folder.decode() for folder in claimed.folders - unread)
    return json.dumps({"folders": folders, "wild": claimed.wild}, ensure_ascii=False)


# What is known ------------------------------------------------------------------------------------------------------------


class _State(NamedTuple):
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


class _Told(NamedTuple):
    boundary: frozenset[Sha]
    partial: tuple[str, ...]
    known: str
    again_in: int | None


def _load(reader: Reader, *, row: RepositoryRow) -> _State:
    parents: dict[Sha, tuple[Sha, ...]] = {}
    committed_at: dict[Sha, Instant | None] = {}
    listed: set[Sha] = set()
    shallow: set[Sha] = set()
    for sha, packed, completeness, at in reader.stream("commit_heads", _head, repository_id=row.id):
        if completeness == SHALLOW:
            shallow.add(sha)
            continue
        parents[sha], committed_at[sha] = split_shas(packed, size=len(sha)), at
        if completeness == LISTED:
            listed.add(sha)
    claimed = load_claimed(reader, row)
    folders = json.loads(known_claims(reader, row.id) or '{"folders": []}')["folders"]
    files = reader.fetch_in("known_path_ids", _path, sorted(claimed.folders), repository_id=row.id)
    refs = reader.fetch("git_refs", _ref, repository_id=row.id)
    return _State(
        dict(refs), parents, committed_at, listed, shallow, claimed,
        frozenset(folder.encode() for folder in folders), frozenset(files),
    )


def _head(sha: Sha, parents: bytes, completeness: int, at: Instant | None) -> tuple[Sha, bytes, int, Instant | None]:
    return bytes(sha), bytes(parents), completeness, at


def _path(path: bytes, id: int) -> bytes:
    return bytes(path)


def _ref(name: str, sha: Sha, tagged_at: Instant | None) -> tuple[str, Sha]:
    return name, bytes(sha)


# One sync -----------------------------------------------------------------------------------------------------------------


class _Sync:
    """Asks for what is missing and keeps the answers in the spool."""

    def __init__(
        self, source: HistorySource, key: RepositoryKey, spool: Spool, state: _State, budget: Budget
    ) -> None:
        self.source, self.key, self.spool, self.state = source, key, spool, state
        self.tips: list[RefTip] = []
        self.pages, self.diffs, self.log_pages = budget.pages, budget.diffs, budget.log_pages
        self.pending = spool.missing(state.parents)
        """Parents that are nowhere yet."""
        self.lost: set[Sha] = set()
        """Commits that the forge does not tell."""
        self.paused: str = ""

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

    async def run(self, starts: Sequence[Sha], *, tip: Sha | None) -> _Told:
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
        listed, left = ({sha for sha in some if not self.spool.has_paths(sha)} for some in (listed, left))
        partial = self._partial(boundary, listed, left, unread)
        again = bool(self._open() or unread or left) or bool(self.paused)
        known = claims_text(self.state.claimed, unread=unread)
        return _Told(boundary, partial, known, AGAIN if again else None)

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
            self.paused = error.detail
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
                self.paused = error.detail
                return False
            self.spool.add_listed(folder, {one.sha for one in page.commits} & listed)
            number, more = number + 1, page.more
        return True

    def _certain(self, tip: Sha | None) -> set[Sha]:
        return certain(tip, self.state.parents | self.spool.parents) if tip is not None else set()

    def _is_wild(self) -> bool:
        return bool(self.state.claimed.wild or self.state.files)

    # What is not exact

    def _partial(
        self, boundary: Collection[Sha], listed: set[Sha], left: set[Sha], unread: Collection[bytes]
    ) -> tuple[str, ...]:
        claimed, said = self.state.claimed, []
        if self._open():
            said.append(f"the history before {len(boundary):,} commits is still to be read")
        if self.lost:
            said.append(f"the API does not tell of {len(self.lost):,} commits that others, or refs, lead to")
        if unread:
            names = ", ".join(sorted(folder.decode() for folder in unread)[:3])
            said.append(f"the logs of {len(unread):,} folders are still to be read ({names})")
        if claimed.wild and listed:
            said.append(
                f"{', '.join(claimed.wild[:3])}: patterns that are more than a folder's path match none of {len(listed):,} "
                "older commits until their own diffs are read"
            )
        elif left and self.state.files:
            said.append(f"the log of a single file follows its renames: {len(left):,} older commits wait for their own diffs")
        elif left:
            said.append(
                f"{len(left):,} older commits on side branches stand where the logs of folders say, which leave out changes "
                "that a merge did not keep; their own diffs are still to be read"
            )
        if self.spool.cut:
            said.append(f"{len(self.spool.cut):,} commits changed more files than the API lists")
        if self.paused:
            said.append("the forge's rate limit ended this sync early")
        return tuple(said)

