"""What is old is forgotten, in small slices: bodies first, keys later."""

import zlib
from pathlib import Path

from bot.dora.instants import DAY
from bot.pipeline import intake, retention
from bot.settings import load_settings
from bot.store import Store
from tests.support.seed import Seed
from tests.support.server import rows

NOW = 1_800_000_000_000_000_000


def test_bodies_and_keys_go_by_age_and_state(store: Store, store_url: str, tmp_path: Path) -> None:
    seed = Seed()
    for state in ("done", "ignored", "dead", "failed", "received"):
        for age in (10, 40, 100, 400):
            seed.delivery(NOW - age * DAY, state=state, key=f"{state} {age}", body=b"body", encoding="")
    for number in range(retention.SLICE + 50):
        seed.delivery(NOW - 40 * DAY, key=f"more-{number}", body=zlib.compress(b"body"), encoding="zlib")
    seed.write(store)
    told = {"DATA_DIR": str(tmp_path), "KEEP_BODIES_DAYS": "30", "KEEP_FAILED_DAYS": "90", "KEEP_KEYS_DAYS": "365"}

    steps = len(list(retention.forget(store, load_settings(told), now=NOW)))

    found = rows(store_url, "SELECT key, body, encoding FROM inbox")
    assert {key for key, _, _ in found if key.endswith(" 400")} == {"failed 400", "received 400"}
    with_body = {key for key, body, _ in found if body}
    assert with_body == {
        "done 10", "ignored 10", "dead 10", "dead 40", "failed 10", "failed 40", "received 10", "received 40", "received 100",
        "received 400",
    }  # fmt: skip
    assert len([key for key, _, _ in found if key.startswith("more")]) == retention.SLICE + 50
    assert {encoding for key, _, encoding in found if key.startswith("more")} == {""}
    assert steps >= 4, "no slice is larger than it may be"
    assert list(retention.forget(store, load_settings(told), now=NOW)) == []


def test_a_dead_childs_finished_work_stays_finished(store: Store, store_url: str) -> None:
    seed = Seed()
    done = seed.delivery(NOW, state="done", key="done")
    held = seed.delivery(NOW, state="received", key="held", attempts=0)
    seed.write(store)
    for expected in ("failed", "failed", "dead"):
        store.write(lambda writer: intake.record_crash(writer, [done], now=NOW))
        store.write(lambda writer: intake.record_crash(writer, [held], now=NOW))
        states = rows(store_url, "SELECT key, state, reason FROM inbox ORDER BY key")
        assert states == [("done", "done", ""), ("held", expected, "crash")]
