"""A client of the whole web application over a store, with a fixed clock."""

import threading
from typing import Any

from aiohttp.test_utils import TestClient

from bot.pipeline.derive import Sources
from bot.pipeline.history import HistoryCache
from bot.pipeline.simulation import StoredTrials
from bot.settings import load_settings
from bot.store import Store
from bot.web.context import EXPLAIN, TRIALS
from bot.web.routes import make_app
from tests.support.seed import Seed

KEY = "a-bootstrap-key-for-tests"
NOW = 1_795_305_600 * 10**9
"""2026-11-22T00:00:00Z."""


async def browse(aiohttp_client: Any, store: Store, seed: Seed, *, now: int = NOW, **environ: str) -> TestClient:
    """A client of the application over a store that holds the seed."""
    if seed.rows:
        seed.write(store)
    app = make_app(
        settings=load_settings({"API_KEYS": KEY, **environ}),
        store=store,
        clock=lambda: now,
        wake=lambda channel: None,
        engine_alive=lambda: True,
    )
    app[EXPLAIN] = seed
    app[TRIALS] = StoredTrials(Sources(HistoryCache()), threading.Lock())
    client: TestClient = await aiohttp_client(app)
    return client
