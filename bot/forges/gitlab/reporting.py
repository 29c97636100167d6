"""What the bot says under a merge request: a commit status, and one note where there is something to read.

A note is written for annotations or a failure; once there, it is edited in place, also when all is well again. It is known by
its number, else by a mark that nobody sees.
"""

import msgspec

from bot.forges.client import ForgeUnavailableError, NotThereError, Report, RepositoryKey
from bot.forges.gitlab import answers
from bot.forges.gitlab.projects import Projects
from bot.guard import GuardError, decode_json_as

NAME = "Rollforward"
MARK = "<!-- rollforward: this note is edited in place -->"
STATES = {"success": "success", "neutral": "success", "failure": "failed"}
"""GitLab has no neutral: what blocks nobody is a success, and says the rest in words."""
NEEDS = "a token with the scope api and at least the role Developer in the project"
MOST_ANNOTATIONS = 50
LONGEST_DESCRIPTION = 140
LONGEST_NOTE = 100_000


class _Remote(msgspec.Struct):
    note: int | None = None


async def send_report(projects: Projects, repository: RepositoryKey, report: Report, *, remote: str) -> str:
    """Say it; returns what finds it again. Raises as the client's calls do."""
    known = _known(remote)
    await _set_status(projects, repository, report)
    note = await _set_note(projects, repository, report, known.note)
    return msgspec.json.encode(_Remote(note=note)).decode()


def _known(remote: str) -> _Remote:
    try:
        return decode_json_as(_Remote, remote.encode()) if remote else _Remote()
    except GuardError:
        return _Remote()


async def _set_status(projects: Projects, repository: RepositoryKey, report: Report) -> None:
    body = {"name": NAME, "state": STATES[report.conclusion], "description": report.title[:LONGEST_DESCRIPTION]}
    if report.details_url:
        body["target_url"] = report.details_url
    path = await projects.path(repository, f"/statuses/{report.head_sha}")
    try:
        await projects.api.send("post", path, object, body, needs=NEEDS)
    except ForgeUnavailableError as error:
        # The same status said again is no transition to GitLab, and no failure to us.
        if error.slug != "refused" or "Cannot transition status" not in error.detail:
            raise


async def _set_note(projects: Projects, repository: RepositoryKey, report: Report, known: int | None) -> int | None:
    path = await projects.path(repository, f"/merge_requests/{report.number}/notes")
    said = {"body": note_of(report)}
    if known is not None:
        try:
            await projects.api.send("put", f"{path}/{known}", object, said, needs=NEEDS)
        except NotThereError:
            known = None
        else:
            return known
    wanted = bool(report.annotations) or report.conclusion == "failure"
    notes = await projects.api.all(path, answers.Note, {"sort": "asc", "order_by": "created_at"}, needs=NEEDS)
    found = next((note for note in notes if note.body.startswith(MARK)), None)
    if found is not None:
        if found.body != said["body"]:
            await projects.api.send("put", f"{path}/{found.id}", object, said, needs=NEEDS)
        return found.id
    if not wanted:
        return None
    return (await projects.api.send("post", path, answers.Created, said, needs=NEEDS)).id


def note_of(report: Report) -> str:
    """The note's Markdown, its findings as a list."""
    shown = report.annotations[:MOST_ANNOTATIONS]
    lines = [f"- **{one.level}** `{_code(one.path)}:{one.line}`: {_plain(one.message)}" for one in shown]
    if len(report.annotations) > len(shown):
        lines.append(f"- … and {len(report.annotations) - len(shown)} more")
    parts = [MARK, f"**{_plain(report.title)}**", report.summary, "\n".join(lines)]
    if report.details_url:
        parts.append(f"[Details]({report.details_url})")
    return "\n\n".join(part for part in parts if part)[:LONGEST_NOTE]


def _code(text: str) -> str:
    return text.replace("`", "'").replace("\n", " ")


def _plain(text: str) -> str:
    """Text that mentions nobody and draws nothing: a finding quotes what people wrote."""
    escaped = "".join(f"\\{char}" if char in "\\`*_[]<>#!|~" else char for char in " ".join(text.split()))
    return escaped.replace("@", "@\u2060")
