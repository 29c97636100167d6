"""The pages in a real browser: from the overview down to a commit by clicking, filters, a phone's width, dark mode, refusals."""

import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from bot.dora.instants import DAY, HOUR
from bot.store import Store
from tests.support.faces import KEY, NOW, browse
from tests.support.failures import add_failure, troubled
from tests.support.seed import Candidate, Change, Dropped, Seed, organisation, sha

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
"""Without the networking flags Chromium looks for its maker's hosts at every start."""
LONG = "a-name-without-any-space-that-somebody-generated-from-a-path-" * 4
PATHS = ("/", "/?days=90&env=all", "/services/checkout?days=90", "/deployments/long", "/deployments/long-back",
         f"/services/{LONG}", "/repositories", "/definitions", "/rules", "/deliveries", "/?service=nobody", "/?days=x",
         "/nowhere", "/deployments?env=all&days=90",
         "/deployments?type=rollback&tag=no:body", "/failures?env=all&days=90", "/failures/long-failure", "/failures?service=nobody")  # fmt: skip

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is missing (package chromium, or CHROMIUM=path)")


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield started
        await started.close()


@asynccontextmanager
async def tab(browser: Browser, url: str, **options: Any) -> AsyncIterator[Page]:
    """A tab of its own in which nothing may go wrong unseen: no error in the console, no request elsewhere."""
    context = await browser.new_context(base_url=url, **options)
    page, wrong = await context.new_page(), []
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(url) else wrong.append(request.url))
    yield page
    await context.close()
    # A browser reports a refused page itself as an error of the console; the refusal is what is tested.
    assert [text for text in wrong if "Failed to load resource" not in text] == []


def with_long_names() -> Seed:
    """The organisation, and a service whose every text is too long for a phone."""
    seed = organisation(NOW)
    common = {"version": LONG, "repository": "github.com/acme/shop", "tags": f'["{LONG}"]', "team": LONG, "source": "api"}
    for n, id in enumerate(("long-first", "long", "long-back")):
        seed.deployment(id, LONG, NOW - (5 - n) * DAY, commit_sha=sha(id), **common)
    kept = seed.commit(1, "long kept", at=NOW - 6 * DAY, author=LONG, subject=LONG)
    out = seed.commit(1, "long out", at=NOW - 6 * DAY, author=LONG, subject=LONG)
    change = Change(sha=kept, lead_time=DAY, stages=(HOUR, None, None, 3 * HOUR, 20 * HOUR),
                    absent=("", "no_approval", "no_approval", "", ""))  # fmt: skip
    seed.derived("long-first", not_computed="first_deployment")
    seed.derived("long", change, predecessor="long-first", dropped=[Candidate(sha=out, reason=Dropped.PATH)],
                 near_misses=[[LONG, "unknown_original", LONG]])  # fmt: skip
    seed.derived("long-back", type="rollback", not_computed="moved_backwards", predecessor="long")
    seed.remediation("long-back", "long", rule=LONG, value=LONG, original=LONG)
    texts = {"name": LONG, "severity": LONG, "version": LONG, "team": LONG, "tags": (f"x:{LONG}",), "env": "prod"}
    add_failure(seed, "long-failure", LONG, NOW - 4 * DAY + HOUR, **texts)
    seed.definition(LONG, team=LONG, patterns=[f"/{LONG}/**"], links=f'[["x", "https://github.com/acme/{LONG}"]]')
    return seed


async def test_from_the_overview_down_to_a_commit_without_scripts(aiohttp_client, store: Store, browser: Browser) -> None:
    client = await browse(aiohttp_client, store, organisation(NOW))
    async with tab(browser, str(client.make_url("/")), java_script_enabled=False) as page:
        await page.goto("/")
        await expect(page.locator(".card")).to_have_count(6)
        before = await page.locator(".card .detail").first.inner_text()

        await page.get_by_label("Period").select_option("90")
        await page.get_by_label("Team").select_option("payments")
        await page.get_by_role("button", name="Show").click()
        await expect(page).to_have_url(re.compile(r"\?days=90&env=production&.*team=payments"))
        assert await page.locator(".services tbody th a").all_inner_texts() == ["checkout"]
        assert await page.locator(".card .detail").first.inner_text() != before
        await page.get_by_role("link", name=re.compile("^team payments")).click()
        assert "team=" not in page.url
        assert "days=90" in page.url
        assert await page.locator(".services tbody th a").count() == 4

        await page.get_by_role("link", name="checkout", exact=True).click()
        await expect(page).to_have_url(re.compile(r"/services/checkout\?.*days=90"))
        await expect(page.get_by_role("heading", level=1)).to_have_text("checkout")
        row = page.get_by_role("region", name="Deployments").locator("tbody tr").filter(has=page.locator("td:nth-child(6)")).first
        commits = int(await row.locator("td").nth(5).inner_text())
        await row.get_by_role("link").first.click()

        await expect(page).to_have_url(re.compile(r"/deployments/checkout-prod-\d+$"))
        kept = page.get_by_role("region", name="Commits that count", exact=True).locator("tbody tr")
        await expect(kept).to_have_count(commits)
        assert await page.get_by_role("region", name="Stages").locator("tbody tr").count() == 5
        assert "git log --no-merges" in await page.get_by_role("region", name="git command").inner_text()
        await page.get_by_role("link", name="Overview").first.click()
        await expect(page).to_have_url(re.compile(r"/$"))


async def test_from_a_card_to_just_the_deployments_that_it_counts_without_scripts(aiohttp_client, store: Store, browser: Browser) -> None:
    client = await browse(aiohttp_client, store, organisation(NOW))
    async with tab(browser, str(client.make_url("/")), java_script_enabled=False) as page:
        await page.goto("/?days=90")
        failed = page.locator(".card", has_text="Change failure rate").locator(".detail a")
        number = int((await failed.inner_text()).split()[0])
        await failed.click()
        await expect(page.get_by_role("heading", level=2)).to_contain_text(f"{number} deployments")
        rows = page.get_by_role("region", name="Deployments").locator("tbody tr")
        await expect(rows).to_have_count(number)
        await expect(rows.filter(has=page.get_by_text("failed", exact=True))).to_have_count(number)

        await page.get_by_label("Service").select_option("indexer")
        await page.get_by_role("button", name="Show").click()
        await expect(page).to_have_url(re.compile(r"service=indexer.*change_failure=true.*counted=true"))
        assert 0 < await rows.count() < number
        await rows.first.get_by_role("link", name=re.compile(r"^\d+ \w+ 2026")).click()
        await expect(page).to_have_url(re.compile(r"/deployments/indexer-prod-\d+$"))
        await expect(page.get_by_role("region", name="Change failure")).to_contain_text("Mended by")


async def test_from_a_failure_to_a_correction_without_scripts(aiohttp_client, store: Store, browser: Browser) -> None:
    client = await browse(aiohttp_client, store, troubled(NOW))
    async with tab(browser, str(client.make_url("/")), java_script_enabled=False) as page:
        await page.goto("/")
        await page.get_by_role("link", name="Failures", exact=True).click()
        await expect(page.locator(".card .value").first).to_have_text("3")
        await page.get_by_label("Severity").select_option("High")
        await page.get_by_role("button", name="Show").click()
        await page.get_by_role("region", name="Failures").get_by_role("link", name="Payments answer 500").click()
        await expect(page.get_by_role("img")).to_have_attribute("aria-label", re.compile("^The failure was active for 1"))
        suspect = page.get_by_role("region", name="Attributed deployments")
        await expect(suspect).to_contain_text("likely")
        await suspect.get_by_role("link").first.click()

        await expect(page).to_have_url(re.compile(r"/deployments/checkout-prod-\d+$"))
        outcome = page.get_by_role("region", name="Change failure")
        await expect(outcome).to_contain_text("rule hotfix-label saw “hotfix” in pr_label")
        await expect(outcome.get_by_role("link", name="Payments answer 500")).to_be_visible()
        await page.get_by_text("That is wrong: correct it").click()
        await page.get_by_label("did not fail").check()
        await page.get_by_label("Why").fill("The provider was down.")
        await page.get_by_label("Your API key").fill("rf_not-a-key")
        await page.get_by_role("button", name="Record the correction").click()
        await expect(page.get_by_role("alert").last).to_contain_text("The key is not known")
        await expect(page.get_by_label("Why")).to_have_value("The provider was down.")
        await expect(page.get_by_label("did not fail")).to_be_checked()
        await expect(page.get_by_label("Your API key")).to_have_value("")
        await page.get_by_label("Your API key").fill(KEY)
        await page.get_by_role("button", name="Record the correction").click()
        await expect(page).to_have_url(re.compile(r"/deployments/checkout-prod-\d+#failed$"))
        row = page.get_by_role("region", name="Corrections").locator("tbody tr")
        assert (await row.locator("td").all_inner_texts())[1:3] == ["a key of API_KEYS", "it did not"]
        await expect(row).to_contain_text("The provider was down.")


async def test_every_page_fits_a_phone_and_is_dark_at_night(aiohttp_client, store: Store, browser: Browser) -> None:
    client = await browse(aiohttp_client, store, with_long_names())
    phone = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "has_touch": True}
    wide = []
    async with tab(browser, str(client.make_url("/")), **phone) as page:
        for path in PATHS:
            await page.goto(path)
            width, paper, ink, unreachable = await page.evaluate(LOOK)
            if width > 390 or unreachable:
                wide.append((path[:60], width, unreachable))
            assert sum(paper) < 150 < 600 < sum(ink), (path, paper, ink)
    assert wide == []


LOOK = """() => {
  const colour = name => getComputedStyle(document.body)[name].match(/[0-9]+/g).slice(0, 3).map(Number);
  const scrolls = node => node && (['auto', 'scroll'].includes(getComputedStyle(node).overflowX) || scrolls(node.parentElement));
  const cut = [...document.querySelectorAll('main *')].filter(node =>
    node.getBoundingClientRect().right > innerWidth + 1 && !scrolls(node)).map(node => node.outerHTML.slice(0, 80));
  return [document.documentElement.scrollWidth, colour('backgroundColor'), colour('color'), cut];
}"""
"""How wide the page is, its colours, and what sticks out of the window without a box to scroll in."""


async def test_a_browser_is_refused_in_words(aiohttp_client, store: Store, browser: Browser) -> None:
    client = await browse(aiohttp_client, store, Seed())
    async with tab(browser, str(client.make_url("/"))) as page:
        for path, status, words in (
            ("/nowhere", 404, "Not here"), ("/deployments/nobody", 404, "Not here"), ("/?days=soon&env=all", 400, "days"),
        ):  # fmt: skip
            answer = await page.goto(path)
            assert answer is not None
            assert (answer.status, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
            await expect(page.locator("main")).to_contain_text(words)
        await page.get_by_role("link", name="The same page without days").click()
        await expect(page).to_have_url(re.compile(r"/\?env=all$"))
        await expect(page.get_by_role("heading", level=1)).to_have_text("Nothing has been deployed yet")
    for path in ("/nowhere", "/api/v1/nowhere"):
        answer = await client.get(path, headers={"Accept": "application/json, text/html;q=0.5"})
        assert (answer.status, answer.content_type) == (404, "application/json")
    closed = await browse(aiohttp_client, store, Seed(), HOST="192.0.2.1", DASHBOARD="login")
    async with tab(browser, str(closed.make_url("/"))) as page:
        answer = await page.goto("/")
        assert answer is not None
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        await expect(page.locator("main")).to_contain_text("rollforward keys create")
