"""Deployments as the original's API shows them: JSON:API resources whose attributes have its names.

Rules:
- Its list holds what counts: no deployment that is gone, whose source is off, or that was merged into another one. By its id any
  of them but the gone is found.
- The window of a list is about `started_at`, both ends included: a client pages by shrinking `to` to the last one it saw.
- What its typed client takes for a text is left out when it is unknown; what that client passes through is `null`.
"""

import heapq
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Final, NamedTuple

from bot.answers.changes import load_kept
from bot.answers.deployments import DeploymentShown, show_deployments
from bot.answers.encode import Json, rfc3339, seconds
from bot.answers.rows import NEWEST, DeploymentRow
from bot.dora.ai_activity import address_of
from bot.dora.instants import Instant
from bot.dora.lead_time import STAGES
from bot.dora.search import Everything, Fields, Query, with_tags
from bot.facts.names import Shown
from bot.sources.datadog_requests import ListRequest
from bot.store import Reader, Value

DEFAULT_SORT = "-started_at"
MOST_COMMITS = 1_000
"""In the answer for one deployment; its number is always exact."""
_FIRST_CHUNK, _LARGEST_CHUNK = 32, 500
_FEW_SERVICES = 20
_Value = int | str


class Found(NamedTuple):
    """A deployment as read, and as shown."""

    row: DeploymentRow
    shown: DeploymentShown


_SORTS: Final[Mapping[str, Callable[[Found], _Value]]] = {
    "started_at": lambda one: one.row.started_at,
    "finished_at": lambda one: one.row.finished_at,
    "created_at": lambda one: one.row.received_at,
    "duration": lambda one: one.row.finished_at - one.row.started_at,
    "service": lambda one: one.row.service,
    "env": lambda one: one.row.env,
    "team": lambda one: (one.shown.team or "").casefold(),
    "version": lambda one: one.row.version,
    "source": lambda one: one.row.source,
}
SORTS: Final = tuple(_SORTS)


def list_deployments(reader: Reader, request: ListRequest) -> list[Json]:
    """The deployments that are asked for, as resources."""
    found = _matching(reader, request)
    if (request.sort, request.descending) == ("started_at", True):
        chosen = list(islice(found, request.limit))
    else:
        choose = heapq.nlargest if request.descending else heapq.nsmallest
        value = _SORTS[request.sort]
        chosen = choose(request.limit, found, key=lambda one: (value(one), one.row.started_at, one.row.id))
    return _resources(reader, chosen)


def find_deployment(reader: Reader, row: DeploymentRow) -> Json:
    """One deployment as a resource, with its commits."""
    (shown,) = show_deployments(reader, [row])
    (resource,) = _resources(reader, [Found(row, shown)])
    if isinstance(resource, dict) and isinstance(attributes := resource["attributes"], dict):
        attributes["commits"] = _commits(reader, row.id)
    return resource


def search_fields(found: Found) -> Fields:
    """What a query may ask of a deployment."""
    row, shown = found
    repositories = _texts(shown.repository, row.repository_url)
    failed = () if shown.change_failure is None else (str(shown.change_failure).lower(),)
    named: dict[str, tuple[str, ...]] = {
        "id": (row.id,),
        "service": (row.service,),
        "env": _texts(row.env),
        "team": _texts(shown.team),
        "version": _texts(shown.version),
        "repository": repositories,
        "repository_id": repositories,
        "commit_sha": _texts(shown.commit_sha.hex() if shown.commit_sha else None),
        "source": (shown.source,),
        "type": _texts(shown.type),
        "deployment_type": _texts(shown.type),
        "change_failure": failed,
    }
    return with_tags(named, shown.tags)


def _texts(*values: str | None) -> tuple[str, ...]:
    return tuple(value for value in values if value)


def _matching(reader: Reader, request: ListRequest) -> Iterator[Found]:
    """The matching deployments, the latest begun first."""
    services = request.query.required("service")
    if services is None or len(services) > _FEW_SERVICES:
        return _of_service(reader, request, None)
    streams = [_of_service(reader, request, service) for service in sorted(services)]
    return heapq.merge(*streams, key=lambda one: (one.row.started_at, one.row.id), reverse=True)


def _of_service(reader: Reader, request: ListRequest, service: str | None) -> Iterator[Found]:
    """The same of one service or all, read in growing chunks: who asks for few has few read."""
    names = Shown(reader)
    window: dict[str, Value] = {
        "from_at": request.from_at or 0,
        "to_at": NEWEST[0] if request.to_at is None else request.to_at,
    }
    after: tuple[Instant, str] = NEWEST
    chunk = _FIRST_CHUNK
    while True:
        key: dict[str, Value] = {**window, "before_at": after[0], "before_id": after[1], "n": chunk}
        if service is None:
            keys = reader.fetch("original_deployments", _key, **key)
        else:
            keys = reader.fetch("original_deployments_of_service", _key, service=service, **key)
        rows = _load(reader, [id for id, _ in keys], names)
        for one in map(Found, rows, show_deployments(reader, rows)):
            if _matches(request.query, one):
                yield one
        if len(keys) < chunk:
            return
        after = (keys[-1][1], keys[-1][0])
        chunk = min(2 * chunk, _LARGEST_CHUNK)


def _matches(query: Query, one: Found) -> bool:
    return query.root == Everything() or query.matches(search_fields(one))


def _load(reader: Reader, ids: list[str], names: Shown) -> list[DeploymentRow]:
    """Deployments in the order of their ids."""
    rows = {row.id: row for row in reader.fetch_in("answer_deployments_by_id", DeploymentRow, ids)}
    return [rows[id].under(names) for id in ids if id in rows]


def _resources(reader: Reader, found: list[Found]) -> list[Json]:
    ids = [one.row.id for one in found]
    averages = dict(reader.fetch_in("original_averages", _average, ids))
    pull_requests: dict[str, int] = {}
    for id in reader.fetch_in("original_pull_requests", _first, ids):
        pull_requests[id] = pull_requests.get(id, 0) + 1
    return [_resource(one, averages.get(one.row.id, ()), pull_requests.get(one.row.id, 0)) for one in found]


def _resource(found: Found, averages: tuple[float | None, ...], pull_requests: int) -> Json:
    row, shown = found
    derived = shown.not_computed is None
    attributes: dict[str, Json] = {
        "service": shown.service,
        "started_at": rfc3339(shown.started_at),
        "finished_at": rfc3339(shown.finished_at),
        "created_at": rfc3339(row.received_at),
        "duration": seconds(shown.finished_at - shown.started_at),
        "source": shown.source,
        "custom_tags": list(shown.tags),
        "deployment_type": shown.type,
        "change_failure": shown.change_failure,
        "number_of_commits": row.kept if derived else None,
        "number_of_pull_requests": pull_requests if derived else None,
        "averaged_metrics": _averaged(row, averages) if derived else None,
        "not_computed": shown.not_computed,
    }
    attributes |= {name: value for name, value in _named(shown).items() if value}
    if shown.commit_sha is not None:
        attributes["git"] = {
            "commit_sha": shown.commit_sha.hex(),
            "repository_id": shown.repository,
            "repository_url": row.repository_url,
        }
    if shown.change_failure:
        attributes["recovery_time_sec"] = None if shown.recovery_time is None else seconds(shown.recovery_time)
        remedy = shown.remediation
        attributes["remediation"] = None if remedy is None else {"id": remedy.id, "type": remedy.type}
    return {"id": row.id, "type": "dora_deployment", "attributes": attributes}


def _named(shown: DeploymentShown) -> dict[str, Json]:
    return {"env": shown.env, "team": shown.team, "version": shown.version}


def _averaged(row: DeploymentRow, averages: tuple[float | None, ...]) -> Json:
    lead_time: Json = None if row.mean is None else seconds(row.mean)
    stages = {name: None if value is None else seconds(value) for name, value in zip(STAGES, averages, strict=False)}
    return {"change_lead_time": lead_time, **stages}


def _commits(reader: Reader, id: str) -> Json:
    return [
        {
            "sha": change.sha.hex(),
            "timestamp": None if change.authored_at is None else rfc3339(change.authored_at),
            "author": {"email": address_of(change.author or "") or None},
            "message": change.subject,
            "change_lead_time": None if change.change_lead_time is None else seconds(change.change_lead_time),
            "time_to_deploy": None
            if (waited := change.stages["time_to_deploy"]) is None
            else seconds(waited),
        }
        for change in load_kept(reader, id)[:MOST_COMMITS]
    ]


def _key(id: str, started_at: Instant) -> tuple[str, Instant]:
    return id, started_at


def _average(id: str, *averages: float | None) -> tuple[str, tuple[float | None, ...]]:
    return id, averages


def _first(id: str, *_: object) -> str:
    return id
