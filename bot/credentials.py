"""What opens a forge to us: what the operator set, and what the set-up page stored.

Rules: a stored file belongs to its owner alone from its first byte on. It is looked at again whenever it is asked for and read
again when it changed, so that nothing has to be restarted. No secret shows itself.
"""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from msgspec import Struct

from bot.guard import GuardError, decode_json_as
from bot.settings import SHORTEST_SECRET, Secret, Settings

log = structlog.get_logger(__name__)

GITHUB_APP_FILE: Final = "github-app.json"
STATE_KEY_FILE: Final = "setup.key"
_LARGEST = 64 * 1024


class CredentialsError(Exception):
    """What was to be kept cannot be; the text says why and holds no secret."""

    slug = "credentials"


@dataclass(frozen=True, slots=True, kw_only=True)
class GithubApp:
    """The App that we are on GitHub. `created_at` is in seconds since 1970, 0 when the operator set it."""

    id: str
    private_key: Secret
    webhook_secrets: tuple[Secret, ...] = ()
    slug: str = ""
    client_id: str = ""
    html_url: str = ""
    created_at: int = 0


class _Stored(Struct):
    app_id: str
    private_key: str
    webhook_secrets: list[str]
    slug: str
    client_id: str
    html_url: str
    created_at: int


_Stamp = tuple[int, int, int]


class Credentials:
    """What the operator set, extended by what the set-up stored; the setting wins where there can be only one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._path = settings.data_dir / GITHUB_APP_FILE
        self._read: tuple[_Stamp | None, GithubApp | None] = (None, None)

    def github_app(self) -> GithubApp | None:
        """The App to ask GitHub as."""
        id, key = self._settings.github_app_id, self._settings.github_private_key
        stored = self.stored_github_app()
        if not id or key is None:
            return stored
        if stored is not None and stored.id == id:
            return GithubApp(
                id=id, private_key=key, slug=stored.slug, client_id=stored.client_id, html_url=stored.html_url
            )
        return GithubApp(id=id, private_key=key)

    def github_secrets(self) -> tuple[Secret, ...]:
        """The secrets that GitHub may sign its webhooks with; none: GitHub is off."""
        stored = self.stored_github_app()
        return (*self._settings.github_webhook_secret, *(stored.webhook_secrets if stored is not None else ()))

    def every_secret(self) -> list[bytes]:
        """All secrets, for the logs to leave out."""
        stored = self.stored_github_app()
        kept = [] if stored is None else [stored.private_key, *stored.webhook_secrets]
        return [*self._settings.every_secret(), *kept]

    def stored_github_app(self) -> GithubApp | None:
        """The App that the set-up stored, whatever the operator set."""
        stamp = _stamp(self._path)
        if stamp != self._read[0]:
            self._read = (stamp, None if stamp is None else _load(self._path))
        return self._read[1]

    def store_github_app(self, app: GithubApp) -> None:
        """Keep the App durably, readable by the owner alone. Raises CredentialsError."""
        document = {
            "app_id": app.id,
            "private_key": app.private_key.decode(),
            "webhook_secrets": [secret.decode() for secret in app.webhook_secrets],
            "slug": app.slug,
            "client_id": app.client_id,
            "html_url": app.html_url,
            "created_at": app.created_at,
        }
        try:
            _make_folder(self._settings.data_dir)
            _write(self._path, json.dumps(document, indent=2).encode(), replace=True)
        except OSError as error:
            raise CredentialsError(f"{self._path} cannot be written: {error.strerror}") from None

    def probe(self) -> None:
        """See whether something could be stored, before what cannot be had twice is asked for. Raises CredentialsError."""
        try:
            _make_folder(self._settings.data_dir)
            beside = self._path.with_name(f".probe.{secrets.token_hex(8)}")
            _write(beside, bytes(_LARGEST), replace=True)
            beside.unlink()
        except OSError as error:
            raise CredentialsError(f"{self._settings.data_dir} cannot be written to: {error.strerror}") from None

    def state_key(self) -> bytes:
        """The key that signs what the set-up sends through a browser; made when first asked for. Raises CredentialsError."""
        path = self._settings.data_dir / STATE_KEY_FILE
        try:
            if not path.exists():
                _make_folder(self._settings.data_dir)
                _write(path, secrets.token_bytes(32), replace=False)
            key = path.read_bytes()
        except OSError as error:
            raise CredentialsError(f"{path} cannot be read or written: {error.strerror}") from None
        if len(key) < 32:
            raise CredentialsError(f"{path} is damaged: remove it, a new one is made")
        return key


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _load(path: Path) -> GithubApp | None:
    try:
        stored = decode_json_as(_Stored, path.read_bytes(), max_bytes=_LARGEST)
    except (OSError, GuardError) as error:
        log.warning("the stored App cannot be used", file=str(path), reason=error.__class__.__name__)
        return None
    return GithubApp(
        id=stored.app_id,
        private_key=Secret(stored.private_key.encode()),
        webhook_secrets=tuple(Secret(one.encode()) for one in stored.webhook_secrets if len(one) >= SHORTEST_SECRET),
        slug=stored.slug,
        client_id=stored.client_id,
        html_url=stored.html_url,
        created_at=stored.created_at,
    )


def _make_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def _write(path: Path, body: bytes, *, replace: bool) -> None:
    """The whole file or none of it; without `replace` whoever came first stays."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            beside.replace(path)
        else:
            _link(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except FileExistsError:
        return
