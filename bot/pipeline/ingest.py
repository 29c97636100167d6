"""Ingest: from a repository on disk into commits, paths and refs of the store, slice by slice.

Rules:
- A slice is one transaction: commits, the paths they need, and the marks they cause. Commits come parents first, so whatever
  was committed when a process died is closed under ancestry, and running again goes on where it stopped.
- A commit record is replaced by a more complete one only (provisional < shallow boundary < complete).
- Refs are written last: a ref in the store means that all its history is there, and need not be read again.
"""

import json
import sys
from array import array
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from bot import git
from bot.dora.commits import Sha
from bot.dora.deployments import Series
from bot.dora.instants import Instant
from bot.facts.fetches import want_fetch
from bot.facts.inferences import inferences_of, mark_inferences
from bot.facts.link_reads import mark_namers
from bot.facts.marks import mark_pull_request, mark_series, outdate_pending
from bot.facts.pushes import BODY_LIMIT, LISTED, SHALLOW, git_second, path_ids
from bot.facts.repositories import RepositoryRow
from bot.facts.uploads import record_taken
from bot.pipeline.histories import ByApi, Mirrored
from bot.pipeline.mirror import EVERYTHING, Fetched, known_claims
from bot.pipeline.repository_definitions import read_found, record_definition_files
from bot.pipeline.uploads import ByUpload
from bot.store import Reader, Row, Store, Writer

REMEMBERED_PATHS = 200_000
REMEMBERED_COMMITS = 5_000
UNKNOWN_BOUNDARY = "?"
"""No boundary of a mirror: all is read again."""
SUBJECT_LIMIT, AUTHOR_LIMIT = 4_000, 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """What an ingest did: commits written (new, or now complete), refs written and removed."""

    commits: int
    refs: int


class _Start(NamedTuple):
    repository: RepositoryRow
    refs: dict[str, git.RefTip]
    exclude: list[Sha]
    boundary: str
    is_new: bool


class _SeriesAt(NamedTuple):
    service: str
    env: str
    finished_at: Instant


def run(
    store: Store, *, fetched: Fetched, progress: Callable[[str], None], clock: Callable[[], Instant]
) -> Generator[None, None, Ingested]:
    """Bring what was fetched into the store; yields after each slice and returns `Ingested`.

    Raises a GitError or StoreError; running it again completes it.
    """
    return (yield from _Ingest(store, fetched, progress, clock).run())


class _Ingest:
    """One ingest: what it has read of the repository, and how far it is."""

    def __init__(
        self, store: Store, fetched: Fetched, progress: Callable[[str], None], clock: Callable[[], Instant]
    ) -> None:
        self.store, self.fetched, self.progress, self.clock = store, fetched, progress, clock
        self.id = fetched.repository_id
        self.source: Mirrored | ByApi | ByUpload
        if fetched.uploaded is not None:
            self.source = ByUpload(fetched.uploaded)
        elif fetched.spooled is None:
            self.source = Mirrored(Path(fetched.path))
        else:
            self.source = ByApi(store, self.id, Path(fetched.path), fetched.spooled)
        self.numbers: dict[bytes, int] = {}
        self.next_number: int | None = None
        """While this run alone has numbered the repository's paths, and forgot none: the number that comes next."""
        self.is_new = False
        """Whether the repository had no commits with parents before this run."""
        self.done = 0
        self.brought: set[Sha] | None = set()
        """The commits read, also those that an ingest which died had left: who named one is not told yet. `None`: more than are remembered."""

    def run(self) -> Generator[None, None, Ingested]:
        names = None if self.fetched.full else [wish.ref for wish in self.fetched.wishes]
        tips = self.source.refs(names)
        start = self.store.read(partial(self._start, names=names, tips=tips))
        self.repository, self.is_new = start.repository, start.is_new
        self.next_number = 1 if start.is_new else None
        seen = {tip.sha for tip in start.refs.values()} if start.boundary == self._boundary_text() else set()
        include = sorted({tip.sha for tip in tips} - seen)
        if include or self.source.has_more:
            exclude = self.source.existing(start.exclude) if seen else []
            yield from self._commits(include, exclude, count=not start.exclude)
        changed = [tip for tip in tips if start.refs.get(tip.name) != tip]
        for at in range(0, len(changed), self.store.slice_rows):
            part = changed[at : at + self.store.slice_rows]
            come = {tip.name for tip in part if tip.name not in start.refs}
            self.store.write(partial(self._write_refs, tips=part, come=come), urgent=False)
            self.brought = set()
            yield
        self._define()
        gone = self._gone(tips, start.refs)
        self.store.write(partial(self._finish, gone=gone), urgent=False)
        self.source.forget()
        self._tell()
        return Ingested(commits=self.done, refs=len(changed) + len(gone))

    def _boundary_text(self) -> str:
        return " ".join(sorted(sha.hex() for sha in self.source.boundary))

    def _start(self, reader: Reader, *, names: Sequence[str] | None, tips: Sequence[git.RefTip]) -> _Start:
        repository = reader.fetch("repository_by_number", RepositoryRow, id=self.id)[0]
        if names is None:
            refs = known = reader.fetch("git_refs", git.RefTip, repository_id=self.id)
        else:
            wanted = sorted({tip.name for tip in tips} | set(names))
            refs = reader.fetch_in("git_refs_named", git.RefTip, wanted, repository_id=self.id)
            known = refs + reader.fetch("branch_tips", git.RefTip, repository_id=self.id)
        boundary = reader.fetch("meta_value", str, name=f"shallow:{self.id}")
        text = boundary[0] if boundary else ""
        # Where the boundary moved, commits below known refs are new.
        exclude = sorted({tip.sha for tip in known}) if text == self._boundary_text() else []
        if self.fetched.spooled is None and known_claims(reader, self.id):
            # What an API told of these commits is not all that git tells.
            text, exclude = UNKNOWN_BOUNDARY, []
        is_new = not reader.fetch("some_commit_with_parents", int, repository_id=self.id)
        return _Start(repository, {tip.name: tip for tip in refs}, exclude, text, is_new)

    # Commits ----------------------------------------------------------------------------------------------------------

    def _commits(self, include: Sequence[Sha], exclude: Sequence[Sha], *, count: bool) -> Iterator[None]:
        counting = self.source.counting(include) if count else None
        try:
            entries: list[git.LogEntry] = []
            fresh: set[bytes] = set()
            numbers = self.numbers
            for entry in self.source.log(include, exclude):
                fresh.update(path for path in entry.paths if path not in numbers)
                entries.append(entry)
                if len(entries) + len(fresh) >= self.store.slice_rows:
                    yield from self._slice(entries, fresh)
                    self._tell(counting)
                    entries, fresh = [], set()
            if entries:
                yield from self._slice(entries, fresh)
        finally:
            if counting is not None:
                counting.close()

    def _slice(self, entries: Sequence[git.LogEntry], fresh: set[bytes]) -> Iterator[None]:
        """One transaction; a commit that brings very many new paths has them numbered before it."""
        if self.brought is not None:
            self.brought.update(entry.sha for entry in entries)
            if len(self.brought) > REMEMBERED_COMMITS:
                self.brought = None
        paths = sorted(fresh)
        while len(paths) > self.store.slice_rows:
            self.store.write(partial(self._number, paths=paths[:self.store.slice_rows]), urgent=False)
            paths = paths[self.store.slice_rows:]
            yield
        self.done += self.store.write(partial(self._write, entries=entries, paths=paths), urgent=False)
        yield
        if len(self.numbers) > REMEMBERED_PATHS:
            self.numbers.clear()
            self.next_number = None

    def _number(self, writer: Writer, *, paths: Sequence[bytes]) -> None:
        """Number paths this run has not seen. A transaction that is run again numbers all of them again."""
        writer.lock("history", self.id)
        if self.next_number is not None and paths:
            first = writer.allocate(f"path:{self.id}", len(paths))
            if first == self.next_number:
                # Nobody else ever numbered a path here: what was not seen is new.
                writer.write_many("git_path", [(self.id, first + i, path) for i, path in enumerate(paths)])
                self.numbers.update(zip(paths, range(first, first + len(paths)), strict=True))
                self.next_number = first + len(paths)
                return
            self.next_number = None
        self.numbers.update(path_ids(writer, self.id, paths))

    def _write(self, writer: Writer, *, entries: Sequence[git.LogEntry], paths: Sequence[bytes]) -> int:
        writer.lock("history", self.id)
        known: dict[Sha, int] = {}
        if not self.is_new:
            shas = [entry.sha for entry in entries]
            known = dict(writer.fetch_in("known_commit_shas", _pair, shas, repository_id=self.id))
        new = [entry for entry in entries if self._improves(entry.sha, known.get(entry.sha, -1))]
        if not new:
            return 0
        grown = not {SHALLOW, LISTED}.isdisjoint(known.values())
        affected = self._affected(writer, [entry.sha for entry in new], grown=grown)
        self._number(writer, paths=paths)
        first = writer.allocate(f"commit:{self.id}", len(new))
        rows = [self._row(first + i, entry) for i, entry in enumerate(new)]
        # Under the lock, and better than what is there: only a listed one may be as complete as the row that it replaces.
        writer.write_many("git_commit", rows, on_conflict="newer" if self.fetched.spooled is None else "replace")
        affected.mark(writer, self.id)
        return len(new)

    def _improves(self, sha: Sha, known: int) -> bool:
        """Whether the record is to be written: what is listed anew names more folders than before."""
        new = self.source.completeness(sha)
        return known < new or known == new == LISTED

    def _row(self, n: int, entry: git.LogEntry) -> Row:
        sha, parents, authored_at, committed_at, author, subject, body, paths = entry
        completeness = self.source.completeness(sha)
        if completeness == SHALLOW:
            # Git shows a boundary as a root that holds everything; neither is true.
            parents, packed = b"", None
        elif sha in self.source.unknown:
            packed = None
        else:
            numbers = array("I", sorted(map(self.numbers.__getitem__, paths)))
            if sys.byteorder == "big":
                numbers.byteswap()
            packed = numbers.tobytes()
        return (
            self.id, n, sha, completeness, parents, git_second(authored_at), git_second(committed_at),
            author[:AUTHOR_LIMIT], subject[:SUBJECT_LIMIT], body[:BODY_LIMIT], packed,
        )

    def _affected(self, reader: Reader, shas: Sequence[Sha], *, grown: bool) -> "_Affected":
        """Who waits for these commits. `grown`: ranges that ended at a shallow boundary may have become longer."""
        series, numbers = [], []
        if grown:
            series = reader.fetch("series_of_repository", _SeriesAt, repository_id=self.id)
        elif reader.fetch("some_deployment_of_repository", int, repository_id=self.id):
            # A head may be deployed as what the forge merged to try it out.
            tried = reader.fetch_in("test_merges_with_heads", bytes, shas, repository_id=self.id)
            series = reader.fetch_in("deployments_of_commits", _SeriesAt, [*shas, *tried], repository_id=self.id)
        if grown:
            numbers = reader.fetch("pull_requests_of", int, repository_id=self.id)
        elif reader.fetch("some_pull_request", int, repository_id=self.id):
            for query in ("pull_requests_merged_by", "pull_requests_squashed_to", "pull_requests_with_head"):
                numbers += reader.fetch_in(query, int, shas, repository_id=self.id)
        return _Affected(series, numbers)

    # Refs and the end -------------------------------------------------------------------------------------------------

    def _write_refs(self, writer: Writer, *, tips: Sequence[git.RefTip], come: Collection[str]) -> None:
        # In this transaction: once a ref is in the store nobody asks again whether it moved a path.
        marked = self._with_moved_paths(writer, come)
        tagged = any(tip.name.startswith("refs/tags/") for tip in tips)
        inferences = inferences_of(writer, [self.id]) if tagged else []
        writer.write_many("git_ref", [(self.id, *tip) for tip in tips], on_conflict="replace")
        marked.mark(writer, self.id)
        mark_inferences(writer, inferences)
        self._tell_namers(writer)

    def _tell_namers(self, writer: Writer) -> None:
        """Mark what named the commits, before refs hide that they came; a worker that read before they did writes nothing more."""
        if self.brought != set():
            mark_namers(writer, self.id, self.brought)
            outdate_pending(writer)

    def _define(self) -> None:
        """The repository's own definitions, before the end: a wish that is fulfilled has brought them too."""
        found = self.fetched.definitions
        if found is not None:
            read = read_found(found, repository=self.repository.name)
            work = partial(
                record_definition_files, repository=self.repository, commit=found.commit, read=read,
                began_at=self.fetched.began_at,
            )
            self.store.write(work, urgent=False)

    def _gone(self, tips: Sequence[git.RefTip], stored: dict[str, git.RefTip]) -> list[str]:
        """Refs to forget: branches that are not there any more. Tags and pull request heads stay: they name what was."""
        there = {tip.name for tip in tips}
        return sorted(
            name for name in stored
            if name not in there and (name == "HEAD" or name.startswith(("refs/heads/", "refs/remotes/")))
        )

    def _finish(self, writer: Writer, *, gone: Sequence[str]) -> None:
        """The last transaction: everything that was asked for is there."""
        began_at = self.fetched.began_at
        waiting = self._with_moved_paths(writer, gone).series
        if self.fetched.full:
            waiting = waiting + writer.fetch(
                "series_missing_commits", _SeriesAt, repository_id=self.id, began_at=began_at
            )
        writer.execute_many("delete_git_ref", [{"repository_id": self.id, "name": ref} for ref in gone])
        if self.fetched.full:
            branch = self.fetched.default_branch
            writer.execute("finish_sync", id=self.id, began_at=began_at, now=self.clock(), default_branch=branch)
            writer.write_many("meta", [(f"shallow:{self.id}", self._boundary_text())], on_conflict="replace")
        if self.fetched.uploaded is None:
            self._write_access(writer)
        else:
            record_taken(writer, self.id, self.fetched.uploaded.taken)
        for wish in self.fetched.wishes:
            writer.execute("delete_fetch", repository_id=wish.repository_id, ref=wish.ref, version=wish.version)
        spooled = self.fetched.spooled
        if spooled is not None and spooled.again_at is not None:
            want_fetch(writer, repository_id=self.id, ref=EVERYTHING, now=spooled.again_at)
        _Affected(waiting, []).mark(writer, self.id)
        self._tell_namers(writer)
        # What another worker derives now may have read an earlier sync's instant, refs or commits.
        outdate_pending(writer)

    def _write_access(self, writer: Writer) -> None:
        """How the history was had, and what of it is not exact."""
        told, spooled = self.fetched, self.fetched.spooled
        row = (self.id, told.way, told.reason, json.dumps(told.partial, ensure_ascii=False), self.clock())
        writer.write_many("repository_access", [row], on_conflict="replace")
        if spooled is not None or told.full:
            known = spooled.known if spooled else ""
            writer.write_many("meta", [(f"listed:{self.id}", known)], on_conflict="replace")

    def _with_moved_paths(self, reader: Reader, refs: Collection[str]) -> "_Affected":
        """Who is to derive again when these refs come or go."""
        moved = self._moves_paths(reader, refs)
        return _Affected(reader.fetch("series_of_repository", _SeriesAt, repository_id=self.id) if moved else [], [])

    def _moves_paths(self, reader: Reader, refs: Collection[str]) -> bool:
        """Whether one of the refs may decide where in a definition's link the ref ends and the path begins."""
        names = [ref.split("/", 2)[2] for ref in refs if ref.startswith(("refs/heads/", "refs/tags/"))]
        if not (names := [name for name in names if "/" in name]):
            return False
        links = unquote("\n".join(reader.fetch("links_of_definitions", str)))
        return any(name in links for name in names)

    def _tell(self, counting: git.Counting | None = None) -> None:
        total = counting.total if counting else None
        done = f"{self.done:,}" + (f" of {total:,}" if total and total > self.done else "")
        self.progress(f"{self.repository.name}: {done} commits")


class _Affected(NamedTuple):
    """What a slice makes dirty."""

    series: list[_SeriesAt]
    pull_requests: list[int]

    def mark(self, writer: Writer, repository_id: int) -> None:
        """Mark each series once, from its earliest instant, and each pull request."""
        earliest: dict[Series, Instant] = {}
        for service, env, finished_at in self.series:
            series = Series(service=service, env=env)
            earliest[series] = min(finished_at, earliest.get(series, finished_at))
        for series, from_at in sorted(earliest.items()):
            mark_series(writer, series, from_at=from_at)
        for number in sorted(set(self.pull_requests)):
            mark_pull_request(writer, repository_id=repository_id, number=number)


def _pair(sha: Sha, completeness: int) -> tuple[Sha, int]:
    return sha, completeness
