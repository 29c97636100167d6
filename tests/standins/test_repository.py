"""The hand-written repository, read back by git itself."""

import subprocess
from pathlib import Path

import pytest

from bot.standins.repository import Person, Repository, RepositoryError, git_environment

ANN = Person(login="ann", name="Ann Ash", email="ann@example.com", number=1)
BEN = Person(login="ben", name="Ben Birch", email="ben@example.com", number=2)
FORGE = Person(login="web-flow", name="GitHub", email="noreply@github.com", number=3)
NOON = 1_790_000_000


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "shop.git")


def git(repository: Repository, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(repository.directory), *arguments],
        env=git_environment(),
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def branched(repository: Repository) -> tuple[str, str, str]:
    """main with a root and one commit of its own; `work` with two commits since the root."""
    root = repository.commit("main", {"a": "1\n", "src/b.c": "2\n"}, message="Start", author=ANN, at=NOON)
    repository.commit("work", {"src/b.c": "3\n"}, message="Change b", author=BEN, at=NOON + 10)
    work = repository.commit("work", {"src/d": "4\n", "a": None}, message="Add d, drop a", author=BEN, at=NOON + 20)
    main = repository.commit("main", {"z": "5\n"}, message="Add z", author=ANN, at=NOON + 30)
    return root, work, main


def test_git_finds_nothing_wrong_and_reads_what_was_written(repository: Repository) -> None:
    root, work, _ = branched(repository)
    main = repository.commit("main", {"src-like": "sorts before src/\n"}, message="Sort", author=ANN, at=NOON + 35)
    repository.tag("v1", root)
    named = repository.tag("v2", main, tagger=BEN, at=NOON + 40)
    merged = repository.merge("main", work, "merge", message="Merge work", by=ANN, at=NOON + 50)

    assert git(repository, "fsck", "--strict", "--no-dangling") == ""
    assert git(repository, "log", "-1", "--format=%P|%an|%at|%cn|%ct|%s", "main") == (
        f"{main} {work}|Ann Ash|{NOON + 50}|Ann Ash|{NOON + 50}|Merge work"
    )
    assert git(repository, "ls-tree", "-r", "--name-only", "main").split() == ["src-like", "src/b.c", "src/d", "z"]
    assert git(repository, "show", "main:src/b.c") == "3"
    assert set(repository.commits_between(root, merged)) == set(git(repository, "rev-list", f"{root}..main").split())
    assert git(repository, "rev-parse", "v2") == named != main
    assert repository.resolve("v2") == main
    assert git(repository, "for-each-ref", "--format=%(refname:short)", "refs/heads").split() == ["main", "work"]


def test_each_way_to_land_has_its_own_dates(repository: Repository) -> None:
    root, work, main = branched(repository)

    def landed(how: str) -> list[str]:
        repository.force("main", main)
        repository.merge("main", work, how, message="Land (#1)", by=ANN, at=NOON + 100, author=BEN, committer=FORGE)
        return git(repository, "log", "--reverse", "--format=%an %at %cn %ct %s", f"{main}..main").split("\n")

    assert landed("squash") == [f"Ben Birch {NOON + 100} GitHub {NOON + 100} Land (#1)"]
    assert landed("rebase") == [
        f"Ben Birch {NOON + 10} GitHub {NOON + 100} Change b",
        f"Ben Birch {NOON + 20} GitHub {NOON + 100} Add d, drop a",
    ]
    with pytest.raises(RepositoryError, match="not behind"):
        landed("fast_forward")
    repository.force("main", root)
    assert repository.merge("main", work, "fast_forward", message="", by=ANN, at=NOON + 100) == work


def test_a_rebase_leaves_merges_out(repository: Repository) -> None:
    branched(repository)
    repository.merge("work", repository.head("main"), "merge", message="Catch up", by=BEN, at=NOON + 40)
    repository.commit("work", {"e": "1\n"}, message="Add e", author=BEN, at=NOON + 50)
    repository.merge("main", repository.head("work"), "rebase", message="", by=ANN, at=NOON + 60)
    subjects = git(repository, "log", "--format=%s", "main").split("\n")
    assert subjects == ["Add e", "Add d, drop a", "Change b", "Add z", "Start"]


def test_deltas_name_paths_against_the_first_parent(repository: Repository) -> None:
    root, work, main = branched(repository)
    assert repository.delta(root).added == ("a", "src/b.c")
    last = repository.delta(work)
    assert (last.added, last.removed, last.modified) == (("src/d",), ("a",), ())
    merged = repository.merge("main", work, "merge", message="Merge", by=ANN, at=NOON + 50)
    assert repository.delta(merged).paths == ("a", "src/b.c", "src/d")
    assert repository.changed_paths(root, main).paths == ("z",)
    assert repository.read(merged, "src/d") == b"4\n"
    assert repository.read(merged, "a") is None


def test_both_sides_of_one_file_are_merged_by_lines_or_refused(repository: Repository) -> None:
    lines = "".join(f"{n}\n" for n in range(20))
    repository.commit("main", {"f": lines}, message="Start", author=ANN, at=NOON)
    repository.commit("top", {"f": lines.replace("0\n", "zero\n", 1)}, message="Top", author=BEN, at=NOON + 1)
    clash = repository.commit("clash", {"f": lines.replace("19\n", "XIX\n")}, message="Clash", author=BEN, at=NOON + 1)
    repository.commit("main", {"f": lines.replace("19\n", "last\n")}, message="End", author=ANN, at=NOON + 2)
    merged = repository.merge("main", repository.head("top"), "merge", message="M", by=ANN, at=NOON + 3)
    assert (repository.read(merged, "f") or b"").startswith(b"zero\n1\n")
    assert (repository.read(merged, "f") or b"").endswith(b"18\nlast\n")
    with pytest.raises(RepositoryError, match="conflict in f"):
        repository.merge("main", clash, "squash", message="M", by=ANN, at=NOON + 4)
    assert repository.test_merge(merged, clash, by=ANN, at=NOON + 4) is None
    assert repository.head("main") == merged


def test_what_git_packed_is_still_read_and_refs_can_go(repository: Repository) -> None:
    _, work, main = branched(repository)
    repository.set_ref("refs/pull/1/head", work)
    git(repository, "gc", "--quiet")
    again = Repository(repository.directory)
    assert again.branches() == {"main": main, "work": work}
    assert again.refs("refs/pull/") == {"1/head": work}
    assert again.read(main, "src/b.c") == b"2\n"
    again.delete_branch("work")
    again.create_branch("work/deeper", work)
    assert again.branches() == {"main": main, "work/deeper": work}
    again.delete_branch("work/deeper")
    again.create_branch("work", main)
    assert git(again, "rev-parse", "refs/heads/work", "HEAD").split() == [main, main]
    with pytest.raises(RepositoryError, match="there already"):
        again.create_branch("work", work)


def test_equal_stories_give_equal_shas(tmp_path: Path) -> None:
    one, other = Repository(tmp_path / "one.git"), Repository(tmp_path / "other.git")
    assert branched(one) == branched(other)
