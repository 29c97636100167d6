"""Record pushes: the payload's own commits at once, as provisional facts, and the wish to fetch the ref that moved."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from struct import pack
from typing import NamedTuple

from bot.dora.commits import Commit, Sha
from bot.dora.events import Push
from bot.dora.instants import SECOND, Instant
from bot.facts.fetches import want_fetch
from bot.facts.marks import mark_pull_request
from bot.store import Row, Writer

PROVISIONAL, SHALLOW, LISTED, COMPLETE = 0, 1, 2, 3
"""`git_commit.completeness`: a commit record is replaced whole by a more complete one, never by a lesser.

Of a listed one the forge's API told in which of the folders that services name it changed something, and no more.
"""
BODY_LIMIT = 4_000
"""Characters kept of a commit's body: rules look for lines that tools write near its beginning."""

MAX_PATHS = 2_000
"""Distinct paths recorded out of payloads in one transaction; of more none is: they would hold up the intake, and the mirror tells them."""


class _PathId(NamedTuple):
    path: bytes
    id: int


def record_pushes(writer: Writer, repository_id: int, pushes: Sequence[Push], *, now: Instant) -> None:
    """Record pushes to one repository; the mirror's commits, with parents, replace the provisional ones later."""
    _record_bases(writer, repository_id, pushes)
    for ref in sorted({push.ref for push in pushes}):
        want_fetch(writer, repository_id=repository_id, ref=ref, now=now)
    commits = {commit.sha: commit for push in pushes for commit in push.commits}
    known = set(writer.fetch_in("known_commit_shas", lambda sha, _: sha, sorted(commits), repository_id=repository_id))
    new = [commit for sha, commit in sorted(commits.items()) if sha not in known]
    if not new:
        return
    if len({path for commit in new for path in commit.paths or ()}) > MAX_PATHS:
        new = [replace(commit, paths=None) for commit in new]
    numbers = path_ids(writer, repository_id, (path for commit in new for path in commit.paths or ()))
    first = writer.allocate(f"commit:{repository_id}", len(new))
    rows = [
        commit_row(repository_id, first + i, commit, completeness=PROVISIONAL, numbers=numbers)
        for i, commit in enumerate(new)
    ]
    writer.write_many("git_commit", rows, on_conflict="keep")


def _record_bases(writer: Writer, repository_id: int, pushes: Sequence[Push]) -> None:
    """Where branches stood, and the fast-forwards that began there."""
    rows = {
        (repository_id, push.after, push.ref, push.before)
        for push in pushes
        if push.after is not None and push.before is not None and push.ref.startswith("refs/heads/")
    }
    if not rows:
        return
    merged = writer.fetch_in("pull_requests_merged_by", int, sorted({row[1] for row in rows}), repository_id=repository_id)
    writer.write_many("push_base", sorted(rows), on_conflict="keep")
    for number in sorted(set(merged)):
        mark_pull_request(writer, repository_id=repository_id, number=number)


def commit_row(
    repository_id: int, n: int, commit: Commit, *, completeness: int, numbers: dict[bytes, int]
) -> Row:
    """A commit as a row of `git_commit`."""
    paths = None if commit.paths is None else pack_path_ids(numbers[path] for path in commit.paths)
    return (
        repository_id, n, commit.sha, completeness, b"".join(commit.parents), git_second(commit.authored_at),
        git_second(commit.committed_at), commit.author, commit.subject, commit.body[:BODY_LIMIT], paths,
    )


def git_second(at: Instant | None) -> int | None:
    """A date of a commit as git and `git_commit` keep it: in seconds since 1970."""
    return None if at is None else at // SECOND


def path_ids(writer: Writer, repository_id: int, paths: Iterable[bytes]) -> dict[bytes, int]:
    """The numbers of these paths; new ones are recorded. Call once per transaction and repository."""
    wanted = sorted(set(paths))
    known = {
        row.path: row.id for row in writer.fetch_in("known_path_ids", _PathId, wanted, repository_id=repository_id)
    }
    new = [path for path in wanted if path not in known]
    if new:
        first = writer.allocate(f"path:{repository_id}", len(new))
        rows = [(repository_id, first + i, path) for i, path in enumerate(new)]
        writer.write_many("git_path", rows)
        known.update((path, number) for _, number, path in rows)
    return known


def pack_path_ids(ids: Iterable[int]) -> bytes:
    """Path numbers as `git_commit.paths` holds them: sorted, little-endian, 32 bits each."""
    numbers = sorted(ids)
    return pack(f"<{len(numbers)}I", *numbers)


def split_shas(packed: bytes, *, size: int) -> tuple[Sha, ...]:
    """The parents of `git_commit.parents`; `size` is the length of one sha."""
    return tuple(packed[i : i + size] for i in range(0, len(packed), size))
