"""GitHub's issues: their labels and type, when they were opened, closed and reopened, and whether they are still there.

The traps: an issue that was reopened still says when it had been closed; `closed` and `reopened` are told in whole seconds; an issue
that is transferred is opened again in the other repository, with the instant of its birth.
"""

from msgspec import Struct

from bot.dora.events import ForgeEvent, IssueSeen
from bot.dora.issues import CLOSED, DELETED, ISSUE, OPEN
from bot.forges import PayloadError, fields
from bot.forges.github.pull_requests import Label
from bot.forges.github.shapes import WithRepository, repository_ref
from bot.forges.table import Origin, Table, entries, silent
from bot.guard import decode_json_as


class _Type(Struct):
    name: str


class _Issue(Struct):
    number: int
    state: str
    updated_at: str
    title: str | None = None
    created_at: str | None = None
    closed_at: str | None = None
    labels: list[Label] | None = None
    type: _Type | None = None


class _IssueEvent(WithRepository, kw_only=True):
    action: str
    issue: _Issue
    label: Label | None = None


def _read_issue(body: bytes, origin: Origin) -> ForgeEvent:
    event = decode_json_as(_IssueEvent, body)
    seen = event.issue
    if seen.state not in (OPEN, CLOSED):
        raise PayloadError("bad_state", "an issue is neither open nor closed")
    updated_at = fields.needed_instant(seen.updated_at)
    created_at, closed_at = fields.instant(seen.created_at), fields.instant(seen.closed_at)
    known = [(created_at, OPEN), (closed_at, CLOSED), (updated_at if event.action == "reopened" else None, OPEN)]
    return IssueSeen(
        repository=repository_ref(event, origin, seen_at=updated_at),
        number=fields.number(seen.number),
        kind=fields.name(seen.type.name).strip().casefold() or ISSUE if seen.type else ISSUE,
        title=fields.name(seen.title),
        labels=tuple(sorted({fields.name(label.name) for label in seen.labels or ()})),
        severity="",
        state=DELETED if event.action in ("deleted", "transferred") else seen.state,
        created_at=created_at,
        closed_at=closed_at if seen.state == CLOSED else None,
        at=updated_at,
        changes=tuple((at, state) for at, state in known if at is not None),
        unlabeled=(fields.name(event.label.name),) if event.action == "unlabeled" and event.label else (),
    )


ISSUES: Table = {
    **entries("issues", _read_issue, {
        "opened": "An issue is there: its title, labels and type.",
        "edited": "Its title is another.",
        "labeled": "Labels are others; of two events in one second each label counts that either shows.",
        "unlabeled": "Labels are others.",
        "typed": "Its type is another.",
        "untyped": "It has no type any more.",
        "closed": "It is closed.",
        "reopened": "It is open again.",
        "transferred": "It is gone here, and opened in another repository.",
        "deleted": "It is gone.",
    }),
    **silent("issues"),
}  # fmt: skip
