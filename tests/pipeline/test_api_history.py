"""A history by API alone gives what a clone gives, or says what it does not give and why."""

import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.answers.questions import Filters
from bot.answers.repositories import load_repositories
from bot.facts.pushes import COMPLETE, LISTED, SHALLOW
from bot.pipeline.api_history import Budget, spool_path
from bot.standins.faults import Fault, Status
from bot.standins.forge import Change
from bot.standins.gitlab import GitLab, Project
from bot.store import Store
from tests.forges.gitlab_room import ANA, BOB, standing
from tests.pipeline.api_room import ApiRoom, api_room

NOTHING_ASKED = Filters()
SHOP = "acme/platform/teams/shop"
SERVICES = {"cart": ["apps/cart/**"], "pay": ["apps/pay/**", "libs/money/**"], "docs": ["docs/guides/deep/down/**"]}


@pytest.fixture
async def forge(tmp_path: Path) -> AsyncIterator[GitLab]:
    async with standing(tmp_path / "forge") as forge:
        yield forge


@pytest.fixture
def shop(forge: GitLab) -> Project:
    return forge.create_repository(SHOP, private=True)


@pytest.fixture
async def room(store: Store, store_url: str, tmp_path: Path, forge: GitLab, shop: Project) -> AsyncIterator[ApiRoom]:
    async with api_room(store, store_url, tmp_path, forge, shop) as room:
        yield room


def story(forge: GitLab, shop: Project) -> list[str]:
    """Merges, side branches, squashes, a rebase, renames between services, a change that a merge did not keep; the tips of main."""
    tips = []

    def write(branch: str, message: str, **files: str | None) -> str:
        forge.now += 60
        return shop.commit(branch, {path.replace("_", "/"): text for path, text in files.items()}, message=message, author=ANA)

    def land(branch: str, how: str) -> None:
        forge.now += 60
        number = shop.open(branch, "main", title=f"Land {branch}", author=ANA)
        tips.append(shop.merge(number, how, by=BOB))  # type: ignore[arg-type]

    tips.append(write("main", "Begin", apps_cart_a="1", apps_pay_a="1", docs_guides_deep_down_a="1", readme="1"))
    write("fees", "Fees", apps_pay_fees="1")
    write("fees", "Money for fees", libs_money_fees="1")
    write("main", "Cart meanwhile", apps_cart_b="1")
    land("fees", "merge")
    write("coupons", "Coupons, at first", apps_cart_coupon="1")
    write("coupons", "Coupons, better", apps_cart_coupon="2", docs_guides_deep_down_coupon="1")
    land("coupons", "squash")
    # Changed and changed back: a merge keeps nothing of it, and git's log of the folder leaves it out.
    write("detour", "Try it", apps_pay_try="1")
    write("detour", "Do not", apps_pay_try=None)
    write("detour", "But tell", docs_guides_deep_down_try="1")
    write("main", "Pay meanwhile", apps_pay_b="1")
    land("detour", "merge")
    write("moving", "Move from cart to pay", apps_cart_b=None, apps_pay_c="1")
    write("main", "Readme", readme="2")
    land("moving", "rebase")
    write("nested", "Deep", docs_guides_deep_down_x_y_z="1")
    land("nested", "fast_forward")
    tips.append(write("main", "Shared and cart", readme="3", apps_cart_c="1"))
    return tips


def deploy_all(room: ApiRoom, tips: list[str]) -> None:
    for service in SERVICES:
        room.deploy(service, *tips)


async def test_the_same_commits_paths_and_refs_as_a_clone(forge: GitLab, shop: Project, room: ApiRoom) -> None:
    tips = story(forge, shop)
    shop.tag("v1", tips[2], by=ANA)
    await room.sync()
    room.disk.ingest()
    there = room.disk.commits()
    assert {sha: row for sha, row in room.commits().items() if sha in there} == room.commits() == {
        sha: row for sha, row in there.items() if sha in room.commits()
    }
    names = [name for name in room.disk.refs() if name.startswith(("refs/heads/", "refs/tags/"))]
    assert room.refs() == {name: room.disk.refs()[name] for name in names}
    way, reason, partial = room.access()
    assert (way, partial) == ("api", [])
    assert "git" in reason


async def test_the_same_numbers_as_a_clone(forge: GitLab, shop: Project, room: ApiRoom) -> None:
    tips = story(forge, shop)
    room.define(**SERVICES)
    deploy_all(room, tips)
    await room.sync()
    room.disk.ingest()
    carried = room.carried()
    assert carried["api"] == carried["disk"]
    assert sum(map(len, carried["api"].values())) > 12


@pytest.mark.parametrize("diffs", [0, 3])
async def test_folders_logs_serve_where_diffs_are_not_read(
    store: Store, forge: GitLab, shop: Project, room: ApiRoom, diffs: int
) -> None:
    tips = story(forge, shop)
    room.define(**SERVICES)
    deploy_all(room, tips)
    room.budget = Budget(diffs=diffs)
    await room.sync()
    room.disk.ingest()
    carried = room.carried()
    assert carried["api"] != carried["disk"]
    [sentence] = room.access()[2]
    assert "side branches" in sentence
    [shown] = [one for one in store.read(lambda reader: load_repositories(reader, NOTHING_ASKED)) if one.forge == "gitlab"]
    assert (shown.access, shown.partial) == ("api", (sentence,))
    assert "git" in (shown.access_reason or "")
    assert LISTED in {row[0] for row in room.commits().values()}
    lost = {sha for name, shas in carried["disk"].items() for sha in shas if sha not in carried["api"][name]}
    assert {room.commits()[sha][5] for sha in lost} <= {"Try it", "Do not"}
    assert not any(set(carried["api"][name]) - set(shas) for name, shas in carried["disk"].items())


async def test_what_is_not_exact_becomes_so(forge: GitLab, shop: Project, room: ApiRoom) -> None:
    tips = story(forge, shop)
    room.define(**SERVICES)
    deploy_all(room, tips)
    room.budget = Budget(diffs=3)
    await room.sync()
    room.disk.ingest()
    assert room.carried()["api"] != room.carried()["disk"]
    for _ in range(12):
        if not room.access()[2]:
            break
        [again] = room.rows("fetch")
        assert again[1] == "*"
        await room.sync()
    carried = room.carried()
    assert carried["api"] == carried["disk"]
    assert room.access()[2] == []
    assert room.rows("fetch") == []
    # On the line that every way leads through, the logs of folders are enough.
    assert LISTED in {row[0] for row in room.commits().values()}


async def test_a_line_without_merges_needs_no_diffs(forge: GitLab, shop: Project, room: ApiRoom) -> None:
    tips = [
        shop.commit("main", {f"apps/{'cart' if at % 3 else 'pay'}/{at}": "1"}, message=f"Change {at}", author=ANA)
        for at in range(120)
    ]
    room.define(**SERVICES)
    deploy_all(room, tips[::9])
    room.budget = Budget(diffs=0)
    await room.sync()
    room.disk.ingest()
    carried = room.carried()
    assert carried["api"] == carried["disk"]
    assert room.access()[2] == []
    assert not [seen for seen in forge.requests if seen.path_qs.partition("?")[0].endswith("/diff")]


async def test_new_folders_are_asked_for(forge: GitLab, shop: Project, room: ApiRoom) -> None:
    tips = [
        shop.commit("main", {f"apps/{'cart' if at % 3 else 'pay'}/{at}": "1", f"apps/cart/{at % 5}": f"{at}"}, message=f"Change {at}", author=ANA)
        for at in range(20)
    ]
    room.define(cart=["apps/cart/**"])
    room.budget = Budget(diffs=0)
    await room.sync()
    room.disk.ingest()
    fetcher = room.fetcher()
    assert fetcher.api is not None
    assert not await fetcher.api.look_at_definitions()
    room.define(**SERVICES)
    deploy_all(room, tips)
    assert await fetcher.api.look_at_definitions()
    await fetcher.drain()
    assert not await fetcher.api.look_at_definitions()
    carried = room.carried()
    assert carried["api"] == carried["disk"]


async def test_services_of_other_repositories_cost_nothing(forge: GitLab, shop: Project, room: ApiRoom) -> None:
    tip = shop.commit("main", {"apps/cart/a": "1"}, message="Begin", author=ANA)
    room.define(link="https://github.com/acme/elsewhere", cart=["apps/cart/**"])
    room.budget = Budget(diffs=0)
    await room.sync()
    assert not [seen for seen in forge.requests if "path=" in seen.path_qs]
    room.deploy("cart", tip)
    fetcher = room.fetcher()
    assert fetcher.api is not None
    assert await fetcher.api.look_at_definitions()
    await fetcher.drain()
    assert [seen for seen in forge.requests if "path=apps" in seen.path_qs]


async def test_patterns_that_are_no_folders_are_told(forge: GitLab, shop: Project, room: ApiRoom) -> None:
    tips = story(forge, shop)
    room.define(**SERVICES, python=["**/*.py"])
    room.budget = Budget(diffs=2)
    await room.sync()
    [sentence] = room.access()[2]
    assert sentence.startswith("python: patterns that are more than a folder's path")
    room.budget = Budget()
    await room.sync()
    assert room.access()[2] == []
    assert tips


async def test_a_push_brings_only_what_is_new(forge: GitLab, shop: Project, room: ApiRoom) -> None:
    story(forge, shop)
    await room.sync()
    before = len(forge.requests)
    shas = shop.push("main", *(Change(files={f"apps/cart/{at}": "1"}, message=f"More {at}", author=ANA) for at in range(3)))
    await room.sync("refs/heads/main")
    assert [room.commits()[sha][0] for sha in shas] == [COMPLETE] * 3
    assert room.refs()["refs/heads/main"] == shas[-1]
    asked = [seen.path_qs for seen in forge.requests[before:] if "/api/" in seen.path_qs]
    assert len([path for path in asked if path.partition("?")[0].endswith("/diff")]) == 3
    assert len([path for path in asked if path.partition("?")[0].endswith("/commits")]) == 1


async def test_the_head_of_a_squashed_request_is_read(forge: GitLab, shop: Project, room: ApiRoom) -> None:
    story(forge, shop)
    await room.sync()
    number = next(n for n, one in shop.merge_requests.items() if one.source == "coupons")
    head = shop.merge_requests[number].head
    assert head not in room.commits()
    await room.sync(f"refs/merge-requests/{number}/head")
    assert room.commits()[head][0] == COMPLETE
    assert room.refs()[f"refs/merge-requests/{number}/head"] == head


async def test_a_long_history_comes_in_portions(forge: GitLab, shop: Project, room: ApiRoom) -> None:
    shas = [shop.commit("main", {"apps/cart/a": f"{at}"}, message=f"Change {at}", author=ANA) for at in range(250)]
    room.budget = Budget(pages=1, diffs=10)
    await room.sync()
    found = room.commits()
    assert found.keys() == set(shas[-100:])
    assert found[shas[-100]][0] == SHALLOW
    assert "is still to be read" in room.access()[2][0]
    room.budget = Budget(pages=10, diffs=10)
    await room.sync()
    assert room.commits().keys() == set(shas)
    assert SHALLOW not in {row[0] for row in room.commits().values()}
    assert room.access()[2] == []


async def test_a_sync_that_broke_off_goes_on_where_it_stopped(
    forge: GitLab, shop: Project, room: ApiRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.forges.gitlab.calls.PAUSES", ())
    for at in range(150):
        shop.commit("main", {"apps/cart/a": f"{at}"}, message=f"Change {at}", author=ANA)
    forge.faults.append(Fault(match=r"/commits\?.*page=2", kind=Status(status=500), times=1))
    await room.sync()
    assert room.commits() == {}
    spool = spool_path(room.settings.data_dir, room.id)
    assert stat.S_IMODE(spool.stat().st_mode) == 0o600
    spool.write_bytes(spool.read_bytes() + b'["commit","torn')
    before = len(forge.requests)
    await room.sync()
    asked = [seen.path_qs for seen in forge.requests[before:] if "/repository/commits?" in seen.path_qs]
    assert len(room.commits()) == 150
    assert len(asked) == 1
    assert not spool.exists()


async def test_a_rate_limit_ends_the_diffs_and_not_the_sync(forge: GitLab, shop: Project, room: ApiRoom) -> None:
    for at in range(20):
        shop.commit("main", {"apps/cart/a": f"{at}"}, message=f"Change {at}", author=ANA)
    limit = Status(status=429, headers={"Retry-After": "1"})
    forge.faults.append(Fault(match="/diff", kind=limit))
    room.client.api.clock = lambda: 0
    await room.sync()
    assert len(room.commits()) == 20
    assert any("rate limit" in sentence for sentence in room.access()[2])


async def test_a_token_that_may_clone_later_makes_all_of_it_exact(
    store: Store, store_url: str, tmp_path: Path, forge: GitLab, shop: Project, room: ApiRoom
) -> None:
    tips = story(forge, shop)
    room.define(**SERVICES)
    deploy_all(room, tips)
    room.budget = Budget(diffs=0)
    await room.sync()
    room.disk.ingest()
    assert LISTED in {row[0] for row in room.commits().values()}
    async with api_room(store, store_url, tmp_path, forge, shop, "read_api", "read_repository") as able:
        await able.sync("refs/heads/main")
    assert {row[0] for row in room.commits().values()} == {COMPLETE}
    carried = room.carried()
    assert carried["api"] == carried["disk"]
    assert room.access() == ("clone", "", [])


async def test_no_way_at_all(forge: GitLab, shop: Project, room: ApiRoom) -> None:
    shop.commit("main", {"a": "1"}, message="Begin", author=ANA)
    for token in forge.tokens.values():
        token.revoked = True
    await room.sync()
    way, reason, _ = room.access()
    assert way == "none"
    assert "GITLAB_TOKEN" in reason
    assert all(token not in reason for token in forge.tokens)
