"""The API about merge requests."""

from collections.abc import Callable

from aiohttp import web

from bot.standins.gitlab import commit_entities, merge_request_entities, reading
from bot.standins.gitlab.calls import WRITER, Call, Refused, forbidden, not_found
from bot.standins.gitlab.state import MergeRequest, Note

ORDERS: dict[str, Callable[[MergeRequest], tuple[int, int]]] = {
    "created_at": lambda mr: (mr.created_at, mr.id),
    "updated_at": lambda mr: (mr.updated_at, mr.id),
    "merged_at": lambda mr: (mr.merged_at or 0, mr.id),
}


async def list_merge_requests(call: Call) -> web.Response:
    """The merge requests of a project, newest first unless told otherwise."""
    project = call.project()
    order = call.word("order_by", "created_at")
    if order not in ORDERS:
        raise Refused(400, {"error": "order_by does not have a valid value"})
    found = [mr for mr in project.merge_requests.values() if _wanted(call, mr)]
    found.sort(key=ORDERS[order], reverse=call.word("sort", "desc") == "desc")
    return call.paged(found, lambda mr: merge_request_entities.merge_request(project, mr))


def _wanted(call: Call, mr: MergeRequest) -> bool:
    if call.word("state", "all") not in {"all", mr.state}:
        return False
    if call.word("source_branch", mr.source) != mr.source or call.word("target_branch", mr.target) != mr.target:
        return False
    updated_after, updated_before = call.instant("updated_after"), call.instant("updated_before")
    created_after, created_before = call.instant("created_after"), call.instant("created_before")
    return (
        (updated_after is None or mr.updated_at >= updated_after)
        and (updated_before is None or mr.updated_at <= updated_before)
        and (created_after is None or mr.created_at >= created_after)
        and (created_before is None or mr.created_at <= created_before)
    )


async def one_merge_request(call: Call) -> web.Response:
    """A merge request whole."""
    return call.answer(merge_request_entities.whole_merge_request(*call.merge_request()))


async def approvals(call: Call) -> web.Response:
    """Who has approved; readable without Premium too."""
    project, mr = call.merge_request()
    return call.answer(merge_request_entities.approvals(project, mr, call.token.user if call.token else None))


async def state_events(call: Call) -> web.Response:
    """When it was closed, reopened, merged."""
    project, mr = call.merge_request()
    return call.paged(mr.state_turns, lambda turn: merge_request_entities.state_turn(project, mr, turn))


async def label_events(call: Call) -> web.Response:
    """When labels came and went."""
    project, mr = call.merge_request()
    return call.paged(mr.label_turns, lambda turn: merge_request_entities.label_turn(project, mr, turn))


async def notes(call: Call) -> web.Response:
    """Comments and GitLab's own lines, newest first."""
    project, mr = call.merge_request()
    order, only = call.word("order_by", "created_at"), call.word("activity_filter", "all_notes")
    found = [
        note for note in mr.notes if only == "all_notes" or note.system == (only == "only_activity")
    ]
    found.sort(
        key=lambda note: (note.updated_at if order == "updated_at" else note.created_at, note.id),
        reverse=call.word("sort", "desc") == "desc",
    )
    return call.paged(found, lambda note: merge_request_entities.note(project, mr, note))


async def one_note(call: Call) -> web.Response:
    """A comment."""
    project, mr = call.merge_request()
    return call.answer(merge_request_entities.note(project, mr, _note(call, mr)))


async def create_note(call: Call) -> web.Response:
    """Comment."""
    call.project(WRITER)
    project, mr = call.merge_request()
    now, author = call.forge.now, call.user().user
    note = Note(
        id=call.forge.number("note", 20_000), body=call.needed("body"), author=author, created_at=now, updated_at=now
    )
    mr.notes.append(note)
    return call.answer(merge_request_entities.note(project, mr, note), 201)


async def edit_note(call: Call) -> web.Response:
    """Change a comment of one's own."""
    call.project(WRITER)
    project, mr = call.merge_request()
    note = _note(call, mr)
    if note.system or note.author.login != call.user().user.login:
        raise forbidden()
    note.body, note.updated_at = call.needed("body"), call.forge.now
    return call.answer(merge_request_entities.note(project, mr, note))


async def delete_note(call: Call) -> web.Response:
    """Take a comment back."""
    call.project(WRITER)
    _, mr = call.merge_request()
    mr.notes.remove(_note(call, mr))
    return web.Response(status=204)


def _note(call: Call, mr: MergeRequest) -> Note:
    wanted = call.request.match_info["note_id"]
    for note in mr.notes:
        if str(note.id) == wanted:
            return note
    raise not_found("Note")


async def commits(call: Call) -> web.Response:
    """Its commits, newest first, as they were in its branch."""
    project, mr = call.merge_request()
    found = project.git.commits_between(mr.base, mr.head)[::-1]
    return call.paged(found, lambda sha: commit_entities.commit(project, sha))


async def diffs(call: Call) -> web.Response:
    """The files it changes."""
    project, mr = call.merge_request()
    found = reading.diff(project.git, mr.base, mr.head)
    return call.paged(found, lambda seen: commit_entities.file_diff(project, seen))


BASE = "/projects/{id}/merge_requests"
ROUTES = {
    f"GET {BASE}": list_merge_requests,
    f"GET {BASE}/{{iid}}": one_merge_request,
    f"GET {BASE}/{{iid}}/approvals": approvals,
    f"GET {BASE}/{{iid}}/resource_state_events": state_events,
    f"GET {BASE}/{{iid}}/resource_label_events": label_events,
    f"GET {BASE}/{{iid}}/notes": notes,
    f"POST {BASE}/{{iid}}/notes": create_note,
    f"GET {BASE}/{{iid}}/notes/{{note_id}}": one_note,
    f"PUT {BASE}/{{iid}}/notes/{{note_id}}": edit_note,
    f"DELETE {BASE}/{{iid}}/notes/{{note_id}}": delete_note,
    f"GET {BASE}/{{iid}}/commits": commits,
    f"GET {BASE}/{{iid}}/diffs": diffs,
}
