"""PagerDuty's webhooks as its documentation shows them, and as captures do: the shapes are theirs, the values are ours.

Each documented event type is in `DOCUMENTED`, with what its `data.type` is. Captures differ from the documentation: they have been seen
without `created_at` and `incident_key`, with `teams` empty and `priority` null.
"""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

SECRET = "pagerduty-secret-of-the-tests"
BEGIN = 1_780_000_000
"""Seconds: when the incident of the tests is created."""
DOCUMENTED = {
    "incident.acknowledged": "incident",
    "incident.annotated": "incident_note",
    "incident.conference_bridge.updated": "incident_conference_bridge",
    "incident.custom_field_values.updated": "incident_field_values",
    "incident.delegated": "incident",
    "incident.escalated": "incident",
    "incident.incident_type.changed": "incident",
    "incident.priority_updated": "incident",
    "incident.reassigned": "incident",
    "incident.reopened": "incident",
    "incident.resolved": "incident",
    "incident.responder.added": "incident_responder",
    "incident.responder.replied": "incident_responder",
    "incident.role.assigned": "incident_role_assignment",
    "incident.service_updated": "incident",
    "incident.status_update_published": "incident_status_update",
    "incident.task.completed": "incident_task",
    "incident.task.created": "incident_task",
    "incident.task.updated": "incident_task",
    "incident.triggered": "incident",
    "incident.unacknowledged": "incident",
    "incident.action_invocation.created": "incident_action_invocation",
    "incident.action_invocation.terminated": "incident_action_invocation",
    "incident.action_invocation.updated": "incident_action_invocation",
    "incident.workflow.started": "incident_workflow_instance",
    "incident.workflow.completed": "incident_workflow_instance",
    "service.created": "service",
    "service.custom_field_values.updated": "service_field_values",
    "service.deleted": "service",
    "service.updated": "service",
    "pagey.ping": "ping",
}
STATUS = {"incident.acknowledged": "acknowledged", "incident.resolved": "resolved"}
Json = dict[str, Any]


def reference(kind: str, id: str, summary: str | None, *, folder: str = "") -> Json:
    """A resource reference."""
    folder = folder or f"{kind}s"
    return {
        "html_url": f"https://acme.pagerduty.com/{folder}/{id}", "id": id, "self": f"https://api.pagerduty.com/{folder}/{id}",
        "summary": summary, "type": f"{kind}_reference",
    }  # fmt: skip


def service(name: str = "Checkout API", id: str = "PSHOP01") -> Json:
    """A reference to a service."""
    return reference("service", id, name)


def iso(minute: float) -> str:
    """An instant of the story, with milliseconds."""
    at = datetime.fromtimestamp(BEGIN + round(minute * 60, 3), UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"


def incident(**fields: Any) -> Json:
    """An incident in full; `...` leaves a field out."""
    shown: Json = {
        "id": "Q0STORY1", "type": "incident", "self": "https://api.pagerduty.com/incidents/Q0STORY1",
        "html_url": "https://acme.pagerduty.com/incidents/Q0STORY1", "number": 7, "status": "triggered",
        "incident_key": "3c6ee7d1c2b94d1f", "created_at": f"{iso(0)[:19]}Z", "title": "Checkout answers slowly",
        "incident_type": {"name": "major_incident"}, "service": service(), "assignees": [reference("user", "PUSER01", "Ann")],
        "escalation_policy": reference("escalation_policy", "PESC001", "Default", folder="escalation_policies"),
        "teams": [reference("team", "PTEAM01", "Payments")],
        "priority": reference("priority", "PPRIO01", "P2", folder="priorities"), "urgency": "high",
        "conference_bridge": {"conference_number": "+1 5550100,,1#", "conference_url": "https://meet.example"},
        "resolve_reason": None,
    }  # fmt: skip
    return {name: value for name, value in (shown | fields).items() if value is not ...}


def about(kind: str, **fields: Any) -> Json:
    """What an event of that `data.type` holds: a note, a responder, a service…"""
    of = reference("incident", str(fields.pop("incident_id", "Q0STORY1")), "Checkout answers slowly")
    field = {"data_type": "string", "field_type": "single_value", "id": "PFIELD1", "name": "environment", "type": "field_value"}
    values = {"custom_fields": [field | {"value": "production"}], "changed_custom_fields": [field | {"value": "staging"}]}
    shown: dict[str, Json] = {
        "incident_note": {"incident": of, "id": "PNOTE01", "content": "Looking", "trimmed": False},
        "incident_conference_bridge": {"incident": of, "conference_numbers": None, "conference_url": "https://meet.example"},
        "incident_field_values": {"incident": of | {"summary": None}, **values},
        "incident_responder": {
            "incident": of, "user": reference("user", "PUSER02", "Ben"),
            "escalation_policy": reference("escalation_policy", "PESC001", "Default"), "message": "Help", "state": "pending",
        },
        "incident_role_assignment": {"incident_role_assignments": [{
            "assignee": reference("user", "PUSER01", "Ann"), "id": "af64b84c", "incident": of | {"summary": None}, "old_assignee": None,
            "role": {"id": "PROLE01", "summary": "Commander", "type": "role_reference"}, "status": "active",
            "type": "role_assignment_reference",
        }]},
        "incident_status_update": {"incident": of, "id": "PSTAT01", "message": "We are on it", "trimmed": False},
        "incident_task": {
            "name": "Roll back", "description": "", "id": "PTASK01", "summary": "Roll back", "status": "todo", "assignees": [],
            "incident": of | {"summary": None},
        },
        "incident_action_invocation": {
            "id": "01ACTION", "self": "https://api.pagerduty.com/automation/invocations/01ACTION",
            "html_url": "https://acme.pagerduty.com/rundeck-actions/actions/01/invocations/01ACTION/report", "incident": of,
            "action": reference("action", "01ACT", "Restart"), "state": "created",
        },
        "incident_workflow_instance": {
            "id": "PFLOW01", "summary": "", "incident_workflow": reference("incident_workflow", "PWORK01", "Major"),
            "workflow_trigger": reference("workflow_trigger", "4ad6", "Manual") | {"html_url": None}, "incident": of,
            "service": service("Somewhere else", "PELSE01"),
        },
        "service": service() | {"alert_creation": "create_alerts_and_incidents", "teams": [reference("team", "PTEAM01", "Payments")]},
        "service_field_values": {"service": service() | {"summary": None}, **values},
        "ping": {"message": "Hello from your friend Pagey!"},
    }  # fmt: skip
    return shown[kind] | fields | {"type": kind}


def event(type: str, minute: float = 0, *, id: str = "", client: Json | None = None, **fields: Any) -> bytes:
    """A webhook's body: an event of that type at a minute of the story; `fields` change its data."""
    kind = DOCUMENTED.get(type, "incident")
    if kind == "incident":
        fields = {"status": STATUS.get(type, "triggered")} | fields
    data = incident(**fields) if kind == "incident" else about(kind, **fields)
    told = {
        "id": id or f"{type}-{minute:g}", "event_type": type, "resource_type": type.partition(".")[0], "occurred_at": iso(minute),
        "agent": reference("user", "PUSER01", "Ann"), "client": client, "data": data,
    }  # fmt: skip
    return json.dumps({"event": told}).encode()


def signature(body: bytes, *secrets: str) -> str:
    """The header's value while these secrets are in use."""
    return ",".join("v1=" + hmac.new(one.encode(), body, hashlib.sha256).hexdigest() for one in secrets or (SECRET,))


def alert(tags: str = "", link: str = "", client: str | None = "Datadog", **fields: Any) -> Json:
    """An alert that a Datadog monitor sent, in the schema of PagerDuty's API."""
    return {
        "id": "PALERT1", "type": "alert", "summary": "Checkout answers slowly", "status": "triggered", "alert_key": "baf7",
        "service": service(), "incident": {"id": "Q0STORY1", "type": "incident_reference"}, "suppressed": False, "severity": "critical",
        "body": {
            "type": "alert_body",
            "contexts": [{"type": "link", "href": link, "text": "Monitor Status"}] if link else [],
            "details": {"tags": tags, "query": "avg(last_5m):…", "monitor_state": "Triggered"},
            "cef_details": {"client": client, "client_url": link or None, "details": {"tags": tags}},
        },
        **fields,
    }  # fmt: skip
