"""Gap repair over both stores: what the log shows and the inbox lacks, without a false alarm; and what to do without a log."""

import random
from collections.abc import Sequence
from functools import partial

import pytest

from bot.dora.instants import DAY, HOUR, MINUTE, SECOND, Instant
from bot.facts import errands
from bot.facts.errands import NEVER, PULL_REQUESTS, Errand
from bot.facts.hooks import Hook, load_hooks
from bot.forges.client import ForgeUnavailableError, HookSeen, LogPage, NotAllowedError, NotThereError
from bot.pipeline import mirror
from bot.pipeline.intake import due_deliveries
from bot.pipeline.repair import Suspects, compare
from bot.store import Receipt, Store
from tests.engine.forge_double import START, ForgeDouble, Office, entry, ref


async def _receive(store: Store, *keys: str, source: str = "github", at: Instant = START) -> None:
    for key in keys:
        await store.append(Receipt(source=source, key=key, event="ping", received_at=at, headers={}, body=b"{}"))


def _hook(store: Store) -> Hook:
    (hook,) = store.read(load_hooks)
    return hook


def _inbox(store: Store) -> set[str]:
    keys = [f"d{n}" for n in range(200)]
    return set(store.read(lambda reader: reader.fetch_in("receipts_known", lambda key, _: str(key), keys, source="github")))


def _backfills(store: Store) -> list[Errand]:
    found = store.read(partial(errands.due_errands, now=NEVER, per_owner=1_000))
    return [one for one in found if one.kind == PULL_REQUESTS]


async def test_all_that_never_arrived_is_had_from_the_log_and_nothing_else(store: Store) -> None:
    chance = random.Random(7)
    forge = ForgeDouble()
    lost = {f"d{n}" for n in chance.sample(range(100), 20)}
    for n in range(100):
        key, age = f"d{n}", (200 - n) * MINUTE
        forge.entries.insert(0, entry(key, age=age, succeeded=key not in lost))
        if key not in lost:
            await _receive(store, key, at=START - age)
    office = Office(store, forge)
    await office.round()

    assert _inbox(store) == {f"d{n}" for n in range(100)}
    hook = _hook(store)
    assert (hook.gaps, hook.repaired) == (20, 20)
    assert sorted(asked for asked in forge.asked if asked.startswith("logged")) == sorted(f"logged {key}" for key in lost)
    office.clock.now += 10 * MINUTE
    await office.round()
    assert (_hook(store).gaps, _hook(store).repaired) == (20, 20)
    assert len([asked for asked in forge.asked if asked.startswith("logged")]) == 20


async def test_a_redelivery_that_arrived_is_no_gap_and_one_under_way_is_left_alone(store: Store) -> None:
    forge = ForgeDouble()
    forge.entries = [
        entry("d1", age=20 * SECOND),
        entry("d2", age=5 * MINUTE, succeeded=True, id="2b"),
        entry("d2", age=30 * MINUTE, id="2a"),
        entry("d3", age=30 * SECOND, id="3b"),
        entry("d3", age=40 * MINUTE, id="3a"),
    ]
    await _receive(store, "d2")
    office = Office(store, forge)
    await office.round()
    assert _hook(store).gaps == 0
    assert _inbox(store) == {"d2"}
    office.clock.now += 10 * MINUTE
    await office.round()
    assert _inbox(store) == {"d1", "d2", "d3"}, "they never came: the next reading overlaps"
    assert (_hook(store).gaps, _hook(store).repaired) == (2, 2)


async def test_headers_are_those_a_webhook_would_have_left(store: Store) -> None:
    forge = ForgeDouble(entries=[entry("d1")])
    await Office(store, forge).round()
    (claim,) = store.read(partial(due_deliveries, now=START + DAY))
    assert claim.headers == '{"x-github-delivery": "d1", "x-github-event": "ping"}'
    assert claim.event == "ping"
    assert START <= claim.received_at < START + SECOND


async def test_what_the_log_does_not_show_is_asked_to_be_sent_again(store: Store) -> None:
    forge = ForgeDouble(entries=[entry("d1", id="101"), entry("d2", id="102")])
    forge.fail = lambda asked: NotThereError("no_body") if asked == "logged d1" else None
    office = Office(store, forge)
    await office.round()
    await office.settle()
    assert forge.redelivered == ["101"]
    assert (_hook(store).gaps, _hook(store).repaired) == (2, 1)
    office.clock.now += 10 * MINUTE
    await office.round()
    assert forge.redelivered == ["101"], "it is given an hour"
    await _receive(store, "d1")
    forge.entries.insert(0, entry("d1", id="103", succeeded=True, now=office.clock(), age=MINUTE))
    office.clock.now += 10 * MINUTE
    await office.round()
    assert (_hook(store).gaps, _hook(store).repaired) == (2, 2)
    office.clock.now += 10 * MINUTE
    await office.round()
    assert (_hook(store).gaps, _hook(store).repaired) == (2, 2)


async def test_a_forge_that_fails_in_the_middle_is_asked_again_for_the_rest(store: Store) -> None:
    forge = ForgeDouble(entries=[entry(f"d{n}") for n in range(8)])
    failures = {"logged d4": 1}

    def fail(asked: str) -> Exception | None:
        if failures.get(asked, 0) > 0:
            failures[asked] -= 1
            return ForgeUnavailableError("server_error")
        return None

    forge.fail = fail
    office = Office(store, forge)
    await office.round()
    office.clock.now += 2 * MINUTE
    await office.settle()
    assert _inbox(store) == {f"d{n}" for n in range(8)}
    assert (_hook(store).gaps, _hook(store).repaired) == (8, 8)
    assert forge.asked.count("log app") == 1, "pages that were done are not read again"


async def test_one_delivery_that_the_forge_never_shows_does_not_hold_up_the_rest(store: Store) -> None:
    forge = ForgeDouble(entries=[entry("d1", id="1"), entry("d2", id="2")])
    forge.fail = lambda asked: ForgeUnavailableError("server_error") if asked == "logged d1" else None
    office = Office(store, forge)
    for _ in range(60):
        await office.round()
        office.clock.now += MINUTE
    assert forge.redelivered[0] == "1"
    assert _hook(store).checked_at is not None


@pytest.mark.parametrize("skew", [-HOUR, HOUR], ids=["behind", "ahead"])
async def test_a_forge_whose_clock_is_off_causes_no_false_repair_and_no_loss(store: Store, skew: Instant) -> None:
    forge = ForgeDouble()
    office = Office(store, forge)
    for minute in range(0, 120, 5):
        office.clock.now = START + minute * MINUTE
        now = office.clock.now
        for n in range(5):
            forge.entries.insert(0, entry(f"d{minute + n}", age=n * SECOND - skew, succeeded=n != 3, now=now))
            if n != 3:
                await _receive(store, f"d{minute + n}", at=now)
        if minute % 10 == 0:
            await office.round()
            on_its_way = f"logged d{minute + 3}"
            assert on_its_way not in forge.asked
    office.clock.now += 10 * MINUTE
    await office.round()
    assert (_hook(store).gaps, _hook(store).repaired) == (24, 24)


async def test_after_a_stop_longer_than_the_log_everything_is_looked_for(store: Store) -> None:
    forge = ForgeDouble(counts={"acme/shop": 1})
    office = Office(store, forge)
    ids = office.know([ref("acme/shop")])
    (shop,) = ids.values()
    store.write(lambda writer: writer.execute("finish_sync", id=shop, began_at=START, now=START, default_branch="main"))
    store.write(lambda writer: writer.execute("delete_fetch", repository_id=shop, ref="*", version=1))
    await office.round()
    checked = _hook(store).checked_at
    assert checked is not None
    assert _wishes(store, office.clock()) == []

    office.clock.now += 4 * DAY
    await office.round()
    assert _wishes(store, office.clock()) == ["*"]
    (reconciled,) = [one for one in _backfills(store) if one.since is not None]
    assert reconciled.since == checked - DAY
    assert _hook(store).checked_at == pytest.approx(office.clock(), abs=SECOND)


def _wishes(store: Store, now: Instant) -> list[str]:
    return [wish.ref for wish in store.read(lambda reader: mirror.due_fetches(reader, now=now))]


@pytest.mark.parametrize(
    ("hooks", "fails"),
    [
        ((HookSeen(id="group/5/2", subject="my-org", state="forbidden", reason="Owner"),), ""),
        ((HookSeen(id="group/5/2", subject="my-org", state="active"),), "log"),
        ((), ""),
        ((), "hooks"),
    ],
    ids=["forbidden", "log refused", "no hook", "hooks refused"],
)
async def test_where_no_log_can_be_read_state_is_compared_every_hour(
    store: Store, hooks: Sequence[HookSeen], fails: str
) -> None:
    forge = ForgeDouble(forge="gitlab", counts={"grp/one": 1}, hook_list=hooks)
    forge.fail = lambda asked: NotAllowedError("forbidden", "Maintainer") if fails and asked.startswith(fails) else None
    office = Office(store, forge)
    office.know([ref("grp/one", forge="gitlab")])
    readings = []
    for _ in range(13):
        await office.round()
        readings.append(len([asked for asked in forge.asked if asked.startswith("grp/one")]))
        office.clock.now += 10 * MINUTE
    assert _hook(store).state in {"forbidden", "gone"}
    assert 3 <= readings[-1] - readings[0] + 1 <= 4, "at the start and twice since, beside the backfill"


async def test_only_the_project_of_a_project_hook_is_looked_through(store: Store) -> None:
    hooks = (HookSeen(id="project/2/9", subject="grp/two", state="forbidden"),)
    forge = ForgeDouble(forge="gitlab", counts={"grp/one": 1, "grp/two": 1}, hook_list=hooks)
    office = Office(store, forge)
    office.know([ref("grp/one", forge="gitlab", number=1), ref("grp/two", forge="gitlab", number=2)])
    await office.round()
    assert [one.repository_id for one in _backfills(store) if one.since is not None] == [2]


async def test_a_hook_whose_deliveries_all_fail_is_failing_until_one_arrives(store: Store) -> None:
    forge = ForgeDouble(entries=[entry(f"d{n}") for n in range(4)])
    office = Office(store, forge)
    await office.round()
    assert _hook(store).state == "failing"
    office.clock.now += 10 * MINUTE
    await office.round()
    assert _hook(store).state == "failing"
    forge.entries.insert(0, entry("d9", succeeded=True, now=office.clock(), age=2 * MINUTE))
    await _receive(store, "d9")
    office.clock.now += 10 * MINUTE
    await office.round()
    assert _hook(store).state == "active"


def test_a_page_held_against_the_inbox() -> None:
    page = LogPage(entries=(entry("new", age=MINUTE // 2), entry("lost"), entry("known"), entry("old", age=DAY)), cursor="x")
    suspects = Suspects()
    read = compare(page, {"known": START}, since=START - HOUR, now=START, suspects=suspects)
    assert [one.key for one in read.missing] == ["lost"]
    assert read.is_last, "it reached what was read before"
    assert read.arrived_at is None, "known, but not by itself: the log says that it failed"
    assert not compare(page, {}, since=None, now=START, suspects=suspects).is_last


def test_an_attempt_that_is_always_said_to_be_new_is_settled_by_our_own_clock() -> None:
    suspects = Suspects()
    for minute, expected in ((0, []), (0.5, []), (10, ["never"])):
        now = START + int(minute * MINUTE)
        page = LogPage(entries=(entry("never", age=0, now=now), entry("", age=HOUR, now=now)), cursor="")
        read = compare(page, {}, since=START - HOUR, now=now, suspects=suspects)
        assert [one.key for one in read.missing] == expected
