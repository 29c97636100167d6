"""What tests of issues as failures share: issues told by forges, and the failures that follow."""

import json
from typing import Any, NamedTuple

from bot.facts.issue_selections import record_issue_selection
from bot.store import Store
from bot.store.tables import TABLES
from tests.pipeline.inference_room import SHOP, Act
from tests.pipeline.naming_room import Room, Told, at, github, gitlab, iso

PROJECT = {"id": 9, "web_url": "https://gitlab.com/acme/till", "git_http_url": "https://gitlab.com/acme/till.git"}


class Failed(NamedTuple):
    """What a failure says of itself; instants and durations in minutes."""

    name: str
    services: tuple[str, ...]
    state: str
    started: float
    finished: float | None
    restored: float | None


def issue(
    action: str, minute: float, *, number: int = 12, labels: tuple[str, ...] = ("incident",), state: str = "open",
    closed: float | None = None, created: float = 10, repository: tuple[int, str] = SHOP, title: str = "Down", **told: Any,
) -> Told:  # fmt: skip
    """An event of GitHub about an issue."""
    seen = {
        "number": number, "title": title, "state": state, "created_at": iso(created), "updated_at": iso(minute),
        "closed_at": None if closed is None else iso(closed), "labels": [{"name": label} for label in labels],
        "type": None,
    }  # fmt: skip
    seen |= told.pop("issue", {})
    return github("issues", minute, repository, action=action, issue=seen, **told)


def incident(action: str, minute: float, *, number: int = 3, labels: tuple[str, ...] = (), **told: Any) -> Told:
    """An event of GitLab about an incident."""
    seen = {
        "iid": number, "title": "Till down", "type": "Incident", "severity": "unknown", "state": "opened", "action": action,
        "created_at": iso(10), "updated_at": iso(minute), "labels": [{"title": label} for label in labels], **told,
    }  # fmt: skip
    return gitlab(minute, object_kind="work_item", project=PROJECT, object_attributes=seen, labels=seen["labels"])


def choose(source: str = "github", *, labels: tuple[str, ...] = (), types: tuple[str, ...] = (), minute: float = 500) -> Act:
    """Somebody says which issues are failures."""
    return lambda room: room.store.write(
        lambda writer: record_issue_selection(writer, source, labels=labels, types=types, at=at(minute))
    )


def follow(room: Room, *acts: Act) -> list[Failed]:
    """The failures when all that was worked off, in the order of their ids."""
    for act in acts:
        act(room)
        room.work()
    return [
        Failed(row["name"], tuple(row["services_shown"]), row["state"], *map(_minute, (row["started_at"], row["finished_at"])),
               _minutes(row["time_to_restore"]))
        for row in failures(room.store)
    ]  # fmt: skip


def failures(store: Store) -> list[dict[str, Any]]:
    """All that follow from issues, whole."""
    def row(*columns: Any) -> dict[str, Any]:
        found = dict(zip(TABLES["failure"].columns, columns, strict=False))
        return found | {name: json.loads(found[name]) for name in ("services", "services_shown", "teams", "envs_shown", "tags")}

    return store.read(lambda reader: reader.fetch("fingerprint_failures", row))


def _minute(instant: int | None) -> float | None:
    return None if instant is None else (instant - at(0)) / (at(1) - at(0))


def _minutes(duration: int | None) -> float | None:
    return None if duration is None else duration / (at(1) - at(0))
