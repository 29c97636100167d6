"""Every case of docs/change-failures, from signed webhooks and API calls to the API's answers, in any order of arrival."""

import logging
import os
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import structlog

from bot.store import Store
from tests.failures_table.deliveries import Sent
from tests.failures_table.notation import read_chapters
from tests.failures_table.room import Room, open_room
from tests.failures_table.story import Played, Stage
from tests.failures_table.words import expected_of, observed_of

Order = list[tuple[int, Sent]]
CHAPTERS = read_chapters()
BY_RULES = {
    rules: [chapter for chapter in CHAPTERS if chapter.rules == rules] for rules in dict.fromkeys(chapter.rules for chapter in CHAPTERS)
}


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Thousands of lines of a log hide what differs."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Played]]:
    """All cases, played once, by the rules file that is in force for them."""
    stage = Stage(tmp_path_factory.mktemp("forges"))
    return {rules: [stage.play(case) for chapter in chapters for case in chapter.cases] for rules, chapters in BY_RULES.items()}


def in_order(played: Sequence[Played], chance: random.Random) -> tuple[Order, float]:
    """As it happened; histories are read when all is told."""
    return [(one.case.number, sent) for one in played for sent in one.sent], 1.0


def backwards(played: Sequence[Played], chance: random.Random) -> tuple[Order, float]:
    """The latest first; histories are there before anything is told."""
    order, _ = in_order(played, chance)
    return order[::-1], 0.0


def shuffled(played: Sequence[Played], chance: random.Random) -> tuple[Order, float]:
    """By chance, some of it twice; histories are read in between."""
    order, _ = in_order(played, chance)
    order += chance.choices(order, k=len(order) // 5)
    chance.shuffle(order)
    return order, 0.5


@pytest.mark.parametrize("rules", list(BY_RULES), ids=[chapters[0].name for chapters in BY_RULES.values()])
@pytest.mark.parametrize("arrange", [in_order, backwards, shuffled])
async def test_the_table_holds(
    store: Store,
    tmp_path: Path,
    played: dict[str, list[Played]],
    rules: str,
    arrange: Callable[[Sequence[Played], random.Random], tuple[Order, float]],
) -> None:
    seed = int(os.environ.get("SEED", random.SystemRandom().randrange(2**32)))
    cases = played[rules]
    order, synced_at = arrange(cases, random.Random(seed))
    async with open_room(store, tmp_path) as room:
        await room.define(rules, cases, tmp_path / "definitions")
        await deliver(room, order, cases, synced_at)
        answers = await room.ask()
    wrong = [found for one in cases for found in differences(one, expected_of(one), observed_of(one, room.ids, answers))]
    assert not wrong, f"{arrange.__name__}, seed {seed}\n" + "\n".join(wrong)


def differences(one: Played, expected: list[str], observed: list[str]) -> list[str]:
    """The lines in which they differ, below the case's title."""
    left, right = ([line for line in these if line not in those] for these, those in ((expected, observed), (observed, expected)))
    if expected == observed:
        return []
    return [f"{one.case.number}. {one.case.title}", *(f"  expected {line}" for line in left), *(f"  got      {line}" for line in right)]


async def deliver(room: Room, order: Order, cases: Sequence[Played], synced_at: float) -> None:
    """Send everything in this order, working in between; what cannot be said yet is said again at the end."""
    pauses = {int(len(order) * share) for share in (0.25, 0.5, 0.75, 1)}
    if not synced_at:
        await room.sync(cases)
    later: Order = []
    for at, (case, sent) in enumerate(order, 1):
        if not await room.send(case, sent):
            later.append((case, sent))
        if at in pauses:
            await room.work()
            if at == int(len(order) * synced_at):
                await room.sync(cases)
    for case, sent in later:
        assert await room.send(case, sent), sent
    await room.work()
