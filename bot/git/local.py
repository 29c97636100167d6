"""Reading a repository on this machine: nothing here can reach the network."""

import re
import subprocess
from binascii import unhexlify
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple

from bot.dora.commits import Sha
from bot.dora.instants import LATEST, SECOND, Instant
from bot.git.arguments import clean, is_ref, is_sha
from bot.git.environment import environment
from bot.git.errors import (
    BadArgumentError,
    GitError,
    GitMissingError,
    GitTimeoutError,
    NotARepositoryError,
    TooLargeError,
)

MINIMUM_VERSION = (2, 31)
"""The first git that takes its configuration from the environment."""
LOCAL_TIMEOUT = 120.0


class RefTip(NamedTuple):
    """Where a ref points: the commit (tags peeled), and the tagger's instant of an annotated tag."""

    name: str
    sha: Sha
    tagged_at: Instant | None


def _run(path: Path, *arguments: str, stdin: bytes = b"", accept: Sequence[int] = (0,)) -> bytes:
    """Run git in `path` and return what it printed; raises a `GitError`."""
    path = path.absolute()
    if not path.is_dir():
        raise NotARepositoryError(f"there is no folder {path}")
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=path, env=environment(path), input=stdin, capture_output=True, timeout=LOCAL_TIMEOUT,
            check=False,
        )
    except FileNotFoundError as error:
        raise GitMissingError("the git program is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise GitTimeoutError(f"git {arguments[0]} took longer than {LOCAL_TIMEOUT:.0f} s") from error
    if done.returncode not in accept:
        raise local_error(arguments[0], done.returncode, done.stderr)
    return done.stdout if done.returncode == 0 else b""


def local_error(verb: str, code: int, stderr: bytes) -> GitError:
    said = first_lines(stderr)
    kind = NotARepositoryError if "not a git repository" in said.lower() else GitError
    return kind(f"git {verb} failed ({code}): {said}")


def first_lines(stderr: bytes, *, token: str = "") -> str:
    lines = [line.strip() for line in stderr.decode("utf-8", "replace").splitlines()]
    lines = [line for line in lines if line and not line.startswith("hint:")]
    return clean(" / ".join(lines[:3]), token=token)[:500]


@cache
def git_version() -> tuple[int, int, int]:
    """The version of the git program; raises `GitMissingError` when there is none or it is too old."""
    said = _run(Path("/"), "version").decode("ascii", "replace")
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", said)
    if found is None:
        raise GitMissingError(f"git says {said[:100]!r} of its version")
    version = (int(found[1]), int(found[2]), int(found[3] or 0))
    if version[:2] < MINIMUM_VERSION:
        raise GitMissingError(f"git {said.split()[-1]} is too old: at least {'.'.join(map(str, MINIMUM_VERSION))}")
    return version


def init_mirror(path: Path) -> bool:
    """Make an empty bare repository at `path`; False when there is one already, which is left as it is."""
    git_version()
    if (path / "HEAD").exists():
        return False
    path.mkdir(parents=True, exist_ok=True)
    _run(path, "init", "--quiet", "--bare", "--template=", "--initial-branch=main", ".")
    return True


def is_repository(path: Path) -> bool:
    """Whether `path` is a git repository, bare or with a work tree."""
    try:
        _run(path, "rev-parse", "--git-dir")
    except NotARepositoryError:
        return False
    return True


def remote_origin_url(path: Path) -> str | None:
    """The URL of the remote `origin` as the repository's configuration has it (maybe with credentials), if it has one."""
    said = _run(path, "config", "--local", "--get", "remote.origin.url", accept=(0, 1))
    return said.decode("utf-8", "replace").strip() or None


def default_branch(path: Path) -> str | None:
    """The short name of the branch HEAD names, whether it exists or not; `None` when HEAD is detached."""
    said = _run(path, "symbolic-ref", "--quiet", "--short", "HEAD", accept=(0, 1))
    return said.decode("utf-8", "replace").strip() or None


def rev_parse(path: Path, revision: str) -> Sha | None:
    """The commit that a revision names, if there is one."""
    if "\0" in revision or "\n" in revision:
        raise BadArgumentError("a revision is one line")
    said = _run(
        path, "rev-parse", "--verify", "--quiet", "--end-of-options", revision + "^{commit}", accept=(0, 1, 128)
    )
    sha = said.decode("ascii", "replace").strip()
    return bytes.fromhex(sha) if is_sha(sha) else None


def shallow_boundary(path: Path) -> frozenset[Sha]:
    """The commits whose parents were not fetched; empty for a whole repository."""
    where = _run(path, "rev-parse", "--git-path", "shallow").decode("utf-8", "surrogateescape").rstrip("\n")
    try:
        lines = (path.absolute() / where).read_text("ascii").split()
    except FileNotFoundError:
        return frozenset()
    return frozenset(bytes.fromhex(line) for line in lines if is_sha(line))


_COUNTED = ("refs/heads", "refs/tags", "refs/remotes", "refs/pull", "refs/merge-requests")


def list_refs(path: Path, names: Sequence[str] | None = None) -> list[RefTip]:
    """Branches, tags and pull request heads that point to commits, by name; or those of `names` that are there.

    A detached HEAD is listed as `HEAD`.
    """
    if names is not None and not (names := [name for name in names if is_ref(name)]):
        return []
    said = _run(
        path, "for-each-ref", "--format=%(objecttype) %(objectname) %(taggerdate:unix) %(refname)", "--",
        *(_COUNTED if names is None else names),
    )
    rows = [line.split(b" ", 3) for line in said.split(b"\n") if line]
    peeled = _peel(path, [row[1] for row in rows if row[0] == b"tag"])
    tips = []
    for kind, target, tagged, name in rows:
        commit = target if kind == b"commit" else peeled.get(target)
        text = name.decode("utf-8", "backslashreplace")
        # A pattern that is a whole name also lists what lies below it.
        if commit is not None and not text.endswith("/HEAD") and (names is None or text in names):
            tips.append(RefTip(text, unhexlify(commit), instant(tagged)))
    if names is None and default_branch(path) is None and (head := rev_parse(path, "HEAD")):
        tips.append(RefTip("HEAD", head, None))
    return tips


def _peel(path: Path, tags: Sequence[bytes]) -> dict[bytes, bytes]:
    """Tag objects → the commits they stand for; tags of anything else are left out."""
    if not tags:
        return {}
    asked = b"".join(tag + b"^{commit}\n" for tag in tags)
    said = _run(path, "cat-file", "--batch-check=%(objecttype) %(objectname)", stdin=asked).split(b"\n")
    return {tag: line[7:] for tag, line in zip(tags, said, strict=False) if line.startswith(b"commit ")}


def existing_commits(path: Path, shas: Iterable[Sha]) -> list[Sha]:
    """Those of the commits that the repository holds."""
    wanted = list(shas)
    if not wanted:
        return []
    asked = b"".join(sha.hex().encode() + b"\n" for sha in wanted)
    said = _run(path, "cat-file", "--batch-check=%(objecttype)", stdin=asked).split(b"\n")
    return [sha for sha, line in zip(wanted, said, strict=False) if line == b"commit"]


def root_files(path: Path, commit: Sha, names: Sequence[str]) -> dict[str, bytes]:
    """Those of `names` that are plain files at the root of a commit's tree, with the ids of their contents."""
    said = _run(path, "ls-tree", "-z", "--full-tree", commit.hex(), "--", *names)
    rows = (line.partition(b"\t") for line in said.split(b"\0") if line)
    return {
        name.decode("utf-8", "surrogateescape"): unhexlify(head.split()[2])
        for head, _, name in rows
        if head.startswith((b"100644 ", b"100755 "))
    }


def read_blob(path: Path, blob: bytes, *, limit: int) -> bytes | None:
    """A file's contents; `None` where the mirror left them out. Raises TooLargeError beyond `limit` bytes."""
    asked = blob.hex().encode() + b"\n"
    said = _run(path, "cat-file", "--batch-check=%(objecttype) %(objectsize)", stdin=asked, accept=(0, 128)).split()
    if len(said) != 2 or said[0] != b"blob":
        return None
    if int(said[1]) > limit:
        raise TooLargeError(f"{int(said[1]):,} bytes, at most {limit:,} are read")
    return _run(path, "cat-file", "blob", blob.hex())


class Counting:
    """Counts in the background what `log` will give."""

    def __init__(self, path: Path, *, include: Iterable[Sha], exclude: Iterable[Sha] = ()) -> None:
        path = path.absolute()
        with TemporaryFile() as asked:
            asked.write(revisions(include, exclude))
            asked.seek(0)
            self._process = subprocess.Popen(
                ["git", "rev-list", "--count", "--stdin"], cwd=path, env=environment(path), stdin=asked,
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )
        self._total: int | None = None

    @property
    def total(self) -> int | None:
        """The number of commits; `None` while it is not known."""
        if self._total is None and self._process.poll() == 0 and self._process.stdout:
            self._total = int(self._process.stdout.read() or 0)
        return self._total

    def close(self) -> None:
        """Stop counting."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()


def delete_refs(path: Path, names: Iterable[str]) -> None:
    """Forget refs (their commits stay); one that is not there is none the worse."""
    asked = "".join(f"delete {name}\0\0" for name in names if is_ref(name))
    if asked:
        _run(path, "update-ref", "-z", "--stdin", stdin=asked.encode())


def revisions(include: Iterable[Sha], exclude: Iterable[Sha]) -> bytes:
    tips = "".join(f"{sha.hex()}\n" for sha in include)
    return (tips + "".join(f"^{sha.hex()}\n" for sha in exclude)).encode() if tips else b""


def instant(seconds: bytes) -> Instant | None:
    """Seconds as git prints them; `None` outside 1970–2261 or when there is no date."""
    if not seconds.isdigit() or len(seconds) > 12:
        return None
    instant = int(seconds) * SECOND
    return instant if instant < LATEST else None
