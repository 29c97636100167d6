"""From the inbox to facts: parse what was stored unparsed, record it, say what became of it.

Effect and mark are one transaction: a delivery is `done` exactly if its facts are recorded, however often it is tried.
"""

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple
from urllib.parse import urlsplit

import structlog

from bot import guard
from bot.dora.events import ForgeEvent, Ignored, InstallationChanged, NamespaceRenamed, RepositoryChanged
from bot.dora.instants import MINUTE, SECOND, Instant
from bot.dora.pagerduty import PagerDutyEvent
from bot.facts.catalog import plan_claims, write_claims
from bot.facts.errands import REPOSITORIES, want_errand
from bot.facts.pagerduty import record_pagerduty
from bot.forges import PayloadError
from bot.forges.github.payloads import parse_github
from bot.forges.gitlab.payloads import parse_gitlab
from bot.forges.table import Origin
from bot.pipeline.recording import record_events
from bot.settings import Settings
from bot.sources.fields import SourceError
from bot.sources.pagerduty import DD_ENV, parse_pagerduty
from bot.store import Reader, Store, StoreUnavailableError, Value, Writer

log = structlog.get_logger(__name__)

MAX_BODY = 25 * 1024 * 1024
BATCH = 32
MAX_ATTEMPTS = 8
MAX_CRASHES = 3


class Claim(NamedTuple):
    """A delivery that is due."""

    id: int
    source: str
    event: str
    received_at: Instant
    headers: str
    body: bytes
    encoding: str
    attempts: int

    @property
    def raw(self) -> bytes:
        """The body as received."""
        return zlib.decompress(self.body) if self.encoding == "zlib" else self.body


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a delivery is: an event to record, or the state it ends in with the reason."""

    event: ForgeEvent | PagerDutyEvent | None = None
    state: str = "done"
    reason: str = ""


def due_deliveries(reader: Reader, *, now: Instant, limit: int = BATCH) -> list[Claim]:
    """The deliveries to process now. One that failed before comes alone, so that it can spoil nobody else."""
    claims = reader.fetch("due_deliveries", Claim, now=now, n=limit)
    for i, claim in enumerate(claims):
        if claim.attempts:
            return claims[:i] or [claim]
    return claims


def origin_of(settings: Settings) -> Origin:
    """What is known of deliveries by the settings."""
    return Origin(instance=settings.gitlab_url, web_roots=settings.web_roots)


def process_deliveries(
    store: Store, claims: Sequence[Claim], *, now: Callable[[], Instant], origin: Origin | None = None
) -> None:
    """Process a batch; when its transaction fails, each delivery alone, so that one poisoned row delays the others little.

    Raises StoreUnavailableError with nothing changed: no delivery is to blame for that.
    """
    outcomes = [read_delivery(claim, origin) for claim in claims]
    try:
        store.write(lambda writer: _record(writer, claims, outcomes, now=now()))
        if any(_renames(outcome.event) for outcome in outcomes):
            store.write(_weigh_definitions)
    except StoreUnavailableError:
        raise
    except Exception as error:
        if len(claims) > 1:
            for claim in claims:
                process_deliveries(store, [claim], now=now, origin=origin)
            return
        log.exception("delivery failed", delivery=claims[0].id)
        record_failure(store, claims[0].id, attempts=claims[0].attempts, reason=type(error).__name__, now=now())


def _renames(event: ForgeEvent | PagerDutyEvent | None) -> bool:
    return isinstance(event, NamespaceRenamed) or (isinstance(event, RepositoryChanged) and event.old_name != "")


def _weigh_definitions(writer: Writer) -> None:
    """Of two repositories that define a service the one with the lesser name counts; its new one is read only after it was written."""
    writer.lock("catalog")
    write_claims(writer, plan_claims(writer, {}))


def read_delivery(claim: Claim, origin: Origin | None = None) -> Outcome:
    """Parse one delivery; what is authentic but cannot be parsed is dead, with the reason."""
    try:
        event = _parse(claim, replace(origin or Origin(), received_at=claim.received_at))
    except (PayloadError, SourceError, guard.GuardError) as error:
        return Outcome(state="dead", reason=f"{error.slug}: {error}"[:500])
    except Exception as error:
        # A fault of ours. Parsing is pure: trying again gives the same, until somebody mends it and replays.
        log.exception("delivery cannot be parsed", delivery=claim.id)
        return Outcome(state="dead", reason=f"parser_failed: {type(error).__name__}")
    if isinstance(event, Ignored):
        return Outcome(state="ignored", reason=event.reason)
    return Outcome(event=event)


def _parse(claim: Claim, origin: Origin) -> ForgeEvent | PagerDutyEvent:
    headers = json.loads(claim.headers)
    body = guard.inflate(claim.raw, headers.get("content-encoding", ""), max_bytes=MAX_BODY)
    if claim.source == "github":
        return parse_github(claim.event, body, headers.get("content-type", ""), origin=origin)
    if claim.source == "gitlab":
        instance = headers.get("x-gitlab-instance", "")
        return parse_gitlab(claim.event, body, origin=replace(origin, instance=_instance(instance, origin.instance)))
    if claim.source == "pagerduty":
        return parse_pagerduty(body, dd_env=headers.get(DD_ENV, ""), received_at=claim.received_at, receipt=claim.id)
    return Ignored(reason="unknown_source")


def _instance(told: str, configured: str) -> str:
    """The GitLab that sent a delivery: the configured one, which says its URL's root too, unless the header names another host."""
    parts = urlsplit(told)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.netloc == urlsplit(configured).netloc:
        return configured
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _record(writer: Writer, claims: Sequence[Claim], outcomes: Sequence[Outcome], *, now: Instant) -> None:
    # Another worker may have taken some of them since they were read.
    mine = set(writer.fetch_in("lock_due_deliveries", int, [claim.id for claim in claims], now=now))
    taken = [(claim, outcome) for claim, outcome in zip(claims, outcomes, strict=True) if claim.id in mine]
    told = [outcome.event for _, outcome in taken if outcome.event is not None]
    events = [event for event in told if not isinstance(event, PagerDutyEvent)]
    record_events(writer, events, now=now)
    record_pagerduty(writer, [event for event in told if isinstance(event, PagerDutyEvent)])
    if any(isinstance(event, InstallationChanged) for event in events):
        # Which repositories there are now, and what may be done with them, is asked for as a whole.
        want_errand(writer, kind=REPOSITORIES, forge="github", owner="", urgent=True, now=now)
    writer.execute_many("finish_delivery", [_finished(claim, outcome) for claim, outcome in taken])


def _finished(claim: Claim, outcome: Outcome) -> dict[str, Value]:
    body, encoding = claim.body, claim.encoding
    if not encoding:
        compressed = zlib.compress(body, 1)
        if len(compressed) < len(body):
            body, encoding = compressed, "zlib"
    return {"id": claim.id, "state": outcome.state, "reason": outcome.reason, "body": body, "encoding": encoding}


def record_failure(store: Store, delivery_id: int, *, attempts: int, reason: str, now: Instant) -> None:
    """A delivery failed: due again with back-off (1 s doubling to 10 min), dead after eight attempts."""
    dead = attempts + 1 >= MAX_ATTEMPTS
    wait = min(SECOND * 2**attempts, 10 * MINUTE)
    store.write(
        lambda writer: writer.execute(
            "fail_delivery", id=delivery_id, state="dead" if dead else "failed", reason=reason, run_at=now + wait
        )
    )


def record_crash(writer: Writer, delivery_ids: Sequence[int], *, reason: str = "crash", now: Instant) -> None:
    """A process died while it held these: each is tried again alone; one that was alone and died three times is dead.

    What it had finished before it died stays finished.
    """
    for row in writer.fetch_in("delivery_attempts", _Attempts, list(delivery_ids)):
        dead = len(delivery_ids) == 1 and row.attempts + 1 >= MAX_CRASHES
        writer.execute(
            "fail_delivery", id=row.id, state="dead" if dead else "failed", reason=reason, run_at=now + SECOND // 10
        )


class _Attempts(NamedTuple):
    id: int
    attempts: int


def replay(store: Store, ids: Sequence[int], *, now: Instant, progress: Callable[[str], None]) -> Iterator[None]:
    """Make deliveries due again, from their stored bodies."""
    store.write(
        lambda writer: writer.execute_many("replay_delivery", [{"id": i, "now": now, "empty": b""} for i in ids])
    )
    progress(f"{len(ids)} deliveries to process again")
    yield
