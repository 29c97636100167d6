"""What commands ask for that writes: done by the running server over its socket, else here by a command that owns the store."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from bot.answers.encode import to_json
from bot.answers.sources import find_source
from bot.credentials import Credentials
from bot.dora.inference import FORGE_DEPLOYMENTS, FORGES, RELEASES
from bot.dora.instants import Instant
from bot.dora.repositories import RepositoryUrlError
from bot.dora.sources import EventKind
from bot.engine import control
from bot.engine.clock import now
from bot.engine.engine import JobError
from bot.engine.inline import Inline
from bot.facts import errands, keys
from bot.facts.fetches import want_fetch
from bot.facts.issue_selections import record_issue_selection
from bot.facts.repositories import ensure_repository
from bot.facts.sources import select_source
from bot.facts.switches import set_reports
from bot.forges.client import ForgeClient
from bot.git import GitError
from bot.pipeline import backfill, forge_backfill, mirror
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

    async def correspond(self, keys: Collection[str]) -> None:
        """Let these errands get on, for a moment."""

    @property
    def clients(self) -> Callable[[], Mapping[str, ForgeClient]]: ...


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
        try:
            await _refresh_catalog(runner)
            return await perform(runner, command, arguments, progress=progress)
        finally:
            await runner.close()
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
        target = _target(remote, str(name) if name else None, runner.settings)
        row = await runner.store.write_async(partial(_wanted, target))
        progress(f"{target.ref.name}: fetching")
        results.append((row, target.ref.name))
    await runner.settle(progress)
    return [await _synced(runner, repository_id, name) for repository_id, name in results]


def _target(remote: str, name: str | None, settings: Settings) -> mirror.Target:
    try:
        return mirror.target_of(remote, name=name, settings=settings)
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


_LISTED = {RELEASES: errands.RELEASES, FORGE_DEPLOYMENTS: errands.DEPLOYMENTS}


async def _backfill(runner: Runner, arguments: Mapping[str, object], progress: Progress) -> object:
    """Deployments out of what a repository shows; its forge is asked first, if it can be, for what webhooks did not tell."""
    asked: dict[str, object] = {}
    if arguments["kind"] in _LISTED:
        asked = await _ask_forge(runner, arguments, progress)
    try:
        result = await _job(runner, "backfill", arguments, progress)
    except JobError as error:
        raise JobError(f"{error}; {asked['told_by']}" if asked else str(error)) from None
    return {**result, **asked} if isinstance(result, dict) else result


async def _ask_forge(runner: Runner, arguments: Mapping[str, object], progress: Progress) -> dict[str, object]:
    name, since, kind = arguments.get("repository"), arguments.get("since"), str(arguments["kind"])
    try:
        row = await runner.store.read_async(partial(backfill.repository_meant, name=str(name) if name else None))
    except backfill.BackfillError as error:
        raise OperationError(str(error)) from error
    if row.forge not in FORGES:
        return {}
    if row.forge not in runner.clients():
        return {"told_by": f"{row.forge} could not be asked (no credentials): only what webhooks told is known"}
    wish = partial(
        forge_backfill.wish_for_deliveries, row=row, kind=_LISTED[kind], since=since if isinstance(since, int) else None,
        now=now(),
    )  # fmt: skip
    end = await _carried_out(runner, [await runner.store.write_async(wish)], progress, of=kind.replace("_", " "))
    await runner.settle(progress)
    if not end.errors:
        return {"told_by": f"{row.forge} was asked"}
    refused = "; ".join(error for _, error in end.errors)
    return {"told_by": f"{row.forge} did not tell ({refused}): only what webhooks told is known"}


async def _backfill_forget(runner: Runner, arguments: Mapping[str, object], progress: Progress) -> object:
    return await _job(runner, "backfill.forget", arguments, progress)


async def _backfill_pull_requests(runner: Runner, arguments: Mapping[str, object], progress: Progress) -> object:
    """Read the pull requests of one repository, or of all that may be read; ends when what they changed is derived."""
    wish = forge_backfill.wish_for_pull_requests
    return await _read_forges(runner, arguments, progress, forges=_forges(runner), wish=wish, of="pull requests")


async def _backfill_issues(runner: Runner, arguments: Mapping[str, object], progress: Progress) -> object:
    """Read the issues of the forges that are a source of failures, which counts all of them from now on; ends likewise."""
    forges = await runner.store.read_async(partial(forge_backfill.issue_sources, forges=_forges(runner)))
    if not forges:
        raise OperationError("no source of issues is on: `rollforward sources enable github --failures` (or gitlab) turns one on")

    def select(writer: Writer) -> None:
        for forge in forges:
            select_source(writer, "failures", forge, on=True, retroactive=True, at=now())

    read = await _read_forges(runner, arguments, progress, forges=forges, wish=forge_backfill.wish_for_issues, of="issues")
    await runner.store.write_async(select)
    found = [await runner.store.read_async(partial(find_source, kind="failures", source=forge)) for forge in forges]
    return {**read, "sources": list(forges), "kept": sum(one.kept for one in found), "counted": sum(one.counted for one in found)}


def _forges(runner: Runner) -> tuple[str, ...]:
    forges = tuple(runner.clients())
    if not forges:
        raise OperationError(f"no forge can be asked: {', '.join(_OPENED_BY.values())}")
    return forges


_OPENED_BY = {"github": "`rollforward setup github` makes an App", "gitlab": "GITLAB_TOKEN opens GitLab"}


def _silent(runner: Runner, source: str) -> bool:
    """Whether a source is a forge that can neither be asked nor send webhooks."""
    hears = {"github": bool(Credentials(runner.settings).github_secrets()), "gitlab": runner.settings.gitlab_on}
    return source in _OPENED_BY and source not in runner.clients() and not hears[source]


class _Wish(Protocol):
    def __call__(
        self, writer: Writer, forges: Collection[str], *, repository: str | None, since: Instant | None, now: Instant
    ) -> dict[str, str]: ...


async def _read_forges(
    runner: Runner, arguments: Mapping[str, object], progress: Progress, *, forges: Sequence[str], wish: _Wish, of: str
) -> dict[str, object]:
    store, since = runner.store, arguments.get("since")
    listing = await store.write_async(partial(forge_backfill.wish_for_repositories, forges=forges, now=now()))
    listed = await _carried_out(runner, listing, progress, of="repositories")
    repository = arguments.get("repository")
    names = await store.write_async(
        partial(
            wish, forges=forges, now=now(), repository=str(repository) if repository else None,
            since=since if isinstance(since, int) else None,
        )
    )
    if not names:
        reason = "; ".join(error for _, error in listed.errors) or "our credentials reach no such repository"
        raise OperationError(f"nothing to read: {reason}")
    end = await _carried_out(runner, list(names), progress, of=of)
    await runner.settle(progress)
    return {
        "repositories": len(names),
        of.replace(" ", "_"): end.done,
        "errors": {names.get(key, key): error for key, error in (*listed.errors, *end.errors)},
    }


async def _carried_out(
    runner: Runner, keys: Sequence[str], progress: Progress, *, of: str
) -> forge_backfill.Progress:
    """Wait until errands are done, or cannot be soon; what is left goes on when a server runs, or the command is given again."""
    said = ""
    while True:
        await runner.correspond(keys)
        far = await runner.store.read_async(partial(forge_backfill.progress_of, keys=keys))
        text = f"{far.done:,} of {max(far.total, far.done):,} {of}" + (f" ({far.paused})" if far.paused else "")
        if text != said:
            progress(text)
            said = text
        if not far.waiting:
            return far


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


async def _reports(runner: Runner, arguments: Mapping[str, object], _: Progress) -> object:
    forge, on = str(arguments["forge"]), arguments["on"] is True
    await runner.store.write_async(lambda writer: set_reports(writer, forge, on=on))
    return {"forge": forge, "reports": on}


async def _select_source(runner: Runner, arguments: Mapping[str, object], progress: Progress) -> object:
    """Turn a source on or off; ends when what that changed is derived."""
    kind: EventKind = "failures" if arguments["kind"] == "failures" else "deployments"
    source, on, retroactive = str(arguments["source"]), arguments["on"] is True, arguments["retroactive"] is True
    labels, types = _texts(arguments.get("labels")), _texts(arguments.get("types"))

    def work(writer: Writer) -> None:
        at = now()
        select_source(writer, kind, source, on=on, retroactive=retroactive, at=at)
        if labels or types:
            record_issue_selection(writer, source, labels=labels, types=types, at=at)
        if on and kind == "failures" and source in runner.clients():
            # Whatever is chosen now, webhooks told of its past only what came after them.
            forge_backfill.wish_for_issues(writer, [source], now=at)

    await runner.store.write_async(work)
    await runner.settle(progress)
    found = to_json(await runner.store.read_async(lambda reader: find_source(reader, kind, source)))
    warning = f"nothing can come from {source} yet: {_OPENED_BY[source]}" if on and _silent(runner, source) else None
    return {"source": found, "warning": warning}


async def _backfill_incidents(runner: Runner, arguments: Mapping[str, object], progress: Progress) -> object:
    # The other commands need not wait until the HTTP library is loaded.
    from bot.engine.incidents_backfill import backfill_incidents
    from bot.engine.incidents_client import IncidentsApiError

    try:
        return await backfill_incidents(
            runner.store, url=str(arguments["url"]), api_key=str(arguments["api_key"]), app_key=str(arguments["app_key"]),
            progress=progress, clock=now,
        )
    except IncidentsApiError as error:
        raise OperationError(str(error)) from error


async def _setup_gitlab(runner: Runner, arguments: Mapping[str, object], progress: Progress) -> object:
    # The other commands need not wait until GitLab's library is loaded.
    from bot.engine.gitlab_hooks import HooksRefusedError, register_hooks

    try:
        return await register_hooks(
            runner, groups=_texts(arguments["groups"]), projects=_texts(arguments["projects"]),
            system=arguments["system"] is True, url=str(arguments["url"]), remove=arguments["remove"] is True,
            dry_run=arguments["dry_run"] is True, progress=progress,
        )
    except HooksRefusedError as error:
        raise OperationError(str(error)) from error


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list | tuple) else ()


Operation = Callable[[Runner, Mapping[str, object], Progress], Awaitable[object]]
OPERATIONS: dict[str, Operation] = {
    "sync": _sync,
    "backfill": _backfill,
    "backfill.forget": _backfill_forget,
    "backfill.incidents": _backfill_incidents,
    "backfill.issues": _backfill_issues,
    "backfill.pull_requests": _backfill_pull_requests,
    "rebuild": _rebuild,
    "replay": _replay,
    "keys.create": _create_key,
    "keys.revoke": _revoke_key,
    "reports": _reports,
    "sources.select": _select_source,
    "setup.gitlab": _setup_gitlab,
}
