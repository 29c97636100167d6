"""A web application over a test's store, and senders that sign as the forges do."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from aiohttp.test_utils import TestClient, TestServer

from bot.dora.instants import SECOND
from bot.facts.keys import NewKey, create_key
from bot.pipeline.derive import limits_of
from bot.pipeline.explain import StoredExplainSource
from bot.pipeline.simulation import StoredTrials
from bot.settings import load_settings
from bot.store import Receipt, Store, StoreUnavailableError
from bot.web.context import EXPLAIN, TRIALS
from bot.web.routes import make_app

GITHUB_SECRET = "github-secret-of-the-tests"
GITLAB_SECRET = "gitlab-secret-of-the-tests"
API_KEY = "bootstrap-key-of-the-tests"
NOW = 1_790_000_000 * SECOND
ALL_ON = {"GITHUB_WEBHOOK_SECRET": GITHUB_SECRET, "GITLAB_WEBHOOK_SECRET": GITLAB_SECRET, "API_KEYS": API_KEY}


@dataclass
class Door:
    """A running application: its client, its clock, and whom it woke."""

    client: TestClient[Any, Any]
    now: list[int] = field(default_factory=lambda: [NOW])
    woken: list[str] = field(default_factory=list)
    engine: list[bool] = field(default_factory=lambda: [True])


@asynccontextmanager
async def open_door(store: Store, **environ: str) -> AsyncIterator[Door]:
    """Serve `store` with these settings (all sources on when none is given)."""
    door = Door(client=cast("TestClient[Any, Any]", None))
    settings = load_settings(environ or ALL_ON)
    app = make_app(
        settings=settings,
        store=store,
        clock=lambda: door.now[0],
        wake=door.woken.append,
        engine_alive=lambda: door.engine[0],
    )
    app[EXPLAIN] = explain = StoredExplainSource(limits=limits_of(settings))
    app[TRIALS] = StoredTrials(explain.sources, explain.turn)
    server = TestServer(app)
    await server.start_server(auto_decompress=False, access_log=None)
    async with TestClient(server) as client:
        door.client = client
        yield door


def github_headers(body: bytes, *, event: str = "push", delivery: str = "d-1", secret: str = GITHUB_SECRET) -> dict[str, str]:
    """What GitHub sends beside a body."""
    return {
        "Content-Type": "application/json",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery,
        "X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
    }


def deployment(**attributes: object) -> dict[str, object]:
    """A valid deployment's attributes, with changes; `...` leaves one out."""
    given: dict[str, object] = {"service": "shopist", "started_at": 1_693_491_974, "finished_at": 1_693_491_984}
    given |= attributes
    return {name: value for name, value in given.items() if value is not ...}


def document(**attributes: object) -> bytes:
    """The body of a deployment request."""
    return json.dumps({"data": {"attributes": deployment(**attributes)}}).encode()


def make_key(store: Store, *scopes: str, services: tuple[str, ...] = ()) -> NewKey:
    """An API key in the store."""
    return store.write(lambda writer: create_key(writer, name="test", scopes=scopes, services=services, now=NOW))


def receipts(store: Store) -> list[tuple[object, ...]]:
    """Every row of the inbox that is due: (source, event, body)."""
    rows = store.read(lambda reader: reader.fetch("due_deliveries", _row, now=2**62, n=10_000))
    return [(row[1], row[2], row[5]) for row in rows]


def _row(*columns: object) -> tuple[object, ...]:
    return columns


async def raw_status(port: int | None, request: bytes) -> int:
    """The status that these bytes get; 0 when the connection just ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        await writer.drain()
        line = await asyncio.wait_for(reader.readline(), 15)
        return int(line.split()[1]) if line else 0
    except ConnectionResetError:
        return 0
    finally:
        writer.close()


class DownStore:
    """A store that is down: nothing can be kept or asked."""

    dialect = "sqlite"

    async def append(self, receipt: Receipt) -> object:
        raise StoreUnavailableError("the store is down")

    async def read_async(self, work: Callable[..., object]) -> object:
        raise StoreUnavailableError("the store is down")

    write_async = read_async

    def healthy(self) -> bool:
        return False
