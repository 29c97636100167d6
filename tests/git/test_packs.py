"""Packs from outside: hostile ones are refused in bounded time and memory with the repository as it was, faults of old histories are not."""

import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from bot.facts.uploads import record_pack, record_taken
from bot.git.limited import Budget, OverLimitError
from bot.git.packs import pack_id
from bot.pipeline.uploads import CPU, Push, Uploaded, take_in
from bot.store import Store, Writer
from bot.store.opening import open_store
from tests.git.hostile_packs import COMMIT, CORPUS, LARGE, commit, entry, inflating, name_of, pack, tree, with_tree

FIRST, SECOND = bytes(range(20)), bytes(range(20, 40))


def held(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


class Room:
    """A repository with one good upload, and the next one. What packs do to it does not depend on the store's engine."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.store: Store = open_store(f"sqlite:///{folder / 'test.db'}")
        self.store.migrate()
        self.cpu, self.offered = 0.0, 0

    def offer(self, given: bytes, *, tip: bytes = SECOND) -> Uploaded | None:
        """Let a pack be looked at."""
        self.offered += 1

        def work(writer: Writer) -> None:
            record_pack(writer, 1, tip, given, pack_id=pack_id(given), received_at=self.offered)

        self.store.write(work)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        uploaded = take_in(self.store, self.data, Push(1, tip), clock=time.time_ns)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        if uploaded is not None:
            self.store.write(lambda writer: record_taken(writer, 1, uploaded.taken))
            shutil.rmtree(uploaded.folder)
        return uploaded

    def outcome(self) -> tuple[str, str]:
        """State and reason of the last pack."""
        rows = self.store.read(lambda reader: reader.fetch("answer_uploads", lambda *row: row))
        return str(rows[-1][3]), str(rows[-1][4])

    def known(self) -> list[tuple[bytes, int, int]]:
        """What is known of the commits that uploads brought."""
        return self.store.read(lambda reader: reader.fetch_in("upload_commits_known", _known, [GOOD, LATER], repository_id=1))


def _known(sha: bytes, usable: int, whole: int) -> tuple[bytes, int, int]:
    return bytes(sha), usable, whole


_FILES = tree((b"100644", b"f", "1" * 40))
_GOOD = commit(name_of(2, _FILES))
_LATER = commit(name_of(2, _FILES), parents=[name_of(COMMIT, _GOOD)])
GOOD, LATER = (bytes.fromhex(name_of(COMMIT, one)) for one in (_GOOD, _LATER))


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """A repository that holds something."""
    made = Room(tmp_path_factory.mktemp("packs"))
    assert made.offer(pack([entry(COMMIT, _GOOD), entry(2, _FILES)]), tip=FIRST) is not None
    yield made
    made.store.close()


def _refuse(room: Room, make: Callable[[], bytes]) -> str:
    before, known = held(room.data / "uploads" / "1.git"), room.known()
    assert room.offer(make()) is None
    state, reason = room.outcome()
    assert state == "refused"
    assert room.cpu < 10
    assert held(room.data / "uploads" / "1.git") == before and room.known() == known
    assert [path.name for path in (room.data / "uploads").iterdir()] == ["1.git"], "nothing is left of the quarantine"
    return reason


@pytest.mark.parametrize("title", CORPUS)
def test_a_hostile_pack_is_refused_and_changes_nothing(room: Room, title: str) -> None:
    reason = _refuse(room, CORPUS[title])
    assert reason[0].isupper() and len(reason) >= 20, "a sentence for people"


@pytest.mark.endure
@pytest.mark.parametrize("title", LARGE)
def test_large_hostile_packs(room: Room, title: str, capsys: pytest.CaptureFixture[str]) -> None:
    reason = _refuse(room, LARGE[title])
    with capsys.disabled():
        print(f"\n{title}: {room.cpu:.1f} s of processor time; {reason}")
    assert "processor time" in reason


def test_there_are_enough_of_them() -> None:
    assert len(CORPUS) >= 40
    assert CPU < 10, "of one pack, all git processes together"


SLOW = """
import resource
import sys
from pathlib import Path
from bot.git.errors import GitError
from bot.git.limited import Budget
budget = Budget(cpu=1, wall=60)
try:
    budget.run(Path(sys.argv[1]), "index-pack", "slow.pack")
except GitError as error:
    print(error)
print(budget.spent, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024, sep=chr(10))
"""


def test_git_is_stopped_at_each_limit(tmp_path: Path) -> None:
    budget = Budget(cpu=5, wall=0.3)
    with pytest.raises(OverLimitError, match="more time"):
        budget.run(tmp_path, "-c", "alias.wait=!sleep 30", "wait")
    (tmp_path / "slow.pack").write_bytes(inflating(200, 31 * 2**20))
    # In a small process of its own: what a process held includes what its parent held when it was born.
    told = subprocess.run([sys.executable, "-c", SLOW, str(tmp_path)], check=True, capture_output=True, text=True)
    why, spent, greatest = told.stdout.splitlines()
    assert "processor time" in why
    assert 0.5 < float(spent) < 2.5
    assert int(greatest) < 350 * 2**20
    budget = Budget(cpu=5, wall=30, output=1_000)
    with pytest.raises(OverLimitError, match="output"):
        budget.run(tmp_path, "help", "-a", into=tmp_path / "said")
    with pytest.raises(OverLimitError, match="no time"):
        Budget(cpu=0, wall=30).run(tmp_path, "version")


HARMLESS = {
    "a bad e-mail": commit(name_of(2, _FILES), who=b"A a@b"),
    "a date without a zone": commit(name_of(2, _FILES)).replace(b" +0000\ncommitter", b" +051800\ncommitter"),
    "no e-mail": commit(name_of(2, _FILES), who=b"A"),
}


@pytest.mark.parametrize("title", HARMLESS)
def test_faults_of_old_histories_are_taken_in(room: Room, title: str) -> None:
    uploaded = room.offer(pack([entry(COMMIT, HARMLESS[title]), entry(2, _FILES)]))
    assert uploaded is not None and room.outcome()[0] == "done"


def test_one_fault_that_matters_beside_one_that_does_not(room: Room) -> None:
    evil = tree((b"40000", b".git", "1" * 40))
    one, other = entry(COMMIT, commit(name_of(2, evil), who=b"A a@b")), entry(2, evil)
    reasons = {_refuse(room, partial(pack, entries)) for entries in ([one, other], [other, one])}
    assert all("hasDotgit" in reason for reason in reasons)


def test_a_zero_padded_mode(room: Room) -> None:
    old = tree((b"040000", b"d", name_of(2, _FILES)))
    assert room.offer(with_tree(old, entry(2, _FILES))) is not None


@pytest.mark.parametrize("who", [b"A <a@b>", b"A a@b"])
def test_contents_that_git_would_look_at_are_not_missed(room: Room, who: bytes) -> None:
    files = tree(*((b"100644", name, digit * 40) for name, digit in ((b".gitattributes", "1"), (b".gitmodules", "2"))))
    one = commit(name_of(2, files), who=who)
    assert room.offer(pack([entry(COMMIT, one), entry(2, files)])) is not None
    assert room.outcome()[0] == "done"


def test_a_message_cannot_end_its_record(room: Room) -> None:
    """A NUL in a message ends it for git; it never becomes a second commit."""
    forged = commit(name_of(2, _FILES), message=b"one\0\0" + b"1" * 40 + b" \0" + b"1 1\0A <a@b>\0.x\0.\n")
    uploaded = room.offer(pack([entry(COMMIT, forged), entry(2, _FILES)]))
    assert uploaded is None or {one.sha.hex() for one in uploaded.taken.known} >= {name_of(COMMIT, forged)}


def test_the_next_upload_builds_on_the_last(room: Room) -> None:
    uploaded = room.offer(pack([entry(COMMIT, _LATER)]))
    assert uploaded is not None and uploaded.boundary == frozenset()
    assert (LATER, 1, 1) in room.known()
