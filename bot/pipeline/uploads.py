"""Take in what a CI uploaded: from packs in the store to what ingest reads. Nothing here writes a commit.

Rules:
- A push's packs are looked at together. While trees are missing the others are waited for, WAIT at most; what is missing then makes
  a commit a boundary or leaves its paths unknown, until a later push brings it.
- What a pack can do to this machine is bounded before anything of it is kept: see `bot/git/packs.py`.
- The packs in the store are the truth; the repository on disk is built from them again wherever it is gone.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import structlog

from bot import git
from bot.dora.commits import Sha, parents_first
from bot.dora.instants import SECOND, Instant
from bot.facts import uploads
from bot.facts.pushes import COMPLETE, LISTED, SHALLOW
from bot.facts.uploads import CommitKnown, KeptPack, PackRow, Taken
from bot.git.limited import Budget, FailedError, OverLimitError
from bot.git.packs import LARGEST_PACK, Home, PackRefusedError, Quarantine, pack_id, read_log
from bot.store import Reader, Store

log = structlog.get_logger(__name__)

WAIT = 20 * SECOND
"""How long the rest of an upload is waited for, after its newest pack."""
CPU, WALL = 9.0, 60.0
"""Seconds for each pack: of git's processor time, and in all."""
SHA1 = 20
MOST_PACKS = 50
"""Packs of a repository above which the small ones become one: git looks into each for every object."""
MERGE_CPU, MERGE_WALL = 60.0, 300.0
"""Seconds."""


class Push(NamedTuple):
    """What packs were sent for."""

    repository_id: int
    commit: Sha


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """What a push brought, ready to be ingested. The files lie in `folder`, which goes when they are read.

    `boundary`: commits none of whose parents is here; `unknown`: commits whose changed paths cannot be told.
    """

    folder: str
    heads: str
    changes: tuple[str, ...]
    boundary: frozenset[Sha]
    unknown: frozenset[Sha]
    taken: Taken


class ByUpload:
    """For ingest: the commits of a push."""

    has_more = True

    def __init__(self, told: Uploaded) -> None:
        self._told = told
        self.boundary, self.unknown = told.boundary, told.unknown

    def refs(self, names: Sequence[str] | None) -> list[git.RefTip]:
        """An upload says nothing of branches and tags."""
        return []

    def existing(self, shas: object) -> list[Sha]:
        """Nothing is left out: what is listed is new."""
        return []

    def counting(self, include: Sequence[Sha]) -> git.Counting | None:
        """How many there are was counted already."""
        return None

    def log(self, include: Sequence[Sha], exclude: Sequence[Sha]) -> Iterator[git.LogEntry]:
        """Those whose paths are not known, then the others, parents first each."""
        return read_log(map(Path, (self._told.heads, *self._told.changes)))

    def completeness(self, sha: Sha) -> int:
        """How much is known of a commit."""
        if sha in self.boundary:
            return SHALLOW
        return LISTED if sha in self.unknown else COMPLETE

    def forget(self) -> None:
        """It is all in the store."""
        shutil.rmtree(self._told.folder, ignore_errors=True)


def home_of(data_dir: Path, push: Push) -> Home:
    """Where the packs of a repository lie for git; names of 64 digits have a repository of their own."""
    size = len(push.commit)
    name = f"{push.repository_id}.git" if size == SHA1 else f"{push.repository_id}-{size * 8}.git"
    return Home(data_dir / "uploads" / name, sha_size=size)


def due_uploads(reader: Reader, *, now: Instant) -> list[Push]:
    """The pushes whose packs are to be looked at, the longest waiting first."""
    return reader.fetch("due_uploads", _push, now=now)


def take_in(store: Store, data_dir: Path, push: Push, *, clock: Callable[[], Instant]) -> Uploaded | None:
    """Look at the packs of a push; `None` when nothing is to be ingested: all refused, or waiting for the rest.

    Raises a GitError, OSError or StoreError when this machine is at fault.
    """
    return _Reception(store, data_dir, push, clock).run()


def consolidate(store: Store, data_dir: Path, push: Push) -> int:
    """Make one pack of a repository's small ones once there are many, those of the last push left out; how many went."""
    home = home_of(data_dir, push)
    kept = store.read(partial(uploads.kept_packs, repository_id=push.repository_id, sha_size=home.sha_size))
    small = _small(kept)
    if len(kept) <= MOST_PACKS or len(small) < MOST_PACKS // 2 or not all(home.holds(one.pack_id) for one in small):
        return 0
    budget = Budget(cpu=MERGE_CPU, wall=MERGE_WALL)
    pack = home.merged(budget, [one.pack_id for one in small])
    with Quarantine(home, budget) as quarantine:
        # It may be too large for a pack by now: then they stay as they are.
        quarantine.add(pack)
        quarantine.adopt()
    whole = pack_id(pack)
    work = partial(uploads.merge_packs, repository_id=push.repository_id, merged=small, pack=pack, pack_id=whole)
    store.write(work, urgent=False)
    for one in small:
        if one.pack_id != whole:
            home.drop(one.pack_id)
    return len(small)


def _small(kept: Sequence[KeptPack]) -> list[KeptPack]:
    """The smallest packs, as many as fit into one of half the greatest size."""
    last = max((one.commit for one in kept if one.received_at == max(pack.received_at for pack in kept)), default=b"")
    chosen, size = [], 0
    for one in sorted(kept, key=lambda pack: (pack.size, pack.pack_id)):
        size += one.size
        if size > LARGEST_PACK // 2:
            break
        if one.commit != last:
            chosen.append(one)
    return chosen


class _Reception:
    """One push on its way in."""

    def __init__(self, store: Store, data_dir: Path, push: Push, clock: Callable[[], Instant]) -> None:
        self.store, self.push, self.clock = store, push, clock
        self.id = push.repository_id
        self.home = home_of(data_dir, push)

    def run(self) -> Uploaded | None:
        packs = self.store.read(
            lambda reader: reader.fetch("packs_of_push", _pack, repository_id=self.id, pushed_sha=self.push.commit)
        )
        fresh = self._not_tried_too_often([pack for pack in packs if pack.state == uploads.RECEIVED])
        if not fresh:
            return None
        self.store.write(partial(uploads.begin_packs, repository_id=self.id, packs=fresh, now=self.clock()))
        self._restore()
        budget = Budget(cpu=CPU * len(fresh), wall=WALL * len(fresh))
        quarantine = Quarantine(self.home, budget)
        uploaded = None
        try:
            quarantine.make()
            for pack in packs:
                if pack.state == uploads.DONE:
                    quarantine.link(pack.pack_id)
            good = [pack for pack in fresh if self._add(quarantine, pack)]
            uploaded = self._read(quarantine, good) if good else None
            return uploaded
        finally:
            if uploaded is None:
                quarantine.close()

    def _not_tried_too_often(self, packs: Sequence[PackRow]) -> list[PackRow]:
        for pack in packs:
            if pack.attempts >= uploads.MAX_ATTEMPTS:
                self._refuse(pack, f"It was begun {pack.attempts} times and never ended: it may have killed the process.")
        return [pack for pack in packs if pack.attempts < uploads.MAX_ATTEMPTS]

    def _restore(self) -> None:
        """Packs that another process took in, or whose folder is gone."""
        for kept in self.store.read(partial(uploads.kept_packs, repository_id=self.id, sha_size=self.home.sha_size)):
            if self.home.holds(kept.pack_id):
                continue
            body = self.store.read(partial(uploads.pack_body, repository_id=self.id, pack_id=kept.pack_id))
            if body is not None:
                with Quarantine(self.home, Budget(cpu=CPU, wall=WALL)) as quarantine:
                    quarantine.add(body)
                    quarantine.adopt()

    def _add(self, quarantine: Quarantine, pack: PackRow) -> bool:
        body = self.store.read(partial(uploads.pack_body, repository_id=self.id, pack_id=pack.pack_id))
        if body is None:
            return False
        try:
            quarantine.add(body)
        except PackRefusedError as error:
            self._refuse(pack, str(error))
            return False
        return True

    def _refuse(self, pack: PackRow, reason: str) -> None:
        log.warning("pack refused", repository=self.id, reason=reason)
        self.store.write(partial(uploads.refuse_pack, repository_id=self.id, pack=pack, reason=reason))

    def _read(self, quarantine: Quarantine, good: Sequence[PackRow]) -> Uploaded | None:
        try:
            return self._graph(quarantine, good)
        except OverLimitError as error:
            reason = f"Its history takes more to read than a pack may: {error}."
        except FailedError as error:
            reason = f"Git cannot read its history: {error.said}"
        for pack in good:
            self._refuse(pack, reason)
        return None

    def _graph(self, quarantine: Quarantine, good: Sequence[PackRow]) -> Uploaded | None:
        survey = quarantine.survey()
        quarantine.join()
        is_closed = quarantine.is_closed(survey.commits) if survey.commits else False
        newest = max(pack.received_at for pack in good)
        if not is_closed and self.clock() < newest + WAIT:
            self._wait(until=newest + WAIT)
            return None
        before, opened, stored = self.store.read(partial(self._known, commits=survey.commits))
        new = [sha for sha in survey.commits if not (sha in before and before[sha].whole)]
        todo = sorted({*new, *opened})
        parents = quarantine.parents(todo)
        here = quarantine.existing({parent for own in parents.values() for parent in own})
        ordered = [todo[at] for at in parents_first(todo, [parents[sha] for sha in todo])]
        joined = [sha for sha in ordered if here.issuperset(parents[sha])]
        changes = quarantine.changes(joined)
        whole = set(joined) - set(changes.failed)
        lesser = [sha for sha in ordered if sha not in whole]
        boundary = {sha for sha in lesser if here.isdisjoint(parents[sha])}
        heads = [sha for sha in lesser if stored.get(sha, -1) < (SHALLOW if sha in boundary else LISTED)]
        file = quarantine.heads(heads)
        quarantine.adopt()
        tip = quarantine.existing({self.push.commit})
        self.home.keep(tip, {sha for sha in lesser if not here.issuperset(parents[sha])}, quarantine.budget)
        usable = frozenset(survey.commits if is_closed else ())
        known = tuple(CommitKnown(sha, sha in usable, sha in whole) for sha in sorted(usable | set(todo)))
        return Uploaded(
            folder=str(quarantine.path), heads=str(file), changes=tuple(map(str, changes.files)),
            boundary=frozenset(boundary), unknown=frozenset(lesser) - boundary,
            taken=Taken(
                packs=tuple((pack.pack_id, pack.received_at) for pack in good), objects=survey.objects,
                commits=len(survey.commits), known=known,
            ),
        )  # fmt: skip

    def _known(
        self, reader: Reader, *, commits: Sequence[Sha]
    ) -> tuple[dict[Sha, CommitKnown], list[Sha], dict[Sha, int]]:
        """What uploads told of these commits; the commits that uploads left open; and how complete all of them are in the store."""
        opened = uploads.open_commits(reader, self.id)
        asked = sorted({*commits, *opened})
        stored = dict(reader.fetch_in("known_commit_shas", _completeness, asked, repository_id=self.id))
        return uploads.known_commits(reader, self.id, commits), opened, stored

    def _wait(self, *, until: Instant) -> None:
        reason = "Trees are missing: the rest of the upload is waited for."
        self.store.write(
            partial(uploads.postpone_push, repository_id=self.id, commit=self.push.commit, reason=reason, run_at=until)
        )


def _push(repository_id: int, commit: Sha) -> Push:
    return Push(repository_id, bytes(commit))


def _pack(pack_id: bytes, received_at: Instant, state: str, attempts: int) -> PackRow:
    return PackRow(bytes(pack_id), received_at, state, attempts)


def _completeness(sha: Sha, completeness: int) -> tuple[Sha, int]:
    return bytes(sha), completeness
