"""Connecting GitHub in a browser, against a fake GitHub: the whole way, and every way it may go wrong."""

import errno
import json
import re
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from aiohttp import web
from click.testing import CliRunner
from yarl import URL

import bot.credentials
from bot.cli.main import main
from bot.credentials import Credentials
from bot.dora.instants import DAY, HOUR, MINUTE, SECOND
from bot.dora.sources import SOURCES
from bot.facts.errands import PULL_REQUESTS, due_errands, postpone_errand, want_errand
from bot.facts.hooks import record_hooks
from bot.facts.issue_selections import record_issue_selection
from bot.facts.sources import select_source
from bot.facts.switches import reports_enabled, set_reports
from bot.forges.client import HookSeen
from bot.forges.github.app import manifest, registration_url, web_url
from bot.forges.github.features import EVENTS, FEATURES, PERMISSIONS, WITH_CHECKS, feature_states
from bot.settings import load_settings
from bot.standins.faults import Fault, Status
from bot.standins.github import GitHub
from bot.store import Store, Writer
from bot.web import words
from bot.web.routes import make_app, make_runner
from bot.web.tickets import LIFE, TICKET, TicketError, read_ticket, write_ticket
from tests.support.seed import Seed
from tests.web.doors import NOW, github_headers, make_key, receipts

ADMIN_KEY = "bootstrap-key-of-the-tests"
PUBLIC = "https://dora.example.com"


@dataclass
class House:
    """A running server, the fake GitHub it knows, and a browser."""

    url: str
    forge: GitHub
    data: Path
    browser: aiohttp.ClientSession
    now: list[int]

    async def page(self, path: str, **headers: str) -> tuple[int, str]:
        """Status and text of a page of ours."""
        headers = {"Accept": "text/html", **headers}
        async with self.browser.get(f"{self.url}{path}", headers=headers, allow_redirects=False) as answer:
            return answer.status, await answer.text()

    async def begin(self, *, ticket: str = "", **form: str) -> tuple[int, str]:
        """Press the button, as a browser does."""
        form |= {"ticket": ticket} if ticket else {}
        async with self.browser.post(f"{self.url}/setup/github", data=form, headers={"Origin": self.url}) as answer:
            return answer.status, await answer.text()

    async def to_github(self, text: str) -> str:
        """Send the page's form to GitHub and agree; where GitHub sends the browser then."""
        action, told = carried(text)
        async with self.browser.post(action, data={"manifest": told}, allow_redirects=False) as answer:
            assert answer.status == 302, await answer.text()
            return answer.headers["Location"]

    async def back(self, location: str) -> tuple[int, str, str]:
        """Follow GitHub back to us: status, text, and where that leads."""
        async with self.browser.get(location, allow_redirects=False) as answer:
            return answer.status, await answer.text(), answer.headers.get("Location", "")

    @property
    def file(self) -> Path:
        """Where the App is kept."""
        return self.data / "github-app.json"


def carried(text: str) -> tuple[str, str]:
    """The address and the manifest of the form that goes to GitHub."""
    action = re.search(r'<form class="filters" method="post" action="([^"]+)"', text)
    value = re.search(r'name="manifest" value="([^"]+)"', text)
    assert action and value, text
    return unescape(action[1]), unescape(value[1])


@asynccontextmanager
async def open_house(store: Store, root: Path, port: int, **environ: str) -> AsyncIterator[House]:
    """A server for this machine alone, unless the settings say otherwise."""
    forge = GitHub(root / "forge", now=NOW // SECOND, strict_version=True)
    await forge.start()
    data = root / "data"
    settings = load_settings({
        "PORT": str(port), "DATA_DIR": str(data), "GITHUB_API_URL": forge.url, "API_KEYS": ADMIN_KEY, **environ,
    })  # fmt: skip
    now = [NOW]
    app = make_app(
        settings=settings, store=store, clock=lambda: now[0], wake=lambda _: None, engine_alive=lambda: True
    )
    runner = make_runner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
            yield House(url=f"http://127.0.0.1:{port}", forge=forge, data=data, browser=browser, now=now)
    finally:
        await runner.cleanup()
        await forge.stop()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Store]:
    """A store for what does not depend on the engine."""
    from bot.store.opening import open_store

    opened = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    opened.migrate()
    yield opened
    opened.close()


# The whole way --------------------------------------------------------------------------------------------------------


async def test_an_app_is_made_stored_and_in_force_at_once(store: Store, tmp_path: Path, unused_tcp_port: int) -> None:
    async with open_house(store, tmp_path, unused_tcp_port) as house:
        body = json.dumps({"zen": "…", "hook_id": 1}).encode()
        off = await _deliver(house, body, "any-secret-at-all")
        assert off == 404, "GitHub is off until it is connected"
        _, text = await house.page("/setup")
        assert "Connect GitHub" in text and "not connected" in text

        status, text = await house.begin(org="acme", checks="1")
        assert status == 200
        location = await house.to_github(text)
        assert location.startswith(f"{house.url}/setup/github/created?")
        status, _, next_page = await house.back(location)
        assert (status, next_page) == (303, "/setup")

        (app,) = house.forge.world.apps.values()
        assert app.owner.login == "acme"
        assert dict(app.permissions) == dict(WITH_CHECKS)
        assert tuple(app.events) == EVENTS
        assert (app.hook_url, app.setup_url) == (f"{house.url}/webhooks/github", f"{house.url}/setup")
        assert stat.S_IMODE(house.file.stat().st_mode) == 0o600
        assert stat.S_IMODE(house.data.stat().st_mode) == 0o700
        kept = json.loads(house.file.read_text())
        assert (kept["app_id"], kept["webhook_secrets"]) == (str(app.id), [app.webhook_secret])

        assert await _deliver(house, body, app.webhook_secret) == 202
        assert await _deliver(house, body, "another-secret-0123") == 401
        assert len(receipts(store)) == 1
        _, text = await house.page("/setup")
        assert "connected" in text and f"{house.forge.url}/apps/{app.slug}/installations/new" in text
        for secret in (app.webhook_secret, app.client_secret, app.pem.splitlines()[3]):
            assert secret not in text
        assert app.client_secret not in house.file.read_text(), "what is not needed is not kept"


async def _deliver(house: House, body: bytes, secret: str) -> int:
    headers = github_headers(body, event="ping", secret=secret)
    async with house.browser.post(f"{house.url}/webhooks/github", data=body, headers=headers) as answer:
        return answer.status


async def test_what_an_installation_lacks_is_said(store: Store, tmp_path: Path, unused_tcp_port: int) -> None:
    rights = json.dumps({"metadata": "read", "contents": "read", "pull_requests": "read"})
    events = json.dumps(["push", "pull_request", "pull_request_review", "repository", "release", "deployment_status"])
    store.write(
        lambda writer: writer.write_many(
            "installation", [("7", "acme", "active", NOW, rights, events, NOW), ("8", "left-us", "deleted", NOW, "{}", "[]", NOW)]
        )
    )
    store.write(
        lambda writer: record_hooks(writer, "github", [HookSeen(id="app", subject="GitHub App rollforward", state="active")])
    )
    stopped = HookSeen(id="project/1/2", subject="acme/shop", state="disabled", reason="four failures in a row")
    store.write(lambda writer: record_hooks(writer, "gitlab", [stopped]))
    environ = {"GITHUB_APP_ID": "1", "GITHUB_PRIVATE_KEY": "-----BEGIN KEY-----", "GITHUB_WEBHOOK_SECRET": "0123456789abcdefg"}
    async with open_house(store, tmp_path, unused_tcp_port, **environ) as house:
        _, text = await house.page("/setup")
        rows = re.findall(r'<th scope="row">([^<]+)<.*?data-label="State">(.*?)</td>', text, re.DOTALL)
        states = {name: re.sub(r"<[^>]+>|\s+", " ", state).strip() for name, state in rows}
        assert states["Pull Request Information"] == "meets all requirements"
        assert "permission deployments: read" in states["GitHub deployments"]
        assert "not granted" in states["Reports in pull requests"]
        assert "active" in states["GitHub App rollforward"]
        assert "disabled" in states["acme/shop"] and "four failures" in states["acme/shop"]
        assert text.count('role="status"') == 1, "the alarm is GitLab's alone"
        assert "then accept them for acme" in text
        assert "left-us" not in text
        assert "0123456789abcdefg" not in text


async def test_a_gitlab_without_hooks_is_told_how_to_register_them(store: Store, tmp_path: Path, unused_tcp_port: int) -> None:
    none = HookSeen(id="all", subject="webhooks", state="gone", reason="no webhook leads here")
    store.write(lambda writer: record_hooks(writer, "gitlab", [none]))
    environ = {"GITLAB_TOKEN": "glpat-0123456789abcdef", "GITLAB_WEBHOOK_SECRET": "0123456789abcdefg"}
    async with open_house(store, tmp_path, unused_tcp_port, **environ) as house:
        assert "rollforward setup gitlab --group" in (await house.page("/setup"))[1]


async def test_what_a_forge_refused_is_shown(store: Store, tmp_path: Path, unused_tcp_port: int) -> None:
    def work(writer: Writer) -> None:
        want_errand(writer, kind=PULL_REQUESTS, forge="github", owner="acme", repository_id=3, now=NOW)
        (errand,) = due_errands(writer, now=NOW, per_owner=1)
        postpone_errand(writer, errand, error="the installation lacks a right", attempts=1, run_at=NOW + DAY)

    store.write(work)
    async with open_house(store, tmp_path, unused_tcp_port) as house:
        assert "the installation lacks a right" in (await house.page("/setup"))[1]


# Who may --------------------------------------------------------------------------------------------------------------


async def test_a_source_that_is_off_says_how_to_turn_it_on(store: Store, tmp_path: Path, unused_tcp_port: int) -> None:
    seed = Seed()
    for n, source in enumerate(("api", "apm", "apm")):
        seed.deployment(f"d{n}", "shop", NOW, source=source)
    seed.write(store)
    assert set(words.SOURCE_NAMES["deployments"]) == set(SOURCES["deployments"])
    assert set(words.SOURCE_NAMES["failures"]) == set(SOURCES["failures"])
    async with open_house(store, tmp_path, unused_tcp_port) as house:
        _, page = await house.page("/setup")
        assert "rollforward sources enable apm" in page and "since" not in page.partition('id="sources"')[2]
        assert "issues of type incident, and issues labelled incident" in page
        store.write(lambda writer: select_source(writer, "deployments", "apm", on=True, at=NOW + 1))
        store.write(lambda writer: record_issue_selection(writer, "github", labels=["Outage", "sev1"], types=[], at=NOW + 1))
        page = (await house.page("/setup"))[1].partition('id="sources"')[2]
        assert "rollforward sources enable" not in page and "since" in page
        assert "issues labelled outage or sev1" in page


async def test_beyond_this_machine_a_key_or_a_ticket_is_needed(
    sqlite: Store, tmp_path: Path, unused_tcp_port: int
) -> None:
    async with open_house(
        sqlite, tmp_path, unused_tcp_port, HOST="dora.example.com", DASHBOARD="public", BASE_URL=f"http://127.0.0.1:{unused_tcp_port}"
    ) as house:
        status, text = await house.page("/setup")
        assert status == 200 and "rollforward setup github" in text and "<form" not in text
        assert (await house.begin())[0] == 401
        reader = make_key(sqlite, "read").key
        assert "<form" not in (await house.page("/setup", Authorization=f"Bearer {reader}"))[1]
        assert "<form" in (await house.page("/setup", Authorization=f"Bearer {ADMIN_KEY}"))[1]
        key = Credentials(load_settings({"DATA_DIR": str(house.data)})).state_key()
        ticket = write_ticket(key, TICKET, now=NOW)
        assert ticket in (await house.page(f"/setup?ticket={ticket}"))[1]
        status, text = await house.begin(ticket=ticket)
        assert status == 200
        assert (await house.back(await house.to_github(text)))[0] == 303
        house.now[0] += HOUR + MINUTE
        assert (await house.begin(ticket=ticket))[0] == 403, "an hour is over"
        assert (await house.begin(ticket="1.2.3"))[0] == 403


async def test_a_ticket_opens_the_set_up_where_pages_need_a_key(
    sqlite: Store, tmp_path: Path, unused_tcp_port: int
) -> None:
    base = f"http://127.0.0.1:{unused_tcp_port}"
    async with open_house(sqlite, tmp_path, unused_tcp_port, DASHBOARD="login", BASE_URL=base) as house:
        assert (await house.page("/setup"))[0] == 401
        key = Credentials(load_settings({"DATA_DIR": str(house.data)})).state_key()
        ticket = write_ticket(key, TICKET, now=NOW)
        status, text = await house.page(f"/setup?ticket={ticket}&org=acme&checks=1")
        assert status == 200 and 'value="acme"' in text and "checked" in text
        _, text = await house.begin(ticket=ticket, org="acme")
        _, _, following = await house.back(await house.to_github(text))
        assert (await house.page(following))[0] == 200, "and the next step"
        assert (await house.page("/repositories"))[0] == 401, "nothing else"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
        {}, {"X-Forwarded-For": "203.0.113.9", "Origin": "own"}, {"Host": "evil.example", "Origin": "http://evil.example"},
    ],
    ids=["origin", "null", "cross-site", "same-site", "nothing", "tunnel", "rebound"],
)  # fmt: skip
async def test_no_other_site_begins_it(
    sqlite: Store, tmp_path: Path, unused_tcp_port: int, headers: dict[str, str]
) -> None:
    async with open_house(sqlite, tmp_path, unused_tcp_port) as house:
        given = {name: house.url if value == "own" else value for name, value in headers.items()}
        async with house.browser.post(f"{house.url}/setup/github", data={}, headers=given) as answer:
            assert answer.status in (401, 403)
            assert "manifest" not in await answer.text()


# What may go wrong ----------------------------------------------------------------------------------------------------


async def test_what_was_not_begun_here_is_not_believed(sqlite: Store, tmp_path: Path, unused_tcp_port: int) -> None:
    async with open_house(sqlite, tmp_path, unused_tcp_port) as house:
        location = await house.to_github((await house.begin())[1])
        state = parse_qs(urlsplit(location).query)["state"][0]
        forged = state[:-1] + ("0" if state[-1] != "0" else "1")
        for wrong in (location.replace(state, forged), location.replace(state, ""), location.split("&state")[0]):
            status, text, _ = await house.back(wrong)
            assert status == 401 and "Begin again" in text
        async with aiohttp.ClientSession() as other, other.get(location, allow_redirects=False) as answer:
            assert answer.status == 401, "another browser"
        house.now[0] += LIFE + MINUTE
        assert (await house.back(location))[0] == 401, "too late"
        assert not house.file.exists()
        assert not [seen for seen in house.forge.requests if "conversions" in seen.path_qs]


async def test_a_code_is_good_once(sqlite: Store, tmp_path: Path, unused_tcp_port: int) -> None:
    async with open_house(sqlite, tmp_path, unused_tcp_port) as house:
        first, second = [await house.to_github((await house.begin())[1]) for _ in range(2)]
        code = parse_qs(urlsplit(second).query)["code"][0]
        status, text, _ = await house.back(second.replace(code, "0" * 40))
        assert status == 400 and "does not know this code" in text
        cookies = house.browser.cookie_jar.filter_cookies(URL(house.url) / "setup")
        assert (await house.back(second))[0] == 303
        kept = house.file.read_text()
        for again in (second, first):
            assert (await house.back(again))[0] == 401, "the cookie is gone"
        async with aiohttp.ClientSession(cookies=cookies) as other, other.get(second, allow_redirects=False) as answer:
            assert answer.status == 400 and "since this set-up began" in await answer.text()
        assert house.file.read_text() == kept
        assert len([seen for seen in house.forge.requests if "conversions" in seen.path_qs]) == 2


async def test_a_github_that_is_down_can_be_asked_again(sqlite: Store, tmp_path: Path, unused_tcp_port: int) -> None:
    async with open_house(sqlite, tmp_path, unused_tcp_port) as house:
        location = await house.to_github((await house.begin())[1])
        house.forge.faults.append(Fault(match="conversions", kind=Status(status=502, body="<html>"), times=1))
        status, text, _ = await house.back(location)
        assert status == 503 and "again within the hour" in text and "Try again" in text
        assert (await house.back(location))[0] == 303
        assert house.file.exists()


async def test_a_full_disk_loses_no_app(
    sqlite: Store, tmp_path: Path, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code is good once: GitHub is asked only when its answer can be kept."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async with open_house(sqlite, tmp_path, unused_tcp_port) as house:
        location = await house.to_github((await house.begin())[1])
        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(bot.credentials, "_write", full)
            status, text, _ = await house.back(location)
        assert status == 503 and "No space left" in text
        assert not [seen for seen in house.forge.requests if "conversions" in seen.path_qs]
        assert (await house.back(location))[0] == 303


@pytest.mark.parametrize(("base", "said"), [("", "BASE_URL is not set"), ("http://localhost:8080", "cannot reach")])
async def test_without_a_public_url_the_page_says_what_to_do(
    sqlite: Store, tmp_path: Path, unused_tcp_port: int, base: str, said: str
) -> None:
    environ = {"GITHUB_API_URL": "https://api.github.com", "BASE_URL": base}
    async with open_house(sqlite, tmp_path, unused_tcp_port, **environ) as house:
        text = (await house.page("/setup"))[1]
        assert said in text and "<form" not in text
        status, text = await house.begin()
        assert status == 400 and said in text


async def test_a_name_that_is_none_is_refused(sqlite: Store, tmp_path: Path, unused_tcp_port: int) -> None:
    async with open_house(sqlite, tmp_path, unused_tcp_port) as house:
        for name in ("a/b", "../x", "a b", '"><script>', "-a", "é"):
            status, text = await house.begin(org=name)
            assert status == 400 and "<script>" not in text


# Pure parts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("api", "pages"),
    [
        ("https://api.github.com", "https://github.com"),
        ("https://github.acme.com/api/v3", "https://github.acme.com"),
        ("https://api.acme.ghe.com", "https://acme.ghe.com"),
        ("http://127.0.0.1:9001", "http://127.0.0.1:9001"),
    ],
)
def test_where_the_pages_of_an_api_lie(api: str, pages: str) -> None:
    assert web_url(api) == pages
    assert registration_url(api, organisation="acme", state="s").startswith(f"{pages}/organizations/acme/settings/apps/new?")
    assert registration_url(api, organisation="", state="s") == f"{pages}/settings/apps/new?state=s"


def test_the_manifest_asks_for_what_features_need() -> None:
    made = manifest(base_url=PUBLIC, browsed="http://127.0.0.1:8080", checks=False)
    assert made["default_permissions"] == {
        "contents": "read", "pull_requests": "read", "metadata": "read", "deployments": "read",
    }  # fmt: skip
    assert made["default_events"] == [
        "deployment_status", "pull_request", "pull_request_review", "push", "release", "repository",
    ]  # fmt: skip
    assert made["hook_attributes"] == {"url": f"{PUBLIC}/webhooks/github", "active": True}
    assert len(str(made["name"])) <= 34
    assert all(state.works for state in feature_states({**WITH_CHECKS, "issues": "read"}, [*EVENTS, "issues"]))
    lacking = [state.feature.name for state in feature_states(PERMISSIONS, EVENTS) if not state.works]
    assert lacking == ["Reports in pull requests", "Issues as failures"]


@pytest.mark.parametrize("feature", FEATURES, ids=[feature.name for feature in FEATURES])
def test_a_feature_without_its_right_or_its_event_says_so(feature: object) -> None:
    name, level, event = (getattr(feature, part) for part in ("permission", "level", "event"))
    rights = {right: granted for right, granted in {**WITH_CHECKS, "issues": "read"}.items() if right != name}
    events = tuple(one for one in (*EVENTS, "issues") if one != event)
    (state,) = [state for state in feature_states(rights, events) if state.feature == feature]
    expected = ([] if name == "metadata" else [f"permission {name}: {level}"]) + ([f"event {event}"] if event else [])
    assert list(state.missing) == expected


def test_a_ticket_is_good_for_what_it_says_where_it_says_and_for_an_hour() -> None:
    key = b"k" * 32
    text = write_ticket(key, "setup", now=NOW, bound="cookie")
    assert read_ticket(key, "setup", text, now=NOW + LIFE, bound="cookie") == NOW // SECOND
    for wrong in (
        {"key": b"K" * 32}, {"purpose": "github"}, {"bound": ""}, {"now": NOW + LIFE + MINUTE}, {"now": NOW - DAY},
        {"text": text.replace(".", ":")}, {"text": ""}, {"text": "é"}, {"text": "9" * 300},
    ):  # fmt: skip
        given = {"key": key, "purpose": "setup", "text": text, "now": NOW, "bound": "cookie", **wrong}
        with pytest.raises(TicketError):
            read_ticket(given["key"], given["purpose"], given["text"], now=given["now"], bound=given["bound"])


def test_reports_are_off_until_somebody_turns_them_on(store: Store) -> None:
    assert not store.read(lambda reader: reports_enabled(reader, "github"))
    for on in (True, False, True):
        store.write(lambda writer, on=on: set_reports(writer, "github", on=on))
        assert store.read(lambda reader: reports_enabled(reader, "github")) is on
    assert not store.read(lambda reader: reports_enabled(reader, "gitlab"))


# The command ----------------------------------------------------------------------------------------------------------


def command(*arguments: str, **environ: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, ["setup", "github", *arguments], env=environ)
    return done.exit_code, done.stdout, done.stderr


def test_the_command_prints_a_link_that_the_server_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, _ = command("--org", "acme", "--checks", BASE_URL=PUBLIC)
    query = parse_qs(urlsplit(out.strip()).query)
    assert status == 0 and out.startswith(f"{PUBLIC}/setup?")
    assert (query["org"], query["checks"]) == (["acme"], ["1"])
    key = (tmp_path / "data" / "setup.key").read_bytes()
    assert stat.S_IMODE((tmp_path / "data" / "setup.key").stat().st_mode) == 0o600
    written = read_ticket(key, TICKET, query["ticket"][0], now=int(query["ticket"][0].partition(".")[0]) * SECOND)
    assert written
    status, out, _ = command("--json", BASE_URL=PUBLIC)
    assert status == 0 and json.loads(out)["redirect_url"] == f"{PUBLIC}/setup/github/created"
    status, _, err = command()
    assert status == 1 and "BASE_URL is not set" in err
    assert command("--org", "no/name", BASE_URL=PUBLIC)[0] == 2


def test_the_command_turns_reports_on_and_shows_the_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert command("--status")[0] == 1, "there is no store yet"
    assert command("--reports", "on")[0] == 0
    status, out, _ = command("--status", "--json")
    assert status == 0 and json.loads(out) == {"app": None, "reports": True, "hooks": [], "installations": []}
    assert command("--reports", "off", "--status")[1].count("off") == 2
