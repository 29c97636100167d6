"""`rollforward backfill --incidents-from` between two real servers, what it reads being what the original's own client wrote."""

import asyncio
import json
import re
from pathlib import Path

from tests.clients.programs import run_script
from tests.engine.incidents_room import original
from tests.pipeline.naming_room import iso
from tests.support.server import API_KEY, Served, served

KEYS = {"DD_API_KEY": API_KEY, "DD_APP_KEY": API_KEY}


def backfill(ours: Served, url: str, *arguments: str) -> dict[str, object]:
    """What the command says as JSON."""
    done = ours.run("backfill", "--incidents-from", url, "--json", *arguments)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    assert API_KEY not in done.stdout + done.stderr
    return found


def test_it_works_beside_a_running_server_and_without_one(tmp_path: Path) -> None:
    for name in ("theirs", "ours"):
        (tmp_path / name).mkdir()
    store = f"sqlite:///{tmp_path}/ours/store.db"
    with served(f"sqlite:///{tmp_path}/theirs/store.db", tmp_path / "theirs") as theirs:
        incident = run_script("incidents.py", "life", server=theirs).good().split()[-1]
        url = f"http://127.0.0.1:{theirs.port}"
        with served(store, tmp_path / "ours", **KEYS) as ours:
            first = backfill(ours, url)
            assert (first["read"], first["new"], first["counted"]) == (1, 1, 1)
            (one,), (other,) = (server.get("/api/v1/failures?service=life-shop")["data"] for server in (ours, theirs))
            assert (one["id"], one["state"], one["severity"], one["services"]) == (incident, "resolved", "SEV-1", other["services"])
            assert abs(one["time_to_restore"] - other["time_to_restore"]) < 2, "the API tells periods in whole seconds"
            assert API_KEY not in (tmp_path / "ours" / "log").read_text()
            ours.stop()
            key = tmp_path / "key"
            key.write_text(f"{API_KEY}\n")
            ours.settings |= {"DD_API_KEY": "", "DD_APP_KEY": ""}
            again = backfill(ours, url, "--api-key-file", str(key), "--app-key-file", str(key))
            assert (again["new"], again["same"]) == (0, 1)
            key.write_text("a-key-of-somebody-else")
            refused = ours.run("backfill", "--incidents-from", url, "--api-key-file", str(key), "--app-key-file", str(key))
            assert (refused.returncode, "refuses these keys" in refused.stderr) == (1, True), refused.stderr
            assert "a-key-of" not in refused.stderr


async def test_the_richer_shape_of_our_tests_is_one_that_the_originals_client_reads(tmp_path: Path) -> None:
    async with original() as other:
        other.keys = {"DD-API-KEY": API_KEY, "DD-APPLICATION-KEY": API_KEY}
        for number in range(3):
            other.know(f"listed-{number}", number, {"active": [(number, 20)], "resolved": [(20, None)]}, resolved=iso(20))
        server = Served("", tmp_path, port=0)
        server.port = int(other.url.rpartition(":")[2])
        told = (await asyncio.to_thread(run_script, "incidents.py", "listed", server=server)).good()
    assert re.findall(r"^listed-(\d)$", told, re.MULTILINE) == ["0", "1", "2", "2", "1", "0"]
