"""The API about the instance, projects, and what happens in them beside merge requests."""

from datetime import date

from aiohttp import web

from bot.standins.gitlab import commit_entities, entities
from bot.standins.gitlab.calls import Call, Refused, not_found
from bot.standins.gitlab.merge_request_entities import state_turn
from bot.standins.gitlab.project import Project
from bot.standins.gitlab.spelling import api_time
from bot.standins.gitlab.state import Issue
from bot.standins.repository import ZEROS


async def own_token(call: Call) -> web.Response:
    """The token that asks; any scope will do."""
    return call.answer(entities.token(call.user()))


async def own_user(call: Call) -> web.Response:
    """Whose token it is."""
    return call.answer(entities.user(call.user().user, call.forge.external_url))


async def version(call: Call) -> web.Response:
    """Which GitLab this is."""
    call.user()
    return call.answer({"version": "18.11.0-ee", "revision": "6a1b2c3d4e5"})


async def list_projects(call: Call) -> web.Response:
    """All projects that the token sees, by pages or (`pagination=keyset`) after an id."""
    seen = [project for project in call.forge.projects.values() if call.sees(project)]
    if call.word("pagination") == "keyset":
        return _after(call, seen)
    return call.paged(seen, entities.project)


def _after(call: Call, projects: list[Project]) -> web.Response:
    _, size = call.page()
    upwards = call.word("sort", "desc") == "asc"
    bound = call.word("id_after" if upwards else "id_before")
    rest = sorted(projects, key=lambda one: one.id, reverse=not upwards)
    rest = [one for one in rest if not bound or (one.id > int(bound) if upwards else one.id < int(bound))]
    headers = {}
    if len(rest) > size:
        name = "id_after" if upwards else "id_before"
        headers["Link"] = f'<{call.address(**{name: str(rest[size - 1].id)})}>; rel="next"'
    return call.answer([entities.project(one) for one in rest[:size]], headers=headers)


async def one_project(call: Call) -> web.Response:
    """A project."""
    return call.answer(entities.project(call.project()))


async def events(call: Call) -> web.Response:
    """Pushes, newest first; `after` and `before` are days, both left out."""
    project = call.project()
    action = call.word("action")
    after, before = _day(call, "after"), _day(call, "before")
    found = []
    for seen in reversed(project.activities):
        kind = "created" if seen.change.before == ZEROS else "deleted" if seen.change.after == ZEROS else "pushed"
        day = date.fromisoformat(api_time(seen.at)[:10])
        if (not after or day > after) and (not before or day < before) and action in {"", "pushed", kind}:
            found.append(seen)
    if call.word("sort") == "asc":
        found.reverse()
    return call.paged(found, lambda seen: entities.activity(project, seen))


def _day(call: Call, name: str) -> date | None:
    text = call.word(name)
    try:
        return date.fromisoformat(text[:10]) if text else None
    except ValueError:
        raise Refused(400, {"error": f"{name} is invalid"}) from None


async def deployments(call: Call) -> web.Response:
    """Deployments, by id or as `order_by` says."""
    project = call.project()
    after, before = call.instant("updated_after"), call.instant("updated_before")
    environment, status = call.word("environment"), call.word("status")
    found = [
        one for one in project.deployments
        if (after is None or one.updated_at > after) and (before is None or one.updated_at < before)
        and environment in {"", one.environment} and status in {"", one.status}
    ]  # fmt: skip
    by_time = call.word("order_by") == "updated_at"
    found.sort(key=lambda one: (one.updated_at if by_time else 0, one.id), reverse=call.word("sort") == "desc")
    return call.paged(found, lambda one: entities.deployment(project, one))


async def one_deployment(call: Call) -> web.Response:
    """A deployment."""
    project, wanted = call.project(), call.request.match_info["number"]
    found = [one for one in project.deployments if str(one.id) == wanted]
    if not found:
        raise not_found()
    return call.answer(entities.deployment(project, found[0]))


async def issues(call: Call) -> web.Response:
    """Issues and incidents, newest first unless told otherwise."""
    project = call.project()
    state, kind, after = call.word("state", "all"), call.word("issue_type"), call.instant("updated_after")
    labels = set(call.word("labels").split(",")) - {""}
    found = [
        one for one in reversed(project.issues)
        if state in {"all", one.state} and kind in {"", "incident" if one.incident else "issue"}
        and (after is None or one.updated_at >= after) and labels <= set(one.labels)
    ]  # fmt: skip
    if call.word("order_by", "created_at") == "updated_at":
        found.sort(key=lambda one: (one.updated_at, one.id), reverse=True)
    if call.word("sort", "desc") == "asc":
        found.reverse()
    return call.paged(found, lambda one: entities.issue(project, one))


async def one_issue(call: Call) -> web.Response:
    """An issue by its number in the project."""
    return call.answer(entities.issue(*_issue(call)))


async def issue_state_events(call: Call) -> web.Response:
    """When it was closed and opened again."""
    project, one = _issue(call)
    return call.paged(one.state_turns, lambda turn: state_turn(project, one, turn))


def _issue(call: Call) -> tuple[Project, Issue]:
    project, wanted = call.project(), call.request.match_info["number"]
    found = [one for one in project.issues if str(one.iid) == wanted]
    if not found:
        raise not_found()
    return project, found[0]


async def releases(call: Call) -> web.Response:
    """Releases, newest first."""
    project = call.project()
    return call.paged(project.releases[::-1], lambda one: commit_entities.release(project, one))


ROUTES = {
    "GET /personal_access_tokens/self": own_token,
    "GET /user": own_user,
    "GET /version": version,
    "GET /projects": list_projects,
    "GET /projects/{id}": one_project,
    "GET /projects/{id}/events": events,
    "GET /projects/{id}/deployments": deployments,
    "GET /projects/{id}/deployments/{number}": one_deployment,
    "GET /projects/{id}/issues": issues,
    "GET /projects/{id}/issues/{number}": one_issue,
    "GET /projects/{id}/issues/{number}/resource_state_events": issue_state_events,
    "GET /projects/{id}/releases": releases,
}
