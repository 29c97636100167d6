"""From a repository on disk into the store: equal to what git says, whatever happened in between."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.dora.commits import Commit
from bot.dora.events import NewDeployment, Push, RepositoryRef
from bot.facts.deployments import record_deployment
from bot.facts.fetches import want_fetch
from bot.facts.pushes import COMPLETE, PROVISIONAL, SHALLOW, record_pushes
from bot.pipeline import mirror
from bot.pipeline.history import commit_details
from bot.store import Store
from tests.pipeline.history_room import NAME, Room
from tests.support.gitrepo import ENVIRONMENT, GitRepo
from tests.support.gitrepo import git as run_git


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[GitRepo]:
    with GitRepo(tmp_path / "shop.git") as built:
        yield built


@pytest.fixture
def room(store: Store, store_url: str, repo: GitRepo) -> Room:
    return Room(store, store_url, repo.path)


def small_history(repo: GitRepo) -> list[str]:
    root = repo.commit("first\n\nwith a body", files=["a.txt", "services/cart/x.py"], authored_at=1_767_600_000, committed_at=1_767_600_100)
    moved = repo.commit("move", files={"a.txt": None, b"dir/\xff.txt": "1\n"})
    side = repo.commit("side", branch="feature/x", parents=[root], files=["side\nname"])
    merge = repo.merge("feature/x")
    repo.tag("v1", moved, tagged_at=1_767_700_000)
    repo.close()
    return [root, moved, side, merge]


def test_commits_paths_and_refs_as_git_has_them(room: Room, repo: GitRepo) -> None:
    root, moved, side, merge = small_history(repo)

    done = room.ingest()

    found = room.commits()
    ann = "Ann <ann@example.org>"
    assert found.keys() == {root, moved, side, merge}
    assert found[root] == (
        COMPLETE, "", 1_767_600_000, 1_767_600_100, ann, "first", "with a body", [b"a.txt", b"services/cart/x.py"],
    )  # fmt: skip
    assert found[moved][1] == root
    assert found[moved][-1] == [b"a.txt", b"dir/\xff.txt"]
    assert found[side][-1] == [b"side\nname"]
    assert found[merge][1] == moved + side
    assert found[merge][-1] == []
    assert room.refs() == {"refs/heads/main": merge, "refs/heads/feature/x": side, "refs/tags/v1": moved}
    assert {row[1]: row[3] for row in room.rows("git_ref")}["refs/tags/v1"] == 1_767_700_000 * 10**9
    assert [row[1] for row in room.rows("git_commit")] == [1, 2, 3, 4]
    assert (done.commits, done.refs) == (4, 3)
    assert room.said[-1] == f"{NAME}: 4 commits"


def test_a_second_run_writes_nothing(room: Room, repo: GitRepo) -> None:
    small_history(repo)
    room.ingest()
    room.take_marks()
    tables = ("git_commit", "git_path", "git_ref", "mark", "sequence")
    before = [room.rows(table) for table in tables]

    again = room.ingest()

    assert (again.commits, again.refs) == (0, 0)
    assert [room.rows(table) for table in tables] == before


def test_only_what_is_new_is_read(room: Room, repo: GitRepo) -> None:
    *_, merge = small_history(repo)
    room.ingest()
    first = repo.commit("one more", files=["a.txt", "new"])
    second = repo.commit("and another", files=["new"])
    repo.close()

    assert room.ingest("refs/heads/main").commits == 2

    found = room.commits()
    assert found[first][1] == merge
    assert found[second][-1] == [b"new"]
    assert room.refs()["refs/heads/main"] == second
    assert [row[1] for row in room.rows("git_commit")] == [1, 2, 3, 4, 5, 6]


def test_a_force_push_keeps_the_old_commits(room: Room, repo: GitRepo) -> None:
    small_history(repo)
    room.ingest()
    old = set(room.commits())
    forced = repo.commit("rewritten", parents=[], files=["z"])
    repo.close()

    room.ingest()

    assert set(room.commits()) == {*old, forced}
    assert room.refs()["refs/heads/main"] == forced


def test_branches_that_are_gone_go_and_tags_stay(room: Room, repo: GitRepo) -> None:
    _, moved, side, merge = small_history(repo)
    repo.branch("refs/pull/5/head", side)
    repo.close()
    room.ingest()
    for ref in ("feature/x", "refs/tags/v1", "refs/pull/5/head"):
        repo.delete(ref)

    room.ingest()

    assert room.refs() == {"refs/heads/main": merge, "refs/tags/v1": moved, "refs/pull/5/head": side}
    assert side in room.commits()


def test_a_narrow_ingest_touches_no_other_ref(room: Room, repo: GitRepo) -> None:
    *_, side, merge = small_history(repo)
    room.ingest()
    repo.delete("feature/x")
    repo.commit("unseen", files=["q"])
    head = repo.commit("head", branch="pr", parents=[merge], files=["r"])
    repo.branch("refs/pull/6/head", head)
    repo.close()

    room.ingest("refs/pull/6/head", "refs/heads/no-such")
    assert room.refs()["refs/pull/6/head"] == head
    assert room.refs()["refs/heads/main"] == merge
    assert room.refs()["refs/heads/feature/x"] == side

    room.ingest("refs/heads/feature/x")
    assert "refs/heads/feature/x" not in room.refs(), "a branch that was asked for and is not there is gone"


@pytest.mark.parametrize("stop_after", [1, 2])
def test_a_run_that_was_killed_goes_on_where_it_stopped(
    room: Room, repo: GitRepo, store: Store, store_url: str, stop_after: int
) -> None:
    for i in range(700):
        repo.commit(f"commit {i}", files=[f"dir{i % 7}/file{i}", f"shared{i % 3}"])
    repo.branch("refs/pull/1/head", repo.tips["main"])
    repo.close()
    untouched = Room(store, store_url, repo.path, name="github.com/acme/whole")
    untouched.ingest()
    store.slice_rows = 500
    job = room.start()
    for _ in range(stop_after):
        next(job)
    job.close()  # type: ignore[attr-defined]
    partial = room.rows("git_commit")
    assert 200 < len(partial) < 700
    assert room.refs() == {}

    room.ingest()

    assert room.rows("git_commit")[: len(partial)] == partial, "what was there is not written again"
    assert room.commits() == untouched.commits()
    assert room.refs() == untouched.refs()
    assert len(room.rows("git_path")) == len(untouched.rows("git_path")) == 703


def test_nothing_runs_on_after_an_abandoned_run(room: Room, repo: GitRepo) -> None:
    for i in range(1_500):
        repo.commit(f"commit {i}" + "x" * 2_000)
    repo.close()
    job = room.start()
    next(job)
    job.close()  # type: ignore[attr-defined]

    running = [process for process in Path("/proc").glob("[0-9]*/cwd") if _links_to(process, repo.path)]
    assert running == []


def _links_to(link: Path, target: Path) -> bool:
    try:
        return link.readlink() == target
    except OSError:
        return False


def test_slices_stay_small(room: Room, repo: GitRepo, store: Store) -> None:
    """A commit with very many paths does not make a long transaction."""
    store.slice_rows = 500
    repo.commit("import", files=[f"d{i % 40}/f{i}" for i in range(2_600)])
    for i in range(60):
        repo.commit(f"c{i}", files=[f"d{i}/g{i}"])
    repo.close()
    sizes: list[int] = []
    job = room.start()
    before = 0
    for _ in job:
        after = len(room.rows("git_commit")) + len(room.rows("git_path"))
        sizes.append(after - before)
        before = after

    assert before == 2_600 + 60 + 61
    assert max(sizes) <= 560
    assert len(room.commits()) == 61


# Provisional and shallow ----------------------------------------------------------------------------------------------


def test_a_pushs_own_commits_become_complete(room: Room, repo: GitRepo) -> None:
    *_, merge = small_history(repo)
    ref = RepositoryRef(name=NAME, forge="github")
    told = Commit(
        sha=bytes.fromhex(merge), parents=(), authored_at=None, committed_at=5, author="Bot <b@c>", subject="as told",
        paths=(b"guess", b"a.txt"),
    )  # fmt: skip
    unknown = Commit(sha=b"\7" * 20, parents=(), authored_at=None, committed_at=5, author="", subject="never seen", paths=None)
    push = Push(repository=ref, ref="refs/heads/main", after=told.sha, commits=(told, unknown))
    room.store.write(lambda writer: record_pushes(writer, room.id, [push], now=1))
    assert room.commits()[merge][0] == PROVISIONAL

    room.ingest()

    found = room.commits()
    assert found[merge][0] == COMPLETE
    assert found[merge][5] == "Merge branch 'feature/x'"
    assert found[merge][-1] == []
    assert found[unknown.sha.hex()][0] == PROVISIONAL
    numbers = {row[2].hex(): row[1] for row in room.rows("git_commit")}
    assert numbers[merge] > numbers[unknown.sha.hex()], "it arrived anew"

    room.store.write(lambda writer: record_pushes(writer, room.id, [push], now=2))
    assert room.commits() == found, "a payload never replaces what the mirror knows"


def test_a_shallow_clone_and_then_the_rest(room: Room, repo: GitRepo, tmp_path: Path) -> None:
    shas = [repo.commit(f"c{i}", files=[f"f{i}", "all"]) for i in range(8)]
    repo.tag("v1", shas[-1])
    repo.close()
    clone = tmp_path / "clone"
    run_git(tmp_path, "clone", "-q", "--depth=3", f"file://{repo.path}", str(clone))

    room.ingest(path=clone)

    found = room.commits()
    assert found.keys() == set(shas[5:])
    assert found[shas[5]][:2] == (SHALLOW, "")
    assert found[shas[5]][-1] is None, "what a boundary changed cannot be known"
    assert found[shas[6]][0] == COMPLETE
    assert room.ingest(path=clone).commits == 0

    run_git(clone, "fetch", "-q", "--deepen=2")
    assert room.ingest(path=clone).commits == 3
    assert room.commits()[shas[5]][0] == COMPLETE
    assert room.commits()[shas[3]][0] == SHALLOW

    run_git(clone, "fetch", "-q", "--unshallow")
    room.ingest(path=clone)
    found = room.commits()
    assert {sha: row[0] for sha, row in found.items()} == dict.fromkeys(shas, COMPLETE)
    assert all(row[-1] == sorted([b"all", f"f{i}".encode()]) for i, row in enumerate(found[sha] for sha in shas))
    run_git(clone, "fetch", "-q", "--depth=1")
    assert room.ingest(path=clone).commits == 0, "the lesser never replaces the complete"


# What waits -----------------------------------------------------------------------------------------------------------


def deploy(room: Room, service: str, sha: str, *, at: int, received_at: int = 1) -> str:
    new = NewDeployment(
        id="", service=service, env="prod", version=sha[:8], repository_url=f"https://{NAME}", repository=NAME,
        commit_sha=bytes.fromhex(sha), started_at=at, finished_at=at, team="", tags=(), source="api",
    )  # fmt: skip
    return room.store.write(lambda writer: record_deployment(writer, new, received_at=received_at))


def pull_request(room: Room, number: int, **shas: str) -> None:
    values = [bytes.fromhex(shas[name]) if name in shas else None for name in ("merge_sha", "squash_sha", "head_sha")]
    row = (room.id, number, "", "", "", "", "[]", "", "merged", 1, 1, 1, *values, "[]", "[]", "{}")
    room.store.write(lambda writer: writer.write_many("pull_request", [row]))


def test_arrivals_mark_what_waits_for_them(room: Room, repo: GitRepo) -> None:
    root, moved, side, merge = small_history(repo)
    deploy(room, "cart", moved, at=500)
    deploy(room, "cart", merge, at=700)
    deploy(room, "web", merge, at=600)
    deploy(room, "other", "ab" * 20, at=800)
    pull_request(room, 1, merge_sha=merge)
    pull_request(room, 2, squash_sha=root, head_sha="cd" * 20)
    pull_request(room, 3, head_sha=side)
    pull_request(room, 4, head_sha="cd" * 20)
    room.take_marks()

    room.ingest()

    assert room.take_marks() == [
        ("changes", '["cart", "prod"]', 500),
        ("changes", '["web", "prod"]', 600),
        ("repository", f"[{room.id}, 1]", 0),
        ("repository", f"[{room.id}, 2]", 0),
        ("repository", f"[{room.id}, 3]", 0),
    ]
    room.ingest()
    assert room.take_marks() == [], "nothing new, nothing dirty"


def test_marks_survive_a_kill_between_slices(room: Room, repo: GitRepo) -> None:
    first = repo.commit("first", files=["a"])
    for i in range(600):
        repo.commit(f"c{i}", files=[f"{i}"])
    repo.close()
    deploy(room, "cart", first, at=500)
    room.take_marks()
    job = room.start()
    next(job)
    job.close()  # type: ignore[attr-defined]

    assert room.take_marks() == [("changes", '["cart", "prod"]', 500)], "marked with the commit, not at the end"
    room.ingest()


def test_a_full_sync_asks_again_for_what_it_did_not_bring(room: Room, repo: GitRepo) -> None:
    _, moved, *_ = small_history(repo)
    early = deploy(room, "cart", "ab" * 20, at=500, received_at=999)
    late = deploy(room, "web", "ab" * 20, at=600, received_at=10_000)
    fine = deploy(room, "api", moved, at=700, received_at=1)
    for deployment, reason in [(early, "predecessor_commit_unknown"), (late, "commit_unknown"), (fine, "first_deployment")]:
        row = (deployment, None, reason, "[]", "{}", 0, 0, 0, None, None, None, None, None, "", "", None)
        room.store.write(lambda writer, row=row: writer.write_many("change_set", [row]))
    room.take_marks()
    room.ingest("refs/heads/main")
    assert room.take_marks() == [("changes", '["api", "prod"]', 700)], "only what arrived"
    assert room.rows("repository")[0][-2:] == (None, None), "a narrow fetch is no sync"

    room.ingest()

    assert room.take_marks() == [("changes", '["cart", "prod"]', 500)]
    synced_from, synced_at = room.rows("repository")[0][-2:]
    assert 1_000 <= synced_from < synced_at


def test_deeper_history_marks_every_series_of_the_repository(room: Room, repo: GitRepo, tmp_path: Path) -> None:
    shas = [repo.commit(f"c{i}", files=[f"f{i}"]) for i in range(5)]
    repo.close()
    clone = tmp_path / "clone"
    run_git(tmp_path, "clone", "-q", "--depth=2", f"file://{repo.path}", str(clone))
    deploy(room, "cart", shas[4], at=500)
    room.ingest(path=clone)
    deploy(room, "web", shas[4], at=600)
    room.take_marks()

    run_git(clone, "fetch", "-q", "--unshallow")
    room.ingest(path=clone)

    assert room.take_marks() == [("changes", '["cart", "prod"]', 500), ("changes", '["web", "prod"]', 600)]


def test_a_branch_that_decides_a_links_path_marks_its_repository(room: Room, repo: GitRepo) -> None:
    root, *_ = small_history(repo)
    links = f'[["Source", "https://{NAME}/tree/release%2F2/services"]]'
    row = ("cart", "cart", "v2.2", "", "[]", "[]", None, links, "x.yaml:1", "[]", 0, "", "")
    room.store.write(lambda writer: writer.write_many("definition", [row]))
    deploy(room, "cart", root, at=500)
    room.ingest()
    room.take_marks()

    repo.branch("topic/3", root)
    repo.close()
    room.ingest()
    assert room.take_marks() == []

    repo.branch("release/2", root)
    repo.close()
    room.ingest()
    assert room.take_marks() == [("changes", '["cart", "prod"]', 500)]


def test_a_wish_is_fulfilled_unless_it_was_renewed(room: Room, repo: GitRepo) -> None:
    small_history(repo)
    for ref in ("*", "refs/heads/main"):
        room.store.write(lambda writer, ref=ref: want_fetch(writer, repository_id=room.id, ref=ref, now=1))
    room.ingest()
    assert [row[1] for row in room.rows("fetch")] == ["refs/heads/main"]

    room.store.write(lambda writer: want_fetch(writer, repository_id=room.id, ref="refs/heads/main", now=2))
    room.ingest("refs/heads/main")
    assert [(row[1], row[3]) for row in room.rows("fetch")] == [("refs/heads/main", 2)]
    assert room.store.read(lambda reader: mirror.due_fetches(reader, now=3)) == [
        mirror.Wish(repository_id=room.id, ref="refs/heads/main", version=2, attempts=0)
    ]


# A real history -------------------------------------------------------------------------------------------------------


def test_a_real_history_equals_git_commit_by_commit(store: Store, store_url: str, real_history: Path) -> None:
    room = Room(store, store_url, real_history)

    done = room.ingest()

    found = room.commits()
    assert done.commits == len(found) > 20_000
    said = subprocess.run(
        ["git", "-C", real_history, "rev-list", "--all", "--timestamp", "--parents", "--format=%at %ct%n%an <%ae>"],
        env=ENVIRONMENT, check=True, capture_output=True,
    ).stdout.decode("utf-8", "replace").split("\n")  # fmt: skip
    asked = iter(said)
    seen = 0
    for line in asked:
        if not line:
            continue
        _, _, sha, *parents = line.split()
        authored, committed = (int(date) for date in next(asked).split())
        author = next(asked)
        assert found[sha][:5] == (COMPLETE, "".join(parents), authored, committed, author[:500])
        seen += 1
    assert seen == len(found)

    tree = subprocess.run(
        ["git", "-C", real_history, "log", "--all", "--no-merges", "--no-renames", "--name-only", "-z", "--format=%x01%H"],
        env=ENVIRONMENT, check=True, capture_output=True,
    ).stdout  # fmt: skip
    checked = 0
    for record in tree.split(b"\x01")[1:]:
        sha, _, names = record.partition(b"\0")
        paths = sorted(name for name in names.removeprefix(b"\n").split(b"\0") if name)
        assert found[sha.decode()][-1] == paths
        checked += 1
    merges = [row for row in found.values() if len(row[1]) > 40]
    assert checked == len(found) - len(merges)
    assert all(row[-1] == [] for row in merges)
    expected = run_git(real_history, "for-each-ref", "--format=%(refname) %(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end)")
    assert room.refs() == dict(line.split() for line in expected.splitlines())

    newest = bytes.fromhex(run_git(real_history, "rev-parse", "main").strip())
    detail = store.read(lambda reader: commit_details(reader, room.id, [newest, b"\1" * 20]))
    assert list(detail) == [newest]
    assert detail[newest].paths == tuple(found[newest.hex()][-1])
    assert detail[newest].subject == run_git(real_history, "show", "-s", "--format=%s", "main").strip()
    assert room.ingest().commits == 0


def test_long_texts_are_cut(room: Room, repo: GitRepo) -> None:
    sha = repo.commit("s" * 9_000 + "\n\n" + "ü" * 9_000, author="n" * 900 + " <a@b>")
    repo.close()
    room.ingest()
    _, _, _, _, author, subject, body, _ = room.commits()[sha]
    assert (len(author), len(subject), len(body)) == (500, 4_000, 4_000)
