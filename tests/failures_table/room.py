"""Where the table is played: one store, its web doors, and a worker in this process instead of the engine's child."""

import json
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bot.dora.events import RepositoryRef
from bot.dora.instants import SECOND
from bot.engine.worker import Worker
from bot.facts.keys import NewKey, create_key
from bot.facts.repositories import ensure_repository
from bot.pipeline.mirror import Fetched
from bot.settings import load_settings
from bot.store import Store
from tests.failures_table.deliveries import Sent
from tests.failures_table.story import FIRST_DAY, Played
from tests.web.doors import ALL_ON, Door, open_door

LATER = (FIRST_DAY + 40 * 86_400) * SECOND
"""When all has happened, and people ask."""
ALL_TIME = (("from", "2026-05-01"), ("to", "2026-06-30"))
WHY = ("evidence", "near_misses", "flags")
SCOPES = ("read", "deployments:write", "failures:write")


@dataclass(slots=True, kw_only=True)
class Answers:
    """What the API says of everything: deployments with their explanation by id, metrics by (service, env or "*")."""

    deployments: dict[str, Any] = field(default_factory=dict)
    metrics: dict[tuple[str, str | None], dict[str, Any]] = field(default_factory=dict)


class Room:
    """A running application and the work behind it."""

    def __init__(self, door: Door, store: Store, worker: Worker, key: NewKey) -> None:
        self.door, self.store, self.worker, self.key = door, store, worker, key
        self.headers = {"DD-API-KEY": key.key, "Authorization": f"Bearer {key.key}"}
        self.ids: dict[tuple[int, str], str] = {}
        """Deployments by case and name."""

    def define(self, rules: str, played: Sequence[Played], folder: Path) -> None:
        """The rules file and definitions come into force."""
        write_definitions(folder, rules, played)
        self._do([("catalog", {"folder": str(folder)})])

    async def send(self, case: int, sent: Sent) -> bool:
        """Send a request, first received at its own instant; False if what it is about is not known yet."""
        known = {name: self.ids.get((case, name)) for name in sent.about}
        if None in known.values():
            return False
        self.door.now[0] = sent.at * SECOND
        path, body = sent.path, sent.body
        for name, id in known.items():
            path, body = path.replace(f"<{name}>", str(id)), body.replace(f"<{name}>".encode(), str(id).encode())
        headers = {**sent.headers, **(self.headers if path.startswith("/api/") else {})}
        async with self.door.client.request(sent.method, path, data=body, headers=headers) as answer:
            told = await answer.read()
            assert answer.status in {200, 202}, (sent, told)
        if sent.name:
            self.ids[case, sent.name] = json.loads(told)["data"]["id"]
        return True

    def sync(self, played: Iterable[Played]) -> None:
        """Read the repositories, as `rollforward sync PATH --as URL` does."""
        jobs: list[tuple[str, dict[str, object]]] = []
        for one in played:
            forge = "gitlab" if "gitlab" in one.repository else "github"
            ref = RepositoryRef(name=one.repository, forge=forge, remote=str(one.directory))
            row = self.store.write(partial(ensure_repository, ref=ref, local=True))
            fetched = Fetched(
                repository_id=row.id, path=str(one.directory), began_at=LATER, full=True, wishes=(), default_branch="main"
            )
            jobs.append(("ingest", {"fetched": fetched}))
        self._do(jobs)

    def work(self) -> None:
        """Until nothing is due."""
        while self.worker.step():
            pass

    def _do(self, jobs: Sequence[tuple[str, dict[str, object]]]) -> None:
        """Long jobs to their ends, and what they made due."""
        errors: list[str | None] = []
        for command, arguments in jobs:
            self.worker.start(command, arguments, lambda _: None, lambda _, error: errors.append(error))
        self.work()
        assert errors == [None] * len(jobs)

    async def ask(self, explained: Collection[str] | None = None) -> Answers:
        """All that the API says; given ids, why only of those and of all that are not standard."""
        self.door.now[0] = LATER
        found = Answers()
        page = await self._get("/api/v1/deployments", [*ALL_TIME, ("limit", "1000")])
        assert page["next"] is None
        for row in page["data"]:
            why = dict.fromkeys(WHY, ())
            if explained is None or row["id"] in explained or row["type"] != "standard":
                why = await self._get(f"/api/v1/deployments/{row['id']}/explain")
            found.deployments[row["id"]] = {**row, **{name: why[name] for name in WHY}}
        for formula in ("all", "excluding_rollbacks", "incidents"):
            for groups in (["service"], ["service", "env"]):
                asked = [*ALL_TIME, ("formula", formula), *(("group_by", one) for one in groups)]
                answer = await self._get("/api/v1/metrics", asked)
                for row in answer["data"]:
                    key = (row["group"]["service"], row["group"].get("env", "*"))
                    found.metrics.setdefault(key, {})[formula] = row
        return found

    async def _get(self, path: str, parameters: Sequence[tuple[str, str]] = ()) -> Any:
        async with self.door.client.get(path, params=parameters, headers=self.headers) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()


def write_definitions(folder: Path, rules: str, played: Sequence[Played]) -> None:
    """The folder `service_definitions`."""
    folder.mkdir(exist_ok=True)
    if rules:
        (folder / "rules.yaml").write_text(rules)
    for one in played:
        for name, extension in one.definitions.items():
            service = one.service(name)
            lines = ["schema-version: v2.2", f"dd-service: {service}", "extensions:", "  datadoghq.com/dora-metrics:"]
            text = "\n".join([*lines, *(f"    {line}" for line in extension), ""])
            (folder / f"{service}.yaml").write_text(text)


@asynccontextmanager
async def open_room(store: Store, folder: Path) -> AsyncIterator[Room]:
    """Serve a store and work on it."""
    settings = load_settings({**ALL_ON, "DATA_DIR": str(folder)})
    async with open_door(store) as door:
        worker = Worker(store, settings, clock=lambda: LATER)
        key = store.write(lambda writer: create_key(writer, name="Ann", scopes=SCOPES, services=(), now=LATER))
        yield Room(door, store, worker, key)
