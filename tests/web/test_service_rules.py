"""The rules of one service as its page, the page of definitions, and the API show them; on both engines."""

import json

from bot.store import Store
from tests.support.faces import KEY, NOW, browse
from tests.support.seed import Seed
from tests.web.test_pages import load

RULES = {
    "linked": [{"id": "undo", "field": "pr_body", "pattern": "Backs out #$pr_number <b>"}],
    "static": [
        {"id": "hotfix-title", "enabled": False},
        {"id": "hotfix-branch", "enabled": True, "blame": "none"},
        {"id": "chore", "enabled": True},
    ],
}


async def test_rules_of_a_service_are_shown(aiohttp_client: object, store: Store) -> None:
    seed = Seed()
    seed.deployment("d1", "Shop", NOW - 10**9)
    seed.definition("Shop", rules=json.dumps(RULES))
    seed.definition("Cart")
    client = await browse(aiohttp_client, store, seed)
    answer = await client.get("/api/v1/services/shop", headers={"Authorization": f"Bearer {KEY}"})
    absent = {"field": None, "pattern": None, "enabled": None, "blame": None}
    assert (await answer.json())["definition"]["rules"] == [
        absent | {"kind": "linked", "id": "undo", "field": "pr_body", "pattern": "Backs out #$pr_number <b>"},
        absent | {"kind": "static", "id": "hotfix-title", "enabled": False},
        absent | {"kind": "static", "id": "hotfix-branch", "enabled": True, "blame": "none"},
        absent | {"kind": "static", "id": "chore", "enabled": True},
    ]
    page = await load(client, "/services/shop")
    assert "undo (linked): Backs out #$pr_number <b> in pr_body" in page.words
    assert "hotfix-title (static): off" in page.words
    assert "hotfix-branch (static): on, blames nobody" in page.words
    assert "chore (static): left out, rules.yaml has no rule chore under static" in page.words
    assert "Rules of its own" not in (await load(client, "/services/cart")).words
    page = await load(client, "/definitions")
    assert "own rules: undo, hotfix-title off, hotfix-branch, chore" in page.words
    assert "rules.yaml has no rule chore under static" in page.words
