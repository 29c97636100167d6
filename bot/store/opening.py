"""Opening a store by its URL, and the lock that names the owner of a SQLite file.

`sqlite:///relative/path.db`, `sqlite:////absolute/path.db`, `postgresql://user@host/name`. A URL may hold a password: it is never
logged nor part of an error."""

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from urllib.parse import unquote

from bot.store import Store, StoreError, StoreInUseError, StoreUnavailableError


class StoreUrlError(StoreError):
    """The store's URL is none of sqlite:///… and postgresql://…"""

    slug = "store_url"


def open_store(url: str, *, serving: bool = False) -> Store:
    """Open (SQLite: also create) the store behind `url`. `serving`: pace bulk writes behind receipts and urgent writes."""
    path = sqlite_path(url)
    if path is not None:
        from bot.store.sqlite import SqliteStore

        return SqliteStore(path, serving=serving)
    if url.startswith(("postgresql://", "postgres://")):
        try:
            from bot.store.postgres import PostgresStore
        except ModuleNotFoundError as error:
            if error.name is None or not error.name.startswith("psycopg"):
                raise
            raise StoreError("PostgreSQL needs its driver: pip install rollforward[postgres]") from error
        return PostgresStore(url)
    raise StoreUrlError("a store's URL starts with sqlite:/// or postgresql://")


def open_for_reading(url: str) -> Store:
    """Open the store behind `url` beside its owner: it reads, and refuses to write (PostgreSQL: an ordinary store)."""
    if sqlite_path(url) is None:
        return open_store(url)
    from bot.store.remote import RemoteStore

    return RemoteStore(url)


def sqlite_path(url: str) -> Path | None:
    """The file behind a `sqlite:///` URL (three slashes: relative), None for another kind of URL."""
    if not url.startswith("sqlite:"):
        return None
    rest = url.removeprefix("sqlite:///")
    if rest == url or not rest or rest.startswith(":memory:") or "?" in rest:
        raise StoreUrlError("a SQLite URL is sqlite:/// and a path: sqlite:///data/rollforward.db, sqlite:////srv/rollforward.db")
    return Path(unquote(rest))


class OwnerLock:
    """The right to write a SQLite file: a lock on `<file>.lock`, which ends with the process and names the owner's socket."""

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(path.name + ".lock")
        self._descriptor: int | None = None

    def acquire(self, socket_path: Path | None = None) -> None:
        """Become the owner; raises StoreInUseError if another process is."""
        if self._descriptor is not None:
            raise StoreError("this lock is held already")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreUnavailableError(f"cannot open {self.path}: {error.strerror}") from error
        try:
            _lock(descriptor)
        except BlockingIOError as error:
            os.close(descriptor)
            raise StoreInUseError("another process owns this store") from error
        except OSError as error:
            os.close(descriptor)
            raise StoreUnavailableError(f"cannot lock {self.path}: {error.strerror}") from error
        self._descriptor = descriptor
        self.announce(socket_path)

    def announce(self, socket_path: Path | None) -> None:
        """Tell others where the owner listens."""
        if self._descriptor is None:
            raise StoreError("only the owner names its socket")
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, b"" if socket_path is None else os.fsencode(socket_path), 0)

    def held_by(self) -> Path | None:
        """The socket of the process that owns the store; None if nobody does, or the owner listens nowhere."""
        if self._descriptor is not None:
            return None
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreUnavailableError(f"cannot open {self.path}: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            name = os.pread(descriptor, 4096, 0)
            return Path(os.fsdecode(name)) if name else None
        finally:
            os.close(descriptor)
        return None

    def release(self) -> None:
        """Stop being the owner."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> "OwnerLock":
        if self._descriptor is None:
            self.acquire()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()


def _lock(descriptor: int) -> None:
    # somebody who asks who the owner is holds the lock for a moment
    for _ in range(5):
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.02)
    return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
