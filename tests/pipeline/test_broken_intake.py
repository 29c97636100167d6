"""A delivery may be as large as a forge allows, and holds up nobody."""

from bot.dora.commits import Commit
from bot.dora.events import Push, RepositoryRef
from bot.facts import pushes
from bot.facts.repositories import ensure_repository
from bot.store import Store, Writer

REF = RepositoryRef(name="github.com/acme/shop", forge="github", forge_id="1")


def _recorded(store: Store, sha: bytes, paths: int) -> tuple[int, list[bytes | None]]:
    """(paths numbered, packed paths of the commit) after a push of one commit with so many paths."""
    commit = Commit(
        sha=sha, parents=(), authored_at=None, committed_at=None, author="", subject="", paths=tuple(b"%d" % i for i in range(paths))
    )

    def work(writer: Writer) -> int:
        row = ensure_repository(writer, REF)
        pushes.record_pushes(writer, row.id, [Push(repository=REF, ref="refs/heads/main", after=sha, commits=(commit,))], now=1)
        return row.id

    number = store.write(work)
    numbered = store.read(lambda reader: reader.fetch("paths_since", lambda *row: row, repository_id=number, id=0))
    details = store.read(
        lambda reader: reader.fetch_in("commit_details", lambda *row: row[-1], [sha], repository_id=number)
    )
    return len(numbered), details


def test_a_push_of_very_many_paths_leaves_them_to_the_mirror(store: Store) -> None:
    numbered, (packed,) = _recorded(store, b"\1" * 20, pushes.MAX_PATHS + 1)
    assert (numbered, packed) == (0, None)


def test_a_push_of_many_paths_tells_them(store: Store) -> None:
    numbered, (packed,) = _recorded(store, b"\2" * 20, pushes.MAX_PATHS)
    assert (numbered, len(packed or b"")) == (pushes.MAX_PATHS, 4 * pushes.MAX_PATHS)
