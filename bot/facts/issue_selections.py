"""Which issues of a forge are failures, as somebody said last."""

import json
from collections.abc import Sequence

from bot.dora.instants import Instant
from bot.dora.issues import INSTALLED, IssueSelection, selection_of
from bot.facts.inferences import ISSUES, mark_inferences
from bot.store import Reader, Writer


def record_issue_selection(
    writer: Writer, source: str, *, labels: Sequence[str], types: Sequence[str], at: Instant, receipt: int = 0
) -> IssueSelection:
    """Say which issues of a forge are failures; the newest word, by `(at, receipt)`, stands. Returns what stands."""
    writer.lock("issue_selection", source)
    before = load_issue_selection(writer, source)
    said = selection_of(labels, types)
    repositories = writer.fetch("repositories_with_issues_at", int, forge=source)
    row = (source, json.dumps(said.labels, ensure_ascii=False), json.dumps(said.types, ensure_ascii=False), at, receipt)
    writer.write_many("issue_selection", [row], on_conflict="newer")
    after = load_issue_selection(writer, source)
    if after != before:
        mark_inferences(writer, [(ISSUES, id) for id in repositories])
    return after


def load_issue_selection(reader: Reader, source: str) -> IssueSelection:
    """Which issues of a forge are failures."""
    return next(iter(reader.fetch("issue_selection", _selection, source=source)), INSTALLED[source])


def _selection(labels: str, types: str) -> IssueSelection:
    return IssueSelection(labels=tuple(json.loads(labels)), types=tuple(json.loads(types)))
