"""GitHub's deployments and releases."""

from msgspec import Struct

from bot.dora.events import DeploymentSeen, ForgeEvent, ReleaseSeen, RepositoryRef
from bot.dora.instants import Instant
from bot.forges import fields
from bot.forges.github.shapes import WithRepository, repository_ref
from bot.forges.table import Entry, Origin, Table, entries
from bot.guard import decode_json_as


class DeploymentShape(Struct):
    """A deployment, in events and in the API."""

    id: int
    sha: str
    ref: str | None = None
    environment: str | None = None
    created_at: str | None = None


class StatusShape(Struct):
    """A state that a deployment went through, in events and in the API."""

    state: str
    environment: str | None = None
    created_at: str | None = None


class _DeploymentEvent(WithRepository, kw_only=True):
    action: str | None = None
    deployment: DeploymentShape
    deployment_status: StatusShape | None = None


class ReleaseShape(Struct):
    """A release, in events and in the API."""

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
    release: ReleaseShape


def _read_deployment(body: bytes, origin: Origin) -> ForgeEvent:
    event = decode_json_as(_DeploymentEvent, body)
    seen, status = event.deployment, event.deployment_status
    at = fields.instant(status.created_at if status else seen.created_at)
    return deployment_seen(seen, status, repository=repository_ref(event, origin, seen_at=at), told_at=origin.received_at)


def deployment_seen(
    seen: DeploymentShape, status: StatusShape | None, *, repository: RepositoryRef, told_at: Instant
) -> DeploymentSeen:
    """A deployment in a state, or as it was made; `told_at` stands for an instant that is not told. Raises PayloadError."""
    created_at = fields.instant(seen.created_at)
    at = fields.instant(status.created_at) if status else created_at
    return DeploymentSeen(
        repository=repository,
        forge_id=str(seen.id),
        environment=fields.name((status.environment if status else None) or seen.environment),
        sha=fields.sha(seen.sha),
        ref=fields.name(seen.ref),
        created_at=created_at,
        state=fields.name(status.state) if status else "created",
        at=at if at is not None else told_at,
    )


def _read_release(body: bytes, origin: Origin) -> ForgeEvent:
    event = decode_json_as(_ReleaseEvent, body)
    seen = event.release
    updated_at = fields.instant(seen.updated_at)
    repository = repository_ref(event, origin, seen_at=updated_at or fields.instant(seen.published_at))
    if event.action == "deleted":
        return release_seen(seen, repository=repository, at=origin.received_at, state="deleted")
    return release_seen(seen, repository=repository, at=origin.received_at if updated_at is None else updated_at)


def release_seen(seen: ReleaseShape, *, repository: RepositoryRef, at: Instant, state: str = "") -> ReleaseSeen:
    """A release as it was at an instant; its own state, unless another is named. Raises PayloadError."""
    own = "draft" if seen.draft else "prerelease" if seen.prerelease else "published"
    return ReleaseSeen(
        repository=repository,
        forge_id=str(seen.id),
        tag=fields.name(seen.tag_name),
        name=fields.name(seen.name),
        state=state or own,
        published_at=None if seen.draft else fields.instant(seen.published_at),
        at=at,
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
