"""Real git repositories, built deterministically: equal calls give equal shas."""

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

ENVIRONMENT = {
    "PATH": os.environ["PATH"], "HOME": "/dev/null", "LC_ALL": "C", "TZ": "UTC",
    "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null",
}
START = 1_767_600_000
"""2026-01-05T08:00:00Z, the first commit's date when none is given; each later one is a minute younger."""


def git(path: Path, *arguments: str, stdin: bytes = b"") -> str:
    """Run git in `path` and return what it printed."""
    return git_bytes(path, *arguments, stdin=stdin).decode()


def git_bytes(path: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    """Like `git`, raw."""
    done = subprocess.run(["git", "-C", str(path), *arguments], input=stdin, env=ENVIRONMENT, capture_output=True)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    return done.stdout


class GitRepo:
    """A bare repository under construction; use it as a context manager, or `close` it before anybody reads it.

    Shas are hex text. Branches are short names. Paths may be text or bytes, contents too; `None` deletes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tips: dict[str, str] = {}
        self.trees: dict[str, dict[bytes, bytes]] = {}
        self._clock = START
        self._mark = 0
        self._marks: dict[str, int] = {}
        self._process: subprocess.Popen[bytes] | None = None
        if not (path / "HEAD").exists():
            path.mkdir(parents=True, exist_ok=True)
            git(path, "init", "-q", "--bare", "-b", "main", ".")
            git(path, "config", "uploadpack.allowFilter", "true")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def commit(
        self,
        message: str | bytes = "change",
        *,
        files: Mapping[str | bytes, str | bytes | None] | Iterable[str | bytes] = (),
        branch: str = "main",
        parents: Sequence[str] | None = None,
        author: str | bytes = "Ann <ann@example.org>",
        committer: str | bytes = "",
        authored_at: int | str | None = None,
        committed_at: int | str | None = None,
    ) -> str:
        """Commit onto `branch` (or onto `parents`, moving the branch there; `()` makes a root) and return the sha.

        `files` given as names alone get new contents. Dates are epoch seconds, or raw text as git stores it. A merge
        takes both sides' files, the later parent's where they differ.
        """
        if parents is None:
            parents = [self.tips[branch]] if branch in self.tips else []
        self._clock += 60
        authored_at = self._clock if authored_at is None else authored_at
        committed_at = authored_at if committed_at is None else committed_at
        self._mark += 1
        if not isinstance(files, Mapping):
            files = dict.fromkeys(files, f"{self._mark}\n")
        tree: dict[bytes, bytes] = {}
        for parent in parents:
            tree.update(self.trees[parent])
        start = dict(self.trees[parents[0]]) if parents else {}
        for name, content in files.items():
            if content is None:
                tree.pop(_bytes(name))
            else:
                tree[_bytes(name)] = _bytes(content)
        who = _bytes(author)
        lines = [b"reset refs/heads/" + branch.encode()] if not parents else []
        lines += [
            b"commit refs/heads/" + branch.encode(),
            b"mark :%d" % self._mark,
            b"author " + who + b" " + _date(authored_at),
            b"committer " + (_bytes(committer) or who) + b" " + _date(committed_at),
            _data(_bytes(message)),
            *(b"%s %s" % (b"merge" if i else b"from", self._name(parent)) for i, parent in enumerate(parents)),
            *(b"D " + _quoted(name) for name in sorted(start.keys() - tree.keys())),
        ]
        for name, content in sorted(tree.items()):
            if start.get(name) != content:
                lines += [b"M 100644 inline " + _quoted(name), _data(content)]
        sha = self._say(lines, answer=True)
        self.tips[branch], self.trees[sha], self._marks[sha] = sha, tree, self._mark
        return sha

    def merge(self, other: str, message: str | bytes = "", *, branch: str = "main", **options: object) -> str:
        """Merge `other` (a branch or a sha) into `branch` with a merge commit and return its sha."""
        theirs = self.tips.get(other, other)
        message = message or f"Merge branch '{other}'"
        return self.commit(message, branch=branch, parents=[self.tips[branch], theirs], **options)  # type: ignore[arg-type]

    def branch(self, name: str, at: str) -> None:
        """Point a branch (or any full ref) at a commit."""
        ref = name if name.startswith("refs/") else f"refs/heads/{name}"
        self._say([f"reset {ref}".encode(), b"from " + self._name(at), b""])
        if not name.startswith("refs/"):
            self.tips[name] = at

    def tag(self, name: str, at: str, *, tagged_at: int | None = None, message: str = "release") -> None:
        """Tag a commit; with a tagger date (epoch seconds) an annotated tag."""
        if tagged_at is None:
            self.branch(f"refs/tags/{name}", at)
            return
        tagger = b"tagger Ann <ann@example.org> " + _date(tagged_at)
        self._say([f"tag {name}".encode(), b"from " + self._name(at), tagger, _data(message.encode())])

    def delete(self, ref: str) -> None:
        """Delete a full ref, or a branch by its short name."""
        self.close()
        self.tips.pop(ref, None)
        git(self.path, "update-ref", "-d", ref if ref.startswith("refs/") else f"refs/heads/{ref}")

    def git(self, *arguments: str) -> str:
        """Finish what was said so far and run git in the repository."""
        self.close()
        return git(self.path, *arguments)

    def close(self) -> None:
        """Finish what was said so far; building may go on afterwards."""
        process, self._process = self._process, None
        self._marks.clear()
        if process and process.stdin and process.stdout:
            process.stdin.close()
            process.stdout.close()
            assert process.wait() == 0

    def _name(self, sha: str) -> bytes:
        """A commit as the running import knows it: by mark, if it made it itself."""
        return b":%d" % self._marks[sha] if sha in self._marks else sha.encode()

    def _say(self, lines: list[bytes], *, answer: bool = False) -> str:
        if self._process is None:
            self._process = subprocess.Popen(
                ["git", "-C", str(self.path), "fast-import", "--quiet", "--force", "--date-format=raw-permissive"],
                env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin and stdout
        stdin.write(b"\n".join(lines) + b"\n" + (b"get-mark :%d\n" % self._mark if answer else b""))
        stdin.flush()
        return stdout.readline().decode().strip() if answer else ""


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def _date(when: int | str) -> bytes:
    return (f"{when} +0000" if isinstance(when, int) else when).encode()


def _data(content: bytes) -> bytes:
    return b"data %d\n%s" % (len(content), content)


def _quoted(path: bytes) -> bytes:
    return b'"' + b"".join(b"\\%03o" % byte for byte in path) + b'"'
