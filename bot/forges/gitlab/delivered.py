"""GitLab's deployments and releases as its API lists them."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import structlog

from bot.dora.events import DeploymentSeen, ReleaseSeen, RepositoryRef
from bot.dora.inference import BY_TAG
from bot.dora.instants import Instant
from bot.forges import PayloadError, fields
from bot.forges.client import EventPage, RepositoryKey
from bot.forges.gitlab import answers
from bot.forges.gitlab.calls import Page, Query
from bot.forges.gitlab.projects import NEEDS_READ, Projects

T = TypeVar("T")
S = TypeVar("S", DeploymentSeen, ReleaseSeen)
log = structlog.get_logger(__name__)


async def list_deployments(
    projects: Projects, repository: RepositoryKey, *, since: Instant | None, cursor: str
) -> EventPage:
    """Deployments, oldest first, or (`since`) those changed since; each in its present state alone."""
    query: Query = {"sort": "asc", "page": _page(cursor), "order_by": "id"}
    if since is not None:
        query = {**query, "order_by": "updated_at", "updated_after": fields.second(since)}
    path = await projects.path(repository, "/deployments")
    page = await projects.api.page(path, answers.Deployment, query, needs=NEEDS_READ)
    ref = projects.ref(await projects.find(repository))
    return _events(page, list(_seen(page.items, lambda one: _deployment(one, ref, projects.api.clock()))))


async def list_releases(projects: Projects, repository: RepositoryKey, *, cursor: str) -> EventPage:
    """Releases."""
    query: Query = {"page": _page(cursor), "order_by": "released_at", "sort": "asc"}
    path = await projects.path(repository, "/releases")
    page = await projects.api.page(path, answers.Release, query, needs=NEEDS_READ)
    ref = projects.ref(await projects.find(repository))
    return _events(page, list(_seen(page.items, lambda one: _release(one, ref, projects.api.clock()))))


def _events(page: Page[T], events: Sequence[S]) -> EventPage:
    return EventPage(events=tuple(events), cursor="" if page.next is None else str(page.next["page"]), total=page.total)


def _deployment(one: answers.Deployment, repository: RepositoryRef, now: Instant) -> DeploymentSeen:
    ended = fields.instant(one.deployable.finished_at) if one.deployable else None
    at = ended or fields.instant(one.updated_at) or fields.instant(one.created_at)
    return DeploymentSeen(
        repository=repository, forge_id=fields.identity(one.id), sha=fields.sha(one.sha), ref=fields.name(one.ref),
        environment=fields.name(one.environment.name if one.environment else None),
        created_at=fields.instant(one.created_at), state=fields.name(one.status), at=now if at is None else at,
    )  # fmt: skip


def _release(one: answers.Release, repository: RepositoryRef, now: Instant) -> ReleaseSeen:
    tag = fields.name(one.tag_name)
    return ReleaseSeen(
        repository=repository, forge_id=f"{BY_TAG}{tag}", tag=tag, name=fields.name(one.name), state="published",
        published_at=fields.instant(one.released_at), at=now,
    )  # fmt: skip


def _page(cursor: str) -> int:
    return int(cursor) if cursor.isascii() and cursor.isdigit() else 1


def _seen(items: Sequence[T], parse: Callable[[T], S]) -> Iterator[S]:
    """What can be parsed; one odd object does not keep the others out."""
    for one in items:
        try:
            yield parse(one)
        except PayloadError as error:
            log.warning("an object is left out", kind=type(one).__name__, reason=error.slug)
