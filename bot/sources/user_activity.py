"""AI activity of users as the original's clients report it (`POST /api/v2/ai_impact/user_activity`): bytes to values.

Unknown attributes are ignored; what fields share is in `fields.py`.
"""

from collections.abc import Callable, Sequence
from datetime import date

import msgspec
from msgspec import Struct

from bot.dora.ai_activity import UserActivity, tool_name
from bot.sources.fields import InvalidError, decode, parse_name

TYPE = "ai_impact_user_activity"
MOST_ENTRIES = 1_000
MOST_NAMES = 32
"""Tools or models of one entry."""
LONGEST_ADDRESS = 320


class _Attributes(Struct):
    user_email: str | None = None
    day: str | None = None
    is_active: bool | None = None
    tools: list[str] | None = None
    models: list[str] | None = None


class _Entry(Struct):
    type: str | None = None
    attributes: _Attributes | None = None


class _Document(Struct):
    data: list[_Entry] | None = None


def parse_activity(body: bytes) -> list[UserActivity]:
    """The entries of a request's body (not compressed); raises InvalidError for the first field that is wrong."""
    entries = decode(_Document, body).data
    if not entries:
        raise InvalidError("/data", f"A list of 1 to {MOST_ENTRIES} entries is required.")
    if len(entries) > MOST_ENTRIES:
        raise InvalidError("/data", f"There are more than {MOST_ENTRIES} entries.")
    return [_parse_entry(f"/data/{i}", entry) for i, entry in enumerate(entries)]


def render_activity(told: Sequence[UserActivity]) -> bytes:
    """Entries as a request's body again, every value as it was taken."""
    return msgspec.json.encode({
        "data": [
            {
                "type": TYPE,
                "attributes": {
                    "user_email": one.user_email, "day": one.day, "is_active": one.is_active, "tools": one.tools,
                    "models": one.models,
                },
            }
            for one in told
        ]
    })  # fmt: skip


def _parse_entry(pointer: str, entry: _Entry) -> UserActivity:
    if entry.type != TYPE:
        raise InvalidError(f"{pointer}/type", f'got type "{(entry.type or "")[:100]}" expected one of "{TYPE}"')
    at, told = f"{pointer}/attributes", entry.attributes
    if told is None:
        raise InvalidError(at, "The object attributes is required.")
    address = parse_name(f"{at}/user_email", told.user_email, longest=LONGEST_ADDRESS).casefold()
    before, _, after = address.rpartition("@")
    if not (before and after) or any(character.isspace() for character in address):
        raise InvalidError(f"{at}/user_email", "An address like somebody@example.com is required.")
    if told.is_active is None:
        raise InvalidError(f"{at}/is_active", "It is required: true or false.")
    if told.tools is None:
        raise InvalidError(f"{at}/tools", "The list of tools is required.")
    return UserActivity(
        user_email=address,
        day=_parse_day(f"{at}/day", told.day),
        is_active=told.is_active,
        tools=_parse_names(f"{at}/tools", told.tools, tool_name),
        models=_parse_names(f"{at}/models", told.models or [], str.casefold),
    )


def _parse_day(pointer: str, text: str | None) -> str:
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        day = date.min
    if day.isoformat() != text or not 1970 <= day.year <= 2261:
        raise InvalidError(pointer, "A day like 2026-11-21 is required.")
    return text


def _parse_names(pointer: str, values: Sequence[str], canonical: Callable[[str], str]) -> tuple[str, ...]:
    if len(values) > MOST_NAMES:
        raise InvalidError(pointer, f"There are more than {MOST_NAMES}.")
    names = [canonical(parse_name(f"{pointer}/{i}", value)) for i, value in enumerate(values)]
    if "" in names:
        raise InvalidError(f"{pointer}/{names.index('')}", "It is empty.")
    return tuple(dict.fromkeys(names))
