"""GitLab's projects, groups and users: what is there, and what it is called. Only the path is told, the host by who sent it."""

from msgspec import Struct

from bot.dora.events import ForgeEvent, NamespaceRenamed, RepositoryChanged
from bot.forges import fields
from bot.forges.gitlab.shapes import namespace, path_ref
from bot.forges.table import Entry, Origin, Table
from bot.guard import decode_json_as

STATES = {"project_create": "active", "project_destroy": "deleted"}


class _Project(Struct):
    event_name: str
    project_id: int
    path_with_namespace: str
    old_path_with_namespace: str | None = None
    created_at: str | None = None
    updated_at: str | None = None


class _Group(Struct):
    full_path: str
    old_full_path: str
    updated_at: str | None = None


class _User(Struct):
    username: str
    old_username: str
    updated_at: str | None = None


def _read_project(body: bytes, origin: Origin) -> ForgeEvent:
    event = decode_json_as(_Project, body)
    told = fields.instant(event.created_at if event.event_name == "project_create" else event.updated_at)
    # What is destroyed does not change any more, and says not when it went.
    at = origin.received_at if told is None or event.event_name == "project_destroy" else told
    ref = path_ref(event.path_with_namespace, origin, project_id=event.project_id, seen_at=at if told is None else told)
    old = event.old_path_with_namespace
    return RepositoryChanged(
        repository=ref,
        at=at,
        old_name=path_ref(old, origin, project_id=event.project_id, seen_at=at).name if old else "",
        state=STATES.get(event.event_name, ""),
    )


def _read_group(body: bytes, origin: Origin) -> ForgeEvent:
    event = decode_json_as(_Group, body)
    at = fields.instant(event.updated_at)
    return NamespaceRenamed(
        old=namespace(event.old_full_path, origin),
        new=namespace(event.full_path, origin),
        at=origin.received_at if at is None else at,
    )


def _read_user(body: bytes, origin: Origin) -> ForgeEvent:
    event = decode_json_as(_User, body)
    at = fields.instant(event.updated_at)
    return NamespaceRenamed(
        old=namespace(event.old_username, origin),
        new=namespace(event.username, origin),
        at=origin.received_at if at is None else at,
    )


PROJECTS: Table = {
    ("project_create", ""): Entry(changes="The project is known, and its history is fetched.", read=_read_project),
    ("project_rename", ""): Entry(
        changes="It has another path from here on; the old one still means it until another project takes it.",
        read=_read_project,
    ),
    ("project_transfer", ""): Entry(
        changes="It lies in another group from here on; its history stays.", read=_read_project
    ),
    ("project_update", ""): Entry(changes="Its path is seen again.", read=_read_project),
    ("project_destroy", ""): Entry(
        changes="It is shown as deleted and not fetched any more; its history stays.", read=_read_project
    ),
    ("group_rename", ""): Entry(
        changes="All projects of the group and its subgroups have another path from here on.", read=_read_group
    ),
    ("user_rename", ""): Entry(changes="All projects of the user have another path from here on.", read=_read_user),
}
