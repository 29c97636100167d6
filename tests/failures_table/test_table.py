"""Every case of docs/change-failures, from signed webhooks and API calls to the API's answers, in any order of arrival."""

import logging
import os
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import structlog

from bot.store import Store
from tests.failures_table.deliveries import Sent
from tests.failures_table.notation import DOCS, read_chapters
from tests.failures_table.room import Room, open_room
from tests.failures_table.story import Played, Stage
from tests.failures_table.words import expected_of, observed_of

MEMORY = Path("/dev/shm")
"""What is asked here is order, not durability: no need to wait for a disk."""
Order = list[tuple[int, Sent]]
"""Requests, each with the number of its case."""
Arranged = tuple[Order, int, int]
"""An order; how many parts it is told in (after each all that is due is worked on); after which the repositories are read."""
CHAPTERS = read_chapters()
RULES = list(dict.fromkeys(chapter.rules for chapter in CHAPTERS))
IDS = [next(chapter.name for chapter in CHAPTERS if chapter.rules == rules) for rules in RULES]


pytestmark = pytest.mark.xdist_group("the table of change failures")


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Thousands of lines of a log hide what differs."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[Played]]]:
    """All cases, played once, by the rules file that is in force for them."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else tmp_path_factory.getbasetemp()) as folder:
        stage = Stage(Path(folder))
        yield {
            rules: [stage.play(case) for chapter in CHAPTERS if chapter.rules == rules for case in chapter.cases] for rules in RULES
        }


def in_order(played: Sequence[Played], _: random.Random) -> Arranged:
    """As it happened, all cases side by side; the repositories are known from the beginning."""
    told = [(one.case.number, sent) for one in played for sent in one.sent]
    return sorted(told, key=lambda each: each[1].at), 4, 0


def by_chance(played: Sequence[Played], chance: random.Random) -> Arranged:
    """Each case backwards, or shuffled with some of it twice, in between the others; the repositories are read at any time."""
    told: list[tuple[float, int, Sent]] = []
    for one in played:
        order = one.sent[::-1]
        if chance.random() < 0.6:
            order += chance.choices(order, k=len(order) // 4)
            chance.shuffle(order)
        instants = sorted(chance.random() for _ in order)
        told += [(at, one.case.number, sent) for at, sent in zip(instants, order, strict=True)]
    told.sort(key=lambda each: each[0])
    return [(number, sent) for _, number, sent in told], 2, chance.randrange(3)


Arrange = Callable[[Sequence[Played], random.Random], Arranged]
TURNS: list[Arrange] = [by_chance, *([in_order, *[by_chance] * 9] * 2 if os.environ.get("ENDURE") else [])]


def test_the_table_is_whole() -> None:
    numbers = [case.number for chapter in CHAPTERS for case in chapter.cases]
    assert numbers == list(range(1, len(numbers) + 1))
    for document in ("README.md", "docs/how-numbers-are-made.md"):
        assert f"{len(numbers)} series" in (DOCS.parent / document).read_text()
    listed = (DOCS / "change-failures.md").read_text()
    assert all(f"(change-failures/{chapter.name}.md)" in listed for chapter in CHAPTERS)


@pytest.mark.endure
@pytest.mark.parametrize("rules", RULES, ids=IDS)
@pytest.mark.parametrize("arrange", TURNS, ids=map(str, range(len(TURNS))))
async def test_in_any_order(
    store: Store, tmp_path: Path, played: dict[str, list[Played]], rules: str, arrange: Arrange
) -> None:
    await hold(store, tmp_path, played[rules], rules, arrange)


@pytest.mark.parametrize("engine", ["sqlite"])
@pytest.mark.parametrize("rules", RULES, ids=IDS)
async def test_as_it_happened(store: Store, tmp_path: Path, played: dict[str, list[Played]], rules: str) -> None:
    await hold(store, tmp_path, played[rules], rules, in_order)


async def hold(store: Store, folder: Path, cases: Sequence[Played], rules: str, arrange: Arrange) -> None:
    """Send all these cases in one order, and compare what is answered with their tables."""
    seed = int(os.environ.get("SEED", random.SystemRandom().randrange(2**32)))
    chance = random.Random(seed)
    async with open_room(store, folder) as room:
        room.define(rules, cases, folder / "definitions")
        await deliver(room, cases, *arrange(cases, chance))
        # The slower engine is not asked why nothing is said of a deployment of which nothing is to be said.
        answers = await room.ask(speaking(cases, room) if store.dialect == "postgres" else None)
    wrong = [found for one in cases for found in differences(one, expected_of(one), observed_of(one, room.ids, answers))]
    assert not wrong, f"{arrange.__name__}, seed {seed}\n" + "\n".join(wrong)


def differences(one: Played, expected: list[str], observed: list[str]) -> list[str]:
    """The lines in which they differ, below the case's title."""
    left, right = ([line for line in these if line not in those] for these, those in ((expected, observed), (observed, expected)))
    if expected == observed:
        return []
    return [f"{one.case.number}. {one.case.title}", *(f"  expected {line}" for line in left), *(f"  got      {line}" for line in right)]


def speaking(cases: Sequence[Played], room: Room) -> set[str]:
    """The deployments of which the table gives a reason."""
    return {room.ids[one.case.number, row.name] for one in cases for row in one.case.rows if row.why}


async def deliver(room: Room, cases: Sequence[Played], order: Order, parts: int, synced_after: int) -> None:
    """Send everything in this order; what cannot be said yet is said again at the end."""
    later: Order = []
    for part in range(parts + 1):
        if part == synced_after:
            room.sync(cases)
        for case, sent in order[len(order) * part // parts : len(order) * (part + 1) // parts]:
            if not await room.send(case, sent):
                later.append((case, sent))
        room.work()
    for case, sent in later:
        assert await room.send(case, sent), sent
    room.work()
