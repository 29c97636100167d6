"""Gap repair: what a forge's log says was sent and our inbox never received is fetched from the log, else sent again.

Rules:
- A delivery is missing if its key is not in the inbox, whatever the log says of its attempts: a redelivery that arrived, a failed
  one that waits for its next try, one that is dead (its body is here: `deliveries replay`) are no gaps.
- One that is younger than SETTLED is on its way. The forge's clock may be an hour off, and GitLab does not say when an unanswered one
  was sent: so the skew is taken from deliveries that arrived, readings overlap by more than an hour, and what we ourselves saw
  missing SETTLED ago is missing, whatever its age is said to be.
- A hook whose newest FAILING deliveries all failed is failing, however well the repair does.
- What the log no longer tells is looked for otherwise: all refs are fetched, pull requests updated since are asked for.
"""

import asyncio
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from multidict import CIMultiDict

from bot.dora.instants import DAY, HOUR, MINUTE, Instant
from bot.facts.errands import ISSUES, LOG, PULL_REQUESTS, Errand, advance_errand, owner_of, want_errand
from bot.facts.fetches import want_fetch
from bot.facts.hooks import (
    Hook,
    load_hooks,
    record_failing,
    record_hooks,
    record_log_page,
    record_reading,
    record_unreadable,
)
from bot.facts.outbox import REDELIVER, Message, find_messages, forget_message, want_said
from bot.forges import ForgeError
from bot.forges.client import (
    ForgeClient,
    ForgeUnavailableError,
    HookSeen,
    LogEntry,
    LoggedDelivery,
    LogPage,
    NotAllowedError,
    NotThereError,
)
from bot.forges.github import webhook as github
from bot.forges.gitlab import webhook as gitlab
from bot.pipeline.forge_backfill import issue_sources
from bot.store import Reader, Receipt, Store, Writer

OVERLAP = HOUR + 5 * MINUTE
SETTLED = MINUTE
WINDOWS: Mapping[str, Instant] = {"github": 3 * DAY, "gitlab": 2 * DAY}
"""How long each forge keeps its log."""
LARGEST_SKEW = 2 * HOUR
RECONCILE_EVERY = HOUR
"""Where no log can be read."""
AT_ONCE = 4
"""Logged deliveries read at the same time."""
ASK_AGAIN_AFTER = HOUR
MOST_ASKED = 5
"""Redeliveries asked for one delivery."""
MOST_SUSPECTS = 10_000
FAILING = 3
PATIENT = 3
"""A log entry that the forge failed so often to show is asked to be sent again."""
STORED_HEADERS = {"github": github.stored_headers, "gitlab": gitlab.stored_headers}
SLICE = 100


class _Known(NamedTuple):
    key: str
    received_at: Instant


class _Readable(NamedTuple):
    id: int
    name: str
    forge_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRead:
    """What a page of a log is, held against the inbox: the newest entry of each missing key, and when the last one arrived."""

    missing: tuple[LogEntry, ...]
    arrived_at: Instant | None
    is_last: bool


class Suspects:
    """Entries that were missing when they were first looked at, and when that was by our own clock."""

    def __init__(self) -> None:
        self._first: dict[str, Instant] = {}

    def saw(self, entry: LogEntry, *, now: Instant) -> bool:
        """Whether this entry has been missing for long enough."""
        if len(self._first) > MOST_SUSPECTS:
            self._first.clear()
        return self._first.setdefault(f"{entry.key} {entry.id}", now) <= now - SETTLED

    def acquit(self, entry: LogEntry) -> None:
        """It was seen to."""
        self._first.pop(f"{entry.key} {entry.id}", None)


def compare(
    page: LogPage, received: Mapping[str, Instant], *, since: Instant | None, now: Instant, suspects: Suspects
) -> LogRead:
    """Hold a page against what the inbox has: key and instant of receipt."""
    within = [entry for entry in page.entries if since is None or entry.delivered_at >= since]
    newest: dict[str, LogEntry] = {}
    for entry in within:
        if entry.key:
            newest.setdefault(entry.key, entry)
    by_itself = [entry for entry in newest.values() if entry.succeeded and entry.key in received]
    settled_by = now + _skew(by_itself, received) - SETTLED
    absent = [entry for entry in newest.values() if entry.key not in received]
    return LogRead(
        missing=tuple(one for one in absent if suspects.saw(one, now=now) or one.delivered_at < settled_by),
        arrived_at=max((entry.delivered_at for entry in by_itself), default=None),
        is_last=len(within) < len(page.entries) or not page.cursor,
    )


def _skew(arrived: Sequence[LogEntry], received: Mapping[str, Instant]) -> Instant:
    """How far the forge's clock is ahead of ours, in nanoseconds; 0 if nothing tells."""
    if not arrived:
        return 0
    ahead = int(statistics.median(entry.delivered_at - received[entry.key] for entry in arrived))
    return ahead if abs(ahead) <= LARGEST_SKEW else 0


async def read_hooks(store: Store, client: ForgeClient, *, now: Instant) -> None:
    """Ask where webhooks come from, and wish for their logs to be read; where that cannot be, reconcile now and then."""
    try:
        seen = await client.hooks()
    except NotAllowedError as error:
        if error.is_of_credentials:
            raise
        seen = (HookSeen(id="all", subject="webhooks", state="forbidden", reason=str(error)),)
    if not seen:
        reason = "no webhook leads here: changes are looked for every hour"
        seen = (HookSeen(id="all", subject="webhooks", state="gone", reason=reason),)
    hooks = await store.write_async(lambda writer: _wish_for_logs(writer, client.forge, seen, now=now))
    for hook in hooks:
        await _reconcile_in_time(store, hook, now=now)


async def _reconcile_in_time(store: Store, hook: Hook, *, now: Instant) -> None:
    if hook.checked_at is None or hook.checked_at <= now - RECONCILE_EVERY:
        await reconcile(store, hook, now=now)


def _wish_for_logs(writer: Writer, forge: str, seen: Sequence[HookSeen], *, now: Instant) -> list[Hook]:
    """Returns the hooks whose log cannot be read."""
    known = {hook.id: hook for hook in load_hooks(writer, forge)}
    record_hooks(writer, forge, seen)
    unreadable = []
    for one in seen:
        hook = known.get(one.id) or Hook(
            forge=forge, id=one.id, subject=one.subject, state=one.state, reason=one.reason, read_from=None, checked_at=None,
            arrived_at=None, gaps=0, repaired=0,
        )  # fmt: skip
        if one.state in {"forbidden", "gone"}:
            unreadable.append(hook)
        else:
            since = None if hook.checked_at is None else hook.checked_at - OVERLAP
            want_errand(writer, kind=LOG, forge=forge, owner="", subject=one.id, since=since, now=now)
    return unreadable


async def read_log(
    store: Store,
    client: ForgeClient,
    errand: Errand,
    *,
    clock: Callable[[], Instant],
    received: Callable[[], None],
    suspects: Suspects,
) -> None:
    """Read one page of a hook's log and repair what it shows; `received` is called when the inbox got something.

    Raises ForgeUnavailableError, NotThereError.
    """
    hooks = await store.read_async(lambda reader: load_hooks(reader, errand.forge))
    hook = next((one for one in hooks if one.id == errand.subject), None)
    if hook is None:
        raise NotThereError("no_hook", f"the hook {errand.subject} is not known any more")
    try:
        page = await client.log(hook.id, cursor=errand.cursor)
    except NotAllowedError as error:
        if error.is_of_credentials:
            raise
        reason = str(error)
        await store.write_async(lambda writer: _give_up_log(writer, errand, hook, reason=reason, now=clock()))
        await _reconcile_in_time(store, hook, now=clock())
        return
    keys = [entry.key for entry in page.entries]
    known = await store.read_async(lambda reader: _received(reader, errand.forge, keys))
    read = compare(page, known, since=errand.since, now=clock(), suspects=suspects)
    await _Repair(store, client, hook, clock, received, impatient=errand.attempts >= PATIENT).repair(read, tuple(known))
    for entry in read.missing:
        suspects.acquit(entry)
    if read.is_last and hook.checked_at is not None and hook.checked_at < clock() - WINDOWS[errand.forge]:
        # The log does not reach back to when we last looked.
        await reconcile(store, hook, now=clock())
    await store.write_async(lambda writer: _turn_page(writer, errand, hook, page, read, now=clock()))


def _received(reader: Reader, forge: str, keys: Sequence[str]) -> dict[str, Instant]:
    return dict(reader.fetch_in("receipts_known", _Known, list(keys), source=forge))


def _turn_page(writer: Writer, errand: Errand, hook: Hook, page: LogPage, read: LogRead, *, now: Instant) -> None:
    began_at = errand.began_at or now
    if not errand.cursor:
        newest = page.entries[:FAILING]
        fails = len(newest) == FAILING and not any(entry.succeeded for entry in newest)
        record_failing(writer, hook, failing=f"the last {FAILING} deliveries or more did not arrive" if fails else "")
    if read.is_last:
        oldest = min((entry.delivered_at for entry in page.entries), default=began_at)
        read_from = errand.since if errand.since is not None else oldest
        record_reading(writer, forge=hook.forge, id=hook.id, checked_at=began_at, read_from=read_from)
    advance_errand(writer, errand, cursor="" if read.is_last else page.cursor, done=0, total=None, now=now)


def _give_up_log(writer: Writer, errand: Errand, hook: Hook, *, reason: str, now: Instant) -> None:
    record_unreadable(writer, forge=hook.forge, id=hook.id, reason=reason)
    advance_errand(writer, errand, cursor="", done=0, total=None, now=now)


class _Repair:
    """The missing deliveries of one page."""

    def __init__(
        self, store: Store, client: ForgeClient, hook: Hook, clock: Callable[[], Instant], received: Callable[[], None],
        *, impatient: bool,
    ) -> None:  # fmt: skip
        self.store, self.client, self.hook, self.clock, self.received = store, client, hook, clock, received
        self.impatient = impatient
        self.slots = asyncio.Semaphore(AT_ONCE)

    async def repair(self, read: LogRead, arrived: Sequence[str]) -> None:
        """Store what the log shows, ask for the rest; what was done counts, also when the forge fails in the middle."""
        missing, there = [entry.key for entry in read.missing], [self._message_key(key) for key in arrived]
        keys = [*map(self._message_key, missing), *there]
        asked = {one.key: one for one in await self.store.read_async(lambda reader: find_messages(reader, keys))}
        came = [asked[key] for key in there if key in asked]
        ends = await asyncio.gather(*map(self._store, read.missing), return_exceptions=True)
        stored = [entry for entry, end in zip(read.missing, ends, strict=True) if end is None]
        unreadable = [entry for entry, end in zip(read.missing, ends, strict=True) if self._is_unreadable(end)]
        new = [entry for entry in (*stored, *unreadable) if self._message_key(entry.key) not in asked]

        def count(writer: Writer) -> None:
            for entry in unreadable:
                if self._ask_again(asked.get(self._message_key(entry.key))):
                    self._ask(writer, entry)
            for message in came:
                forget_message(writer, message)
            record_log_page(
                writer, forge=self.hook.forge, id=self.hook.id, gaps=len(new), repaired=len(stored) + len(came),
                arrived_at=read.arrived_at,
            )

        await self.store.write_async(count)
        if stored:
            self.received()
        for end in ends:
            if isinstance(end, BaseException) and not self._is_unreadable(end):
                raise end

    def _message_key(self, key: str) -> str:
        return f"{REDELIVER}/{self.hook.forge}/{self.hook.id}/{key}"

    def _is_unreadable(self, end: BaseException | None) -> bool:
        if isinstance(end, ForgeUnavailableError):
            return self.impatient and end.retry_at is None
        return isinstance(end, ForgeError)

    def _ask_again(self, message: Message | None) -> bool:
        if message is None:
            return True
        waits = message.said < message.wanted
        return not waits and message.wanted < MOST_ASKED and message.run_at <= self.clock() - ASK_AGAIN_AFTER

    def _ask(self, writer: Writer, entry: LogEntry) -> None:
        want_said(
            writer, key=self._message_key(entry.key), kind=REDELIVER, forge=self.hook.forge, repository_id=None,
            subject=f"{self.hook.id} {entry.id}", now=self.clock(),
        )

    async def _store(self, entry: LogEntry) -> None:
        async with self.slots:
            logged = await self.client.logged(self.hook.id, entry)
        await self.store.append(receipt_of(self.hook.forge, entry, logged, now=self.clock()))


def receipt_of(forge: str, entry: LogEntry, logged: LoggedDelivery, *, now: Instant) -> Receipt:
    """A logged delivery as the receipt it should have become."""
    headers = STORED_HEADERS[forge](CIMultiDict(logged.headers))
    return Receipt(
        source=forge, key=entry.key, event=logged.event or entry.event, received_at=now, headers=headers, body=logged.body
    )


async def reconcile(store: Store, hook: Hook, *, now: Instant) -> None:
    """Look for everything that a hook may have told since its log was last read: refs, pull requests, and issues."""
    last = hook.checked_at if hook.checked_at is not None else now - WINDOWS[hook.forge]
    since = last - DAY
    after = 0
    while True:

        def wish(writer: Writer, after: int = after) -> int:
            return _wish_for_all(writer, hook, since=since, after=after, now=now)

        after = await store.write_async(wish, urgent=False)
        if not after:
            break
    await store.write_async(
        lambda writer: record_reading(writer, forge=hook.forge, id=hook.id, checked_at=now, read_from=since)
    )


def _wish_for_all(writer: Writer, hook: Hook, *, since: Instant, after: int, now: Instant) -> int:
    """A slice of the repositories that the hook speaks for; the last one's id, 0 at the end."""
    rows = writer.fetch("repositories_of_forge", _Readable, forge=hook.forge, after=after, n=SLICE)
    kinds = (PULL_REQUESTS, ISSUES) if issue_sources(writer, [hook.forge]) else (PULL_REQUESTS,)
    kind, _, rest = hook.id.partition("/")
    project = rest.partition("/")[0] if kind == "project" else None
    for row in rows:
        if project in (None, row.forge_id):
            want_fetch(writer, repository_id=row.id, ref="*", now=now)
            for wanted in kinds:
                want_errand(
                    writer, kind=wanted, forge=hook.forge, owner=owner_of(row.name), repository_id=row.id, since=since, now=now
                )
    return rows[-1].id if len(rows) == SLICE else 0


