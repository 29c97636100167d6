"""A store with many changes: repositories of merged branches, each deployed by two services to two environments.

Rules: made from a seed, row by row, without git; the derived rows come from the product's own derivation. Every 40th pull request reverts
an earlier one, every 50th has the label `hotfix`, and about one commit in 200 says `Urgent`, which no shipped rule sees. Kept in
`build/bench/`, because a million takes minutes to derive.
"""

import hashlib
import json
import os
import random
import shutil
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.history import FOLDER, WORDS
from bot.dora.changes import Limits
from bot.dora.deployments import Series
from bot.dora.events import RepositoryRef
from bot.dora.instants import DAY, HOUR, MINUTE, SECOND
from bot.facts.marks import mark_repository, mark_series
from bot.facts.pushes import COMPLETE
from bot.facts.repositories import ensure_repository
from bot.pipeline.derive.deriver import Deriver
from bot.pipeline.history import HistoryCache
from bot.store import Row, Store, Writer
from bot.store.opening import open_store

START = 1_577_836_800 * SECOND
PER_PULL_REQUEST = 5
"""Commits: four of the branch, and its merge."""
PER_DEPLOYMENT = 10
"""Pull requests."""
SERVICES, ENVS = ("api", "web"), ("staging", "prod")
PATHS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a store is."""

    repositories: int
    pull_requests: int
    """Of each repository."""

    @property
    def changes(self) -> int:
        """Rows of `change`: merges are none, and first deployments bring none."""
        return self.repositories * (self.pull_requests - PER_DEPLOYMENT) * (PER_PULL_REQUEST - 1) * len(SERVICES) * len(ENVS)


MILLION = Size(repositories=64, pull_requests=1_000)
SHORT = Size(repositories=10, pull_requests=250)


def make_store(size: Size, database: Path, *, folder: Path = FOLDER) -> None:
    """Put the SQLite store of this size there; it is made only once and then copied."""
    kept = folder / f"many-changes-{size.repositories}x{size.pull_requests}.db"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        making = kept.with_suffix(f".{os.getpid()}")
        store = open_store(f"sqlite:///{making}")
        fill(store, size)
        store.close()
        making.rename(kept)
    shutil.copyfile(kept, database)


def fill(store: Store, size: Size) -> None:
    """Facts, and what is derived of them."""
    store.migrate()
    for number in range(1, size.repositories + 1):
        id = store.write(partial(_enter, number=number, size=size))
        for table, rows in _repository(id, number, size):
            for at in range(0, len(rows), 5_000):
                store.write(lambda writer, t=table, r=rows[at : at + 5_000]: writer.write_many(t, r))  # type: ignore[misc]
        store.write(partial(_mark, id=id, number=number))
    derive_all(store)


def derive_all(store: Store, *, at_most: int = 1 << 62) -> None:
    """Derive whatever is marked, or the next so many marks."""
    deriver = Deriver(store, HistoryCache(), limits=Limits(max_gap=60 * DAY, max_commits=5_000), clock=time.time_ns)
    while at_most and deriver.derive_next():
        at_most -= 1


def _mark(writer: Writer, *, id: int, number: int) -> None:
    mark_repository(writer, id)
    for series in _series(number):
        mark_series(writer, series, from_at=0)


def _enter(writer: Writer, *, number: int, size: Size) -> int:
    """A repository that was read whole."""
    name = _name(number)
    ref = RepositoryRef(name=name, forge="github", forge_id=str(1_000 + number), remote=f"https://{name}.git", default_branch="main")
    row = ensure_repository(writer, ref)
    synced = START + size.pull_requests * 2 * HOUR + DAY
    writer.write_many("repository", [row._replace(synced_from=synced, synced_at=synced)], on_conflict="replace")
    return row.id


def _name(number: int) -> str:
    return f"github.com/acme/shop-{number}"


def _series(number: int) -> list[Series]:
    return [Series(service=f"{service}-{number}", env=env) for service in SERVICES for env in ENVS]


def _repository(id: int, number: int, size: Size) -> Iterator[tuple[str, list[Row]]]:
    chance = random.Random(number)
    commits, pull_requests, tips = _history(id, number, size, chance)
    yield "git_ref", [(id, "refs/heads/main", tips[-1][0], None)]
    yield "git_path", [(id, at, f"src/{at % 8}/{chance.choice(WORDS)}_{at}.py".encode()) for at in range(1, PATHS + 1)]
    yield "git_commit", commits
    yield "pull_request", pull_requests
    yield "deployment", [
        _deployment(number, series, at, sha, merged_at) for series in _series(number) for at, (sha, merged_at) in enumerate(tips)
    ]


def _deployment(number: int, series: Series, at: int, sha: bytes, merged_at: int) -> Row:
    begun = merged_at + (10 if series.env == "staging" else 40) * MINUTE
    return (
        f"{series.service}-{series.env}-{at:05}", series.service, series.env, series.service, series.env, f"v{at}", _name(number),
        f"https://{_name(number)}", sha, begun, begun + MINUTE, "", "[]", "api", begun, number * 100_000 + at, "", 0,
    )  # fmt: skip


def _history(id: int, number: int, size: Size, chance: random.Random) -> tuple[list[Row], list[Row], list[tuple[bytes, int]]]:
    """Commits, pull requests, and the tips that are deployed, each with the instant of its merge."""
    commits: list[Row] = []
    pull_requests: list[Row] = []
    tips = []
    add = partial(_add, commits, id, number, chance)
    merges = {0: add((), START, "Begin", "")}
    main = merges[0]
    for pull_request in range(1, size.pull_requests + 1):
        merged_at = START + pull_request * 2 * HOUR
        title, body, labels, branch, message = _told(number, pull_request, merges, chance)
        head = main
        for at in range(1, PER_PULL_REQUEST):
            subject, more = (title, message) if at == 1 else _words(chance)
            head = add((head,), merged_at - (PER_PULL_REQUEST - at) * 10 * MINUTE, subject, more)
        merge = f"Merge pull request #{pull_request} from acme/{branch}"
        main = merges[pull_request] = add((main, head), merged_at, merge, title)
        pull_requests.append((
            id, pull_request, title, body, branch, "main", json.dumps(labels), "kim", "merged", merged_at - HOUR, merged_at, merged_at,
            main, None, head, "[]", "[]", "{}",
        ))  # fmt: skip
        if pull_request % PER_DEPLOYMENT == 0:
            tips.append((main, merged_at))
    return commits, pull_requests, tips


def _told(
    number: int, pull_request: int, merges: dict[int, bytes], chance: random.Random
) -> tuple[str, str, list[str], str, str]:
    """Title, body, labels and branch of a pull request, and the body of its first commit."""
    reverted = pull_request - 25
    if pull_request % 40 == 0 and reverted > 0:
        title = f'Revert "Change {reverted}"'
        message = f"This reverts commit {merges[reverted].hex()}."
        return title, f"Reverts acme/shop-{number}#{reverted}", [], f"revert-{reverted}-topic", message
    labels = ["hotfix"] if pull_request % 50 == 0 else ["feature"]
    return f"Change {pull_request}", _words(chance)[1], labels, f"topic-{pull_request}", _words(chance)[1]


def _words(chance: random.Random) -> tuple[str, str]:
    subject = " ".join(chance.choices(WORDS, k=chance.randrange(3, 9))).capitalize()
    if chance.random() < 0.005:
        subject = f"Urgent: {subject}"
    body = "\n".join(" ".join(chance.choices(WORDS, k=9)) for _ in range(chance.randrange(1, 6))) if chance.random() < 0.4 else ""
    return subject, body


def _add(
    commits: list[Row], id: int, number: int, chance: random.Random, parents: tuple[bytes, ...], at: int, subject: str, body: str
) -> bytes:
    n = len(commits) + 1
    sha = hashlib.sha1(f"{number} {n}".encode(), usedforsecurity=False).digest()
    paths = sorted(chance.sample(range(1, PATHS + 1), k=1 + n % 3))
    author = f"Dev {n % 37} <dev{n % 37}@example.org>"
    commits.append((
        id, n, sha, COMPLETE, b"".join(parents), at // SECOND, at // SECOND, author, subject, body, struct.pack(f"<{len(paths)}I", *paths),
    ))  # fmt: skip
    return sha
