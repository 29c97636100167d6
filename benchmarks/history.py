"""The seeded history that bars are judged on: at least 50,000 commits, a fifth of them merges, more than 10,000 paths.

Made once and kept in `build/bench/`; the same text on every machine, so that figures of different days speak of the same thing.
"""

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(os.environ.get("BENCH_DIR", "build/bench"))
ENVIRONMENT = {
    "PATH": os.environ["PATH"], "HOME": "/dev/null", "LC_ALL": "C", "TZ": "UTC",
    "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null",
}
COMMITS = 52_000
DIRECTORIES, FILES = 420, 14_000
START = 1_577_836_800
"""2020-01-01; a commit about every 50 minutes."""
WORDS = ["add", "fix", "update", "remove", "handle", "refactor", "test", "document", "cache", "retry", "parse", "validate", "render", "store", "fetch", "queue", "deploy", "index", "config", "timeout", "error", "payload", "header", "token", "user", "order", "cart", "price", "stock", "search", "report", "export", "import", "metric", "series", "window", "branch"]


def git(path: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    """Run git and return what it printed."""
    return subprocess.run(
        ["git", "-C", str(path), *arguments], env=ENVIRONMENT, input=stdin, stdout=subprocess.PIPE, check=True
    ).stdout


def make_history(folder: Path = FOLDER, *, commits: int = COMMITS, seed: int = 1) -> Path:
    """The path of the bare repository, made if it is not there."""
    path = folder / f"history-{seed}-{commits}.git"
    if (path / "made").exists():
        return path
    path.mkdir(parents=True, exist_ok=True)
    git(path, "init", "-q", "--bare", "-b", "main", ".")
    process = subprocess.Popen(
        ["git", "-C", str(path), "fast-import", "--quiet", "--force", "--depth=50"], env=ENVIRONMENT, stdin=subprocess.PIPE
    )
    assert process.stdin
    for text in _stream(random.Random(seed), commits):
        process.stdin.write(text)
    process.stdin.close()
    assert process.wait() == 0
    git(path, "repack", "-adq")
    git(path, "pack-refs", "--all")
    (path / "made").touch()
    return path


def _stream(chance: random.Random, commits: int) -> Iterator[bytes]:
    """A main line of merged branches, each forked from a main line some merges ago."""
    tree = _Tree(chance)
    yield _commit(1, "main", [], START, "Import", "", tree.all_files())
    mainline, mark, made = [1], 1, 1
    while made < commits:
        fork = mainline[-1 - min(int(chance.expovariate(0.15)), len(mainline) - 1)]
        parent, when = fork, START + made * 3_000
        for _ in range(min(1 + int(chance.expovariate(0.45)), 12)):
            mark += 1
            made += 1
            when += chance.randrange(60, 3_000)
            subject, body = _message(chance)
            yield _commit(mark, "topic", [parent], when, subject, body, tree.some_files(mark))
            parent = mark
        mark += 1
        made += 1
        yield _commit(mark, "main", [mainline[-1], parent], when + 600, f"Merge pull request #{made} from acme/topic-{made}", "", [])
        mainline.append(mark)


class _Tree:
    """Files in directories; few directories get most of the changes, new files keep coming."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.directories = [
            f"{chance.choice(('services', 'libs', 'apps', 'plugins'))}/{chance.choice(WORDS)}{i}/{chance.choice(('src', 'api', 'db', 'web'))}"
            for i in range(DIRECTORIES)
        ]
        self.weights = [1 / (i + 3) ** 0.8 for i in range(DIRECTORIES)]
        self.files: list[list[str]] = [
            [f"{directory}/{chance.choice(WORDS)}_{j}.py" for j in range(FILES // DIRECTORIES // 2)] for directory in self.directories
        ]

    def all_files(self) -> list[tuple[str, str]]:
        return [(name, "0\n") for files in self.files for name in files]

    def some_files(self, mark: int) -> list[tuple[str, str]]:
        (at,) = self.chance.choices(range(DIRECTORIES), self.weights)
        files = self.files[at]
        if self.chance.random() < 0.15:
            files.append(f"{self.directories[at]}/{self.chance.choice(WORDS)}_{len(files)}.py")
            names = {files[-1]}
        else:
            names = set()
        names.update(self.chance.choices(files, k=min(1 + int(self.chance.expovariate(0.5)), 20)))
        if self.chance.random() < 0.1:
            names.update(self.chance.choice(other) for other in self.chance.choices(self.files, k=3))
        return [(name, f"{mark}\n") for name in sorted(names)]


def _message(chance: random.Random) -> tuple[str, str]:
    subject = " ".join(chance.choices(WORDS, k=chance.randrange(3, 9))).capitalize()
    body = ""
    if chance.random() < 0.4:
        body = "\n".join(" ".join(chance.choices(WORDS, k=9)) for _ in range(chance.randrange(1, 6)))
    return subject, body


def _commit(
    mark: int, branch: str, parents: list[int], when: int, subject: str, body: str, files: list[tuple[str, str]]
) -> bytes:
    who = f"Dev {mark % 37} <dev{mark % 37}@example.org> {when} +0000"
    message = (f"{subject}\n\n{body}\n" if body else f"{subject}\n").encode()
    lines = [
        f"commit refs/heads/{branch}\nmark :{mark}\nauthor {who}\ncommitter {who}\ndata {len(message)}".encode(),
        message,
        *(f"{'merge' if i else 'from'} :{parent}".encode() for i, parent in enumerate(parents)),
        *(f"M 100644 inline {name}\ndata {len(text)}\n{text}".encode() for name, text in files),
    ]
    return b"\n".join(lines) + b"\n"
