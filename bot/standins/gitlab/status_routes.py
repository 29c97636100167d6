"""The API by which outside parties say what they think of a commit."""

from aiohttp import web

from bot.standins.gitlab import commit_entities, reading
from bot.standins.gitlab.calls import WRITER, Call, Refused, not_found
from bot.standins.gitlab.state import CommitStatus

STATES = {"pending": "enqueue", "running": "run", "success": "success", "failed": "drop", "canceled": "cancel"}
UNFINISHED = frozenset({"pending", "running"})


async def create(call: Call) -> web.Response:
    """Say it: an unfinished status of the same name is carried on, a finished one replaced; none may repeat itself unfinished."""
    project = call.project(WRITER)
    state, now = call.needed("state"), call.forge.now
    if state not in STATES:
        raise Refused(400, {"error": "state does not have a valid value"})
    sha = reading.expand(project.git, call.request.match_info["sha"])
    if sha is None:
        raise not_found("Commit")
    name = call.word("name") or call.word("context", "default")
    ref = call.word("ref") or next((n for n, tip in project.git.branches().items() if tip == sha), "")
    found = next((s for s in project.statuses if (s.sha, s.name, s.retried) == (sha, name, False)), None)
    if found is not None and found.status in UNFINISHED:
        if found.status == state:
            raise Refused(400, {"message": f"Cannot transition status via :{STATES[state]} from :{state}"})
        seen = found
    else:
        if found is not None:
            found.retried = True
        seen = CommitStatus(
            id=call.forge.number("status", 600), sha=sha, name=name, status=state, ref=ref, author=call.user().user,
            created_at=now,
        )  # fmt: skip
        project.statuses.append(seen)
    seen.status = state
    seen.finished_at = None if state in UNFINISHED else now
    seen.target_url = call.word("target_url") or seen.target_url
    seen.description = call.word("description") or seen.description
    return call.answer(commit_entities.status(project, seen), 201)


async def list_statuses(call: Call) -> web.Response:
    """What is said of a commit; the replaced ones only with `all`."""
    project = call.project()
    sha = reading.expand(project.git, call.request.match_info["sha"])
    if sha is None:
        raise not_found("Commit")
    name = call.word("name")
    found = [
        seen for seen in project.statuses
        if seen.sha == sha and name in {"", seen.name} and (call.flag("all") or not seen.retried)
    ]  # fmt: skip
    return call.paged(found, lambda seen: commit_entities.status(project, seen))


ROUTES = {
    "POST /projects/{id}/statuses/{sha}": create,
    "GET /projects/{id}/repository/commits/{sha}/statuses": list_statuses,
}
