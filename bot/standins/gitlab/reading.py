"""What GitLab asks git itself for: logs of a path, patches of files, an annotated tag's words."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from bot.standins.repository import Repository, git_environment

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDiff:
    """A file's change between two trees."""

    old_path: str
    new_path: str
    old_mode: str
    new_mode: str
    status: str
    """A, D, M, R or T."""
    patch: str


def log(
    git: Repository, revisions: Sequence[str], *, skip: int, limit: int, path: str = "", since: str = "", until: str = "",
    first_parent: bool = False, topological: bool = False, author: str = "",
) -> list[str]:  # fmt: skip
    """Shas as `git log` orders them, a path's history simplified as git does by itself. Unknown revisions give nothing."""
    options = [f"--skip={skip}", f"--max-count={limit}", "--format=%H"]
    options += [f"--since={since}"] if since else []
    options += [f"--until={until}"] if until else []
    options += [f"--author={author}"] if author else []
    options += ["--first-parent"] if first_parent else []
    options += ["--topo-order"] if topological else []
    done = _run(git, "log", *options, *revisions, "--", *([path] if path else []))
    return done.stdout.decode().split() if done.returncode == 0 else []


def diff(git: Repository, before: str | None, after: str) -> list[FileDiff]:
    """The changed files of `before`..`after` (None: from nothing), moves found, with their patches."""
    ends = (before or EMPTY_TREE, f"{after}^{{tree}}")
    raw = _run(git, "diff-tree", "-r", "-M", "-z", "--raw", *ends).stdout.decode().split("\0")
    text = _run(git, "diff-tree", "-r", "-M", "-p", *ends).stdout.decode(errors="replace")
    patches = iter([f"diff --git {part}" for part in ("\n" + text).split("\ndiff --git ")[1:]])
    found, here = [], 0
    while here < len(raw) and raw[here].startswith(":"):
        old_mode, new_mode, _, _, status = raw[here][1:].split(" ")
        moved = status[0] in "RC"
        old, new = raw[here + 1], raw[here + 1 + moved]
        here += 2 + moved
        patch = _hunks(next(patches))
        seen = FileDiff(
            old_path=old, new_path=new, old_mode=old_mode, new_mode=new_mode, status=status[0], patch=patch
        )
        found.append(seen)
    return found


def stats(git: Repository, before: str | None, after: str) -> tuple[int, int]:
    """Lines added and deleted."""
    lines = _run(git, "diff-tree", "-r", "-M", "--numstat", before or EMPTY_TREE, f"{after}^{{tree}}").stdout.decode()
    counts = [line.split("\t")[:2] for line in lines.splitlines()]
    texts = [(int(added), int(deleted)) for added, deleted in counts if added != "-"]
    return sum(added for added, _ in texts), sum(deleted for _, deleted in texts)


def tag_message(git: Repository, sha: str) -> str | None:
    """What a tag object says; None for whatever is none."""
    done = _run(git, "cat-file", "tag", sha)
    return done.stdout.decode().partition("\n\n")[2].strip() if done.returncode == 0 else None


def expand(git: Repository, revision: str) -> str | None:
    """The whole sha of a commit named by ref or by the beginning of its sha."""
    done = _run(git, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    return done.stdout.decode().strip() if done.returncode == 0 else None


def _hunks(patch: str) -> str:
    """A patch without its head, as GitLab shows it."""
    start = patch.find("\n@@ ")
    return patch[start + 1 :] + "\n" * (not patch.endswith("\n")) if start >= 0 else ""


def _run(git: Repository, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", str(git.directory), *arguments],
        env=git_environment(), capture_output=True, check=False,
    )  # fmt: skip
