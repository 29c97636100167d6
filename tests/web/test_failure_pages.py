"""The pages about failures, and the API's twin: what they count, what they show around a failure, to whom."""

import re
import shlex
from urllib.parse import parse_qs, urlsplit

import pytest

from bot.answers.failure_detail import detail_json, find_failure
from bot.answers.questions import EVERY_SERVICE
from bot.cli.show import failures_group
from bot.dora.instants import DAY, HOUR, MINUTE
from bot.facts.keys import create_key
from tests.pipeline.inference_room import hear
from tests.pipeline.issue_room import failures, follow, issue
from tests.pipeline.naming_room import Room as NamingRoom
from tests.support.faces import KEY, NOW, browse
from tests.support.failures import add_failure, add_incident
from tests.support.pagerduty import event
from tests.support.seed import Seed, sha
from tests.web.doors import API_KEY
from tests.web.pagerduty_room import open_room
from tests.web.test_api import check
from tests.web.test_pages import HOSTILE, load

BEARER = {"Authorization": f"Bearer {KEY}"}


def shop() -> Seed:
    """Shop is deployed at 10, 8 (which fails) and 6 hours ago (which mends it); Cart once, another env once."""
    seed = Seed()
    for service, team in (("Shop", "Payments"), ("cart", "Core")):
        seed.definition(service, team=team, tags='["tier:1"]')
    for id, hours, version in (("d1", 10, "v1"), ("d2", 8, "v2"), ("d3", 6, "v1")):
        seed.deployment(id, "Shop", NOW - hours * HOUR, version=version, commit_sha=sha(version))
        seed.derived(id, type="rollback" if id == "d3" else "standard", not_computed="no_git")
    seed.remediation("d3", "d2", value="v1", original="v1")
    seed.deployment("c1", "cart", NOW - 9 * HOUR, version="c1")
    seed.derived("c1", not_computed="first_deployment")
    seed.deployment("s1", "Shop", NOW - 7 * HOUR, env="staging", version="v3")
    seed.derived("s1", not_computed="first_deployment")
    return seed


def with_failures() -> Seed:
    """Shop hurts for 3 hours (8 h to 5 h ago), and cart in the middle of it; one is open, one incident comes back, one is off."""
    seed = shop()
    add_failure(seed, "outage", "Shop", NOW - 470 * MINUTE, 3 * HOUR, name="Down", severity="High", tags=("cause:disk",))
    add_failure(seed, "both", "Shop cart", NOW - 7 * HOUR, HOUR, name="Slow", severity="low")
    add_failure(seed, "lasting", "cart", NOW - 50 * DAY, name="Open for ages", severity="low")
    add_failure(seed, "nobody", "", NOW - 2 * DAY, 10 * MINUTE, team="Core", name="Nobody's", env="")
    add_failure(seed, "elsewhere", "Shop", NOW - DAY, HOUR, env="staging", name="Staging")
    add_failure(seed, "off-too", "Shop", NOW - DAY, source="github", name="Open and not counted")
    add_failure(seed, "off", "Shop", NOW - DAY, HOUR, source="github", name="Not counted")
    at = NOW - 3 * DAY
    states = (("active", at), ("stable", at + 20 * MINUTE), ("active", at + 50 * MINUTE), ("stable", at + 55 * MINUTE),
              ("resolved", at + 90 * MINUTE))  # fmt: skip
    add_incident(seed, "incident", "cart", *states, name="Came back", time_to_restore=25 * MINUTE)
    return seed


def said(page):
    """The words of a page, those of each cell apart."""
    return re.sub(r"\s+", " ", " ".join(page.text))


async def test_without_any_failure_the_page_says_how_to_send_them(aiohttp_client, store):
    client = await browse(aiohttp_client, store, Seed(), BASE_URL="https://dora.example")
    page = await load(client, "/failures")
    for text in (
        "Nobody has told of a failure yet", "curl -X POST https://dora.example/api/v2/dora/failure", "https://dora.example/webhooks/pagerduty",
        "https://dora.example/api/v2/incidents", "GitHub issues and GitLab incidents", "rollforward sources enable gitlab --kind failures",
    ):  # fmt: skip
        assert text in page.words, text
    assert "/failures" in page.links, "the navigation leads here"


async def test_what_failures_did_to_whom(aiohttp_client, store):
    """Shop: 7:50 to 4:50 ago, and 7:00 to 6:00 ago within it: 3 hours, not 4. Cart: 1 hour and 20 + 5 minutes of an incident."""
    seed = with_failures()
    seed.deployment("seen", "Shop", NOW - 4 * HOUR, source="apm")
    page = await load(await browse(aiohttp_client, store, seed), "/failures")
    words = said(page)
    assert "Open now 1 the longest since 3 Oct 2026, 00:00" in words
    assert "Median time to restore 42 min 30 s over 4 that were restored" in words
    assert "Failures 4 that began in this period" in words
    assert "Shop 2 – 3 h 2 h cart 2 – 1 h 25 min 42 min 30 s no service named 1 – 10 min 10 min" in words
    assert "Payments 2 – 3 h 2 h Core 3 – 1 h 35 min 25 min" in words
    assert "Open for ages API active cart prod low 3 Oct 2026, 00:00 50 d" in words
    newest = [link.split("?")[0] for link in page.links if link.startswith("/failures/")]
    assert newest == [f"/failures/{id}" for id in ("lasting", "both", "outage", "nobody", "incident")]
    assert "GitHub issues github off" in words and "ot counted" not in words
    assert "Source all api incidents Severity" in words, "those that tell of failures, not of deployments"


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        ({}, {"both", "outage", "nobody", "incident"}), ({"env": "all"}, {"both", "outage", "nobody", "incident", "elsewhere"}),
        ({"env": "staging"}, {"elsewhere"}), ({"service": "SHOP"}, {"both", "outage"}), ({"team": "core"}, {"both", "nobody", "incident"}),
        ({"source": "incidents"}, {"incident"}), ({"severity": "HIGH"}, {"outage"}), ({"state": "stable"}, set()), ({"state": "resolved", "service": "shop"}, {"both", "outage"}), ({"tag": "cause:disk"}, {"outage"}),
        ({"tag": "tier:1", "days": "2"}, {"both", "outage"}), ({"to": "2026-11-20"}, {"incident"}), ({"service": "nobody"}, set()),
    ],
)  # fmt: skip
async def test_filters_live_in_the_url_and_the_exports_ask_the_same(aiohttp_client, store, asked, ids):
    client = await browse(aiohttp_client, store, with_failures())
    page = await load(client, "/failures", **asked)
    listed = {link.split("?")[0].removeprefix("/failures/") for link in page.links if link.startswith("/failures/")}
    assert listed - {"lasting"} == ids
    assert ("Only production is shown" in page.words) is ("env" not in asked)
    export = next(link for link in page.links if link.startswith("/api/v1/failures?"))
    assert {one["id"] for one in (await (await client.get(export)).json())["data"]} == ids
    assert (await client.get(export.replace("/failures?", "/failures.csv?"))).content_type == "text/csv"
    _, group, *options = shlex.split(next(text for text in page.text if text.startswith("rollforward failures --")))
    with failures_group.make_context(group, list(options)) as context:
        told = {(name.rstrip("s_") if name == "tags" else name.rstrip("_"), value) for name, value in context.params.items() if value and name != "form"}
    query = parse_qs(urlsplit(export).query)
    assert told == {(name, tuple(values) if name == "tag" else values[0]) for name, values in query.items()}, "and so does the command"


async def test_pages_of_the_list_hold_each_failure_once(aiohttp_client, store):
    seed = Seed()
    for n in range(60):
        add_failure(seed, f"f-{n:02}", "shop", NOW - (1 + n // 3) * HOUR, MINUTE)
    client, seen, path = await browse(aiohttp_client, store, seed), [], "/failures?days=7"
    while path and len(seen) < 100:
        page = await load(client, path)
        assert "Failures 60 that began" in said(page), "the numbers are of all pages"
        assert f"{len(seen) + 1}–{min(len(seen) + 25, 60)} of 60 that began in this period, newest first" in said(page)
        assert ("/failures?days=7#all" in page.links) is bool(seen), "from later pages one comes back"
        seen += [link.split("?")[0] for link in page.links if link.startswith("/failures/")]
        path = next((link for link in page.links if "cursor=" in link), None)
        assert path is None or path.endswith("#all"), "it leads to the list, not to the numbers above"
    assert (len(seen), len(set(seen))) == (60, 60)
    for wrong in ({"unit": "commit"}, {"severity": "\x00"}, {"cursor": "x"}, {"days": "0"}):
        assert next(iter(wrong)) in (await load(client, "/failures", status=400, **wrong)).words


async def test_where_nothing_is_restored_the_overview_has_no_link_without_words(aiohttp_client, store):
    seed = shop()
    add_failure(seed, "lasting", "Shop", NOW - HOUR, name="Open")
    overview = await (await (await browse(aiohttp_client, store, seed)).get("/")).text()
    assert 'title="0 of 1 failure restored, 1 still open"' in overview and ">–</a>" not in overview


async def test_a_failure_and_the_deployments_around_it(aiohttp_client, store):
    client = await browse(aiohttp_client, store, with_failures())
    page = await load(client, "/failures/outage")
    words = said(page)
    for text in (
        "Down", "3 h from its beginning to its end", "likely Shop v2", "after the deployment had finished. The failure ended",
        "both are one event, seen from two sides", "2 h 10 min before", "1 h 50 min into it", "cause:disk tier:1", "Payments",
    ):  # fmt: skip
        assert text in words, text
    assert "/deployments/s1" not in page.links, "another env"
    assert any("active for 3" in value and "Deployments before it: 2, since it began: 1." in value for value in page.values)
    answer = await (await client.get("/api/v1/failures/outage", headers=BEARER)).json()
    check("FailureDetail", answer)
    assert [(one["id"], one["when"], one["mends"], one["change_failure"]) for one in answer["deployments"]] == [
        ("d1", "before", [], False), ("d2", "before", [], True), ("d3", "during", ["d2"], False),
    ]  # fmt: skip
    assert [one["attribution"] and one["attribution"]["confidence"] for one in answer["deployments"]] == [None, "likely", None]
    assert (answer["time_to_restore"], answer["active_time"], answer["restored"]) == (10_800, 10_800, {"how": "finished_minus_started", "reason": None})
    assert [span["state"] for span in answer["spans"]] == ["active", "resolved"]


async def test_an_incident_shows_its_states_and_why_there_is_no_time_to_restore(aiohttp_client, store):
    seed = Seed()
    at = NOW - 2 * HOUR
    add_incident(seed, "came-back", "cart", ("active", at), ("resolved", at + HOUR), ("active", at + 80 * MINUTE), ("stable", at + 90 * MINUTE))
    add_incident(seed, "calm", "cart", ("stable", at), ("resolved", at + HOUR))
    add_incident(seed, "twice", "cart", ("active", at), ("stable", at + 20 * MINUTE), ("active", at + 50 * MINUTE),
                 ("stable", at + 55 * MINUTE), time_to_restore=25 * MINUTE)  # fmt: skip
    client = await browse(aiohttp_client, store, seed)

    async def told(id):
        check("FailureDetail", await (await client.get(f"/api/v1/failures/{id}")).json())
        return said(await load(client, f"/failures/{id}"))

    assert "1 h 10 min so far: it came back after it was resolved, and is still open until it is resolved again." in await told("came-back")
    assert "Unknown: nobody knows when it was active." in await told("calm")
    assert "25 min in 2 active periods, together." in await told("twice")
    assert "resolved 21 Nov 2026, 23:00 since then Which deployment" in await told("calm"), "what is over takes no time"
    assert "active 21 Nov 2026, 22:50 21 Nov 2026, 22:55 5 min" in await told("twice")


async def test_an_incident_of_pagerduty_shows_what_its_events_show(store):
    """Triggered, resolved after 10 minutes, reopened after 15 and resolved after 30: it hurt for 25 of 30 minutes."""
    moves = (("incident.resolved", 30), ("incident.triggered", 0), ("incident.reopened", 15), ("incident.resolved", 10), ("incident.acknowledged", 5))
    async with open_room(store) as room:
        await room.tell(*(event(type, minute) for type, minute in moves))
        one = await room.failure()
        answer = await (await room.door.client.get(f"/api/v1/failures/{one['id']}", headers={"Authorization": f"Bearer {API_KEY}"})).json()
    check("FailureDetail", answer)
    assert [span["state"] for span in answer["spans"]] == ["active", "resolved", "active", "resolved"]
    assert (answer["time_to_restore"], answer["active_time"]) == (1_800, 1_500)


def test_an_issue_that_was_opened_again_shows_when_it_was_open(store, tmp_path):
    """Open from 10:10 to 10:40 and from 11:00 to 11:15."""
    told = (
        issue("opened", 10), issue("closed", 40, state="closed", closed=40), issue("reopened", 60, closed=40),
        issue("closed", 75, state="closed", closed=75),
    )  # fmt: skip
    follow(NamingRoom(store, tmp_path), hear(*told))
    (one,) = failures(store)
    _, found = store.read(lambda reader: find_failure(reader, one["id"], source=None, now=NOW, visible=EVERY_SERVICE))
    answer = detail_json(found)
    check("FailureDetail", answer)
    assert [span["state"] for span in answer["spans"]] == ["active", "resolved", "active", "resolved"]
    assert (answer["time_to_restore"], answer["active_time"]) == (45 * 60, 45 * 60)
    assert (answer["restored"]["how"], answer["not_computed"]) == ("active_periods", "source_off")


async def test_one_id_of_several_sources(aiohttp_client, store):
    seed = Seed()
    add_failure(seed, "shared/1 &?", "shop", NOW - HOUR, MINUTE, source="github", name="An issue")
    add_failure(seed, "shared/1 &?", "shop", NOW - HOUR, MINUTE, source="incidents", name="An incident")
    client = await browse(aiohttp_client, store, seed)
    path = "/failures/shared%2F1%20%26%3F"
    one = await load(client, path)
    assert "An incident" in one.words, "the one that counts"
    other = next(link for link in one.links if "source=github" in link)
    assert "It does not count: its data source is switched off" in (await load(client, other)).words
    for wrong, status in (("?source=api", 404), ("?source=github&x=1", 400), ("x", 404)):
        await load(client, path + wrong, status=status)
        assert (await client.get(f"/api/v1{path}{wrong}")).status == status


async def test_a_limited_key_sees_failures_and_deployments_of_its_services_alone(aiohttp_client, store):
    key = store.write(lambda writer: create_key(writer, name="cart", scopes=["read"], services=["cart"], now=NOW)).key
    client = await browse(aiohttp_client, store, with_failures())
    bearer = {"Authorization": f"Bearer {key}"}
    for path, status in (
        ("/failures", 403), ("/failures?service=cart", 200), ("/failures/outage", 403), ("/failures/nobody", 403), ("/failures/both", 200),
    ):  # fmt: skip
        assert (await client.get(path, headers=bearer)).status == status, path
    page = await (await client.get("/?service=cart", headers=bearer)).text()
    assert ">cart</option>" in page
    assert ">shop</option>" not in page
    both = await (await client.get("/api/v1/failures/both", headers=bearer)).json()
    assert [one["id"] for one in both["deployments"]] == ["c1"]


async def test_hostile_texts_stay_texts(aiohttp_client, store):
    seed, pairs = Seed(), list(enumerate(zip([f"plain{n}" for n in range(len(HOSTILE))], HOSTILE, strict=True)))
    for n, texts in pairs:
        for kind, text in zip(("plain", "hostile"), texts, strict=True):
            more = {"name": text, "severity": text, "version": text, "env": text, "team": text, "tags": (text,)}
            add_failure(seed, f"{kind}-{n}", "shop", NOW - HOUR, 2 * MINUTE, **more)
            seed.deployment(f"{kind}-d{n}", "shop", NOW - 2 * HOUR, env=text, version=text, team=text)
    client = await browse(aiohttp_client, store, seed)
    for n, (_, text) in pairs:
        plain, hostile = [await load(client, f"/failures/{kind}-{n}") for kind in ("plain", "hostile")]
        assert hostile.shape == plain.shape, text
        assert re.sub(r"\s+", " ", text).strip() in hostile.words
    await load(client, "/failures?env=all")


async def test_services_that_nobody_knows_are_no_links(aiohttp_client, store):
    seed = shop()
    add_failure(seed, "x", "Shop Ghost", NOW - DAY, HOUR, name="Both")
    client = await browse(aiohttp_client, store, seed)
    key = store.write(lambda writer: create_key(writer, name="ghost", scopes=["read"], services=["ghost"], now=NOW)).key
    page = await load(client, "/failures/x")
    assert "/services/shop" in page.links and "/services/ghost" not in page.links
    assert "Ghost, Shop" in page.words
    async with client.get("/failures/x", headers={"Authorization": f"Bearer {key}"}) as answer:
        assert answer.status == 200 and "/services/shop" not in await answer.text(), "that would be refused"


async def test_severities_that_differ_in_case_alone_are_one_as_first_written(aiohttp_client, store):
    seed = shop()
    for number, severity in enumerate(("SEV1", "Sev1", "sev1", "low")):
        add_failure(seed, f"x{number}", "Shop", NOW - (number + 1) * HOUR, HOUR, severity=severity)
    client = await browse(aiohttp_client, store, seed)
    body = await (await client.get("/failures?severity=SEV1")).text()
    assert re.findall(r"<option[^>]*>(sev1|low)</option>", body, re.IGNORECASE) == ["low", "sev1"]
    assert re.search(r"<option[^>]* selected[^>]*>sev1</option>", body)
    assert "Failures 3 that began in this period" in said(await load(client, "/failures", severity="SEV1"))
    body = await (await client.get("/failures?severity=Nothing")).text()
    assert re.search(r"<option[^>]* selected[^>]*>Nothing</option>", body)
