"""Metrics over failures: the cases of docs/failure-metrics.md, payload in, answer out; and what counts nowhere."""

import csv
import io
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from click.testing import CliRunner

from bot.answers.attribution import attribute_failures, failures_of_deployment
from bot.answers.failures import stream_failures
from bot.answers.questions import Filters
from bot.answers.rows import stream_deployments
from bot.cli.main import main
from bot.dora.attribution import Attribution
from bot.dora.instants import DAY, MINUTE
from bot.facts.sources import select_source
from bot.store import Reader, Store
from tests.pipeline.counting_room import Room
from tests.web.doors import API_KEY, Door, open_door
from tests.web.test_api import check

DOCUMENT = Path(__file__).parents[2] / "docs" / "failure-metrics.md"
KEY = {"DD-API-KEY": API_KEY, "DD-APPLICATION-KEY": API_KEY, "Content-Type": "application/json"}
NOW = 1_795_305_600 * 10**9
"""2026-11-22T00:00:00Z."""
UNITS = {"s": 1, "min": 60, "h": 3_600}
NO_ROW = "no row"
KINDS = ("deployment", "failure", "incident", "asked", "failure stands near")

Line = dict[str, str]


@dataclass
class Case:
    """A case of the document: its tables by their first column."""

    title: str
    tables: dict[str, list[Line]] = field(default_factory=dict)

    def lines(self, kind: str) -> list[Line]:
        return self.tables.get(kind, [])


def read_cases(text: str) -> Iterator[Case]:
    """Every third heading with the tables below it."""
    for part in text.split("\n### ")[1:]:
        case = Case(part.partition("\n")[0])
        for block in part.partition("\n## ")[0].split("\n\n"):
            rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines() if line.startswith("|")]
            if rows:
                head, _, *body = rows
                assert head[0] in KINDS and all(len(row) == len(head) for row in body), (case.title, head, body)
                case.tables[head[0]] = [dict(zip(head, row, strict=True)) for row in body]
        yield case


CASES = list(read_cases(DOCUMENT.read_text()))


def test_the_document_has_its_cases():
    assert len(CASES) == 10
    assert sum(len(lines) for case in CASES for lines in case.tables.values()) > 120


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
async def test_a_case_worked_by_hand(store: Store, case: Case) -> None:
    async with open_door(store) as door:
        door.now[0] = NOW
        told = [(kind, line) for kind in ("deployment", "failure", "incident") for line in case.lines(kind)]
        random.shuffle(told)
        for kind, line in told:
            await TELL[kind](door, line)
        for line in case.lines("deployment"):
            if line.get("said"):
                await correct(door, line["deployment"], change_failure=True)
        Room(store).derive()
        for line in case.lines("asked"):
            assert await answered(door, line) == expected(line["answer"]), (case.title, line)
        near: dict[str, list[tuple[str, str, str]]] = {}
        for line in case.lines("failure stands near"):
            near.setdefault(line["failure stands near"], []).append((line["deployment"], line["as"], line["same event"]))
        for failure, links in near.items():
            assert await standing_near(door, failure) == links, (case.title, failure)
        assert both_ways(store)


def both_ways(store: Store) -> bool:
    """Whether a deployment's failures are those that say it is theirs, with the same evidence."""

    def work(reader: Reader) -> tuple[set[Attribution], set[Attribution]]:
        failures = list(stream_failures(reader, Filters()))
        forward = {link for links in attribute_failures(reader, failures) for link in links if link.deployment is not None}
        deployments = stream_deployments(reader, Filters())
        return forward, {link for row in deployments for link in failures_of_deployment(reader, row.id)}

    forward, back = store.read(work)
    return forward == back


def instant(text: str) -> str:
    """`20 18:00` or `18:00` as RFC 3339."""
    day, _, time = text.rpartition(" ")
    return f"2026-11-{day or '20'}T{time}:00Z"


def seconds(text: str) -> int:
    """The same in seconds since 1970."""
    day, _, time = text.rpartition(" ")
    hour, minute = time.split(":")
    return (NOW - (22 - int(day or 20)) * DAY) // 10**9 + int(hour) * 3_600 + int(minute) * 60


def names(cell: str) -> list[str]:
    return [name.strip() for name in cell.split(",") if name.strip()]


def id_of(name: str) -> str:
    """Ids have at least sixteen characters."""
    return f"{name}-of-the-documentation"


async def post(door: Door, path: str, attributes: dict[str, object], *, type: str = "x") -> Any:
    door.now[0] += 1
    given = {name: value for name, value in attributes.items() if value not in ("", [], None)}
    answer = await door.client.post(path, json={"data": {"type": type, "attributes": given}}, headers=KEY)
    assert answer.status in (200, 201), await answer.text()
    return (await answer.json())["data"]


async def tell_deployment(door: Door, line: Line) -> None:
    at = seconds(line["finished"])
    shared = {name: line.get(name, "") for name in ("service", "env", "team", "version")}
    more = {"id": id_of(line["deployment"]), "started_at": at, "finished_at": at, "custom_tags": names(line.get("tags", ""))}
    await post(door, "/api/v2/dora/deployment", shared | more)


async def tell_failure(door: Door, line: Line) -> None:
    shared = {name: line.get(name, "") for name in ("env", "team", "version", "severity")}
    end = seconds(line["ended"]) if line["ended"] else None
    more = {"id": id_of(line["failure"]), "services": names(line["services"]), "custom_tags": names(line.get("tags", ""))}
    await post(door, "/api/v2/dora/failure", shared | more | {"started_at": seconds(line["began"]), "finished_at": end})


async def tell_incident(door: Door, line: Line, **more: object) -> str:
    """Declared in its first state, then changed, with the instants of the past; its id."""
    first, *later = [(instant(at), state) for at, _, state in (word.rpartition(" ") for word in names(line["states"]))]
    fields: dict[str, object] = {"services": {"value": names(line["services"])}, "state": {"value": first[1]}}
    attributes = {"title": line["incident"], "customer_impacted": True, "declared": first[0], "fields": fields} | more
    id = str((await post(door, "/api/v2/incidents", attributes, type="incidents"))["id"])
    random.shuffle(later)
    for at, state in later:
        door.now[0] += 1
        change = {"type": "incidents", "id": id, "attributes": {"fields": {"state": {"value": state, "at": at}}}}
        assert (await door.client.patch(f"/api/v2/incidents/{id}", json={"data": change}, headers=KEY)).status == 200
    return id


TELL = {"deployment": tell_deployment, "failure": tell_failure, "incident": tell_incident}


async def correct(door: Door, name: str, **attributes: object) -> None:
    """A person's word about a deployment."""
    data = {"type": "dora_deployment_patch_request", "id": id_of(name), "attributes": attributes}
    answer = await door.client.patch(f"/api/v2/dora/deployments/{id_of(name)}", json={"data": data}, headers=KEY)
    assert answer.status in (200, 202), await answer.text()


async def metrics(door: Door, **asked: str) -> list[dict[str, Any]]:
    """The rows of /api/v1/metrics, of 20 November unless another window is asked for."""
    given = {"from": "2026-11-20", "to": "2026-11-21"} | asked
    answer = await door.client.get("/api/v1/metrics", params=given, headers=KEY)
    assert answer.status == 200, await answer.text()
    body = await answer.json()
    check("Metrics", body)
    return list(body["data"])


async def answered(door: Door, line: Line) -> dict[str, object]:
    """What the API says to a line's question, of the names that the line asks for."""
    rows = await metrics(door, **dict(parse_qsl(line["asked"])))
    wanted = line["group"].casefold()
    if wanted:
        shown = [("none" if row["group"] is None else str(*row["group"].values() or ("",)), row) for row in rows]
        rows = [row for name, row in shown if wanted in (name.casefold(), row["from"][: len(wanted)].casefold())]
    if line["answer"] == NO_ROW:
        return {} if not rows else {"rows": rows}
    (row,) = rows
    return {name: rounded(row[line["metric"]].get(name)) for name in expected(line["answer"])}


def expected(cell: str) -> dict[str, object]:
    """`median 30 min, count 1, value none` by name; durations in seconds."""
    found: dict[str, object] = {}
    for words in (part.split() for part in cell.split(",") if cell != NO_ROW):
        name, value, *unit = words
        found[name] = None if value == "none" else rounded(float(value) * (UNITS[unit[0]] if unit else 1))
    return found


def rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 6)


async def standing_near(door: Door, failure: str) -> list[tuple[str, str, str]]:
    """(deployment, level, same event) of each link, in the order of deployments."""
    answer = await door.client.get(f"/api/v1/failures/{id_of(failure)}", headers=KEY)
    assert answer.status == 200, await answer.text()
    found = await answer.json()
    linked = [(one["id"].partition("-")[0], one["attribution"]) for one in found["deployments"] if one["attribution"]]
    links = [(name, link["level"], "yes" if link["same_event"] else "no") for name, link in linked]
    return sorted(links) or [("none", found["not_attributed"]["level"], "no")]


async def test_what_does_not_count_is_in_no_number(store: Store) -> None:
    async with open_door(store) as door:
        door.now[0] = NOW
        await tell_deployment(door, {"deployment": "d1", "service": "shop", "version": "v1", "finished": "09:00"})
        for name, began in (("kept", "10:00"), ("gone", "19 08:00")):
            await tell_failure(door, {"failure": name, "services": "shop", "began": began, "ended": "20 10:30"})
        answer = await door.client.delete(f"/api/v2/dora/failures/{id_of('gone')}", headers=KEY)
        assert answer.status == 202
        incident = {"incident": "i", "services": "shop", "states": "18 10:00 active"}
        await tell_incident(door, incident, is_test=True)
        assert (await door.client.delete(f"/api/v2/incidents/{await tell_incident(door, incident)}", headers=KEY)).status == 204
        Room(store).derive()
        (row,) = await metrics(door, **{"from": "2026-11-01", "to": "2026-11-21", "formula": "incidents"})
        assert row["from"] == "2026-11-20T09:00:00Z"  # what does not count begins no window
        assert (row["failures"]["count"], row["time_to_restore"]["count"], row["change_failure_rate"]["value"]) == (1, 1, 1.0)
        await tell_failure(door, {"failure": "first", "services": "shop", "began": "20 01:00", "ended": ""})
        assert (await metrics(door, **{"from": "2026-11-01"}))[0]["from"] == "2026-11-20T01:00:00Z"
        store.write(lambda writer: select_source(writer, "failures", "api", on=False, at=NOW + 40 * MINUTE))
        (row,) = await metrics(door, **{"from": "2026-11-01", "to": "2026-11-21", "formula": "incidents"})
        assert (row["from"], row["failures"]["count"]) == ("2026-11-20T09:00:00Z", 0)
        assert (row["not_counted"]["no_failures"], row["change_failure_rate"]["value"]) == (1, None)


async def test_one_event_that_both_saw_counts_once_in_each_metric(store: Store) -> None:
    """The rollback of v2 and the page that v2 caused: no number but those over failures knows of the page."""
    async with open_door(store) as door:
        door.now[0] = NOW
        for name, version, finished in (("d1", "v1", "09:00"), ("d2", "v2", "10:00"), ("d3", "v1", "10:30")):
            await tell_deployment(door, {"deployment": name, "service": "shop", "version": version, "finished": finished})
        Room(store).derive()
        (before,) = await metrics(door)
        await tell_failure(door, {"failure": "f1", "services": "shop", "began": "10:05", "ended": "10:35"})
        assert await standing_near(door, "f1") == [("d2", "mended", "yes")]
        (after,) = await metrics(door)
        changed = {name for name in after if after[name] != before[name]}
        assert changed == {"time_to_restore", "failures", "not_counted"}
        assert (after["change_failure_rate"]["failed"], after["failed_deployment_recovery_time"]["count"]) == (1, 1)
        assert (after["failures"]["count"], after["time_to_restore"]["count"]) == (1, 1)
        (incidents,) = await metrics(door, formula="incidents")
        assert incidents["change_failure_rate"] == {"value": 1 / 3, "failed": 1, "deployments": 3, "formula": "incidents"}
        assert {name for name in after if after[name] != incidents[name]} == {"change_failure_rate"}


async def test_pages_show_time_to_restore_beside_recovery_and_failures_beside_the_rate(store: Store) -> None:
    async with open_door(store) as door:
        door.now[0] = NOW
        await tell_failure(door, {"failure": "f1", "services": "shop", "began": "10:05", "ended": "10:35"})
        page = await text_of(door, "/")
        assert re.search(r'shop(?:</a>)?\s*<a href="/failures\?[^"]*service=shop[^"]*">1 failure</a> <span class="quiet">never deployed', page)
        assert re.search(r"Time to restore</h3>\s*<p class=\"value\"[^>]*>30.min</p>\s*<p class=\"detail\">(?:<a [^>]*>)?1 of 1 failure restored", page)
        for name, version, finished in (("d1", "v1", "09:00"), ("d2", "v2", "10:00"), ("d3", "v1", "10:30")):
            await tell_deployment(door, {"deployment": name, "service": "shop", "version": version, "finished": finished})
        await tell_failure(door, {"failure": "f2", "services": "shop", "began": "11:00", "ended": ""})
        Room(store).derive()
        for path in ("/", "/services/shop"):
            page = await text_of(door, path)
            assert "1 of 2 failures restored, 1 still open" in page
            assert "1 of 3 deployments; 2 failures told for 3 deployments" in re.sub("<[^>]+>", "", page)
            (restored, told) = (unescape(link) for link in re.findall(r'<p class="detail">(?:<a href="/deployments[^>]*>[^<]*</a>)?[^<]*<a href="(/failures[^"]*)">', page))
            assert restored == told and ("service=shop" in told) == (path != "/")
            assert ">Failures</h3><p class=\"value\">2</p>" in await text_of(door, told), "the card leads to what it counts"
            assert page.index("Failed deployment recovery time</h3>") < page.index("Time to restore</h3>") < page.index(">Instability")
        await tell_deployment(door, {"deployment": "d0", "service": "shop", "version": "v0", "finished": "17 09:00"})
        await tell_failure(door, {"failure": "f0", "services": "shop", "began": "19 09:00", "ended": "19 09:10"})
        Room(store).derive()
        page = await text_of(door, "/?days=2")  # the failure of the two days before is what those two are compared with
        assert "1 of 2 failures restored, 1 still open" in page and "3.0 times as long as in the 2 days before" in page
        page = await text_of(door, "/services/shop?days=2&formula=incidents")
        assert "66.7" in page and "2 failures told for 3 deployments</a></p>" in page and "Failures told</figcaption>" in page
        assert "performance<" not in page.partition("Change failure rate</h3>")[2].partition("Deployment rework rate</h3>")[0]


async def text_of(door: Door, path: str) -> str:
    answer = await door.client.get(path, headers=KEY)
    assert answer.status == 200, await answer.text()
    return await answer.text()


async def test_the_command_and_the_csv_say_the_same(
    store: Store, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_door(store) as door:
        door.now[0] = NOW
        for name, severity, ended in (("f1", "High", "10:30"), ("f2", "low", "13:00")):
            await tell_failure(door, {"failure": name, "services": "shop", "severity": severity, "began": "10:00", "ended": ended})
        asked = {"from": "2026-11-20", "to": "2026-11-21", "severity": "high"}
        answer = await door.client.get("/api/v1/metrics.csv", params=asked, headers=KEY)
        (row,) = csv.DictReader(io.StringIO(await answer.text()))
    found = {name: row[name] for name in ("time_to_restore.median", "time_to_restore.count", "failures.count", "failures.without_env")}
    assert found == {"time_to_restore.median": "1800", "time_to_restore.count": "1", "failures.count": "1", "failures.without_env": "1"}
    for name, value in {"DATABASE_URL": store_url, "DATA_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    arguments = [word for name, value in asked.items() for word in (f"--{name}", value)]
    done = CliRunner().invoke(main, ["metrics", *arguments, "--csv"])
    assert done.exit_code == 0, done.output
    assert list(csv.DictReader(io.StringIO(done.output))) == [row]
