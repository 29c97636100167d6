"""The failures that follow from a repository's issues: reads its facts for `bot.dora.issues`."""

import json

from bot.dora.failures import NewFailure
from bot.dora.inference import FORGES
from bot.dora.issues import Issue, infer_failures, is_failure
from bot.facts.forge_facts import IssueRow
from bot.facts.issue_selections import load_issue_selection
from bot.facts.registry import RepositoryRow
from bot.pipeline.derive.inferred_forge import defined_services, load_bearer
from bot.store import Reader


def infer_issues(reader: Reader, repository_id: int) -> list[NewFailure]:
    """The failures that the issues of a repository are, in one snapshot."""
    found = reader.fetch("repository_by_number", RepositoryRow, id=repository_id)
    if not found or found[0].forge not in FORGES:
        return []
    row = found[0]
    selection = load_issue_selection(reader, row.forge)
    told = map(_issue, reader.fetch("forge_issues_of", IssueRow, repository_id=row.id))
    issues = [issue for issue in told if is_failure(issue, selection)]
    if not issues:
        return []
    return infer_failures(
        load_bearer(reader, row), services=defined_services(reader, row), selection=selection, issues=issues
    )


def _issue(row: IssueRow) -> Issue:
    unlabeled = frozenset(json.loads(row.unlabeled))
    return Issue(
        number=row.number, kind=row.kind, title=row.title, severity=row.severity, state=row.state, created_at=row.created_at,
        told_at=row.told_at, labels=tuple(label for label in json.loads(row.labels) if label not in unlabeled),
        changes=tuple((at, state) for at, state in json.loads(row.changes)),
    )  # fmt: skip
