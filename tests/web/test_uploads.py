"""The door of git uploads: durable before the answer, bounded, refused with 400, 401 and 403 alone."""

import json
from io import BytesIO
from typing import cast

import pytest

from bot.facts.keys import DEPLOYMENTS_WRITE, READ
from bot.sources.uploads import split_parts
from bot.store import Store
from tests.git.hostile_packs import COMMIT, commit, entry, pack
from tests.support.server import rows
from tests.support.uploads import LIST, PACK, SEARCH, list_form, multipart, pack_form
from tests.web.doors import API_KEY, NOW, DownStore, make_key, open_door

SHA = "f11a38a7a9a2a3d4e5f60718293a4b5c6d7e8f90"
SECRET = "ghp_canary0123456789"
URL = f"https://ci:{SECRET}@Git.example.org/acme/Shop.git"
NAME = "git.example.org/acme/shop"
GOOD = pack([entry(COMMIT, commit())])


def headers(kind: str, key: str = API_KEY) -> dict[str, str]:
    """What the client sends beside a body."""
    return {"DD-API-KEY": key, "Content-Type": kind}


def question(*ids: object, url: object = URL) -> bytes:
    """The body of search_commits."""
    return json.dumps({"meta": {"repository_url": url}, "data": [{"id": id, "type": "commit"} for id in ids]}).encode()


async def test_a_pack_is_durable_before_the_answer_and_holds_no_credentials(store: Store, store_url: str) -> None:
    kind, body = pack_form(GOOD, sha=SHA, url=URL)
    async with open_door(store) as door:
        for _ in range(2):
            answer = await door.client.post(PACK, data=BytesIO(body), headers=headers(kind))
            assert answer.status == 202
            assert (await answer.json())["data"] == {"id": SHA, "type": "commit"}
        assert "uploads" in door.woken
        kept = rows(store_url, "SELECT state, pushed_sha, body, received_at FROM upload_pack")
        assert [(state, bytes(sha), bytes(held), at) for state, sha, held, at in kept] == [("received", bytes.fromhex(SHA), GOOD, NOW)]
        said = await (await door.client.get("/api/v1/repositories", headers={"Authorization": f"Bearer {API_KEY}"})).json()
        (shown,) = said["data"]
        assert (shown["repository"], shown["forge"], shown["state"]) == (NAME, "git", "uploaded")
        assert shown["upload"]["state"] == "received" and shown["upload"]["commit_sha"] == SHA
    noted = rows(store_url, "SELECT source, event, state, body FROM inbox ORDER BY id")
    assert [row[:3] for row in noted] == [("upload", "packfile", "done")] * 2
    assert json.loads(bytes(noted[0][3])) == {"repository": NAME, "commit": SHA, "bytes": len(GOOD)}
    assert SECRET not in str(rows(store_url, "SELECT * FROM repository"))


async def test_which_commits_are_known(store: Store, store_url: str) -> None:
    """Newest first: one that stands without its parents is told of only while no older one is unknown."""
    a, b, c, d = (digit * 40 for digit in "abcd")
    async with open_door(store) as door:

        async def ask(*ids: str, url: str = URL) -> list[str]:
            answer = await door.client.post(SEARCH, data=question(*ids, url=url), headers=headers("application/json"))
            assert answer.status == 200 and answer.content_type == "application/vnd.api+json"
            data = (await answer.json())["data"]
            assert {one["type"] for one in data} <= {"commit"}
            return [one["id"] for one in data]

        assert await ask(a, b) == []
        kind, body = pack_form(GOOD, sha=SHA, url=URL)
        assert (await door.client.post(PACK, data=BytesIO(body), headers=headers(kind))).status == 202
        known = [(1, bytes.fromhex(sha), usable, whole) for sha, usable, whole in ((a, 1, 1), (b, 1, 0))]
        store.write(lambda writer: writer.write_many("upload_commit", known))
        assert await ask(d, a) == [a]
        assert await ask(a, b, a) == [a, b]
        assert await ask(d, a, b) == [a, b]
        assert await ask(a, b, c) == [], "the parents of b are wanted"
        assert await ask(a, url="https://git.example.org/acme/other") == []
        store.write(lambda writer: writer.write_many("upload_commit", [(1, bytes.fromhex(c), 0, 1)]))
        assert await ask(a, c) == [], "trees of c are wanted"
        assert await ask() == []


async def test_a_question_that_makes_no_sense(store: Store) -> None:
    bad = {
        "nothing": b"", "no JSON": b"{", "null": b"null", "no list": b'{"meta":{"repository_url":"https://h/a/b"}}',
        "no URL": b'{"data":[]}', "URL of the wrong type": question(SHA, url=1), "not a URL": question(SHA, url="--upload-pack=id"),
        "upper case": question(SHA.upper()), "short": question(SHA[:39]), "number": question(7), "null id": question(None),
        "option": question("--all"), "too many": question(*["a" * 40] * 10_001), "deep": b'{"data":' + b"[" * 100_000,
    }  # fmt: skip
    async with open_door(store) as door:
        for title, body in bad.items():
            answer = await door.client.post(SEARCH, data=body, headers=headers("application/json"))
            assert answer.status == 400, title
            assert (await answer.json())["errors"][0]["title"] == "Bad Request"
        ids = [f"{n:040x}" for n in range(10_000)]
        assert (await door.client.post(SEARCH, data=question(*ids), headers=headers("application/json"))).status == 200


def _bodies() -> dict[str, tuple[str, bytes]]:
    kind, good = pack_form(GOOD, sha=SHA, url=URL)
    boundary = kind.partition("boundary=")[2]
    pushed = ("pushedSha", "", "application/json", json.dumps({"data": {"id": SHA}, "meta": {"repository_url": URL}}).encode())
    held = ("packfile", "x.pack", "application/octet-stream", GOOD)
    return {
        "nothing": (kind, b""),
        "no type": ("", good),
        "JSON": ("application/json", b"{}"),
        "no boundary": ("multipart/form-data", good),
        "an empty boundary": ('multipart/form-data; boundary=""', good),
        "another boundary": ("multipart/form-data; boundary=x", good),
        "a long boundary": ("multipart/form-data; boundary=" + "x" * 71, good),
        "cut off": (kind, good[:-60]),
        "cut off in the head": (kind, good[:80]),
        "no end of a head": (kind, f"--{boundary}\r\n".encode() + b"x" * 100_000),
        "only delimiters": (kind, f"--{boundary}\r\n".encode() * 5_000),
        "no pack": multipart(pushed),
        "no commit": multipart(held),
        "other names": multipart(("a", "", "text/plain", b""), ("b", "", "text/plain", b"")),
        "broken JSON": multipart(("pushedSha", "", "application/json", b"{"), held),
        "no URL": multipart(("pushedSha", "", "application/json", json.dumps({"data": {"id": SHA}}).encode()), held),
        "no sha": multipart(("pushedSha", "", "application/json", json.dumps({"meta": {"repository_url": URL}}).encode()), held),
        "a bad sha": pack_form(GOOD, sha="xyz", url=URL),
        "a bad URL": pack_form(GOOD, sha=SHA, url="ext::sh -c id"),
        "a large note": multipart(("pushedSha", "", "application/json", b" " * 70_000 + pushed[3]), held),
        "a large pack": pack_form(bytes(24 * 2**20 + 1), sha=SHA, url=URL),
        "a larger body": pack_form(bytes(25 * 2**20), sha=SHA, url=URL),
    }


async def test_bodies_that_make_no_sense_are_refused_and_nothing_is_kept(store: Store, store_url: str) -> None:
    async with open_door(store) as door:
        for title, (kind, body) in _bodies().items():
            answer = await door.client.post(PACK, data=BytesIO(body), headers=headers(kind))
            assert answer.status == 400, title
            text = await answer.text()
            assert SECRET not in text and "Traceback" not in text, title
        assert door.woken == []
        for encoding in ("gzip", "br", "nonsense"):
            answer = await door.client.post(PACK, data=b"x", headers=headers("multipart/form-data") | {"Content-Encoding": encoding})
            assert answer.status == 400
    assert rows(store_url, "SELECT (SELECT count(*) FROM upload_pack) + (SELECT count(*) FROM inbox)") == [(0,)]


async def test_the_list_of_tracked_files_is_counted(store: Store, store_url: str) -> None:
    files = [f"src/{n % 280:03}/module-{n:06}.py" for n in range(280_000)]
    kind, body = list_form(files, sha=SHA, url=URL)
    assert len(body) > 4_500_000
    async with open_door(store) as door:
        answer = await door.client.post(LIST, data=BytesIO(body), headers=headers(kind))
        assert answer.status == 202
        said = await (await door.client.get("/api/v1/repositories", headers={"Authorization": f"Bearer {API_KEY}"})).json()
        upload = said["data"][0]["upload"]
        assert (upload["tracked_files"], upload["state"], upload["packs"]) == (280_000, "listed", 0)
        bad: dict[str, bytes] = {
            "no list": b"{}", "empty": b'{"data":[]}', "no JSON": b"{", "wrong": b'{"data":[{"files":1}]}', "deep": b'{"data":' + b"[" * 99_999,
        }  # fmt: skip
        event = json.dumps({"git_commit_sha": SHA, "git_repository_url": URL}).encode()
        for title, told in bad.items():
            kind, body = multipart(("event", "event", "application/json", event), ("repository", "repository", "application/json", told))
            assert (await door.client.post(LIST, data=BytesIO(body), headers=headers(kind))).status == 400, title
    assert "module-" not in str(rows(store_url, "SELECT * FROM inbox")), "names of files are not kept"


async def test_keys(store: Store) -> None:
    good = {
        SEARCH: ("application/json", question(SHA)), PACK: pack_form(GOOD, sha=SHA, url=URL), LIST: list_form(["a"], sha=SHA, url=URL),
    }  # fmt: skip
    may, reader = make_key(store, DEPLOYMENTS_WRITE), make_key(store, READ)
    async with open_door(store) as door:
        for path, (kind, body) in good.items():
            assert (await door.client.post(path, data=body, headers={"Content-Type": kind})).status == 401
            assert (await door.client.post(path, data=body, headers=headers(kind, "a-key-that-nobody-knows"))).status == 401
            assert (await door.client.post(path, data=body, headers=headers(kind, reader.key))).status == 403
            assert (await door.client.post(path, data=body, headers=headers(kind, may.key))).status < 300


async def test_a_store_that_is_down() -> None:
    async with open_door(cast(Store, DownStore())) as door:
        for path, (kind, body) in {SEARCH: ("application/json", question(SHA)), PACK: pack_form(GOOD, sha=SHA, url=URL)}.items():
            answer = await door.client.post(path, data=body, headers=headers(kind))
            assert answer.status == 503 and answer.headers["Retry-After"]


@pytest.mark.parametrize("boundary", ["plain", "'quoted'+(chars)./:=?", "-" * 69])
def test_parts_are_split_at_the_boundary_alone(boundary: str) -> None:
    """A part may hold anything but the boundary on a line of its own."""
    contents = b"--" + boundary.encode() + b" is no delimiter in the middle\r\n\r\n--\r\n" + bytes(range(256))
    body = b"".join(
        b'--%s\r\nContent-Type: x/y\r\nContent-Disposition: form-data; filename="a; name=no"; name="%s"\r\n\r\n%s\r\n'
        % (boundary.encode(), name, data) for name, data in ((b"first", contents), (b"second", b""), (b"first", b"again"))
    )  # fmt: skip
    body = b"preamble\r\n" + body + b"--" + boundary.encode() + b"--\r\nepilogue"
    parts = split_parts(f'multipart/form-data; charset=utf-8; boundary="{boundary}"', body, ("second", "first"))
    assert parts == {"first": contents, "second": b""}
