"""The real server with a parser that some titles poison, and a note of how long each delivery waited.

A title that begins with `raise`, `hang` or `kill` does that to the process that parses it. `HUNG_AFTER` (seconds) replaces the
product's limit. The engine's child imports this module too (processes are spawned), so what is replaced here is replaced there.
"""

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bot.cli.main import main
from bot.dora.events import ForgeEvent
from bot.engine import engine
from bot.pipeline import intake
from bot.store import Store

_parse, _process = intake._parse, intake.process_deliveries


def _poisoned(claim: intake.Claim, origin: intake.Origin) -> ForgeEvent:
    if b'"title": "raise' in claim.body:
        raise KeyError("a fault of ours")
    if b'"title": "hang' in claim.body:
        time.sleep(3_600)
    if b'"title": "kill' in claim.body:
        os.kill(os.getpid(), signal.SIGKILL)
    return _parse(claim, origin)


def _noting(store: Store, claims: Sequence[intake.Claim], *, now: Callable[[], int], origin: intake.Origin) -> None:
    _process(store, claims, now=now, origin=origin)
    with Path(os.environ["WAITED"]).open("a") as notes:
        notes.writelines(f"{claim.id} {now() - claim.received_at}\n" for claim in claims)


intake._parse = _poisoned
intake.process_deliveries = _noting
engine.HUNG_AFTER = float(os.environ.get("HUNG_AFTER", engine.HUNG_AFTER))

if __name__ == "__main__":
    main()
