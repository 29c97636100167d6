"""The correspondent: carries out errands and says what waits in the outbox, a page or message at a time.

Rules:
- It runs beside the fetcher in the engine's parent and waits for the network only: pages are recorded by the child (`record`).
- One turn per errand at a time: on SQLite this process knows what runs, on PostgreSQL a row is leased.
- Whatever goes wrong becomes a visible state with a next try; a refusal is tried again daily, or when permissions may have changed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import structlog

from bot.dora.events import ForgeEvent
from bot.dora.instants import HOUR, MINUTE, Instant
from bot.engine.hearing import heard
from bot.engine.pacing import PER_FORGE, Pacing, Turn
from bot.facts import errands, outbox
from bot.facts.errands import DEPLOYMENTS, HOOKS, ISSUES, LOG, PULL_REQUEST, RELEASES, REPOSITORIES, Errand
from bot.facts.issue_selections import load_issue_selection
from bot.facts.outbox import Message
from bot.forges import ForgeError
from bot.forges.client import (
    EventPage,
    ForgeClient,
    ForgeUnavailableError,
    NotAllowedError,
    NotThereError,
    RepositoryKey,
)
from bot.pipeline import outgoing, repair
from bot.pipeline.correspondence import load_repository_key
from bot.pipeline.mirror import pause_after
from bot.store import Reader, Store, StoreError, StoreUnavailableError, Writer

log = structlog.get_logger(__name__)

LEASE = 10 * MINUTE
PATIENCE = 480.0
"""Seconds that a forge may take for one turn, which can be dozens of requests; each has a shorter time-out of its own."""
REPOSITORIES_EVERY, HOOKS_EVERY = HOUR, 10 * MINUTE
MESSAGES = 32
STORE_AWAY = 1.0

Clients = Callable[[], Mapping[str, ForgeClient]]
"""The forges that there are credentials for now."""
Record = Callable[[Errand, tuple[ForgeEvent, ...], str, int | None], Awaitable[object]]
"""Let `pipeline.correspondence.record_page` be done where facts are recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """Something that waits: its turn, what it is, and how often it failed."""

    turn: Turn
    what: Errand | Message


class Correspondent:
    """Asks forges and tells them, for as long as `run` is not cancelled."""

    def __init__(
        self,
        store: Store,
        *,
        clients: Clients,
        record: Record,
        clock: Callable[[], Instant],
        compose: outgoing.Compose | None = None,
        wake: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.store, self.clients, self.record, self.compose = store, clients, record, compose
        self.clock, self.wake = clock, wake
        self.running: dict[str, asyncio.Task[None]] = {}
        self.pacing = Pacing()
        self.suspects = repair.Suspects()
        self.wanted = asyncio.Event()
        self.asked_at: dict[tuple[str, str], Instant] = {}

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            try:
                await self.wish_in_time()
                await self.start_due()
            except StoreError as error:
                log.warning("store unavailable", error=str(error))
                await asyncio.sleep(STORE_AWAY)
            await heard(self.wanted, within=1.0)

    async def wish_in_time(self) -> None:
        """At the start and then regularly: look for repositories, and for deliveries that were missed."""
        now = self.clock()
        due = [
            (forge, kind)
            for forge in self.clients()
            for kind, every in ((REPOSITORIES, REPOSITORIES_EVERY), (HOOKS, HOOKS_EVERY))
            if not 0 <= now - self.asked_at.get((forge, kind), -every) < every
        ]
        if not due:
            return

        new = {forge for forge, _ in due} - {forge for forge, _ in self.asked_at}

        def wish(writer: Writer) -> None:
            for forge in sorted(new):
                # Whoever starts us again may have mended what was refused.
                errands.retry_refused(writer, forge=forge, now=now)
            for forge, kind in due:
                errands.want_errand(writer, kind=kind, forge=forge, owner="", now=now)

        await self.store.write_async(wish, urgent=False)
        self.asked_at.update(dict.fromkeys(due, now))

    async def start_due(self, only: Collection[str] | None = None) -> bool:
        """Start what is due and may run (of these errands, if given); whether there may be more."""
        clients = self.clients()
        if not clients:
            return False
        running = set(self.running)
        works = await self.store.read_async(partial(_due, now=self.clock(), composing=self.compose is not None))
        due = {work.turn.key: work for work in works if work.turn.forge in clients and (only is None or work.turn.key in only)}
        # What ran while this was read is another page or done by now.
        waiting = {key: work for key, work in due.items() if key not in running and key not in self.running}
        now = self.clock()
        order = self.pacing.in_order([work.turn for work in waiting.values()])
        chosen = [waiting[turn.key] for turn in order if self.pacing.start(turn, now=now)]
        for work in await self._lease(chosen):
            client = clients[work.turn.forge]
            self.running[work.turn.key] = asyncio.create_task(self._take_turn(client, work))
        # What ended while this was read may have made something due that was not when it was read.
        return bool(chosen) or bool(running - self.running.keys())

    async def stop(self) -> None:
        """End what runs; it goes on where it is when somebody takes it up."""
        for task in list(self.running.values()):
            task.cancel()
        await asyncio.gather(*self.running.values(), return_exceptions=True)

    async def _lease(self, chosen: list[_Work]) -> list[_Work]:
        """Those of the chosen that no other worker took; the others' turns are given back."""
        if self.store.dialect == "sqlite" or not chosen:
            return chosen
        taken: dict[str, Errand | Message] = {}
        try:
            taken = await self.store.write_async(partial(_lease, chosen=chosen, now=self.clock()))
        finally:
            for work in chosen:
                if work.turn.key not in taken:
                    self.pacing.end(work.turn)
                    self.wanted.set()
        return [replace(work, what=taken[work.turn.key]) for work in chosen if work.turn.key in taken]

    async def _take_turn(self, client: ForgeClient, work: _Work) -> None:
        try:
            await self._act(client, work)
        except StoreUnavailableError as error:
            # Nothing is to blame but the store: it is due again at once.
            log.warning("store unavailable", error=str(error))
            await asyncio.sleep(STORE_AWAY)
            with suppress(StoreError):
                await self._postpone(work, "", attempts=work.what.attempts, run_at=self.clock())
        except Exception as error:  # noqa: BLE001 - whatever it was, it becomes a visible state with a next try
            log.warning("errand failed", key=work.turn.key, kind=type(error).__name__, error=f"{error}"[:500])
            with suppress(StoreError):
                await self._postpone(work, f"{type(error).__name__}: {error}", attempts=work.what.attempts + 1)
        finally:
            self.running.pop(work.turn.key, None)
            self.pacing.end(work.turn)
            self.wanted.set()

    async def _act(self, client: ForgeClient, work: _Work) -> None:
        turn = work.turn
        try:
            if isinstance(work.what, Message):
                async with asyncio.timeout(PATIENCE):
                    await outgoing.say(self.store, client, work.what, compose=self.compose, clock=self.clock)
            else:
                await self._carry_out(client, work.what.begun(self.clock()))
        except ForgeUnavailableError as error:
            await self._wait_for_forge(work, error)
        except TimeoutError:
            await self._wait_for_forge(work, ForgeUnavailableError("too_slow", f"no answer within {PATIENCE:.0f} s"))
        except NotAllowedError as error:
            if error.is_of_credentials:
                await self._wait_for_forge(work, ForgeUnavailableError(error.slug, str(error)))
                return
            self.pacing.answered(turn)
            run_at = self.clock() + errands.DAILY
            await self._postpone(work, f"{errands.REFUSED}: {error}", attempts=work.what.attempts + 1, run_at=run_at)
        except NotThereError as error:
            self.pacing.answered(turn)
            await self._drop(work, error)
        else:
            self.pacing.answered(turn)

    async def _carry_out(self, client: ForgeClient, errand: Errand) -> None:
        """One page."""
        if errand.kind not in {HOOKS, LOG}:
            async with asyncio.timeout(PATIENCE):
                page = await self._page(client, errand)
            await self.record(errand, page.events, page.cursor, page.total)
            self.wake("fetch")
            return
        async with asyncio.timeout(PATIENCE):
            if errand.kind == LOG:
                received = partial(self.wake, "inbox")
                await repair.read_log(
                    self.store, client, errand, clock=self.clock, received=received, suspects=self.suspects
                )
            else:
                await repair.read_hooks(self.store, client, now=self.clock())
                await self._finish(errand)

    async def _page(self, client: ForgeClient, errand: Errand) -> EventPage:
        if errand.kind == REPOSITORIES:
            return await client.repositories(cursor=errand.cursor)
        repository = await self._repository(errand)
        if errand.kind == PULL_REQUEST:
            seen = await client.pull_request(repository, int(errand.subject))
            return EventPage(events=(seen,), cursor="", total=1)
        if errand.kind == DEPLOYMENTS:
            return await client.deployments(repository, since=errand.since, cursor=errand.cursor)
        if errand.kind == RELEASES:
            return await client.releases(repository, cursor=errand.cursor)
        if errand.kind == ISSUES:
            chosen = await self.store.read_async(lambda reader: load_issue_selection(reader, errand.forge))
            return await client.issues(repository, chosen=chosen, since=errand.since, cursor=errand.cursor)
        return await client.pull_requests(repository, since=errand.since, cursor=errand.cursor)

    async def _repository(self, errand: Errand) -> RepositoryKey:
        def work(reader: Reader) -> RepositoryKey | None:
            return None if errand.repository_id is None else load_repository_key(reader, errand.repository_id)

        repository = await self.store.read_async(work)
        if repository is None:
            raise NotThereError("no_repository", "the repository is not known any more")
        return repository

    async def _finish(self, errand: Errand) -> None:
        def work(writer: Writer) -> None:
            errands.advance_errand(writer, errand, cursor="", done=0, total=None, now=self.clock())

        await self.store.write_async(work, urgent=False)

    async def _wait_for_forge(self, work: _Work, error: ForgeUnavailableError) -> None:
        now = self.clock()
        if error.retry_at is not None:
            # A limit is nobody's fault: it does not count as a failed try.
            until = self.pacing.limited(work.turn, retry_at=error.retry_at, now=now)
            await self._postpone(work, f"unavailable: {error}", attempts=work.what.attempts, run_at=until)
            return
        was_open = self.pacing.is_open(work.turn.forge)
        self.pacing.failed(work.turn, now=now)
        if self.pacing.is_open(work.turn.forge) and not was_open:
            log.error("forge is taken for down", forge=work.turn.forge, error=str(error))
        await self._postpone(work, f"unavailable: {error}", attempts=work.what.attempts + 1)

    async def _postpone(self, work: _Work, error: str, *, attempts: int, run_at: Instant | None = None) -> None:
        later = run_at if run_at is not None else self.clock() + pause_after(attempts, key=work.turn.key)

        def postpone(writer: Writer) -> None:
            if isinstance(work.what, Message):
                outbox.postpone_message(writer, work.what, error=error, attempts=attempts, run_at=later)
            else:
                errands.postpone_errand(writer, work.what, error=error, attempts=attempts, run_at=later)

        await self.store.write_async(postpone)

    async def _drop(self, work: _Work, error: ForgeError) -> None:
        log.warning("errand is given up", key=work.turn.key, error=str(error))

        def drop(writer: Writer) -> None:
            if isinstance(work.what, Message):
                outbox.drop_message(writer, work.what, error=f"not there: {error}")
            else:
                errands.drop_errand(writer, work.what)

        await self.store.write_async(drop)


def _lease(writer: Writer, *, chosen: list[_Work], now: Instant) -> dict[str, Errand | Message]:
    of_errands = [work.turn.key for work in chosen if isinstance(work.what, Errand)]
    of_messages = [work.turn.key for work in chosen if isinstance(work.what, Message)]
    taken: list[Errand | Message] = [
        *errands.lease_errands(writer, of_errands, now=now, until=now + LEASE),
        *outbox.lease_messages(writer, of_messages, now=now, until=now + LEASE),
    ]
    return {one.key: one for one in taken}


def _due(reader: Reader, *, now: Instant, composing: bool) -> list[_Work]:
    """What waits: messages, as far as they can be composed here, and errands."""
    messages = [
        _Work(turn=Turn(key=one.key, forge=one.forge, owner=errands.owner_of(one.repository), urgent=True), what=one)
        for one in outbox.due_messages(reader, now=now, n=MESSAGES)
        if composing or one.kind == outbox.REDELIVER
    ]
    found = [
        _Work(turn=Turn(key=one.key, forge=one.forge, owner=one.owner, urgent=one.urgent or one.kind in {HOOKS, LOG}), what=one)
        for one in errands.due_errands(reader, now=now, per_owner=PER_FORGE)
    ]
    return messages + found
