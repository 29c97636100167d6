"""What people and forges do to a git repository: commit, land by each button, branch, tag; with chosen dates."""

import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from bot.standins.objects import (
    FILE,
    ZEROS,
    Commit,
    Entry,
    GitDirectory,
    RepositoryError,
    Signature,
    Tree,
    git_environment,
    signed,
)

__all__ = ["ZEROS", "Commit", "Delta", "How", "Person", "Repository", "RepositoryError", "git_environment", "signature"]

How = Literal["merge", "squash", "rebase", "fast_forward"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody with an account on the forge."""

    login: str
    name: str
    email: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """What changed from one tree to another, sorted; a move is a removal and an addition."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    modified: tuple[str, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """All of them, sorted."""
        return tuple(sorted((*self.added, *self.removed, *self.modified)))


class Repository(GitDirectory):
    """The bare repository at `directory`, made there if there is none."""

    def commit(
        self,
        branch: str,
        files: Mapping[str, str | None],
        *,
        message: str,
        author: Person,
        at: int,
        committer: Person | None = None,
        committed_at: int | None = None,
    ) -> str:
        """Add a commit to the branch, begun at the default one if missing; None removes a file. Returns the sha."""
        parent = self.find(f"refs/heads/{branch}") or self.find(f"refs/heads/{self.default_branch}")
        tree = dict(self.tree(parent)) if parent else {}
        for path, text in files.items():
            if text is not None:
                tree[path] = Entry(mode=FILE, sha=self._write("blob", text.encode()))
            elif tree.pop(path, None) is None:
                raise RepositoryError(f"no file {path} to remove on {branch}")
        sha = self.write_commit(
            tree,
            (parent,) if parent else (),
            message=message,
            author=signature(author, at),
            committer=signature(committer or author, at if committed_at is None else committed_at),
        )
        self.set_ref(f"refs/heads/{branch}", sha)
        return sha

    def merge(
        self,
        base: str,
        head_sha: str,
        how: How,
        *,
        message: str,
        by: Person,
        at: int,
        author: Person | None = None,
        committer: Person | None = None,
    ) -> str:
        """Land `head_sha` on the branch `base` and return its new tip. Raises RepositoryError on a conflict.

        A squash is dated by the merge alone, a rebase keeps who wrote what when; `committer` is whom the forge names
        (default `by`).
        """
        onto, common = self.head(base), self.merge_base(self.head(base), head_sha)
        lander = signature(committer or by, at)
        match how:
            case "fast_forward":
                if common != onto:
                    raise RepositoryError(f"{base} is not behind {head_sha}")
                tip = head_sha
            case "merge" | "squash":
                tree = self._merged(common, onto, head_sha)
                parents = (onto, head_sha) if how == "merge" else (onto,)
                tip = self.write_commit(
                    tree, parents, message=message, author=signature(author or by, at), committer=lander
                )
            case _:
                tip = self.replay(onto, self.commits_between(onto, head_sha), lander)
        self.set_ref(f"refs/heads/{base}", tip)
        return tip

    def replay(self, onto: str, shas: Iterable[str], committer: Signature) -> str:
        """Copy the commits (merges left out) onto a commit; returns the last copy, which no ref names yet."""
        for commit in map(self.read_commit, shas):
            if len(commit.parents) == 1:
                tree = self._merged(commit.parents[0], onto, commit.sha)
                message = commit.message
                onto = self.write_commit(tree, (onto,), message=message, author=commit.author, committer=committer)
        return onto

    def test_merge(self, base_sha: str, head_sha: str, *, by: Person, at: int) -> str | None:
        """The merge commit a forge tries out, which no branch names; None on a conflict."""
        try:
            tree = self._merged(self.merge_base(base_sha, head_sha), base_sha, head_sha)
        except RepositoryError:
            return None
        who = signature(by, at)
        message = f"Merge {head_sha} into {base_sha}"
        return self.write_commit(tree, (base_sha, head_sha), message=message, author=who, committer=who)

    def create_branch(self, name: str, sha: str) -> None:
        """Name a commit. Raises RepositoryError if the branch is there."""
        if self.find(f"refs/heads/{name}"):
            raise RepositoryError(f"branch {name} is there already")
        self.set_ref(f"refs/heads/{name}", sha)

    def delete_branch(self, name: str) -> None:
        """Forget the branch; its commits stay."""
        self.head(name)
        self.delete_ref(f"refs/heads/{name}")

    def force(self, branch: str, sha: str) -> None:
        """Move the branch to any commit."""
        self.set_ref(f"refs/heads/{branch}", sha)

    def tag(
        self, name: str, sha: str, *, tagger: Person | None = None, at: int | None = None, message: str = ""
    ) -> str:
        """Tag a commit, annotated if somebody tags; returns what the ref names (the tag object or the commit)."""
        if tagger is not None:
            who = signed(signature(tagger, at or self.read_commit(sha).committer.at))
            sha = self._write(
                "tag", f"object {sha}\ntype commit\ntag {name}\ntagger {who}\n\n{message or name}\n".encode()
            )
        self.set_ref(f"refs/tags/{name}", sha)
        return sha

    def head(self, branch: str) -> str:
        """The branch's tip. Raises RepositoryError if there is no such branch."""
        sha = self.find(f"refs/heads/{branch}")
        if sha is None:
            raise RepositoryError(f"no branch {branch}")
        return sha

    def resolve(self, name: str) -> str | None:
        """The commit that a branch, a tag, a full ref or a whole sha names."""
        for ref in (f"refs/heads/{name}", f"refs/tags/{name}", name):
            if sha := self.find(ref):
                return self.peel(sha)
        if self.has(name):
            return self.peel(name)
        return self.find(f"refs/heads/{self.default_branch}") if name == "HEAD" else None

    def delta(self, sha: str) -> Delta:
        """What a commit changed against its first parent."""
        parents = self.read_commit(sha).parents
        return _difference(self.tree(parents[0]) if parents else {}, self.tree(sha))

    def changed_paths(self, base: str, head: str) -> Delta:
        """What differs between two commits' trees."""
        return _difference(self.tree(base), self.tree(head))

    def commits_between(self, a: str | None, b: str) -> list[str]:
        """The commits that `b` has and `a` (None: nothing) has not, parents before children."""
        known = self.ancestors(a) if a else set()
        found: list[str] = []
        seen = set(known)
        stack = [(b, False)]
        while stack:
            sha, done = stack.pop()
            if done:
                found.append(sha)
            elif sha not in seen:
                seen.add(sha)
                stack.append((sha, True))
                stack += [(parent, False) for parent in reversed(self.read_commit(sha).parents)]
        return found

    def ancestors(self, sha: str) -> set[str]:
        """The commit and all before it."""
        found: set[str] = set()
        stack = [sha]
        while stack:
            here = stack.pop()
            if here not in found:
                found.add(here)
                stack += self.read_commit(here).parents
        return found

    def merge_base(self, a: str, b: str) -> str | None:
        """The newest common ancestor; None if they share nothing."""
        common = self.ancestors(a) & self.ancestors(b)
        best = common - {parent for sha in common for parent in self.read_commit(sha).parents}
        return max(best, key=lambda sha: (self.read_commit(sha).committer.at, sha), default=None)

    def files(self, sha: str) -> tuple[str, ...]:
        """The paths of a commit's files, sorted."""
        return tuple(sorted(self.tree(sha)))

    def read(self, sha: str, path: str) -> bytes | None:
        """A file's bytes at a commit; None if it is not there."""
        entry = self.tree(sha).get(path)
        return None if entry is None else self._read(entry.sha)[1]

    def _merged(self, common: str | None, ours: str, theirs: str) -> Tree:
        base: Tree = self.tree(common) if common else {}
        mine, other = self.tree(ours), self.tree(theirs)
        merged = dict(mine)
        for path in base.keys() | other.keys():
            was, want, have = base.get(path), other.get(path), mine.get(path)
            if want in (was, have):
                continue
            if have == was and want is None:
                del merged[path]
            elif have == was and want is not None:
                merged[path] = want
            elif was and want and have:
                merged[path] = replace(have, sha=self._merged_text(path, was, have, want))
            else:
                raise RepositoryError(f"conflict in {path}")
        return merged

    def _merged_text(self, path: str, was: Entry, have: Entry, want: Entry) -> str:
        """Lines merged by git itself; rare enough for three files and a process."""
        names = []
        for entry in (have, was, want):
            name = self.directory / f"merge-{entry.sha}"
            name.write_bytes(self._read(entry.sha)[1])
            names.append(name)
        done = subprocess.run(
            ["git", "merge-file", "-p", "-q", *map(str, names)], env=git_environment(), capture_output=True, check=False
        )
        for name in names:
            name.unlink(missing_ok=True)
        if done.returncode:
            raise RepositoryError(f"conflict in {path}")
        return self._write("blob", done.stdout)


def signature(person: Person, at: int) -> Signature:
    """The person's signature at an instant (seconds)."""
    return Signature(name=person.name, email=person.email, at=at)


def _difference(before: Tree, after: Tree) -> Delta:
    return Delta(
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys())),
        modified=tuple(sorted(path for path in after.keys() & before.keys() if after[path] != before[path])),
    )
