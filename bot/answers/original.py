"""Deployments as the original's API shows them: JSON:API resources whose attributes have its names.

Rules:
- Its list holds what counts: no deployment that is gone, whose source is off, or that was merged into another one. By its id any
  of them but the gone is found.
- The window of a list is about `started_at`, both ends included: a client pages by shrinking `to` to the last one it saw.
- What its typed client takes for a text is left out when it is unknown; what that client passes through is `null`.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Final

from bot.answers.changes import load_kept
from bot.answers.deployments import DeploymentShown, change_failure, show_deployments
from bot.answers.encode import Json, rfc3339, seconds
from bot.answers.rows import NEWEST, DeploymentRow, Remedy, load_pending, load_remedies
from bot.dora.ai_activity import address_of
from bot.dora.instants import Instant
from bot.dora.lead_time import STAGES
from bot.dora.search import Fields, Query, with_tags
from bot.facts.names import Shown
from bot.sources.datadog_requests import ListRequest
from bot.store import Reader, Value

DEFAULT_SORT = "-started_at"
MOST_COMMITS = 1_000
"""In the answer for one deployment; its number is always exact."""
_FIRST_CHUNK, _CHUNK = 64, 512
_FEW_SERVICES = 20
_Value = int | str


_SORTS: Final[Mapping[str, Callable[[DeploymentRow], _Value]]] = {
    "started_at": lambda row: row.started_at,
    "finished_at": lambda row: row.finished_at,
    "created_at": lambda row: row.received_at,
    "duration": lambda row: row.finished_at - row.started_at,
    "service": lambda row: row.service,
    "env": lambda row: row.env,
    "team": lambda row: row.team.casefold(),
    "version": lambda row: row.version,
    "source": lambda row: row.source,
}
SORTS: Final = tuple(_SORTS)


def repository_spellings(repository: str, url: str) -> tuple[str, ...]:
    """How a query may call a repository: its id, as it was sent, and the usual URLs of it."""
    host, _, path = repository.partition("/")
    return (repository, url, f"https://{repository}", f"https://{repository}.git", f"git@{host}:{path}.git") if repository else ()


_FAILED = "change_failure"
_FIELDS: Final[Mapping[str, Callable[[DeploymentRow], Iterable[str | None]]]] = {
    "id": lambda row: (row.id,),
    "service": lambda row: (row.service,),
    "env": lambda row: (row.env,),
    "team": lambda row: (row.team,),
    "version": lambda row: (row.version,),
    "repository": lambda row: repository_spellings(row.repository, row.repository_url),
    "repository_id": lambda row: repository_spellings(row.repository, row.repository_url),
    "commit_sha": lambda row: (row.commit_sha.hex() if row.commit_sha else None,),
    "source": lambda row: (row.source,),
    "type": lambda row: (row.type,),
    "deployment_type": lambda row: (row.type,),
}
"""What a query may ask of a deployment beside whether it failed and its tags; an empty text is none."""


def list_deployments(reader: Reader, request: ListRequest) -> list[Json]:
    """The deployments that are asked for, as resources."""
    found = _matching(reader, request)
    if (request.sort, request.descending) == ("started_at", True):
        chosen = list(islice(found, request.limit))
    else:
        choose = heapq.nlargest if request.descending else heapq.nsmallest
        value = _SORTS[request.sort]
        chosen = choose(request.limit, found, key=lambda row: (value(row), row.started_at, row.id))
    return _resources(reader, chosen)


def find_deployment(reader: Reader, row: DeploymentRow) -> Json:
    """One deployment as a resource, with its commits."""
    (resource,) = _resources(reader, [row])
    if isinstance(resource, dict) and isinstance(attributes := resource["attributes"], dict):
        attributes["commits"] = _commits(reader, row.id)
    return resource


def _matching(reader: Reader, request: ListRequest) -> Iterator[DeploymentRow]:
    """The matching deployments, the latest begun first."""
    services = request.query.required("service")
    if services is None or len(services) > _FEW_SERVICES:
        return _of_service(reader, request, None)
    streams = [_of_service(reader, request, service) for service in sorted(services)]
    return heapq.merge(*streams, key=lambda row: (row.started_at, row.id), reverse=True)


def _of_service(reader: Reader, request: ListRequest, service: str | None) -> Iterator[DeploymentRow]:
    """The same of one service or all."""
    names, pending = Shown(reader), load_pending(reader)
    chunks = _ids(reader, request) if service is None else _ids_of_service(reader, request, service)
    for ids in chunks:
        rows = [row for row in _load(reader, ids, names) if row.counted(pending)]
        yield from _chosen(reader, request.query, rows)


def _ids(reader: Reader, request: ListRequest) -> Iterator[list[str]]:
    """The window's deployments, read in chunks, a small one first: who asks for few has few read."""
    after: tuple[Instant, str] = NEWEST
    chunk = _FIRST_CHUNK
    while True:
        keys = reader.fetch(
            "original_deployments", _key, before_at=after[0], before_id=after[1], n=chunk, **_window(request)
        )
        yield [id for id, _ in keys]
        if len(keys) < chunk:
            return
        after = (keys[-1][1], keys[-1][0])
        chunk = _CHUNK


def _ids_of_service(reader: Reader, request: ListRequest, service: str) -> Iterator[list[str]]:
    ids = reader.fetch("original_deployments_of_service", str, service=service, **_window(request))
    yield ids[:_FIRST_CHUNK]
    for start in range(_FIRST_CHUNK, len(ids), _CHUNK):
        yield ids[start : start + _CHUNK]


def _window(request: ListRequest) -> dict[str, Value]:
    return {"from_at": request.from_at or 0, "to_at": NEWEST[0] if request.to_at is None else request.to_at}


def _load(reader: Reader, ids: list[str], names: Shown) -> list[DeploymentRow]:
    """Deployments in the order of their ids."""
    rows = {row.id: row for row in reader.fetch_in("answer_deployments_by_id", DeploymentRow, ids)}
    found = (rows[id] for id in ids if id in rows)
    return [row.under(names) if row.repository in names.moved else row for row in found]


def _chosen(reader: Reader, query: Query, rows: list[DeploymentRow]) -> list[DeploymentRow]:
    """Those that the query asks for; only what it speaks of is looked up."""
    keys = query.keys
    if not keys:
        return [row for row in rows if query.matches({})]
    remedies = load_remedies(reader, [row.id for row in rows]) if _FAILED in keys else {}
    return [row for row in rows if query.matches(_fields(row, keys, remedies.get(row.id)))]


def _fields(row: DeploymentRow, keys: frozenset[str], remedy: Remedy | None) -> Fields:
    named = {key: [text for text in read(row) if text] for key, read in _FIELDS.items() if key in keys}
    if _FAILED in keys:
        failed = change_failure(row, remedy)
        named[_FAILED] = [] if failed is None else [str(failed).lower()]
    return named if keys <= named.keys() else with_tags(named, row.tags)


def _resources(reader: Reader, rows: list[DeploymentRow]) -> list[Json]:
    ids = [row.id for row in rows]
    averages = dict(reader.fetch_in("original_averages", _average, ids))
    pull_requests = Counter(reader.fetch_in("original_pull_requests", _first, ids))
    return [
        _resource(row, shown, averages.get(row.id, ()), pull_requests[row.id])
        for row, shown in zip(rows, show_deployments(reader, rows), strict=True)
    ]


def _resource(row: DeploymentRow, shown: DeploymentShown, averages: tuple[float | None, ...], pull_requests: int) -> Json:
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
