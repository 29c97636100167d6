"""What commands ask for that writes: done by the running server over its socket, else here by a command that owns the store."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from bot.dora.instants import Instant
from bot.dora.repositories import RepositoryUrlError
from bot.engine import control
from bot.engine.clock import now
from bot.engine.engine import JobError
from bot.engine.inline import Inline
from bot.facts import keys
from bot.facts.fetches import want_fetch
from bot.facts.repositories import ensure_repository
from bot.git import GitError
from bot.pipeline import mirror
from bot.settings import Settings
from bot.store import Reader, Store, Writer
from bot.store.opening import OwnerLock, open_store, sqlite_path

Progress = Callable[[str], None]


class OperationError(Exception):
    """A command was refused."""


class Runner(Protocol):
    """Does jobs and waits for what they made due: the engine, or `Inline`."""

    store: Store
    settings: Settings

    async def run(self, command: str, *, progress: Progress = ..., **arguments: object) -> object: ...

    async def settle(self, progress: Progress) -> None: ...


async def run_operation(settings: Settings, command: str, arguments: Mapping[str, object], *, progress: Progress) -> object:
    """Do `command` where the store's owner is. Raises OperationError with the reason, StoreInUseError."""
    lock = owner_lock(settings)
    if lock is not None and (socket := lock.held_by()):
        return await _ask(socket, command, arguments, progress=progress)
    store = open_store(settings.database_url)
    try:
        if lock is not None:
            lock.acquire()
        store.migrate()
        runner = Inline(store, settings)
        await _refresh_catalog(runner)
        return await perform(runner, command, arguments, progress=progress)
    finally:
        if lock is not None:
            lock.release()
        store.close()


def owner_lock(settings: Settings) -> OwnerLock | None:
    """The lock of a SQLite store; PostgreSQL has none: any number of processes may write."""
    path = sqlite_path(settings.database_url)
    return OwnerLock(path) if path is not None else None


async def _ask(socket: Path, command: str, arguments: Mapping[str, object], *, progress: Progress) -> object:
    try:
        return await control.ask(socket, command, arguments, progress=progress)
    except control.ControlError as error:
        raise OperationError(str(error)) from error


async def perform(runner: Runner, command: str, arguments: Mapping[str, object], *, progress: Progress) -> object:
    """Do one of `OPERATIONS`."""
    if command not in OPERATIONS:
        raise OperationError(f"unknown command {command!r}")
    try:
        return await OPERATIONS[command](runner, arguments, progress)
    except JobError as error:
        raise OperationError(str(error)) from error


async def _refresh_catalog(runner: Runner) -> None:
    await runner.run("catalog", folder=str(runner.settings.service_definitions))


class _Synced(NamedTuple):
    commits: int
    synced_at: Instant | None
    error: str | None


async def _sync(runner: Runner, arguments: Mapping[str, object], progress: Progress) -> object:
    """Mirror repositories; ends when what they changed is derived."""
    name = arguments.get("name")
    results = []
    for remote in _texts(arguments["remotes"]):
        target = _target(remote, str(name) if name else None)
        row = await runner.store.write_async(partial(_wanted, target))
        progress(f"{target.ref.name}: fetching")
        results.append((row, target.ref.name))
    await runner.settle(progress)
    return [await _synced(runner, repository_id, name) for repository_id, name in results]


def _target(remote: str, name: str | None) -> mirror.Target:
    try:
        return mirror.target_of(remote, name=name)
    except (RepositoryUrlError, GitError) as error:
        raise OperationError(f"{remote}: {error}") from error


def _wanted(target: mirror.Target, writer: Writer) -> int:
    row = ensure_repository(writer, target.ref, local=target.is_local)
    want_fetch(writer, repository_id=row.id, ref="*", now=now())
    return row.id


async def _synced(runner: Runner, repository_id: int, name: str) -> dict[str, object]:
    def work(reader: Reader) -> _Synced:
        return reader.fetch("sync_state", _Synced, repository_id=repository_id)[0]

    state = await runner.store.read_async(work)
    if state.error:
        raise OperationError(f"{name} could not be fetched: {state.error}")
    return {"repository": name, "commits": state.commits}


async def _job(runner: Runner, command: str, arguments: Mapping[str, object], progress: Progress) -> object:
    result = await runner.run(command, progress=progress, **arguments)
    await runner.settle(progress)
    return result


async def _backfill(runner: Runner, arguments: Mapping[str, object], progress: Progress) -> object:
    return await _job(runner, "backfill", arguments, progress)


async def _rebuild(runner: Runner, arguments: Mapping[str, object], progress: Progress) -> object:
    return await _job(runner, "rebuild", arguments, progress)


async def _replay(runner: Runner, arguments: Mapping[str, object], progress: Progress) -> object:
    return await _job(runner, "replay", arguments, progress)


async def _create_key(runner: Runner, arguments: Mapping[str, object], _: Progress) -> object:
    def work(writer: Writer) -> object:
        made = keys.create_key(
            writer, name=str(arguments["name"]), scopes=_texts(arguments["scopes"]),
            services=_texts(arguments["services"]), now=now(),
        )
        return asdict(made)

    return await runner.store.write_async(work)


async def _revoke_key(runner: Runner, arguments: Mapping[str, object], _: Progress) -> object:
    return await runner.store.write_async(lambda writer: keys.revoke_key(writer, str(arguments["id"]), now=now()))


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list | tuple) else ()


Operation = Callable[[Runner, Mapping[str, object], Progress], Awaitable[object]]
OPERATIONS: dict[str, Operation] = {
    "sync": _sync,
    "backfill": _backfill,
    "rebuild": _rebuild,
    "replay": _replay,
    "keys.create": _create_key,
    "keys.revoke": _revoke_key,
}
