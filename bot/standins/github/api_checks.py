"""REST routes of what a bot writes: check runs and comments."""

from collections.abc import Mapping

from bot.standins.forge import Json
from bot.standins.github import bodies
from bot.standins.github.access import Refused
from bot.standins.github.api import REPOSITORY, Answer, Call, Route
from bot.standins.github.bodies import Body, iso, node, repository_page, repository_url, user
from bot.standins.github.state import CheckRun, Comment
from bot.standins.repository import Person

MOST_ANNOTATIONS = 50
"""A request carries no more."""
STATUSES = ("queued", "in_progress", "completed", "waiting", "requested", "pending")
CONCLUSIONS = ("success", "failure", "neutral", "cancelled", "skipped", "timed_out", "action_required")


def _create_check(call: Call) -> Answer:
    name, sha = call.text("name"), call.text("head_sha")
    if not name or not sha:
        raise Refused(422, "Invalid request. name and head_sha are needed.")
    if not call.repository.git.has(sha):
        raise Refused(422, f"No commit found for SHA: {sha}")
    run = CheckRun(
        id=call.world.number("check", 30_001),
        app=call.token.installation.app,
        head_sha=sha,
        name=name,
        status="queued",
        conclusion=None,
        started_at=iso(call.world.now),
        completed_at=None,
        details_url=None,
        external_id="",
        output={},
        annotations=[],
    )
    _fill(call, run)
    call.repository.checks[run.id] = run
    return Answer(status=201, body=_check(call, run))


def _update_check(call: Call) -> Answer:
    run = call.repository.checks.get(call.number("check_run_id"))
    if run is None:
        raise Refused(404, "Not Found")
    if run.app is not call.token.installation.app:
        raise Refused(403, "Invalid app_id: check run can only be modified by the App that created it")
    _fill(call, run)
    return Answer(body=_check(call, run))


def _fill(call: Call, run: CheckRun) -> None:
    """Take over what a request says. A conclusion completes the run; annotations are added to those before."""
    output = call.field("output")
    told = output if isinstance(output, Mapping) else {}
    annotations = told.get("annotations")
    added = list(annotations) if isinstance(annotations, list) else []
    conclusion, status = call.text("conclusion"), call.text("status")
    if len(added) > MOST_ANNOTATIONS:
        raise Refused(
            422, f"Invalid request. No more than {MOST_ANNOTATIONS} items are allowed; {len(added)} were supplied."
        )
    if conclusion is not None and conclusion not in CONCLUSIONS:
        raise Refused(422, f"Invalid request. {conclusion} is not a conclusion.")
    if status is not None and status not in STATUSES:
        raise Refused(422, f"Invalid request. {status} is not a status.")
    if status == "completed" and conclusion is None:
        raise Refused(422, "Invalid request. A completed check run needs a conclusion.")
    for one in added:
        _hold_annotation(one)
    if told and not (told.get("title") and told.get("summary")):
        raise Refused(422, "Invalid request. title and summary are needed.")
    run.name = call.text("name") or run.name
    run.status = "completed" if conclusion else status or run.status
    run.conclusion = conclusion or run.conclusion
    run.details_url = call.text("details_url") or run.details_url
    run.external_id = call.text("external_id") or run.external_id
    run.started_at = call.text("started_at") or run.started_at
    if conclusion:
        run.completed_at = call.text("completed_at") or iso(call.world.now)
    run.output = {**run.output, **{name: value for name, value in told.items() if name in ("title", "summary", "text")}}
    run.annotations += added


def _hold_annotation(one: Json) -> None:
    needed = {"path": str, "start_line": int, "end_line": int, "annotation_level": str, "message": str}
    if not isinstance(one, Mapping):
        raise Refused(422, "Invalid request. An annotation is not an object.")
    for name, kind in needed.items():
        if not isinstance(one.get(name), kind):
            raise Refused(422, f"Invalid request. {name} of an annotation is missing or of another type.")
    if one["annotation_level"] not in ("notice", "warning", "failure"):
        raise Refused(422, "Invalid request. annotation_level is not one of notice, warning, failure.")


def _checks(call: Call) -> Answer:
    sha = call.repository.git.resolve(call.part("ref"))
    if sha is None:
        raise Refused(422, f"No commit found for SHA: {call.part('ref')}")
    name = call.query("check_name")
    found = [run for run in call.repository.checks.values() if run.head_sha == sha and name in ("", run.name)]
    told: list[Json] = [_check(call, run) for run in found]

    def wrap(page: list[Json]) -> Json:
        return {"total_count": len(told), "check_runs": page}

    return call.page(told, wrap)


def _check(call: Call, run: CheckRun) -> Body:
    api, page = repository_url(call.world, call.repository), repository_page(call.world, call.repository)
    return {
        "id": run.id,
        "head_sha": run.head_sha,
        "node_id": node("CR", run.id),
        "external_id": run.external_id,
        "url": f"{api}/check-runs/{run.id}",
        "html_url": f"{page}/runs/{run.id}",
        "details_url": run.details_url or run.app.external_url,
        "status": run.status,
        "conclusion": run.conclusion,
        "started_at": run.started_at,
        "completed_at": run.completed_at,
        "output": {
            "title": run.output.get("title"),
            "summary": run.output.get("summary"),
            "text": run.output.get("text"),
            "annotations_count": len(run.annotations),
            "annotations_url": f"{api}/check-runs/{run.id}/annotations",
        },
        "name": run.name,
        "check_suite": {"id": run.app.id * 1_000 + 1},
        "app": bodies.app(call.world, run.app),
        "pull_requests": [],
    }


def _create_comment(call: Call) -> Answer:
    pull, body = call.number("issue_number"), call.text("body")
    if pull not in call.repository.pulls:
        raise Refused(404, "Not Found")
    if not body:
        raise Refused(422, "Validation Failed")
    now = call.world.now
    one = Comment(
        id=call.world.number("comment", 20_001),
        number=pull,
        app=call.token.installation.app,
        body=body,
        created_at=now,
        updated_at=now,
    )
    call.repository.comments[one.id] = one
    return Answer(status=201, body=_comment(call, one))


def _update_comment(call: Call) -> Answer:
    one, body = call.repository.comments.get(call.number("comment_id")), call.text("body")
    if one is None:
        raise Refused(404, "Not Found")
    if not body:
        raise Refused(422, "Validation Failed")
    if one.app is not call.token.installation.app:
        raise Refused(403, "Resource not accessible by integration")
    one.body, one.updated_at = body, call.world.now
    return Answer(body=_comment(call, one))


def _comments(call: Call) -> Answer:
    pull = call.number("issue_number")
    if pull not in call.repository.pulls:
        raise Refused(404, "Not Found")
    return call.page([_comment(call, one) for one in call.repository.comments.values() if one.number == pull])


def _comment(call: Call, one: Comment) -> Body:
    api, page = repository_url(call.world, call.repository), repository_page(call.world, call.repository)
    login = f"{one.app.slug}[bot]"
    robot = Person(login=login, name=login, email=f"{one.app.slug}@example.com", number=90_000 + one.app.id)
    return {
        "id": one.id,
        "node_id": node("IC", one.id),
        "url": f"{api}/issues/comments/{one.id}",
        "html_url": f"{page}/pull/{one.number}#issuecomment-{one.id}",
        "issue_url": f"{api}/issues/{one.number}",
        "body": one.body,
        "user": user(call.world, robot),
        "created_at": iso(one.created_at),
        "updated_at": iso(one.updated_at),
        "author_association": "NONE",
        "performed_via_github_app": bodies.app(call.world, one.app),
    }


COMMENTS = f"{REPOSITORY}/issues/{{issue_number}}/comments"
TALK = ("issues", "pull_requests")
ROUTES = (
    Route(
        method="POST",
        template=f"{REPOSITORY}/check-runs",
        handler=_create_check,
        permissions=("checks",),
        level="write",
    ),
    Route(
        method="PATCH",
        template=f"{REPOSITORY}/check-runs/{{check_run_id}}",
        handler=_update_check,
        permissions=("checks",),
        level="write",
    ),
    Route(method="GET", template=f"{REPOSITORY}/commits/{{ref}}/check-runs", handler=_checks, permissions=("checks",)),
    Route(method="GET", template=COMMENTS, handler=_comments, permissions=TALK),
    Route(method="POST", template=COMMENTS, handler=_create_comment, permissions=TALK, level="write"),
    Route(
        method="PATCH",
        template=f"{REPOSITORY}/issues/comments/{{comment_id}}",
        handler=_update_comment,
        permissions=TALK,
        level="write",
    ),
)
