"""GitLab's deployments, releases, issues and incidents."""

from msgspec import Struct

from bot.dora.events import DeploymentSeen, ForgeEvent, Ignored, IssueSeen, ReleaseSeen
from bot.dora.issues import CLOSED, DELETED, INCIDENT, ISSUE, OPEN
from bot.forges import PayloadError, fields
from bot.forges.gitlab.shapes import Label, Project, project_ref
from bot.forges.table import Entry, Origin, Table
from bot.guard import decode_json_as

KINDS = {"issue": ISSUE, "incident": INCIDENT}
STATES = {"opened": OPEN, "closed": CLOSED}
CHANGES = {"open": OPEN, "close": CLOSED, "reopen": OPEN}
"""Actions after which an issue is in another state; GitLab tells their instant as that of the update."""


class _Deployment(Struct):
    status: str
    deployment_id: int
    project: Project
    status_changed_at: str | None = None
    environment: str | None = None
    commit_url: str | None = None
    ref: str | None = None


class _Release(Struct):
    id: int
    tag: str
    action: str
    project: Project
    name: str | None = None
    created_at: str | None = None
    released_at: str | None = None


class _Attributes(Struct):
    iid: int
    updated_at: str
    state: str | None = None
    type: str | None = None
    title: str | None = None
    severity: str | None = None
    action: str | None = None
    created_at: str | None = None
    closed_at: str | None = None
    moved_to_id: int | None = None
    """The issue that it is now, in another project, where it is told again."""
    labels: list[Label] | None = None


class _Kind(Struct):
    type: str | None = None


class _Typed(Struct):
    object_attributes: _Kind


class _Issue(Struct):
    project: Project
    object_attributes: _Attributes
    labels: list[Label] | None = None


def _read_deployment(body: bytes, origin: Origin) -> ForgeEvent:
    event = decode_json_as(_Deployment, body)
    at = fields.instant(event.status_changed_at)
    return DeploymentSeen(
        repository=project_ref(event.project, origin, project_id=None, seen_at=at),
        forge_id=str(event.deployment_id),
        environment=fields.name(event.environment),
        # Everywhere else the payload abbreviates it.
        sha=fields.sha((event.commit_url or "").rstrip("/").rpartition("/")[2]),
        ref=fields.name(event.ref),
        created_at=None,
        state=fields.name(event.status),
        at=origin.received_at if at is None else at,
    )


def _read_release(body: bytes, origin: Origin) -> ForgeEvent:
    event = decode_json_as(_Release, body)
    created_at = fields.instant(event.created_at) if event.action == "create" else None
    return ReleaseSeen(
        repository=project_ref(event.project, origin, project_id=None, seen_at=created_at),
        forge_id=str(event.id),
        tag=fields.name(event.tag),
        name=fields.name(event.name),
        state="deleted" if event.action == "delete" else "published",
        published_at=fields.instant(event.released_at),
        at=origin.received_at if created_at is None else created_at,
    )


def _read_issue(body: bytes, origin: Origin) -> ForgeEvent:
    # Epics belong to a group: they have no project.
    kind = KINDS.get((decode_json_as(_Typed, body).object_attributes.type or "issue").casefold())
    if kind is None:
        return Ignored(reason="other_work_item")
    event = decode_json_as(_Issue, body)
    seen = event.object_attributes
    state = STATES.get(seen.state or "")
    if state is None:
        raise PayloadError("bad_state", "an issue is neither open nor closed")
    updated_at = fields.needed_instant(seen.updated_at)
    closed_at = fields.instant(seen.closed_at)
    if closed_at is None and seen.action == "close":
        closed_at = updated_at
    created_at = fields.instant(seen.created_at)
    known = [(created_at, OPEN), (closed_at, CLOSED), (updated_at, CHANGES.get(seen.action or ""))]
    labels = event.labels if event.labels is not None else seen.labels
    return IssueSeen(
        repository=project_ref(event.project, origin, project_id=None, seen_at=updated_at),
        number=fields.number(seen.iid),
        kind=kind,
        title=fields.name(seen.title),
        labels=tuple(sorted({fields.name(label.title) for label in labels or ()})),
        severity=fields.name(seen.severity),
        state=state if seen.moved_to_id is None else DELETED,
        created_at=created_at,
        closed_at=closed_at if state == CLOSED else None,
        at=updated_at,
        changes=tuple(sorted({(at, now) for at, now in known if at is not None and now is not None})),
    )


_ISSUE = Entry(changes="An issue or incident: title, labels, severity, open or closed.", read=_read_issue)
DELIVERIES: Table = {
    ("deployment", ""): Entry(changes="A deployment went through one more state.", read=_read_deployment),
    ("release", ""): Entry(changes="A release is published, changed or gone.", read=_read_release),
    ("issue", ""): _ISSUE,
    ("work_item", ""): Entry(changes="An incident: title, labels, severity, open or closed; others nothing.", read=_read_issue),
}
