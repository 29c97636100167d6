"""Which sources count, from when on: first selections stay, whatever is switched in whatever order."""

from hypothesis import given
from hypothesis import strategies as st

from bot.dora.sources import DEPLOYMENT_SOURCES, FAILURE_SOURCES, Selection, Switch, counts, select

DEPLOYMENTS = Selection(kind="deployments")
FAILURES = Selection(kind="failures")


def test_what_is_on_at_installation_counts_from_the_beginning() -> None:
    assert [name for name in DEPLOYMENT_SOURCES if counts(DEPLOYMENTS, name, 0)] == ["api"]
    assert [name for name in FAILURE_SOURCES if counts(FAILURES, name, 0)] == ["api", "pagerduty", "incidents"]
    assert not counts(DEPLOYMENTS, "somebody else", 10**18)


def test_another_one_counts_from_its_first_selection_on() -> None:
    first = select(DEPLOYMENTS.switch("apm"), on=True, at=100, newest=True)
    off = select(first, on=False, at=200, newest=True)
    again = select(off, on=True, at=300, newest=True)
    for switch, expected in ((first, [False, True, True]), (off, [False] * 3), (again, [False, True, True])):
        selection = Selection(kind="deployments", switches={"apm": switch})
        assert [counts(selection, "apm", at) for at in (99, 100, 250)] == expected


def test_retroactive_counts_everything_that_is_kept() -> None:
    first = select(DEPLOYMENTS.switch("tags"), on=True, at=100, newest=True)
    everything = select(first, on=True, at=0, newest=True)
    assert counts(Selection(kind="deployments", switches={"tags": everything}), "tags", 0)


def test_what_was_on_from_the_beginning_counts_from_there_when_it_is_on_again() -> None:
    off = select(DEPLOYMENTS.switch("api"), on=False, at=100, newest=True)
    assert not counts(Selection(kind="deployments", switches={"api": off}), "api", 500)
    again = select(off, on=True, at=200, newest=True)
    assert counts(Selection(kind="deployments", switches={"api": again}), "api", 0)


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=6, unique_by=lambda word: word[0]), st.randoms())
def test_words_commute(words: list[tuple[int, bool]], chance: object) -> None:
    def state(order: list[tuple[int, bool]]) -> Switch:
        switch, told = DEPLOYMENTS.switch("github"), -1
        for at, on in order:
            switch = select(switch, on=on, at=at, newest=at >= told)
            told = max(at, told)
        return switch

    shuffled = words.copy()
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert state(shuffled) == state(sorted(words))
