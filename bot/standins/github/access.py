"""Who may ask the fake GitHub for what: JWTs of Apps, installation tokens, permissions and the hour's allowance.

Credentials and the allowance live by the wall clock (`clock`, seconds), for clients compute with it; the story has its
own. An installation's permissions bind also for public repositories, which github.com would let anybody read: so a test
sees what is missing.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from bot.standins.github.state import App, Hosted, Installation, Token, World, covers

HOUR = 3_600
LONGEST_JWT = 600
SLACK = 60
"""Seconds that clocks may differ."""
LEVELS = {"": 0, "read": 1, "write": 2, "admin": 3}


class Refused(Exception):
    """GitHub says no: a status and a message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: nobody, an App by its JWT, or an installation by its token."""

    app: App | None = None
    token: Token | None = None

    @property
    def name(self) -> str:
        """Whose allowance is used."""
        if self.token is not None:
            return f"installation {self.token.installation.id}"
        return "anonymous" if self.app is None else f"app {self.app.id}"


class Access:
    """Tokens given out, and how much of the hour each caller has used."""

    def __init__(self, world: World, clock: Callable[[], float]) -> None:
        self.tokens: dict[str, Token] = {}
        self.hourly = 5_000
        self._world = world
        self._clock = clock
        self._windows: dict[str, tuple[int, int]] = {}

    def caller(self, header: str) -> Caller:
        """Who sends this Authorization header. Raises Refused (401) for a credential that is no good."""
        scheme, _, value = header.partition(" ")
        if not header:
            return Caller()
        if scheme.lower() not in ("bearer", "token") or not value:
            raise Refused(401, "Bad credentials")
        if value.count(".") == 2:
            return Caller(app=self._app(value))
        return Caller(token=self.token(value))

    def token(self, value: str) -> Token:
        """The token. Raises Refused if it is unknown, expired, revoked or its installation gone."""
        token = self.tokens.get(value)
        if token is None or token.expires <= self._clock() or token.installation.id not in self._world.installations:
            raise Refused(401, "Bad credentials")
        if token.installation.suspended_at is not None:
            raise Refused(403, "This installation has been suspended")
        return token

    def grant(
        self, installation: Installation, repositories: frozenset[int] | None, permissions: Mapping[str, str] | None
    ) -> Token:
        """A new token for an hour, narrowed. Raises Refused (422) when more is asked than the installation has."""
        if installation.suspended_at is not None:
            raise Refused(403, "This installation has been suspended")
        if repositories is not None and not repositories <= {one.id for one in self._world.reached(installation)}:
            raise Refused(422, "There is at least one repository that does not exist or is not accessible")
        asked = dict(installation.permissions if permissions is None else permissions)
        for name, level in asked.items():
            if LEVELS.get(level, 9) > LEVELS[installation.permissions.get(name, "read" if name == "metadata" else "")]:
                raise Refused(422, "The permissions requested are not granted to this installation.")
        token = Token(
            value=f"ghs_{secrets.token_hex(18)}",
            installation=installation,
            repositories=repositories,
            permissions=asked,
            expires=int(self._clock()) + HOUR,
        )
        self.tokens[token.value] = token
        return token

    def revoke(self, value: str) -> None:
        """Let a token be good for nothing."""
        self.tokens.pop(value, None)

    def reaches(self, caller: Caller, repository: Hosted) -> bool:
        """Whether the caller's token is for that repository."""
        token = caller.token
        if token is None or not covers(token.installation, repository):
            return False
        return token.repositories is None or repository.id in token.repositories

    def demand(self, caller: Caller, repository: Hosted, permissions: tuple[str, ...], level: str) -> None:
        """Raises Refused unless the caller has one of the permissions there, at that level."""
        if not self.reaches(caller, repository):
            if repository.private or caller.app is not None:
                raise Refused(404, "Not Found")
            if level != "read":
                raise Refused(403, "Resource not accessible by integration")
            return
        has = {"metadata": "read"} | dict(caller.token.permissions if caller.token else {})
        if not any(LEVELS[has.get(name, "")] >= LEVELS[level] for name in permissions):
            raise Refused(403, "Resource not accessible by integration")

    def git(self, repository: Hosted, user: str, password: str) -> int:
        """The status with which git is answered."""
        try:
            caller = Caller(token=self.token(password)) if user or password else Caller()
            if caller.token is not None and user != "x-access-token":
                return 401
            self.demand(caller, repository, ("contents",), "read")
        except Refused as no:
            return 401 if no.status == 404 and not password else no.status
        return 200

    def window(self, caller: Caller) -> tuple[int, int]:
        """How much of the hour is used, and when it ends (seconds since 1970)."""
        used, reset = self._windows.get(caller.name, (0, 0))
        return (used, reset) if reset > self._clock() else (0, int(self._clock()) + HOUR)

    def count(self, caller: Caller) -> None:
        """Use one request of the hour. Raises Refused (403) when none is left."""
        used, reset = self.window(caller)
        if used >= self.hourly:
            raise Refused(403, f"API rate limit exceeded for {caller.name}.")
        self._windows[caller.name] = (used + 1, reset)

    def give_back(self, caller: Caller) -> None:
        """What is not modified costs nothing."""
        used, reset = self.window(caller)
        self._windows[caller.name] = (max(0, used - 1), reset)

    def _app(self, value: str) -> App:
        """The App that signed the JWT, checked with its own key."""
        try:
            unverified = jwt.decode(value, options={"verify_signature": False})
            app = self._issuer(str(unverified.get("iss", "")))
            options = {"verify_exp": False, "verify_iat": False}
            claims = jwt.decode(value, public_key(app), algorithms=["RS256"], options=options)  # type: ignore[arg-type]
        except jwt.PyJWTError:
            raise Refused(401, "A JSON web token could not be decoded") from None
        issued, expires, now = claims.get("iat"), claims.get("exp"), self._clock()
        if not isinstance(expires, int) or expires <= now - 1:
            raise Refused(401, "'Expiration time' claim ('exp') must be a numeric value representing the future time")
        if expires > now + LONGEST_JWT + SLACK:
            raise Refused(401, "'Expiration time' claim ('exp') is too far in the future")
        if not isinstance(issued, int) or issued > now + SLACK:
            raise Refused(401, "'Issued at' claim ('iat') must be an Integer representing the time of the assertion")
        return app

    def _issuer(self, name: str) -> App:
        for app in self._world.apps.values():
            if name in (str(app.id), app.client_id):
                return app
        raise Refused(401, "Integration not found")


def public_key(app: App) -> bytes:
    """The public half of an App's key, in PEM."""
    key = load_pem_private_key(app.pem.encode(), None).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
