"""What `/metrics` tells of forges."""

from pathlib import Path

from aiohttp.test_utils import TestClient, TestServer

from bot.app import create_app
from bot.dora.instants import HOUR, SECOND
from bot.engine.clock import now
from bot.facts.errands import LOG, want_errand
from bot.facts.hooks import record_hooks, record_log_page
from bot.facts.outbox import REDELIVER, want_said
from bot.forges.client import HookSeen
from bot.settings import load_settings
from bot.store import Store, Writer

KEY = "rf_" + "0" * 40


async def test_hooks_gaps_and_what_waits(store: Store, tmp_path: Path) -> None:
    def work(writer: Writer) -> None:
        record_hooks(writer, "github", [HookSeen(id="app", subject="GitHub App bot", state="active")])
        writer.execute("upsert_hook", forge="gitlab", id="project/1/1", subject="grp/one", state="active", reason="")
        writer.execute("upsert_hook", forge="gitlab", id="project/2/2", subject="grp/two", state="disabled", reason="40 failures")
        want_errand(writer, kind=LOG, forge="github", owner="", subject="app", now=now() - HOUR)
        want_said(writer, key="r", kind=REDELIVER, forge="github", repository_id=None, subject="app 1", now=now() - 5 * SECOND)

    store.write(work)
    store.write(lambda writer: record_log_page(writer, forge="github", id="app", gaps=3, repaired=2, arrived_at=None))
    settings = load_settings({"DATA_DIR": str(tmp_path), "API_KEYS": KEY})
    async with TestClient(TestServer(create_app(settings, store, None))) as client:
        answer = await client.get("/metrics", headers={"Authorization": f"Bearer {KEY}"})
        assert answer.status == 200
        lines = (await answer.text()).splitlines()
    figures = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert {name: value for name, value in figures.items() if "hook_quiet" in name} == {
        'rollforward_hook_quiet{forge="github",hook="app"}': "0.0",
        'rollforward_hook_quiet{forge="gitlab",hook="project/2/2"}': "1.0",
    }
    assert (figures["rollforward_gaps_found_total"], figures["rollforward_gaps_repaired_total"]) == ("3.0", "2.0")
    assert (figures["rollforward_errands_waiting"], figures["rollforward_outbox_waiting"]) == ("1.0", "1.0")
    assert 3_600 <= float(figures["rollforward_correspondence_oldest_seconds"]) < 3_700
