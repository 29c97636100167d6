"""The store's protocol: two engines (SQLite, PostgreSQL) behind one narrow door.

Rules:
- SQL lives in `queries/*.sql` under a name, with a sentence above it; `:name` parameters; one text for both engines (a second text
  under `-- name: x (postgres)` only where none serves both).
- A `work` given to `write` is pure but for its Writer: it may be run again after a serialisation failure. It is synchronous and
  touches neither network nor git, catches nothing, and *reads before it writes* (in the child process writes are recorded
  and sent to the writing process as one transaction, so a work cannot read what it wrote).
- Instants are integer nanoseconds; JSON is text; ids are assigned by us.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

T = TypeVar("T")
Value = int | float | str | bytes | None
Row = Sequence[Value]
OnConflict = Literal["fail", "keep", "replace", "newer"]


class StoreError(Exception):
    """The store could not do what was asked."""

    slug = "store"


class StoreUnavailableError(StoreError):
    """The store is down, locked or too slow; try again."""

    slug = "store_unavailable"


class StoreConflictError(StoreError):
    """A row with this key is there already (`on_conflict="fail"`), or another constraint forbids the row."""

    slug = "store_conflict"


class StoreValueError(StoreError):
    """A value no engine can keep: a NUL or half a surrogate pair in text, an integer beyond 64 bits, a wrong type."""

    slug = "store_value"


class StoreInUseError(StoreError):
    """Another process owns this store."""

    slug = "store_in_use"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A webhook as received: raw and unparsed. `headers` are allow-listed, `received_at` in nanoseconds."""

    source: str
    key: str
    event: str
    received_at: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended:
    """Where a receipt lies in the inbox; `known` when the same (source, key) was there before."""

    id: int
    known: bool


class Reader(Protocol):
    """One consistent snapshot."""

    def fetch(self, query: str, into: Callable[..., T], /, **params: Value) -> list[T]:
        """All rows of a named query, each as `into(*columns)`."""
        ...

    def fetch_in(self, query: str, into: Callable[..., T], keys: Sequence[Value], /, **params: Value) -> list[T]:
        """The rows of a named query whose text has `IN (:keys)`, asked in chunks; order across chunks is not kept."""
        ...

    def stream(self, query: str, into: Callable[..., T], /, **params: Value) -> Iterator[T]:
        """Like `fetch`, without holding all rows in memory."""
        ...


class Writer(Reader, Protocol):
    """One transaction."""

    def execute(self, query: str, /, **params: Value) -> None:
        """Run a named statement."""
        ...

    def execute_many(self, query: str, rows: Iterable[Mapping[str, Value]]) -> None:
        """Run a named statement once per row of parameters."""
        ...

    def write_many(self, table: str, rows: Sequence[Row], *, on_conflict: OnConflict = "fail") -> None:
        """Insert whole rows (columns in the order of `tables.py`).

        On a key that is there: `fail`; `keep` the old row; `replace` it; or `newer`: replace it if the table's order columns
        (`tables.py`) compare greater.
        """
        ...

    def allocate(self, sequence: str, n: int) -> int:
        """The first of `n` consecutive numbers, from 1, never given before. Only one process may use a given sequence at a time."""
        ...

    def lock(self, *key: Value) -> None:
        """Hold `key` against every other transaction until this one ends (a no-op where there is one writer)."""
        ...

    def after_commit(self, act: Callable[[], None]) -> None:
        """Do this once the transaction is durable."""
        ...


class Store(Protocol):
    """An open store. The synchronous verbs block; the `async` twins do not block the event loop."""

    dialect: Literal["sqlite", "postgres"]
    slice_rows: int
    """Rows of bulk work per transaction: few where others wait for the same writer, many where nobody does."""

    def read(self, work: Callable[[Reader], T]) -> T:
        """Run `work` over one snapshot."""
        ...

    def write(self, work: Callable[[Writer], T], *, urgent: bool = True) -> T:
        """Run `work` in one durable transaction; what is not `urgent` (bulk slices) is paced behind the urgent while serving."""
        ...

    async def read_async(self, work: Callable[[Reader], T]) -> T: ...

    async def write_async(self, work: Callable[[Writer], T], *, urgent: bool = True) -> T: ...

    async def append(self, receipt: Receipt) -> Appended:
        """Store a receipt durably (group commit), or find the known one. A known `failed` or `dead` one is due again.

        Raises StoreUnavailableError within 3.5 s when it cannot."""
        ...

    def wait(self, channel: str, timeout: float) -> bool:
        """Wait until somebody notified `channel` ("inbox", "marks", "fetch"); False when `timeout` seconds passed."""
        ...

    def notify(self, channel: str) -> None:
        """Wake those who wait for `channel`."""
        ...

    def healthy(self) -> bool:
        """Whether the writer lives and its last transaction did not fail."""
        ...

    def migrate(self) -> list[str]:
        """Bring the schema up to date; the names of the migrations applied."""
        ...

    def close(self) -> None: ...
