"""Questions: query parameters of web and command line, checked once; an unknown or invalid one is refused by its name."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bot.answers.cursors import Cursor, CursorError, Key
from bot.dora.instants import DAY, LATEST, SECOND, Instant
from bot.dora.metrics import Formula, Interval, Unit, midnight
from bot.dora.repositories import NO_ROOTS, RepositoryUrlError, WebRoots, repository_id

Parameters = Iterable[tuple[str, str]]

FILTERS = ("from", "to", "service", "team", "env", "repository", "source", "tag")
PAGE = ("limit", "cursor")
GROUPS = ("service", "team", "env", "repository", "source")
REPEATABLE = frozenset({"tag", "group_by"})
DEFAULT_LIMIT, MAX_LIMIT = 100, 1000
DEFAULT_DAYS = 30

_INSTANT = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?([Zz]|[+\- ]\d{2}:\d{2})", re.ASCII
)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class QuestionError(Exception):
    """A question cannot be answered as asked."""

    slug = "invalid_question"

    def __init__(self, parameter: str, detail: str) -> None:
        super().__init__(detail)
        self.parameter = parameter
        self.detail = detail


class UnknownParameterError(QuestionError):
    """A parameter that nobody knows."""

    slug = "unknown_parameter"


class InvalidParameterError(QuestionError):
    """A parameter's value makes no sense."""

    slug = "invalid_parameter"


EVERY_SERVICE: frozenset[str] = frozenset()
"""`visible` of who may see all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """What a question is asked against: the instant, the default time zone, and which envs are production."""

    now: Instant
    production_envs: Collection[str] = ("prod", "production", "live")
    timezone: str = "UTC"
    web_roots: WebRoots = field(default_factory=lambda: NO_ROOTS)
    visible: frozenset[str] = EVERY_SERVICE
    """The services (lower case) that the answer may name; none at all: every one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which deployments are asked for; `None` asks for all. `envs` holds "" for no env; texts are canonical."""

    from_at: Instant | None = None
    to_at: Instant | None = None
    service: str | None = None
    team: str | None = None
    envs: frozenset[str] | None = None
    repository: str | None = None
    source: str | None = None
    tags: tuple[str, ...] = ()
    echo: Mapping[str, str | tuple[str, ...]] | None = None
    """The filters but `from` and `to` as asked, in the canonical spelling."""
    visible: frozenset[str] = field(default=EVERY_SERVICE, compare=False)
    """As the asker's: nothing that is asked for, but what the answer may say of failures of several services."""

    @property
    def narrow(self) -> bool:
        """Whether anything but the window is asked for."""
        return bool(self.echo)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which part of a list: at most `limit` rows after `after` (the key of the last row seen)."""

    limit: int = DEFAULT_LIMIT
    after: Key | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsQuestion:
    """A question for metrics; `from_at` and `to_at` of the filters are given, not clipped yet."""

    filters: Filters
    tz: ZoneInfo
    now: Instant
    group_by: tuple[str, ...] = ()
    interval: Interval | None = None
    unit: Unit = "commit"
    formula: Formula | None = None
    first_delivery: bool = False
    severity: str | None = None
    """In lower case; concerns failures alone. `None` asks for all."""


class Form:
    """The parameters of one question, each read by name."""

    def __init__(self, parameters: Parameters, *, known: Collection[str]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in parameters:
            if name not in known:
                raise UnknownParameterError(_shown(name), f"There is no parameter {_shown(name)!r} here.")
            if not storable(value):
                raise InvalidParameterError(name, f"{name} holds characters that no text has.")
            self._values.setdefault(name, []).append(value)
        for name, values in self._values.items():
            if len(values) > 1 and name not in REPEATABLE:
                raise InvalidParameterError(name, f"{name} is given more than once.")

    def text(self, name: str) -> str | None:
        """A trimmed text; an empty one counts as not given."""
        return (self._values.get(name, [""])[0]).strip() or None

    def texts(self, name: str) -> tuple[str, ...]:
        """Every value of a repeatable parameter, in the order given, each once."""
        return tuple(dict.fromkeys(value.strip() for value in self._values.get(name, []) if value.strip()))

    def choice(self, name: str, options: Collection[str]) -> str | None:
        """One of a closed list."""
        value = self.text(name)
        if value is not None and value not in options:
            raise InvalidParameterError(name, f"{name} is one of {', '.join(options)}.")
        return value

    def whole(self, name: str, *, most: int) -> int | None:
        """A whole number from 1 to `most`."""
        value = self.text(name)
        if value is None:
            return None
        if not (value.isascii() and value.isdigit() and len(value) <= len(str(most)) and 1 <= int(value) <= most):
            raise InvalidParameterError(name, f"{name} is a whole number from 1 to {most}.")
        return int(value)

    def flag(self, name: str) -> bool:
        """`true` or `false`; not given is false."""
        return self.choice(name, ("true", "false")) == "true"

    def instant(self, name: str, tz: ZoneInfo) -> Instant | None:
        """RFC 3339, or a date: its midnight in `tz`."""
        value = self.text(name)
        return None if value is None else parse_instant(value, name=name, tz=tz)

    def timezone(self, default: str) -> ZoneInfo:
        """The time zone that `tz` names."""
        value = self.text("tz") or default
        try:
            return ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise InvalidParameterError("tz", "tz is a name like Europe/Berlin.") from error

    def page(self, *kinds: type[int] | type[str]) -> Page:
        """`limit` and `cursor`, whose key has values of these kinds."""
        limit, cursor = self.text("limit"), self.text("cursor")
        if limit is not None and not (limit.isascii() and limit.isdigit() and 1 <= len(limit) <= 9):
            raise InvalidParameterError("limit", f"limit is a whole number from 1 to {MAX_LIMIT}.")
        number = DEFAULT_LIMIT if limit is None else int(limit)
        if not 1 <= number <= MAX_LIMIT:
            raise InvalidParameterError("limit", f"limit is a whole number from 1 to {MAX_LIMIT}.")
        try:
            return Page(limit=number, after=None if cursor is None else Cursor.decode(cursor, kinds))
        except CursorError as error:
            raise InvalidParameterError("cursor", "cursor is what `next` of the page before said.") from error


def may_name(service: str, visible: frozenset[str]) -> bool:
    """Whether an answer may name a service to who may see these alone (lower case; none at all: every one)."""
    return not visible or service.strip().casefold() in visible


def storable(text: str) -> bool:
    """Whether a text can be compared with a stored one at all (no NUL, no half characters)."""
    return "\x00" not in text and not any("\ud800" <= c <= "\udfff" for c in text)


def parse_instant(value: str, *, name: str, tz: ZoneInfo) -> Instant:
    """RFC 3339 with up to nine decimals, or a date: its midnight in `tz`. Raises InvalidParameterError naming `name`."""
    detail = f"{name} is an instant like 2026-11-21T09:30:00Z or a date like 2026-11-21, from 1970 to 2261."
    try:
        if _DATE.fullmatch(value):
            instant = midnight(date.fromisoformat(value), tz)
        elif match := _INSTANT.fullmatch(value):
            day, hour, minute, second, fraction, offset = match.groups()
            # A `+` in a query string arrives as a space.
            offset = "+00:00" if offset in "Zz" else offset.replace(" ", "+")
            whole = datetime.fromisoformat(f"{day}T{hour}:{minute}:{second}{offset}")
            instant = (whole - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1) * SECOND
            instant += int((fraction or "").ljust(9, "0"))
        else:
            raise InvalidParameterError(name, detail)
    except (ValueError, OverflowError) as error:
        raise InvalidParameterError(name, detail) from error
    if not 0 <= instant < LATEST:
        raise InvalidParameterError(name, detail)
    return instant


def parse_filters(form: Form, asker: Asker, *, tz: ZoneInfo | None = None) -> Filters:
    """The filters that every list shares. Raises QuestionError."""
    tz = tz or ZoneInfo(asker.timezone)
    from_at, to_at = form.instant("from", tz), form.instant("to", tz)
    if from_at is not None and to_at is not None and from_at > to_at:
        raise InvalidParameterError("from", "from lies after to.")
    service, team, env = (_canonical(form.text(name)) for name in ("service", "team", "env"))
    repository, source, tags = form.text("repository"), _canonical(form.text("source")), form.texts("tag")
    if repository is not None:
        repository = _repository(repository, asker.web_roots)
    asked: dict[str, str | None] = {
        "service": service,
        "team": team,
        "env": env,
        "repository": repository,
        "source": source,
    }
    echo: dict[str, str | tuple[str, ...]] = {name: value for name, value in asked.items() if value is not None}
    if tags:
        echo["tag"] = tags
    return Filters(
        from_at=from_at,
        to_at=to_at,
        service=service,
        team=team,
        envs=None if env is None else _envs(env, asker.production_envs),
        repository=repository,
        source=source,
        tags=tags,
        echo=echo,
        visible=asker.visible,
    )


METRICS_PARAMETERS = (*FILTERS, "severity", "group_by", "interval", "tz", "unit", "formula", "first_delivery")


def parse_metrics(parameters: Parameters, asker: Asker) -> MetricsQuestion:
    """A question for metrics; without `from` and `to` it asks for the last 30 days. Raises QuestionError."""
    form = Form(parameters, known=METRICS_PARAMETERS)
    tz = form.timezone(asker.timezone)
    filters = parse_filters(form, asker, tz=tz)
    group_by = form.texts("group_by")
    for name in group_by:
        if name not in GROUPS:
            raise InvalidParameterError("group_by", f"group_by is one of {', '.join(GROUPS)}.")
    return MetricsQuestion(
        filters=with_window(filters, now=asker.now),
        tz=tz,
        now=asker.now,
        group_by=group_by,
        interval=cast("Interval | None", form.choice("interval", ("day", "week", "month"))),
        unit=cast("Unit", form.choice("unit", ("commit", "deployment")) or "commit"),
        formula=cast("Formula | None", form.choice("formula", ("all", "excluding_rollbacks", "incidents"))),
        first_delivery=form.flag("first_delivery"),
        severity=_canonical(form.text("severity")),
    )


def with_window(filters: Filters, *, now: Instant) -> Filters:
    """The same filters with both ends of the window: until now, from 30 days before the end."""
    to_at = now if filters.to_at is None else filters.to_at
    from_at = max(0, min(to_at, now) - DEFAULT_DAYS * DAY) if filters.from_at is None else filters.from_at
    if from_at > to_at:
        raise InvalidParameterError("from", "from lies after to (which is now, if not given).")
    return replace(filters, from_at=from_at, to_at=to_at)


def _canonical(text: str | None) -> str | None:
    return None if text is None else text.lower()


def _envs(env: str, production: Collection[str]) -> frozenset[str]:
    if env == "none":
        return frozenset({""})
    return frozenset({"", *production}) if env == "production" else frozenset({env})


def _repository(text: str, web_roots: WebRoots) -> str:
    try:
        return repository_id(text, web_roots=web_roots)
    except RepositoryUrlError as error:
        if re.fullmatch(r"local/[^/\s]+", text.lower()):
            return text.lower()
        raise InvalidParameterError("repository", "repository is a name like github.com/owner/name, or a URL.") from error


def _shown(name: str) -> str:
    return name.encode("ascii", "backslashreplace").decode()[:80]
