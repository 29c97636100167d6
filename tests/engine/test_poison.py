"""Deliveries that make the parser raise, hang or die: put aside with a reason, in nobody's way, and restored by `replay`."""

import json
import time
from pathlib import Path

import pytest

from tests.support.server import Served, pull_request_body, served, until

HEALTHY = 240


def _states(server: Served) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in server.get("/api/v1/deliveries?limit=1000")["data"]:
        found[row["state"]] = found.get(row["state"], 0) + 1
    return found


def _send(server: Served, titles: list[str], first: int) -> dict[int, str]:
    """Deliver these; titles by delivery id."""
    sent = {}
    for number, title in enumerate(titles, start=first):
        answer = server.deliver("pull_request", pull_request_body(number, title=title))
        assert answer.status == 202
        sent[answer.json()["delivery"]] = title
        time.sleep(0.005)
    return sent


def _waited(notes: Path, ids: set[int]) -> list[float]:
    """Seconds from receipt to done, sorted."""
    last = {int(id): int(waited) / 1e9 for id, waited in (line.split() for line in notes.read_text().splitlines())}
    return sorted(last[id] for id in ids)


def test_poison_is_put_aside_and_replayed(store_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    notes = tmp_path / "waited"
    poisoned = ("tests.support.poison_server",)
    with served(store_url, tmp_path, program=poisoned, WAITED=str(notes), HUNG_AFTER="3") as server:
        sent = _send(server, ["the first, which waits for the child to start"], 1)
        until(lambda: _states(server) == {"done": 1}, seconds=60)
        titles = [f"raise {n}" if n % 20 == 7 else f"Change {n}" for n in range(HEALTHY)]
        mixed = _send(server, titles, 2)
        until(lambda: not _states(server).keys() & {"received", "failed"}, seconds=120)
        waits = _waited(notes, {id for id, title in mixed.items() if not title.startswith("raise")})

        worse = ["Change a", "hang", "Change b", "kill", "Change c"]
        sent |= mixed | _send(server, worse, HEALTHY + 2)
        until(lambda: not _states(server).keys() & {"received", "failed"}, seconds=180)
        longest = _waited(notes, {id for id, title in sent.items() if title in {"Change a", "Change b", "Change c"}})[-1]
        assert server.ready() == 200

        reasons = {"raise": "parser_failed: KeyError", "hang": "hung", "kill": "crash"}
        expected = {id: reasons[title.split()[0]] for id, title in sent.items() if title.split()[0] in reasons}
        listed = json.loads(server.run("deliveries", "list", "--state", "dead", "--limit", "1000", "--json").stdout)["data"]
        assert {row["id"]: row["reason"] for row in listed} == expected
        shown = json.loads(server.run("deliveries", "show", str(min(expected))).stdout)
        assert (shown["state"], shown["reason"], shown["event"]) == ("dead", expected[min(expected)], "pull_request")
        assert _states(server) == {"dead": len(expected), "done": len(sent) - len(expected)}
        assert server.stop()[0] == 0

    with served(store_url, tmp_path) as mended:
        replayed = mended.run("deliveries", "replay", *map(str, expected))
        assert replayed.returncode == 0, replayed.stderr
        assert replayed.stdout.splitlines() == [f"{id}: done" for id in expected]
        assert _states(mended) == {"done": len(sent)}
        numbers = {row["number"] for row in mended.get("/api/v1/pull-requests?limit=1000")["data"]}
        assert numbers == set(range(1, len(sent) + 1))
    p99 = waits[int(len(waits) * 0.99)]
    with capsys.disabled():
        print(
            f"\npoison: {len(waits)} healthy ones beside 5 % that raise waited {waits[len(waits) // 2] * 1000:.0f} ms (median), "
            f"{p99 * 1000:.0f} ms (p99); beside one that hangs (limit 3 s) and one that kills at most {longest:.1f} s"
        )
    assert p99 < 3.0


def test_what_cannot_be_used_says_why(store_url: str, tmp_path: Path) -> None:
    with served(store_url, tmp_path) as server:
        bodies = {
            "cut": ("push", b'{"ref": "refs/heads/main", "repos'),
            "wrong": ("pull_request", b'{"action": "opened", "number": "seven"}'),
            "unknown": ("sponsorship", b'{"action": "created"}'),
            "ping": ("ping", b'{"zen": "Keep it logically awesome.", "hook_id": 1}'),
        }
        for key, (event, body) in bodies.items():
            assert server.deliver(event, body, key=key).status == 202
        until(lambda: "received" not in _states(server), seconds=60)
        rows = {row["key"]: row for row in server.get("/api/v1/deliveries")["data"]}
        assert {key: row["state"] for key, row in rows.items()} == {
            "cut": "dead", "wrong": "dead", "unknown": "ignored", "ping": "ignored",
        }  # fmt: skip
        for key, row in rows.items():
            assert row["reason"], key
        assert "JSON" in rows["cut"]["reason"] or "json" in rows["cut"]["reason"]
        assert server.ask("GET", "/api/v1/deliveries").status == 401
        table = server.run("deliveries", "list").stdout
        for key, row in rows.items():
            assert any(key in line and row["reason"][:20] in line for line in table.splitlines()), table
