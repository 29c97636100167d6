"""Equal fact sets give equal numbers: an organisation's events in random orders, with duplicates, pauses and a reopened store.

What must come out is what came out in the story's own order, column by column. Three mutants, kept here, show that the test sees.
"""

import asyncio
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from bot.demo.deliveries import Delivery
from bot.demo.organisation import Organisation
from bot.dora.changes import Limits
from bot.dora.deployments import Series
from bot.dora.events import NewDeployment
from bot.dora.instants import Instant
from bot.facts import deployments as deployment_facts
from bot.pipeline.derive import deriver
from bot.pipeline.derive.difference import Edit
from bot.pipeline.derive.sources import Sources
from bot.settings import Settings
from bot.store import Reader, Row, Store, Writer
from bot.store.opening import open_store
from bot.store.remote import RemoteStore
from bot.store.sqlite import SqliteStore
from tests.engines import migrated_file
from tests.support import organisation as acme

ORDERS = {"sqlite": 2_500, "postgres": 2_500} if os.environ.get("ENDURE") else {"sqlite": 170, "postgres": 30}
"""Per engine; the slower one takes the smaller share."""
MUTANT_ORDERS = 12
MEMORY = Path("/dev/shm")
"""What is asked here is order, not durability: no need to wait for a disk."""
KEPT_PULL_REQUESTS = {"1", "3", "5", "7", "8", "9"}
KEPT_CALLS = {
    "P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "P2 again", "P2 in capitals", "S1", "K1", "K2", "K3", "K5", "W1", "W2",
    "W3", "W4", "W5", "U2", "U3",
}  # fmt: skip


def _kept(delivery: Delivery) -> bool:
    words = delivery.name.split()
    if delivery.kind == "api":
        return delivery.name.removeprefix("deployment ") in KEPT_CALLS
    if delivery.event == "pull_request":
        return words[2] in KEPT_PULL_REQUESTS
    return delivery.event == "pull_request_review" and words[2] in {"101", "102", "104", "106", "107", "109", "110", "111"}


@pytest.fixture(scope="module")
def organisation(tmp_path_factory: pytest.TempPathFactory) -> Organisation:
    return acme.build(tmp_path_factory.mktemp("acme"))


class Player:
    """Plays orders, each into a store of its own."""

    def __init__(self, organisation: Organisation, new_store: Callable[[], str], folder: Path) -> None:
        self.organisation, self.new_store = organisation, new_store
        self.settings: Settings = acme.settings_for(folder)
        self.events = acme.events_of(organisation, keep=_kept)

    def play(self, order: list[acme.Event], chance: random.Random | None = None) -> list[str]:
        """The outcome of one order; with `chance`, worked on at three points and reopened at one of them."""
        url = self.new_store()
        store = open_store(url)
        acme.know_repositories(store, self.organisation)
        pauses = sorted(chance.sample(range(len(order)), 3)) if chance else []
        start = 0
        for pause in pauses:
            self._work(store, url, order[start:pause])
            start = pause
            if pause == pauses[1]:
                store.close()
                store = open_store(url)
        self._work(store, url, order[start:])
        found = acme.outcome(store, self.organisation)
        store.close()
        return found

    def _work(self, store: Store, url: str, events: list[acme.Event]) -> None:
        async def do() -> None:
            for event in events:
                await acme.receive(store, event)
            await acme.settle(_as_the_child_sees(store, url), self.settings)

        asyncio.run(do())


def _as_the_child_sees(store: Store, url: str) -> Store:
    """The engine's child reads the file and sends what it wants written."""
    if isinstance(store, SqliteStore):
        return RemoteStore(url, submit=lambda batch, urgent: store.apply(batch, urgent=urgent))
    return store


@pytest.fixture
def player(engine: str, organisation: Organisation, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Player]:
    numbers, made = count(), []

    folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else tmp_path))

    def new_store() -> str:
        if engine == "sqlite":
            return migrated_file(folder / f"{next(numbers)}.db")
        cluster = request.getfixturevalue("cluster")
        # One order is played after the other: what the last one left is emptied for the next.
        while made:
            cluster.give_back(made.pop())
        made.append(name := cluster.take())
        return str(cluster.url(name))

    yield Player(organisation, new_store, tmp_path)
    for name in made:
        request.getfixturevalue("cluster").give_back(name)
    shutil.rmtree(folder)


def _seen(player: Player, seed: int) -> bool:
    """Whether one of a dozen random orders comes out otherwise than the story's own."""
    chance = random.Random(seed)
    expected = player.play(player.events)
    return any(player.play(acme.shuffled(player.events, chance), chance) != expected for _ in range(MUTANT_ORDERS))


@pytest.mark.endure
def test_any_order_one_hash(player: Player, engine: str, capsys: pytest.CaptureFixture[str]) -> None:
    seed = int(os.environ.get("SEED", random.SystemRandom().randrange(2**32)))
    chance = random.Random(seed)
    expected = player.play(player.events)
    hashes = {hash(tuple(expected))}
    for number in range(ORDERS[engine]):
        order = acme.shuffled(player.events, chance)
        found = player.play(order, chance)
        hashes.add(hash(tuple(found)))
        assert found == expected, f"seed {seed}, order {number}: " + "\n".join(sorted(set(found) ^ set(expected)))
    with capsys.disabled():
        print(f"\nany order ({engine}): {len(player.events)} events, {ORDERS[engine]} orders, seed {seed}, {len(hashes)} distinct hash")
    assert len(expected) > 100, "an organisation of nothing comes out equal in any order"


def test_sees_the_last_processed_winning(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    original = deployment_facts.record_deployment
    clock = count(2**61)

    def last_processed_wins(writer: Writer, new: NewDeployment, *, received_at: Instant, receipt: int = 0) -> str:
        return original(writer, new, received_at=next(clock), receipt=receipt)

    monkeypatch.setattr(acme, "record_deployment", last_processed_wins)
    monkeypatch.setattr(acme, "outcome", partial(_without_receipt_instants, acme.outcome))
    assert _seen(player, 1)


def _without_receipt_instants(outcome: Callable[[Store, Organisation], list[str]], store: Store, organisation: Organisation) -> list[str]:
    """The mutant's clock itself must not be what is seen."""
    lines = outcome(store, organisation)
    return [line.rpartition(",")[0] if line.startswith("fingerprint_deployments") else line for line in lines]


def test_sees_a_tail_that_is_not_derived_again(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    original = deriver.derive_series_changes

    def first_only(reader: Reader, sources: Sources, series: Series, *, from_at: Instant, limits: Limits) -> list[Edit]:
        edits = original(reader, sources, series, from_at=from_at, limits=limits)
        rows = reader.fetch("series_deployments", _id_and_end, service=series.service, env=series.env)
        first = min((end for _, end in rows if end >= from_at), default=0)
        kept = {str(key) for key, end in rows if end == first}
        return [edit for edit in edits if edit.key[0] in kept]

    monkeypatch.setattr(deriver, "derive_series_changes", first_only)
    assert _seen(player, 2)


def _id_and_end(*columns: object) -> tuple[object, int]:
    return columns[0], int(columns[5])  # type: ignore[call-overload, no-any-return]


def test_sees_a_duplicate_that_is_not_absorbed(player: Player, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = count()
    original = deployment_facts.deployment_id
    monkeypatch.setattr(deployment_facts, "deployment_id", lambda new: f"{original(new)}.{next(numbers)}")
    monkeypatch.setattr(acme, "outcome", lambda store, _: [str(store.read(_count_deployments))])
    assert _seen(player, 3)


def _count_deployments(reader: Reader) -> int:
    return len(reader.fetch("fingerprint_deployments", _columns))


def _columns(*columns: object) -> Row:
    return columns  # type: ignore[return-value]
