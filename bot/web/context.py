"""What handlers find in the application."""

from collections.abc import Callable

from aiohttp import web

from bot.answers.changes import ExplainSource
from bot.answers.simulation import TrialSource
from bot.credentials import Credentials
from bot.settings import Settings
from bot.store import Store

STORE: web.AppKey[Store] = web.AppKey("store")
SETTINGS: web.AppKey[Settings] = web.AppKey("settings", Settings)
CREDENTIALS: web.AppKey[Credentials] = web.AppKey("credentials", Credentials)
CLOCK: web.AppKey[Callable[[], int]] = web.AppKey("clock")
"""The only clock of the web floor: nanoseconds since 1970."""
WAKE: web.AppKey[Callable[[str], None]] = web.AppKey("wake")
"""Tells the engine that there is work: "inbox", "marks" or "fetch"."""
ENGINE_ALIVE: web.AppKey[Callable[[], bool]] = web.AppKey("engine_alive")
"""Whether the engine's heart has beaten within the last 5 seconds."""
EXPLAIN: web.AppKey[ExplainSource] = web.AppKey("explain")
"""What is computed from the history when asked: the commits of a range that are no changes."""
TRIALS: web.AppKey[TrialSource] = web.AppKey("trials")
"""Tries rules on the stored series."""


def path_of(request: web.Request) -> str:
    """The path that was asked for, without BASE_URL's root if it came with it."""
    root = request.app[SETTINGS].root
    return request.path.removeprefix(root) if root and request.path.startswith(f"{root}/") else request.path
