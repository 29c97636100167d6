"""Nothing comes in without a trace: what was received is what was stored and what was refused with a reason, exactly."""

import gzip
import io
import json
import random
import re
from collections import Counter

from bot.dora.changes import Limits
from bot.dora.instants import SECOND
from bot.facts.keys import CATALOG_WRITE, DEPLOYMENTS_WRITE
from bot.pipeline.derive import Deriver
from bot.pipeline.history import HistoryCache
from bot.store import Store
from tests.web.doors import API_KEY, NOW, Door, document, github_headers, make_key, open_door

Request = tuple[str, str, bytes, dict[str, str]]
SHA = "66adc9350f2cc9b250b69abddab733dd55e1a588"
WRONG: tuple[dict[str, object], ...] = (
    {"service": ""}, {"service": 7}, {"started_at": None}, {"finished_at": 1}, {"started_at": 10**30}, {"env": "x" * 201},
    {"git": {"commit_sha": "xyz", "repository_url": "https://github.com/a/b"}}, {"git": {"commit_sha": SHA}}, {"id": "short"},
    {"custom_tags": ["no colon"]}, {"custom_tags": ["a:b"] * 101}, {"git": {"commit_sha": SHA, "repository_url": "nonsense"}},
)  # fmt: skip


def requests(dice: random.Random, keys: dict[str, str]) -> list[Request]:
    """A day's mix: good and bad deployments and failures, corrections, deletions, webhooks, strangers."""

    def post(path: str, body: bytes, key: str = API_KEY, **headers: str) -> Request:
        return "POST", path, body, {"DD-API-KEY": key, **headers}

    made: list[Request] = []
    deployment = "/api/v2/dora/deployment"
    for n in range(40):
        at = NOW // SECOND - dice.randrange(86_400)
        git = {"commit_sha": SHA, "repository_url": "https://github.com/acme/shop"} if n % 3 else ...
        body = document(
            service=f"service-{n % 4}", env=dice.choice(("prod", "dev")), started_at=at, finished_at=at + 60,
            version=f"v{n}" if n % 5 else ..., git=git, custom_tags=["rework:true"] if n % 7 == 0 else ...,
        )  # fmt: skip
        made += [post(deployment, body)] * dice.choice((1, 1, 2))
    made += [post(deployment, document(**wrong)) for wrong in WRONG]
    made += [post(deployment, document(), key) for key in ("unknown-key-of-nobody", keys["catalog"], keys["other"])]
    made += [("POST", deployment, document(), {})]
    made += [post(deployment, body) for body in (b"", b"{", b"[]", b'"text"', b"\xff", b'{"data": {}}', b"x" * 1_100_000)]
    made += [
        post(deployment, gzip.compress(b" " * 50_000_000), **{"Content-Encoding": "gzip"}),
        post(deployment, gzip.compress(document()), **{"Content-Encoding": "gzip"}),
        post(deployment, document(), **{"Content-Encoding": "compress"}),
    ]
    failure = {"services": ["service-1"], "started_at": NOW // SECOND - 600}
    for body in (failure, failure | {"finished_at": NOW // SECOND}, {"started_at": 1}, failure | {"services": "service-1"}):
        made += [post(path, json.dumps({"data": {"attributes": body}}).encode()) for path in FAILURES]
    push = json.dumps({"ref": "refs/heads/main", "n": 1}).encode()
    made += [("POST", "/webhooks/github", push, github_headers(push, delivery=f"d-{n % 3}")) for n in range(5)]
    made += [("POST", "/webhooks/github", push, github_headers(push, secret="not-the-secret-of-the-tests"))]
    made += [("POST", "/webhooks/nobody", push, {}), ("PUT", deployment, push, {"DD-API-KEY": API_KEY})]
    dice.shuffle(made)
    return made


FAILURES = ("/api/v2/dora/failure", "/api/v2/dora/incident")


async def counted(door: Door) -> Counter[str]:
    """What the counters say, by counter and outcome."""
    text = await (await door.client.get("/metrics", headers={"Authorization": f"Bearer {API_KEY}"})).text()
    found: Counter[str] = Counter()
    for name, labels, value in re.findall(r"^rollforward_(deliveries|refusals)_total\{([^}]*)\} (\S+)$", text, re.MULTILINE):
        outcome = re.search(r'outcome="(\w+)"', labels)
        found[f"{name} {outcome[1]}" if outcome else name] += int(float(value))
    return found


async def test_received_is_stored_and_refused(store: Store) -> None:
    dice = random.Random(20261122)
    keys = {"catalog": make_key(store, CATALOG_WRITE).key, "other": make_key(store, DEPLOYMENTS_WRITE, services=("other",)).key}
    sent = requests(dice, keys)
    kept: set[str] = set()
    answers: Counter[int] = Counter()
    async with open_door(store) as door:
        for method, path, body, headers in sent:
            async with door.client.request(method, path, data=io.BytesIO(body), headers=headers) as answer:
                answers[answer.status // 100] += 1
                assert answer.status < 500, (path, body[:80])
                if answer.status == 200 and path == "/api/v2/dora/deployment":
                    kept.add((await answer.json())["data"]["id"])
        told = await counted(door)
        assert set(answers) == {2, 4}
        assert told["deliveries stored"] + told["deliveries known"] == answers[2]
        assert told["refusals"] == answers[4]
        assert told["deliveries refused"] == 1, "the webhook with a foreign signature"
        await every_deployment_counts_or_says_why(door, store, kept)


async def every_deployment_counts_or_says_why(door: Door, store: Store, kept: set[str]) -> None:
    deriver = Deriver(store, HistoryCache(), limits=Limits(), clock=lambda: NOW)
    while deriver.derive_next():
        pass
    reader = {"Authorization": f"Bearer {API_KEY}"}
    listed = {one["id"]: one for one in await get(door, "/api/v1/deployments?limit=1000", reader)}
    assert set(listed) == kept
    (row,) = await get(door, "/api/v1/metrics?from=2020-01-01&to=2030-01-01", reader)
    assert row["deployments"] == len(kept)
    # None of these commits is mirrored, so not one has a lead time, and each says why.
    reasons = Counter(one["not_computed"] for one in listed.values())
    assert sum(reasons.values()) == len(kept) and None not in reasons
    assert {reason: row["not_counted"][reason] for reason in reasons} == reasons


async def get(door: Door, path: str, headers: dict[str, str]) -> list[dict[str, object]]:
    async with door.client.get(path, headers=headers) as answer:
        assert answer.status == 200
        return (await answer.json())["data"]
