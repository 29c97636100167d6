"""Failures of all sources: one reading that every answer about them shares, and the list of the API.

Rules: a failure counts if its source is on for its `started_at`; the others are kept, left out of lists, and found by their id.
Several services, teams or envs are matched each; where one is shown, it is the first. Who may see some services alone sees a failure as
if it named those alone, and how many others there are.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from bot.answers.cursors import Cursor
from bot.answers.questions import (
    EVERY_SERVICE,
    FILTERS,
    PAGE,
    Asker,
    Filters,
    Form,
    Page,
    Parameters,
    may_name,
    parse_filters,
)
from bot.dora.definitions import attached_tags
from bot.dora.failures import State
from bot.dora.instants import Duration, Instant
from bot.dora.sources import counts
from bot.facts.names import Shown
from bot.facts.sources import load_selection
from bot.store import Reader

Key = tuple[Instant, str, str]
NEWEST: Key = (2**63 - 1, "", "")
"""The key that comes before every failure: (started_at, id, source)."""
EVERYTHING = 2**62
STATES = tuple(state.value for state in State)
_CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Defined:
    """What a service's definition gives to its events."""

    team: str
    tags: tuple[str, ...]
    languages: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Whom failures hurt, by their events and the definitions of their services. Few texts say it of many failures: each is read once."""

    services: tuple[str, ...]
    """Canonical, sorted."""
    services_shown: tuple[str, ...]
    others: int
    """Services that it names beside these, which are not to be told."""
    envs: tuple[str, ...]
    """Canonical; none at all: no env was given."""
    envs_shown: tuple[str, ...]
    own_teams: tuple[str, ...]
    own_tags: tuple[str, ...]
    teams: tuple[str, ...]
    """The event's own, else those of its services' definitions."""
    defined: tuple[Defined, ...]
    named: frozenset[str]
    """The services."""
    owners: frozenset[str]
    """The teams, canonical."""

    @property
    def tags(self) -> tuple[str, ...]:
        """The event's own and those that the definitions of its services add; on a key that both have the event's win."""
        given = [tag for one in self.defined for tag in attached_tags((), one.tags, one.languages)]
        return attached_tags(self.own_tags, given, ())

    def matches(self, filters: Filters, *, repository: str, severity: str, asked: str | None) -> bool:
        """Whether failures of a repository and a severity are asked for (their window and source are the query's matter)."""
        return (
            (filters.service is None or filters.service in self.named)
            and (filters.envs is None or not filters.envs.isdisjoint(self.envs or ("",)))
            and (filters.repository is None or filters.repository == repository)
            and (filters.team is None or filters.team in self.owners)
            and (asked is None or asked == severity.lower())
            and (not filters.tags or set(filters.tags) <= set(self.tags))
        )


class FailureRow(NamedTuple):
    """One failure. Texts are "" where nothing was said; durations in nanoseconds. (A tuple, because metrics are made of many.)"""

    id: str
    source: str
    said: Said
    name: str
    severity: str
    version: str
    repository: str
    repository_url: str
    commit_sha: bytes | None
    started_at: Instant
    finished_at: Instant | None
    state: str
    time_to_restore: Duration | None
    received_at: Instant

    @property
    def key(self) -> Key:
        """Where it stands in the order of lists."""
        return self.started_at, self.id, self.source

    @property
    def services(self) -> tuple[str, ...]:
        """Canonical, sorted."""
        return self.said.services

    @property
    def services_shown(self) -> tuple[str, ...]:
        """As written, in the same order."""
        return self.said.services_shown

    @property
    def others(self) -> int:
        """Services that it names beside these, which are not to be told."""
        return self.said.others

    @property
    def envs(self) -> tuple[str, ...]:
        """Canonical; none at all: no env was given."""
        return self.said.envs

    @property
    def envs_shown(self) -> tuple[str, ...]:
        """As written, in the same order."""
        return self.said.envs_shown

    @property
    def own_teams(self) -> tuple[str, ...]:
        """Those that the event named."""
        return self.said.own_teams

    @property
    def teams(self) -> tuple[str, ...]:
        """The event's own, else those of its services' definitions."""
        return self.said.teams

    @property
    def tags(self) -> tuple[str, ...]:
        """The event's own and those that definitions add."""
        return self.said.tags

    def matches(self, filters: Filters, severity: str | None = None) -> bool:
        """Whether it is asked for (its window and source are the query's matter)."""
        return self.said.matches(filters, repository=self.repository, severity=self.severity, asked=severity)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureShown:
    """A failure. Fields are the API's."""

    id: str
    services: tuple[str, ...]
    team: str | None
    env: str | None
    name: str | None
    severity: str | None
    source: str
    state: str
    started_at: Instant
    finished_at: Instant | None
    time_to_restore: Duration | None
    other_services: int
    """How many more it names that the asker may not see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureList:
    """A page of failures, newest first."""

    data: tuple[FailureShown, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureQuestion:
    """Which failures are asked for; `severity` in lower case; `None` asks for all, of `severity` and `state`."""

    filters: Filters
    severity: str | None
    state: str | None
    page: Page


class _Row(NamedTuple):
    id: str
    source: str
    services: str
    services_shown: str
    teams: str
    envs: str
    envs_shown: str
    name: str
    severity: str
    version: str
    repository: str
    repository_url: str
    commit_sha: bytes | None
    started_at: Instant
    finished_at: Instant | None
    state: str
    time_to_restore: Duration | None
    tags: str
    received_at: Instant


def parse_failures(parameters: Parameters, asker: Asker) -> FailureQuestion:
    """A question for a list of failures. Raises QuestionError."""
    form = Form(parameters, known=(*FILTERS, *PAGE, "severity", "state"))
    severity = form.text("severity")
    return FailureQuestion(
        filters=parse_filters(form, asker), severity=None if severity is None else severity.lower(),
        state=form.choice("state", STATES),
        page=form.page(int, str, str),
    )  # fmt: skip


def list_failures(reader: Reader, question: FailureQuestion) -> FailureList:
    """A page of the failures that match and whose source is on, newest first."""
    page = question.page
    after = NEWEST if page.after is None else (int(page.after[0]), str(page.after[1]), str(page.after[2]))
    found = stream_failures(reader, question.filters, severity=question.severity, after=after)
    rows = list(islice((row for row in found if question.state in (None, row.state)), page.limit + 1))
    more, rows = len(rows) > page.limit, rows[: page.limit]
    return FailureList(
        data=tuple(show_failure(row) for row in rows),
        next=Cursor.encode(rows[-1].key) if more else None,
    )


def stream_failures(
    reader: Reader, filters: Filters, *, severity: str | None = None, after: Key = NEWEST, chunk: int = _CHUNK
) -> Iterator[FailureRow]:
    """The failures that match and count, newest first, after a key; read in chunks, so that asking for few reads few."""
    selection, shown = load_selection(reader, "failures"), Shown(reader)
    filters = under_current_name(filters, shown)
    while True:
        rows = reader.fetch(
            "answer_failures",
            _Row,
            from_at=0 if filters.from_at is None else filters.from_at,
            to_at=NEWEST[0] if filters.to_at is None else filters.to_at,
            before_at=after[0],
            before_id=after[1],
            before_source=after[2],
            source=filters.source or "",
            n=chunk,
        )
        counted = [row for row in rows if counts(selection, row.source, row.started_at)]
        found = _seen(_failures(reader, counted, shown, filters.visible), filters.visible)
        yield from (row for row in found if row.matches(filters, severity))
        if len(rows) < chunk:
            return
        after = (rows[-1].started_at, rows[-1].id, rows[-1].source)


def under_current_name(filters: Filters, shown: Shown) -> Filters:
    """The same question, its repository called as it is now."""
    return filters if filters.repository is None else replace(filters, repository=shown.current(filters.repository))


def load_named_failures(reader: Reader, names: Collection[tuple[str, str]], *, visible: frozenset[str]) -> list[FailureRow]:
    """The failures of these sources and ids, newest first."""
    rows = reader.fetch_in("answer_failures_by_ids", _Row, sorted({id for _, id in names}))
    found = _failures(reader, [row for row in rows if (row.source, row.id) in names], Shown(reader), visible)
    return sorted(found, key=lambda row: row.key, reverse=True)


def load_failure(reader: Reader, id: str, *, visible: frozenset[str]) -> FailureRow | None:
    """One failure, whether its source is on or not; `None` when nobody knows it, or it was deleted."""
    return next(iter(load_failures(reader, id, visible=visible)), None)


def load_failures(reader: Reader, id: str, *, visible: frozenset[str]) -> list[FailureRow]:
    """The failures of an id, one for each source that uses it, whether those are on or not. One that is left without services may
    not be seen."""
    return list(_failures(reader, reader.fetch("answer_failures_by_id", _Row, id=id), Shown(reader), visible))


def load_failures_naming(reader: Reader, *, commit_sha: bytes | None, version: str) -> list[FailureRow]:
    """The failures that name this commit or this version and count, newest first."""
    selection = load_selection(reader, "failures")
    rows = reader.fetch("answer_failures_naming", _Row, sha=commit_sha, version=version)
    return list(_failures(reader, [row for row in rows if counts(selection, row.source, row.started_at)], Shown(reader), EVERY_SERVICE))


def show_failure(row: FailureRow) -> FailureShown:
    """A row as the API shows it."""
    return FailureShown(
        id=row.id,
        services=row.services_shown,
        team=next(iter(row.teams), None),
        env=next(iter(row.envs_shown), None),
        name=row.name or None,
        severity=row.severity or None,
        source=row.source,
        state=row.state,
        started_at=row.started_at,
        finished_at=row.finished_at,
        time_to_restore=row.time_to_restore,
        other_services=row.others,
    )


def _seen(rows: Iterable[FailureRow], visible: frozenset[str]) -> Iterator[FailureRow]:
    """Where some services alone may be seen, the failures that name one of them."""
    return (row for row in rows if row.services or not visible)


def _failures(
    reader: Reader, rows: Sequence[_Row], shown: Shown, visible: frozenset[str]
) -> Iterator[FailureRow]:
    """Failures with what the definitions of their services say, where those may be seen."""
    said = Speech(reader, (row.services for row in rows), visible)
    for row in rows:
        repository = shown.current(row.repository, row.started_at) if row.repository in shown.moved else row.repository
        yield FailureRow(
            row.id, row.source, said.of(row.services, row.services_shown, row.teams, row.envs, row.envs_shown, row.tags),
            row.name, row.severity, row.version, repository, row.repository_url,
            None if row.commit_sha is None else bytes(row.commit_sha), row.started_at, row.finished_at, row.state,
            row.time_to_restore, row.received_at,
        )  # fmt: skip


class Speech:
    """What the texts of failures say where some services (none: all) are visible, each text read once; `services` are all there will be."""

    def __init__(self, reader: Reader, services: Iterable[str], visible: frozenset[str]) -> None:
        self._visible = visible
        self._defined = _load_defined(reader, {service for text in set(services) for service in _texts(text)})
        self._said: dict[tuple[str, ...], Said] = {}

    def of(self, *texts: str) -> Said:
        """Of services, as canonical and as written, teams, envs, as canonical and as written, and tags."""
        return self._said.get(texts) or self._said.setdefault(texts, self._read(*map(_texts, texts)))

    def _read(
        self, every: tuple[str, ...], services_shown: tuple[str, ...], teams: tuple[str, ...], envs: tuple[str, ...],
        envs_shown: tuple[str, ...], tags: tuple[str, ...],
    ) -> Said:  # fmt: skip
        services = tuple(service for service in every if may_name(service, self._visible))
        defined = tuple(self._defined[service] for service in services if service in self._defined)
        owners = teams or tuple(dict.fromkeys(one.team for one in defined if one.team))
        return Said(
            services=services, services_shown=tuple(service for service in services_shown if may_name(service, self._visible)),
            others=len(every) - len(services), envs=envs, envs_shown=envs_shown, own_teams=teams, own_tags=tags, teams=owners, defined=defined,
            named=frozenset(services), owners=frozenset(team.strip().lower() for team in owners),
        )  # fmt: skip


def _load_defined(reader: Reader, services: Collection[str]) -> dict[str, Defined]:
    return dict(reader.fetch_in("definitions_of_services", _defined, sorted(services)))


def _defined(service: str, team: str, tags: str, languages: str) -> tuple[str, Defined]:
    return service, Defined(team=team, tags=_texts(tags), languages=_texts(languages))


@lru_cache(maxsize=1024)  # few texts say most of what failures name
def _texts(stored: str) -> tuple[str, ...]:
    return tuple(str(item) for item in json.loads(stored))
