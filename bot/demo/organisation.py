"""Builds the sample repositories with `git fast-import`: the same base date gives the same shas, wherever and whenever."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from bot.demo.history import CommitSpec, Moment, PullRequestSpec, RepositorySpec, seconds
from bot.demo.ledger import LEDGER
from bot.demo.shop import SHOP
from bot.standins.repository import ZEROS, git_environment

FORGE_COMMITTER = "GitHub <noreply@github.com>"
SCRATCH = "refs/import/scratch"

Tree = Mapping[str, str]


class DemoError(Exception):
    """The demo cannot go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A repository on disk. `shas` go by the commits' keys, `tags` are what tags name, by their own names."""

    spec: RepositorySpec
    directory: Path
    base: int
    shas: Mapping[str, str]
    tags: Mapping[str, str]

    def at(self, moment: Moment) -> int:
        """The moment in seconds since 1970."""
        return self.base + seconds(moment)

    def commit(self, key: str) -> CommitSpec:
        """The commit of that key."""
        return next(commit for commit in self.spec.commits if commit.key == key)

    def text(self, template: str) -> str:
        """A text with the shas it names filled in."""
        return template.format_map(self.shas)

    def main_before(self, moment: Moment) -> str:
        """The key of main's tip just before that moment."""
        return [key for key in self.spec.line if seconds(self.landed_at(key)) < seconds(moment)][-1]

    def steps_of_main(self) -> Iterator[tuple[str, tuple[str, ...], PullRequestSpec | None]]:
        """Each time main moved: the key of its new tip, the keys of all that it brought, and what was merged."""
        merges = {pull.landed: pull for pull in self.spec.pull_requests if pull.landed}
        brought = {key for pull in merges.values() for key in pull.brought}
        for key in self.spec.line:
            if key not in brought:
                pull = merges.get(key)
                yield key, (*pull.brought, key) if pull else (key,), pull

    def landed_at(self, key: str) -> Moment:
        """When a commit of main's line came to main."""
        for pull in self.spec.pull_requests:
            if key == pull.landed or key in pull.brought:
                return pull.merged
        return self.commit(key).committed_at

    def below(self, pull: PullRequestSpec) -> PullRequestSpec | None:
        """The pull request that this one is stacked on."""
        return next((other for other in self.spec.pull_requests if other.branch == pull.stacked_on), None)

    def head_at(self, pull: PullRequestSpec, moment: Moment) -> str:
        """The key of the pull request's head at that moment."""
        return [key for key in pull.commits if seconds(self.commit(key).at) <= seconds(moment)][-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """Both repositories, below `root`, at `<root>/<path>.git`."""

    root: Path
    base: int
    shop: Built
    ledger: Built

    def built(self, repository: str) -> Built:
        """The repository with that id."""
        return next(built for built in (self.shop, self.ledger) if built.spec.id == repository)

    def at(self, moment: Moment) -> int:
        """The moment in seconds since 1970."""
        return self.base + seconds(moment)


def build_organisation(root: Path, base_date: date) -> Organisation:
    """Build (or find built) the repositories below `root`; raises DemoError if git fails."""
    root.mkdir(parents=True, exist_ok=True)
    base = int(datetime(base_date.year, base_date.month, base_date.day, tzinfo=UTC).timestamp())
    return Organisation(root=root, base=base, shop=_build(root, SHOP, base), ledger=_build(root, LEDGER, base))


def _build(root: Path, spec: RepositorySpec, base: int) -> Built:
    """Built aside and moved into place, so that a repository is there whole or not at all."""
    final = root / f"{spec.path}.git"
    trees = _trees(spec)
    with tempfile.TemporaryDirectory(dir=root, prefix=".building-") as scratch:
        directory = Path(scratch) / "repository.git"
        git("init", "--quiet", "--bare", "--initial-branch=main", str(directory))
        shas, tags = _import(directory, spec, trees, base)
        if not final.exists():
            final.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(directory, final)
        elif _main(final) != shas[spec.line[-1]]:
            raise DemoError(f"{final} holds another history; remove the demo's data folder to start anew")
    return Built(spec=spec, directory=final, base=base, shas=shas, tags=tags)


def git(*arguments: str) -> str:
    """Run git and return what it prints; raises DemoError with its words if it fails."""
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, env=git_environment(), check=False)
    if done.returncode:
        raise DemoError(f"git {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout.strip()


def _main(directory: Path) -> str:
    return git("-C", str(directory), "rev-parse", "refs/heads/main")


def _trees(spec: RepositorySpec) -> dict[str, Tree]:
    """Every commit's files and their contents; a file's content is the list of the subjects that wrote it."""
    trees: dict[str, Tree] = {}
    ancestors: dict[str, frozenset[str]] = {}
    touched: dict[str, frozenset[str]] = {}
    for commit in spec.commits:
        tree = dict(trees[commit.parents[0]]) if commit.parents else {}
        for change in commit.changes:
            _change(tree, change, commit.subject)
        side = commit.squash or (commit.parents[1] if len(commit.parents) > 1 else "")
        if side:
            news = ancestors[side] - ancestors[commit.parents[0]]
            paths = frozenset().union(*(touched[key] for key in news))
            for path in paths:
                tree.pop(path, None)
                if path in trees[side]:
                    tree[path] = trees[side][path]
        parent = trees[commit.parents[0]] if commit.parents else {}
        touched[commit.key] = frozenset(
            path for path in tree.keys() | parent.keys() if tree.get(path) != parent.get(path)
        )
        ancestors[commit.key] = frozenset({commit.key}).union(*(ancestors[key] for key in commit.parents))
        trees[commit.key] = tree
    return trees


def _change(tree: dict[str, str], change: str, subject: str) -> None:
    if change.startswith("-"):
        del tree[change[1:]]
    elif ">" in change:
        old, new = change.split(">")
        tree[new] = tree.pop(old)
    else:
        tree[change] = tree.get(change, f"{change}\n") + f"{subject}\n"


def _import(directory: Path, spec: RepositorySpec, trees: Mapping[str, Tree], base: int) -> tuple[dict[str, str], dict[str, str]]:
    """Feed fast-import commit by commit: a later message may name an earlier sha, so each is asked for at once."""
    shas: dict[str, str] = {}
    marks: dict[str, str] = {}
    # Loose objects are read without a process for each.
    process = subprocess.Popen(
        ["git", "-c", "fastimport.unpackLimit=10000", "-C", str(directory), "fast-import", "--quiet", "--done"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=git_environment(),
    )  # fmt: skip
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise DemoError("git fast-import has no pipes")
    try:
        for mark, commit in enumerate(spec.commits, 1):
            marks[commit.key] = f":{mark}"
            process.stdin.write(_commit(spec, commit, marks, shas, trees[commit.key], base))
            process.stdin.flush()
            shas[commit.key] = process.stdout.readline().decode().strip()
        process.stdin.write(_refs(spec, marks, base))
        process.stdin.close()
    except BrokenPipeError:
        pass  # git left early and says why
    complaint = process.stderr.read().decode().strip()
    process.stdout.close()
    process.stderr.close()
    if process.wait():
        raise DemoError(f"git fast-import failed: {complaint}")
    named = {tag.name: git("-C", str(directory), "rev-parse", f"refs/tags/{tag.name}") for tag in spec.tags}
    return shas, named


def _commit(
    spec: RepositorySpec, commit: CommitSpec, marks: Mapping[str, str], shas: Mapping[str, str], tree: Tree, base: int
) -> bytes:
    author = spec.people[commit.author]
    authored = commit.clock if commit.clock is not None else base + seconds(commit.at)
    committed = base + seconds(commit.committed_at)
    committer = FORGE_COMMITTER if commit.by_forge else f"{author.name} <{author.email}>"
    zone = "+0000" if commit.by_forge else author.zone
    lines = [
        f"commit {SCRATCH}\nmark {marks[commit.key]}\n",
        f"author {author.name} <{author.email}> {authored} {author.zone}\n",
        f"committer {committer} {committed} {zone}\n",
        _data(_message(commit, shas)),
        *(f"{'merge' if n else 'from'} {marks[parent]}\n" for n, parent in enumerate(commit.parents)),
        "deleteall\n",
        *(f"M 100644 inline {path}\n{_data(content)}" for path, content in sorted(tree.items())),
        f"\nget-mark {marks[commit.key]}\n",
    ]
    if not commit.parents:
        lines.insert(0, f"reset {SCRATCH}\n")
    return "".join(lines).encode()


def _refs(spec: RepositorySpec, marks: Mapping[str, str], base: int) -> bytes:
    lines = [f"reset refs/heads/main\nfrom {marks[spec.line[-1]]}\n\n"]
    for pull in spec.pull_requests:
        head = marks[pull.commits[-1]]
        lines.append(f"reset {spec.pull_ref.format(number=pull.number)}\nfrom {head}\n\n")
        if pull.leaves_branch:
            lines.append(f"reset refs/heads/{pull.branch}\nfrom {head}\n\n")
    for tag in spec.tags:
        if tag.tagger:
            tagger = spec.people[tag.tagger]
            when = f"{base + seconds(tag.at)} {tagger.zone}"
            lines.append(f"tag {tag.name}\nfrom {marks[tag.commit]}\ntagger {tagger.name} <{tagger.email}> {when}\n")
            lines.append(_data(f"Release {tag.name}\n"))
        else:
            lines.append(f"reset refs/tags/{tag.name}\nfrom {marks[tag.commit]}\n\n")
    lines.append(f"reset {SCRATCH}\nfrom {ZEROS}\n\ndone\n")
    return "".join(lines).encode()


def _message(commit: CommitSpec, shas: Mapping[str, str]) -> str:
    text = f"{commit.subject}\n\n{commit.body}\n" if commit.body else f"{commit.subject}\n"
    return text.format_map(shas)


def _data(text: str) -> str:
    return f"data {len(text.encode())}\n{text}\n"
