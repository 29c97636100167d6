"""The classification stage: what each deployment of a series is, and which earlier one it mends, with the evidence."""

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from bot.dora.changes import Limits
from bot.dora.commits import Sha
from bot.dora.deployments import Series
from bot.dora.history import History
from bot.dora.pull_requests import PullRequest
from bot.dora.reasons import NotComputed
from bot.dora.remediation import Carried, CarriedChange, Classified, classify
from bot.dora.rules import CompiledRules, matches
from bot.facts.pull_requests import load_pull_requests
from bot.pipeline.derive.changes_stage import SeriesFacts, load_series
from bot.pipeline.derive.difference import CLASSIFICATION, REMEDIATION, Edit, difference
from bot.pipeline.derive.origins import StoredOrigins, load_messages
from bot.pipeline.derive.sources import Sources
from bot.store import Reader, Row


class _Change(NamedTuple):
    deployment_id: str
    sha: Sha
    original_of: Sha | None
    number: int | None
    repository_id: int
    redeployed: int


class _Flags(NamedTuple):
    deployment_id: str
    not_computed: str | None
    flags: str


def derive_series_classification(reader: Reader, sources: Sources, series: Series, *, limits: Limits) -> list[Edit]:
    """What makes the classification of a whole series what its facts and changes say: a late deployment may change what
    failed before it."""
    facts = load_series(reader, sources, series)
    rules = sources.rules(reader)
    where = {"service": series.service, "env": series.env}
    changes: dict[str, list[_Change]] = defaultdict(list)
    for change in reader.fetch("series_carried", _Change, **where):
        changes[change.deployment_id].append(change)
    moved = {
        row.deployment_id
        for row in reader.fetch("series_flags", _Flags, **where)
        if row.not_computed == NotComputed.MOVED_BACKWARDS
    }
    carried = _carried(reader, sources, facts, changes, moved, rules)

    def origins(repository: str) -> StoredOrigins:
        seen = facts.repositories.get(repository)
        return StoredOrigins(reader, None if seen is None else seen.row, History() if seen is None else seen.view.history)

    known: dict[str, StoredOrigins] = {}
    found = classify(carried, rules, lambda name: known.setdefault(name, origins(name)))
    return [
        *difference(CLASSIFICATION, reader.fetch("series_classifications", _row, **where), map(_classification, found)),
        *difference(
            REMEDIATION,
            reader.fetch("series_remediations", _row, **where),
            [row for one in found for row in _remediations(one)],
        ),
    ]


def _carried(
    reader: Reader,
    sources: Sources,
    facts: SeriesFacts,
    changes: dict[str, list[_Change]],
    moved: set[str],
    rules: CompiledRules,
) -> list[Carried]:
    everything = [change for rows in changes.values() for change in rows]
    messages = _speaking(reader, sources, everything, rules)
    pull_requests = _pull_requests(reader, everything)
    carried = []
    for deployment in facts.deployments:
        rows = changes.get(deployment.id, [])
        squashed = {bytes(row.original_of) for row in rows if row.original_of is not None}
        numbers = {(row.repository_id, row.number) for row in rows if row.number is not None}
        carried.append(
            Carried(
                deployment=deployment,
                changes=tuple(
                    CarriedChange(
                        sha=bytes(row.sha), message=messages.get((row.repository_id, bytes(row.sha)), ""),
                        original_of=None if row.original_of is None else bytes(row.original_of), number=row.number,
                        redeployed=bool(row.redeployed),
                    )
                    for row in rows
                ),
                pull_requests=tuple(pull_requests[key] for key in sorted(numbers) if key in pull_requests),
                squashed=tuple(
                    (sha, messages[rows[0].repository_id, sha])
                    for sha in sorted(squashed)
                    if (rows[0].repository_id, sha) in messages
                ),
                moved_backwards=deployment.id in moved,
            )
        )
    return carried


def _speaking(
    reader: Reader, sources: Sources, changes: Sequence[_Change], rules: CompiledRules
) -> dict[tuple[int, Sha], str]:
    """The messages in which a rule sees something. Those found silent once are not read again: a sha is its message."""
    wanted: dict[int, set[Sha]] = defaultdict(set)
    for change in changes:
        wanted[change.repository_id].add(bytes(change.sha))
        if change.original_of is not None:
            wanted[change.repository_id].add(bytes(change.original_of))
    about_messages = [rule for rule in (*rules.linked, *rules.static) if rule.rule.field == "commit_message"]
    silent = sources.silent(rules)
    spoken: dict[tuple[int, Sha], str] = {}
    for repository_id, shas in wanted.items():
        for sha, text in load_messages(reader, repository_id, shas - silent).items():
            if any(matches(rule, (text,)) for rule in about_messages):
                spoken[repository_id, sha] = text
            else:
                silent.add(sha)
    return spoken


def _pull_requests(reader: Reader, changes: Sequence[_Change]) -> dict[tuple[int, int], PullRequest]:
    numbers: dict[int, set[int]] = defaultdict(set)
    for change in changes:
        if change.number is not None:
            numbers[change.repository_id].add(change.number)
    return {
        (repository_id, record.pull_request.number): record.pull_request
        for repository_id, wanted in numbers.items()
        for record in load_pull_requests(reader, repository_id, sorted(wanted))
    }


def _classification(found: Classified) -> Row:
    reasons = [[one.rule, one.reason.value, one.value] for one in found.reasons]
    return found.deployment_id, found.type, json.dumps(list(found.flags)), json.dumps(reasons, ensure_ascii=False)


def _remediations(found: Classified) -> list[Row]:
    return [
        (found.deployment_id, one.target, one.type, one.rule, one.field, one.value, one.original)
        for one in found.remediations
    ]


def _row(*columns: object) -> Row:
    return tuple(columns)  # type: ignore[arg-type]
