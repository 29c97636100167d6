"""GitHub's payloads as events, by one table.

Event and delivery names are outside the signature, so a body must have the shape that its event promises.
"""

from urllib.parse import parse_qsl

from msgspec import Struct

from bot.dora.events import ForgeEvent
from bot.forges import PayloadError
from bot.forges.github.deliveries import DELIVERIES
from bot.forges.github.issues import ISSUES
from bot.forges.github.pull_requests import MERGED_RANK, PULL_REQUESTS
from bot.forges.github.pushes import PUSHES
from bot.forges.github.repositories import REPOSITORIES
from bot.forges.table import ANY, Origin, Table, dispatch, silent
from bot.guard import GuardError, decode_json_as

__all__ = ["MERGED_RANK", "TABLE", "PayloadError", "parse_github"]

_OTHERS = (
    "branch_protection_configuration branch_protection_rule bypass_request_push_ruleset cache_sync check_run "
    "check_suite code_scanning_alert commit_comment content_reference create custom_property "
    "custom_property_values delete dependabot_alert deploy_key deployment_protection_rule deployment_review "
    "discussion discussion_comment enterprise fork github_app_authorization gollum issue_comment label "
    "marketplace_purchase member membership merge_group meta milestone org_block package page_build "
    "personal_access_token_request ping project project_card project_column projects_v2 projects_v2_item "
    "projects_v2_status_update public pull_request_review_comment pull_request_review_thread registry_package "
    "repository_advisory repository_dispatch repository_import repository_ruleset repository_vulnerability_alert "
    "secret_scanning_alert secret_scanning_alert_location security_advisory security_and_analysis sponsorship "
    "star status sub_issues team team_add user watch workflow_dispatch workflow_job workflow_run"
)
TABLE: Table = {
    **PUSHES, **PULL_REQUESTS, **REPOSITORIES, **DELIVERIES, **ISSUES,
    **{key: entry for event in _OTHERS.split() for key, entry in silent(event).items()},
}  # fmt: skip
"""What each of GitHub's events does."""

_READ = frozenset(event for (event, _), entry in TABLE.items() if entry.read is not None)
_ACTING = frozenset(event for event, action in TABLE if action != ANY)


class _Acting(Struct):
    action: str


def parse_github(
    event: str, body: bytes, content_type: str = "application/json", *, origin: Origin | None = None
) -> ForgeEvent:
    """The event in an authentic body (not compressed); raises PayloadError if it is not what GitHub promises."""
    action = ANY
    if event in _READ and content_type.lower().startswith("application/x-www-form-urlencoded"):
        body = _form_payload(body)
    if event in _ACTING:
        try:
            action = decode_json_as(_Acting, body).action
        except GuardError as error:
            raise PayloadError(error.slug, str(error)) from None
    return dispatch(TABLE, event, action, body, origin or Origin())


def _form_payload(body: bytes) -> bytes:
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=10)
    except ValueError:
        raise PayloadError("bad_form", "the form cannot be decoded") from None
    payloads = [value for key, value in pairs if key == "payload"]
    if len(payloads) != 1:
        raise PayloadError("bad_form", "the form holds not exactly one field named payload")
    return payloads[0].encode()
