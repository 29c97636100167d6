"""Deployments as DevLake's incoming webhook takes them: bytes to commits that were deployed, or the field that is wrong.

Rules:
- Today's form (`id`, `startedDate`, `deploymentCommits`) and the older ones (`pipeline_id`, `start_time`, `repo_url` and
  `commit_sha` beside them; the same in camel case) are read alike; unknown fields are ignored.
- As there: a result that is missing means SUCCESS, an environment PRODUCTION, an end: now. Only SUCCESS is a deployment.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

import msgspec
from msgspec import Struct, field

from bot.dora.inference import CommitDeployed
from bot.dora.instants import LATEST, Instant
from bot.dora.repositories import NO_ROOTS, WebRoots
from bot.sources.fields import (
    LONGEST_NAME,
    LONGEST_VERSION,
    InvalidError,
    decode,
    parse_name,
    parse_repository_url,
    parse_sha,
)

SUCCESS = "SUCCESS"
MOST_COMMITS = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Commit(Struct):
    repoUrl: str | None = None
    repo_url: str | None = None
    refName: str | None = None
    ref_name: str | None = None
    commitSha: str | None = None
    commit_sha: str | None = None
    startedDate: str | None = None
    finishedDate: str | None = None
    result: str | None = None


class _Document(_Commit):
    id: str | int | None = None
    pipelineId: str | int | None = None
    pipeline_id: str | int | None = None
    startTime: str | None = None
    start_time: str | None = None
    endTime: str | None = None
    end_time: str | None = None
    environment: str | None = None
    commits: list[_Commit] | None = field(default=None, name="deploymentCommits")
    older_commits: list[_Commit] | None = field(default=None, name="deployment_commits")


@dataclass(frozen=True, slots=True, kw_only=True)
class DevlakeDeployment:
    """What was deployed, and how many commits are none because they did not succeed."""

    id: str
    """The sender's, "" when absent."""
    commits: tuple[CommitDeployed, ...]
    ignored: int


def parse_devlake(
    body: bytes, *, service: str, received_at: Instant, web_roots: WebRoots = NO_ROOTS
) -> DevlakeDeployment:
    """The deployment in a request's body (not compressed); raises InvalidError for the first field that is wrong.

    `service` is whose it is, "" when nobody says.
    """
    told = decode(_Document, body)
    id = _id(told)
    env = parse_name("/environment", told.environment) or "production"
    several = "deploymentCommits" if told.older_commits is None else "deployment_commits"
    listed = told.older_commits if told.commits is None else told.commits
    if listed is not None and not 0 < len(listed) <= MOST_COMMITS:
        raise InvalidError(f"/{several}", f"1 to {MOST_COMMITS} commits are required.")
    places = [("", told)] if listed is None else [(f"/{several}/{i}", one) for i, one in enumerate(listed)]
    found = [
        _commit(at, one, told, id=id, service=service, env=env, now=received_at, web_roots=web_roots)
        for at, one in places
    ]
    commits = tuple(one for one in found if one is not None)
    return DevlakeDeployment(id=id, commits=commits, ignored=len(found) - len(commits))


def render_devlake(told: DevlakeDeployment) -> bytes:
    """What was taken, as it was taken: no credentials, instants in nanoseconds."""
    commits = [
        {
            "repoUrl": one.repository_url, "commitSha": one.commit_sha.hex(), "refName": one.ref, "service": one.service,
            "environment": one.env, "startedDate": one.started_at, "finishedDate": one.finished_at,
        }
        for one in told.commits
    ]  # fmt: skip
    return msgspec.json.encode({"id": told.id, "deploymentCommits": commits, "ignored": told.ignored})


def _commit(
    at: str, one: _Commit, told: _Document, *, id: str, service: str, env: str, now: Instant, web_roots: WebRoots
) -> CommitDeployed | None:
    pointer, text = _first((f"{at}/repoUrl", one.repoUrl), (f"{at}/repo_url", one.repo_url))
    url, repository = parse_repository_url(pointer, _needed(pointer, text, "The repository's URL"), web_roots)
    pointer, text = _first((f"{at}/commitSha", one.commitSha), (f"{at}/commit_sha", one.commit_sha))
    sha = parse_sha(pointer, _needed(pointer, text, "The commit"))
    pointer, text = _first((f"{at}/refName", one.refName), (f"{at}/ref_name", one.ref_name))
    ref = parse_name(pointer, text, longest=LONGEST_VERSION)
    started_at = _instant(
        (f"{at}/startedDate", one.startedDate), ("/startedDate", told.startedDate), ("/startTime", told.startTime),
        ("/start_time", told.start_time),
    )  # fmt: skip
    if started_at is None:
        raise InvalidError("/startedDate", "When it started is required, like 2026-11-21T09:30:00Z.")
    finished_at = _instant(
        (f"{at}/finishedDate", one.finishedDate), ("/finishedDate", told.finishedDate), ("/endTime", told.endTime),
        ("/end_time", told.end_time),
    )  # fmt: skip
    finished_at = max(now, started_at) if finished_at is None else finished_at
    if finished_at < started_at:
        raise InvalidError(f"{at}/finishedDate" if one.finishedDate else "/finishedDate", "It finished before it started.")
    if (one.result or told.result or SUCCESS).strip().upper() != SUCCESS:
        return None
    # Without an id it is the same deployment if it began at the same instant.
    identity = ["devlake", service.casefold(), id or [env.casefold(), started_at], repository, sha.hex()]
    return CommitDeployed(
        key=blake2b(json.dumps(identity).encode(), digest_size=16).hexdigest(), service=service, env=env, ref=ref,
        repository=repository, repository_url=url, commit_sha=sha, started_at=started_at, finished_at=finished_at,
    )  # fmt: skip


def _id(told: _Document) -> str:
    given = ((name, getattr(told, name)) for name in ("id", "pipelineId", "pipeline_id"))
    pointer, value = next(((f"/{name}", value) for name, value in given if value is not None), ("/id", ""))
    return parse_name(pointer, str(value), longest=LONGEST_NAME)


def _first(*given: tuple[str, str | None]) -> tuple[str, str | None]:
    """The first of several spellings that says something, with its pointer."""
    return next(((pointer, text) for pointer, text in given if text is not None and text.strip()), given[0])


def _needed(pointer: str, text: str | None, what: str) -> str:
    if text is None or not text.strip():
        raise InvalidError(pointer, f"{what} is required.")
    return text


def _instant(*given: tuple[str, str | None]) -> Instant | None:
    """ISO 8601, UTC where it names no offset."""
    pointer, text = _first(*given)
    if text is None or not text.strip():
        return None
    try:
        at = datetime.fromisoformat(text.strip())
        whole = (at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH
    except (ValueError, OverflowError):
        raise InvalidError(pointer, "A time like 2026-11-21T09:30:00Z is required.") from None
    instant = whole // timedelta(microseconds=1) * 1_000
    if not 0 <= instant < LATEST:
        raise InvalidError(pointer, "The time lies outside the years 1970 to 2261.")
    return instant
