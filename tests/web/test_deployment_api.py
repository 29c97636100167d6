"""POST /api/v2/dora/deployment: validated at the door, durable with its fact before the answer, idempotent."""

import gzip
import zlib
from io import BytesIO
from typing import cast

import pytest

from bot.facts.tombstones import find_standing
from bot.store import Store
from tests.sources.test_datadog import INVALID, SHA, URL
from tests.web.doors import API_KEY, NOW, DownStore, document, make_key, open_door, raw_status, receipts

PATH = "/api/v2/dora/deployment"
KEY = {"DD-API-KEY": API_KEY, "Content-Type": "application/json"}
FULL: dict[str, object] = {
    "env": "Prod", "version": "v1", "team": "backend", "custom_tags": ["a:b"], "git": {"commit_sha": SHA, "repository_url": URL},
}  # fmt: skip


async def test_a_deployment_is_durable_with_its_receipt_and_mark_before_the_answer(store: Store) -> None:
    async with open_door(store) as door:
        answer = await door.client.post(PATH, data=document(**FULL), headers=KEY)
        assert answer.status == 200
        assert answer.content_type == "application/vnd.api+json"
        data = (await answer.json())["data"]
        assert data["type"] == "dora_deployment"
        assert "marks" in door.woken
    known = store.read(lambda reader: find_standing(reader, data["id"]))
    assert known is not None
    assert (known.service, known.env, known.finished_at, known.received_at) == ("shopist", "prod", 1_693_491_984 * 10**9, NOW)
    marks = store.read(lambda reader: reader.fetch("due_marks", lambda *row: row, now=NOW, n=10))
    assert [row[:2] for row in marks] == [("changes", '["shopist", "prod"]')]
    (delivery,) = store.read(lambda reader: reader.fetch("answer_delivery", lambda *row: row, id=known.receipt))
    assert delivery[0] == known.receipt
    assert {"api", "deployment", "done"} <= {str(value) for value in delivery}
    assert receipts(store) == [], "nothing is left to do for the engine but to derive"


async def test_the_same_event_again_is_the_same_deployment(store: Store) -> None:
    spellings: list[dict[str, object]] = [
        FULL,
        FULL,
        FULL | {"service": " SHOPIST ", "env": "PROD"},
        FULL | {"started_at": 1_693_491_974_000, "finished_at": 1_693_491_984_000_000_000},
        FULL | {"git": {"commit_sha": SHA.upper(), "repository_url": "git@github.com:Organization/Example-Repository.git"}},
        FULL | {"team": "frontend", "custom_tags": ["c:d"]},
        FULL | {"unheard_of": {"x": [1]}},
    ]
    async with open_door(store) as door:
        ids = set()
        for attributes in spellings:
            door.now[0] += 1
            answer = await door.client.post(PATH, data=document(**attributes), headers=KEY)
            assert answer.status == 200
            ids.add((await answer.json())["data"]["id"])
        assert len(ids) == 1
        for other in ({"version": "v2"}, {"env": "staging"}, {"finished_at": 1_693_491_985}, {"service": "shop"}):
            answer = await door.client.post(PATH, data=document(**FULL | other), headers=KEY)
            ids.add((await answer.json())["data"]["id"])
        assert len(ids) == 5


async def test_the_senders_id_is_kept_and_the_newest_event_replaces(store: Store) -> None:
    key = "release-2026.10.01:1"
    async with open_door(store) as door:
        for finished_at in (1_693_491_984, 1_693_491_999):
            door.now[0] += 1
            answer = await door.client.post(PATH, data=document(id=key, finished_at=finished_at), headers=KEY)
            assert (await answer.json())["data"]["id"] == key
    standing = store.read(lambda reader: find_standing(reader, key))
    assert standing is not None and standing.finished_at == 1_693_491_999 * 10**9


async def test_every_invalid_field_is_named_and_nothing_is_kept(store: Store) -> None:
    async with open_door(store) as door:
        for attributes, field in INVALID:
            answer = await door.client.post(PATH, data=document(**attributes), headers=KEY)
            assert answer.status == 400, attributes
            body = await answer.json()
            (error,) = body["errors"]
            assert (error["status"], error["title"]) == ("400", "Bad Request")
            assert error["source"] == {"pointer": f"/data/attributes/{field}"}
            assert len(body["id"]) == 32
        assert door.woken == []
    assert store.read(lambda reader: reader.fetch("count_marks", int)) == [0]
    assert store.read(lambda reader: reader.fetch("answer_delivery_counts", lambda *row: row)) == []


async def test_sizes_and_encodings(store: Store) -> None:
    good = document()
    cases: list[tuple[str, bytes, str, int]] = [
        ("gzip", gzip.compress(good), "gzip", 200),
        ("deflate", zlib.compress(good), "deflate", 200),
        ("largest", good + b" " * (1_048_576 - len(good)), "", 200),
        ("too large", good + b" " * 1_048_576, "", 400),
        ("bomb", gzip.compress(bytes(50_000_000)), "gzip", 400),
        ("broken gzip", good, "gzip", 400),
        ("cut gzip", gzip.compress(good)[:-4], "gzip", 400),
        ("br", good, "br", 400),
        ("unknown", good, "nonsense", 400),
    ]
    async with open_door(store) as door:
        for title, body, encoding, status in cases:
            headers = KEY | ({"Content-Encoding": encoding} if encoding else {})
            answer = await door.client.post(PATH, data=BytesIO(body), headers=headers)
            assert answer.status == status, title

        async def chunks(n: int):  # type: ignore[no-untyped-def]
            for _ in range(n):
                yield b" " * 65_536

        answer = await door.client.post(PATH, data=chunks(40), headers=KEY)
        assert answer.status == 400
        assert (await answer.json())["errors"][0]["detail"] == "The body is larger than 1048576 bytes."


HOSTILE = {
    "empty": b"", "null": b"null", "deep": b"[" * 500_000, "deep inside": b'{"data":{"attributes":{"git":' + b"[" * 500_000,
    "NaN": b'{"data":{"attributes":{"started_at":NaN}}}', "1e999": b'{"data":{"attributes":{"started_at":1e999}}}',
    "many digits": b'{"data":{"attributes":{"started_at":' + b"9" * 500_000 + b"}}}", "NUL": document(service="\0"),
    "surrogate": b'{"data":{"attributes":{"service":"\\ud800","started_at":1,"finished_at":1}}}', "latin-1": b'{"data":"\xe9"}',
    "duplicates": b'{"data":{},"data":{"attributes":{"service":"a","service":1}}}', "UTF-16": document().decode().encode("utf-16"),
    "wide": b"[" + b"[]," * 300_000 + b"[]]", "many keys": b"{" + b",".join(b'"%d":0' % i for i in range(60_000)) + b"}",
    "YAML": b"data: !!python/object/apply:os.system [id]", "injection": document(service="'; DROP TABLE deployment; --"),
    "markup": document(service="<script>alert(1)</script>", version='"><img src=x onerror=alert(1)>'),
    "template": document(service="{{7*7}}${7*7}%s%n"), "right to left": document(service="\u202egnp"), "emoji": document(service="🔥" * 200),
    "combining": document(service="e" + "\u0301" * 199), "formula": document(service="=cmd|' /C calc'!A0"), "escape": document(version="\x1b[2J"),
    "option": document(git={"commit_sha": "--upload-pack=id", "repository_url": "--upload-pack=id"}),
    "ext": document(git={"commit_sha": SHA, "repository_url": "ext::sh -c id"}),
    "traversal": document(git={"commit_sha": SHA, "repository_url": "https://github.com/../../../etc/passwd"}),
    "IPv6": document(git={"commit_sha": SHA, "repository_url": "https://[::1/a/b"}), "port": document(git={"commit_sha": SHA, "repository_url": "https://h:99999/a/b"}),
    "percent": document(git={"commit_sha": SHA, "repository_url": "https://h/%ff%00/b"}), "tabs": document(git={"commit_sha": SHA, "repository_url": "https://h\t/a/b"}),
}  # fmt: skip


async def test_hostile_bodies_break_nothing(store: Store) -> None:
    assert len(HOSTILE) >= 30
    async with open_door(store) as door:
        for title, body in HOSTILE.items():
            answer = await door.client.post(PATH, data=body, headers=KEY)
            assert answer.status in {200, 400}, title
            text = await answer.text()
            assert "Traceback" not in text and "File " not in text, title
            assert (await door.client.post(PATH, data=body)).status == 401, title
        assert (await door.client.get("/healthz")).status == 200


async def test_hostile_requests_break_nothing(store: Store) -> None:
    """Below HTTP's rules: framing, headers, targets."""
    head = b"POST /api/v2/dora/deployment HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nDD-API-KEY: " + API_KEY.encode()
    requests = {
        "no length": head + b"\r\n\r\n{}",
        "two lengths": head + b"\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        "negative length": head + b"\r\nContent-Length: -1\r\n\r\n{}",
        "huge length": head + b"\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
        "length and chunks": head + b"\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "bad chunk": head + b"\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        "bad header": head + b"\r\nX\x00Y: 1\r\n\r\n",
        "long header": head + b"\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        "many headers": head + b"".join(b"\r\nX%d: 1" % i for i in range(5_000)) + b"\r\n\r\n",
        "bad version": b"POST / HTTP/9.9\r\n\r\n",
        "no request": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "bad target": b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
        "bad host": b"GET /metrics HTTP/1.1\r\nHost: [::1\r\n\r\n",
        "odd bytes": b"GET /%ff%fe/../.. HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "key in bytes": head[: -len(API_KEY)] + b"\xff\xfe\r\nContent-Length: 2\r\n\r\n{}",
    }
    async with open_door(store) as door:
        for title, sent in requests.items():
            status = await raw_status(door.client.port, sent)
            assert status == 0 or 400 <= status < 500, (title, status)
        assert (await door.client.get("/healthz")).status == 200


async def test_the_store_is_down() -> None:
    async with open_door(cast("Store", DownStore())) as door:
        answer = await door.client.post(PATH, data=document(), headers=KEY)
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) > 0
        stored_key = await door.client.post(PATH, data=document(), headers=KEY | {"DD-API-KEY": "rf_" + "0" * 64})
        assert stored_key.status == 503, "a key that cannot be looked up is neither good nor bad"


async def test_a_key_limited_to_services(store: Store) -> None:
    key = make_key(store, "deployments:write", services=("Shopist",))
    async with open_door(store) as door:
        headers = KEY | {"DD-API-KEY": key.key}
        assert (await door.client.post(PATH, data=document(service="SHOPIST "), headers=headers)).status == 200
        refused = await door.client.post(PATH, data=document(service="other"), headers=headers)
        assert refused.status == 403
        assert (await refused.json())["errors"] == ["Forbidden"]
        # Nor may it take another service's deployment away by sending that one's id.
        foreign, mine = (document(service=name, id="of-another-service-1") for name in ("other", "shopist"))
        assert (await door.client.post(PATH, data=foreign, headers=KEY)).status == 200
        assert (await door.client.post(PATH, data=mine, headers=headers)).status == 403
        assert (await door.client.post(PATH, data=mine, headers=KEY)).status == 200
        assert (await door.client.post(PATH, data=mine, headers=headers)).status == 200, "it is of that service now"


async def test_credentials_are_cut_before_anything_is_kept(store: Store) -> None:
    url = "https://user:canary-token@github.com/organization/example-repository.git"
    async with open_door(store) as door:
        answer = await door.client.post(PATH, data=document(git={"commit_sha": SHA, "repository_url": url}), headers=KEY)
        assert answer.status == 200
    store.write(lambda writer: writer.execute("replay_delivery", id=1, now=NOW, empty=b""))
    ((_, _, kept),) = receipts(store)
    assert b"example-repository" in cast(bytes, kept)
    assert b"canary" not in cast(bytes, kept)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_other_methods_and_routes(store: Store, method: str) -> None:
    async with open_door(store) as door:
        answer = await door.client.request(method, PATH, headers=KEY)
        assert (answer.status, answer.headers["Allow"]) == (405, "PATCH,POST")
        missing = await door.client.request(method, "/api/v2/dora/nothing", headers=KEY)
        assert missing.status == 404
        assert (await missing.json())["errors"][0]["status"] == "404"
