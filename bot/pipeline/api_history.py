"""Histories by a forge's API, for repositories that git may not read: commits, then paths as far as a budget goes.

Rules:
- Commits come newest first until all parents are known; where the budget ends, what was read stands at a shallow boundary.
- Paths of new commits by their own diffs, newest first. Of older ones the log of each folder that a service names says whether
  they changed something there; those for which such a log cannot vouch have their diffs read too, a budget's worth at a time.
- What is not exact is said in sentences, and goes on being read until nothing is left to say.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import structlog

from bot.dora.commits import Sha
from bot.dora.instants import Instant
from bot.facts.fetches import want_fetch
from bot.facts.pushes import LISTED, SHALLOW, split_shas
from bot.facts.repositories import RepositoryRow
from bot.forges.client import ForgeClient, NotAllowedError, RepositoryKey
from bot.pipeline.api_sync import Budget, State, Sync, claims_text
from bot.pipeline.listing import load_claimed
from bot.pipeline.mirror import EVERYTHING, Fetched, Wish, is_gitlabs, known_claims
from bot.pipeline.repository_definitions import FoundFiles, ask_for_definitions
from bot.pipeline.spool import Spool
from bot.pipeline.spooled import Spooled
from bot.settings import Settings
from bot.store import Reader, Store, Writer

__all__ = ["ApiHistory", "Budget", "spool_path"]
log = structlog.get_logger(__name__)

USUAL = Budget()


class ApiHistory:
    """Syncs a repository by API; `clients` are the forges that can be asked."""

    def __init__(
        self, store: Store, settings: Settings, clients: Callable[[], Mapping[str, ForgeClient]], *,
        clock: Callable[[], Instant], budget: Budget = USUAL,
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
        history = None if client is None else client.history
        if client is None or history is None or not is_gitlabs(row.name, self.settings):
            return None
        began_at = self.clock()
        key = RepositoryKey(path=row.name.partition("/")[2], forge_id=row.forge_id)
        spool = await asyncio.to_thread(Spool, spool_path(self.settings.data_dir, row.id))
        try:
            branch = await history.default_branch(key)
            state = await self.store.read_async(partial(_load, row=row))
            sync = Sync(history, key, spool, state, self.budget)
            names = {wish.ref for wish in wishes}
            full = EVERYTHING in names or row.synced_from is None
            refs = await sync.refs(names, full=full)
            main = f"refs/heads/{branch}"
            tip = refs.get(main) or state.refs.get(main)
            found = await self._definitions(client, row, key, tip=tip) if full or tip != state.refs.get(main) else None
            told = await sync.run([tip, *refs.values()] if tip else list(refs.values()), tip=tip)
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

    async def _definitions(
        self, client: ForgeClient, row: RepositoryRow, key: RepositoryKey, *, tip: Sha | None
    ) -> FoundFiles | None:
        """The definition files at the tip, where files may be read."""
        try:
            return await ask_for_definitions(self.store, client, row.id, key, tip=tip) if tip is not None else None
        except NotAllowedError as error:
            log.warning("definitions may not be read", repository=row.name, error=error.detail)
            return None

    async def look_at_definitions(self) -> bool:
        """Wish for the repositories of which services claim other folders than were read; whether there were any."""
        rows = await self.store.read_async(lambda reader: reader.fetch("repositories_by_api", RepositoryRow))
        return any([await self.store.write_async(partial(_wish, row=row, now=self.clock())) for row in rows])


def spool_path(data_dir: Path, repository_id: int) -> Path:
    """Where a repository's history waits for the store."""
    return data_dir / "mirrors" / f"{repository_id}.api"


def _wish(writer: Writer, *, row: RepositoryRow, now: Instant) -> bool:
    if known_claims(writer, row.id) == claims_text(load_claimed(writer, row)):
        return False
    want_fetch(writer, repository_id=row.id, ref=EVERYTHING, now=now)
    return True


def _load(reader: Reader, *, row: RepositoryRow) -> State:
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
    return State(
        dict(refs), parents, committed_at, listed, shallow, claimed,
        frozenset(folder.encode() for folder in folders), frozenset(files),
    )


def _head(sha: Sha, parents: bytes, completeness: int, at: Instant | None) -> tuple[Sha, bytes, int, Instant | None]:
    return bytes(sha), bytes(parents), completeness, at


def _path(path: bytes, id: int) -> bytes:
    return bytes(path)


def _ref(name: str, sha: Sha, tagged_at: Instant | None) -> tuple[str, Sha]:
    return name, bytes(sha)
