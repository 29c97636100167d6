"""The original's API: deployments told, asked for, corrected and deleted.

What is not there is a 404 here: the client that sends these requests raises it. (`datadog-ci`, which would retry a 404 and lose
the event, sends deployments only.)
"""

import json
from functools import partial
from typing import NamedTuple

import structlog
from aiohttp import web
from msgspec import UNSET, UnsetType

from bot.answers import original
from bot.answers.encode import Json
from bot.answers.rows import DeploymentRow, load_deployment
from bot.dora.instants import Instant
from bot.facts import overrides
from bot.facts.deployments import deployment_id, record_deployment
from bot.facts.keys import DEPLOYMENTS_WRITE
from bot.facts.overrides import Override, find_latest, record_override
from bot.facts.tombstones import Standing, find_standing, record_deletion
from bot.sources.datadog import parse_deployment, render_deployment
from bot.sources.datadog_requests import (
    Patch,
    PatchedRemediation,
    Release,
    parse_list,
    parse_patch,
    parse_patch_by_version,
    render_patch,
)
from bot.store import Reader, Writer
from bot.web.auth import PRINCIPAL, READ, Row, write
from bot.web.context import SETTINGS
from bot.web.errors import HttpError
from bot.web.original import answer_list, check_services, json_api, parsed_body, record
from bot.web.reading import from_path, limit_to_services, not_found, read

log = structlog.get_logger(__name__)

LIST_TYPE = "dora_deployments_list_request"
_REMEDIATION = "/data/attributes/remediation"


class Target(NamedTuple):
    """The deployment that is corrected, the one that mended it, if one is named, and where that stands, if it is known."""

    row: DeploymentRow
    remediation: str | None
    remedy: Standing | None = None


async def create_deployment(request: web.Request) -> web.Response:
    """Record a deployment: receipt, fact and mark in one transaction; new, repeated and replaced all answer 200."""
    new = await parsed_body(request, partial(parse_deployment, web_roots=request.app[SETTINGS].web_roots))
    check_services(request, new.service)

    def work(writer: Writer, received_at: Instant, receipt: int) -> str:
        standing = find_standing(writer, deployment_id(new))
        if standing is not None:
            check_services(request, standing.service)
        return record_deployment(writer, new, received_at=received_at, receipt=receipt)

    deployment = await record(request, work, event="deployment", body=render_deployment(new))
    log.info("deployment", id=deployment, service=new.service, env=new.env)
    return json_api({"data": {"id": deployment, "type": "dora_deployment"}})


async def list_deployments(request: web.Request) -> web.Response:
    """Deployments that match a query, the latest begun first unless asked otherwise."""
    parse = partial(parse_list, type=LIST_TYPE, sorts=original.SORTS, default_sort=original.DEFAULT_SORT)
    return await answer_list(request, original.list_deployments, parse)


async def get_deployment(request: web.Request) -> web.Response:
    """One deployment with its commits."""
    id = from_path(request, "id")

    def work(reader: Reader) -> Json:
        row = _known(reader, id)
        limit_to_services(request, row.service)
        return original.find_deployment(reader, row)

    return json_api({"data": await read(request, work)})


async def patch_deployment(request: web.Request) -> web.Response:
    """Correct whether a deployment failed, and what mended it."""
    id = from_path(request, "id")
    patch = await parsed_body(request, partial(parse_patch, id=id))

    await correct(request, await read(request, lambda reader: find_target(request, reader, _known(reader, id), patch)), patch)
    return json_api({"data": None}, status=202)


async def patch_by_version(request: web.Request) -> web.Response:
    """The same for the most recently finished deployment of a version."""
    release, patch = await parsed_body(request, parse_patch_by_version)
    check_services(request, release.service)

    def work(reader: Reader) -> Target:
        return find_target(request, reader, _known(reader, _latest(reader, release) or ""), patch)

    await correct(request, await read(request, work), patch)
    return json_api({"data": None}, status=202)


async def delete_deployment(request: web.Request) -> web.Response:
    """Delete a deployment for good: sent again under its id it stays deleted."""
    id = from_path(request, "id")
    row = await read(request, lambda reader: _known(reader, id))
    check_services(request, row.service)
    who = request[PRINCIPAL].name

    def work(writer: Writer, received_at: Instant, receipt: int) -> bool:
        return record_deletion(writer, "deployment", id, received_at=received_at, receipt=receipt, by=who)

    body = json.dumps({"data": {"id": id, "type": "dora_deployment"}}).encode()
    await record(request, work, event="deployment_deletion", body=body)
    log.info("deployment deleted", id=id, service=row.service, env=row.env, by=who)
    return json_api({"data": None}, status=202)


async def correct(request: web.Request, target: Target, patch: Patch) -> None:
    """Record what the holder of the request's key says of a target that was found.

    Raises HttpError 403 for a key of other services than the remediation's, 400 for a remediation that is known and cannot be one.
    One that is not known yet may be sent later.
    """
    row, who, remedy = target.row, request[PRINCIPAL].name, target.remedy
    if remedy is not None:
        # Both change: what failed, and the type of what mended it.
        check_services(request, remedy.service)
        _refuse_impossible(row, remedy)
    told = patch.remediation
    override = Override(
        deployment_id=row.id,
        change_failure=overrides.UNSET if isinstance(patch.change_failure, UnsetType) else patch.change_failure,
        remediation_type=told.type if isinstance(told, PatchedRemediation) else overrides.UNSET if told is UNSET else None,
        remediation_id=overrides.UNSET if told is UNSET else target.remediation,
    )

    def work(writer: Writer, received_at: Instant, receipt: int) -> None:
        record_override(writer, override, received_at=received_at, receipt=receipt, by=who, reason=patch.reason)

    await record(request, work, event="deployment_patch", body=render_patch(patch, id=row.id))
    log.info("deployment corrected", id=row.id, service=row.service, env=row.env, by=who)


def _refuse_impossible(row: DeploymentRow, remedy: Standing) -> None:
    if (remedy.service, remedy.env) != (row.service, row.env):
        raise HttpError(400, "other_series", "That is a deployment of another service or environment.", pointer=_REMEDIATION)
    if (remedy.finished_at, remedy.started_at) < (row.finished_at, row.started_at):
        detail = "That one finished before the deployment that it is said to have mended."
        raise HttpError(400, "before", detail, pointer=_REMEDIATION)


def _known(reader: Reader, id: str) -> DeploymentRow:
    row = load_deployment(reader, id)
    if row is None:
        raise not_found()
    return row


def _latest(reader: Reader, release: Release) -> str | None:
    return find_latest(reader, release.service, release.env, release.version)


def find_target(request: web.Request, reader: Reader, row: DeploymentRow, patch: Patch) -> Target:
    """What is corrected; raises HttpError 403 for a key of other services, 400 for a version that is not known, or its own.

    A remediation that is named by its version is the latest one of that version in the same service and env.
    """
    check_services(request, row.service)  # first: what is said of the remediation tells of that service
    told = patch.remediation
    if not isinstance(told, PatchedRemediation):
        return Target(row, None)
    named: str | None = told.id
    if told.version:
        named = _latest(reader, Release(service=row.service, env=row.env, version=told.version))
        if named is None:
            raise HttpError(
                400, "unknown_version", "No deployment of this version is known in the same service and env.",
                pointer=f"{_REMEDIATION}/version",
            )  # fmt: skip
    if named == row.id:
        raise HttpError(400, "same_deployment", "A deployment does not mend itself.", pointer=_REMEDIATION)
    return Target(row, named, find_standing(reader, named or ""))


_WHOLE = ("/api/v2/dora/deployment", "/api/v2/dora/deployments")
_PATHS = ("/api/v2/dora/deployment/{id}", "/api/v2/dora/deployments/{id}")
"""The documentation's paths and the client's."""
ROWS = (
    Row("POST", "/api/v2/dora/deployment", create_deployment, write(DEPLOYMENTS_WRITE)),
    Row("POST", "/api/v2/dora/deployments", list_deployments, READ),
    *(Row("PATCH", path, patch_by_version, write(DEPLOYMENTS_WRITE)) for path in _WHOLE),
    *(Row("GET", path, get_deployment, READ) for path in _PATHS),
    *(Row("PATCH", path, patch_deployment, write(DEPLOYMENTS_WRITE)) for path in _PATHS),
    *(Row("DELETE", path, delete_deployment, write(DEPLOYMENTS_WRITE)) for path in _PATHS),
)
