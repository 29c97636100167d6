"""Who we are to GitHub: the App's own JWT, and a token per installation and purpose.

Rules: a token is narrowed to what its purpose needs, lives 50 minutes here of GitHub's 60, and is asked for by one caller while
the others wait. GitHub's clock counts, not ours: a JWT of a wrong clock is made once more.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, unique
from typing import TypeVar

import jwt
from msgspec import Struct

from bot.credentials import GithubApp
from bot.dora.instants import MINUTE, SECOND, Duration, Instant
from bot.forges.client import NotAllowedError
from bot.forges.github.features import covers
from bot.forges.github.objects import InstallationObject
from bot.forges.github.wire import Answer, Bearer, Wire

T = TypeVar("T")

BACKDATED: Duration = MINUTE
JWT_LIFE: Duration = 9 * MINUTE
JWT_USED: Duration = 7 * MINUTE
TOKEN_USED: Duration = 50 * MINUTE
WRONG_CLOCK: Duration = 30 * SECOND
"""A JWT that was made with a clock so far from GitHub's is worth another try."""


@unique
class Purpose(Enum):
    """What a token is for, and the permissions it is narrowed to."""

    CONTENTS = (("contents", "read"), ("metadata", "read"))
    PULL_REQUESTS = (("contents", "read"), ("metadata", "read"), ("pull_requests", "read"))
    DEPLOYMENTS = (("contents", "read"), ("deployments", "read"), ("metadata", "read"))
    ISSUES = (("issues", "read"), ("metadata", "read"))
    REPORT = (("checks", "write"), ("contents", "read"), ("metadata", "read"), ("pull_requests", "read"))


class _Token(Struct):
    token: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _Kept:
    token: str
    until: Instant


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _Jwt:
    app: GithubApp
    text: str
    until: Instant
    skew: Duration


class Tokens:
    """The credentials of the App that `app` tells of at the moment."""

    def __init__(self, wire: Wire, app: Callable[[], GithubApp | None]) -> None:
        self._wire, self._app = wire, app
        self._jwt: _Jwt | None = None
        self._kept: dict[tuple[str, Purpose], _Kept] = {}
        self._locks: dict[tuple[str, Purpose], asyncio.Lock] = {}

    async def ask_as_app(
        self, method: str, path: str, into: type[T], *, body: object = None, background: bool = False,
        largest: int | None = None,
    ) -> Answer[T]:  # fmt: skip
        """Ask as the App itself. Raises NotAllowedError `no_app` when there is none."""
        more = {} if largest is None else {"largest": largest}
        made = await self._made_jwt()
        try:
            return await self._wire.ask(method, path, into, _as_app(made), body=body, background=background, **more)
        except NotAllowedError as error:
            self._jwt = None
            if error.slug != "unauthorized" or abs(self._wire.skew - made.skew) < WRONG_CLOCK:
                raise
        made = await self._made_jwt()
        return await self._wire.ask(method, path, into, _as_app(made), body=body, background=background, **more)

    async def ask_as_installation(
        self, installation_id: str, purpose: Purpose, method: str, path: str, into: type[T], *, body: object = None,
        background: bool = False,
    ) -> Answer[T]:  # fmt: skip
        """Ask as an installation; a token that is not accepted is replaced once."""
        token = await self.of(installation_id, purpose)
        try:
            return await self._ask(installation_id, token, method, path, into, body, background)
        except NotAllowedError as error:
            if error.slug != "unauthorized":
                raise
        self._forget(installation_id, purpose, token)
        token = await self.of(installation_id, purpose)
        return await self._ask(installation_id, token, method, path, into, body, background)

    async def of(self, installation_id: str, purpose: Purpose) -> str:
        """A token that is good for some minutes at least."""
        key = (installation_id, purpose)
        async with self._locks.setdefault(key, asyncio.Lock()):
            await self._made_jwt()  # another App's tokens are dropped with its JWT
            kept = self._kept.get(key)
            if kept is None or self._wire.clock() >= kept.until:
                kept = self._kept[key] = await self._bought(installation_id, purpose)
            return kept.token

    async def _ask(
        self, installation_id: str, token: str, method: str, path: str, into: type[T], body: object, background: bool
    ) -> Answer[T]:
        bearer = Bearer(owner=f"installation {installation_id}", token=token)
        return await self._wire.ask(method, path, into, bearer, body=body, background=background)

    def _forget(self, installation_id: str, purpose: Purpose, token: str) -> None:
        kept = self._kept.get((installation_id, purpose))
        if kept is not None and kept.token == token:
            del self._kept[installation_id, purpose]

    async def _bought(self, installation_id: str, purpose: Purpose) -> _Kept:
        path = f"app/installations/{installation_id}"
        try:
            made = await self.ask_as_app("POST", f"{path}/access_tokens", _Token, body={"permissions": dict(purpose.value)})
        except NotAllowedError as error:
            if error.slug != "refused":
                raise
            # GitHub does not say which of the permissions is not granted.
            granted = (await self.ask_as_app("GET", path, InstallationObject)).value.permissions
            for name, level in purpose.value:
                if not covers(granted.get(name, ""), level):
                    detail = f"the installation lacks the permission {name}: {level}"
                    raise NotAllowedError("missing_permission", detail) from None
            raise
        return _Kept(token=made.value.token, until=self._wire.clock() + TOKEN_USED)

    async def _made_jwt(self) -> _Jwt:
        app, now = self._app(), self._wire.clock()
        if app is None:
            raise NotAllowedError("no_app", "no GitHub App is connected: open /setup, or set GITHUB_APP_ID and its key")
        made = self._jwt
        if made is not None and (made.app.id, made.app.private_key) != (app.id, app.private_key):
            self._kept.clear()
            made = None
        if made is None or not made.until - JWT_USED <= now < made.until:
            # Another answer may tell another clock while it is signed.
            skew = self._wire.skew
            text = await asyncio.to_thread(_sign, app, (now + skew) // SECOND)
            made = self._jwt = _Jwt(app=app, text=text, until=now + JWT_USED, skew=skew)
        return made


def _as_app(made: _Jwt) -> Bearer:
    return Bearer(owner="app", jwt=made.text)


def _sign(app: GithubApp, now: int) -> str:
    issued = now - BACKDATED // SECOND
    claims = {"iat": issued, "exp": issued + JWT_LIFE // SECOND, "iss": app.id}
    try:
        return jwt.encode(claims, bytes(app.private_key), algorithm="RS256")
    except (jwt.PyJWTError, ValueError, TypeError):
        raise NotAllowedError("bad_private_key", "the App's private key is none that can sign") from None
