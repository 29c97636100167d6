"""Which issues and incidents of forges are failures, and what their labels say of them.

Rules:
- An issue is a failure while it bears one of the selected labels, or is of one of the selected types; case does not matter.
- Labels `service:x`, `env:x`, `team:x`, `severity:x` (with `::` too) and `sev1` say it more exactly than anything else.
- It is active from its opening until it is closed, and again from each reopening on.
- A deleted issue, and one that was moved to another repository, is none: there it is told again.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bot.dora.failures import NewFailure, Span, State, StateChange, resolved_at, spans_of, state_of, time_to_restore
from bot.dora.inference import Bearer, Services
from bot.dora.instants import Instant

OPEN, CLOSED, DELETED = "open", "closed", "deleted"
ISSUE, INCIDENT = "issue", "incident"
"""Types: what an issue without one is, and what GitLab calls its incidents."""

_SEVERITY = re.compile(r"sev(?:erity)?[-_ ]?[0-9]", re.IGNORECASE)
_KEYS: Final[Mapping[str, str]] = {
    "service": "service", "env": "env", "environment": "env", "team": "team", "severity": "severity", "sev": "severity",
}  # fmt: skip
_STATES: Final = {OPEN: State.ACTIVE, CLOSED: State.RESOLVED}


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueSelection:
    """Which issues are failures: those with one of these labels, or of one of these types; both in lower case, sorted."""

    labels: tuple[str, ...]
    types: tuple[str, ...]

    @property
    def words(self) -> str:
        """As a person says it."""
        said = [f"issues of type {' or '.join(self.types)}"] if self.types else []
        return ", and ".join([*said, *([f"issues labelled {' or '.join(self.labels)}"] if self.labels else [])])


INSTALLED: Final[Mapping[str, IssueSelection]] = {
    "github": IssueSelection(labels=(INCIDENT,), types=()),
    "gitlab": IssueSelection(labels=(INCIDENT,), types=(INCIDENT,)),
}
"""By source, until somebody says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """An issue as its forge told of it last. `changes` are the openings, closings and reopenings that are known."""

    number: int
    kind: str
    title: str
    labels: tuple[str, ...]
    severity: str
    state: str
    created_at: Instant | None
    told_at: Instant
    changes: tuple[tuple[Instant, str], ...]


def selection_of(labels: Iterable[str], types: Iterable[str]) -> IssueSelection:
    """A selection as somebody writes it."""
    return IssueSelection(labels=_lower(labels), types=_lower(types))


def is_failure(issue: Issue, selection: IssueSelection) -> bool:
    """Whether an issue is selected, and there."""
    return issue.state != DELETED and is_chosen(issue.kind, issue.labels, selection)


def is_chosen(kind: str, labels: Iterable[str], selection: IssueSelection) -> bool:
    """Whether an issue of that type and with these labels is one that counts as a failure."""
    return kind.casefold() in selection.types or not set(selection.labels).isdisjoint(_lower(labels))


def infer_failures(
    bearer: Bearer, *, services: Services, selection: IssueSelection, issues: Sequence[Issue]
) -> list[NewFailure]:
    """The failures that follow from a repository's issues; `services` are those whose definition names the repository."""
    return [_failure(bearer, services, issue) for issue in issues if is_failure(issue, selection)]


def issue_spans(issue: Issue) -> tuple[Span, ...]:
    """The periods in which an issue was open and closed."""
    return spans_of(_changes(issue))


def _failure(bearer: Bearer, services: Services, issue: Issue) -> NewFailure:
    said = _said_by(issue.labels)
    changes = _changes(issue)
    spans = spans_of(changes)
    begun = min(change.at for change in changes)
    name = bearer.called(begun)
    severity = min(said["severity"], key=str.casefold, default="")
    return NewFailure(
        id=_id(bearer, issue.number),
        source=bearer.forge,
        services=tuple(said["service"]) or tuple(shown for _, shown in sorted(services.items())),
        teams=tuple(said["team"]),
        envs=tuple(said["env"]),
        name=issue.title,
        severity=severity or ("" if issue.severity.casefold() == "unknown" else issue.severity),
        version="",
        repository_url=f"https://{name}",
        repository=name,
        commit_sha=None,
        started_at=begun,
        finished_at=resolved_at(spans),
        state=state_of(spans) or State.ACTIVE,
        time_to_restore=time_to_restore(spans),
        tags=(f"issue:{name}#{issue.number}",),
    )


def _changes(issue: Issue) -> list[StateChange]:
    """All that is known of when it was open; what its newest event shows stands in for a change that nobody told."""
    told = {*issue.changes, (issue.told_at, issue.state)}
    if issue.created_at is not None:
        told.add((issue.created_at, OPEN))
    # Forges tell whole seconds: what was opened and closed within one is closed.
    return [StateChange(at=at, told_at=0, receipt=int(state == CLOSED), state=_STATES[state]) for at, state in told]


def _said_by(labels: Iterable[str]) -> defaultdict[str, list[str]]:
    """What labels say, by the key that they bear; values as written."""
    said: defaultdict[str, list[str]] = defaultdict(list)
    for label in sorted(labels):
        if _SEVERITY.fullmatch(label.strip()):
            said["severity"].append(label.strip())
            continue
        word, _, rest = label.partition(":")
        key, value = _KEYS.get(word.strip().casefold()), rest.lstrip(":").strip()
        if key is not None and value:
            said[key].append(value)
    return said


def _id(bearer: Bearer, number: int) -> str:
    """Of the forge's number of the repository: a name may be another repository's one day."""
    return f"{(bearer.number or bearer.first_name).replace(' ', ':').replace('/', ':')}:{number}"


def _lower(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({word.strip().casefold() for word in words} - {""}))
