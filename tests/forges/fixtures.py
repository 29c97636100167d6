"""Payloads by name: the file's name carries the event, `push__branch_update.json` is a `push`."""

import json
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).parents[1] / "fixtures"
SHA = bytes.fromhex


def body(forge: str, name: str) -> bytes:
    """The payload as a forge would send it."""
    return (FIXTURES / forge / f"{name}.json").read_bytes()


def changed(forge: str, name: str, **paths: Any) -> bytes:
    """The payload with values replaced; `a__b=1` is `["a"]["b"]`, and `...` deletes."""
    document = json.loads(body(forge, name))
    for path, value in paths.items():
        *parents, last = path.split("__")
        place = document
        for parent in parents:
            place = place[int(parent) if isinstance(place, list) else parent]
        if value is ...:
            del place[last]
        else:
            place[last] = value
    return json.dumps(document).encode()


def event_of(name: str) -> str:
    """The event that a fixture's name carries."""
    return name.partition("__")[0]
