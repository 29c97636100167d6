"""From answers to JSON: the one place that knows how an instant, a duration and a sha look outside.

A field's name says what it is (`architecture.md`, style 9): `…_at`, `from`, `to`, `since` are instants (nanoseconds → RFC 3339), the names
in `DURATIONS` and `…_time` are durations (nanoseconds → seconds), bytes are shas (→ hex). What is encoded already stays as it is.
"""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime

from bot.dora.instants import SECOND, Duration, Instant
from bot.dora.lead_time import STAGES

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

DURATIONS = frozenset({*STAGES, "median", "mean", "p75", "p90", "min", "max", "median_gap", "time_to_restore", "waits"})


class WholeSeconds(int):
    """Seconds that were nanoseconds once, so that encoding twice changes nothing."""


class Seconds(float):
    """The same, with a fraction."""


def to_json(value: object, *, name: str = "") -> Json:
    """A dataclass, mapping, sequence or value in the types of JSON; `name` is the field it stands in."""
    if value is None or isinstance(value, (bool, WholeSeconds, Seconds)):
        return value
    if isinstance(value, (int, float)):
        return _number(value, name)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(key): to_json(item, name=str(key)) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_json(item, name=name) for item in value]
    if is_dataclass(value):
        return {(key := field.name.rstrip("_")): to_json(getattr(value, field.name), name=key) for field in fields(value)}
    raise TypeError(f"no JSON for {type(value).__name__}")


def dumps(value: object) -> str:
    """An answer as JSON text, for people too: UTF-8, no escapes for letters."""
    return json.dumps(to_json(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def rfc3339(at: Instant) -> str:
    """An instant in UTC, as exact as it is: up to nine decimals without trailing zeros."""
    seconds, rest = divmod(at, SECOND)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{rest:09d}".rstrip("0") + "Z" if rest else f"{text}Z"


def seconds(duration: Duration | float) -> WholeSeconds | Seconds:
    """A duration in seconds: a whole number where it is one."""
    whole, rest = divmod(duration, SECOND)
    return Seconds(duration / SECOND) if rest else WholeSeconds(whole)


def _number(value: float, name: str) -> int | float | str:
    if name.endswith("_at") or name in ("from", "to", "since"):
        return rfc3339(int(value))
    if name.endswith("_time") or name in DURATIONS:
        return seconds(value)
    return value
