"""The pages of the fake GitHub that make and install an App, passed through as a browser does."""

import json
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from bot.standins.github import GitHub
from tests.standins.conftest import ANN, NOON
from tests.standins.github_contract import github_answer, github_payload

MANIFEST = {
    "name": "Rollforward of Acme",
    "url": "https://bot.example.com",
    "hook_attributes": {"url": "http://127.0.0.1:9/hook", "active": True},
    "redirect_url": "https://bot.example.com/setup/done",
    "setup_url": "https://bot.example.com/setup/installed",
    "default_permissions": {"contents": "read", "pull_requests": "read"},
    "default_events": ["push", "pull_request"],
}


@pytest.mark.parametrize("where", ["/settings/apps/new", "/organizations/acme/settings/apps/new"])
async def test_a_manifest_becomes_an_app_once(github: GitHub, where: str) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.post(
            f"{github.url}{where}?state=a%20b", data={"manifest": json.dumps(MANIFEST)}, allow_redirects=False
        ) as answer:
            back = urlsplit(answer.headers["Location"])
            assert answer.status == 302
        assert f"{back.scheme}://{back.netloc}{back.path}" == MANIFEST["redirect_url"]
        told = parse_qs(back.query)
        assert told["state"] == ["a b"]
        assert github.world.apps == {}
        url = f"{github.url}/api/v3/app-manifests/{told['code'][0]}/conversions"
        async with session.post(url) as answer:
            made = await answer.json()
            assert answer.status == 201
        async with session.post(url) as answer:
            assert answer.status == 404
    app = github.world.apps[made["id"]]
    assert (made["pem"], made["webhook_secret"], made["slug"]) == (app.pem, app.webhook_secret, "rollforward-of-acme")
    assert made["owner"]["login"] == ("acme" if "acme" in where else "octo-admin")
    (ping,) = github.queue
    github_payload("ping", ping.payload)


async def test_a_code_dies_after_an_hour_and_bad_manifests_are_refused(tmp_path: Path) -> None:
    hours = [time.time()]
    forge = GitHub(tmp_path, clock=lambda: hours[-1], check=github_answer)
    await forge.start()
    page = f"{forge.url}/settings/apps/new"
    async with aiohttp.ClientSession() as session:
        async with session.post(page, data={"manifest": json.dumps(MANIFEST)}, allow_redirects=False) as answer:
            code = parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]
        hours.append(hours[-1] + 3_601)
        async with session.post(f"{forge.url}/app-manifests/{code}/conversions") as answer:
            assert answer.status == 404
        for wrong in (
            "{",
            "[]",
            "{}",
            json.dumps({**MANIFEST, "url": ""}),
            json.dumps({**MANIFEST, "hook_attributes": {}}),
        ):
            async with session.post(page, data={"manifest": wrong}, allow_redirects=False) as answer:
                assert answer.status == 422, wrong
    await forge.stop()


async def test_an_app_is_installed_by_a_form(github: GitHub) -> None:
    app = github.create_app("Rollforward", hook_url="http://127.0.0.1:9/hook")
    shop, other = github.create_repository("acme/shop"), github.create_repository("acme/other")
    shop.commit("main", {"a": "1\n"}, message="Start", author=ANN)
    page = f"{github.url}/apps/{app.slug}/installations/new"
    async with aiohttp.ClientSession() as session:
        async with session.get(page) as answer:
            text = await answer.text()
        assert "acme/shop" in text
        assert "acme/other" in text
        async with session.post(page, data={"repository": str(shop.id)}, allow_redirects=False) as answer:
            (installation,) = github.world.installations.values()
            assert answer.headers["Location"].endswith(f"?installation_id={installation.id}&setup_action=install")
        async with session.get(f"{github.url}/apps/nobody/installations/new") as answer:
            assert answer.status == 404
    assert installation.selected == {shop.id}
    assert other.id not in installation.selected
    created = github.queue[-1]
    github_payload("installation", created.payload)
    assert (created.event, created.action, created.at) == ("installation", "created", NOON)
