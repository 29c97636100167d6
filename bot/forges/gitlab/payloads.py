"""GitLab's payloads as events, by one table.

The kind of an event stands in the body: its header is "System Hook" for instance-wide hooks, and outside the signature. An
administrator's own webhook template may leave anything out; what then lacks a needed field cannot be parsed.
"""

from msgspec import Struct

from bot.dora.events import ForgeEvent, Ignored
from bot.forges import PayloadError
from bot.forges.gitlab.delivery_events import DELIVERIES
from bot.forges.gitlab.merge_request_events import MERGE_REQUESTS
from bot.forges.gitlab.project_events import PROJECTS
from bot.forges.gitlab.push_events import PUSHES
from bot.forges.table import ANY, Origin, Table, dispatch, silent
from bot.guard import GuardError, decode_json_as

__all__ = ["TABLE", "PayloadError", "parse_gitlab"]

_OTHERS = (
    "access_token build emoji feature_flag gitlab_subscription_member_approval gitlab_subscription_member_approvals "
    "group_create group_destroy key_create key_destroy milestone note pipeline subgroup_create subgroup_destroy "
    "user_access_request_denied_for_group user_access_request_revoked_for_group user_access_request_revoked_for_project "
    "user_access_request_to_group user_access_request_to_project user_add_to_group user_add_to_team user_create user_destroy "
    "user_failed_login user_remove_from_group user_remove_from_team user_update_for_group user_update_for_team "
    "vulnerability wiki_page"
)
TABLE: Table = {
    **PUSHES, **MERGE_REQUESTS, **PROJECTS, **DELIVERIES,
    **{key: entry for event in _OTHERS.split() for key, entry in silent(event).items()},
}  # fmt: skip
"""What each of GitLab's events does, by the kind in its body."""

_ACTING = frozenset(event for event, action in TABLE if action != ANY)


class _Kind(Struct):
    object_kind: str | None = None
    event_name: str | None = None


class _Attributes(Struct):
    action: str | None = None


class _Acting(Struct):
    object_attributes: _Attributes


def parse_gitlab(event: str, body: bytes, *, origin: Origin | None = None) -> ForgeEvent:
    """The event in an authentic body (not compressed); raises PayloadError if it is not what GitLab promises.

    `event` is the header's word for it and decides nothing: the body says what it is.
    """
    try:
        told = decode_json_as(_Kind, body)
        kind = told.object_kind or told.event_name
        if kind is None:
            raise PayloadError("unknown_shape", f"neither object_kind nor event_name says what this {event!r} is")
        action = decode_json_as(_Acting, body).object_attributes.action if kind in _ACTING else ANY
    except GuardError as error:
        raise PayloadError(error.slug, str(error)) from None
    if action is None:
        # Instance-wide hooks tell of changes that have no name, too.
        return Ignored(reason="no_action")
    return dispatch(TABLE, kind, action, body, origin or Origin())
