"""The log of a repository: parents, dates, text and paths, whatever they hold."""


import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import git
from bot.git.log import parse_log
from tests.git.asking import entries
from tests.support.gitrepo import GitRepo, git_bytes
from tests.support.gitrepo import git as run_git

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
