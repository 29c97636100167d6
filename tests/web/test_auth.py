"""Who may do what: every route against every kind of key."""

import re
from typing import cast

import pytest

from bot.facts.keys import SCOPES, ScopeError, create_key, find_key, list_keys, revoke_key
from bot.store import Store
from bot.web.routes import rows
from tests.web.doors import API_KEY, NOW, Door, DownStore, document, make_key, open_door

READ_PATH = "/metrics"
LOGIN = {"API_KEYS": API_KEY, "DASHBOARD": "login", "GITHUB_WEBHOOK_SECRET": "github-secret-of-the-tests"}


def target(path: str) -> str:
    """The route's path with something for every variable."""
    return re.sub(r"\{[a-z_]+(?::[^}]*)?\}", "no-such-thing", path)


async def status(door: Door, method: str, path: str, headers: dict[str, str]) -> int:
    async with door.client.request(method, target(path), headers=headers) as answer:
        return answer.status


async def test_every_route_against_every_scope(store: Store) -> None:
    """The matrix: no key, an unknown one, a revoked one, and one key per scope."""
    by_scope = {scope: make_key(store, scope).key for scope in SCOPES}
    revoked = make_key(store, *SCOPES)
    store.write(lambda writer: revoke_key(writer, revoked.id, now=NOW))
    async with open_door(store, **LOGIN, HOST="dora.internal") as door:
        for row in rows():
            at, access = (row.method, row.path), row.access
            if access.kind in {"open", "sender"}:
                unsigned = await status(door, *at, {})
                assert unsigned in {200, 404} if access.kind == "open" else unsigned in {401, 404}, at
                continue
            assert await status(door, *at, {}) == 401, at
            for bad in ("unknown-key-0123456789", revoked.key):
                assert await status(door, *at, {"DD-API-KEY": bad}) == 401, (at, bad)
                assert await status(door, *at, {"Authorization": f"Bearer {bad}"}) == 401, (at, bad)
            for scope, key in by_scope.items():
                if access.kind == "write":
                    given = await status(door, *at, {"DD-API-KEY": key})
                    assert await status(door, *at, {"Authorization": f"Bearer {key}"}) == 401, "writes take DD-API-KEY"
                elif access.kind == "key":
                    given = await status(door, *at, {"DD-API-KEY": key})
                    assert given not in {401, 403}, (at, scope)
                    continue
                elif access.kind in {"told", "telemetry"}:
                    given = await status(door, *at, {"DD-API-KEY": key})
                    assert await status(door, *at, {"Authorization": f"Bearer {key}"}) == given, "either header will do"
                else:
                    given = await status(door, *at, {"Authorization": f"Bearer {key}"})
                    pair = {"DD-API-KEY": by_scope["deployments:write"], "DD-APPLICATION-KEY": key}
                    assert await status(door, *at, pair) == given, at
                    assert await status(door, *at, pair | {"DD-API-KEY": revoked.key}) == 401, at
                    assert await status(door, *at, {"DD-API-KEY": key}) == 401, "reads want the second key too"
                assert (given == 403) == (scope != access.scope), (at, scope)
                assert given < 500 and given != 401, (at, scope)


async def test_almost_a_key_is_none(store: Store) -> None:
    key = make_key(store, *SCOPES).key
    async with open_door(store, **LOGIN) as door:
        for good in (key, API_KEY):
            for bad in (good[:-1], good + "x", good.upper(), f"{good},{good}", f'"{good}"', good[::-1], "é", "\U0001f511", ""):
                for header in ({"DD-API-KEY": bad}, {"Authorization": f"Bearer {bad}"}):
                    assert await status(door, "POST", "/api/v2/dora/deployment", header) == 401, header
                    assert await status(door, "GET", READ_PATH, header) == 401, header


async def test_bootstrap_keys_have_every_scope(store: Store) -> None:
    async with open_door(store, API_KEYS=f"another-key-0123456, {API_KEY}") as door:
        for key in ("another-key-0123456", API_KEY):
            answer = await door.client.post("/api/v2/dora/deployment", data=document(), headers={"DD-API-KEY": key})
            assert answer.status == 200
            assert await status(door, "GET", READ_PATH, {"Authorization": f"bearer {key}"}) == 200


async def test_authorization_that_is_none(store: Store) -> None:
    async with open_door(store) as door:
        for header in ("Basic dXNlcjpwYXNz", "Bearer", API_KEY, f"Token {API_KEY}", f"Bearer {API_KEY} x", "Bearer " + "x" * 600):
            assert await status(door, "GET", READ_PATH, {"Authorization": header}) == 401, header


async def test_a_public_dashboard_is_read_without_a_key(store: Store) -> None:
    async with open_door(store, API_KEYS=API_KEY) as door:
        for row in rows():
            if row.access.kind == "read":
                assert await status(door, row.method, row.path, {}) not in {401, 403}, row.path
                assert await status(door, row.method, row.path, {"Authorization": "Bearer wrong-key-01234567"}) == 401, row.path
            if row.access.kind == "private":
                assert await status(door, row.method, row.path, {}) == 401, row.path
        assert await status(door, "GET", "/api/v1/deliveries", {"Authorization": f"Bearer {API_KEY}"}) == 200


HOSTS = {
    "127.0.0.1": True, "localhost:9": True, "LOCALHOST": True, "[::1]:8080": True, "127.9.9.9": True, "dora.example.com": True,
    "dora.example.com:8443": True, "DORA.example.com": True, "app.localhost": True, "evil.example.com": False,
    "dora.example.com.evil.org": False, "127.0.0.1.evil.org": False, "10.0.0.1": False, "localhost.evil.org": False, "": False,
    "dora.example.com@evil.org": False, "0.0.0.0": False, "[::1": False,  # noqa: S104
}  # fmt: skip


async def test_keyless_reads_ask_for_a_name_of_ours(store: Store) -> None:
    """A page of a stranger whose name was rebound to 127.0.0.1 sends the stranger's Host."""
    async with open_door(store, API_KEYS=API_KEY, BASE_URL="https://dora.example.com/metrics") as door:
        for host, served in HOSTS.items():
            given = await status(door, "GET", READ_PATH, {"Host": host})
            assert given == 200 if served else given in {400, 401}, host
            if given == 400:
                continue
            assert await status(door, "GET", READ_PATH, {"Host": host, "Authorization": f"Bearer {API_KEY}"}) == 200
            posted = {"Host": host, "DD-API-KEY": API_KEY}
            async with door.client.post("/api/v2/dora/deployment", data=document(), headers=posted) as answer:
                assert answer.status == 200, "clients arrive as api.<site>"
            assert await status(door, "GET", "/healthz", {"Host": host}) == 200


async def test_login_is_the_default_beyond_loopback(store: Store) -> None:
    async with open_door(store, HOST="0.0.0.0", API_KEYS=API_KEY) as door:  # noqa: S104
        assert await status(door, "GET", READ_PATH, {}) == 401
        assert await status(door, "GET", "/healthz", {}) == 200
        assert await status(door, "GET", READ_PATH, {"Authorization": f"Bearer {API_KEY}"}) == 200
    async with open_door(store, HOST="0.0.0.0", DASHBOARD="public") as door:  # noqa: S104
        assert await status(door, "GET", READ_PATH, {"Host": "localhost"}) == 200


async def test_a_key_given_twice_proves_nothing(store: Store) -> None:
    async with open_door(store) as door:
        headers = [("DD-API-KEY", API_KEY), ("DD-API-KEY", API_KEY)]
        async with door.client.post("/api/v2/dora/deployment", data=document(), headers=headers) as answer:
            assert answer.status == 401
            assert (await answer.json())["errors"] == ["Unauthorized"]


def test_keys_are_stored_hashed_and_shown_once(store: Store) -> None:
    key = make_key(store, "read", "deployments:write", services=(" Shop ", "shop", "Basket"))
    assert len(bytes.fromhex(key.key.removeprefix("rf_"))) == 32
    (listed,) = store.read(list_keys)
    assert key.key not in repr(listed)
    assert (listed.id, listed.scopes, listed.services) == (key.id, ("deployments:write", "read"), ("shop", "basket"))
    assert store.read(lambda reader: find_key(reader, key.key)) == listed
    assert store.read(lambda reader: find_key(reader, key.key + "0")) is None
    assert store.write(lambda writer: revoke_key(writer, key.id, now=NOW + 1)) is True
    assert store.write(lambda writer: revoke_key(writer, key.id, now=NOW + 2)) is False
    assert store.write(lambda writer: revoke_key(writer, "nothing", now=NOW)) is False
    assert store.read(lambda reader: find_key(reader, key.key)) is None
    assert [row.revoked_at for row in store.read(list_keys)] == [NOW + 1]


@pytest.mark.parametrize("scopes", [(), ("root",), ("read", "write")])
def test_unknown_scopes_make_no_key(store: Store, scopes: tuple[str, ...]) -> None:
    with pytest.raises(ScopeError):
        store.write(lambda writer: create_key(writer, name="x", scopes=scopes, now=NOW))
    assert store.read(list_keys) == []


async def test_a_store_that_is_down_neither_admits_nor_refuses_a_stored_key() -> None:
    async with open_door(cast("Store", DownStore()), **LOGIN) as door:
        assert await status(door, "GET", READ_PATH, {"Authorization": "Bearer rf_" + "0" * 64}) == 503
        assert await status(door, "GET", READ_PATH, {"Authorization": f"Bearer {API_KEY}"}) == 200
