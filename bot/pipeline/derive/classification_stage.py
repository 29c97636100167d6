"""The classification stage: what each deployment of a series is, and which earlier one it mends, with the evidence."""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache
from typing import NamedTuple

from bot.dora.commits import Sha
from bot.dora.deployments import Series
from bot.dora.history import History
from bot.dora.instants import Instant
from bot.dora.overrides import Correction, correct, corrections_of
from bot.dora.pull_requests import PullRequest
from bot.dora.reasons import NotComputed
from bot.dora.remediation import Carried, CarriedChange, Classified, classify
from bot.dora.reverts import Original
from bot.dora.rules import CompiledRules, speaks
from bot.dora.series_past import CarriedRow, Recall
from bot.facts import marks
from bot.facts.overrides import load_series_overrides
from bot.facts.pull_requests import load_pull_requests
from bot.pipeline.derive.changes_stage import SeriesFacts, load_series
from bot.pipeline.derive.difference import CLASSIFICATION, LINK_READ, REMEDIATION, Edit, difference
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


def derive_series_classification(
    reader: Reader, sources: Sources, series: Series, *, from_at: Instant = 0
) -> list[Edit]:
    """What makes the classification of a series, from `from_at` on, what its facts and changes say.

    Of the deployments before, those in which a rule saw something are asked again too: what they point to may be told better now.
    """
    facts = load_series(reader, sources, series)
    from_at = facts.releases.reach(from_at)
    own, naming = load_corrections(reader, facts)
    rules = sources.rules(reader, series.service)
    where = {"service": series.service, "env": series.env}
    known = reader.fetch("series_classifications", _row, **where)
    silent = {str(row[0]) for row in known if row[1] != "rollforward" and row[3] == "[]"}
    settled = {one.id for one in facts.deployments if one.finished_at < from_at} & silent
    if own or naming:
        # What a corrected deployment would be without the correction is kept nowhere.
        settled = set()
    carried = load_carried(reader, sources, facts, [rules], settled=settled)
    recall = recall_of(reader, facts) if settled else None
    origins = origins_of(reader, facts)
    derived = classify(carried, rules, origins, settled=settled, recall=recall)
    found = correct(derived, own, naming)
    reads = _reads(series, [origins(repository) for repository in facts.repositories])
    return [
        *difference(CLASSIFICATION, _unsettled(known, settled), map(_classification, found)),
        *difference(
            REMEDIATION,
            _unsettled(reader.fetch("series_remediations", _row, **where), settled),
            [row for one in found for row in _remediations(one)],
        ),
        # The settled ones looked up nothing: no rule saw anything in them.
        *difference(LINK_READ, reader.fetch("classification_reads", _row, reader=marks.series_key(series)), reads),
    ]


def load_corrections(reader: Reader, facts: SeriesFacts) -> tuple[dict[str, Correction], list[Correction]]:
    """What people say of the deployments of the series, and of them what names one that can have mended the other: of the same
    series, and not before it."""
    words = [one.word for one in load_series_overrides(reader, facts.series)]
    finished = {one.id: (one.finished_at, one.started_at) for one in facts.deployments}
    own = {id: one for id, one in corrections_of(words, facts.merged).items() if id in finished}
    naming = [one for id, one in own.items() if finished.get(one.remediation_id, (-1, -1)) >= finished[id]]
    return own, naming


def origins_of(reader: Reader, facts: SeriesFacts) -> Callable[[str], StoredOrigins]:
    """The lookups of each repository of a series, by its name."""

    @cache
    def origins(repository: str) -> StoredOrigins:
        seen = facts.repositories.get(repository)
        return StoredOrigins(reader, None if seen is None else seen.row, History() if seen is None else seen.view.history)

    return origins


def recall_of(reader: Reader, facts: SeriesFacts) -> Recall:
    """What the deployments of a series carried, asked of the store when a link needs it."""

    def recall(repository: str, original: Original) -> list[CarriedRow]:
        seen = facts.repositories.get(repository)
        return [] if seen is None or seen.row is None else _recalled(reader, facts.series, seen.row.id, original)

    return recall


def _reads(series: Series, asked: Iterable[StoredOrigins]) -> list[Row]:
    return [
        (marks.CLASSIFICATION, marks.series_key(series), origins.repository_id, about)
        for origins in asked
        if origins.repository_id
        for about in sorted(origins.asked)
    ]


def _unsettled(rows: Sequence[Row], settled: set[str]) -> list[Row]:
    return [row for row in rows if row[0] not in settled]


def _recalled(reader: Reader, series: Series, repository_id: int, original: Original) -> list[CarriedRow]:
    """What the series carried of an original: a squashed commit is found by its originals, a pull request by its commits."""
    shas = {*original.commits, *((original.sha,) if original.sha is not None else ())}
    numbers = set(reader.fetch_in("sharing_introduced", int, sorted(shas), repository_id=repository_id))
    if original.number is not None:
        numbers.add(original.number)
    for number in sorted(numbers):
        shas.update(map(bytes, reader.fetch("introduced_shas", bytes, repository_id=repository_id, number=number)))
    rows = reader.fetch_in(
        "series_carrying", _Change, sorted(shas), repository_id=repository_id, service=series.service, env=series.env
    )
    return [
        (row.deployment_id, bytes(row.sha), None if row.original_of is None else bytes(row.original_of), row.number)
        for row in rows
    ]


def load_carried(
    reader: Reader, sources: Sources, facts: SeriesFacts, rules: Sequence[CompiledRules], *, settled: Collection[str] = ()
) -> list[Carried]:
    """The deployments of a series with what they carried, in its order, the `settled` ones (ids) without.

    A message in which none of these rule sets sees anything is left empty.
    """
    where = {"service": facts.series.service, "env": facts.series.env}
    changes: dict[str, list[_Change]] = defaultdict(list)
    for change in reader.fetch_in("carried_by", _Change, [one.id for one in facts.deployments if one.id not in settled]):
        changes[change.deployment_id].append(change)
    moved = {
        row.deployment_id
        for row in reader.fetch("series_flags", _Flags, **where)
        if row.not_computed == NotComputed.MOVED_BACKWARDS
    }
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
    reader: Reader, sources: Sources, changes: Sequence[_Change], rules: Sequence[CompiledRules]
) -> dict[tuple[int, Sha], str]:
    """The messages in which a rule sees something. Those found silent once are not read again: a sha is its message."""
    wanted: dict[int, set[Sha]] = defaultdict(set)
    for change in changes:
        wanted[change.repository_id].add(bytes(change.sha))
        if change.original_of is not None:
            wanted[change.repository_id].add(bytes(change.original_of))
    silent = sources.silent(rules[0]) if len(rules) == 1 else set()
    spoken: dict[tuple[int, Sha], str] = {}
    for repository_id, shas in wanted.items():
        for sha, text in load_messages(reader, repository_id, shas - silent).items():
            if any(speaks(one, {"commit_message": (text,)}) for one in rules):
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
    failed = None if found.failed is None else int(found.failed)
    return found.deployment_id, found.type, json.dumps(list(found.flags)), json.dumps(reasons, ensure_ascii=False), failed


def _remediations(found: Classified) -> list[Row]:
    return [
        (found.deployment_id, one.target, one.type, one.rule, one.field, one.value, one.original)
        for one in found.remediations
    ]


def _row(*columns: object) -> Row:
    return tuple(columns)  # type: ignore[arg-type]
