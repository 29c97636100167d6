"""Issues as hooks and the API write them, and the routes that list them: pull requests stand among them, as on GitHub."""

from datetime import UTC, datetime

from bot.standins.github.access import Refused
from bot.standins.github.api import REPOSITORY, Answer, Call, Route
from bot.standins.github.bodies import Body, iso, iso_or_none, node, repository, repository_page, repository_url, user
from bot.standins.github.pull_bodies import issue_event, label
from bot.standins.github.state import Hosted, Issue, Pull, World
from bot.standins.repository import Person

REACTIONS = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")


def issue(world: World, hosted: Hosted, one: Issue | Pull) -> Body:
    """An issue, or a pull request as the issue that it is, too."""
    api, page = repository_url(world, hosted), repository_page(world, hosted)
    url = f"{api}/issues/{one.number}"
    told: Body = {
        "url": url,
        "repository_url": api,
        "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments",
        "events_url": f"{url}/events",
        "html_url": f"{page}/issues/{one.number}",
        "id": one.id,
        "node_id": node("I", one.id),
        "number": one.number,
        "title": one.title,
        "user": user(world, one.author),
        "labels": [label(world, hosted, name) for name in one.labels],
        "state": "open" if one.open else "closed",
        "locked": False,
        "assignee": None,
        "assignees": [],
        "milestone": None,
        "comments": 0,
        "created_at": iso(one.created_at),
        "updated_at": iso(one.updated_at),
        "closed_at": iso_or_none(one.closed_at),
        "author_association": "MEMBER",
        "active_lock_reason": None,
        "body": one.body or None,
        "reactions": {"url": f"{url}/reactions", "total_count": 0, **dict.fromkeys(REACTIONS, 0)},
    }
    if isinstance(one, Pull):
        told["pull_request"] = {
            "url": f"{api}/pulls/{one.number}", "html_url": f"{page}/pull/{one.number}",
            "diff_url": f"{page}/pull/{one.number}.diff", "patch_url": f"{page}/pull/{one.number}.patch",
            "merged_at": iso_or_none(one.merged_at),
        }  # fmt: skip
    return told


def issue_changed(world: World, hosted: Hosted, one: Issue, action: str, by: Person, more: Body) -> Body:
    """`issues`, any action; `more` is what only this action carries."""
    return {
        "action": action,
        "issue": issue(world, hosted, one),
        **more,
        "repository": repository(world, hosted),
        "sender": user(world, by),
    }


def _issues(call: Call) -> Answer:
    state, sort, since = call.query("state", "open"), call.query("sort", "created"), call.query("since")
    if state not in ("open", "closed", "all") or sort not in ("created", "updated"):
        raise Refused(422, "Validation Failed")
    least = int(datetime.fromisoformat(since).replace(tzinfo=UTC).timestamp()) if since else 0
    both: list[Issue | Pull] = [*call.repository.issues.values(), *call.repository.pulls.values()]
    found = [one for one in both if one.updated_at >= least and (state == "all" or one.open == (state == "open"))]
    found.sort(
        key=lambda one: (one.updated_at if sort == "updated" else one.created_at, one.number),
        reverse=call.query("direction", "desc") == "desc",
    )
    return call.page([issue(call.world, call.repository, one) for one in found])


def _history(call: Call) -> Answer:
    number = call.number("issue_number")
    found = call.repository.issues.get(number) or call.repository.pulls.get(number)
    if found is None:
        raise Refused(404, "Not Found")
    return call.page([issue_event(call.world, call.repository, one) for one in found.history])


ROUTES = (
    Route(method="GET", template=f"{REPOSITORY}/issues", handler=_issues, permissions=("issues",)),
    Route(
        method="GET",
        template=f"{REPOSITORY}/issues/{{issue_number}}/events",
        handler=_history,
        permissions=("issues", "pull_requests"),
    ),
)
