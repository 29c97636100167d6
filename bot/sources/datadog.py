"""Deployments as the original's clients report them (`POST /api/v2/dora/deployment`): bytes to values, or the field that is wrong.

Unknown attributes are ignored; what fields share is in `fields.py`.
"""

from msgspec import Struct

from bot.dora.events import NewDeployment
from bot.dora.repositories import NO_ROOTS, WebRoots
from bot.sources.fields import (
    ATTRIBUTES,
    GitData,
    GitShape,
    InvalidError,
    Number,
    decode_attributes,
    parse_git,
    parse_id,
    parse_instant,
    parse_name,
    parse_tags,
    parse_version,
    render_attributes,
)

_AT = ATTRIBUTES


class _Attributes(Struct):
    service: str | None = None
    started_at: Number | None = None
    finished_at: Number | None = None
    env: str | None = None
    version: str | None = None
    team: str | None = None
    id: str | None = None
    git: GitShape | None = None
    custom_tags: list[str] | None = None


def parse_deployment(body: bytes, *, web_roots: WebRoots = NO_ROOTS) -> NewDeployment:
    """The deployment in a request's body (not compressed); raises InvalidError for the first field that is wrong."""
    told = decode_attributes(_Attributes, body)
    service = parse_name(f"{_AT}/service", told.service)
    if not service:
        raise InvalidError(f"{_AT}/service", "The name of the service is required.")
    started_at = parse_instant(f"{_AT}/started_at", told.started_at)
    finished_at = parse_instant(f"{_AT}/finished_at", told.finished_at)
    if finished_at < started_at:
        raise InvalidError(f"{_AT}/finished_at", "It finished before it started.")
    git = parse_git(f"{_AT}/git", told.git, web_roots)
    return NewDeployment(
        id=parse_id(f"{_AT}/id", told.id),
        service=service,
        env=parse_name(f"{_AT}/env", told.env),
        version=parse_version(f"{_AT}/version", told.version),
        repository_url=git.url,
        repository=git.repository,
        commit_sha=git.commit_sha,
        started_at=started_at,
        finished_at=finished_at,
        team=parse_name(f"{_AT}/team", told.team),
        tags=parse_tags(f"{_AT}/custom_tags", told.custom_tags),
        source="api",
    )


def render_deployment(new: NewDeployment) -> bytes:
    """A deployment as a request's body again, every value as it was taken (instants in nanoseconds, no credentials)."""
    given = {
        "service": new.service, "started_at": new.started_at, "finished_at": new.finished_at, "env": new.env,
        "version": new.version, "team": new.team, "id": new.id, "custom_tags": list(new.tags),
    }  # fmt: skip
    return render_attributes(given, GitData(new.commit_sha, new.repository_url, new.repository))
