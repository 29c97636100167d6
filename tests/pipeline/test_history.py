"""Histories in memory: equal to git's, however and in whatever order their commits arrived."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.dora.commits import Commit
from bot.dora.events import Push, RepositoryRef
from bot.dora.history import History
from bot.dora.introductions import Introductions
from bot.facts.pushes import record_pushes
from bot.pipeline.derive import Sources
from bot.pipeline.history import HistoryCache, commit_details, load_history
from bot.store import Store
from tests.pipeline.history_room import NAME, Room
from tests.support.gitrepo import GitRepo
from tests.support.gitrepo import git as run_git


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[GitRepo]:
    with GitRepo(tmp_path / "shop.git") as built:
        yield built


@pytest.fixture
def room(store: Store, store_url: str, repo: GitRepo) -> Room:
    return Room(store, store_url, repo.path)


def between(history: History, a: str, b: str) -> set[str]:
    one, other = history.graph.index(bytes.fromhex(a)), history.graph.index(bytes.fromhex(b))
    assert one is not None
    assert other is not None
    return {history.graph.sha(at).hex() for at in history.graph.between([one], other)}


def rev_list(path: Path, *arguments: str) -> set[str]:
    return set(run_git(path, "rev-list", *arguments).split())


def test_a_history_is_what_was_ingested(room: Room, repo: GitRepo) -> None:
    root = repo.commit("root", files=["a", b"\xff"], authored_at=1_700_000_000, committed_at=1_700_000_100)
    side = repo.commit("side", branch="side", parents=[root], files=["b"])
    picked = repo.commit("root", branch="pick", parents=[side], authored_at=1_700_000_000, files=["c"])
    merge = repo.merge("side")
    repo.close()
    room.ingest()

    history = room.store.read(lambda reader: load_history(reader, room.id))

    index = {sha: history.graph.index(bytes.fromhex(sha)) for sha in (root, side, picked, merge)}
    assert len(history.graph) == 4
    at = index[root]
    assert at is not None
    assert history.authored_at(at) == 1_700_000_000 * 10**9
    assert history.committed_at(at) == 1_700_000_100 * 10**9
    assert {history.path(number) for number in history.path_ids(at) or ()} == {b"a", b"\xff"}
    assert history.graph.is_merge(index[merge] or 0)
    assert history.graph.twins(at) == [index[picked]], "a cherry-pick is told by author, author date and subject"
    assert between(history, root, merge) == {side, merge}
    assert history.paths_unknown == set()


def test_provisional_commits_are_no_part_of_it(room: Room, repo: GitRepo) -> None:
    sha = repo.commit("a", files=["x"])
    repo.close()
    told = Commit(sha=bytes.fromhex(sha), parents=(), authored_at=None, committed_at=5, author="B", subject="as told", paths=(b"g",))
    push = Push(repository=RepositoryRef(name=NAME, forge="github"), ref="refs/heads/main", after=told.sha, commits=(told,))
    room.store.write(lambda writer: record_pushes(writer, room.id, [push], now=1))
    cache = HistoryCache()

    assert len(room.store.read(lambda reader: cache.get(reader, room.id)).graph) == 0
    assert room.store.read(lambda reader: commit_details(reader, room.id, [told.sha]))[told.sha].subject == "as told"

    room.ingest()
    assert len(room.store.read(lambda reader: cache.get(reader, room.id)).graph) == 1
    detail = room.store.read(lambda reader: commit_details(reader, room.id, [told.sha]))[told.sha]
    assert (detail.subject, detail.paths, detail.author) == ("a", (b"x",), "Ann <ann@example.org>")


def test_the_cache_grows_by_what_is_new(room: Room, repo: GitRepo) -> None:
    repo.commit("a", files=["x"])
    repo.close()
    room.ingest()
    cache = HistoryCache()
    first = room.store.read(lambda reader: cache.get(reader, room.id))
    assert room.store.read(lambda reader: cache.get(reader, room.id)) is first
    sha = repo.commit("b", files=["y"])
    repo.close()
    room.ingest()

    second = room.store.read(lambda reader: cache.get(reader, room.id))

    assert second is first, "the same object, longer"
    at = second.graph.index(bytes.fromhex(sha))
    assert at == 1
    assert [second.path(number) for number in second.path_ids(at) or ()] == [b"y"]


def test_late_ancestors_rebuild_it(room: Room, repo: GitRepo, tmp_path: Path) -> None:
    shas = [repo.commit(f"c{i}", files=[f"f{i}"]) for i in range(6)]
    repo.close()
    run_git(tmp_path, "clone", "-q", "--depth=2", f"file://{repo.path}", "clone")
    room.ingest(path=tmp_path / "clone")
    cache = HistoryCache()
    shallow = room.store.read(lambda reader: cache.get(reader, room.id))
    assert len(shallow.graph) == 2
    boundary = shallow.graph.index(bytes.fromhex(shas[4]))
    assert shallow.paths_unknown == shallow.shallow == {boundary}

    run_git(tmp_path / "clone", "fetch", "-q", "--unshallow")
    room.ingest(path=tmp_path / "clone")

    for whole in (
        room.store.read(lambda reader: cache.get(reader, room.id)),
        room.store.read(lambda reader: load_history(reader, room.id)),
    ):
        assert len(whole.graph) == 6
        assert whole.paths_unknown == whole.shallow == set()
        assert between(whole, shas[0], shas[5]) == set(shas[1:])


def test_the_cache_is_bounded_and_forgets_the_least_lately_used(store: Store, store_url: str, tmp_path: Path) -> None:
    rooms = []
    for name in ("one", "two", "three"):
        with GitRepo(tmp_path / f"{name}.git") as repo:
            for i in range(20):
                repo.commit(f"c{i}", files=[f"{name}{i}"])
        room = Room(store, store_url, repo.path, name=f"github.com/acme/{name}")
        room.ingest()
        rooms.append(room)
    one, two, three = (room.id for room in rooms)
    cache = HistoryCache(limit=30_000)

    def get(number: int) -> History:
        return store.read(lambda reader: cache.get(reader, number))

    first, second = get(one), get(two)
    assert get(one) is first
    get(three)
    assert get(one) is first, "used after the second"
    assert get(two) is not second
    tiny = HistoryCache(limit=1)
    kept = store.read(lambda reader: tiny.get(reader, one))
    assert store.read(lambda reader: tiny.get(reader, one)) is kept, "the one in use stays whatever its size"


def test_introductions_are_kept_within_bounds(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(id, bytes([id, at]) * 10, 1, "landed", at, 5) for id in (1, 2, 3) for at in range(10)]
    store.write(lambda writer: writer.write_many("introduced", rows))
    sources = Sources(HistoryCache())

    def get(id: int) -> Introductions:
        return store.read(lambda reader: sources.introductions(reader, id))

    monkeypatch.setattr("bot.pipeline.derive.sources.MOST_INTRODUCED", 25)
    first, second = get(1), get(2)
    assert get(1) is first
    assert get(3).pull_request_of(bytes([3, 0]) * 10) == 1
    assert get(1) is first, "used after the second"
    assert get(2) is not second
    assert get(2).pull_request_of(bytes([2, 9]) * 10) == 1
    monkeypatch.setattr("bot.pipeline.derive.sources.MOST_INTRODUCED", 1)
    kept = get(3)
    assert get(3) is kept, "those in use stay, however many"


def test_ranges_of_a_real_history_equal_git(store: Store, store_url: str, real_history: Path) -> None:
    """The main line, then two hundred pull request heads on top of it."""
    heads = run_git(real_history, "for-each-ref", "--format=%(refname)", "refs/pull").split()
    heads = random.Random(2).sample(heads, 200)
    room = Room(store, store_url, real_history)
    cache = HistoryCache()
    room.ingest("refs/heads/main")
    store.read(lambda reader: cache.get(reader, room.id))
    room.ingest(*heads)

    history = store.read(lambda reader: cache.get(reader, room.id))

    shas = sorted(rev_list(real_history, "main", *heads))
    assert sorted(history.graph.sha(at).hex() for at in range(len(history.graph))) == shas
    chosen = random.Random(3).choices(shas, k=24)
    for a, b in zip(chosen[::2], chosen[1::2], strict=True):
        assert between(history, a, b) == rev_list(real_history, b, f"^{a}")
