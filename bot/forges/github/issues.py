"""GitHub's issues, in events and in the API: their labels and type, when they were opened, closed and reopened, and whether they are still there.

The traps: an issue that was reopened still says when it had been closed; `closed` and `reopened` are told in whole seconds; an issue
that is transferred is opened again in the other repository, with the instant of its birth.
"""

from collections.abc import Iterable

from msgspec import Struct

from bot.dora.events import ForgeEvent, IssueSeen, RepositoryRef
from bot.dora.instants import Instant
from bot.dora.issues import CLOSED, DELETED, ISSUE, OPEN
from bot.forges import PayloadError, fields
from bot.forges.github.pull_requests import Label
from bot.forges.github.shapes import WithRepository, repository_ref
from bot.forges.table import Origin, Table, entries, silent
from bot.guard import decode_json_as

_TURNS = {"closed": CLOSED, "reopened": OPEN}


class _Type(Struct):
    name: str


class IssueShape(Struct):
    """An issue, in events and in the API, which lists pull requests among them."""

    number: int
    state: str
    updated_at: str
    title: str | None = None
    created_at: str | None = None
    closed_at: str | None = None
    labels: list[Label] | None = None
    type: _Type | None = None
    pull_request: dict[str, object] | None = None


class TurnShape(Struct):
    """Something that happened to an issue."""

    event: str
    created_at: str


class _IssueEvent(WithRepository, kw_only=True):
    action: str
    issue: IssueShape
    label: Label | None = None


def _read_issue(body: bytes, origin: Origin) -> ForgeEvent:
    event = decode_json_as(_IssueEvent, body)
    updated_at = fields.needed_instant(event.issue.updated_at)
    gone = event.action in ("deleted", "transferred")
    return issue_seen(
        event.issue,
        repository=repository_ref(event, origin, seen_at=updated_at),
        turns=[(updated_at, OPEN)] if event.action == "reopened" else [],
        state=DELETED if gone else "",
        unlabeled=(fields.name(event.label.name),) if event.action == "unlabeled" and event.label else (),
    )


def turns_of(events: Iterable[TurnShape]) -> list[tuple[Instant, str]]:
    """When an issue was closed and opened again, out of all that happened to it. Raises PayloadError."""
    return [(fields.needed_instant(one.created_at), _TURNS[one.event]) for one in events if one.event in _TURNS]


def issue_seen(
    seen: IssueShape,
    *,
    repository: RepositoryRef,
    turns: Iterable[tuple[Instant, str]] = (),
    state: str = "",
    unlabeled: tuple[str, ...] = (),
) -> IssueSeen:
    """An issue with the changes of state that are known beside those it tells itself. Raises PayloadError."""
    if seen.state not in (OPEN, CLOSED):
        raise PayloadError("bad_state", "an issue is neither open nor closed")
    created_at, closed_at = fields.instant(seen.created_at), fields.instant(seen.closed_at)
    known = [(created_at, OPEN), (closed_at, CLOSED), *turns]
    return IssueSeen(
        repository=repository,
        number=fields.number(seen.number),
        kind=fields.name(seen.type.name).strip().casefold() or ISSUE if seen.type else ISSUE,
        title=fields.name(seen.title),
        labels=tuple(sorted({fields.name(label.name) for label in seen.labels or ()})),
        severity="",
        state=state or seen.state,
        created_at=created_at,
        closed_at=closed_at if seen.state == CLOSED else None,
        at=fields.needed_instant(seen.updated_at),
        changes=tuple((at, turned) for at, turned in known if at is not None),
        unlabeled=unlabeled,
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
