"""GitHub's deployments and releases."""

from msgspec import Struct

from bot.dora.events import DeploymentSeen, ForgeEvent, ReleaseSeen
from bot.forges import fields
from bot.forges.github.shapes import WithRepository, repository_ref
from bot.forges.table import Entry, Origin, Table, entries
from bot.guard import decode_json_as


class _Deployment(Struct):
    id: int
    sha: str
    ref: str | None = None
    environment: str | None = None
    created_at: str | None = None


class _Status(Struct):
    state: str
    environment: str | None = None
    created_at: str | None = None


class _DeploymentEvent(WithRepository, kw_only=True):
    action: str | None = None
    deployment: _Deployment
    deployment_status: _Status | None = None


class _Release(Struct):
    id: int
    tag_name: str
    name: str | None = None
    draft: bool | None = None
    prerelease: bool | None = None
    created_at: str | None = None
    published_at: str | None = None
    updated_at: str | None = None


class _ReleaseEvent(WithRepository, kw_only=True):
    action: str
    release: _Release


def _read_deployment(body: bytes, origin: Origin) -> ForgeEvent:
    event = decode_json_as(_DeploymentEvent, body)
    seen, status = event.deployment, event.deployment_status
    created_at = fields.instant(seen.created_at)
    at = fields.instant(status.created_at) if status else created_at
    return DeploymentSeen(
        repository=repository_ref(event, origin, seen_at=at),
        forge_id=str(seen.id),
        environment=fields.name((status.environment if status else None) or seen.environment),
        sha=fields.sha(seen.sha),
        ref=fields.name(seen.ref),
        created_at=created_at,
        state=fields.name(status.state) if status else "created",
        at=at if at is not None else origin.received_at,
    )


def _read_release(body: bytes, origin: Origin) -> ForgeEvent:
    event = decode_json_as(_ReleaseEvent, body)
    seen = event.release
    updated_at = fields.instant(seen.updated_at)
    state = "deleted" if event.action == "deleted" else "draft" if seen.draft else "prerelease" if seen.prerelease else "published"
    return ReleaseSeen(
        repository=repository_ref(event, origin, seen_at=updated_at or fields.instant(seen.published_at)),
        forge_id=str(seen.id),
        tag=fields.name(seen.tag_name),
        name=fields.name(seen.name),
        state=state,
        published_at=None if seen.draft else fields.instant(seen.published_at),
        at=origin.received_at if updated_at is None or event.action == "deleted" else updated_at,
    )


DELIVERIES: Table = {
    ("deployment", ""): Entry(changes="A deployment is known, with its commit and environment.", read=_read_deployment),
    ("deployment_status", ""): Entry(changes="A deployment went through one more state.", read=_read_deployment),
    **entries("release", _read_release, {
        "created": "A release is known.",
        "published": "A release is published.",
        "unpublished": "A release is a draft again.",
        "prereleased": "A pre-release is published.",
        "released": "A release is published.",
        "edited": "Tag, name or kind of a release are others.",
        "deleted": "A release is gone.",
    }),
}  # fmt: skip
