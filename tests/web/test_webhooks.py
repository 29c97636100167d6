"""The webhook doors: only what is signed gets in, what gets in is durable and untouched, and nothing breaks the door."""

import base64
import gzip
import hashlib
import hmac
import json
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import cast

import pytest
from aiohttp import ClientSession
from multidict import CIMultiDict
from yarl import URL

from bot.dora.events import Ignored
from bot.dora.instants import SECOND
from bot.forges import PayloadError, SignatureError
from bot.forges.github import webhook as github
from bot.forges.github.payloads import parse_github
from bot.forges.gitlab.payloads import parse_gitlab
from bot.guard import GuardError, inflate
from bot.store import Store
from tests.forges.fixtures import body as fixture
from tests.web.doors import (
    GITHUB_SECRET,
    GITLAB_SECRET,
    NOW,
    DownStore,
    github_headers,
    open_door,
    raw_status,
    receipts,
)

BODY = b'{"zen": "Speak like a human."}'
SIGNING_KEY = bytes(range(32))
SIGNING_TOKEN = "whsec_" + base64.b64encode(SIGNING_KEY).decode()


def test_the_vector_of_githubs_documentation() -> None:
    secret, payload = b"It's a Secret to Everybody", b"Hello, World!"
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    headers = CIMultiDict({"X-Hub-Signature-256": signature})
    github.verify(headers, payload, [b"another secret", secret])
    for secrets in ([], [b""], [b"another secret"]):
        with pytest.raises(SignatureError):
            github.verify(headers, payload, secrets)


def _mac(algorithm: str, body: bytes = BODY, secret: str = GITHUB_SECRET) -> str:
    return hmac.new(secret.encode(), body, algorithm).hexdigest()


def _mutants() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    good, name = _mac("sha256"), "X-Hub-Signature-256"
    values = {
        "empty": "",
        "prefix only": "sha256=",
        "no prefix": good,
        "upper case": f"sha256={good.upper()}",
        "upper prefix": f"SHA256={good}",
        "mixed prefix": f"Sha256={good}",
        "one digit short": f"sha256={good[:-1]}",
        "one digit long": f"sha256={good}0",
        "first half": f"sha256={good[:32]}",
        "doubled": f"sha256={good}{good}",
        "two in a list": f"sha256={good},sha256={good}",
        "list with a wrong one": f"sha256={'0' * 64}, sha256={good}",
        "two after a blank": f"sha256={good} sha256={good}",
        "space inside": f"sha256= {good}",
        "space before equals": f"sha256 ={good}",
        "colon": f"sha256:{good}",
        "two equals": f"sha256=={good}",
        "quoted": f'sha256="{good}"',
        "0x": f"sha256=0x{good}",
        "first digit flipped": f"sha256={chr(ord(good[0]) ^ 1)}{good[1:]}",
        "last digit flipped": f"sha256={good[:-1]}{'0' if good[-1] != '0' else '1'}",
        "middle flipped": f"sha256={good[:31]}{'0' if good[31] != '0' else '1'}{good[32:]}",
        "reversed": f"sha256={good[::-1]}",
        "zeros": f"sha256={'0' * 64}",
        "not hex": f"sha256={'g' * 64}",
        "base64": "sha256=" + base64.b64encode(bytes.fromhex(good)).decode(),
        "full-width digits": "sha256=" + "０" * 64,
        "non-ASCII": f"sha256={good[:-1]}é",
        "non-ASCII only": "é",
        "semicolon": f"sha256={good};",
        "sha1 here": "sha1=" + _mac("sha1"),
        "sha1 digest as sha256": "sha256=" + _mac("sha1"),
        "sha512": "sha512=" + _mac("sha512"),
        "sha512 cut": "sha256=" + _mac("sha512")[:64],
        "md5": "sha256=" + _mac("md5"),
        "plain hash": "sha256=" + hashlib.sha256(BODY).hexdigest(),
        "hash of secret and body": "sha256=" + hashlib.sha256(GITHUB_SECRET.encode() + BODY).hexdigest(),
        "empty secret": "sha256=" + _mac("sha256", secret=""),
        "secret with a newline": "sha256=" + _mac("sha256", secret=GITHUB_SECRET + "\n"),
        "secret in upper case": "sha256=" + _mac("sha256", secret=GITHUB_SECRET.upper()),
        "the other forge's secret": "sha256=" + _mac("sha256", secret=GITLAB_SECRET),
        "default secret": "sha256=" + _mac("sha256", secret="development"),
        "body with a newline": "sha256=" + _mac("sha256", BODY + b"\n"),
        "body written anew": "sha256=" + _mac("sha256", json.dumps(json.loads(BODY), separators=(",", ":")).encode()),
        "empty body": "sha256=" + _mac("sha256", b""),
        "the secret itself": GITHUB_SECRET,
        "long": "sha256=" + "a" * 4_000,
    }
    for title, value in values.items():
        yield title, [(name, value)]
    yield "missing", []
    yield "sha1 alone", [("X-Hub-Signature", "sha1=" + _mac("sha1"))]
    yield "good under the old name", [("X-Hub-Signature", f"sha256={good}")]
    yield "good, twice", [(name, f"sha256={good}"), (name, f"sha256={good}")]
    yield "good, then wrong", [(name, f"sha256={good}"), (name, f"sha256={'0' * 64}")]
    yield "wrong, then good", [(name, f"sha256={'0' * 64}"), (name, f"sha256={good}")]
    yield "in another header", [("X-Signature-256", f"sha256={good}")]


MUTANTS = dict(_mutants())


async def test_no_mutant_of_a_signature_gets_in(store: Store) -> None:
    assert len(MUTANTS) >= 40
    async with open_door(store) as door:
        for title, pairs in MUTANTS.items():
            headers = CIMultiDict({"X-GitHub-Event": "push", "X-GitHub-Delivery": title, "Content-Type": "application/json"})
            for name, value in pairs:
                headers.add(name, value)
            answer = await door.client.post("/webhooks/github", data=BODY, headers=headers)
            assert answer.status == 401, title
            assert (await answer.json())["errors"][0]["status"] == "401"
        in_query = await door.client.post(
            f"/webhooks/github?signature=sha256={_mac('sha256')}", data=BODY,
            headers={"X-GitHub-Event": "push", "X-GitHub-Delivery": "query"},
        )
        assert in_query.status == 401
        assert receipts(store) == []
        assert door.woken == []
        good = await door.client.post("/webhooks/github", data=BODY, headers=github_headers(BODY))
        assert good.status == 202


async def test_no_mutant_in_bytes_gets_in(store: Store) -> None:
    """What a well-behaved client would not send: raw bytes in and around the header."""
    good = b"X-Hub-Signature-256: sha256=" + _mac("sha256").encode()
    lines = [
        good + b"\xff", good + b"\xa0", good + b"\x0b", good + b"\x0c", good + b"\x1f", good + b"\x7f", good + b"\x00", good + b"\xc2\xa0",
        good[:-64] + b"\x00" + good[-64:], good + b"\r\n folded", good + b"\n" + good, good.replace(b": ", b" : "),
        good.replace(b"Signature", b"Signature\xff"), b"\xff" + good,
    ]  # fmt: skip
    async with open_door(store) as door:
        for number, line in enumerate([*lines, good]):
            head = b"POST /webhooks/github HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-GitHub-Event: push\r\n"
            head += b"X-GitHub-Delivery: %d\r\n%s\r\nContent-Length: %d\r\n\r\n" % (number, line, len(BODY))
            status = await raw_status(door.client.port, head + BODY)
            assert status == 202 if line is good else status in {400, 401}, line
    assert len(receipts(store)) == 1


async def test_a_signed_delivery_is_stored_as_sent_and_known_again(store: Store) -> None:
    sent = fixture("github", "push__branch_update")
    async with open_door(store) as door:
        first = await door.client.post("/webhooks/github", data=sent, headers=github_headers(sent))
        assert first.status == 202
        delivery = (await first.json())["delivery"]
        again = await door.client.post("/webhooks/github", data=sent, headers=github_headers(sent))
        assert (again.status, await again.json()) == (200, {"delivery": delivery})
        assert receipts(store) == [("github", "push", sent)]
        assert "inbox" in door.woken


async def test_secrets_rotate_without_a_gap(store: Store) -> None:
    old, new = "the-old-secret-of-2025", "the-new-secret-of-2026"
    async with open_door(store, GITHUB_WEBHOOK_SECRET=f"{new}, {old}") as door:
        for secret in (old, new):
            headers = github_headers(BODY, delivery=secret, secret=secret)
            assert (await door.client.post("/webhooks/github", data=BODY, headers=headers)).status == 202


async def test_only_listed_headers_are_stored(store: Store) -> None:
    headers = github_headers(BODY) | {"Authorization": "Bearer canary", "Cookie": "canary", "X-GitHub-Hook-ID": "7"}
    async with open_door(store) as door:
        await door.client.post("/webhooks/github", data=BODY, headers=headers)
    (row,) = store.read(lambda reader: reader.fetch("due_deliveries", lambda *row: row, now=2**62, n=1))
    kept = json.loads(str(row[4]))
    assert kept["x-github-hook-id"] == "7"
    assert kept["content-type"] == "application/json"
    assert "canary" not in str(row[4])
    assert not any("signature" in name for name in kept)


@pytest.mark.parametrize("path", ["/webhooks/github", "/webhooks/gitlab"])
async def test_a_source_without_secret_is_off(store: Store, path: str) -> None:
    async with open_door(store, HOST="127.0.0.1") as door:
        for secret in ("", "development", GITHUB_SECRET):
            headers = github_headers(BODY, secret=secret) | {"X-Gitlab-Token": secret, "X-Gitlab-Event": "Push Hook"}
            answer = await door.client.post(path, data=BODY, headers=headers)
            assert answer.status == 404
            assert (await answer.json())["errors"][0]["title"] == "source_off"
    assert receipts(store) == []


@pytest.mark.parametrize(
    ("headers", "slug"),
    [
        ({"X-GitHub-Event": ""}, "no_event"),
        ({"X-GitHub-Delivery": ""}, "no_delivery"),
        ({"X-GitHub-Delivery": "é"}, "bad_header"),
        ({"X-GitHub-Delivery": "x" * 300}, "bad_header"),
        ({"X-GitHub-Event": "push\u00a0"}, "bad_header"),
    ],
)
async def test_signed_but_nameless(store: Store, headers: dict[str, str], slug: str) -> None:
    async with open_door(store) as door:
        answer = await door.client.post("/webhooks/github", data=BODY, headers=github_headers(BODY) | headers)
        body = await answer.json()
        assert (answer.status, body["errors"][0]["title"]) == (400, slug)
        assert len(body["id"]) == 32
        without = github_headers(BODY)
        del without["X-GitHub-Event"]
        assert (await door.client.post("/webhooks/github", data=BODY, headers=without)).status == 400
    assert receipts(store) == []


async def test_gitlabs_token(store: Store) -> None:
    event = {"X-Gitlab-Event": "Push Hook"}
    async with open_door(store) as door:
        for token in ("", GITLAB_SECRET[:-1], GITLAB_SECRET + "x", GITLAB_SECRET.upper(), "é" * 20, GITHUB_SECRET):
            answer = await door.client.post("/webhooks/gitlab", data=BODY, headers=event | {"X-Gitlab-Token": token})
            assert answer.status == 401, token
        assert (await door.client.post("/webhooks/gitlab", data=BODY, headers=event)).status == 401
        twice = CIMultiDict(event)
        twice.add("X-Gitlab-Token", GITLAB_SECRET)
        twice.add("X-Gitlab-Token", GITLAB_SECRET)
        assert (await door.client.post("/webhooks/gitlab", data=BODY, headers=twice)).status == 401
        assert receipts(store) == []
        good = {"X-Gitlab-Token": GITLAB_SECRET}
        assert (await door.client.post("/webhooks/gitlab", data=BODY, headers=good)).status == 400
        assert (await door.client.post("/webhooks/gitlab", data=BODY, headers=good | event)).status == 202
    assert receipts(store) == [("gitlab", "Push Hook", BODY)]


async def test_what_makes_two_gitlab_deliveries_the_same(store: Store) -> None:
    good = {"X-Gitlab-Token": GITLAB_SECRET, "X-Gitlab-Event": "Push Hook"}
    other = b'{"zen": "another"}'
    tries: list[tuple[bytes, dict[str, str], int]] = [
        (BODY, {"Idempotency-Key": "a", "X-Gitlab-Event-UUID": "u"}, 202),
        (other, {"Idempotency-Key": "a", "X-Gitlab-Event-UUID": "v"}, 200),
        (BODY, {"Idempotency-Key": "b", "X-Gitlab-Event-UUID": "u"}, 202),
        (BODY, {"X-Gitlab-Event-UUID": "u"}, 202),
        (BODY, {"X-Gitlab-Event-UUID": "u"}, 200),
        (other, {"X-Gitlab-Event-UUID": "u"}, 202),
        (BODY, {"X-Gitlab-Event-UUID": "w"}, 202),
        (BODY, {}, 202),
        (BODY, {}, 200),
        (other, {}, 202),
    ]
    async with open_door(store) as door:
        for body, headers, status in tries:
            answer = await door.client.post("/webhooks/gitlab", data=body, headers=good | headers)
            assert answer.status == status, headers


def _signed(body: bytes = BODY, *, at: int = NOW // SECOND, key: bytes = SIGNING_KEY, message_id: str = "m-1") -> dict[str, str]:
    signed = f"{message_id}.{at}.".encode() + body
    mac = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    return {
        "X-Gitlab-Event": "Push Hook",
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{mac}",
    }


async def test_gitlabs_signing_token(store: Store) -> None:
    good = _signed()
    mac = good["webhook-signature"].removeprefix("v1,")
    wrong: dict[str, dict[str, str]] = {
        "old": _signed(at=NOW // SECOND - 301),
        "ahead": _signed(at=NOW // SECOND + 301),
        "other key": _signed(key=bytes(32)),
        "other id": good | {"webhook-id": "m-2"},
        "other time": good | {"webhook-timestamp": str(NOW // SECOND + 1)},
        "no id": {name: value for name, value in good.items() if name != "webhook-id"},
        "no time": {name: value for name, value in good.items() if name != "webhook-timestamp"},
        "odd time": good | {"webhook-timestamp": "1e9"},
        "negative time": good | {"webhook-timestamp": "-1"},
        "huge time": good | {"webhook-timestamp": "9" * 40},
        "no version": good | {"webhook-signature": mac},
        "other version": good | {"webhook-signature": f"v1a,{mac}"},
        "hex": good | {"webhook-signature": "v1," + base64.b64decode(mac).hex()},
        "cut": good | {"webhook-signature": f"v1,{mac[:-4]}"},
        "empty": good | {"webhook-signature": ""},
        "non-ASCII": good | {"webhook-signature": "v1,é"},
        "a good token beside it": good | {"webhook-signature": f"v1,{mac[:-4]}AAA=", "X-Gitlab-Token": GITLAB_SECRET},
        "one after too many": good | {"webhook-signature": "v1,AAAA " * 20 + f"v1,{mac}"},
    }
    environ = {"GITLAB_SIGNING_TOKEN": SIGNING_TOKEN, "GITLAB_WEBHOOK_SECRET": GITLAB_SECRET}
    async with open_door(store, **environ) as door:
        for title, headers in wrong.items():
            assert (await door.client.post("/webhooks/gitlab", data=BODY, headers=headers)).status == 401, title
        assert (await door.client.post("/webhooks/gitlab", data=BODY + b" ", headers=good)).status == 401
        assert receipts(store) == []
        listed = good | {"webhook-signature": f"v1,AAAA v2,x v1,{mac}"}
        assert (await door.client.post("/webhooks/gitlab", data=BODY, headers=listed)).status == 202
        assert (await door.client.post("/webhooks/gitlab", data=BODY, headers=good)).status == 200
        for at in (NOW // SECOND - 299, NOW // SECOND + 299):
            answer = await door.client.post("/webhooks/gitlab", data=BODY, headers=_signed(at=at, message_id=f"m-{at}"))
            assert answer.status == 202
        token = {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": GITLAB_SECRET}
        assert (await door.client.post("/webhooks/gitlab", data=BODY, headers=token)).status == 202


async def test_a_signature_nobody_here_can_check_leaves_the_token(store: Store) -> None:
    async with open_door(store, GITLAB_WEBHOOK_SECRET=GITLAB_SECRET) as door:
        headers = _signed() | {"X-Gitlab-Token": GITLAB_SECRET}
        assert (await door.client.post("/webhooks/gitlab", data=BODY, headers=headers)).status == 202
        assert (await door.client.post("/webhooks/gitlab", data=BODY, headers=_signed())).status == 401


@pytest.mark.parametrize("source", ["github", "gitlab"])
async def test_store_down_acknowledges_nothing(source: str) -> None:
    async with open_door(cast("Store", DownStore())) as door:
        headers = github_headers(BODY) | {"X-Gitlab-Token": GITLAB_SECRET, "X-Gitlab-Event": "Push Hook"}
        answer = await door.client.post(f"/webhooks/{source}", data=BODY, headers=headers)
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) > 0
        body = await answer.json()
        assert body["errors"][0]["title"] == "store_unavailable"
        assert "delivery" not in body
        assert door.woken == []
        unsigned = await door.client.post(f"/webhooks/{source}", data=BODY, headers={"X-GitHub-Event": "push"})
        assert unsigned.status == 401, "who is not known learns nothing of the store"


def _hostile_bodies() -> dict[str, bytes]:
    deep, push = 100_000, fixture("github", "push__branch_update")
    bodies = {
        "empty": b"",
        "blank": b" \n",
        "null": b"null",
        "list": b"[]",
        "number": b"1",
        "string": b'"x"',
        "not JSON": b"hello",
        "cut": push[:-20],
        "two documents": push + push,
        "deep lists": b"[" * deep,
        "deep closed lists": b"[" * deep + b"]" * deep,
        "deep objects": b'{"a":' * deep + b"1" + b"}" * deep,
        "deep below an unknown key": b'{"zz":' + b"[" * deep + b"]" * deep + b"}",
        "NaN": b'{"ref": NaN}',
        "Infinity": b'{"ref": Infinity, "after": -Infinity}',
        "1e400": b'{"ref": 1e400}',
        "long number": b'{"x": ' + b"9" * 1_000_000 + b"}",
        "number beyond 63 bits": b'{"repository": {"id": 18446744073709551616}}',
        "duplicate keys": b'{"ref": "a", "ref": "b"}',
        "lone surrogate": b'{"ref": "\\ud800"}',
        "swapped surrogates": b'{"ref": "\\udc00\\ud800"}',
        "NUL": b'{"ref": "a\\u0000b"}',
        "raw NUL": b'{"ref": "a\x00b"}',
        "raw newline": b'{"ref": "a\nb"}',
        "BOM": b"\xef\xbb\xbf" + push,
        "UTF-16": push.decode().encode("utf-16"),
        "latin-1": '{"ref": "é"}'.encode("latin-1"),
        "invalid UTF-8": b'{"ref": "\xff\xfe\xed\xa0\x80"}',
        "overlong UTF-8": b'{"ref": "\xc0\xaf"}',
        "wide": b"[" + b"[]," * 300_000 + b"[]]",
        "many keys": b"{" + b",".join(b'"k%d":1' % i for i in range(100_000)) + b"}",
        "comments": b"/* x */ {}",
        "trailing comma": b'{"ref": "x",}',
        "single quotes": b"{'ref': 'x'}",
        "YAML": b"ref: !!python/object/apply:os.system [id]\n",
        "XML": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
        "form": b"payload=%7B%7D",
        "form without payload": b"a=b&c=d",
        "many fields": b"a=b&" * 10_000,
        "wrong types": b'{"ref": [], "before": {}, "after": 1, "repository": "x", "commits": {}}',
        "commits null": b'{"ref": "refs/heads/x", "before": "", "after": "", "repository": null, "commits": null}',
        "huge string": b'{"ref": "' + b"a" * 5_000_000 + b'"}',
        "prototype": b'{"__proto__": {"ref": "x"}, "constructor": {"prototype": {}}}',
    }
    values: dict[str, object] = {
        "ref is an option": {"ref": "--upload-pack=touch /tmp/x"},
        "ref with newline": {"ref": "refs/heads/x\nrefs/heads/y"},
        "ref with parents": {"ref": "refs/heads/../../x"},
        "after is an option": {"after": "--output=/tmp/x"},
        "after too short": {"after": "abc"},
        "right-to-left ref": {"ref": "refs/heads/\u202egnp.exe"},
        "emoji ref": {"ref": "refs/heads/" + "🔥" * 600},
        "clone URL is ext": {"repository": {"id": 1, "html_url": "ext::sh -c id", "clone_url": "ext::sh -c id"}},
        "clone URL is file": {"repository": {"id": 1, "html_url": "file:///etc/passwd"}},
        "clone URL is an option": {"repository": {"id": 1, "html_url": "--upload-pack=id"}},
        "clone URL without path": {"repository": {"id": 1, "html_url": "https://github.com"}},
        "clone URL with parents": {"repository": {"id": 1, "html_url": "https://github.com/../../etc"}},
        "no repository": {"repository": {}},
        "negative id": {"repository": {"id": -1, "html_url": "https://github.com/a/b"}},
        "paths are numbers": {"commits": [{"id": "a" * 40, "added": [1, 2]}]},
        "path with NUL": {"commits": [{"id": "a" * 40, "added": ["a\0b"], "modified": [], "removed": []}]},
        "absurd time": {"commits": [{"id": "a" * 40, "timestamp": "9999999-99-99"}]},
        "time far ahead": {"commits": [{"id": "a" * 40, "timestamp": "9999-12-31T23:59:59Z"}]},
        "time before 1970": {"commits": [{"id": "a" * 40, "timestamp": "0001-01-01T00:00:00Z"}]},
        "huge message": {"commits": [{"id": "a" * 40, "message": "x\n" * 500_000}]},
        "control characters": {"commits": [{"id": "a" * 40, "message": "\x1b[2J\x07\x00"}]},
    }
    for title, change in values.items():
        bodies[title] = json.dumps(json.loads(push) | cast("dict[str, object]", change)).encode()
    return bodies


def _hostile_encodings() -> dict[str, tuple[bytes, str]]:
    push = fixture("github", "push__branch_update")
    packed = gzip.compress(push)
    return {
        "honest gzip": (packed, "gzip"),
        "gzip bomb": (gzip.compress(bytes(40_000_000)), "gzip"),
        "deflate bomb": (zlib.compress(bytes(40_000_000)), "deflate"),
        "gzip cut": (packed[:-9], "gzip"),
        "gzip junk": (b"\x1f\x8b" + bytes(40), "gzip"),
        "not gzip": (push, "gzip"),
        "two members": (packed + packed, "gzip"),
        "junk behind": (packed + b"junk", "gzip"),
        "br": (push, "br"),
        "zstd": (push, "zstd"),
        "unknown": (push, "x-nonsense"),
        "list": (packed, "gzip, gzip"),
        "wrong checksum": (packed[:-8] + bytes(8), "gzip"),
    }


HOSTILE = {title: (body, "") for title, body in _hostile_bodies().items()} | _hostile_encodings()


async def test_hostile_bodies_are_kept_when_signed_and_never_break_the_door(store: Store) -> None:
    assert len(HOSTILE) >= 60
    async with open_door(store) as door:
        for number, (title, (body, encoding)) in enumerate(HOSTILE.items()):
            extra = {"Content-Encoding": encoding} if encoding else {}
            for event in ("push", "pull_request"):
                headers = github_headers(body, event=event, delivery=f"{event}-{number}") | extra
                answer = await _post(door.client.session, door.client.make_url("/webhooks/github"), body, headers)
                assert answer == 202, title
            refused = await _post(door.client.session, door.client.make_url("/webhooks/github"), body, extra)
            assert refused == 401, title
        assert (await door.client.get("/healthz")).status == 200
    kept = [row[2] for row in receipts(store)]
    assert kept == [body for body, _ in HOSTILE.values() for _ in range(2)], "as sent, compressed ones too"


async def _post(session: ClientSession, url: URL, body: bytes, headers: dict[str, str]) -> int:
    async with session.post(url, data=BytesIO(body), headers=headers) as answer:
        return answer.status


@pytest.mark.parametrize("title", HOSTILE)
def test_a_hostile_body_is_a_value_or_a_reason(title: str) -> None:
    """What the engine makes of it, later: dead-lettered with a slug, ignored, or harmless."""
    body, encoding = HOSTILE[title]
    for event in ("push", "pull_request", "pull_request_review", "ping", "\udcff"):
        for content_type in ("application/json", "application/x-www-form-urlencoded"):
            try:
                parse_github(event, inflate(body, encoding, max_bytes=25 << 20), content_type)
            except (PayloadError, GuardError) as error:
                assert error.slug.isidentifier()
    try:
        parse_gitlab("Push Hook", inflate(body, encoding, max_bytes=25 << 20))
    except (PayloadError, GuardError) as error:
        assert error.slug.isidentifier()
    assert isinstance(parse_github("ping", body), Ignored)
