"""Below a path: everything is served under BASE_URL's root too, and pages lead nowhere else."""

import re
from html import unescape

from bot.store import Store
from tests.support.seed import organisation
from tests.web.doors import API_KEY, NOW, document, open_door

ROOT = "/teams/dora"
UNDER = {"BASE_URL": f"https://shared.example.com{ROOT}", "API_KEYS": API_KEY, "DASHBOARD": "public"}


async def test_every_page_below_the_root_leads_below_it(store: Store) -> None:
    organisation(NOW, days=5).write(store)
    async with open_door(store, **UNDER) as door:
        todo, seen = [f"{ROOT}/"], set[str]()
        while todo:
            here = todo.pop()
            seen.add(here)
            async with door.client.get(here, headers={"Accept": "text/html"}) as answer:
                assert answer.status == (405 if here.endswith("/setup/github") else 200), here
                text = await answer.text()
            for link in re.findall(r'(?:href|src|action)="(/[^"]*)"', text):
                assert link.startswith(f"{ROOT}/"), (here, link)
                path = unescape(link).partition("#")[0].partition("?")[0]
                # One page of each kind; what it exports is asked for once too.
                kind = re.sub(r"/(deployments|services)/[^/.]+", r"/\1/one", path)
                if kind not in {re.sub(r"/(deployments|services)/[^/.]+", r"/\1/one", one) for one in (*seen, *todo)}:
                    todo.append(path)
        assert {f"{ROOT}/repositories", f"{ROOT}/openapi.yaml"} <= seen
        assert any(path.startswith(f"{ROOT}/services/") for path in seen)


async def test_clients_below_the_root_find_the_originals_api_and_its_errors(store: Store) -> None:
    async with open_door(store, **UNDER) as door:
        for path in (f"{ROOT}/api/v2/dora/deployment", "/api/v2/dora/deployment"):
            async with door.client.post(path, data=document(), headers={"DD-API-KEY": API_KEY}) as answer:
                assert answer.status == 200
            async with door.client.post(path, data=b"{}", headers={"DD-API-KEY": API_KEY}) as answer:
                assert (await answer.json())["errors"][0]["title"] == "Bad Request"
            async with door.client.post(path, data=b"{}") as answer:
                assert (await answer.json())["errors"] == ["Unauthorized"]


async def test_another_path_is_no_root(store: Store) -> None:
    async with open_door(store, **UNDER) as door:
        assert (await door.client.get(f"{ROOT}x/")).status == 404
        assert (await door.client.get(f"{ROOT}{ROOT}/")).status == 404
