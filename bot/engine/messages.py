"""What crosses the pipe between the engine's parent and its child: plain values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.store.remote import Batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Parent to child: something to do. `number` names it in the answer."""

    number: int
    command: str
    arguments: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wake:
    """Parent to child: look for work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Parent to child: finish what you hold and end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """Parent to child: the batch is durable, or why it is not."""

    error: Exception | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """Child to parent: make this one durable transaction and answer with `Committed`."""

    batch: Batch
    urgent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """Child to parent: about to touch these deliveries; if the child dies now, one of them killed it."""

    deliveries: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """Child to parent: alive; `idle` when nothing is due."""

    idle: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Child to parent: how far a job is."""

    number: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """Child to parent: a job ended, with its result or the error's text."""

    number: int
    result: object = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Child to parent: there are new wishes to fetch."""
