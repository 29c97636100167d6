"""Failures as the original's clients report them (`POST /api/v2/dora/failure`): bytes to values, or the field that is wrong.

Unknown attributes are ignored; what fields share is in `fields.py`.
"""

from msgspec import Struct

from bot.dora.failures import NewFailure, State
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

LONGEST_TITLE = 1_000
MOST_SERVICES = 100

_AT = ATTRIBUTES


class _Attributes(Struct):
    services: list[str] | None = None
    team: str | None = None
    started_at: Number | None = None
    finished_at: Number | None = None
    env: str | None = None
    name: str | None = None
    severity: str | None = None
    version: str | None = None
    id: str | None = None
    git: GitShape | None = None
    custom_tags: list[str] | None = None


def parse_failure(body: bytes, *, web_roots: WebRoots = NO_ROOTS) -> NewFailure:
    """The failure in a request's body (not compressed); raises InvalidError for the first field that is wrong."""
    told = decode_attributes(_Attributes, body)
    services = _parse_services(told.services or [])
    team = parse_name(f"{_AT}/team", told.team)
    if not services and not team:
        raise InvalidError(f"{_AT}/services", "At least one of services and team is required.")
    env = parse_name(f"{_AT}/env", told.env)
    started_at = parse_instant(f"{_AT}/started_at", told.started_at)
    finished_at = None if told.finished_at is None else parse_instant(f"{_AT}/finished_at", told.finished_at)
    if finished_at is not None and finished_at < started_at:
        raise InvalidError(f"{_AT}/finished_at", "It finished before it started.")
    git = parse_git(f"{_AT}/git", told.git, web_roots)
    return NewFailure(
        id=parse_id(f"{_AT}/id", told.id),
        source="api",
        services=services,
        teams=(team,) if team else (),
        envs=(env,) if env else (),
        name=parse_name(f"{_AT}/name", told.name, longest=LONGEST_TITLE),
        severity=parse_name(f"{_AT}/severity", told.severity),
        version=parse_version(f"{_AT}/version", told.version),
        repository_url=git.url,
        repository=git.repository,
        commit_sha=git.commit_sha,
        started_at=started_at,
        finished_at=finished_at,
        state=State.ACTIVE if finished_at is None else State.RESOLVED,
        time_to_restore=None if finished_at is None else finished_at - started_at,
        tags=parse_tags(f"{_AT}/custom_tags", told.custom_tags),
    )


def render_failure(new: NewFailure) -> bytes:
    """A failure as a request's body again, every value as it was taken (instants in nanoseconds, no credentials)."""
    given = {
        "services": list(new.services), "team": "".join(new.teams), "started_at": new.started_at, "finished_at": new.finished_at,
        "env": "".join(new.envs), "name": new.name, "severity": new.severity, "version": new.version, "id": new.id,
        "custom_tags": list(new.tags),
    }  # fmt: skip
    return render_attributes(given, GitData(new.commit_sha, new.repository_url, new.repository))


def _parse_services(told: list[str]) -> tuple[str, ...]:
    """Names of services as first written, each once whatever its case."""
    pointer = f"{_AT}/services"
    if len(told) > MOST_SERVICES:
        raise InvalidError(pointer, f"There are more than {MOST_SERVICES} services.")
    found: dict[str, str] = {}
    for i, value in enumerate(told):
        name = parse_name(f"{pointer}/{i}", value)
        if not name:
            raise InvalidError(f"{pointer}/{i}", "The name of a service is empty.")
        found.setdefault(name.casefold(), name)
    return tuple(found.values())
