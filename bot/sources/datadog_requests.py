"""What the original's clients ask and correct: lists of deployments or failures, and patches of a deployment; bytes to values.

Unknown attributes are ignored, as the original does. Where its refusals were recorded, their wording is kept.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, cast

import msgspec
from msgspec import UNSET, Struct, UnsetType

from bot.dora.instants import LATEST, SECOND, Instant
from bot.dora.search import Query, QueryError, parse_query
from bot.sources.fields import LONGEST_NAME, InvalidError, Number, decode, parse_name, parse_version

DEFAULT_LIMIT, MAX_LIMIT = 10, 1_000
PATCH_TYPE = "dora_deployment_patch_request"
REMEDIATIONS: Final = ("rollback", "rollforward")
LONGEST_REASON = 1_000

_AT = "/data/attributes"
_RFC3339 = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(?:([Zz])|([+-]\d{2}):?(\d{2}))", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRequest:
    """A list as asked for: both ends of the window belong to it, `None` is open; `sort` is one of those offered."""

    from_at: Instant | None
    to_at: Instant | None
    limit: int
    query: Query
    sort: str
    descending: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchedRemediation:
    """Who mended a deployment: by id or by version, the other one is ""."""

    type: Literal["rollback", "rollforward"]
    id: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A correction as sent; `UNSET` is what it does not speak of, `None` takes back what was said."""

    change_failure: bool | UnsetType | None
    remediation: PatchedRemediation | UnsetType | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What a deployment is known by where its id is not: texts trimmed but as written; `env` "" when there is none."""

    service: str
    env: str
    version: str


class _ListAttributes(Struct, rename={"from_": "from"}):
    from_: str | None = None
    to: str | None = None
    limit: Number | None = None
    query: str | None = None
    sort: str | None = None


class _ListData(Struct):
    type: str | None = None
    attributes: _ListAttributes | None = None


class _ListDocument(Struct):
    data: _ListData | None = None


class _Remediation(Struct):
    type: str | None = None
    id: str | None = None
    version: str | None = None


class _PatchAttributes(Struct):
    change_failure: bool | UnsetType | None = UNSET
    remediation: _Remediation | UnsetType | None = UNSET
    reason: str | None = None
    service: str | None = None
    env: str | None = None
    version: str | None = None


class _PatchData(Struct):
    type: str | None = None
    id: str | None = None
    attributes: _PatchAttributes | None = None


class _PatchDocument(Struct):
    data: _PatchData | None = None


def parse_list(body: bytes, *, type: str, sorts: Collection[str], default_sort: str) -> ListRequest:
    """A request for a list whose `data.type` is `type`, sorted by one of `sorts`; raises InvalidError."""
    data = decode(_ListDocument, body).data
    _check_type(data.type if data else None, type)
    told = (data.attributes if data else None) or _ListAttributes()
    from_at, to_at = _instant("from", told.from_), _instant("to", told.to)
    if from_at is not None and to_at is not None and from_at > to_at:
        raise InvalidError(f"{_AT}/from", "It lies after to.")
    limit = DEFAULT_LIMIT if told.limit is None else told.limit
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidError(f"{_AT}/limit", f"The limit is a whole number from 1 to {MAX_LIMIT}.")
    sort = (told.sort or "").strip() or default_sort
    if sort.removeprefix("-") not in sorts:
        raise InvalidError(f"{_AT}/sort", f"One of {', '.join(sorts)} is possible, with - before it for descending.")
    return ListRequest(
        from_at=from_at, to_at=to_at, limit=limit, query=_query(told.query or ""),
        sort=sort.removeprefix("-"), descending=sort.startswith("-"),
    )  # fmt: skip


def parse_patch(body: bytes, *, id: str) -> Patch:
    """A correction of the deployment with this id; raises InvalidError."""
    data, told = _patch(body)
    if data.id is not None and data.id != id:
        raise InvalidError("/data/id", "It is another id than the one in the path.")
    return _correction(told)


def parse_patch_by_version(body: bytes) -> tuple[Release, Patch]:
    """A correction of the latest deployment of a version; raises InvalidError."""
    _, told = _patch(body)
    service, env = parse_name(f"{_AT}/service", told.service), parse_name(f"{_AT}/env", told.env)
    version = parse_version(f"{_AT}/version", told.version)
    for name, value in (("service", service), ("env", env), ("version", version)):
        if not value:
            raise InvalidError(f"{_AT}/{name}", f"The {name} is required where no id is given.")
    if told.change_failure is UNSET:
        raise InvalidError(f"{_AT}/change_failure", "It is required where no id is given: true, false or null.")
    return Release(service=service, env="" if env.casefold() == "none" else env, version=version), _correction(told)


def render_patch(patch: Patch, *, id: str) -> bytes:
    """A correction as a request's body again, about the deployment it is about."""
    attributes: dict[str, object] = {"change_failure": patch.change_failure, "reason": patch.reason or UNSET}
    told = patch.remediation
    if isinstance(told, PatchedRemediation):
        named = {"id": told.id} if told.id else {"version": told.version}
        attributes["remediation"] = {"type": told.type, **named}
    else:
        attributes["remediation"] = told
    said = {name: value for name, value in attributes.items() if value is not UNSET}
    return msgspec.json.encode({"data": {"type": PATCH_TYPE, "id": id, "attributes": said}})


def _patch(body: bytes) -> tuple[_PatchData, _PatchAttributes]:
    data = decode(_PatchDocument, body).data
    _check_type(data.type if data else None, PATCH_TYPE)
    if data is None or data.attributes is None:
        raise InvalidError(_AT, "The object attributes is required.")
    return data, data.attributes


def _correction(told: _PatchAttributes) -> Patch:
    remediation: PatchedRemediation | UnsetType | None = UNSET
    if isinstance(told.remediation, _Remediation):
        remediation = _remediation(told.remediation)
    elif told.remediation is None:
        remediation = None
    if told.change_failure is UNSET and remediation is UNSET:
        raise InvalidError(_AT, "Nothing is corrected: give change_failure or remediation.")
    if isinstance(remediation, PatchedRemediation) and told.change_failure not in (True, UNSET):
        raise InvalidError(f"{_AT}/remediation", "Only a deployment that failed has a remediation.")
    return Patch(
        change_failure=told.change_failure,
        remediation=remediation,
        reason=parse_name(f"{_AT}/reason", told.reason, longest=LONGEST_REASON),
    )


def _remediation(told: _Remediation) -> PatchedRemediation:
    at = f"{_AT}/remediation"
    if told.type not in REMEDIATIONS:
        raise InvalidError(f"{at}/type", f'attribute "type" must be one of "{" ".join(REMEDIATIONS)}"')
    id, version = parse_name(f"{at}/id", told.id, longest=LONGEST_NAME), parse_version(f"{at}/version", told.version)
    if bool(id) == bool(version):
        raise InvalidError(at, "The deployment that mended it is named by its id or by its version; not by both, nor by neither.")
    return PatchedRemediation(type=cast("Literal['rollback', 'rollforward']", told.type), id=id, version=version)


def _check_type(told: str | None, wanted: str) -> None:
    if told != wanted:
        shown = (told or "")[:LONGEST_NAME].replace('"', "'")
        raise InvalidError("/data/type", f'got type "{shown}" expected one of "{wanted}"')


def _query(text: str) -> Query:
    try:
        return parse_query(text)
    except QueryError as error:
        raise InvalidError(f"{_AT}/query", f"Character {error.position}: {error.detail}") from None


def _instant(name: str, text: str | None) -> Instant | None:
    """RFC 3339 with up to nine decimals."""
    if text is None:
        return None
    refused = InvalidError(f"{_AT}/{name}", "A text like 2026-11-21T09:30:00Z is required, from 1970 to 2261.")
    match = _RFC3339.fullmatch(text.strip())
    if match is None:
        raise refused
    day, time, fraction, _, hours, minutes = match.groups()
    try:
        whole = datetime.fromisoformat(f"{day}T{time}{hours or '+00'}:{minutes or '00'}")
    except ValueError:
        raise refused from None
    instant = (whole - _EPOCH) // timedelta(seconds=1) * SECOND + int((fraction or "").ljust(9, "0"))
    if not 0 <= instant < LATEST:
        raise refused
    return instant
