"""Git as the one caller sees it: what it logs, what it fetches, and what it never does."""

import asyncio
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import git
from bot.git.environment import environment
from bot.git.log import parse_log
from tests.support.gitrepo import ENVIRONMENT, GitRepo, git_bytes
from tests.support.gitrepo import git as run_git
from tests.support.gitserver import git_server


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[GitRepo]:
    with GitRepo(tmp_path / "served" / "grp" / "sub" / "repo.git") as built:
        yield built


def entries(path: Path, **tips: object) -> dict[str, git.LogEntry]:
    include = tips.pop("include", None) or {tip.sha for tip in git.list_refs(path)}
    return {entry.sha.hex(): entry for entry in git.log(path, include=include, **tips)}  # type: ignore[arg-type]


def heads(path: Path) -> dict[str, str]:
    return {tip.name: tip.sha.hex() for tip in git.list_refs(path)}


# The log --------------------------------------------------------------------------------------------------------------

ODD_NAMES = [
    b'q"uote', b"new\nline", b"\nfirst", b"tab\there", b"sp ace ", b"non\xffutf8", b"\xc3\xbcber", b"--output=x", b"-z", b"back\\slash",
    b"a/b/c/d", b"\x01\x02", b"'", b"$(touch owned)",
]


def test_log_gives_parents_dates_text_and_paths(repo: GitRepo) -> None:
    root = repo.commit("first\n\nwhy\nand how\n", files=["a.txt", "b.txt"], author="Ána <ana@example.org>", authored_at=1_700_000_000)
    second = repo.commit("move", files={"a.txt": None, "dir/a.txt": "1\n"}, authored_at=1_700_000_001, committed_at=1_700_009_999)
    side = repo.commit("side", branch="side", parents=[root], files=["side.txt"])
    merge = repo.merge("side")
    repo.close()

    found = entries(repo.path)

    assert list(found) == [root, second, side, merge]
    assert found[root].parents == b""
    assert (found[root].author, found[root].subject, found[root].body) == ("Ána <ana@example.org>", "first", "why\nand how")
    assert found[root].authored_at == 1_700_000_000 * 10**9
    assert found[root].paths == [b"a.txt", b"b.txt"]
    assert found[second].parents.hex() == root
    assert found[second].committed_at == 1_700_009_999 * 10**9
    assert found[second].paths == [b"a.txt", b"dir/a.txt"], "a rename is both sides"
    assert found[merge].parents.hex() == second + side
    assert found[merge].paths == []


def test_log_keeps_odd_names(repo: GitRepo) -> None:
    sha = repo.commit("names", files=ODD_NAMES)
    empty = repo.commit(b"")
    repo.close()

    found = entries(repo.path)

    assert sorted(found[sha].paths) == sorted(ODD_NAMES)
    assert found[empty].paths == []
    assert found[empty].subject == found[empty].body == ""


@pytest.mark.parametrize(
    "message",
    [
        b"\n\n\n", b"subject only", b"sub\nject over\nlines\n\nbody", b"\x01\x02 \xff not utf-8\n\n\xfe body", b".dot\n\n.dot",
        b"body with git log output\n\n\n0123 4567\n\n\x1e", "ünï\u2028cödé".encode(), b"x" * 300_000 + b"\n\n" + b"y" * 300_000,
        b"trailing\n\nbody\n\n\n\n",
    ],
)  # fmt: skip
def test_log_cannot_be_confused_by_messages(repo: GitRepo, message: bytes) -> None:
    before = repo.commit("before", files=["a"])
    odd = repo.commit(message, files=["\nb", "c"])
    after = repo.commit("after", files=["d"])
    repo.close()

    found = entries(repo.path)

    assert list(found) == [before, odd, after]
    assert found[odd].paths == [b"\nb", b"c"]
    told = git_bytes(repo.path, "show", "-s", "--format=%s%x00%b", odd).decode("utf-8", "replace").removesuffix("\n")
    assert f"{found[odd].subject}\0{found[odd].body}" == told.rstrip("\n") or not found[odd].body
    assert found[after].subject == "after"


@pytest.mark.parametrize("date", ["0 +0000", "99999999999 +0000", "9214646400 +0000", "18446744073709551615 +0000"])
def test_dates_outside_1970_to_2261_are_absent(repo: GitRepo, date: str) -> None:
    sha = repo.commit("odd date", authored_at=date, committed_at=1_700_000_000)
    repo.close()

    found = entries(repo.path)[sha]

    assert found.authored_at == (0 if date.startswith("0") else None)
    assert found.committed_at == 1_700_000_000 * 10**9


def test_broken_author_lines_do_not_stop_the_log(repo: GitRepo) -> None:
    sha = repo.commit("fine", files=["a"])
    repo.close()
    tree = run_git(repo.path, "rev-parse", f"{sha}^{{tree}}").strip()
    raw = f"tree {tree}\nparent {sha}\nauthor nobody\ncommitter <> 12\n\nbroken\n".encode()
    broken = run_git(repo.path, "hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=raw).strip()
    repo.branch("broken", broken)
    repo.close()

    found = entries(repo.path)[broken]

    assert (found.subject, found.authored_at) == ("broken", None)


def test_a_log_in_latin_1_is_decoded(repo: GitRepo) -> None:
    sha = repo.commit("x")
    repo.close()
    tree = run_git(repo.path, "rev-parse", f"{sha}^{{tree}}").strip()
    who = b"J\xf6rg <j@example.org> 1700000000 +0000"
    raw = b"tree %s\nauthor %s\ncommitter %s\nencoding ISO-8859-1\n\ngr\xfc\xdfe\n" % (tree.encode(), who, who)
    latin = run_git(repo.path, "hash-object", "-t", "commit", "-w", "--stdin", stdin=raw).strip()

    found = next(git.log(repo.path, include=[bytes.fromhex(latin)]))

    assert (found.author, found.subject) == ("Jörg <j@example.org>", "grüße")


def test_log_ignores_the_repositorys_own_settings(repo: GitRepo) -> None:
    """Whatever a repository configures, the answer is the same, and nothing it names is executed."""
    root = repo.commit("a", files=["x", "sub/y"])
    second = repo.commit("b", files={"x": None, "z": "1\n"})
    repo.close()
    tree = run_git(repo.path, "rev-parse", f"{second}^{{tree}}").strip()
    who = "Ann <ann@example.org> 1767600000 +0000"
    signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n abcd\n -----END PGP SIGNATURE-----"
    raw = f"tree {tree}\nparent {second}\nauthor {who}\ncommitter {who}\n{signature}\n\nsigned\n".encode()
    signed = run_git(repo.path, "hash-object", "-t", "commit", "-w", "--stdin", stdin=raw).strip()
    run_git(repo.path, "update-ref", "refs/heads/signed", signed)
    plain = entries(repo.path)
    assert list(plain) == [root, second, signed]
    canary = repo.path / "canary"
    hook = repo.path / "owned.sh"
    hook.write_text(f"#!/bin/sh\ntouch {canary}\n")
    hook.chmod(0o755)
    for key, value in {
        "log.showSignature": "true", "gpg.program": str(hook), "core.fsmonitor": str(hook), "diff.external": str(hook),
        "core.pager": str(hook), "diff.renames": "copies", "log.diffMerges": "first-parent", "log.showRoot": "false",
        "diff.relative": "true", "core.quotePath": "true", "log.follow": "true", "diff.orderFile": "nowhere",
        "core.alternateRefsCommand": str(hook), "format.pretty": "oneline", "log.decorate": "full", "color.ui": "always",
    }.items():
        run_git(repo.path, "config", key, value)
    run_git(repo.path, "replace", second, root)

    assert entries(repo.path) == plain
    assert not canary.exists()


def test_excluded_tips_and_empty_questions(repo: GitRepo) -> None:
    first = repo.commit("a")
    second = repo.commit("b")
    repo.close()

    assert list(entries(repo.path, exclude=[bytes.fromhex(first)])) == [second]
    assert list(git.log(repo.path, include=[])) == []
    with pytest.raises(git.GitError):
        list(git.log(repo.path, include=[b"\1" * 20]))
    assert git.existing_commits(repo.path, [bytes.fromhex(first), b"\1" * 20]) == [bytes.fromhex(first)]


@given(
    st.lists(
        st.tuples(
            st.lists(st.binary(min_size=1, max_size=8).filter(lambda path: b"\0" not in path), max_size=4),
            st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
        ),
        max_size=8,
    ),
    st.integers(1, 64),
)
def test_the_parser_reads_any_stream_cut_anywhere(commits: list[tuple[list[bytes], str]], size: int) -> None:
    stream, shas = b"", []
    for i, (paths, text) in enumerate(commits):
        sha = f"{i:040x}"
        shas.append(sha)
        fields = [f"{sha} ", "17 18", f"{text} <>", f".{text}", f".{text}"]
        stream += b"\0" + "\0".join(fields).encode() + b"\0"
        stream += (b"\n" + b"\0".join(paths) + b"\0") if paths else b""

    class Cut:
        def __init__(self) -> None:
            self.at = 0

        def read(self, _: int) -> bytes:
            self.at += size
            return stream[self.at - size : self.at]

    found = list(parse_log(Cut()))  # type: ignore[arg-type]

    assert [entry.sha.hex() for entry in found] == shas
    assert [entry.paths for entry in found] == [paths for paths, _ in commits]
    assert [entry.subject for entry in found] == [text for _, text in commits]


# Refs -----------------------------------------------------------------------------------------------------------------


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


# Fetching -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    path = tmp_path / "mirrors" / "1.git"
    assert git.init_mirror(path)
    assert not git.init_mirror(path)
    return path


async def test_a_full_fetch_follows_branches_and_keeps_tags(repo: GitRepo, mirror: Path, tmp_path: Path) -> None:
    first = repo.commit("a", files={"a": "secret contents\n"})
    repo.tag("v1", first, tagged_at=1_767_700_000)
    gone = repo.commit("gone", branch="gone", parents=[first])
    repo.branch("refs/pull/1/head", gone)
    repo.close()
    async with git_server(tmp_path / "served") as server:
        remote = git.Remote(url=f"{server.url}/grp/sub/repo.git")
        assert await git.fetch_all(mirror, remote) == git.Fetched()
        assert heads(mirror) == {"refs/heads/main": first, "refs/heads/gone": gone, "refs/tags/v1": first}
        assert await git.remote_default_branch(remote, mirror) == "main"

        repo.delete("gone")
        repo.delete("refs/tags/v1")
        forced = repo.commit("forced", parents=[], files=["other"])
        repo.close()
        await git.fetch_all(mirror, remote)

    assert heads(mirror) == {"refs/heads/main": forced, "refs/tags/v1": first}, "branches go, tags stay"
    assert git.existing_commits(mirror, [bytes.fromhex(gone)]), "a commit that lost its branch stays"
    blobs = git_bytes(mirror, "cat-file", "--batch-all-objects", "--batch-check=%(objecttype)").split()
    assert b"blob" not in blobs
    assert entries(mirror)[first].paths == [b"a"]
    assert server.url not in (mirror / "config").read_text()


async def test_a_narrow_fetch_brings_what_it_names(repo: GitRepo, mirror: Path, tmp_path: Path) -> None:
    first = repo.commit("a")
    head = repo.commit("head", branch="other", parents=[first])
    repo.branch("refs/pull/12/head", head)
    repo.branch("refs/merge-requests/3/head", head)
    repo.close()
    async with git_server(tmp_path / "served") as server:
        remote = git.Remote(url=f"{server.url}/grp/sub/repo.git")
        assert await git.fetch_refs(mirror, remote, ["refs/heads/main"]) == git.Fetched()
        assert server.packs == 2, "one to list, one to fetch"
        assert heads(mirror) == {"refs/heads/main": first}

        found = await git.fetch_refs(mirror, remote, ["refs/pull/12/head", "refs/pull/13/head", "refs/merge-requests/3/head"])
        assert found.missing == ("refs/pull/13/head",)
        assert heads(mirror).keys() == {"refs/heads/main", "refs/pull/12/head", "refs/merge-requests/3/head"}

        server.hidden = ["refs/pull"]
        repo.delete("main")
        found = await git.fetch_refs(mirror, remote, ["refs/heads/main", "refs/pull/12/head"])
        assert set(found.missing) == {"refs/heads/main", "refs/pull/12/head"}
        assert await git.fetch_refs(mirror, remote, []) == git.Fetched()
    assert heads(mirror).keys() == {"refs/merge-requests/3/head"}


async def test_thousands_of_refs_in_one_fetch(repo: GitRepo, mirror: Path, tmp_path: Path) -> None:
    first = repo.commit("a")
    names = [f"refs/pull/{i}/head" for i in range(2_000)]
    repo.close()
    run_git(repo.path, "update-ref", "--stdin", stdin="".join(f"create {name} {first}\n" for name in names).encode())
    async with git_server(tmp_path / "served") as server:
        found = await git.fetch_refs(mirror, git.Remote(url=f"{server.url}/grp/sub/repo.git"), names)

    assert found.missing == ()
    assert len(git.list_refs(mirror)) == 2_000


async def test_a_ref_in_the_way_is_told_as_such(repo: GitRepo, mirror: Path, tmp_path: Path) -> None:
    first = repo.commit("a")
    repo.branch("topic", first)
    repo.close()
    async with git_server(tmp_path / "served") as server:
        remote = git.Remote(url=f"{server.url}/grp/sub/repo.git")
        await git.fetch_all(mirror, remote)
        repo.delete("topic")
        below = repo.commit("b", branch="topic/below", parents=[first])
        repo.close()
        with pytest.raises(git.RefConflictError):
            await git.fetch_refs(mirror, remote, ["refs/heads/topic/below"])
        await git.fetch_all(mirror, remote)

    assert heads(mirror) == {"refs/heads/main": first, "refs/heads/topic/below": below}


async def test_a_server_that_cannot_filter_sends_everything(repo: GitRepo, mirror: Path, tmp_path: Path) -> None:
    repo.commit("a", files=["a"])
    repo.close()
    async with git_server(tmp_path / "served") as server:
        server.offers_filter = False
        found = await git.fetch_all(mirror, git.Remote(url=f"{server.url}/grp/sub/repo.git"))

    assert found == git.Fetched(filtered=False)
    assert len(entries(mirror)) == 1


async def test_a_pack_above_the_cap_is_refused(repo: GitRepo, mirror: Path, tmp_path: Path) -> None:
    repo.commit("big", files={"noise": os.urandom(300_000)})
    repo.close()
    async with git_server(tmp_path / "served") as server:
        server.offers_filter = False
        with pytest.raises(git.TooLargeError):
            await git.fetch_all(mirror, git.Remote(url=f"{server.url}/grp/sub/repo.git", max_pack=100_000))

    assert heads(mirror) == {}
    assert not [name for name in snapshot(mirror) if "tmp_" in name]


@pytest.mark.parametrize(
    ("switch", "error"),
    [
        ({"status": 500}, git.RemoteError), ({"status": 503}, git.RemoteError), ({"status": 404}, git.RemoteNotFoundError),
        ({"status": 401}, git.RemoteRefusedError), ({"status": 403}, git.RemoteRefusedError),
        ({"token": "sesame-open"}, git.RemoteRefusedError),
    ],
)  # fmt: skip
async def test_failures_have_names(
    repo: GitRepo, mirror: Path, tmp_path: Path, switch: dict[str, object], error: type[git.GitError]
) -> None:
    repo.commit("a")
    repo.close()
    async with git_server(tmp_path / "served") as server:
        remote = git.Remote(url=f"{server.url}/grp/sub/repo.git")
        for name, value in switch.items():
            setattr(server, name, value)
        with pytest.raises(error) as caught:
            await git.fetch_all(mirror, remote)
        assert type(caught.value) is error
        for name in switch:
            setattr(server, name, type(switch[name])())
        await git.fetch_all(mirror, remote)
    assert len(heads(mirror)) == 1


async def test_a_dead_host_is_unreachable(mirror: Path) -> None:
    with pytest.raises(git.RemoteError) as caught:
        await git.fetch_all(mirror, git.Remote(url="http://127.0.0.1:1/a/b.git"))
    assert caught.value.slug == "unreachable"


async def test_a_slow_server_is_left_and_nothing_runs_on(repo: GitRepo, mirror: Path, tmp_path: Path) -> None:
    repo.commit("a")
    repo.close()
    async with git_server(tmp_path / "served") as server:
        server.delay = 30
        with pytest.raises(git.GitTimeoutError):
            await git.fetch_all(mirror, git.Remote(url=f"{server.url}/grp/sub/repo.git", timeout=0.3))
        assert not children_running_in(mirror)

        task = asyncio.create_task(git.fetch_all(mirror, git.Remote(url=f"{server.url}/grp/sub/repo.git")))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not children_running_in(mirror)


def children_running_in(folder: Path) -> list[str]:
    """Processes whose working directory is `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder:
                found.append((process / "cmdline").read_bytes().decode())
        except OSError:
            continue
    return found


# Secrets --------------------------------------------------------------------------------------------------------------

CANARY = "glpat-CANARY-0123456789"


async def test_a_token_reaches_the_server_and_nobody_else(repo: GitRepo, mirror: Path, tmp_path: Path) -> None:
    repo.commit("a", files=["a"])
    repo.close()
    seen: set[str] = set()
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for command in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(command.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
                except OSError:
                    continue

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        async with git_server(tmp_path / "served") as server:
            server.token = CANARY
            remote = git.Remote(url=f"{server.url}/grp/sub/repo.git", token=CANARY)
            await git.fetch_all(mirror, remote)
            wrong = git.Remote(url=remote.url, token=CANARY + "x")
            with pytest.raises(git.RemoteRefusedError) as caught:
                await git.fetch_all(mirror, wrong)
    finally:
        stop.set()
        thread.join()

    assert heads(mirror)
    assert any("git fetch" in command for command in seen), "the watcher saw git"
    assert not [command for command in seen if "CANARY" in command or "Authorization" in command]
    assert CANARY not in str(caught.value) + repr(remote) + repr(caught.value)
    assert not files_holding(mirror, CANARY)


def files_holding(folder: Path, text: str) -> list[str]:
    """The files below a folder in which `text` stands."""
    return [name for name in snapshot(folder) if text.encode() in Path(name).read_bytes()]


async def test_a_token_does_not_follow_a_redirect(repo: GitRepo, mirror: Path, tmp_path: Path) -> None:
    repo.commit("a")
    repo.close()
    async with git_server(tmp_path / "served") as elsewhere, git_server(tmp_path / "served") as server:
        server.redirect = elsewhere.url
        with pytest.raises(git.RemoteError):
            await git.fetch_all(mirror, git.Remote(url=f"{server.url}/grp/sub/repo.git", token=CANARY))
        assert elsewhere.requests == []
        await git.fetch_all(mirror, git.Remote(url=f"{server.url}/grp/sub/repo.git"))
        assert set(elsewhere.authorizations) == {""}


def test_credentials_are_cut_from_what_git_says() -> None:
    assert git.clean("fatal: https://u:p@h/x and http://t@h", token="abc") == "fatal: https://h/x and http://h"
    assert git.clean("has sesame in it", token="sesame") == "has *** in it"


# Injections -----------------------------------------------------------------------------------------------------------

HOSTILE_URLS = [
    "--upload-pack=touch {canary}", "-u touch {canary}", "ext::sh -c touch% {canary}", "ext::touch {canary}",
    "file://{repo}", "file:///etc", "{repo}", "/etc", "../x", "fd::3", "fd::17/foo", "git://127.0.0.1/x", "ssh://-oProxyCommand=touch%20{canary}/x",
    "ssh://h/x", "git@h:x", "http://evil.example/x", "http://169.254.169.254/latest", "http://127.0.0.1.evil.example/x",
    "https://", "https://-h/x", "https://u:p@h/x", "https://h/x?y", "https://h/x#y", "https://h/x\n--upload-pack=touch {canary}",
    "https://h/ x", "https://h/\x00", "https://h:99999/x", "https://[::1/x", "ftp://h/x", "HTTP::x", "", "https://h\\@evil/x",
    "testgit::{repo}", "http://localhost.evil.example/x", "http://0.0.0.0/x", "http://user@127.0.0.1/x", "https://ünï.example/x",
]  # fmt: skip
HOSTILE_REFS = [
    "--upload-pack=touch {canary}", "-x", "--output={canary}", "refs/heads/../../config", "refs/heads/a b", "refs/heads/x\nrefs/heads/y",
    "refs/heads/x:refs/heads/y", "+refs/heads/x", "refs/heads/*", "refs/heads/-x", "refs/heads/x.lock", "refs/heads/x\0y", "HEAD", "main",
    "refs/heads/", "refs//heads/x", "refs/heads/x/", "/refs/heads/x", "refs/heads/@{{1}}", "refs/heads/x~1", "refs/heads/x^", "refs/heads/\\x",
    "refs/x", "refs/heads/.x", "refs/heads/x.", "$(touch {canary})", "`touch {canary}`", "refs/heads/;touch {canary}", "", "refs/heads/" + "x" * 2_000,
]  # fmt: skip
HOSTILE_REVISIONS = ["--output={canary}", "-p", "--exec=touch {canary}", "HEAD --output={canary}", ":/--output", "^HEAD", "@{{-1}}", "..", "x y", "$(touch {canary})"]


@pytest.mark.parametrize("url", HOSTILE_URLS)
async def test_hostile_urls_do_nothing(repo: GitRepo, mirror: Path, tmp_path: Path, url: str) -> None:
    repo.commit("a")
    repo.close()
    canary = tmp_path / "canary"
    before = snapshot(tmp_path)
    url = url.format(canary=canary, repo=repo.path)
    with pytest.raises(git.BadArgumentError):
        await git.fetch_all(mirror, git.Remote(url=url))
    with pytest.raises(git.BadArgumentError):
        await git.fetch_refs(mirror, git.Remote(url=url), ["refs/heads/main"])
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("ref", HOSTILE_REFS)
async def test_hostile_refs_do_nothing(repo: GitRepo, mirror: Path, tmp_path: Path, ref: str) -> None:
    repo.commit("a")
    repo.close()
    canary = tmp_path / "canary"
    before = snapshot(tmp_path)
    ref = ref.format(canary=canary)
    async with git_server(tmp_path / "served") as server:
        with pytest.raises(git.BadArgumentError):
            await git.fetch_refs(mirror, git.Remote(url=f"{server.url}/grp/sub/repo.git"), [ref])
        assert server.requests == []
    assert git.list_refs(mirror, [ref]) == []
    git.delete_refs(mirror, [ref])
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("revision", HOSTILE_REVISIONS)
def test_hostile_revisions_do_nothing(repo: GitRepo, tmp_path: Path, revision: str) -> None:
    repo.commit("a")
    repo.close()
    before = snapshot(tmp_path)
    assert git.rev_parse(repo.path, revision.format(canary=tmp_path / "canary")) is None
    assert snapshot(tmp_path) == before
    with pytest.raises(git.BadArgumentError):
        git.rev_parse(repo.path, revision + "\n--output=x")


def snapshot(folder: Path) -> dict[str, int]:
    """All files below a folder and their sizes."""
    return {str(path): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


async def test_a_hostile_remote_helper_or_hook_is_never_run(repo: GitRepo, mirror: Path, tmp_path: Path) -> None:
    repo.commit("a")
    repo.close()
    canary = tmp_path / "canary"
    for name in ("post-update", "reference-transaction", "post-fetch", "pre-auto-gc", "post-rewrite"):
        hook = mirror / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {canary}\n")
        hook.chmod(0o755)
    async with git_server(tmp_path / "served") as server:
        await git.fetch_all(mirror, git.Remote(url=f"{server.url}/grp/sub/repo.git"))
    assert heads(mirror)
    assert not canary.exists()


def test_reading_can_reach_no_network(repo: GitRepo, mirror: Path) -> None:
    assert environment(mirror)["GIT_ALLOW_PROTOCOL"] == "none"
    assert git.protocols_for("http://127.0.0.1:8000/x") == "http"
    assert git.protocols_for("http://[::1]/x") == "http"
    assert git.protocols_for("http://gitlab.internal:8080/x", plain_hosts=frozenset({"gitlab.internal:8080"})) == "http"
    with pytest.raises(git.ProtocolRefusedError):
        git.protocols_for("http://gitlab.internal:8081/x", plain_hosts=frozenset({"gitlab.internal:8080"}))
    assert git.protocols_for("https://github.com/a/b.git") == "https"


def test_no_variable_of_the_machine_reaches_git(monkeypatch: pytest.MonkeyPatch, repo: GitRepo, tmp_path: Path) -> None:
    sha = repo.commit("a")
    repo.close()
    for name, value in {
        "GIT_DIR": "/nowhere", "GIT_WORK_TREE": "/nowhere", "GIT_TRACE": str(tmp_path / "trace"), "GIT_EXTERNAL_DIFF": "false",
        "GIT_OBJECT_DIRECTORY": "/nowhere", "GIT_CONFIG_PARAMETERS": "'core.bare=maybe'", "GIT_EXEC_PATH": "/nowhere",
    }.items():
        monkeypatch.setenv(name, value)

    assert heads(repo.path) == {"refs/heads/main": sha}
    assert not (tmp_path / "trace").exists()


# Shallow --------------------------------------------------------------------------------------------------------------


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
    root = Path(__file__).parents[1] / "bot"
    callers = {
        path.relative_to(root).parts[0]
        for path in root.rglob("*.py")
        for line in path.read_text().splitlines()
        if line.startswith(("import subprocess", "from subprocess")) or "create_subprocess" in line or "os.system(" in line
    }
    assert callers <= {"git", "demo"}
    assert "git" in callers


def test_the_version_is_known() -> None:
    assert git.git_version() >= (2, 31, 0)
