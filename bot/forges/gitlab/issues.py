"""GitLab's issues and incidents as its API lists them; confidential ones are not asked for."""

import structlog

from bot.dora.events import IssueSeen, RepositoryRef
from bot.dora.issues import CLOSED, DELETED, OPEN, IssueSelection, is_chosen
from bot.forges import PayloadError, fields
from bot.forges.client import EventPage, ForgeUnavailableError, RepositoryKey
from bot.forges.gitlab import answers
from bot.forges.gitlab.calls import Query
from bot.forges.gitlab.delivery_events import KINDS, STATES
from bot.forges.gitlab.projects import NEEDS_READ, Projects
from bot.forges.updates import UpdatesCursor

log = structlog.get_logger(__name__)
TURNS = {"closed": CLOSED, "reopened": OPEN}


async def list_issues(
    projects: Projects, repository: RepositoryKey, *, chosen: IssueSelection, since: int | None, cursor: str
) -> EventPage:
    """Those changed since, newest first; of the chosen ones also when they were closed and opened again."""
    here = UpdatesCursor.parse(cursor, since=since)
    query: Query = {
        "scope": "all", "state": "all", "order_by": "updated_at", "sort": "desc", "page": here.page, "confidential": False,
    }
    path = await projects.path(repository, "/issues")
    page = await projects.api.page(path, answers.Issue, query, needs=NEEDS_READ)
    ref = projects.ref(await projects.find(repository))
    updated = [_updated(one) for one in page.items]
    events = []
    for one, at in zip(page.items, updated, strict=True):
        if at < here.until:
            continue
        try:
            seen = _issue(one, ref)
            if seen is not None and is_chosen(seen.kind, seen.labels, chosen):
                turns = await projects.api.all(f"{path}/{one.iid}/resource_state_events", answers.StateEvent, needs=NEEDS_READ)
                seen = _issue(one, ref, turns)
        except PayloadError as error:
            log.warning("an issue is left out", repository=repository.path, n=one.iid, reason=error.slug)
            continue
        if seen is not None:
            events.append(seen)
    following = here.following(updated, more=page.next is not None)
    return EventPage(events=tuple(events), cursor="" if following is None else str(following))


def _updated(one: answers.Issue) -> int:
    try:
        return fields.needed_instant(one.updated_at)
    except PayloadError:
        raise ForgeUnavailableError("broken_answer", "GitLab's answer holds a time that is none") from None


def _issue(one: answers.Issue, repository: RepositoryRef, turns: list[answers.StateEvent] | None = None) -> IssueSeen | None:
    """An issue as its webhooks would tell of it; `None` for other work items, which they leave out too."""
    kind, state = KINDS.get(one.issue_type or ""), STATES.get(one.state)
    if kind is None:
        return None
    if state is None:
        raise PayloadError("bad_state", "an issue is neither open nor closed")
    created_at, closed_at = fields.instant(one.created_at), fields.instant(one.closed_at)
    told = [(fields.instant(turn.created_at), TURNS.get(turn.state)) for turn in turns or ()]
    known = [(created_at, OPEN), (closed_at, CLOSED), *told]
    return IssueSeen(
        repository=repository,
        number=fields.number(one.iid),
        kind=kind,
        title=fields.name(one.title),
        labels=tuple(sorted({fields.name(label) for label in one.labels})),
        severity=fields.name(one.severity).casefold(),
        state=state if one.moved_to_id is None else DELETED,
        created_at=created_at,
        closed_at=closed_at if state == CLOSED else None,
        at=fields.needed_instant(one.updated_at),
        changes=tuple(sorted({(at, now) for at, now in known if at is not None and now is not None})),
    )
