"""The correspondent, the real client and a stand-in GitHub, over both stores: what was lost is found, faults cost time and nothing else."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import time_ns

import pytest
from aiohttp.test_utils import TestServer

from bot.app import create_app
from bot.dora.instants import HOUR, MINUTE, SECOND
from bot.facts import errands
from bot.facts.errands import NEVER, PULL_REQUESTS
from bot.facts.hooks import load_hooks
from bot.facts.pull_requests import load_pull_requests
from bot.facts.repositories import find_repository
from bot.forges.github.client import GithubClient
from bot.pipeline.intake import due_deliveries, process_deliveries
from bot.settings import load_settings
from bot.standins.faults import (
    Fault,
    Kind,
    Redirect,
    Status,
    Truncate,
    primary_limit,
    secondary_limit,
    too_many_requests,
)
from bot.standins.github import GitHub, GitHubRepo
from bot.store import Store
from tests.engine.forge_double import Clock, Office
from tests.forges.github_room import ANN, BOB, known_app

SECRET = "0123456789-of-the-correspondence"
NUMBERS = 12


@dataclass
class World:
    """A GitHub, the door its webhooks go to, and an office that asks it."""

    github: GitHub
    office: Office
    store: Store
    clock: Clock

    def move(self, nanoseconds: int) -> None:
        self.clock.now += nanoseconds
        self.github.now = self.clock.now // SECOND

    def process(self) -> None:
        """What the engine's child does with the inbox."""
        while claims := self.store.read(partial(due_deliveries, now=self.clock())):
            process_deliveries(self.store, claims, now=self.clock)

    def records(self) -> dict[tuple[str, int], tuple[object, ...]]:
        """All pull requests as they are known."""
        found: dict[tuple[str, int], tuple[object, ...]] = {}
        for path in ("acme/shop", "acme/docs"):
            row = self.store.read(lambda reader, path=path: find_repository(reader, f"github.com/{path}"))  # type: ignore[misc]
            if row is not None:
                for record in self.store.read(lambda reader, id=row.id: load_pull_requests(reader, id, range(1, 100))):  # type: ignore[misc]
                    told = record.pull_request
                    found[path, told.number] = (told.title, told.state, told.labels, told.merge_sha, len(told.reviews))
        return found


@pytest.fixture
async def world(store: Store, tmp_path: Path) -> AsyncIterator[World]:
    # GitHub lives by the machine's time, as its answers' dates do; ours runs ahead as a story asks for it.
    clock = Clock(time_ns())
    settings = load_settings(
        {"GITHUB_WEBHOOK_SECRET": SECRET, "DATA_DIR": str(tmp_path / "data"), "API_KEYS": "x" * 40, "BASE_URL": "http://127.0.0.1"},
        tmp_path / "absent",
    )
    door = TestServer(create_app(settings, store, None))
    await door.start_server()
    github = GitHub(
        tmp_path / "forge", now=clock.now // SECOND, strict_version=True, web_url="https://github.com"
    )
    await github.start()
    app = github.create_app(hook_url=str(door.make_url("/webhooks/github")), webhook_secret=SECRET)
    client = GithubClient(github.url, app=lambda: known_app(app), clock=clock)
    office = Office(store, client, clock=clock)  # type: ignore[arg-type]
    try:
        yield World(github, office, store, clock)
    finally:
        await office.correspondent.stop()
        await client.close()
        await github.stop()
        await door.close()


def _history(github: GitHub, path: str, numbers: int) -> GitHubRepo:
    repo = github.create_repository(path)
    repo.commit("main", {"README.md": "hello"}, message="Start", author=ANN)
    for n in range(numbers):
        repo.commit(f"topic-{n}", {f"{n}.txt": "x"}, message=f"Change {n}", author=ANN)
        repo.open(f"topic-{n}", "main", title=f"Change {n}", author=ANN)
    return repo


def _day(repo: GitHubRepo) -> None:
    """Three fates: merged, retitled, labelled and approved."""
    for number in range(1, NUMBERS + 1):
        repo.retitle(number, f"Better {number}", by=BOB)
        repo.approve(number, by=BOB)
        repo.label(number, "ready", by=ANN)
        if number % 3 == 0:
            repo.merge(number, "squash", by=BOB)


async def test_one_delivery_in_five_is_lost_and_found(world: World) -> None:
    shop, docs = _history(world.github, "acme/shop", NUMBERS), _history(world.github, "acme/docs", 1)
    world.github.install("acme", [shop, docs])
    await world.github.deliver()
    world.process()
    await world.office.round()
    assert len(world.records()) == NUMBERS + 1

    world.move(HOUR)
    lost: list[str] = []
    world.github.drop = lambda delivery: len(world.github.attempts) % 5 == 0 and not lost.append(delivery.id)  # type: ignore[func-returns-value]
    _day(shop)
    await world.github.deliver()
    world.process()
    assert len(lost) >= 8
    assert not all(state == "merged" for (_, n), (_, state, *_) in world.records().items() if n % 3 == 0)

    world.move(2 * MINUTE)
    before = len(world.github.requests)
    world.move(8 * MINUTE)
    # The first question may be refused: our clock has just jumped an hour.
    for _ in range(2):
        await world.office.round()
        world.move(MINUTE)
    world.process()
    (hook,) = world.store.read(load_hooks)
    assert (hook.gaps, hook.repaired) == (len(lost), len(lost))
    assert len([seen for seen in world.github.requests[before:] if "/deliveries/" in seen.path_qs]) == len(lost)
    told = {key: value for key, value in world.records().items() if key[0] == "acme/shop"}
    assert {title for title, *_ in told.values()} == {f"Better {n}" for n in range(1, NUMBERS + 1)}
    assert [n for (_, n), (_, state, *_) in sorted(told.items()) if state == "merged"] == [3, 6, 9, 12]
    assert all(labels == ("ready",) and reviews == 1 for _, _, labels, _, reviews in told.values())


FAULTS: dict[str, Kind] = {
    "500": Status(status=500),
    "429": too_many_requests(30),
    "primary limit": primary_limit(time_ns() // SECOND + 900),
    "secondary limit": secondary_limit(60),
    "secondary limit without an end": secondary_limit(),
    "truncated": Truncate(),
    "torn": Truncate(torn=True),
    "redirect": Redirect(to="http://127.0.0.1:9"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_a_backfill_gets_through_faults(world: World, fault: Kind) -> None:
    shop = _history(world.github, "acme/shop", 3)
    world.github.install("acme", [shop])
    world.github.faults.append(Fault(match="GET /repos/.*/(pulls|issues)", kind=fault, times=3))
    world.github.faults.append(Fault(match="GET /installation/repositories", kind=fault, times=2))
    for _ in range(30):
        await world.office.round()
        if len(world.records()) == 3:
            break
        world.move(5 * MINUTE)
    assert [state for _, state, *_ in world.records().values()] == ["open"] * 3


async def test_nobody_hammers_a_github_that_is_down(world: World) -> None:
    repos = [_history(world.github, f"acme/r{n}", 1) for n in range(4)]
    world.github.install("acme", repos)
    await world.office.round()
    world.github.faults.append(Fault(match="GET", kind=Status(status=503)))
    before = len(world.github.requests)
    for _ in range(12):
        await world.office.round()
        world.move(20 * MINUTE)
    assert len(world.github.requests) - before <= 40, "four hours"
    world.github.faults.clear()
    world.move(HOUR)
    for _ in range(3):
        await world.office.round()
        world.move(HOUR)
    due = world.store.read(partial(errands.due_errands, now=NEVER - 1, per_owner=1_000))
    assert [one for one in due if one.error] == []
    done = world.store.read(partial(errands.due_errands, now=NEVER, per_owner=1_000))
    assert sum(one.done for one in done if one.kind == PULL_REQUESTS) == 4
