"""Who of those that wait may ask a forge now: live before backfill, in turns by organisation, within limits, never a forge that is down.

Rules:
- A page is a turn; so many turns run at once per forge and per owner, and backfill leaves one of each free for what is live.
- A forge that says when to come again is left alone until then: on GitHub by those of the same organisation, whose limit it is,
  else by all. A limit met by backfill may be what is kept for the live, so it stops backfill only.
- After failures in a row a forge's circuit opens: nobody asks it but one probe at a time, ever more rarely up to an hour.
- A forge's clock may be wrong: what it says is taken for no sooner than our own growing pause, and no later than LONGEST_LIMIT.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bot.dora.instants import HOUR, MINUTE, Instant
from bot.pipeline.mirror import pause_after

PER_FORGE, PER_OWNER = 4, 2
FAILURES_TO_OPEN = 5
LONGEST_LIMIT = HOUR + 5 * MINUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Something that waits for its turn."""

    key: str
    forge: str
    owner: str
    urgent: bool


@dataclass(slots=True)
class _Circuit:
    failures: int = 0
    probe_at: Instant = 0
    probing: bool = False

    @property
    def is_open(self) -> bool:
        return self.failures >= FAILURES_TO_OPEN


class Pacing:
    """What runs, who pauses, and which circuits are open."""

    def __init__(self) -> None:
        self._running: Counter[tuple[str, ...]] = Counter()
        self._paused: dict[tuple[str, str, bool], Instant] = {}
        self._limits: Counter[tuple[str, str, bool]] = Counter()
        self._circuits: dict[str, _Circuit] = {}
        self._served: dict[tuple[str, str], int] = {}
        self._turns = 0

    def in_order(self, waiting: Sequence[Turn]) -> list[Turn]:
        """Those that wait, the next first: an owner who has much running or was just served lets the others go before."""
        places: Counter[tuple[str, str, bool]] = Counter()
        order: list[tuple[bool, int, int, int, Turn]] = []
        for turn in waiting:
            owner = (turn.forge, turn.owner)
            place = self._running[owner] + places[*owner, turn.urgent]
            places[*owner, turn.urgent] += 1
            order.append((not turn.urgent, place, self._served.get(owner, 0), len(order), turn))
        return [turn for *_, turn in sorted(order, key=lambda row: row[:4])]

    def start(self, turn: Turn, *, now: Instant) -> bool:
        """Take a turn, if it may be taken now."""
        owner, forge = (turn.forge, turn.owner), (turn.forge,)
        kept_free = 0 if turn.urgent else 1
        if self._running[forge] >= PER_FORGE - kept_free or self._running[owner] >= PER_OWNER - kept_free:
            return False
        limits = {_limit_of(turn, urgent=True), _limit_of(turn, urgent=turn.urgent)}
        if any(self._paused.get(limit, 0) > now for limit in limits):
            return False
        circuit = self._circuits.get(turn.forge)
        if circuit is not None and circuit.is_open:
            if circuit.probing or now < circuit.probe_at:
                return False
            circuit.probing = True
        self._running[forge] += 1
        self._running[owner] += 1
        self._turns += 1
        self._served[owner] = self._turns
        return True

    def end(self, turn: Turn) -> None:
        """A turn is over."""
        for who in ((turn.forge,), (turn.forge, turn.owner)):
            self._running[who] -= 1
        if (circuit := self._circuits.get(turn.forge)) is not None:
            circuit.probing = False

    def answered(self, turn: Turn) -> None:
        """The forge answered, be it with a refusal."""
        self._circuits.pop(turn.forge, None)
        self._limits.pop(_limit_of(turn, urgent=turn.urgent), None)

    def failed(self, turn: Turn, *, now: Instant) -> None:
        """The forge did not answer, or not usefully."""
        circuit = self._circuits.setdefault(turn.forge, _Circuit())
        circuit.failures += 1
        if circuit.is_open:
            circuit.probe_at = now + pause_after(circuit.failures - FAILURES_TO_OPEN + 1, key=turn.forge)

    def limited(self, turn: Turn, *, retry_at: Instant, now: Instant) -> Instant:
        """The forge answered that it is enough for now; returns when to come again."""
        self._circuits.pop(turn.forge, None)
        limit = _limit_of(turn, urgent=turn.urgent)
        self._limits[limit] += 1
        until = min(max(retry_at, now + pause_after(self._limits[limit], key=turn.forge)), now + LONGEST_LIMIT)
        self._paused[limit] = max(until, self._paused.get(limit, 0))
        return until

    def is_open(self, forge: str) -> bool:
        """Whether the forge is taken for down."""
        circuit = self._circuits.get(forge)
        return circuit is not None and circuit.is_open


def _limit_of(turn: Turn, *, urgent: bool) -> tuple[str, str, bool]:
    return turn.forge, turn.owner if turn.forge == "github" else "", urgent
