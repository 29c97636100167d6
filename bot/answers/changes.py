"""The commits of a deployment: the kept ones from the table, the dropped ones computed when asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.answers.cursors import Cursor
from bot.answers.questions import PAGE, Form, Page, Parameters
from bot.answers.rows import DeploymentRow
from bot.dora.changes import Candidate
from bot.dora.commits import Sha
from bot.dora.instants import Duration, Instant
from bot.dora.lead_time import STAGES
from bot.store import Reader


class ExplainSource(Protocol):
    """What is computed when asked, from the history in memory; both raise nothing and give () where there is no range."""

    def candidates(self, reader: Reader, deployment_id: str, /) -> Sequence[Candidate]:
        """Every commit of the deployment's range, kept and dropped, newest first."""
        ...

    def taken_back(self, reader: Reader, deployment_id: str, /) -> Sequence[Sha]:
        """The commits that a deployment which moved backwards took out of service, newest first."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeShown:
    """A commit of a deployment: kept, or dropped with the reason; durations in nanoseconds. Fields are the API's."""

    sha: Sha
    authored_at: Instant | None
    committed_at: Instant | None
    subject: str | None
    author: str | None
    pull_request: int | None
    kept: bool
    reason: str | None
    change_lead_time: Duration | None
    stages: Mapping[str, Duration | None]
    absent: Mapping[str, str]
    """Why a stage has no value."""
    redeployed: bool
    original_of: Sha | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeList:
    """A page of a deployment's commits, newest first."""

    data: tuple[ChangeShown, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Commit:
    authored_at: Instant | None
    committed_at: Instant | None
    author: str
    subject: str


def parse_changes(parameters: Parameters) -> tuple[bool, Page]:
    """Whether only the kept ones are asked for, and which page. Raises QuestionError."""
    form = Form(parameters, known=("kept", *PAGE))
    return form.flag("kept"), form.page(int)


def list_changes(
    reader: Reader, source: ExplainSource, row: DeploymentRow, *, kept_only: bool, page: Page
) -> ChangeList:
    """A page of the commits of a deployment."""
    changes = load_kept(reader, row.id) if kept_only else load_changes(reader, source, row)
    start = 0 if page.after is None else max(0, int(page.after[0]))
    end = start + page.limit
    return ChangeList(
        data=tuple(changes[start:end]), next=Cursor.encode((end,)) if end < len(changes) else None
    )


def load_kept(reader: Reader, deployment_id: str) -> list[ChangeShown]:
    """The changes of a deployment, newest first."""
    return reader.fetch("answer_changes", _kept, deployment_id=deployment_id)


def load_changes(reader: Reader, source: ExplainSource, row: DeploymentRow) -> list[ChangeShown]:
    """Every commit of a deployment's range: the kept ones as stored, and the dropped ones with their reasons."""
    kept = {change.sha: change for change in load_kept(reader, row.id)}
    candidates = source.candidates(reader, row.id)
    dropped = [candidate for candidate in candidates if not candidate.kept and candidate.sha not in kept]
    repository_id = _repository_id(reader, row.repository)
    shas = [candidate.sha for candidate in dropped]
    commits = dict(reader.fetch_in("answer_commits", _commit, shas, repository_id=repository_id)) if shas else {}
    numbers = _numbers(reader, repository_id, shas)
    shown: list[ChangeShown] = []
    for candidate in candidates:
        if candidate.sha in kept:
            shown.append(kept.pop(candidate.sha))
        elif not candidate.kept:
            shown.append(_dropped(candidate, commits.get(candidate.sha), numbers.get(candidate.sha)))
    # Kept rows that the history no longer finds stay visible: the table is what the metrics count.
    return shown + list(kept.values())


def _repository_id(reader: Reader, name: str) -> int:
    found = reader.fetch("answer_repositories", _id_and_name)
    return next((id for id, known in found if known == name), 0)


def _id_and_name(id: int, name: str, *_: object) -> tuple[int, str]:
    return id, name


def _numbers(reader: Reader, repository_id: int, shas: list[Sha]) -> dict[Sha, int]:
    found = reader.fetch_in("answer_introduced", _introduced, shas, repository_id=repository_id) if shas else []
    least: dict[Sha, tuple[Instant, int]] = {}
    for sha, order in found:
        least[sha] = min(order, least.get(sha, order))
    return {sha: number for sha, (_, number) in least.items()}


def _introduced(sha: Sha, number: int, merged_at: Instant) -> tuple[Sha, tuple[Instant, int]]:
    return sha, (merged_at, number)


def _commit(
    sha: Sha, authored_at: Instant | None, committed_at: Instant | None, author: str, subject: str
) -> tuple[Sha, _Commit]:
    return sha, _Commit(authored_at=authored_at, committed_at=committed_at, author=author, subject=subject)


def _dropped(candidate: Candidate, commit: _Commit | None, number: int | None) -> ChangeShown:
    return ChangeShown(
        sha=candidate.sha,
        authored_at=None if commit is None else commit.authored_at,
        committed_at=None if commit is None else commit.committed_at,
        subject=None if commit is None else commit.subject,
        author=None if commit is None else commit.author,
        pull_request=number,
        kept=False,
        reason=candidate.reason,
        change_lead_time=None,
        stages=dict.fromkeys(STAGES),
        absent={},
        redeployed=candidate.redeployed,
        original_of=candidate.original_of,
    )


def _kept(
    sha: Sha,
    position: int,
    original_of: Sha | None,
    number: int | None,
    redeployed: int,
    lead_time: Duration | None,
    time_to_pr_ready: Duration | None,
    review_time: Duration | None,
    merge_time: Duration | None,
    time_to_deploy: Duration | None,
    deploy_time: Duration | None,
    absent: str,
    authored_at: Instant | None,
    committed_at: Instant | None,
    author: str | None,
    subject: str | None,
) -> ChangeShown:
    durations = (time_to_pr_ready, review_time, merge_time, time_to_deploy, deploy_time)
    return ChangeShown(
        sha=sha,
        authored_at=authored_at,
        committed_at=committed_at,
        subject=subject,
        author=author,
        pull_request=number,
        kept=True,
        reason=None,
        change_lead_time=lead_time,
        stages=dict(zip(STAGES, durations, strict=True)),
        absent={name: reason for name, reason in zip(STAGES, absent.split(","), strict=False) if reason},
        redeployed=bool(redeployed),
        original_of=original_of,
    )
