"""Record what a CI uploads of a history: packs, the commits they hold, and the list of tracked files.

A pack is kept as it came for as long as its repository is: it exists nowhere else, and whichever process takes the next one needs
the trees of those before. Equal sets of packs give equal commits: a commit becomes usable, or whole, and never less.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bot.dora.commits import Sha
from bot.dora.events import RepositoryRef
from bot.dora.instants import SECOND, Instant
from bot.dora.repositories import RepositoryId
from bot.facts.marks import outdate_pending
from bot.facts.repositories import RepositoryRow, ensure_repository, find_repository
from bot.store import Reader, Writer

RECEIVED, DONE, REFUSED = "received", "done", "refused"
"""States of a pack."""
MAX_ATTEMPTS = 5
FIRST_PAUSE = 5 * SECOND


class PackRow(NamedTuple):
    """A pack of a push, without its contents."""

    pack_id: bytes
    received_at: Instant
    state: str
    attempts: int


class KeptPack(NamedTuple):
    """A pack that was taken in; `size` in bytes, `commit` what it was sent for."""

    pack_id: bytes
    size: int
    commit: Sha
    received_at: Instant


class CommitKnown(NamedTuple):
    """What is known of an uploaded commit."""

    sha: Sha
    usable: int
    whole: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a push brought: its packs with what they hold together, and what is known now of which commits."""

    packs: tuple[tuple[bytes, Instant], ...]
    objects: int
    commits: int
    known: tuple[CommitKnown, ...]


def repository_uploaded(writer: Writer, name: RepositoryId, *, forge: str) -> RepositoryRow:
    """The repository's row, made if it is new; one that is known is left as it is: an upload asks nobody to fetch it."""
    found = find_repository(writer, name)
    return ensure_repository(writer, RepositoryRef(name=name, forge=forge)) if found is None else found


def record_pack(writer: Writer, repository_id: int, commit: Sha, pack: bytes, *, pack_id: bytes, received_at: Instant) -> None:
    """Keep a pack until it is looked at; one that is sent again is looked at again."""
    row = (repository_id, pack_id, commit, received_at, len(pack), RECEIVED, "", 0, 0, 0, received_at, pack)
    writer.write_many("upload_pack", [row], on_conflict="replace")


def record_report(writer: Writer, repository_id: int, commit: Sha, *, files: int, received_at: Instant) -> None:
    """Keep how many files a commit tracks; the newest list counts."""
    writer.write_many("upload_report", [(repository_id, commit, files, received_at)], on_conflict="newer")


def usable_commits(reader: Reader, name: RepositoryId, asked: Sequence[Sha]) -> list[Sha]:
    """Those of the commits (newest first) that a client need not send, in the order asked.

    A client leaves out what the commits it is told of hold, and all their ancestors with what these hold. So it is told of none, and
    sends every commit and tree of its window, when one of them is here without all its trees, or stands without all its parents
    while an older one is unknown.
    """
    repository = find_repository(reader, name)
    if repository is None:
        return []
    known = {row.sha: row for row in reader.fetch_in("upload_commits_known", _known, asked, repository_id=repository.id)}
    cut = next((at for at, sha in enumerate(asked) if sha in known and not known[sha].whole), len(asked))
    if any(not row.usable for row in known.values()) or any(sha not in known for sha in asked[cut:]):
        return []
    return [sha for sha in asked if sha in known]


def known_commits(reader: Reader, repository_id: int, commits: Sequence[Sha]) -> dict[Sha, CommitKnown]:
    """What is known of these commits as uploaded ones."""
    rows = reader.fetch_in("upload_commits_known", _known, commits, repository_id=repository_id)
    return {row.sha: row for row in rows}


def open_commits(reader: Reader, repository_id: int) -> list[Sha]:
    """Uploaded commits that are not whole yet."""
    return reader.fetch("upload_commits_open", bytes, repository_id=repository_id)


def begin_packs(writer: Writer, repository_id: int, packs: Iterable[PackRow], *, now: Instant) -> None:
    """Count the attempt before it is made: one that kills the process counts too."""
    for pack in packs:
        writer.execute(
            "begin_pack", repository_id=repository_id, pack_id=pack.pack_id, run_at=now + (FIRST_PAUSE << pack.attempts)
        )


def postpone_push(writer: Writer, repository_id: int, commit: Sha, *, reason: str, run_at: Instant) -> None:
    """Look at what waits of a push again at an instant; it is nobody's fault, so the attempts are not counted."""
    writer.execute("postpone_push", repository_id=repository_id, pushed_sha=commit, reason=reason, run_at=run_at)


def refuse_pack(writer: Writer, repository_id: int, pack: PackRow, *, reason: str) -> None:
    """Nothing of a pack is kept but that it came, and why it was refused."""
    writer.execute(
        "refuse_pack", repository_id=repository_id, pack_id=pack.pack_id, received_at=pack.received_at, reason=reason[:500],
        empty=b"",
    )


def record_taken(writer: Writer, repository_id: int, taken: Taken) -> None:
    """A push's commits are in the store."""
    shas = [one.sha for one in taken.known]
    before = known_commits(writer, repository_id, shas)
    rows = [_joined(one, before.get(one.sha)) for one in taken.known]
    changed = [row for row in rows if before.get(row.sha) != row]
    writer.write_many("upload_commit", [(repository_id, *row) for row in changed], on_conflict="replace")
    for pack_id, received_at in taken.packs:
        writer.execute(
            "finish_pack", repository_id=repository_id, pack_id=pack_id, received_at=received_at, objects=taken.objects,
            commits=taken.commits,
        )
    outdate_pending(writer)


def _joined(new: CommitKnown, old: CommitKnown | None) -> CommitKnown:
    if old is None:
        return new
    return CommitKnown(new.sha, max(new.usable, old.usable), max(new.whole, old.whole))


def _kept(pack_id: bytes, size: int, commit: Sha, received_at: Instant) -> KeptPack:
    return KeptPack(bytes(pack_id), size, bytes(commit), received_at)


def _known(sha: Sha, usable: int, whole: int) -> CommitKnown:
    return CommitKnown(bytes(sha), usable, whole)


def kept_packs(reader: Reader, repository_id: int, *, sha_size: int) -> list[KeptPack]:
    """All packs of a repository that were taken in, the oldest first, of commits with names of so many bytes."""
    return reader.fetch("packs_kept", _kept, repository_id=repository_id, sha_size=sha_size)


def pack_body(reader: Reader, repository_id: int, pack_id: bytes) -> bytes | None:
    """A pack as received."""
    rows = reader.fetch("pack_body", bytes, repository_id=repository_id, pack_id=pack_id)
    return rows[0] if rows else None


def merge_packs(writer: Writer, repository_id: int, merged: Sequence[KeptPack], pack: bytes, *, pack_id: bytes) -> None:
    """Keep one pack, which holds all that the others hold, instead of them; it passes for the newest of them."""
    newest = max(merged, key=lambda one: one.received_at)
    row = (repository_id, pack_id, newest.commit, newest.received_at, len(pack), DONE, "", 0, 0, 0, newest.received_at, pack)
    writer.write_many("upload_pack", [row], on_conflict="replace")
    for one in merged:
        if one.pack_id != pack_id:
            writer.execute("forget_pack", repository_id=repository_id, pack_id=one.pack_id)
