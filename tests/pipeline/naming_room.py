"""Repositories that change their names, told by minimal payloads: what the tests of names and of any order share."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from bot.answers.deployments import DeploymentShown, find_deployment
from bot.answers.fingerprint import fingerprint_lines
from bot.dora.events import NewDeployment, RepositoryRef
from bot.dora.instants import MINUTE, Instant
from bot.engine.worker import Worker
from bot.facts.deployments import record_deployment
from bot.facts.repositories import RepositoryRow, ensure_repository, find_repository
from bot.pipeline import ingest, mirror
from bot.settings import load_settings
from bot.store import Receipt, Store

BEGIN = 1_790_000_000 * 1_000_000_000
"""2026-09-21; minute 0 of every story."""
LATER = BEGIN + 10_000 * MINUTE


def at(minute: float) -> Instant:
    """An instant of the story."""
    return BEGIN + int(minute * MINUTE)


def iso(minute: float) -> str:
    """The same as forges write it."""
    return datetime.fromtimestamp(at(minute) // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, kw_only=True)
class Told:
    """A delivery of the story, received a second after it happened."""

    source: str
    event: str
    minute: float
    body: dict[str, Any]


def github(event: str, minute: float, repository: tuple[int, str] | None = None, **body: Any) -> Told:
    """An event of GitHub about a repository (number, owner/name), as it is called then."""
    if repository is not None:
        number, name = repository
        body["repository"] = {
            "id": number, "html_url": f"https://github.com/{name}", "clone_url": f"https://github.com/{name}.git",
            "default_branch": "main", "updated_at": iso(minute), "pushed_at": iso(minute), "created_at": iso(0),
        }  # fmt: skip
    return Told(source="github", event=event, minute=minute, body=body)


def pull_request(action: str, minute: float, repository: tuple[int, str], **told: Any) -> Told:
    """An event about pull request 5."""
    seen = {
        "number": 5, "state": "open", "title": "Basket", "head": {"ref": "basket", "sha": "1" * 40},
        "base": {"ref": "main", "sha": "2" * 40}, "created_at": iso(0), "updated_at": iso(minute), "labels": [],
        **told,
    }  # fmt: skip
    return github("pull_request", minute, repository, action=action, pull_request=seen)


def gitlab(minute: float, **body: Any) -> Told:
    """An event of an instance-wide hook of GitLab."""
    return Told(source="gitlab", event="System Hook", minute=minute, body={"updated_at": iso(minute), **body})


def deployed(minute: float, repository: str, sha: str, *, service: str = "shop", env: str = "prod") -> NewDeployment:
    """A deployment that says where its commit lies by the name of its day."""
    return NewDeployment(
        id=f"deployment-{service}-{minute:06.1f}", service=service, env=env, version=f"{minute}",
        repository_url=f"https://{repository}", repository=repository, commit_sha=bytes.fromhex(sha),
        started_at=at(minute) - MINUTE, finished_at=at(minute), team="", tags=(), source="api",
    )  # fmt: skip


class Room:
    """A store, and the work on it without a network: nothing is fetched but what is read in place."""

    def __init__(self, store: Store, folder: Path, **settings: str) -> None:
        self.store = store
        self.worker = Worker(store, load_settings({"DATA_DIR": str(folder), **settings}), clock=lambda: LATER)
        self.keys = count()

    def hear(self, *told: Told) -> None:
        """Deliveries come in."""
        for one in told:
            receipt = Receipt(
                source=one.source, key=f"{next(self.keys)}", event=one.event, received_at=at(one.minute) + 10**9,
                headers={"content-type": "application/json", "x-gitlab-instance": "https://gitlab.com"},
                body=json.dumps(one.body).encode(),
            )  # fmt: skip
            asyncio.run(self.store.append(receipt))

    def deploy(self, *new: NewDeployment) -> None:
        """Deployments are told, each when it finished."""
        for one in new:
            self.store.write(lambda writer, one=one: record_deployment(writer, one, received_at=one.finished_at + 10**9))

    def know(
        self, name: str, path: Path, *, forge: str = "github", forge_id: str = "", seen_at: Instant | None = None
    ) -> RepositoryRow:
        """Somebody says that a repository is to be read in place."""
        ref = RepositoryRef(name=name, forge=forge, remote=str(path), forge_id=forge_id, seen_at=seen_at)
        return self.store.write(lambda writer: ensure_repository(writer, ref, local=True))

    def read_in_place(self, name: str, path: Path, *, forge: str = "github") -> RepositoryRow:
        """Somebody syncs a path under a name."""
        row = self.know(name, path, forge=forge)
        self.ingest(row.id, path)
        return row

    def ingest(self, repository_id: int, path: Path) -> None:
        """The whole history of a path."""
        wish = mirror.Wish(repository_id=repository_id, ref="*", version=1, attempts=0)
        fetched = mirror.Fetched(repository_id=repository_id, path=str(path), began_at=LATER, full=True, wishes=(wish,))
        job: Iterator[None] = ingest.run(self.store, fetched=fetched, progress=lambda _: None, clock=lambda: LATER)
        for _ in job:
            pass

    def work(self) -> None:
        """Until nothing is due."""
        while self.worker.step():
            pass

    def shown(self, minute: float, service: str = "shop") -> DeploymentShown:
        """A deployment as it is answered."""
        found = self.store.read(lambda reader: find_deployment(reader, f"deployment-{service}-{minute:06.1f}"))
        assert found is not None
        return found

    def called(self, name: str, minute: float | None = None) -> str | None:
        """What the repository is called now that a name meant then."""
        instant = None if minute is None else at(minute)
        row = self.store.read(lambda reader: find_repository(reader, name, at=instant))
        return None if row is None else row.name

    def states(self) -> list[str]:
        """How deliveries ended."""
        return [
            f"{state} {reason}".strip()
            for state, reason in self.store.read(
                lambda reader: reader.fetch(
                    "answer_deliveries", _state, from_at=0, to_at=2**62, before_at=2**62, before_id=2**62, source="", state="",
                    event="", n=1_000,
                )
            )
        ]  # fmt: skip

    def fingerprint(self) -> list[str]:
        """All facts and all that is derived, a line each."""
        return self.store.read(fingerprint_lines)


def _state(*columns: object) -> tuple[object, object]:
    return columns[5], columns[6]
