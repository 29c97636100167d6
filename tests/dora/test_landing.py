"""How pull requests landed: small histories, the commits of each drawn beside it, oldest first."""

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest

from bot.dora.commits import Sha, twin
from bot.dora.history import CommitRow, History
from bot.dora.landing import introduced
from bot.dora.pull_requests import Introduced, Landing, PullRequest


def sha(name: str) -> Sha:
    return name.encode().ljust(20, b"\0")


class Repository:
    """Commits by name. A rebased or cherry-picked copy has `of`: author, author date and subject are the other's."""

    def __init__(self) -> None:
        self.rows: list[CommitRow] = []
        self._twins: dict[str, int] = {}

    def commit(self, name: str, *parents: str, of: str | None = None) -> None:
        at = 1_000 + len(self.rows)
        self._twins[name] = self._twins[of] if of is not None else twin("Ann <a@x>", at, name)
        self.rows.append(
            CommitRow(
                sha=sha(name),
                parents=[sha(parent) for parent in parents],
                authored_at=at,
                committed_at=at,
                twin=self._twins[name],
                path_ids=(),
            )
        )

    def line(self, *names: str) -> None:
        """Commits on top of each other, the first one on what is there already or a root."""
        for parent, name in pairwise(names):
            self.commit(name, parent)

    def landed(
        self, merged: str, *, head: str | None, squash: str | None = None, bases: Sequence[str] = (), known: str = ""
    ) -> Introduced | None:
        """What the answer is, the same in whatever order commits arrived. `known` limits the mirror to these commits."""
        rows = [row for row in self.rows if not known or row.sha.rstrip(b"\0").decode() in known.split()]
        pull_request = PullRequest(
            number=7,
            merged_at=9_000,
            merge_sha=sha(merged),
            squash_sha=None if squash is None else sha(squash),
            head_sha=None if head is None else sha(head),
        )
        answers = set()
        for seed in range(5):
            shuffled = list(rows)
            random.Random(seed).shuffle(shuffled)
            history = History.build(shuffled)
            answers.add(introduced(history, pull_request, bases=[sha(base) for base in bases]))
        assert len(answers) == 1
        return answers.pop()


def names(shas: Sequence[Sha]) -> str:
    return " ".join(each.rstrip(b"\0").decode() for each in shas)


def story(found: Introduced | None) -> tuple[str, str, str, str | None]:
    """Landing, commits, originals, flag."""
    assert found is not None
    return found.landing.value, names(found.commits), names(found.originals), found.flag


@pytest.fixture
def repo() -> Repository:
    """main: m1 m2 m3; feature, from m1: a b c."""
    repository = Repository()
    repository.commit("m1")
    repository.line("m1", "a", "b", "c")
    repository.line("m1", "m2", "m3")
    return repository


def test_a_merge_introduces_what_its_first_parent_lacked_and_itself(repo: Repository) -> None:
    repo.commit("M", "m3", "c")
    assert story(repo.landed("M", head="c")) == ("merge", "a b c M", "", None)


def test_a_merge_needs_no_head(repo: Repository) -> None:
    repo.commit("M", "m3", "c")
    assert story(repo.landed("M", head=None)) == ("merge", "a b c M", "", None)
    assert story(repo.landed("M", head="gone")) == ("merge", "a b c M", "", None)


def test_a_merge_of_a_branch_that_had_merged_main(repo: Repository) -> None:
    repo.commit("back", "c", "m2")
    repo.line("back", "d")
    repo.commit("M", "m3", "d")
    assert story(repo.landed("M", head="d")) == ("merge", "a b c back d M", "", None)


def test_a_merge_whose_target_is_not_mirrored_stands_alone(repo: Repository) -> None:
    repo.commit("M", "m3", "c")
    assert story(repo.landed("M", head="c", known="M c b")) == ("merge", "M", "", "base_unknown")


def test_a_squash_has_its_originals_from_the_head(repo: Repository) -> None:
    repo.commit("S", "m3")
    found = repo.landed("S", head="c")
    assert story(found) == ("squash", "S", "a b c", None)
    assert found is not None
    assert found.squashed == sha("S")
    assert not found.head_missing


def test_originals_are_no_merges_and_nothing_of_main(repo: Repository) -> None:
    repo.commit("back", "c", "m2")
    repo.line("back", "d")
    repo.commit("S", "m3")
    assert story(repo.landed("S", head="d")) == ("squash", "S", "a b c d", None)


def test_a_squash_without_its_head_stands_alone_and_asks_for_it(repo: Repository) -> None:
    repo.commit("S", "m3")
    found = repo.landed("S", head="gone")
    assert story(found) == ("squash", "S", "", "head_missing")
    assert found is not None
    assert found.head_missing


def test_a_head_that_nobody_told_cannot_be_asked_for(repo: Repository) -> None:
    repo.commit("S", "m3")
    found = repo.landed("S", head=None)
    assert story(found) == ("squash", "S", "", "head_unknown")
    assert found is not None
    assert not found.head_missing


def test_a_squash_on_a_shallow_boundary_cannot_tell_its_originals(repo: Repository) -> None:
    repo.commit("S", "m3")
    assert story(repo.landed("S", head="c", known="S a b c")) == ("squash", "S", "", "base_unknown")


def test_a_head_with_nothing_of_its_own(repo: Repository) -> None:
    repo.commit("S", "m3")
    assert story(repo.landed("S", head="m2")) == ("squash", "S", "", "no_originals")


def test_a_stacked_squash_names_the_lower_ones_originals_too(repo: Repository) -> None:
    """a b is #1, c on top of it #2; both squashed. Elsewhere the earlier merge wins a and b."""
    repo.commit("S1", "m3")
    repo.commit("S2", "S1")
    assert story(repo.landed("S1", head="b")) == ("squash", "S1", "a b", None)
    assert story(repo.landed("S2", head="c")) == ("squash", "S2", "a b c", None)


def test_a_rebase_is_the_run_of_twins(repo: Repository) -> None:
    repo.commit("a'", "m3", of="a")
    repo.commit("b'", "a'", of="b")
    repo.commit("c'", "b'", of="c")
    assert story(repo.landed("c'", head="c")) == ("rebase", "a' b' c'", "", None)


def test_a_rebase_may_drop_commits(repo: Repository) -> None:
    """b was in main already, git left it out."""
    repo.commit("a'", "m3", of="a")
    repo.commit("c'", "a'", of="c")
    found = repo.landed("c'", head="c")
    assert story(found) == ("rebase", "a' c'", "", None)
    assert found is not None and found.rebased == (sha("a"), sha("c")), "each with what became of it"


def test_a_rebase_that_dropped_its_last_commit(repo: Repository) -> None:
    repo.commit("a'", "m3", of="a")
    repo.commit("b'", "a'", of="b")
    assert story(repo.landed("b'", head="c")) == ("rebase", "a' b'", "", None)


def test_a_rebase_takes_no_cherry_pick_out_of_order(repo: Repository) -> None:
    """main had picked c before; the run ends where the order of the head does."""
    repo.commit("p", "m3", of="c")
    repo.commit("a'", "p", of="a")
    repo.commit("b'", "a'", of="b")
    assert story(repo.landed("b'", head="c")) == ("rebase", "a' b'", "", None)


def test_a_rebase_leaves_merges_out(repo: Repository) -> None:
    repo.commit("back", "c", "m2")
    repo.line("back", "d")
    repo.commit("a'", "m3", of="a")
    repo.commit("b'", "a'", of="b")
    repo.commit("c'", "b'", of="c")
    repo.commit("d'", "c'", of="d")
    assert story(repo.landed("d'", head="d")) == ("rebase", "a' b' c' d'", "", None)


def test_a_rebase_whose_head_is_a_merge_of_main(repo: Repository) -> None:
    repo.commit("back", "a", "m2")
    repo.commit("a'", "m3", of="a")
    assert story(repo.landed("a'", head="back")) == ("rebase", "a'", "", None)


def test_one_rebased_commit(repo: Repository) -> None:
    repo.commit("a'", "m3", of="a")
    assert story(repo.landed("a'", head="a")) == ("rebase", "a'", "", None)


def test_one_commit_whose_date_was_rewritten_counts_as_squashed(repo: Repository) -> None:
    repo.commit("S", "m3")
    assert story(repo.landed("S", head="a")) == ("squash", "S", "a", None)


def test_a_squash_that_kept_the_first_commits_name_is_no_rebase(repo: Repository) -> None:
    """Told apart by the last commits: a is not the head's last."""
    repo.commit("S", "m3", of="a")
    assert story(repo.landed("S", head="c")) == ("squash", "S", "a b c", None)


def test_a_rebase_without_its_head_stands_alone(repo: Repository) -> None:
    repo.commit("a'", "m3", of="a")
    repo.commit("b'", "a'", of="b")
    assert story(repo.landed("b'", head="gone")) == ("squash", "b'", "", "head_missing")


def test_a_merge_commit_that_carries_a_squash(repo: Repository) -> None:
    """GitLab: the squashed commit S lies beside main, M merges it."""
    repo.commit("S", "m2")
    repo.commit("M", "m3", "S")
    found = repo.landed("M", head="c", squash="S")
    assert story(found) == ("squash", "S M", "a b c", None)
    assert found is not None
    assert found.squashed == sha("S")


def test_a_carried_squash_that_nobody_told_is_seen(repo: Repository) -> None:
    """Alone behind the merge commit, and the head is something else: in the mirror or not."""
    repo.commit("S", "m2")
    repo.commit("M", "m3", "S")
    assert story(repo.landed("M", head="c")) == ("squash", "S M", "a b c", None)
    found = repo.landed("M", head="gone")
    assert story(found) == ("squash", "S M", "", "head_missing")
    assert found is not None
    assert found.squashed == sha("S")


def test_one_commit_behind_a_merge_that_is_the_head_is_merged(repo: Repository) -> None:
    repo.commit("M", "m3", "a")
    assert story(repo.landed("M", head="a")) == ("merge", "a M", "", None)
    assert story(repo.landed("M", head="m1")) == ("merge", "a M", "", None)
    assert story(repo.landed("M", head=None)) == ("merge", "a M", "", None)


def test_a_squash_that_the_merge_does_not_carry_is_ignored(repo: Repository) -> None:
    repo.commit("S", "m2")
    repo.commit("M", "m3", "c")
    assert story(repo.landed("M", head="c", squash="S")) == ("merge", "a b c M", "", None)


def test_a_squash_that_is_said_to_be_one(repo: Repository) -> None:
    repo.commit("S", "m3", of="c")
    assert story(repo.landed("S", head="c", squash="S")) == ("squash", "S", "a b c", None)


def test_a_fast_forward_has_what_its_target_lacked(repo: Repository) -> None:
    """m1 is what the pull request before was merged as."""
    assert story(repo.landed("c", head="c", bases=["m1"])) == ("fast_forward", "a b c", "", None)
    assert story(repo.landed("c", head="c", bases=["m1", "a"])) == ("fast_forward", "b c", "", None)


def test_a_fast_forward_on_an_unknown_base_stands_alone(repo: Repository) -> None:
    assert story(repo.landed("c", head="c")) == ("fast_forward", "c", "", "base_unknown")
    assert story(repo.landed("c", head="c", bases=["m3", "gone", "c"])) == ("fast_forward", "c", "", "base_unknown")


def test_what_is_not_in_the_mirror_is_not_known(repo: Repository) -> None:
    assert repo.landed("gone", head="c") is None
    unmerged = PullRequest(number=7, merge_sha=sha("c"), head_sha=sha("c"))
    assert introduced(History.build(repo.rows), unmerged) is None


def test_side_by_side_commits_come_in_one_order() -> None:
    """Both parents of a merge in the branch have the same date: the sha decides, not the arrival."""
    repository = Repository()
    repository.commit("m1")
    for name in ("x", "y", "w"):
        repository.commit(name, "m1")
        repository.rows[-1] = repository.rows[-1]._replace(committed_at=5_000)
    repository.commit("j", "x", "y", "w")
    repository.commit("M", "m1", "j")
    assert story(repository.landed("M", head="j")) == (Landing.MERGE, "w x y j M", "", None)
