"""PagerDuty's incidents: put together from what every event said, in whatever order, and whose they are (semantics §6).

Rules:
- Of each field the event with the newest `occurred_at` stands. What an event leaves out it does not change.
- Of events at one instant, what they say decides, never when they came: triggered, what shows it active or nothing of that, reopened,
  resolved, in this order, then their ids; and a value stands over none. Resolved comes last because that mends itself: one that is
  open after all is resolved once more and then ends there, one that was over would be open for ever.
- Several subscriptions deliver copies of one event: `one_of`.
- It begins when it was created, else when it was triggered; where neither is known, at the first that is known of it, and then nobody
  knows how long it took.
- Whatever its status, it is active until it is resolved. It ends with the last resolve; where that did not arrive, with the first
  event that shows it resolved.
- Each of env, services and team takes the first step of the mapping that gives it (`Step`).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum, unique
from typing import TypeVar
from urllib.parse import urlsplit

from bot.dora.failures import NewFailure, State
from bot.dora.instants import Instant

T = TypeVar("T")

SOURCE = "pagerduty"
TRIGGERED, REOPENED, RESOLVED = "incident.triggered", "incident.reopened", "incident.resolved"
_BY_TYPE = {
    TRIGGERED: State.ACTIVE,
    "incident.acknowledged": State.ACTIVE,
    "incident.unacknowledged": State.ACTIVE,
    REOPENED: State.ACTIVE,
    RESOLVED: State.RESOLVED,
}
_BY_STATUS = {"triggered": State.ACTIVE, "acknowledged": State.ACTIVE, "resolved": State.RESOLVED}
_HOST = ".pagerduty.com"
_FOLDERS = ("service-directory", "services")
"""Below which the pages of services lie, by the definitions' schema and in webhooks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A service of PagerDuty: its id, its name, and its page."""

    id: str
    name: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    """What an alert says of the Datadog monitor behind it: the tags of the group that alerted, and all its tags (`key:value`)."""

    group: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentSaid:
    """What one event says of an incident; `None` (of `monitors` nothing) where it says nothing, "" and () take back."""

    title: str | None = None
    status: str | None = None
    created_at: Instant | None = None
    url: str | None = None
    service: Reference | None = None
    teams: tuple[str, ...] | None = None
    priority: str | None = None
    monitors: tuple[Monitor, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerDutyEvent:
    """An event with its first receipt. `dd_env` is what its webhook's header of that name said, "" for none."""

    id: str
    incident_id: str
    type: str
    occurred_at: Instant
    received_at: Instant
    receipt: int
    dd_env: str
    said: IncidentSaid

    @property
    def order(self) -> tuple[Instant, int, str]:
        """Where it stands among the events of its incident."""
        return self.occurred_at, self._step, self.id

    @property
    def _step(self) -> int:
        """Its place among events of one instant."""
        if self.state is State.RESOLVED:
            return 4 if self.type == RESOLVED else 3
        return {TRIGGERED: 0, REOPENED: 2}.get(self.type, 1)

    @property
    def state(self) -> State | None:
        """What it shows the incident doing; `None` when it does not show that."""
        return _BY_TYPE.get(self.type) or _BY_STATUS.get(self.said.status or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """An incident as all its events make it. `started_at` is `None` while no event shows the incident itself."""

    id: str
    title: str
    url: str
    service: Reference | None
    teams: tuple[str, ...]
    priority: str
    monitors: tuple[Monitor, ...]
    dd_env: str
    started_at: Instant | None
    start_is_known: bool
    finished_at: Instant | None


def one_of(one: PagerDutyEvent, other: PagerDutyEvent) -> PagerDutyEvent:
    """What two copies of an event are together, whichever came first.

    An env that is given stands over none, of two the first by the alphabet; if they say different things of the incident, which
    PagerDuty's copies do not, what compares greater."""
    said = max(one, other, key=lambda copy: (copy.occurred_at, copy.type, copy.incident_id, repr(copy.said)))
    received_at, receipt = min((copy.received_at, copy.receipt) for copy in (one, other))
    env = min((copy.dd_env for copy in (one, other) if copy.dd_env), default="")
    return replace(said, received_at=received_at, receipt=receipt, dd_env=env)


def incident_of(id: str, events: Iterable[PagerDutyEvent], alerts: Sequence[Monitor] = ()) -> Incident:
    """The incident that these events make; `alerts` is what PagerDuty answered about its alerts."""
    told = sorted(events, key=lambda event: event.order)
    shown = [event.occurred_at for event in told if event.state is not None]
    triggered = [event.occurred_at for event in told if event.type == TRIGGERED]
    created_at = _latest(told, lambda event: event.said.created_at)
    known = created_at if created_at is not None else min(triggered, default=None)
    return Incident(
        id=id,
        title=_latest(told, lambda event: event.said.title) or "",
        url=_latest(told, lambda event: event.said.url) or "",
        service=_latest(told, lambda event: event.said.service),
        teams=_latest(told, lambda event: event.said.teams) or (),
        priority=_latest(told, lambda event: event.said.priority) or "",
        monitors=_latest(told, lambda event: event.said.monitors or None) or tuple(alerts),
        dd_env=_latest(told, lambda event: event.dd_env or None) or "",
        started_at=known if known is not None else min(shown, default=None),
        start_is_known=known is not None,
        finished_at=_finished_at(told),
    )


def _finished_at(told: Sequence[PagerDutyEvent]) -> Instant | None:
    closing: list[PagerDutyEvent] = []
    for event in told:
        if event.state is State.ACTIVE:
            closing = []
        elif event.state is State.RESOLVED:
            closing.append(event)
    resolves = [event.occurred_at for event in closing if event.type == RESOLVED]
    return max(resolves) if resolves else min((event.occurred_at for event in closing), default=None)


def _latest(told: Sequence[PagerDutyEvent], said: Callable[[PagerDutyEvent], T | None]) -> T | None:
    """The newest word that says something; of those of one instant a value over one that takes back."""
    words = [(event.occurred_at, word) for event in reversed(told) if (word := said(event)) is not None]
    newest = [word for at, word in words if at == words[0][0]]
    return next((word for word in newest if word not in ("", ())), newest[0] if newest else None)


# Whose it is --------------------------------------------------------------------------------------------------------------


@unique
class Step(StrEnum):
    """How env, services or team were found, in the order in which they are tried."""

    MONITOR = "monitor"
    """1: the Datadog monitor that triggered it: of its alert group, else of its tags (a single env, any services, a single team)."""
    DD_ENV = "dd_env"
    """The webhook's header, where the monitor gives no env."""
    SERVICE_URL = "service_url"
    """2: definitions name the URL of PagerDuty's service: one gives service and team, several only the team that they share."""
    SERVICE_NAME = "service_name"
    """3: a service is called like PagerDuty's."""
    TEAM_NAME = "team_name"
    """4: teams are called like PagerDuty's."""
    SERVICE_NAME_OF_TEAM = "service_name_of_team"
    """5: a team is called like PagerDuty's service."""
    PAGERDUTY = "pagerduty"
    """6: PagerDuty's own names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """What a definition in force says for the mapping: `service` in lower case, `shown` as written, `pagerduty` a URL or ""."""

    service: str
    shown: str
    team: str
    pagerduty: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Names, and the step that gave them; none where no step does."""

    names: tuple[str, ...] = ()
    step: Step | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """Whose an incident is, with the evidence."""

    envs: Found = field(default_factory=Found)
    services: Found = field(default_factory=Found)
    teams: Found = field(default_factory=Found)


class Directory:
    """The definitions in force as the mapping looks things up in them."""

    def __init__(self, owners: Iterable[Owner]) -> None:
        self._by_name: dict[str, Owner] = {}
        self._by_page: dict[str, list[Owner]] = {}
        self._teams: dict[str, str] = {}
        for owner in sorted(owners, key=lambda owner: owner.service):
            self._by_name[_folded(owner.service)] = owner
            if page := service_page(owner.pagerduty):
                self._by_page.setdefault(page, []).append(owner)
            if owner.team:
                self._teams.setdefault(_folded(owner.team), owner.team)

    def with_page(self, url: str) -> Sequence[Owner]:
        """Whose definition names this page of a PagerDuty service."""
        page = service_page(url)
        return self._by_page.get(page, ()) if page else ()

    def service(self, name: str) -> Owner | None:
        """The service of that name, whatever its case."""
        return self._by_name.get(_folded(name))

    def teams(self, names: Iterable[str]) -> tuple[str, ...]:
        """The teams of these names, whatever their case, as the definitions write them."""
        return _names(self._teams[_folded(name)] for name in names if _folded(name) in self._teams)


def map_incident(incident: Incident, directory: Directory) -> Mapped:
    """Whose an incident is: of each, the first step that gives it."""
    monitors = incident.monitors
    name = "" if incident.service is None else incident.service.name
    paged = () if incident.service is None else directory.with_page(incident.service.url)
    named = directory.service(name)
    return Mapped(
        envs=_first(
            (Step.MONITOR, _of_monitors(monitors, "env", single=True)),
            (Step.DD_ENV, _names([incident.dd_env])),
        ),
        services=_first(
            (Step.MONITOR, _of_monitors(monitors, "service")),
            (Step.SERVICE_URL, (paged[0].shown,) if len(paged) == 1 else ()),
            (Step.SERVICE_NAME, () if named is None else (named.shown,)),
            (Step.PAGERDUTY, _names([name])),
        ),
        teams=_first(
            (Step.MONITOR, _of_monitors(monitors, "team", single=True)),
            (Step.SERVICE_URL, _single(_names(owner.team for owner in paged))),
            (Step.SERVICE_NAME, () if named is None else _names([named.team])),
            (Step.TEAM_NAME, directory.teams(incident.teams)),
            (Step.SERVICE_NAME_OF_TEAM, directory.teams([name])),
            (Step.PAGERDUTY, _names(incident.teams)),
        ),
    )


def names_of_incident(said: IncidentSaid) -> set[str]:
    """By what definitions may concern an incident that is said to be so: the page and the name of its service, its teams."""
    found = {_folded(name) for name in said.teams or ()}
    if said.service is not None:
        found |= {_folded(said.service.name), service_page(said.service.url)}
    return found - {""}


def names_of_owner(owner: Owner) -> set[str]:
    """By what a definition may concern incidents."""
    return {_folded(owner.service), _folded(owner.team), service_page(owner.pagerduty)} - {""}


def service_page(url: str) -> str:
    """What two URLs of one PagerDuty service have in common: subdomain and id (`acme/PF9KMXH`); "" for others."""
    try:
        parts = urlsplit(url.strip() if "://" in url else f"https://{url.strip()}")
        host = parts.hostname or ""
    except ValueError:
        return ""
    folder, _, rest = parts.path.strip("/").partition("/")
    id = rest.partition("/")[0]
    if not host.endswith(_HOST) or folder not in _FOLDERS or not id:
        return ""
    return f"{host.removesuffix(_HOST)}/{id.upper()}"


def failure_of(incident: Incident, mapped: Mapped) -> NewFailure | None:
    """The failure that an incident is; `None` while only events about something else of it are known."""
    started_at, finished_at = incident.started_at, incident.finished_at
    if started_at is None:
        return None
    restored = finished_at is not None and incident.start_is_known and finished_at >= started_at
    return NewFailure(
        id=incident.id,
        source=SOURCE,
        services=mapped.services.names,
        teams=mapped.teams.names,
        envs=mapped.envs.names,
        name=incident.title,
        severity=incident.priority,
        version="",
        repository_url="",
        repository="",
        commit_sha=None,
        started_at=started_at,
        finished_at=finished_at,
        state=State.ACTIVE if finished_at is None else State.RESOLVED,
        time_to_restore=finished_at - started_at if restored and finished_at is not None else None,
        tags=(),
    )


def _first(*steps: tuple[Step, tuple[str, ...]]) -> Found:
    return next((Found(names=names, step=step) for step, names in steps if names), Found())


def _of_monitors(monitors: Iterable[Monitor], key: str, *, single: bool = False) -> tuple[str, ...]:
    """The values of a tag: of each alert's group, else of its tags; `single` gives none where there are several."""
    found = _names(value for one in monitors for value in _values(one.group, key) or _values(one.tags, key))
    return _single(found) if single else found


def _values(tags: Iterable[str], key: str) -> list[str]:
    split = (tag.partition(":") for tag in tags)
    return [value.strip() for name, _, value in split if name.strip().casefold() == key and value.strip()]


def _single(names: tuple[str, ...]) -> tuple[str, ...]:
    return names if len(names) == 1 else ()


def _names(names: Iterable[str]) -> tuple[str, ...]:
    """Names, trimmed, each once whatever its case."""
    found: dict[str, str] = {}
    for name in names:
        if name.strip():
            found.setdefault(_folded(name), name.strip())
    return tuple(found.values())


def _folded(name: str) -> str:
    return name.strip().casefold()
