"""The inference stage: the deployments and failures that follow from a subject (a repository, a service), as rows of their tables.

Rules:
- An inferred row is derived: its `received_at` is its `finished_at`, so nothing of it depends on when or how often it was inferred.
- Rows that do not follow any more, or were deleted by API, stay with `gone` = 1.
- A reported row of the same id stays what it is. Rows of tags from before there were rules are taken over.
- The series of what differs are marked in the transaction that writes it: a process may die between two slices.
- A failure that does not follow any more is no row any more: nothing else is derived of it.
- Whoever deletes an inferred deployment marks its key (`inferred_from`) too: a derivation that is under way has not seen the deletion.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from bot.dora.deployments import Series
from bot.dora.events import NewDeployment
from bot.dora.failures import NewFailure
from bot.dora.inference import TAGS
from bot.dora.instants import Instant
from bot.facts.deployments import series_of, want_commit
from bot.facts.failures import failure_row
from bot.facts.inferences import FORGE, ISSUES, WEBHOOK, every_inference
from bot.facts.marks import mark_deployment
from bot.facts.pagerduty import PAGERDUTY, pagerduty_incidents
from bot.facts.telemetry import TELEMETRY, telemetry_services
from bot.facts.tombstones import load_deleted
from bot.pipeline.derive.difference import DEPLOYMENT, FAILURE, Edit, apply, difference
from bot.pipeline.derive.inferred_forge import infer_forge
from bot.pipeline.derive.inferred_issues import infer_issues
from bot.pipeline.derive.inferred_pagerduty import infer_pagerduty
from bot.pipeline.derive.inferred_telemetry import infer_telemetry
from bot.pipeline.derive.inferred_webhook import infer_webhook
from bot.store import Reader, Row, Value, Writer


class Options(NamedTuple):
    """What the settings say of inference."""

    telemetry_silence: int = 10
    """Minutes."""


class Inferrer(NamedTuple):
    """A kind of inference: what follows from a subject (ids set, stable, each once), and all subjects there are."""

    infer: Callable[..., Sequence[NewDeployment | NewFailure]]
    """Of reader, options and what names the subject."""
    subjects: Callable[[Reader], Iterable[Sequence[str | int]]]


INFERRERS: Mapping[str, Inferrer] = {
    FORGE: Inferrer(lambda reader, _, id: infer_forge(reader, id), lambda reader: _of_kind(reader, FORGE)),
    ISSUES: Inferrer(lambda reader, _, id: infer_issues(reader, id), lambda reader: _of_kind(reader, ISSUES)),
    PAGERDUTY: Inferrer(
        lambda reader, _, incident_id: infer_pagerduty(reader, incident_id),
        lambda reader: [(incident_id,) for incident_id in pagerduty_incidents(reader)],
    ),
    WEBHOOK: Inferrer(lambda reader, _, name: infer_webhook(reader, name), lambda reader: _of_kind(reader, WEBHOOK)),
    TELEMETRY: Inferrer(
        lambda reader, options, service: infer_telemetry(reader, service, silence=options.telemetry_silence),
        lambda reader: [(service,) for service in telemetry_services(reader)],
    ),
}
"""By kind; a mark's key is JSON: the kind, then what names the subject."""


class _Stored(NamedTuple):
    id: str
    service: str
    env: str
    service_shown: str
    env_shown: str
    version: str
    repository: str
    repository_url: str
    commit_sha: bytes | None
    started_at: Instant
    finished_at: Instant
    team: str
    tags: str
    source: str
    received_at: Instant
    receipt: int
    inferred_from: str
    gone: int


def derive_inference(reader: Reader, key: str, options: Options) -> list[Edit]:
    """What makes the rows inferred from a subject what its facts say."""
    kind, *subject = json.loads(key)
    inferred = INFERRERS[kind].infer(reader, options, *subject)
    failures = [one for one in inferred if isinstance(one, NewFailure)]
    deployments = [one for one in inferred if isinstance(one, NewDeployment)]
    return [*_deployment_edits(reader, key, deployments), *_failure_edits(reader, key, failures)]


def _failure_edits(reader: Reader, key: str, inferred: Sequence[NewFailure]) -> list[Edit]:
    stored = reader.fetch("inferred_failures", _failure, inferred_from=key)
    return difference(FAILURE, stored, [failure_row(one, received_at=one.started_at, inferred_from=key) for one in inferred])


def _deployment_edits(reader: Reader, key: str, inferred: Sequence[NewDeployment]) -> list[Edit]:
    stored = {row.id: row for row in map(_exact, reader.fetch("inferred_deployments", _Stored, inferred_from=key))}
    others = [one.id for one in inferred if one.id not in stored]
    if others:
        stored |= {row.id: row for row in map(_exact, reader.fetch_in("deployments_whole", _Stored, others))}
    deleted = load_deleted(reader, "deployment", [one.id for one in inferred])
    wanted = {one.id: _row(one, key, gone=one.id in deleted) for one in inferred}
    wanted |= {id: row._replace(gone=1) for id, row in stored.items() if id not in wanted}
    return [
        Edit(DEPLOYMENT, (id,), row)
        for id, row in sorted(wanted.items())
        if (known := stored.get(id)) != row and (known is None or _is_ours(known))
    ]


def write_inferred(writer: Writer, edits: Sequence[Edit], *, now: Instant) -> None:
    """Write rows, mark the series that they stand in and those that they left, and wish for commits that are not there."""
    rows = [_Stored(*edit.row) for edit in edits if edit.table is DEPLOYMENT and edit.row is not None]  # type: ignore[arg-type]  # columns of the table
    before = writer.fetch_in("deployments_whole", _Stored, [row.id for row in rows])
    deployed = {(row.repository, bytes(row.commit_sha)) for row in rows if row.commit_sha is not None and not row.gone}
    wishes = [want_commit(writer, repository, sha) for repository, sha in sorted(deployed)]
    apply(writer, edits)
    earliest: dict[Series, tuple[Instant, Instant]] = {}
    for row in (*before, *rows):
        series, at = Series(service=row.service, env=row.env), (row.started_at, row.finished_at)
        earliest[series] = min(at, earliest.get(series, at), key=min)
    for series, (started_at, finished_at) in sorted(earliest.items()):
        mark_deployment(writer, series, started_at=started_at, finished_at=finished_at)
    for wish in wishes:
        wish(now)


def inference_keys(reader: Reader) -> list[tuple[str | int, ...]]:
    """Every kind and subject there is, and those from which something was inferred once."""
    keys = set(reader.fetch("inference_keys", str))
    for kind, one in INFERRERS.items():
        keys.update(json.dumps((kind, *subject), ensure_ascii=False) for subject in one.subjects(reader))
    return [tuple(json.loads(key)) for key in sorted(keys)]


def _of_kind(reader: Reader, kind: str) -> list[tuple[int | str]]:
    return [(subject,) for one, subject in every_inference(reader) if one == kind]


def _is_ours(row: _Stored) -> bool:
    return bool(row.inferred_from) or row.source == TAGS


def _row(new: NewDeployment, key: str, *, gone: bool) -> _Stored:
    series = series_of(new)
    return _Stored(
        new.id, series.service, series.env, new.service, new.env, new.version, new.repository, new.repository_url,
        new.commit_sha, new.started_at, new.finished_at, new.team, json.dumps(new.tags, ensure_ascii=False), new.source,
        new.finished_at, 0, key, int(gone),
    )


def _failure(*columns: Value) -> Row:
    return columns


def _exact(row: _Stored) -> _Stored:
    return row._replace(commit_sha=None if row.commit_sha is None else bytes(row.commit_sha))
