"""A bare git repository's objects and refs.

Written here rather than by git commands: a story of hundreds of commits takes no processes. What was packed meanwhile
is read through git. Times are seconds since 1970, always told in UTC.
"""

import hashlib
import os
import subprocess
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ZEROS = "0" * 40
GIT_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
"""Nobody's git configuration may change what is built or served."""


class RepositoryError(Exception):
    """What was asked of a repository is impossible in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Who wrote or committed, and when (seconds since 1970)."""

    name: str
    email: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit as git holds it."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Signature
    committer: Signature
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file of a tree: its mode (octal text) and its blob."""

    mode: str
    sha: str


Tree = Mapping[str, Entry]
FILE = "100644"


def git_environment() -> dict[str, str]:
    """The environment git runs in: PATH, and none of anybody's configuration."""
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": os.devnull, **GIT_ENVIRONMENT}


class GitDirectory:
    """The bare repository at `directory`, made there if there is none."""

    def __init__(self, directory: Path, *, default_branch: str = "main") -> None:
        self.directory = directory
        self.default_branch = default_branch
        self._commits: dict[str, Commit] = {}
        self._trees: dict[str, Tree] = {}
        if not (directory / "HEAD").exists():
            self._git("init", "--quiet", "--bare", "--template=", f"--initial-branch={default_branch}", str(directory))

    def write_commit(
        self, tree: Tree, parents: tuple[str, ...], *, message: str, author: Signature, committer: Signature
    ) -> str:
        """Write a commit that no ref names yet."""
        root = self.write_tree(tree)
        self._trees[root] = dict(tree)
        lines = [f"tree {root}", *(f"parent {parent}" for parent in parents)]
        lines += [f"author {signed(author)}", f"committer {signed(committer)}", "", message.rstrip("\n") + "\n"]
        sha = self._write("commit", "\n".join(lines).encode())
        self._commits[sha] = Commit(
            sha=sha, tree=root, parents=parents, author=author, committer=committer, message=message.rstrip("\n") + "\n"
        )
        return sha

    def tree(self, sha: str) -> Tree:
        """A commit's files by path."""
        root = self.read_commit(sha).tree
        if root not in self._trees:
            self._trees[root] = dict(self._entries(root, ""))
        return self._trees[root]

    def peel(self, sha: str) -> str:
        """The commit behind a tag object, or the sha itself."""
        kind, data = self._read(sha)
        return data.split(b"\n", 1)[0].split()[1].decode() if kind == "tag" else sha

    def read_commit(self, sha: str) -> Commit:
        """The commit. Raises RepositoryError if there is none."""
        if sha not in self._commits:
            kind, data = self._read(sha)
            if kind != "commit":
                raise RepositoryError(f"{sha} is a {kind}")
            head, _, message = data.decode(errors="replace").partition("\n\n")
            fields = [line.split(" ", 1) for line in head.split("\n") if not line.startswith(" ")]
            named = dict(reversed(fields))
            parents = tuple(value for name, value in fields if name == "parent")
            author, committer = _unsigned(named["author"]), _unsigned(named["committer"])
            self._commits[sha] = Commit(
                sha=sha, tree=named["tree"], parents=parents, author=author, committer=committer, message=message
            )
        return self._commits[sha]

    def has(self, sha: str) -> bool:
        """Whether the object with that whole sha is there."""
        if len(sha) != 40 or not set(sha) <= set("0123456789abcdef"):
            return False
        try:
            self._read(sha)
        except RepositoryError:
            return False
        return True

    def branches(self) -> dict[str, str]:
        """Tips by branch name, sorted."""
        return self.refs("refs/heads/")

    def tags(self) -> dict[str, str]:
        """What each tag's ref names, sorted by name."""
        return self.refs("refs/tags/")

    def refs(self, prefix: str) -> dict[str, str]:
        """What the refs below the prefix (with its slash) name, by the rest of their name."""
        found = {name: sha for name, sha in self._packed_refs().items() if name.startswith(prefix)}
        root = self.directory / prefix
        for path in root.rglob("*"):
            if path.is_file():
                found[f"{prefix}{path.relative_to(root).as_posix()}"] = path.read_text().strip()
        return {name.removeprefix(prefix): found[name] for name in sorted(found)}

    def find(self, ref: str) -> str | None:
        """What a full ref names."""
        path = self.directory / ref
        if ref.startswith("refs/") and path.is_file():
            return path.read_text().strip()
        return self._packed_refs().get(ref)

    def set_ref(self, ref: str, sha: str) -> None:
        """Let a full ref name an object."""
        path = self.directory / ref
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # some file systems flush a file that is cut to nothing and written again
        path.write_text(f"{sha}\n")

    def delete_ref(self, ref: str) -> None:
        """Forget a full ref, and the directories left empty."""
        if ref in self._packed_refs():
            self._git("-C", str(self.directory), "update-ref", "-d", ref)
        path = self.directory / ref
        path.unlink(missing_ok=True)
        while path.parent.is_dir() and path.parent.parent.name != "refs" and not any(path.parent.iterdir()):
            path = path.parent
            path.rmdir()

    def set_default_branch(self, name: str) -> None:
        """Let HEAD name another branch."""
        self.default_branch = name
        (self.directory / "HEAD").write_text(f"ref: refs/heads/{name}\n")

    def _entries(self, tree: str, prefix: str) -> Iterator[tuple[str, Entry]]:
        data, here = self._read(tree)[1], 0
        while here < len(data):
            end = data.index(b"\0", here)
            mode, _, name = data[here:end].decode().partition(" ")
            sha = data[end + 1 : end + 21].hex()
            here = end + 21
            if mode == "40000":
                yield from self._entries(sha, f"{prefix}{name}/")
            else:
                yield f"{prefix}{name}", Entry(mode=mode, sha=sha)

    def write_tree(self, files: Tree) -> str:
        """Write the directory of these files, and those below it; returns its sha."""
        below: dict[str, dict[str, Entry]] = {}
        entries: dict[str, Entry] = {}
        for path, entry in files.items():
            top, slash, rest = path.partition("/")
            if slash:
                below.setdefault(top, {})[rest] = entry
            else:
                entries[top] = entry
        if both := below.keys() & entries.keys():
            raise RepositoryError(f"a file and a directory: {min(both)}")
        entries |= {name: Entry(mode="40000", sha=self.write_tree(inner)) for name, inner in below.items()}
        # Git sorts a directory as if its name ended in a slash.
        ordered = sorted(entries.items(), key=lambda item: (item[0] + "/" if item[0] in below else item[0]).encode())
        data = b"".join(f"{entry.mode} {name}\0".encode() + bytes.fromhex(entry.sha) for name, entry in ordered)
        return self._write("tree", data)

    def _write(self, kind: str, data: bytes) -> str:
        whole = f"{kind} {len(data)}\0".encode() + data
        sha = hashlib.sha1(whole, usedforsecurity=False).hexdigest()
        path = self._object(sha)
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(zlib.compress(whole, 1))
        return sha

    def _read(self, sha: str) -> tuple[str, bytes]:
        path = self._object(sha)
        if path.exists():
            head, _, data = zlib.decompress(path.read_bytes()).partition(b"\0")
            return head.split()[0].decode(), data
        kind = self._git("-C", str(self.directory), "cat-file", "-t", sha).decode().strip()
        return kind, self._git("-C", str(self.directory), "cat-file", kind, sha)

    def _object(self, sha: str) -> Path:
        return self.directory / "objects" / sha[:2] / sha[2:]

    def _packed_refs(self) -> dict[str, str]:
        path = self.directory / "packed-refs"
        lines = path.read_text().splitlines() if path.exists() else ()
        pairs = (line.split(" ", 1) for line in lines if line[0] not in "#^")
        return {name: sha for sha, name in pairs}

    def _git(self, *arguments: str) -> bytes:
        done = subprocess.run(["git", *arguments], env=git_environment(), capture_output=True, check=False)
        if done.returncode:
            raise RepositoryError(done.stderr.decode(errors="replace").strip())
        return done.stdout


def signed(who: Signature) -> str:
    return f"{who.name} <{who.email}> {who.at} +0000"


def _unsigned(text: str) -> Signature:
    who, _, when = text.rpartition("> ")
    name, _, email = who.partition(" <")
    return Signature(name=name, email=email, at=int(when.split()[0]))
