"""PagerDuty's webhooks, V3: whether it sent them, and what they say of an incident.

https://developer.pagerduty.com/docs/webhooks: a body holds one event; `data` is the incident for most events, for others something
that refers to it. Signatures are HMAC-SHA256 over the body as sent, one for each of the sender's secrets while they are rotated.

Rules:
- Fields may be missing or null; an event takes its place by `occurred_at`, without one by its receipt.
- `EVENTS` lists every documented type. What is not in it, or is about no incident, is ignored with a reason.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import UNSET, Raw, Struct, UnsetType
from multidict import MultiMapping

from bot.dora.events import Ignored
from bot.dora.instants import LATEST, Instant
from bot.dora.pagerduty import IncidentSaid, PagerDutyEvent, Reference
from bot.dora.repositories import without_credentials
from bot.guard import decode_json_as, same_secret
from bot.sources.fields import LONGEST_NAME, SourceError
from bot.sources.pagerduty_alerts import AlertsShape, Client, read_monitors

SIGNATURE: Final = "X-PagerDuty-Signature"
WEBHOOK_ID: Final = "X-Webhook-Id"
DD_ENV: Final = "dd_env"
STORED_HEADERS: Final = ("content-type", "content-encoding", "user-agent", "x-webhook-id", "x-webhook-subscription", DD_ENV)
"""The only headers that are stored."""
LARGEST_BODY: Final = 1024 * 1024
"""PagerDuty drops what is larger than 256 KB."""
LONGEST_TITLE: Final = 1_000
MOST_SIGNATURES, MOST_TEAMS = 20, 100

INCIDENT, REFERENCE, SERVICE, PING = "incident", "reference", "service", "ping"
"""What an event's data is: the incident as it is now, something that refers to it, a service, nothing."""
EVENTS: Final[Mapping[str, str]] = {
    "incident.triggered": INCIDENT,
    "incident.acknowledged": INCIDENT,
    "incident.unacknowledged": INCIDENT,
    "incident.escalated": INCIDENT,
    "incident.delegated": INCIDENT,
    "incident.reassigned": INCIDENT,
    "incident.reopened": INCIDENT,
    "incident.resolved": INCIDENT,
    "incident.priority_updated": INCIDENT,
    "incident.service_updated": INCIDENT,
    "incident.incident_type.changed": INCIDENT,
    "incident.annotated": REFERENCE,
    "incident.responder.added": REFERENCE,
    "incident.responder.replied": REFERENCE,
    "incident.status_update_published": REFERENCE,
    "incident.conference_bridge.updated": REFERENCE,
    "incident.custom_field_values.updated": REFERENCE,
    "incident.role.assigned": REFERENCE,
    "incident.task.created": REFERENCE,
    "incident.task.updated": REFERENCE,
    "incident.task.completed": REFERENCE,
    "incident.action_invocation.created": REFERENCE,
    "incident.action_invocation.updated": REFERENCE,
    "incident.action_invocation.terminated": REFERENCE,
    "incident.workflow.started": REFERENCE,
    "incident.workflow.completed": REFERENCE,
    "service.created": SERVICE,
    "service.updated": SERVICE,
    "service.deleted": SERVICE,
    "service.custom_field_values.updated": SERVICE,
    "pagey.ping": PING,
}
_WHY_IGNORED = {SERVICE: "about_a_service", PING: "ping"}
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")
_WEBHOOK_ID = re.compile(r"[!-~]{1,200}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SignatureError(SourceError):
    """PagerDuty did not sign this body with one of our secrets."""

    slug = "wrong_signature"


class PagerDutyError(SourceError):
    """An authentic body cannot be used: `slug` says why."""

    def __init__(self, slug: str, detail: str) -> None:
        super().__init__(detail)
        self.slug = slug


class _Reference(Struct):
    id: str | None = None
    summary: str | None = None
    html_url: str | None = None


class _Assignment(Struct):
    incident: _Reference | None = None


class _Data(AlertsShape):
    """An incident, or what refers to one."""

    id: str | None = None
    type: str | None = None
    html_url: str | None = None
    title: str | None = None
    status: str | None = None
    created_at: str | None = None
    service: _Reference | None = None
    teams: list[_Reference] | None = None
    priority: _Reference | UnsetType | None = UNSET
    incident: _Reference | None = None
    incident_role_assignments: list[_Assignment] | None = None


class _Event(Struct):
    event_type: str
    id: str | None = None
    occurred_at: str | None = None
    client: Client = None
    data: Raw = Raw(b"null")


class _Body(Struct):
    event: _Event


def verify(headers: MultiMapping[str], body: bytes, secrets: Sequence[bytes]) -> None:
    """Raises SignatureError unless one of the signatures (`v1=…`, separated by commas; other versions say nothing) is ours."""
    signatures = [one.strip() for value in headers.getall(SIGNATURE, ()) for one in value.split(",")][:MOST_SIGNATURES]
    known = [hmac.new(secret, body, hashlib.sha256).hexdigest().encode() for secret in secrets if secret]
    candidates = [one.removeprefix("v1=").encode(errors="surrogateescape") for one in signatures if one.startswith("v1=")]
    if not any(same_secret(one, known) for one in candidates):
        raise SignatureError(f"{SIGNATURE} holds no signature by a secret that is known here")


def delivery(headers: MultiMapping[str], body: bytes) -> str:
    """What stays the same over the attempts to deliver a webhook: its id, else (somebody else sent it) what it says."""
    given = headers.getall(WEBHOOK_ID, ())
    if len(given) == 1 and _WEBHOOK_ID.fullmatch(given[0]):
        return given[0]
    return hashlib.sha256(body).hexdigest()


def parse_pagerduty(body: bytes, *, dd_env: str, received_at: Instant, receipt: int) -> PagerDutyEvent | Ignored:
    """What a body (not compressed) says. Raises PagerDutyError or GuardError."""
    told = decode_json_as(_Body, body, max_bytes=LARGEST_BODY).event
    kind = EVENTS.get(told.event_type)
    if kind is None:
        return Ignored(reason="unknown_event")
    if kind in _WHY_IGNORED:
        return Ignored(reason=_WHY_IGNORED[kind])
    data = decode_json_as(_Data | None, bytes(told.data))  # type: ignore[arg-type]  # a union is no class to mypy
    if data is None:
        return Ignored(reason="no_incident")
    incident = data.id if kind == INCIDENT else _referred(data).id
    if not incident:
        return Ignored(reason="no_incident")
    occurred_at = _instant(told.occurred_at)
    return PagerDutyEvent(
        id=_id("event.id", told.id),
        incident_id=_id("the incident's id", incident),
        type=told.event_type,
        occurred_at=received_at if occurred_at is None else occurred_at,
        received_at=received_at,
        receipt=receipt,
        dd_env=dd_env.strip()[:LONGEST_NAME],
        said=_incident(data, told.client) if kind == INCIDENT else _reference(_referred(data)),
    )


def _incident(data: _Data, client: Client) -> IncidentSaid:
    return IncidentSaid(
        title=_name(data.title, LONGEST_TITLE) or None,
        status=_name(data.status) or None,
        created_at=_instant(data.created_at),
        url=_url(data.html_url),
        service=None if data.service is None else _service(data.service),
        teams=None if data.teams is None else tuple(filter(None, (_name(one.summary) for one in data.teams[:MOST_TEAMS]))),
        priority=None if data.priority is UNSET else _priority(data.priority),
        monitors=read_monitors(data, client),
    )


def _reference(incident: _Reference) -> IncidentSaid:
    return IncidentSaid(title=_name(incident.summary, LONGEST_TITLE) or None, url=_url(incident.html_url))


def _referred(data: _Data) -> _Reference:
    """The incident that something refers to; without an id where it refers to none."""
    assigned = (one.incident for one in data.incident_role_assignments or ())
    return next((one for one in (data.incident, *assigned) if one is not None and one.id), _Reference())


def _service(told: _Reference) -> Reference | None:
    if not told.id and not told.summary:
        return None
    return Reference(id=_name(told.id), name=_name(told.summary), url=_url(told.html_url) or "")


def _priority(told: _Reference | UnsetType | None) -> str:
    return _name(told.summary) if isinstance(told, _Reference) else ""


def _id(what: str, told: str | None) -> str:
    if not told or not _ID.fullmatch(told):
        raise PagerDutyError("bad_id", f"{what} is missing, or none that PagerDuty gives")
    return told


def _name(told: str | None, longest: int = LONGEST_NAME) -> str:
    return (told or "").strip()[:longest]


def _url(told: str | None) -> str | None:
    return without_credentials(told)[:LONGEST_TITLE] if told and told.startswith(("https://", "http://")) else None


def _instant(told: str | None) -> Instant | None:
    """An instant of ISO 8601; `None` where none is told, and outside 1970 to 2261."""
    if not told:
        return None
    try:
        at = datetime.fromisoformat(told.strip())
    except ValueError:
        raise PagerDutyError("bad_instant", "a time is not ISO 8601") from None
    aware = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    value = (aware - _EPOCH) // timedelta(microseconds=1) * 1_000
    return value if 0 <= value < LATEST else None
