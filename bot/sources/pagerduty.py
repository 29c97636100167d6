"""PagerDuty's webhooks, V3: whether it sent them, and what they say of an incident.

https://developer.pagerduty.com/docs/webhooks: a body holds one event; `data` is the incident for most events, for others something
that refers to it. Signatures are HMAC-SHA256 over the body as sent, one for each of the sender's secrets while they are rotated.

Rules:
- Only what identifies an event is required: its id, its type, `occurred_at`, and the incident's id. Every other field may be missing
  or null, and one that is not what it should be counts as missing.
- `EVENTS` lists every documented type. What is not in it, or is about no incident, is ignored with a reason.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from msgspec import UNSET, Raw, Struct
from multidict import MultiMapping

from bot.dora.events import Ignored
from bot.dora.instants import LATEST, Instant
from bot.dora.pagerduty import IncidentSaid, PagerDutyEvent, Reference
from bot.dora.repositories import without_credentials
from bot.guard import GuardError, decode_json, decode_json_as, same_secret
from bot.sources.fields import LONGEST_NAME, SourceError
from bot.sources.pagerduty_alerts import AlertsShape, Client, Loose, read_monitors

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


class _Data(AlertsShape):
    """An incident, or what refers to one."""

    id: Loose = None
    html_url: Loose = None
    title: Loose = None
    status: Loose = None
    created_at: Loose = None
    service: Loose = None
    teams: Loose = None
    priority: Loose = UNSET
    incident: Loose = None
    incident_role_assignments: Loose = None


class _Event(Struct):
    event_type: str
    id: Loose = None
    occurred_at: Loose = None
    client: Raw = Raw(b"null")
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
    data = _data(told.data)
    if data is None:
        return Ignored(reason="no_incident")
    referred = _referred(data)
    incident = data.id if kind == INCIDENT else referred.get("id")
    if incident in (None, ""):
        return Ignored(reason="no_incident")
    occurred_at = _instant(told.occurred_at)
    if occurred_at is None:
        raise PagerDutyError("bad_instant", "occurred_at is missing, not ISO 8601, or outside the years 1970 to 2261")
    return PagerDutyEvent(
        id=_id("event.id", told.id),
        incident_id=_id("the incident's id", incident),
        type=told.event_type,
        occurred_at=occurred_at,
        received_at=received_at,
        receipt=receipt,
        dd_env=dd_env.strip()[:LONGEST_NAME],
        said=_incident(data, _readable(told.client)) if kind == INCIDENT else _reference(referred),
    )


def _data(raw: Raw) -> _Data | None:
    """What can be read of the fields; `None` where there are none."""
    told = decode_json_as(dict[str, Raw] | None, bytes(raw))  # type: ignore[arg-type]  # a union is no class to mypy
    if told is None:
        return None
    read = {name: _readable(told[name]) for name in _Data.__struct_fields__ if name in told}
    return _Data(**{name: value for name, value in read.items() if value is not UNSET})


def _readable(raw: Raw) -> Loose:
    """The value of a field; `UNSET` where no value could be made of it, as of a number that is too large."""
    try:
        return decode_json(bytes(raw))
    except GuardError:
        return UNSET


def _incident(data: _Data, client: Client) -> IncidentSaid:
    teams = data.teams[:MOST_TEAMS] if isinstance(data.teams, list) else None
    return IncidentSaid(
        title=_name(data.title, LONGEST_TITLE) or None,
        status=_name(data.status) or None,
        created_at=_instant(data.created_at),
        url=_url(data.html_url),
        service=_service(_object(data.service)),
        teams=None if teams is None else tuple(filter(None, (_name(_object(one).get("summary")) for one in teams))),
        priority=_priority(data.priority),
        monitors=read_monitors(data, client),
    )


def _reference(incident: Mapping[str, Loose]) -> IncidentSaid:
    return IncidentSaid(title=_name(incident.get("summary"), LONGEST_TITLE) or None, url=_url(incident.get("html_url")))


def _referred(data: _Data) -> Mapping[str, Loose]:
    """The incident that something refers to; without an id where it refers to none."""
    assignments = data.incident_role_assignments
    assigned = [_object(one).get("incident") for one in assignments] if isinstance(assignments, list) else []
    return next((one for one in map(_object, [data.incident, *assigned]) if one.get("id")), {})


def _service(told: Mapping[str, Loose]) -> Reference | None:
    id, name = _name(told.get("id")), _name(told.get("summary"))
    return Reference(id=id, name=name, url=_url(told.get("html_url")) or "") if id or name else None


def _priority(told: Loose) -> str | None:
    """Its name, "" where there is none any more, `None` where nothing is said of it."""
    if told is None:
        return ""
    name = told.get("summary") if isinstance(told, Mapping) else UNSET
    return _name(name) if name is None or isinstance(name, str) else None


def _object(told: Loose) -> Mapping[str, Loose]:
    return told if isinstance(told, Mapping) else {}


def _id(what: str, told: Loose) -> str:
    if not isinstance(told, str) or not _ID.fullmatch(told):
        raise PagerDutyError("bad_id", f"{what} is missing, or none that PagerDuty gives")
    return told


def _name(told: Loose, longest: int = LONGEST_NAME) -> str:
    return told.strip()[:longest] if isinstance(told, str) else ""


def _url(told: Loose) -> str | None:
    if not isinstance(told, str) or not told.startswith(("https://", "http://")):
        return None
    return without_credentials(told)[:LONGEST_TITLE]


def _instant(told: Loose) -> Instant | None:
    """An instant of ISO 8601; `None` for anything else, and outside 1970 to 2261."""
    if not isinstance(told, str):
        return None
    try:
        at = datetime.fromisoformat(told.strip())
    except ValueError:
        return None
    aware = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    value = (aware - _EPOCH) // timedelta(microseconds=1) * 1_000
    return value if 0 <= value < LATEST else None
