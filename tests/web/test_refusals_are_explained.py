"""What a sender hears in one word, who runs the server reads in a sentence; and a repository is asked for by any of its URLs."""

import io
import json

import pytest

from bot.facts.keys import CATALOG_WRITE, DEPLOYMENTS_WRITE
from bot.sources.fields import InvalidError
from bot.sources.incidents import parse_new_incident
from bot.store import Store
from tests.web.doors import API_KEY, document, make_key, open_door

PATH = "/api/v2/dora/deployment"


async def test_the_log_says_which_key_was_refused_and_why(store: Store, logged: io.StringIO) -> None:
    catalogue = make_key(store, CATALOG_WRITE)
    other = make_key(store, DEPLOYMENTS_WRITE, services=("other",))
    async with open_door(store) as door:
        for key in (catalogue.key, other.key, "nobody-knows-this-one"):
            async with door.client.post(PATH, data=document(), headers={"DD-API-KEY": key}) as answer:
                assert answer.status in (401, 403)
    told = "\n".join(line for line in logged.getvalue().splitlines() if '"refused"' in line)
    assert "missing_scope" in told and catalogue.id in told and "deployments:write" in told
    assert "other_service" in told and other.id in told
    assert "unknown_key" in told
    assert not any(secret in told for secret in (catalogue.key, other.key, "nobody-knows-this-one"))


@pytest.mark.parametrize(
    "spelling",
    ["git.acme.test/acme/shopist", "https://git.acme.test/acme/shopist", "https://git.acme.test/acme/shopist.git",
     "git@git.acme.test:acme/shopist.git"],
)  # fmt: skip
async def test_a_query_finds_a_repository_by_any_of_its_urls(store: Store, spelling: str) -> None:
    git = {"commit_sha": "ab" * 20, "repository_url": "ssh://git@git.acme.test/acme/shopist.git"}
    wanted = {"type": "dora_deployments_list_request", "attributes": {"from": "2020-01-01T00:00:00Z", "query": f'repository:"{spelling}"'}}
    async with open_door(store) as door:
        await door.client.post(PATH, data=document(git=git), headers={"DD-API-KEY": API_KEY})
        async with door.client.post(f"{PATH}s", json={"data": wanted}, headers={"Authorization": f"Bearer {API_KEY}"}) as answer:
            assert (answer.status, len((await answer.json())["data"])) == (200, 1)


def test_a_field_of_a_field_is_pointed_to() -> None:
    attributes = {"title": "t", "customer_impacted": False, "fields": {"state": "active"}}
    with pytest.raises(InvalidError) as refused:
        parse_new_incident(json.dumps({"data": {"type": "incidents", "attributes": attributes}}).encode())
    assert refused.value.pointer == "/data/attributes/fields"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/api/v2/incidents/search", "GET,HEAD"),
        ("DELETE", "/api/v2/incidents/search", "GET,HEAD"),
        ("DELETE", "/api/v2/catalog/entity/preview", "POST"),
        ("GET", "/api/v2/catalog/entity/preview", "POST"),
        ("PUT", "/api/v2/incidents/some-id", "DELETE,GET,HEAD,PATCH"),
        ("PUT", "/api/v2/incidents", "GET,HEAD,POST"),
    ],
)
async def test_a_method_is_refused_with_those_of_the_path_that_was_asked(store: Store, method: str, path: str, allowed: str) -> None:
    headers = {"Authorization": f"Bearer {API_KEY}", "DD-API-KEY": API_KEY}
    async with open_door(store) as door, door.client.request(method, path, headers=headers) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, allowed)
