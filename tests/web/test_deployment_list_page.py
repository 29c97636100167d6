"""The page that lists deployments: what it says of each, its filters, and that every count on cards and in tables opens to what it counts."""

import re
import shlex
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest

from bot.answers.cursors import Cursor
from bot.answers.deployments import OUTCOME
from bot.cli.show import deployments_command
from bot.dora.instants import DAY, HOUR
from bot.facts.keys import create_key
from tests.support.faces import NOW, browse
from tests.support.seed import Seed, organisation
from tests.web.test_deployment_list import CASES, shop
from tests.web.test_failure_pages import said
from tests.web.test_pages import load

CHIPS = {
    ("change_failure", "true"): "failed", ("change_failure", "false"): "did not fail", ("rework", "true"): "rework",
    ("rework", "false"): "no rework", ("counted", "true"): "counted by metrics", ("counted", "false"): "not counted by metrics",
}  # fmt: skip


async def test_the_last_days_take_the_place_of_a_window(aiohttp_client, store):
    client = await browse(aiohttp_client, store, shop())
    page = await load(client, "/deployments", **{"from": "2026-11-01", "to": "2026-11-10", "env": "all"})
    assert "from 1 Nov 2026, 00:00 × remove to 10 Nov 2026, 00:00 × remove" in said(page)
    chosen = await load(client, "/deployments", **{"days": "90", "from": "2026-11-01", "to": "2026-11-10", "env": "all"})
    assert "9 deployments that finished" in said(chosen) and "× remove" not in said(chosen)
    nothing = await load(client, "/deployments", days="7", env="all", cursor=Cursor.encode((0, "")))
    assert "None of them is older than where this page begins" in said(nothing)


async def test_without_any_deployment_the_page_leads_to_the_first(aiohttp_client, store):
    page = await load(await browse(aiohttp_client, store, Seed()), "/deployments")
    assert "Nothing has been deployed yet" in page.words
    assert "/deployments" in page.links, "the navigation leads here"


async def test_each_row_says_what_became_of_a_deployment(aiohttp_client, store):
    page = await load(await browse(aiohttp_client, store, shop()), "/deployments", env="all")
    words = said(page)
    for text in (
        "9 deployments that finished in this period, newest first", "2 of them do not count in any metric",
        "v2 prod failed mended by a rollback after 1 h it came without a commit",
        "v3 prod failed failed, and not recovered yet", "v1 prod rollback it came without",
        "another source’s word of a release that counts", "Shop Payments 21 Nov 2026, 19:00 v5 prod not counted its data source is switched off",
        "– prod unknown", "cart 21 Nov 2026, 21:00 c1 staging pending not derived yet",
    ):  # fmt: skip
        assert text in words, (text, words)
    listed = [link for link in page.links if re.fullmatch(r"/deployments/[^/?]+", link)]
    assert [link for link in dict.fromkeys(listed) if link != "/deployments/d5"][:3] == ["/deployments/new", "/deployments/nameless", "/deployments/off"]
    assert {"/services/shop", "/services/cart", "/deployments?env=all&counted=true"} <= set(page.links)
    only = said(await load(await browse(aiohttp_client, store, Seed()), "/deployments", counted="false"))
    assert "2 deployments that finished" in only and "None of them counts in any metric" in only


@pytest.mark.parametrize(("asked", "found"), [*CASES, ({"team": "payments", "tag": "rework:true"}, ["d5"]), ({"to": "2026-11-20"}, [])])
async def test_filters_live_in_the_url_and_the_exports_ask_the_same(aiohttp_client, store, asked, found):
    client = await browse(aiohttp_client, store, shop())
    page = await load(client, "/deployments", **asked, env="all")
    assert ("No deployments match" in page.words) is not bool(found)
    assert re.search(rf"\b{len(found)} deployments? that finished", said(page)) if found else "everything of the last year" in page.words
    export = next(link for link in page.links if link.startswith("/api/v1/deployments?"))
    assert [one["id"] for one in (await (await client.get(export)).json())["data"]] == found
    assert (await client.get(export.replace("/deployments?", "/deployments.csv?"))).content_type == "text/csv"
    _, name, *options = shlex.split(next(text for text in page.text if text.startswith("rollforward deployments --")))
    with deployments_command.make_context(name, list(options)) as context:
        told = {("tag" if name == "tags" else name.rstrip("_"), value) for name, value in context.params.items() if value and name != "form"}
    query = parse_qs(urlsplit(export).query)
    assert told == {(name, tuple(values) if name == "tag" else values[0]) for name, values in query.items()}, "and so does the command"
    body = await (await client.get("/deployments", params={**asked, "env": "all"})).text()
    for name, value in asked.items():
        if name in OUTCOME:
            select = body.partition(f'<select name="{name}">')[2].partition("</select>")[0]
            assert f'<option value="{value}" selected>' in select and select.count("<option") == 1 + len(OUTCOME[name]), "asked again it is kept"
            chip = CHIPS.get((name, value), f"{name} {value}")
            assert f"{chip} × remove" in page.words, "it can be taken back"


async def test_a_wrong_question_is_refused_by_its_name(aiohttp_client, store):
    client = await browse(aiohttp_client, store, shop())
    for wrong in (*({name: "maybe"} for name in OUTCOME), {"unit": "commit"}, {"state": "open"}, {"cursor": "x"}, {"days": "0"}):
        assert next(iter(wrong)) in (await load(client, "/deployments", status=400, **wrong)).words


async def test_pages_of_the_list_hold_each_deployment_once(aiohttp_client, store):
    seed = Seed()
    for n in range(60):
        seed.deployment(f"d-{n:02}", "shop", NOW - (1 + n // 3) * HOUR, version=f"v{n}")
        seed.derived(f"d-{n:02}", type="rollback" if n % 2 else "standard")
    client = await browse(aiohttp_client, store, seed)
    for start, total in (("/deployments?days=7", 60), ("/deployments?days=7&type=rollback", 30)):
        path, seen = start, []
        while path and len(seen) < 100:
            page = await load(client, path)
            assert f"{len(seen) + 1}–{min(len(seen) + 25, total)} of {total} deployments that finished in this period, newest first" in said(page)
            assert (f"{start}#all" in page.links) is bool(seen), "from later pages one comes back"
            seen += [link for link in page.links if link.startswith("/deployments/")]
            path = next((link for link in page.links if "cursor=" in link), None)
            assert path is None or path.endswith("#all")
        assert (len(seen), len(set(seen))) == (total, total)
    service = await load(client, "/services/shop?days=7")
    older = next(link for link in service.links if link.startswith("/deployments?") and "cursor=" in link)
    assert "26–50 of 60 deployments that finished" in said(await load(client, older))


async def test_nothing_of_the_future_is_listed_nor_a_window_that_the_api_refuses(aiohttp_client, store):
    client = await browse(aiohttp_client, store, shop(), now=NOW - 7 * HOUR)
    for asked, total in (({"to": "2030-01-01"}, "3 deployments that"), ({"from": "2029-01-01", "to": "2030-01-01"}, "No deployments match")):
        page = await load(client, "/deployments", env="all", **asked)
        assert total in said(page)
        export = next(link for link in page.links if link.startswith("/api/v1/deployments?"))
        assert (await client.get(export)).status == 200


@pytest.mark.parametrize("formula", ["all", "excluding_rollbacks"])
@pytest.mark.parametrize("path", ["/", "/?env=all&days=90", "/services/checkout?days=90", "/?team=payments&to=2026-11-20"])
async def test_cards_and_tables_lead_to_just_what_they_count(aiohttp_client, store, path, formula):
    seed = organisation(NOW)
    for n, (source, more) in enumerate((("apm", {"not_computed": "source_off"}), ("api", {"merged_into": "checkout-prod-9"}))):
        seed.deployment(f"off-{n}", "checkout", NOW - (2 + n) * DAY, version="v", source=source)
        seed.derived(f"off-{n}", type="rollback", failed=1, **more)
    client = await browse(aiohttp_client, store, seed)
    page = await (await client.get(path + ("&" if "?" in path else "?") + f"formula={formula}")).text()
    cards, opened = {}, 0
    for title, detail in re.findall(r'<h3>([^<]+)</h3>.*?<p class="detail">(.*?)</p>', page, re.DOTALL):
        for link, text in re.findall(r'<a href="(/deployments\?[^"]*)">([^<]*)</a>', detail):
            cards.setdefault(title, []).append((text, await total(client, unescape(link))))
    first = {title: found[0] for title, found in cards.items()}
    for title in ("Deployment frequency", "Change failure rate", "Deployment rework rate"):
        text, number = first[title]
        assert number == int(text.replace(",", "").split()[0]), (title, text)
    recovered, number = first["Failed deployment recovery time"]
    assert number == sum(map(int, re.findall(r"\d+", recovered))) == first["Change failure rate"][1]
    assert first["Change lead time"][1] == first["Deployment frequency"][1]
    share, *left_out = cards["Change failure rate"]
    assert all(int(text.split()[0]) == number for text, number in left_out)
    of = int(re.search(r"of ([\d,]+) deployment", share[0])[1].replace(",", ""))
    assert of + sum(number for _, number in left_out) == first["Deployment frequency"][1]
    assert bool(left_out) is (formula != "all" and "days=90" in path), "the others have none"
    for link, text in re.findall(r'data-label="Deployments"[^>]*><a href="(/deployments\?[^"]*)">(\d+)</a>', page):
        opened += await total(client, unescape(link)) == int(text) or pytest.fail(f"{link} is not {text}")
    assert opened > 3, "services and the steps of the trend open too"
    for label, title in (("Failure rate", "Change failure rate"), ("Rework", "Deployment rework rate")):
        cells = re.findall(rf'data-label="{label}"[^>]*title="(\d+) of [^"]*">\s*<a href="(/deployments\?[^"]*)">', page)
        assert [await total(client, unescape(link)) for _, link in cells] == [int(text) for text, _ in cells], title
        assert cells or "/services/" in path


async def total(client, link) -> int:
    """How many a list says that there are."""
    return int(re.search(r"([\d,]+) deployments? that finished", said(await load(client, link)))[1].replace(",", ""))


async def test_nothing_failed_is_no_link(aiohttp_client, store):
    seed = Seed()
    seed.deployment("d1", "shop", NOW - HOUR, version="v1")
    seed.derived("d1")
    client = await browse(aiohttp_client, store, seed)
    assert "change_failure" not in await (await client.get("/")).text()
    assert "/deployments?service=shop&counted=true" in (await load(client, "/")).links
    assert "/deployments?change_failure=true" in (await load(client, "/failures")).links


async def test_a_limited_key_sees_deployments_of_its_services_alone(aiohttp_client, store):
    key = store.write(lambda writer: create_key(writer, name="cart", scopes=["read"], services=["cart"], now=NOW)).key
    client = await browse(aiohttp_client, store, shop())
    bearer = {"Authorization": f"Bearer {key}"}
    for path, status in (("/deployments", 403), ("/deployments?service=shop&type=rollback", 403), ("/deployments?service=CART&env=all", 200)):
        answer = await client.get(path, headers=bearer)
        assert answer.status == status, path
    body = await answer.text()
    assert "/deployments/new" in body and "hop" not in body.partition("<main")[2]
