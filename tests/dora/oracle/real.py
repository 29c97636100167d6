"""The shared real history, unpacked, and what the git program itself says of it: the oracle.

Nothing here uses the product: shas are hex, sets are Python's, paths are matched by git's own pathspecs.
"""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[3]
SHARED = Path(os.environ.get("ROLLFORWARD_SHARED") or ROOT.parent / "shared")
UNPACK = SHARED / "data" / "unpack"
_FIELDS = ("%H", "%P", "%at", "%ct", "%an <%ae>", "%s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """A commit as `git log` prints it: seconds, hex, bytes."""

    sha: str
    parents: tuple[str, ...]
    authored: int
    committed: int
    author: str
    subject: str
    paths: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagged:
    """A tag: its commit, and the tagger's or committer's second."""

    name: str
    sha: str
    at: int


class RealHistory:
    """A bare repository and questions to the git program."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        subprocess.run([UNPACK, directory], check=True, capture_output=True)
        self.git("commit-graph", "write", "--reachable")

    def git(self, *arguments: str) -> bytes:
        environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        command = ["git", "-c", "safe.directory=*", "-C", str(self.directory), *arguments]
        return subprocess.run(command, check=True, capture_output=True, env=environment).stdout

    def log(self) -> Iterator[Logged]:
        """Every commit, in the order that git finds natural: newest first."""
        text = self.git(
            "log", "--all", "-z", "--no-renames", "--name-only", "--format=%x01" + "%x02".join((*_FIELDS, ""))
        )
        for chunk in text.split(b"\1")[1:]:
            sha, parents, authored, committed, author, subject, rest = chunk.split(b"\2", 6)
            yield Logged(
                sha=sha.decode(),
                parents=tuple(parents.decode().split()),
                authored=int(authored),
                committed=int(committed),
                author=author.decode("utf-8", "surrogateescape"),
                subject=subject.decode("utf-8", "surrogateescape"),
                paths=tuple(path for path in rest.strip(b"\0\n").split(b"\0") if path),
            )

    def tags(self) -> list[Tagged]:
        """All tags, oldest first."""
        text = self.git("for-each-ref", "--format=%(refname:short) %(*objectname) %(objectname) %(creatordate:unix)", "refs/tags")
        tags = []
        for line in text.decode().splitlines():
            name, *shas, at = line.split()
            tags.append(Tagged(name=name, sha=shas[0], at=int(at)))
        return sorted(tags, key=lambda tag: (tag.at, tag.name))

    @cache  # noqa: B019  (one object lives as long as the session)
    def between(self, since: str, head: str) -> frozenset[str]:
        """`git rev-list since..head`."""
        return frozenset(sha for sha, _ in self._listed(since, head))

    @cache  # noqa: B019
    def carried(self, since: str, head: str) -> frozenset[str]:
        """`git rev-list --no-merges since..head`."""
        return frozenset(sha for sha, parents in self._listed(since, head) if len(parents) < 2)

    @cache  # noqa: B019
    def _listed(self, since: str, head: str) -> tuple[tuple[str, list[str]], ...]:
        lines = self.git("rev-list", "--parents", f"{since}..{head}").decode().splitlines()
        return tuple((line.split()[0], line.split()[1:]) for line in lines)

    def news(self, head: str, earlier: list[str]) -> set[str]:
        """Reachable from `head` and from none of `earlier`."""
        return set(self.git("rev-list", head, "--not", *earlier).decode().split())

    @cache  # noqa: B019
    def touching(self, pathspecs: tuple[str, ...], *revisions: str) -> frozenset[str]:
        """The commits below tags (or of `revisions`), merges left out, that changed a path which git's own pathspecs select."""
        found = self.git("rev-list", "--full-history", "--no-merges", *(revisions or ("--tags",)), "--", *pathspecs)
        return frozenset(found.decode().split())
