"""What the operator decided: read once at start, checked, frozen.

Rules: a value comes from the environment, else from `.env`; a secret also from the file that `NAME_FILE` names. A mistake stops
the start with a sentence that says what to do. No secret is ever shown: not by `repr`, not in an error, not by `doctor`.
"""

import base64
import binascii
import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeVar
from urllib.parse import SplitResult, urlsplit, urlunsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

T = TypeVar("T")

SHORTEST_SECRET: Final = 16
PUBLISHED_SECRETS: Final = frozenset({
    "it's a secret to everybody", "changemechangeme", "changeme12345678", "change-me-change-me", "developmentsecret",
    "development-secret", "mywebhooksecret1", "my-webhook-secret", "your-webhook-secret", "your_webhook_secret",
    "your-secret-here", "your-secret-token", "webhook-secret-key", "supersecretsecret", "super-secret-value",
    "replace-this-secret", "replace_with_secret", "passwordpassword", "secretsecretsecret", "0123456789abcdef",
    "1234567890123456", "insert-secret-here", "generate-a-secret", "github-webhook-secret", "gitlab-webhook-secret",
    "<your-webhook-secret>",
})  # fmt: skip
"""Secrets of documentation and templates that are long enough and known to everybody."""


ISSUED_SECRETS: Final = frozenset({"GITHUB_PRIVATE_KEY", "GITLAB_TOKEN", "GITLAB_SIGNING_TOKEN", "PAGERDUTY_API_TOKEN", "PAGERDUTY_WEBHOOK_SECRET"})
"""Made by others."""


class SettingsError(Exception):
    """A setting cannot be used."""

    slug = "settings"

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(f"{name}: {detail}")
        self.name = name
        self.detail = detail


class Secret(bytes):
    """Bytes that do not show themselves."""

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A setting as `doctor` prints it: secrets masked, `origin` = default, environment, .env, or the secret's file."""

    name: str
    value: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings. `origins` says where each came from; a secret that is not set is empty (or `None`), and its source is off."""

    host: str
    port: int
    database_url: str = field(repr=False)
    """`sqlite:///…` or `postgresql://…` (which may hold a password: never print it, see `shown`)."""
    data_dir: Path
    service_definitions: Path
    base_url: str
    tls_cert: Path | None
    tls_key: Path | None
    github_webhook_secret: tuple[Secret, ...]
    github_app_id: str
    github_private_key: Secret | None
    github_api_url: str
    gitlab_url: str
    gitlab_token: Secret | None
    gitlab_webhook_secret: tuple[Secret, ...]
    gitlab_signing_token: tuple[Secret, ...]
    pagerduty_webhook_secret: tuple[Secret, ...]
    pagerduty_api_token: Secret | None
    pagerduty_api_url: str
    api_keys: tuple[Secret, ...]
    dashboard: Literal["login", "public"]
    lead_time_max_gap_days: int
    """0 lifts the limit."""
    lead_time_max_commits: int
    """0 lifts the limit."""
    telemetry_silence_minutes: int
    telemetry_open: bool
    default_timezone: str
    production_envs: tuple[str, ...]
    """Trimmed and lower case."""
    keep_bodies_days: int
    keep_failed_days: int
    keep_keys_days: int
    clone_urls: Mapping[str, str]
    """Host (of a RepositoryId, with its port if it has one) → the URL its repositories are fetched from, no trailing slash."""
    origins: Mapping[str, str] = field(repr=False, default_factory=dict)

    @property
    def sqlite_path(self) -> Path | None:
        """The database file, or `None` when the store is PostgreSQL."""
        if not self.database_url.startswith("sqlite:"):
            return None
        return Path(self.database_url.removeprefix("sqlite:///"))

    @property
    def web_roots(self) -> Mapping[str, str]:
        """Under which path the pages of a host lie (`WebRoots`): a GitLab may have a relative URL root."""
        parts = urlsplit(self.gitlab_url)
        host = parts.netloc.lower().removesuffix(":443" if parts.scheme == "https" else ":80")
        return {host: parts.path} if parts.path else {}

    @property
    def root(self) -> str:
        """The path below which everything is served too, if BASE_URL has one: `/dora` for `https://host/dora`, else ""."""
        return urlsplit(self.base_url).path

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return is_loopback(self.host)

    @property
    def github_on(self) -> bool:
        """Whether GitHub's webhooks are received."""
        return bool(self.github_webhook_secret)

    @property
    def gitlab_on(self) -> bool:
        """Whether GitLab's webhooks are received."""
        return bool(self.gitlab_webhook_secret or self.gitlab_signing_token)

    def every_secret(self) -> list[bytes]:
        """All secrets, for the logs to leave out."""
        found: list[bytes] = []
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            found += [one for one in (value if isinstance(value, tuple) else (value,)) if isinstance(one, Secret)]
        return found

    def shown(self) -> list[Shown]:
        """Every setting for people, in the order of the documentation; secrets are counted, never printed."""
        return [
            Shown(name=name.upper(), value=_shown(name, getattr(self, name)), origin=self.origins.get(name, "default"))
            for name in self.__dataclass_fields__
            if name != "origins"
        ]


def load_settings(environ: Mapping[str, str], dotenv: Path | None = None) -> Settings:
    """The settings of this process; raises SettingsError with what to do about it."""
    read = _Reader(environ, {} if dotenv is None else _read_dotenv(dotenv))
    host = read("HOST", _host, "127.0.0.1")
    data_dir = read("DATA_DIR", Path, "data")
    tls_cert = read("TLS_CERT", _file, None)
    tls_key = read("TLS_KEY", _file, None)
    if (tls_cert is None) != (tls_key is None):
        missing = "TLS_KEY" if tls_key is None else "TLS_CERT"
        raise SettingsError(missing, "TLS_CERT and TLS_KEY go together: give both, or neither.")
    return Settings(
        host=host,
        port=read("PORT", _int(0, 65_535), "8080"),
        database_url=read("DATABASE_URL", _database_url, f"sqlite:///{data_dir / 'rollforward.db'}", secret=True),
        data_dir=data_dir,
        service_definitions=read("SERVICE_DEFINITIONS", Path, "service_definitions"),
        base_url=read("BASE_URL", _url, None) or "",
        tls_cert=tls_cert,
        tls_key=tls_key,
        github_webhook_secret=read.secrets("GITHUB_WEBHOOK_SECRET"),
        github_app_id=read("GITHUB_APP_ID", str, None) or "",
        github_private_key=read.secret("GITHUB_PRIVATE_KEY"),
        github_api_url=read("GITHUB_API_URL", _url, "https://api.github.com"),
        gitlab_url=read("GITLAB_URL", _url, "https://gitlab.com"),
        gitlab_token=read.secret("GITLAB_TOKEN"),
        gitlab_webhook_secret=read.secrets("GITLAB_WEBHOOK_SECRET"),
        gitlab_signing_token=read.secrets("GITLAB_SIGNING_TOKEN", check=_check_signing_token),
        pagerduty_webhook_secret=read.secrets("PAGERDUTY_WEBHOOK_SECRET"),
        pagerduty_api_token=read.secret("PAGERDUTY_API_TOKEN"),
        pagerduty_api_url=read("PAGERDUTY_API_URL", _url, "https://api.pagerduty.com"),
        api_keys=read.secrets("API_KEYS"),
        dashboard=read("DASHBOARD", _dashboard, "public" if is_loopback(host) else "login"),
        lead_time_max_gap_days=read("LEAD_TIME_MAX_GAP_DAYS", _int(0, 36_500), "60"),
        lead_time_max_commits=read("LEAD_TIME_MAX_COMMITS", _int(0, 10_000_000), "5000"),
        telemetry_silence_minutes=read("TELEMETRY_SILENCE_MINUTES", _int(1, 100_000), "10"),
        telemetry_open=read("TELEMETRY_OPEN", _switch, "0"),
        default_timezone=read("DEFAULT_TIMEZONE", _timezone, "UTC"),
        production_envs=read("PRODUCTION_ENVS", _names, "prod, production, live"),
        keep_bodies_days=read("KEEP_BODIES_DAYS", _int(0, 36_500), "7"),
        keep_failed_days=read("KEEP_FAILED_DAYS", _int(0, 36_500), "30"),
        keep_keys_days=read("KEEP_KEYS_DAYS", _int(1, 36_500), "90"),
        clone_urls=read("CLONE_URLS", _clone_urls, ""),
        origins=read.origins,
    )


def is_loopback(host: str) -> bool:
    """Whether a host name or address (IPv6 with or without brackets) means this machine."""
    host = host.lower().removeprefix("[").removesuffix("]").removesuffix(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Reader:
    """Finds a setting and remembers where."""

    def __init__(self, environ: Mapping[str, str], dotenv: Mapping[str, str]) -> None:
        self._sources = (("environment", environ), (".env", dotenv))
        self.origins: dict[str, str] = {}

    def __call__(self, name: str, parse: Callable[[str], T], default: str | None, *, secret: bool = False) -> T:
        """A parsed value; an empty one counts as not given. `secret` ones may lie in a file."""
        text = self._find(name, in_file=secret)
        if text is None or not text.strip():
            self.origins[name.lower()] = "default"
            if default is None:
                return None  # type: ignore[return-value]  # `T` is Optional at exactly these calls
            text = default
        try:
            return parse(text.strip())
        except ValueError as error:
            raise SettingsError(name, str(error)) from None

    def secrets(self, name: str, *, check: Callable[[str], None] | None = None) -> tuple[Secret, ...]:
        """A list of secrets, any of which is good; empty when not given."""
        text = self._find(name, in_file=True)
        if text is None:
            return ()
        return tuple(_secret(name, part.strip(), check) for part in text.split(","))

    def secret(self, name: str) -> Secret | None:
        """One secret that we show to others."""
        text = self._find(name, in_file=True)
        return None if text is None else _secret(name, text.strip().replace("\\n", "\n"), None)

    def _find(self, name: str, *, in_file: bool) -> str | None:
        for origin, values in self._sources:
            path = values.get(f"{name}_FILE") if in_file else None
            if path is not None and name in values:
                raise SettingsError(name, f"{name} and {name}_FILE are both given in the {origin}: keep one of them.")
            if path is not None:
                self.origins[name.lower()] = f"file {path}"
                return _read_secret_file(name, path)
            if name in values:
                self.origins[name.lower()] = origin
                return values[name]
        self.origins[name.lower()] = "default"
        return None


def _read_secret_file(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{name}_FILE", f"cannot read {path}: {error.strerror}.") from None
    except ValueError:
        raise SettingsError(f"{name}_FILE", f"{path} is not UTF-8 text.") from None


def _read_dotenv(path: Path) -> dict[str, str]:
    """`NAME=value` lines, `#` comments, `export`, quotes; a missing file is an empty one."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise SettingsError(str(path), f"cannot be read: {error.__class__.__name__}.") from None
    values: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        text = line.strip().removeprefix("export ").strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals or not name.strip().isidentifier():
            raise SettingsError(f"{path}:{number}", "expected NAME=value.")
        values[name.strip()] = _unquote(value.strip())
    return values


def _unquote(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value.split(" #", 1)[0].rstrip()


def _secret(name: str, text: str, check: Callable[[str], None] | None) -> Secret:
    if not text:
        raise SettingsError(name, f"is empty. Remove it to do without, or {_remedy(name)}.")
    if len(text) < SHORTEST_SECRET:
        raise SettingsError(name, f"holds a secret shorter than {SHORTEST_SECRET} characters: {_remedy(name)}.")
    if text.lower() in PUBLISHED_SECRETS:
        raise SettingsError(name, f"is a secret out of a manual, known to everybody: {_remedy(name)}.")
    if check is not None:
        try:
            check(text)
        except ValueError as error:
            raise SettingsError(name, str(error)) from None
    return Secret(text.encode())


def _remedy(name: str) -> str:
    if name in ISSUED_SECRETS:
        return "copy it again from where it was issued"
    return "make one with openssl rand -hex 32"


def _check_signing_token(text: str) -> None:
    detail = "a signing token is whsec_ followed by base64 of 24 to 64 bytes, as GitLab shows it once."
    if not text.startswith("whsec_"):
        raise ValueError(detail)
    try:
        key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise ValueError(detail) from None
    if not 24 <= len(key) <= 64:
        raise ValueError(detail)


def _int(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 10) or not least <= int(text) <= most:
            raise ValueError(f"expected a whole number from {least} to {most}, not {text[:40]!r}.")
        return int(text)

    return parse


def _switch(text: str) -> bool:
    if text not in {"0", "1"}:
        raise ValueError(f"expected 0 or 1, not {text[:40]!r}.")
    return text == "1"


def _dashboard(text: str) -> Literal["login", "public"]:
    if text == "login":
        return "login"
    if text == "public":
        return "public"
    raise ValueError(f"expected login or public, not {text[:40]!r}.")


def _host(text: str) -> str:
    if not text or any(c.isspace() or c in "/@?#" for c in text):
        raise ValueError(f"expected a host name or an address, not {text[:80]!r}.")
    return text


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise ValueError(f"there is no file {text}.")
    return path


def _timezone(text: str) -> str:
    try:
        return ZoneInfo(text).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"unknown time zone {text[:80]!r}; expected a name like Europe/Vienna.") from None


def _names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip().lower() for name in text.split(",") if name.strip()))
    if not names:
        raise ValueError("expected names, comma separated.")
    return names


def _split(text: str) -> SplitResult:
    parts = urlsplit(text)
    if parts.port is not None and not 0 < parts.port < 65_536:
        raise ValueError("the port is out of range.")
    return parts


def _url(text: str) -> str:
    """An http(s) URL without credentials, query and trailing slash."""
    try:
        parts = _split(text)
    except ValueError:
        raise ValueError("is not a URL.") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("expected a URL like https://host or https://host/path.")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold credentials.")
    if parts.query or parts.fragment:
        raise ValueError("must not hold a query or a fragment.")
    return urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))


def _clone_urls(text: str) -> Mapping[str, str]:
    urls: dict[str, str] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        host, equals, url = part.partition("=")
        host = host.strip().lower()
        if not equals or not host or "/" in host:
            raise ValueError("expected host=URL pairs, comma separated, like github.com=http://127.0.0.1:9001.")
        if host in urls:
            raise ValueError(f"names {host} twice.")
        try:
            urls[host] = _url(url.strip())
        except ValueError as error:
            raise ValueError(f"the URL of {host} {error}") from None
    return urls


def _database_url(text: str) -> str:
    hint = "expected sqlite:///relative.db, sqlite:////absolute.db or postgresql://user:password@host/name."
    scheme, separator, rest = text.partition("://")
    if not separator:
        raise ValueError(hint)
    if scheme == "sqlite":
        if not rest.startswith("/") or not rest.strip("/") or rest.endswith("/"):
            raise ValueError(hint)
        return text
    if scheme in {"postgres", "postgresql"}:
        try:
            _split(text)
        except ValueError:
            raise ValueError(hint) from None
        return f"postgresql://{rest}"
    raise ValueError(hint)


def _shown(name: str, value: object) -> str:
    if name == "database_url":
        return _without_password(str(value))
    if isinstance(value, Secret):
        return "set"
    if isinstance(value, tuple) and value and isinstance(value[0], Secret):
        return "set" if len(value) == 1 else f"{len(value)} set"
    match value:
        case None | () | "":
            return "not set"
        case bool():
            return "1" if value else "0"
        case tuple():
            return ", ".join(map(str, value))
        case Mapping():
            return ",".join(f"{host}={url}" for host, url in value.items()) or "not set"
        case _:
            return str(value)


def _without_password(url: str) -> str:
    if url.startswith("sqlite:"):
        return url
    parts = urlsplit(url)
    account, at, place = parts.netloc.rpartition("@")
    user, colon, _ = account.partition(":")
    return urlunsplit(parts._replace(netloc=f"{user}{colon and ':…'}{at}{place}", query=""))
