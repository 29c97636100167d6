"""Who may do what: a route states its access, and this file grants or refuses it.

| access | needs |
|---|---|
| open | nothing (`/healthz`, `/readyz`) |
| sender | nothing here: the handler checks the sender's own signature |
| write | `DD-API-KEY` with the scope |
| told | the same, or `Authorization: Bearer KEY` |
| key | any key, whatever its scopes: `DD-API-KEY`, or `api_key` in the query, as the original's metrics clients send it |
| telemetry | a key with the scope, if one is sent: `DD-API-KEY` or `Authorization: Bearer KEY`; without one HOST must be loopback, or `TELEMETRY_OPEN=1` |
| read | `Authorization: Bearer KEY`, or `DD-API-KEY` + `DD-APPLICATION-KEY` with `read`; nothing with `DASHBOARD=public`, asked under a loopback name or BASE_URL's |
| private | the same as read, but always a key |
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from aiohttp import web

from bot.facts import keys
from bot.guard import same_secret
from bot.settings import Settings, is_loopback
from bot.web.context import SETTINGS, STORE
from bot.web.errors import HttpError, unavailable

PATIENCE = 3.5
"""Seconds for the store to answer."""
LONGEST_KEY = 512

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Access:
    """What a route asks of its caller."""

    kind: Literal["open", "sender", "key", "write", "told", "telemetry", "read", "private"]
    scope: str = ""


OPEN = Access("open")
SENDER = Access("sender")
KEY = Access("key")
READ = Access("read", keys.READ)
PRIVATE = Access("private", keys.READ)
TELEMETRY = Access("telemetry", keys.DEPLOYMENTS_WRITE)


def write(scope: str) -> Access:
    """Access to a route that changes something."""
    return Access("write", scope)


def told(scope: str) -> Access:
    """Access to a route by which other tools' clients change something."""
    return Access("told", scope)


class Row(NamedTuple):
    """A row of the table of routes; GET answers HEAD too."""

    method: str
    path: str
    handler: Handler
    access: Access


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks. `services` limits a key to some (lower case); empty means all."""

    name: str
    scopes: frozenset[str]
    services: frozenset[str] = frozenset()

    def may_touch(self, service: str) -> bool:
        """Whether this key may speak of that service."""
        return not self.services or service.strip().casefold() in self.services


NOBODY = Principal(name="", scopes=frozenset())
"""A reader without a key."""
PRINCIPAL: web.RequestKey[Principal] = web.RequestKey("principal", Principal)


def guarded(row: Row) -> Handler:
    """The row's handler, behind its access; it finds who asks under PRINCIPAL."""

    async def handler(request: web.Request) -> web.StreamResponse:
        request[PRINCIPAL] = await authorize(request, row.access)
        return await row.handler(request)

    return handler


async def authorize(request: web.Request, access: Access) -> Principal:
    """Who asks, if they may; raises HttpError 401 or 403."""
    match access.kind:
        case "open" | "sender":
            return NOBODY
        case "key":
            named = _header(request, "DD-API-KEY") or request.query.get("api_key", "")[:LONGEST_KEY]
            if not named:
                raise _unauthorized("no_key", "Send an API key in the header DD-API-KEY.")
            return await _principal(request, named)
        case "write":
            given = _header(request, "DD-API-KEY")
            if given is None:
                raise _unauthorized("no_key", "Send an API key in the header DD-API-KEY.")
            return _with_scope(await _principal(request, given), access.scope)
        case "told":
            given = _header(request, "DD-API-KEY") or _bearer(request)
            if given is None:
                raise _unauthorized("no_key", "Send an API key: Authorization: Bearer KEY, or DD-API-KEY.")
            return _with_scope(await _principal(request, given), access.scope)
        case "telemetry":
            return await _teller(request, access)
        case _:
            return await _reader(request, access)


async def holder_of(request: web.Request, given: str, scope: str) -> Principal:
    """Who holds a key that was typed into a form, found under PRINCIPAL from here on; raises HttpError 401 or 403."""
    if not given:
        raise _unauthorized("no_key", f"An API key with the scope {scope} is needed.")
    if len(given) > LONGEST_KEY:
        raise _unauthorized("bad_key", "That is no API key.")
    return _with_scope(await _principal(request, given), scope)


def require_scope(request: web.Request, scope: str) -> None:
    """For handlers that show more to some: raises HttpError 403 unless the key has the scope."""
    _with_scope(request[PRINCIPAL], scope)


async def _reader(request: web.Request, access: Access) -> Principal:
    bearer = _bearer(request)
    if bearer is not None:
        return _with_scope(await _principal(request, bearer), access.scope)
    api_key, application_key = _header(request, "DD-API-KEY"), _header(request, "DD-APPLICATION-KEY")
    if api_key is not None:
        await _principal(request, api_key)
    if api_key is not None and application_key is not None:
        return _with_scope(await _principal(request, application_key), access.scope)
    settings = request.app[SETTINGS]
    if access.kind == "private" or settings.dashboard != "public":
        raise _unauthorized("no_key", "Send a key with the scope read: Authorization: Bearer KEY.")
    if not _known_host(request, settings):
        raise _unauthorized("unknown_host", "Without a key this server answers under a loopback name or BASE_URL's only.")
    return NOBODY


async def _teller(request: web.Request, access: Access) -> Principal:
    given = _header(request, "DD-API-KEY") or _bearer(request)
    if given is not None:
        return _with_scope(await _principal(request, given), access.scope)
    settings = request.app[SETTINGS]
    if not (settings.is_loopback or settings.telemetry_open):
        raise _unauthorized("no_key", "Send an API key in the header DD-API-KEY, or set TELEMETRY_OPEN=1 on the server.")
    return NOBODY


async def _principal(request: web.Request, given: str) -> Principal:
    if same_secret(given.encode(errors="surrogateescape"), request.app[SETTINGS].api_keys):
        request[PRINCIPAL] = Principal(name="API_KEYS", scopes=frozenset(keys.SCOPES))
        return request[PRINCIPAL]
    try:
        async with asyncio.timeout(PATIENCE):
            key = await request.app[STORE].read_async(lambda reader: keys.find_key(reader, given))
    except TimeoutError:
        raise unavailable("store_unavailable", "The store does not answer.") from None
    if key is None:
        raise _unauthorized("unknown_key", "The key is not known, or was revoked.")
    # Here: whoever is refused after this is named in the log.
    request[PRINCIPAL] = Principal(name=key.id, scopes=frozenset(key.scopes), services=frozenset(key.services))
    return request[PRINCIPAL]


def _with_scope(principal: Principal, scope: str) -> Principal:
    if scope not in principal.scopes:
        raise HttpError(403, "missing_scope", f"The key lacks the scope {scope}.")
    return principal


def _bearer(request: web.Request) -> str | None:
    value = _header(request, "Authorization")
    if value is None:
        return None
    scheme, _, key = value.partition(" ")
    if scheme.casefold() != "bearer" or not key.strip():
        raise _unauthorized("bad_authorization", "Authorization must be: Bearer KEY.")
    return key.strip()


def _header(request: web.Request, name: str) -> str | None:
    values = request.headers.getall(name, ())
    if not values:
        return None
    if len(values) > 1 or not 0 < len(values[0]) <= LONGEST_KEY:
        raise _unauthorized("bad_key", f"{name} must hold one key.")
    return values[0]


def _known_host(request: web.Request, settings: Settings) -> bool:
    name = _host_name(request.headers.get("Host", ""))
    return is_loopback(name) or (settings.base_url != "" and name == (urlsplit(settings.base_url).hostname or ""))


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _unauthorized(title: str, detail: str) -> HttpError:
    return HttpError(401, title, detail, headers={"WWW-Authenticate": "Bearer"})
