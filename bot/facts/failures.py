"""Record failures: of one id and source the newest event, by its receipt, replaces the whole object."""

import json
from collections.abc import Iterable

from bot.dora.failures import NewFailure, failure_id
from bot.dora.instants import Instant
from bot.store import OnConflict, Reader, Row, Writer


def record_failure(
    writer: Writer, new: NewFailure, *, received_at: Instant, receipt: int = 0, on_conflict: OnConflict = "newer"
) -> str:
    """Record a failure; returns its id. `(received_at, receipt)` orders the events of one id: an older one changes nothing.

    A source that puts a failure together from all its events says `on_conflict="replace"`.
    """
    writer.write_many("failure", [failure_row(new, received_at=received_at, receipt=receipt)], on_conflict=on_conflict)
    return failure_id(new)


def failure_row(new: NewFailure, *, received_at: Instant, receipt: int = 0, inferred_from: str = "") -> Row:
    """A failure as its row; `inferred_from` is the key of the inference that it follows from, "" of one that was reported."""
    services, envs = _spellings(sorted(new.services, key=str.casefold)), _spellings(new.envs)
    return (
        failure_id(new), new.source, _json(services), _json(services.values()), _json(new.teams), _json(envs), _json(envs.values()),
        new.name, new.severity, new.version, new.repository, new.repository_url, new.commit_sha, new.started_at, new.finished_at,
        new.state.value, new.time_to_restore, _json(new.tags), received_at, receipt, inferred_from,
    )  # fmt: skip


def load_services(reader: Reader, id: str) -> list[tuple[str, ...]]:
    """The services (canonical) of each failure that bears this id, deleted or not."""
    return [tuple(map(str, json.loads(services))) for services in reader.fetch("services_of_failures", str, id=id)]


def _spellings(names: Iterable[str]) -> dict[str, str]:
    """Names as first written, by what they compare as."""
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(name.casefold(), name)
    return found


def _json(texts: Iterable[str]) -> str:
    return json.dumps(list(texts), ensure_ascii=False)
