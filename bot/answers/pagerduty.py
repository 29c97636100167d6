"""PagerDuty as pages show it: whether its webhooks are taken, and how an incident was found to be whose it is."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from bot.answers.questions import may_name
from bot.answers.setup import LOOKED_BACK, LastDelivery
from bot.dora.instants import Instant
from bot.dora.pagerduty import Found, Step, map_incident
from bot.facts.keys import FAILURES_WRITE, any_key
from bot.facts.pagerduty import inquiries_waiting, load_directory, load_incident
from bot.settings import Settings
from bot.store import Reader

STEPS: Final[Mapping[Step, str]] = {
    Step.MONITOR: "the Datadog monitor that triggered it",
    Step.DD_ENV: "the webhook’s header dd_env",
    Step.SERVICE_URL: "definitions that name the service’s page in PagerDuty",
    Step.SERVICE_NAME: "a service of the same name as PagerDuty’s",
    Step.TEAM_NAME: "teams of the same name as PagerDuty’s",
    Step.SERVICE_NAME_OF_TEAM: "a team of the same name as PagerDuty’s service",
    Step.PAGERDUTY: "PagerDuty’s own names",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiving:
    """Whether PagerDuty's webhooks are taken: by their signature, by API keys, or (neither) not at all; and the last one."""

    signed: bool
    keyed: bool
    asks: bool
    """Whether PagerDuty is asked for the monitors behind an incident."""
    waiting: int
    """Incidents about which it did not answer yet."""
    error: str
    last: LastDelivery | None

    @property
    def on(self) -> bool:
        """Whether they are taken."""
        return self.signed or self.keyed


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was found of an incident (`envs`, `services`, `teams`), by which step, and that step in words."""

    what: str
    names: tuple[str, ...]
    step: str | None
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerDutyIncident:
    """An incident as PagerDuty tells of it; "", () or `None` where it says nothing."""

    id: str
    url: str
    service: str
    service_url: str
    teams: tuple[str, ...]
    priority: str | None
    dd_env: str | None
    mapped_by: tuple[Evidence, ...]


def load_receiving(reader: Reader, settings: Settings, *, now: Instant) -> Receiving:
    """How it stands with PagerDuty's webhooks."""
    last = reader.fetch("setup_last_delivery", LastDelivery, source="pagerduty", from_at=max(0, now - LOOKED_BACK))
    waiting = inquiries_waiting(reader)
    return Receiving(
        signed=bool(settings.pagerduty_webhook_secret),
        keyed=bool(settings.api_keys) or any_key(reader, FAILURES_WRITE),
        asks=settings.pagerduty_api_token is not None,
        waiting=waiting.incidents,
        error=waiting.error,
        last=last[0] if last else None,
    )


def find_pagerduty_incident(reader: Reader, id: str, *, visible: frozenset[str]) -> PagerDutyIncident | None:
    """What PagerDuty says of an incident, and by which step it was mapped; `None` when no event is about it.

    Of its services the `visible` ones alone (lower case; none at all: every one), be it by PagerDuty's name of the same kind.
    """
    incident = load_incident(reader, id)
    if incident.started_at is None:
        return None
    mapped = map_incident(incident, load_directory(reader))
    hidden = {name.strip().casefold() for name in mapped.services.names if not may_name(name, visible)}
    service = None if incident.service is None or incident.service.name.strip().casefold() in hidden else incident.service
    services = replace(mapped.services, names=tuple(name for name in mapped.services.names if may_name(name, visible)))
    return PagerDutyIncident(
        id=id,
        url=incident.url,
        service="" if service is None else service.name,
        service_url="" if service is None else service.url,
        teams=incident.teams,
        priority=incident.priority or None,
        dd_env=incident.dd_env or None,
        mapped_by=(
            _evidence("envs", mapped.envs), _evidence("services", services), _evidence("teams", mapped.teams),
        ),
    )  # fmt: skip


def _evidence(what: str, found: Found) -> Evidence:
    return Evidence(what=what, names=found.names, step=found.step, words=STEPS[found.step] if found.step else "nothing says")
