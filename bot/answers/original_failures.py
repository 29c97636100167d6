"""Failures as the original's API shows them: JSON:API resources whose attributes have the names of its typed client.

Rules: what that client takes for a text is left out when it is unknown; what it passes through is `null`. The window of a list is
about `started_at`, both ends included.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Final

from bot.answers.attribution import named_deployments
from bot.answers.encode import Json, rfc3339, seconds
from bot.answers.failures import FailureRow, stream_failures
from bot.answers.original import repository_spellings
from bot.answers.questions import Filters
from bot.dora.search import Fields, with_tags
from bot.sources.datadog_requests import ListRequest
from bot.store import Reader

TYPE = "dora_failure"
LIST_TYPE = "dora_failures_list_request"
DEFAULT_SORT = "-started_at"
_Value = int | str | None
_SORTS: Final[Mapping[str, Callable[[FailureRow], _Value]]] = {
    "started_at": lambda row: row.started_at,
    "finished_at": lambda row: row.finished_at,
    "created_at": lambda row: row.received_at,
    "time_to_restore": lambda row: row.time_to_restore,
    "severity": lambda row: row.severity.casefold() or None,
}
SORTS: Final = tuple(_SORTS)


def list_failures(reader: Reader, request: ListRequest, *, visible: frozenset[str]) -> list[Json]:
    """The failures that are asked for and count, as resources; what has no value to sort by comes last.

    Of their services the `visible` ones alone (lower case; none at all: every one).
    """
    window = Filters(from_at=request.from_at, to_at=None if request.to_at is None else request.to_at + 1, visible=visible)
    found = (row for row in stream_failures(reader, window) if request.query.matches(search_fields(row)))
    if (request.sort, request.descending) == ("started_at", True):
        return [_resource(row) for row in islice(found, request.limit)]
    return [_resource(row) for row in _sorted(found, request)[: request.limit]]


def show_failure(reader: Reader, row: FailureRow) -> Json:
    """One failure as a resource, with the deployments that its commit or version belongs to."""
    return _resource(row, deployments=list(named_deployments(reader, row)))


def search_fields(row: FailureRow) -> Fields:
    """What a query may ask of a failure."""
    named = {
        "id": (row.id,),
        "service": row.services_shown,
        "env": row.envs_shown,
        "team": row.teams,
        "name": (row.name,),
        "severity": (row.severity,),
        "version": (row.version,),
        "repository": repository_spellings(row.repository, row.repository_url),
        "repository_id": repository_spellings(row.repository, row.repository_url),
        "commit_sha": (row.commit_sha.hex() if row.commit_sha else "",),
        "source": (row.source,),
        "state": (row.state,),
    }
    said = {name: tuple(value for value in values if value) for name, values in named.items()}
    return with_tags({name: values for name, values in said.items() if values}, row.tags)


def _sorted(found: Iterator[FailureRow], request: ListRequest) -> list[FailureRow]:
    value = _SORTS[request.sort]
    rows = sorted(found, key=lambda row: row.key, reverse=request.descending)
    known = [(told, row) for row in rows if (told := value(row)) is not None]
    known.sort(key=lambda one: one[0], reverse=request.descending)
    return [row for _, row in known] + [row for row in rows if value(row) is None]


def _resource(row: FailureRow, *, deployments: list[Json] | None = None) -> Json:
    texts: dict[str, str | None] = {
        "team": next(iter(row.teams), None),
        "env": next(iter(row.envs_shown), None),
        "name": row.name or None,
        "severity": row.severity or None,
        "version": row.version or None,
        "finished_at": None if row.finished_at is None else rfc3339(row.finished_at),
    }
    attributes: dict[str, Json] = {name: value for name, value in texts.items() if value is not None}
    attributes |= {
        "services": list(row.services_shown),
        "started_at": rfc3339(row.started_at),
        "custom_tags": list(row.tags),
        "source": row.source,
        "state": row.state,
        "time_to_restore": None if row.time_to_restore is None else seconds(row.time_to_restore),
    }
    if row.commit_sha is not None:
        attributes["git"] = {
            "commit_sha": row.commit_sha.hex(), "repository_url": row.repository_url, "repository_id": row.repository,
        }  # fmt: skip
    if deployments is not None:
        attributes["deployments"] = deployments
    return {"id": row.id, "type": TYPE, "attributes": attributes}
