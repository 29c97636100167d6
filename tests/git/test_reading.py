"""Refs, shallow boundaries and other things read in place."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import git
from tests.git.asking import entries, heads
from tests.support.gitrepo import ENVIRONMENT, GitRepo
from tests.support.gitrepo import git as run_git


def test_refs_are_peeled_and_tags_have_dates(repo: GitRepo) -> None:
    first = repo.commit("a")
    repo.tag("light", first)
    repo.tag("v1", first, tagged_at=1_767_700_000)
    repo.branch("feat/ünï", first)
    repo.branch("refs/pull/7/head", first)
    repo.branch("refs/notes/x", first)
    repo.close()
    nested = run_git(repo.path, "rev-parse", "refs/tags/v1").strip()
    for name, target, kind in [("nested", nested, "tag"), ("tree", run_git(repo.path, "rev-parse", "main^{tree}").strip(), "tree")]:
        raw = f"object {target}\ntype {kind}\ntag {name}\ntagger A <a@b.c> 1767800000 +0000\n\nx\n".encode()
        made = run_git(repo.path, "mktag", stdin=raw).strip()
        run_git(repo.path, "update-ref", f"refs/tags/{name}", made)

    found = {tip.name: (tip.sha.hex(), tip.tagged_at) for tip in git.list_refs(repo.path)}

    assert found == {
        "refs/heads/main": (first, None),
        "refs/heads/feat/ünï": (first, None),
        "refs/pull/7/head": (first, None),
        "refs/tags/light": (first, None),
        "refs/tags/v1": (first, 1_767_700_000 * 10**9),
        "refs/tags/nested": (first, 1_767_800_000 * 10**9),
    }
    assert [tip.name for tip in git.list_refs(repo.path, ["refs/heads/feat", "refs/tags/v1", "refs/heads/no"])] == ["refs/tags/v1"]


def test_a_detached_head_is_a_tip(repo: GitRepo, tmp_path: Path) -> None:
    sha = repo.commit("a", files=["x"])
    repo.close()
    work = tmp_path / "work"
    run_git(tmp_path, "clone", "-q", str(repo.path), str(work))
    run_git(work, "checkout", "-q", "--detach")
    run_git(work, "branch", "-D", "main")

    assert heads(work) == {"HEAD": sha, "refs/remotes/origin/main": sha}
    assert git.default_branch(work) is None
    assert git.remote_origin_url(work) == str(repo.path)
    assert git.rev_parse(work, "HEAD").hex() == sha  # type: ignore[union-attr]
    assert git.rev_parse(work, "nothing") is None
    assert git.rev_parse(work, "--output=x") is None
    assert not (work / "x.lock").exists()


def test_a_folder_inside_a_repository_is_none(repo: GitRepo, tmp_path: Path) -> None:
    repo.commit("a", files=["x"])
    repo.close()
    run_git(tmp_path, "clone", "-q", str(repo.path), "work")
    (tmp_path / "work" / "inside").mkdir()

    assert git.is_repository(tmp_path / "work")
    assert git.is_repository(repo.path)
    assert not git.is_repository(tmp_path / "work" / "inside")
    assert not git.is_repository(tmp_path / "nowhere")


def test_a_repository_of_somebody_else_can_be_read_by_naming_it(repo: GitRepo) -> None:
    if os.geteuid() != 0:
        pytest.fail("wants root, as the project's checks have it")
    sha = repo.commit("a")
    repo.close()
    for where, folders, files in os.walk(repo.path):
        for name in [*folders, *files]:
            os.chown(Path(where) / name, 12345, 12345)
    os.chown(repo.path, 12345, 12345)

    assert heads(repo.path) == {"refs/heads/main": sha}


@given(st.text(max_size=30) | st.from_regex(r"[a-z.@{~^:?*\\/-]{1,12}", fullmatch=True))
def test_a_ref_is_what_git_calls_one(name: str) -> None:
    ref = f"refs/heads/{name}"
    if git.is_ref(ref):
        done = subprocess.run(["git", "check-ref-format", ref], env=ENVIRONMENT, check=False)
        assert done.returncode == 0, ref


@pytest.mark.parametrize(
    "name", ["refs/heads/main", "refs/heads/feature/x.y", "refs/tags/v1.0-rc@2", "refs/pull/12/head", "refs/heads/ünï", "refs/heads/a{b}"]
)
def test_ordinary_refs_are_refs(name: str) -> None:
    assert git.is_ref(name)


def test_the_shallow_boundary_is_known(repo: GitRepo, tmp_path: Path) -> None:
    shas = [repo.commit(f"{i}", files=[f"{i}"]) for i in range(5)]
    repo.close()
    run_git(tmp_path, "clone", "-q", "--bare", "--depth=2", f"file://{repo.path}", "shallow.git")
    run_git(tmp_path, "clone", "-q", "--depth=3", f"file://{repo.path}", "work")

    assert git.shallow_boundary(repo.path) == frozenset()
    assert git.shallow_boundary(tmp_path / "shallow.git") == {bytes.fromhex(shas[3])}
    assert git.shallow_boundary(tmp_path / "work") == {bytes.fromhex(shas[2])}
    assert list(entries(tmp_path / "shallow.git")) == shas[3:]


def test_git_is_called_in_one_place() -> None:
    root = Path(__file__).parents[2] / "bot"
    callers = {
        path.relative_to(root).parts[0]
        for path in root.rglob("*.py")
        for line in path.read_text().splitlines()
        if line.startswith(("import subprocess", "from subprocess")) or "create_subprocess" in line or "os.system(" in line
    }
    assert callers <= {"git", "demo", "standins"}
    assert "git" in callers


def test_the_version_is_known() -> None:
    assert git.git_version() >= (2, 31, 0)
