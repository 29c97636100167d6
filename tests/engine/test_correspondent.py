"""The correspondent over both stores: pages, order, limits, refusals, and forges that are down."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from bot.dora.instants import DAY, HOUR, MINUTE, SECOND, Instant
from bot.engine import correspondent
from bot.engine.pacing import FAILURES_TO_OPEN, Pacing, Turn
from bot.facts import errands, outbox
from bot.facts.errands import NEVER, PULL_REQUEST, PULL_REQUESTS, REPOSITORIES, Errand
from bot.facts.pull_requests import load_pull_requests
from bot.forges.client import ForgeUnavailableError, NotAllowedError, NotThereError, Report
from bot.pipeline import forge_backfill
from bot.store import Reader, Store, StoreUnavailableError
from tests.engine.forge_double import START, ForgeDouble, Office, ref


def _errands(store: Store) -> dict[str, Errand]:
    return {one.key: one for one in store.read(partial(errands.due_errands, now=NEVER, per_owner=1_000))}


def _pull_requests(store: Store, repository_id: int) -> dict[int, str]:
    found = store.read(lambda reader: load_pull_requests(reader, repository_id, range(1, 100)))
    return {record.pull_request.number: record.pull_request.title for record in found}


def _wish(office: Office, **wish: object) -> str:
    return office.store.write(
        lambda writer: errands.want_errand(writer, now=office.clock(), **{"forge": "github", "owner": "acme", **wish})  # type: ignore[arg-type]
    )


def _failing(error: Exception, *, when: str = "", times: int | None = None) -> Callable[[str], Exception | None]:
    left = [times]

    def fail(question: str) -> Exception | None:
        if not question.startswith(when) or left[0] == 0:
            return None
        if left[0] is not None:
            left[0] -= 1
        return error

    return fail


async def test_what_may_be_read_is_backfilled_page_by_page(store: Store) -> None:
    forge = ForgeDouble(counts={"acme/shop": 5, "acme/docs": 0, "beta/app": 3})
    office = Office(store, forge)
    await office.round()

    ids = office.know([ref("acme/shop", number=1), ref("beta/app", number=3)])
    assert list(_pull_requests(store, ids["github.com/acme/shop"])) == [1, 2, 3, 4, 5]
    assert list(_pull_requests(store, ids["github.com/beta/app"])) == [1, 2, 3]
    done = _errands(store)
    assert {one.done for one in done.values() if one.kind == PULL_REQUESTS} == {5, 0, 3}
    assert all(one.run_at == NEVER and one.done == one.total for one in done.values())
    assert REPOSITORIES not in {one.kind for one in done.values()}, "done, and asked for again in an hour"

    before = len(forge.asked)
    office.clock.now += HOUR
    await office.round()
    new = forge.asked[before:]
    assert "repositories" in {one.split()[0] for one in new}
    assert not [one for one in new if "/" in one], "known repositories are not read again"


async def test_a_page_that_was_not_recorded_is_asked_for_again_and_no_other(store: Store) -> None:
    forge = ForgeDouble(counts={"acme/shop": 7})
    office = Office(store, forge)
    ids = office.know([ref("acme/shop")])
    key = _wish(office, kind=PULL_REQUESTS, repository_id=ids["github.com/acme/shop"])
    record = office.correspondent.record
    recorded = 0

    async def dies(*page: object) -> object:
        nonlocal recorded
        recorded += 1
        if recorded == 3:
            raise OSError("killed")
        return await record(*page)  # type: ignore[arg-type]

    office.correspondent.record = dies
    await office.settle()
    assert _errands(store)[key].cursor == "5", "two pages are kept"

    later = Office(store, forge, clock=office.clock)
    later.clock.now += HOUR
    await later.settle()
    assert list(_pull_requests(store, ids["github.com/acme/shop"])) == [1, 2, 3, 4, 5, 6, 7]
    assert _errands(store)[key].done == 7
    assert forge.asked == ["acme/shop", "acme/shop 3", "acme/shop 5", "acme/shop 5", "acme/shop 7"]


async def test_a_store_that_was_away_costs_nobody_a_try(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(correspondent, "STORE_AWAY", 0.0)
    forge = ForgeDouble(counts={"acme/shop": 3})
    office = Office(store, forge)
    ids = office.know([ref("acme/shop")])
    key = _wish(office, kind=PULL_REQUESTS, repository_id=ids["github.com/acme/shop"])
    record = office.correspondent.record
    pages = 0

    async def away(*page: object) -> object:
        nonlocal pages
        pages += 1
        if pages == 2:
            raise StoreUnavailableError("the store is slow")
        return await record(*page)  # type: ignore[arg-type]

    office.correspondent.record = away
    await office.settle()
    assert (_errands(store)[key].done, _errands(store)[key].attempts) == (3, 0)
    assert len(forge.asked) == 3


@pytest.mark.parametrize("count", [1, 3], ids=["only page", "two pages"])
async def test_a_page_recorded_twice_counts_once(store: Store, count: int) -> None:
    forge = ForgeDouble(counts={"acme/shop": count})
    office = Office(store, forge)
    ids = office.know([ref("acme/shop")])
    key = _wish(office, kind=PULL_REQUESTS, repository_id=ids["github.com/acme/shop"])
    record = office.correspondent.record

    async def twice(*page: object) -> object:
        await record(*page)  # type: ignore[arg-type]
        return await record(*page)  # type: ignore[arg-type]

    office.correspondent.record = twice
    await office.settle()
    assert (_errands(store)[key].done, _errands(store)[key].total) == (count, count)


async def test_a_wish_during_an_errand_lets_it_be_done_once_more(store: Store) -> None:
    forge = ForgeDouble(counts={"acme/shop": 3})
    office = Office(store, forge)
    ids = office.know([ref("acme/shop")])
    wish = partial(_wish, office, kind=PULL_REQUESTS, repository_id=ids["github.com/acme/shop"], since=START - DAY)
    wish()
    record = office.correspondent.record
    pages = 0

    async def wished_again(*page: object) -> object:
        nonlocal pages
        pages += 1
        if pages == 1:
            wish()
            wish()
        return await record(*page)  # type: ignore[arg-type]

    office.correspondent.record = wished_again
    await office.settle()
    assert forge.asked == ["acme/shop", "acme/shop 3"] * 2


async def test_a_pull_request_that_stays_contested_is_not_read_for_ever(store: Store) -> None:
    forge = ForgeDouble(counts={"acme/shop": 1})
    office = Office(store, forge)
    ids = office.know([ref("acme/shop")])
    wish = partial(_wish, office, kind=PULL_REQUEST, repository_id=ids["github.com/acme/shop"], subject="1", urgent=True)
    wish()
    record = office.correspondent.record

    async def contested(*page: object) -> object:
        wish()
        return await record(*page)  # type: ignore[arg-type]

    office.correspondent.record = contested
    await office.settle()
    assert len(forge.asked) == 1, "it waits a minute"
    for _ in range(10):
        office.clock.now += MINUTE
        await office.settle()
    assert 2 <= len(forge.asked) <= 5
    assert _errands(store) == {}


def test_of_two_wishes_the_earlier_since_counts(store: Store) -> None:
    office = Office(store, ForgeDouble())
    for since in (START - DAY, START - 3 * DAY, START - 2 * DAY):
        key = _wish(office, kind=PULL_REQUESTS, repository_id=1, since=since)
    assert (_errands(store)[key].since, _errands(store)[key].version) == (START - 3 * DAY, 3)
    assert _wish(office, kind=PULL_REQUESTS, repository_id=1) != key, "a backfill is an errand of its own"


async def test_a_turn_that_ends_while_one_looks_for_more_is_no_end(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    forge = ForgeDouble(counts={"acme/shop": 8})
    office = Office(store, forge)
    ids = office.know([ref("acme/shop")])
    _wish(office, kind=PULL_REQUESTS, repository_id=ids["github.com/acme/shop"], owner="acme")
    read = store.read_async

    async def read_then_wait(work: Callable[[Reader], object]) -> object:
        seen = await read(work)
        if getattr(work, "func", None) is correspondent._due and (turns := list(office.correspondent.running.values())):
            await asyncio.wait(turns)
        return seen

    monkeypatch.setattr(store, "read_async", read_then_wait)
    assert await office.correspondent.start_due()
    assert await office.correspondent.start_due(), "its next page is due, though it was not when this was read"
    await office.settle()
    assert forge.asked == ["acme/shop", "acme/shop 3", "acme/shop 5", "acme/shop 7"]


async def test_live_goes_before_backfill_and_organisations_take_turns(store: Store) -> None:
    forge = ForgeDouble(counts={**{f"big/r{n}": 8 for n in range(6)}, "small/one": 8}, pause=0.03)
    office = Office(store, forge)
    ids = office.know([ref(path, number=number) for number, path in enumerate(forge.counts, 1)])
    for name, id in ids.items():
        _wish(office, kind=PULL_REQUESTS, repository_id=id, owner=errands.owner_of(name))
    await office.correspondent.start_due()
    _wish(office, kind=PULL_REQUEST, repository_id=ids["github.com/big/r5"], owner="big", subject="4", urgent=True)
    await office.settle()

    assert "big/r5#4" in forge.asked[:3]
    small = [place for place, question in enumerate(forge.asked) if question.startswith("small/")]
    assert small[-1] <= 16, "an organisation with one repository does not wait for six of another"
    turns = [question.split()[0] for question in forge.asked if question.startswith("big/") and "#" not in question]
    assert sorted(turns[:6]) == sorted(set(turns)), "each repository gets its first page before one gets its second"
    assert forge.most_at_once <= 4
    assert _pull_requests(store, ids["github.com/big/r5"])[4] in {"Read again", "Change"}


async def test_a_limit_stops_the_organisation_and_ends_when_the_forge_says(store: Store) -> None:
    forge = ForgeDouble(counts={"acme/shop": 1, "beta/app": 1})
    office = Office(store, forge)
    ids = office.know([ref("acme/shop", number=1), ref("beta/app", number=2)])
    until = START + 20 * MINUTE
    forge.fail = _failing(ForgeUnavailableError("rate_limit", retry_at=until), when="acme", times=1)
    for name, id in ids.items():
        _wish(office, kind=PULL_REQUESTS, repository_id=id, owner=errands.owner_of(name))
    await office.settle()
    assert forge.asked.count("acme/shop") == 1 and forge.asked.count("beta/app") == 1
    _wish(office, kind=PULL_REQUESTS, repository_id=ids["github.com/acme/shop"], since=START)
    await office.settle()
    assert forge.asked.count("acme/shop") == 1, "a new wish does not break the limit"

    office.clock.now = until - SECOND
    await office.settle()
    assert forge.asked.count("acme/shop") == 1
    office.clock.now = until
    await office.settle()
    assert forge.asked.count("acme/shop") == 3


@pytest.mark.parametrize("skew", [-HOUR, 0, HOUR], ids=["behind", "right", "ahead"])
async def test_a_forge_whose_clock_is_off_is_neither_hammered_nor_forgotten(store: Store, skew: Instant) -> None:
    forge = ForgeDouble(counts={"acme/shop": 1})
    office = Office(store, forge)
    ids = office.know([ref("acme/shop")])
    real_end = START + 30 * MINUTE

    def limited(_: str) -> Exception | None:
        now = office.clock()
        return ForgeUnavailableError("rate_limit", retry_at=real_end + skew) if now < real_end else None

    forge.fail = limited
    key = _wish(office, kind=PULL_REQUESTS, repository_id=ids["github.com/acme/shop"])
    while _errands(store)[key].run_at != NEVER:
        office.clock.now += 10 * SECOND
        assert office.clock() < real_end + 2 * HOUR
        await office.settle()
    assert len(forge.asked) <= 10


async def test_backfill_that_meets_a_reserve_leaves_it_to_the_live(store: Store) -> None:
    forge = ForgeDouble(counts={"acme/shop": 5})
    office = Office(store, forge)
    ids = office.know([ref("acme/shop")])
    forge.fail = lambda asked: None if "#" in asked else ForgeUnavailableError("rate_limit", retry_at=START + HOUR)
    _wish(office, kind=PULL_REQUESTS, repository_id=ids["github.com/acme/shop"])
    await office.settle()
    _wish(office, kind=PULL_REQUEST, repository_id=ids["github.com/acme/shop"], subject="3", urgent=True)
    await office.settle()
    assert forge.asked == ["acme/shop", "acme/shop#3"]


async def test_a_forge_that_is_down_is_asked_ever_more_rarely_until_it_answers(store: Store) -> None:
    paths = [f"acme/r{n}" for n in range(20)]
    forge = ForgeDouble(counts=dict.fromkeys(paths, 1))
    other = ForgeDouble(forge="gitlab", counts={"grp/one": 1})
    office = Office(store, forge, other)
    ids = office.know([ref(path, number=number) for number, path in enumerate(paths, 1)])
    ids |= office.know([ref("grp/one", forge="gitlab")])
    forge.fail = _failing(ForgeUnavailableError("server_error", "502"))
    for name, id in ids.items():
        host = name.partition(".")[0]
        _wish(office, kind=PULL_REQUESTS, repository_id=id, forge=host, owner=errands.owner_of(name))
    await office.settle()
    assert len(forge.asked) <= FAILURES_TO_OPEN + 3, "those that ran when it opened end"
    assert other.asked == ["grp/one"], "the other forge is asked on"

    for _ in range(24 * 60):
        office.clock.now += MINUTE
        await office.settle()
    assert 24 <= len(forge.asked) <= 60, "about one probe an hour"
    forge.fail = lambda _: None
    office.clock.now += 2 * HOUR
    await office.settle()
    assert all(one.run_at == NEVER for one in _errands(store).values())


async def test_a_refusal_is_kept_in_sight_tried_daily_and_when_permissions_change(store: Store) -> None:
    forge = ForgeDouble(counts={"acme/shop": 1, "acme/secret": 1})
    office = Office(store, forge)
    forge.fail = _failing(NotAllowedError("forbidden", "Pull requests: read is missing"), when="acme/secret")
    await office.round()
    (refused,) = [one for one in _errands(store).values() if one.error]
    assert refused.error == "not allowed: Pull requests: read is missing"
    assert len([one for one in _errands(store).values() if one.run_at == NEVER]) == 1, "the other goes on"

    asked = partial(forge.asked.count, "acme/secret")
    _wish(office, kind=PULL_REQUESTS, repository_id=refused.repository_id)
    await office.settle()
    assert asked() == 1
    office.clock.now += DAY
    await office.settle()
    assert asked() == 2

    forge.fail = lambda _: None
    _wish(office, kind=REPOSITORIES, owner="", urgent=True)
    await office.settle()
    assert asked() == 3
    assert not [one for one in _errands(store).values() if one.error]


async def test_a_refusal_is_tried_again_when_we_start_again(store: Store) -> None:
    forge = ForgeDouble(counts={"acme/shop": 1})
    office = Office(store, forge)
    forge.fail = _failing(NotAllowedError("forbidden", "Pull requests: read is missing"), when="acme/shop")
    await office.round()
    forge.fail = lambda _: None
    office.clock.now += MINUTE
    await office.round()
    assert forge.asked.count("acme/shop") == 1
    await Office(store, forge, clock=office.clock).round()
    assert forge.asked.count("acme/shop") == 2


async def test_a_forge_that_does_not_know_our_token_is_asked_rarely_and_as_soon_as_it_does_again(store: Store) -> None:
    paths = [f"acme/r{n}" for n in range(12)]
    forge = ForgeDouble(counts=dict.fromkeys(paths, 1))
    office = Office(store, forge)
    forge.fail = _failing(NotAllowedError("unauthorized", "bad credentials"))
    for _ in range(6 * 60):
        await office.round()
        office.clock.now += MINUTE
    assert 6 <= len(forge.asked) <= 40
    assert {one.error for one in _errands(store).values()} == {"unavailable: bad credentials"}
    forge.fail = lambda _: None
    office.clock.now += 2 * HOUR
    await office.round()
    assert sum(one.done for one in _errands(store).values()) == 12


async def test_what_is_not_there_ends(store: Store) -> None:
    forge = ForgeDouble(counts={"acme/gone": 1})
    office = Office(store, forge)
    ids = office.know([ref("acme/gone")])
    forge.fail = _failing(NotThereError("not_found", "Not Found"))
    _wish(office, kind=PULL_REQUESTS, repository_id=ids["github.com/acme/gone"])
    await office.settle()
    assert _errands(store) == {}


async def test_an_event_that_cannot_be_kept_does_not_hold_up_the_others(store: Store) -> None:
    forge = ForgeDouble(counts={"acme/shop": 4})
    office = Office(store, forge)
    ids = office.know([ref("acme/shop")])
    answer = forge.pull_requests

    async def with_nul(*about: object, **more: object) -> object:
        page = await answer(*about, **more)  # type: ignore[arg-type]
        first, *rest = page.events
        broken = replace(first, pull_request=replace(first.pull_request, title="a\0b"))  # type: ignore[union-attr]
        return replace(page, events=(broken, *rest)) if not page.cursor else page

    forge.pull_requests = with_nul  # type: ignore[method-assign,assignment]
    key = _wish(office, kind=PULL_REQUESTS, repository_id=ids["github.com/acme/shop"])
    await office.settle()
    assert list(_pull_requests(store, ids["github.com/acme/shop"])) == [1, 2, 4]
    assert _errands(store)[key].run_at == NEVER


def _report(summary: str) -> Report:
    return Report(number=7, head_sha="a" * 40, conclusion="neutral", title="Touches shop", summary=summary)


async def test_a_report_is_composed_when_it_is_said_and_the_same_is_not_said_again(store: Store) -> None:
    forge = ForgeDouble(counts={"acme/shop": 1})
    texts = ["one service"]

    async def compose(repository_id: int, number: int) -> Report | None:
        return _report(texts[-1])

    office = Office(store, forge, compose=compose)
    ids = office.know([ref("acme/shop")])

    def want() -> None:
        store.write(
            lambda writer: outbox.want_said(
                writer, key="report/1/7", kind=outbox.REPORT, forge="github", repository_id=ids["github.com/acme/shop"],
                subject="7", now=office.clock(),
            )
        )

    want()
    want()
    await office.settle()
    assert [(report.summary, remote) for report, remote in forge.said] == [("one service", "")]
    want()
    await office.settle()
    assert len(forge.said) == 1
    texts.append("two services")
    forge.fail = _failing(ForgeUnavailableError("server_error"), times=1)
    want()
    await office.settle()
    office.clock.now += 2 * MINUTE
    await office.settle()
    assert [(report.summary, remote) for report, remote in forge.said[1:]] == [("two services", '{"check_run": 1}')]
    (message,) = store.read(lambda reader: outbox.find_messages(reader, ["report/1/7"]))
    assert (message.said, message.wanted, message.error) == (4, 4, "")


async def test_progress_tells_done_errors_and_what_is_waited_for(store: Store) -> None:
    forge = ForgeDouble(counts={"acme/shop": 5, "acme/secret": 1, "acme/slow": 2})
    office = Office(store, forge)
    forge.fail = _failing(NotAllowedError("forbidden", "no"), when="acme/secret")
    await office.round()
    names = store.write(
        lambda writer: forge_backfill.wish_for_pull_requests(writer, ["github"], repository=None, since=None, now=office.clock())
    )
    assert sorted(names.values()) == ["github.com/acme/secret", "github.com/acme/shop", "github.com/acme/slow"]
    told = store.read(partial(forge_backfill.progress_of, keys=list(names)))
    assert (told.done, told.waiting, len(told.errors)) == (0, 2, 1)
    await office.settle()
    told = store.read(partial(forge_backfill.progress_of, keys=list(names)))
    assert (told.done, told.total, told.waiting) == (7, 7, 0)
    one = store.write(
        lambda writer: forge_backfill.wish_for_pull_requests(writer, ["github"], repository="acme/Shop", since=START, now=office.clock())
    )
    assert list(one.values()) == ["github.com/acme/shop"]


@pytest.mark.parametrize("engine", ["postgres"])
async def test_two_workers_do_not_do_the_same(store: Store) -> None:
    forge = ForgeDouble(counts={f"acme/r{n}": 3 for n in range(8)}, pause=0.005)
    first = Office(store, forge)
    second = Office(store, forge, clock=first.clock)
    ids = first.know([ref(path, number=number) for number, path in enumerate(forge.counts, 1)])
    for id in ids.values():
        _wish(first, kind=PULL_REQUESTS, repository_id=id)
    await asyncio.gather(first.settle(), second.settle())
    assert len(forge.asked) == len(set(forge.asked)) == 16
    assert first.recorded and second.recorded


def test_whoever_was_served_lets_the_others_go_first() -> None:
    pacing = Pacing()
    first, second = (Turn(key=f"a{n}", forge="github", owner="acme", urgent=False) for n in range(2))
    other = Turn(key="b", forge="github", owner="beta", urgent=False)
    live = Turn(key="c", forge="github", owner="acme", urgent=True)
    assert pacing.in_order([first, second, other]) == [first, other, second]
    assert pacing.start(first, now=START)
    assert pacing.in_order([second, other, live]) == [live, other, second]
    pacing.end(first)
    assert pacing.in_order([second, other]) == [other, second]


def test_a_turn_is_given_back_however_it_ended() -> None:
    pacing = Pacing()
    turn = Turn(key="a", forge="github", owner="acme", urgent=False)
    for _ in range(FAILURES_TO_OPEN):
        assert pacing.start(turn, now=START)
        pacing.failed(turn, now=START)
        pacing.end(turn)
    assert pacing.is_open("github")
    assert not pacing.start(turn, now=START)
    probe_at = START + HOUR
    assert pacing.start(turn, now=probe_at)
    assert not pacing.start(Turn(key="b", forge="github", owner="beta", urgent=True), now=probe_at), "one probe at a time"
    pacing.end(turn)
    assert pacing.start(turn, now=probe_at), "a probe that was cancelled is made up for"
    pacing.answered(turn)
    pacing.end(turn)
    assert not pacing.is_open("github")
