"""Apps on the fake GitHub: made by hand or from a manifest, installed, suspended, given other rights."""

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bot.standins.forge import StandInError
from bot.standins.github import hooks
from bot.standins.github.mail import Mail
from bot.standins.github.state import GHOST, App, Hosted, Installation, World
from bot.standins.repository import Person

CODE_LIVES = 3_600
"""Seconds in which a manifest's code can be converted."""


@lru_cache
def private_key(number: int) -> str:
    """A key in PEM, as GitHub writes it. One per App number in this process: making one takes a tenth of a second."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()


class Apps:
    """What owners do with Apps."""

    def __init__(self, world: World, mail: Mail) -> None:
        self._world = world
        self._mail = mail
        self._codes: dict[str, tuple[App, float]] = {}

    def create(
        self,
        name: str,
        *,
        owner: str,
        hook_url: str,
        permissions: Mapping[str, str],
        events: Sequence[str],
        webhook_secret: str | None = None,
        external_url: str = "",
        setup_url: str = "",
        description: str = "",
    ) -> App:
        """A new App, and a ping to its hook."""
        app = self._make(
            name, owner, hook_url, permissions, events, webhook_secret, external_url, setup_url, description
        )
        self._register(app)
        return app

    def from_manifest(self, manifest: Mapping[str, object], owner: str, at: float) -> str:
        """The code for an App that somebody agreed to make. Raises StandInError if the manifest is no good."""
        url, hook = manifest.get("url"), manifest.get("hook_attributes")
        hook_url = hook.get("url") if isinstance(hook, Mapping) else ""
        events, permissions = manifest.get("default_events", ()), manifest.get("default_permissions", {})
        if not isinstance(url, str) or not url.startswith(("http://", "https://")):
            raise StandInError("url is missing")
        if not isinstance(hook_url, str) or (hook is not None and not hook_url):
            raise StandInError("hook_attributes.url is missing")
        if not isinstance(events, Sequence) or not isinstance(permissions, Mapping):
            raise StandInError("default_events or default_permissions are of another type")
        app = self._make(
            str(manifest.get("name") or "unnamed"),
            owner,
            hook_url,
            permissions,
            [str(event) for event in events],
            None,
            url,
            str(manifest.get("setup_url") or ""),
            str(manifest.get("description") or ""),
        )
        code = secrets.token_hex(20)
        self._codes[code] = (app, at + CODE_LIVES)
        return code

    def convert(self, code: str, at: float) -> App | None:
        """The App behind a code, once and within the hour."""
        app, until = self._codes.pop(code, (None, 0.0))
        if app is None or until < at:
            return None
        self._register(app)
        return app

    def install(
        self,
        app: App,
        account: str,
        repositories: Iterable[Hosted] | None,
        permissions: Mapping[str, str] | None,
        events: Sequence[str] | None,
        by: Person = GHOST,
    ) -> Installation:
        """Install it on repositories (None: all of the account), with the App's rights or fewer."""
        now = self._world.now
        one = Installation(
            id=self._world.number("installation", 880_001),
            app=app,
            account=self._world.account(account),
            selected=None if repositories is None else {hosted.id for hosted in repositories},
            permissions={"metadata": "read", **(app.permissions if permissions is None else permissions)},
            events=tuple(app.events if events is None else events),
            created_at=now,
            updated_at=now,
        )
        self._world.installations[one.id] = one
        self._told("created", one, by)
        return one

    def uninstall(self, one: Installation, *, by: Person = GHOST) -> None:
        """Remove it; its tokens die."""
        self._told("deleted", one, by)
        del self._world.installations[one.id]

    def suspend(self, one: Installation, *, by: Person = GHOST) -> None:
        """Stop it: no tokens, no events."""
        one.suspended_by, one.suspended_at = by, self._world.now
        self._told("suspend", one, by)

    def unsuspend(self, one: Installation, *, by: Person = GHOST) -> None:
        """Let it go on."""
        one.suspended_by = one.suspended_at = None
        self._told("unsuspend", one, by)

    def accept(
        self, one: Installation, permissions: Mapping[str, str], events: Sequence[str], *, by: Person = GHOST
    ) -> None:
        """Accept other rights and events."""
        one.permissions, one.events = {"metadata": "read", **permissions}, tuple(events)
        self._told("new_permissions_accepted", one, by)

    def select(
        self, one: Installation, added: Sequence[Hosted] = (), removed: Sequence[Hosted] = (), *, by: Person = GHOST
    ) -> None:
        """Add repositories to it and take others away."""
        if one.selected is None:
            raise StandInError("all repositories are selected")
        one.updated_at = self._world.now
        one.selected |= {hosted.id for hosted in added}
        one.selected -= {hosted.id for hosted in removed}
        for more, fewer in ((added, ()), ((), removed)):
            if more or fewer:
                payload = hooks.selection_changed(self._world, one, more, fewer, by)
                self._mail.post("installation_repositories", payload, [one])

    def _told(self, action: str, one: Installation, by: Person) -> None:
        one.updated_at = self._world.now
        payload = hooks.installed(self._world, action, one, self._world.reached(one), by)
        self._mail.post("installation", payload, [one])

    def _register(self, app: App) -> None:
        self._world.apps[app.id] = app
        self._mail.post("ping", hooks.ping(self._world, app), [], app=app)

    def _make(
        self,
        name: str,
        owner: str,
        hook_url: str,
        permissions: Mapping[str, object],
        events: Sequence[str],
        webhook_secret: str | None,
        external_url: str,
        setup_url: str,
        description: str,
    ) -> App:
        number = self._world.number("app", 33_001)
        return App(
            id=number,
            slug=re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-"),
            name=name,
            owner=self._world.account(owner),
            external_url=external_url or f"{self._world.web}/{owner}",
            hook_url=hook_url,
            setup_url=setup_url,
            description=description,
            client_id=f"Iv23li{number:014d}",
            client_secret=secrets.token_hex(20),
            webhook_secret=secrets.token_hex(20) if webhook_secret is None else webhook_secret,
            pem=private_key(number),
            permissions={name: str(level) for name, level in permissions.items()},
            events=tuple(events),
            created_at=self._world.now,
        )
