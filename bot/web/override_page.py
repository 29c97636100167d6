"""The form on a deployment's page: a person says whether it failed and what mended it, with a reason and in their key's name.

Rules:
- There is no login yet, so each correction carries an API key with `deployments:write`. It is checked as the API checks its own, is
  never shown again, and stands in the audit trail by its name. Guessing keys here is no cheaper than there: every attempt also costs
  the making of this page.
- No site can act in somebody's name: nothing that a browser sends by itself (no cookie, no header) gives the right, only the key in
  the body, which another site does not have. A form that another site's page sent is refused all the same.
- What is recorded is the same fact that PATCH of the original's API records. Beyond it this form refuses a remediation that is not
  known yet.
"""

from collections.abc import Mapping
from typing import Literal, cast
from urllib.parse import quote

from aiohttp import web
from msgspec import UNSET

from bot.answers.rows import DeploymentRow, load_deployment
from bot.facts.keys import DEPLOYMENTS_WRITE
from bot.sources.datadog_requests import Patch, PatchedRemediation
from bot.store import Reader
from bot.web.auth import PRINCIPAL, READ, Row, holder_of
from bot.web.context import SETTINGS
from bot.web.deployment_page import Typed, show_deployment
from bot.web.errors import HttpError
from bot.web.forms import is_foreign, read_form
from bot.web.middlewares import note_refusal
from bot.web.original_deployments import Target, correct, find_target
from bot.web.reading import from_path, limit_to_services, not_found, read
from bot.web.rendering import link, page

LONGEST_REASON = 500
FAILED, FINE, BACK = "failed", "fine", "back"
_SAYS = {FAILED: True, FINE: False, BACK: None}
_TYPES = ("rollback", "rollforward")


async def override(request: web.Request) -> web.Response:
    """Record a correction and go back to the page; else the page again with what was typed and what is wrong, never the key."""
    id = from_path(request, "id")
    if is_foreign(request):
        raise HttpError(403, "foreign_form", "This form was not sent by this server's own page.")
    fields = dict(await read_form(request))
    key = fields.pop("key", "")
    row = await read(request, lambda reader: _known(request, reader, id))
    reader_of_page, errors = request[PRINCIPAL], _mistakes(fields)
    status, headers = 400, dict[str, str]()
    try:
        await holder_of(request, key, DEPLOYMENTS_WRITE)
        if not errors:
            patch = _patch(fields)
            target = await read(request, lambda reader: _target(request, reader, row, patch))
            await correct(request, target, patch)
            return _back(request, id, "failed")
    except HttpError as error:
        if error.status not in (400, 401, 403):
            raise
        status, headers = error.status, error.headers
        errors["mended_by" if error.status == 400 else "key"] = error.detail
        note_refusal(request, error)
    request[PRINCIPAL] = reader_of_page
    response = await show_deployment(request, typed=Typed(fields=fields, errors=errors), status=status)
    response.headers.update(headers)
    return response


async def form(request: web.Request) -> web.Response:
    """Where the form is: who has a refused form's address in their browser's bar ends here."""
    return _back(request, from_path(request, "id"), "correct")


def _back(request: web.Request, id: str, part: str) -> web.Response:
    location = link(request.app[SETTINGS].root, f"/deployments/{quote(id, safe='')}")
    return web.Response(status=303, headers={"Location": f"{location}#{part}", "Cache-Control": "no-store"})


def _known(request: web.Request, reader: Reader, id: str) -> DeploymentRow:
    row = load_deployment(reader, id)
    if row is None:
        raise not_found()
    limit_to_services(request, row.service)
    return row


def _mistakes(fields: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with the fields by themselves, by field."""
    wrong: dict[str, str] = {}
    says, reason = fields.get("says", ""), fields.get("reason", "")
    if says not in _SAYS:
        wrong["says"] = "Say whether it failed, or take your correction back."
    if says == FAILED and _mended_by(fields) and fields.get("mended_as") not in _TYPES:
        wrong["mended_as"] = "Say whether that was a rollback or a rollforward."
    if says in (FINE, BACK) and (fields.get("mended_by_id") or fields.get("mended_by", "") not in ("", fields.get("mended_was", ""))):
        wrong["mended_by"] = "Only a deployment that failed was mended by another one."
    if not reason:
        wrong["reason"] = "Say why: whoever reads the number later will ask."
    elif len(reason) > LONGEST_REASON:
        wrong["reason"] = f"At most {LONGEST_REASON} characters; these are {len(reason)}."
    return wrong


def _mended_by(fields: Mapping[str, str]) -> str:
    """The id that was typed, else the one that was chosen."""
    return fields.get("mended_by_id") or fields.get("mended_by", "")


def _patch(fields: Mapping[str, str]) -> Patch:
    says = _SAYS[fields["says"]]
    if says is not True:
        return Patch(change_failure=says, remediation=UNSET, reason=fields["reason"])
    mended_by = _mended_by(fields)
    kind = cast("Literal['rollback', 'rollforward']", fields.get("mended_as"))
    # Nobody chosen takes back who was named before: what the form shows is what holds.
    remediation = PatchedRemediation(type=kind, id=mended_by, version="") if mended_by else None
    return Patch(change_failure=True, remediation=remediation, reason=fields["reason"])


def _target(request: web.Request, reader: Reader, row: DeploymentRow, patch: Patch) -> Target:
    """What is corrected; raises HttpError 400 for a remediation that nobody knows: a person who types an id means one that is there."""
    target = find_target(request, reader, row, patch)
    if target.remediation is not None and load_deployment(reader, target.remediation) is None:
        raise HttpError(400, "unknown_deployment", "No deployment with this id is known.")
    return target


ROWS: tuple[Row, ...] = (
    Row("POST", "/deployments/{id}/override", page(override), READ),
    Row("GET", "/deployments/{id}/override", page(form), READ),
)
