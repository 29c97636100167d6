"""Which deployments stand near failures, from the store's rows; how sure a link is lies in `bot/dora/attribution.py`.

Rules: deployments and failures that do not count (their source is off, another source's word of a release) stand near nothing. What a
release lacks it has from the other sources that saw it, its commit and version too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from bot.answers.deployments import change_failure
from bot.answers.failures import FailureRow, load_failures_naming, stream_failures
from bot.answers.questions import Filters
from bot.answers.rows import DeploymentRow, Remedy, load_deployment, load_pending, load_remedies
from bot.dora.attribution import (
    JUST_BEFORE,
    MENDED_LATER,
    Attribution,
    Basis,
    Deployed,
    Failing,
    Level,
    Mended,
    attribute,
    nothing,
)
from bot.dora.instants import LATEST, Instant
from bot.store import Reader

Period = tuple[Instant, Instant]
"""Both ends included."""


def attribute_failure(reader: Reader, failure: FailureRow) -> tuple[Attribution, ...]:
    """The deployments that a failure stands near, the surest first; exactly one entry, of level `none`, where there is none."""
    return attribute_failures(reader, [failure])[0]


def attribute_failures(reader: Reader, failures: Sequence[FailureRow]) -> list[tuple[Attribution, ...]]:
    """The same for several failures at once, in their order."""
    failing = list(_failing(reader, failures))
    near = _near(reader, [one for one in failing if isinstance(one, Failing)])
    return [attribute(one, near) if isinstance(one, Failing) else (one,) for one in failing]


def failures_of_deployment(reader: Reader, id: str) -> tuple[Attribution, ...]:
    """The failures that stand near a deployment, the surest first, then by their start; none of one that is unknown or does not count."""
    row = load_deployment(reader, id)
    if row is None or not row.counted(load_pending(reader)):
        return ()
    remedy = load_remedies(reader, [id]).get(id)
    candidates = {failure.key: failure for failure in _candidates(reader, row, remedy)}
    found = [
        link
        for links in attribute_failures(reader, list(candidates.values()))
        for link in links
        if link.deployment is not None and link.deployment.id == id
    ]
    return tuple(sorted(found, key=lambda link: (list(Level).index(link.level), link.failure.started_at, link.failure.id)))


def named_deployments(reader: Reader, failure: FailureRow) -> tuple[str, ...]:
    """The deployments that a failure's commit (else its version) belongs to, one of each series; ids in the order of their series."""
    named = [
        link.deployment
        for link in attribute_failure(reader, failure)
        if link.level is Level.NAMED and link.deployment is not None
    ]
    return tuple(one.id for one in sorted(named, key=lambda one: (one.service, one.env)))


def _candidates(reader: Reader, row: DeploymentRow, remedy: Remedy | None) -> Iterator[FailureRow]:
    """Every failure that may stand near the deployment; those of other services are left out."""
    last = max(row.finished_at + JUST_BEFORE, remedy.finished_at if remedy else 0)
    window = Filters(from_at=row.finished_at, to_at=min(last + 1, LATEST))
    naming = load_failures_naming(reader, commit_sha=row.commit_sha, version=row.version)
    for failure in (*naming, *stream_failures(reader, window)):
        if not failure.services or row.service in failure.services:
            yield failure


def _failing(reader: Reader, failures: Sequence[FailureRow]) -> Iterator[Failing | Attribution]:
    """Failures as attribution sees them; at once their only entry where it cannot be said whose they are."""
    teams: dict[str, set[str]] | None = None
    for row in failures:
        failing = Failing(
            id=row.id, source=row.source, services=frozenset(row.services), envs=frozenset(row.envs), version=row.version,
            commit_sha=row.commit_sha, started_at=row.started_at, finished_at=row.finished_at,
        )  # fmt: skip
        if row.services or not row.teams:
            yield failing
            continue
        teams = _services_of_teams(reader) if teams is None else teams
        services = {service for team in row.teams for service in teams.get(_canonical(team), ())}
        if len(services) > 1:
            yield nothing(failing, Basis.SEVERAL_SERVICES)
        else:
            yield replace(failing, services=frozenset(services), of_team=bool(services))


def _services_of_teams(reader: Reader) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for service, team in reader.fetch("attribution_teams", _pair):
        found.setdefault(_canonical(team), set()).add(service)
    return found


def _near(reader: Reader, failures: Sequence[Failing]) -> list[Deployed]:
    """Every deployment that may stand near one of these failures."""
    services = sorted({service for one in failures for service in one.services})
    ids: set[str] = set()
    for one in failures:
        if one.services and (one.commit_sha is not None or one.version):
            ids |= set(
                reader.fetch_in("attribution_carried", str, sorted(one.services), sha=one.commit_sha, version=one.version)
            )
    before = [(one.started_at - JUST_BEFORE, one.started_at) for one in failures if one.services]
    lasting = [
        (one.started_at, LATEST if one.finished_at is None else one.finished_at + MENDED_LATER) for one in failures if one.services
    ]
    for query, periods in (("attribution_finished", before), ("attribution_remediated", lasting)):
        for from_at, to_at in _joined(periods):
            ids |= set(reader.fetch_in(query, str, services, from_at=from_at, to_at=to_at))
    return _deployed(reader, sorted(ids))


def _deployed(reader: Reader, ids: Sequence[str]) -> list[Deployed]:
    pending = load_pending(reader)
    rows = [row for row in reader.fetch_in("answer_deployments_by_id", DeploymentRow, ids) if row.counted(pending)]
    remedies = load_remedies(reader, [row.id for row in rows])
    return [_shown(row, remedies) for row in rows]


def _shown(row: DeploymentRow, remedies: Mapping[str, Remedy]) -> Deployed:
    remedy = remedies.get(row.id)
    failed = change_failure(row, remedy)
    return Deployed(
        id=row.id, service=row.service, env=row.env, version=row.version,
        commit_sha=None if row.commit_sha is None else bytes(row.commit_sha), finished_at=row.finished_at, failed=failed,
        mended=Mended(id=remedy.id, finished_at=remedy.finished_at) if failed and remedy else None,
    )  # fmt: skip


def _joined(periods: Sequence[Period]) -> list[Period]:
    """The periods with those that overlap made one."""
    joined: list[Period] = []
    for from_at, to_at in sorted(periods):
        if joined and from_at <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], to_at))
        else:
            joined.append((from_at, to_at))
    return joined


def _canonical(team: str) -> str:
    return team.strip().lower()


def _pair(service: str, team: str) -> tuple[str, str]:
    return service, team
