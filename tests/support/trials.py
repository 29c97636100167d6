"""A store with a few deployments that rules can be tried on: facts and changes as they would stand, classified by the derivation.

| deployment | days ago | carries | is |
|---|---|---|---|
| S1 v1 | 20 | #1 Add cart | failed, mended by S2 |
| S2 v2 | 18 | #2, label hotfix | rollforward (hotfix-label) |
| S3 v3 | 16 | #3, label urgent | standard |
| S4 v4 | 14 | #4, label Urgent; a commit elsewhere says urgent | failed, mended by S5 |
| S5 v3 | 13 | nothing | rollback to S3 |
| S6 v6 | 10 | #6 urgent: the title; #3 again | standard |
| C1 v1 | 9 | – | standard |
| C2 v2 | 8 | – | failed, mended by C3 |
| C3 v1 | 7 | – | rollback to C1 |
"""

import time

from bot.dora.changes import Limits
from bot.dora.deployments import Series
from bot.dora.instants import DAY, Instant
from bot.facts.marks import CLASSIFICATION, mark_series
from bot.facts.overrides import Override, record_override
from bot.pipeline.derive import Deriver
from bot.pipeline.history import HistoryCache
from bot.store import Store
from tests.support.seed import Change, Seed, sha

SHOP = "github.com/acme/shop"
SERIES = (Series(service="shop", env="prod"), Series(service="cart", env="prod"))


def story(now: Instant) -> Seed:
    """The facts, and what the deployments carried."""
    seed = Seed()
    seed.repository(1, SHOP, synced_at=now)
    pulls = {1: ("Add cart", "[]"), 2: ("Mend cart", '["hotfix"]'), 3: ("Speed", '["urgent"]'), 4: ("Prices", '["Urgent"]'), 6: ("urgent", "[]")}
    commits = {}
    for number, (title, labels) in pulls.items():
        at = now - (22 - 2 * number) * DAY
        commits[number] = seed.commit(1, f"c{number}", at=at, author="Ada <ada@example.com>", subject=f"{title} (#{number})")
        seed.pull_request(1, number, updated_at=at, title=title, labels=labels, merge_sha=commits[number])

    def change(number: int, **more: object) -> Change:
        return Change(sha=commits[number], lead_time=DAY, number=number, **more)  # type: ignore[arg-type]

    shop = {
        "S1": (20, "v1", [change(1)]), "S2": (18, "v2", [change(2)]), "S3": (16, "v3", [change(3)]), "S4": (14, "v4", [change(4)]),
        "S5": (13, "v3", []), "S6": (10, "v6", [change(6), change(3, redeployed=True, first_delivery=False)]),
    }  # fmt: skip
    before = None
    for id, (days, version, changes) in shop.items():
        seed.deployment(id, "shop", now - days * DAY, version=version, repository=SHOP, commit_sha=sha(version))
        seed.derived(id, *changes, predecessor=before)
        before = id
    for id, days, version in (("C1", 9, "v1"), ("C2", 8, "v2"), ("C3", 7, "v1")):
        seed.deployment(id, "cart", now - days * DAY, version=version)
        seed.derived(id, not_computed="no_git")
    return seed


def play(store: Store, now: Instant, *, failed: dict[str, bool] | None = None) -> None:
    """The story in the store, with what people said of deployments, classified."""
    story(now).write(store)
    for n, (id, said) in enumerate((failed or {}).items(), 1):
        word = Override(deployment_id=id, change_failure=said)
        store.write(lambda writer, word=word, n=n: record_override(writer, word, received_at=now, receipt=n, by="ann"))
    for series in SERIES:
        store.write(lambda writer, series=series: mark_series(writer, series, from_at=0, stage=CLASSIFICATION))
    deriver = Deriver(store, HistoryCache(), limits=Limits(), clock=time.time_ns)
    while deriver.derive_next():
        pass
