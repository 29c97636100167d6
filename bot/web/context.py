"""What handlers find in the application."""

from collections.abc import Callable

from aiohttp import web

from bot.settings import Settings
from bot.store import Store

STORE: web.AppKey[Store] = web.AppKey("store", Store)  # type: ignore[type-abstract]
SETTINGS: web.AppKey[Settings] = web.AppKey("settings", Settings)
CLOCK: web.AppKey[Callable[[], int]] = web.AppKey("clock", Callable)
"""The only clock of the web floor: nanoseconds since 1970."""
WAKE: web.AppKey[Callable[[str], None]] = web.AppKey("wake", Callable)
"""Tells the engine that there is work: "inbox", "marks" or "fetch"."""
