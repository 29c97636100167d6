"""Rollbacks, reverts and hotfixes: each sentence of semantics §5 as a series that can be followed by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from bot.dora.commits import Sha
from bot.dora.deployments import Deployment, Series
from bot.dora.pull_requests import PullRequest
from bot.dora.remediation import (
    Carried,
    CarriedChange,
    Classified,
    PullRequestFlag,
    Remediation,
    classify,
    flag_pull_request,
)
from bot.dora.rules import DEFAULT_RULES, CompiledRules, Options, Rule, RuleSet, compile_rules

SHOP = "github.com/acme/shop"
RULES = compile_rules(DEFAULT_RULES)
LITERAL_ROLLBACK = compile_rules(replace(DEFAULT_RULES, options=Options(rollback="literal")))
LITERAL_RELAND = compile_rules(replace(DEFAULT_RULES, options=Options(reland="literal")))


REGRESSION = Rule(id="regression", field="pr_body", pattern="Fixes regression of #$pr_number")


def with_rules(*, linked: Sequence[Rule] = (), static: Sequence[Rule] = ()) -> CompiledRules:
    return compile_rules(RuleSet(linked=tuple(linked), static=tuple(static)))


def sha(name: str) -> Sha:
    """A commit's sha; `name` is hex, the first digits."""
    return bytes.fromhex(name.ljust(40, "0"))


@dataclass
class Known:
    """One repository as the rules may ask it, in memory."""

    repository: str = SHOP
    messages: dict[Sha, str] = field(default_factory=dict)
    pulls: dict[int, PullRequest] = field(default_factory=dict)
    pull_messages: dict[int, tuple[str, ...]] = field(default_factory=dict)
    merges: Mapping[Sha, Sequence[Sha]] = field(default_factory=dict)

    def resolve_sha(self, prefix: str) -> Sha | None:
        found = [each for each in self.messages if each.hex().startswith(prefix)]
        return found[0] if len(found) == 1 else None

    def pull_request_merged_as(self, sha: Sha) -> int | None:
        return next((number for number, pull in self.pulls.items() if pull.merge_sha == sha), None)

    def commits_of_merge(self, sha: Sha) -> Sequence[Sha]:
        return self.merges.get(sha, ())

    def message(self, sha: Sha) -> str | None:
        return self.messages.get(sha)

    def pull_request(self, number: int) -> PullRequest | None:
        return self.pulls.get(number)

    def pull_requests_by_title(self, title: str) -> Sequence[PullRequest]:
        return [pull for pull in self.pulls.values() if pull.title == title]

    def messages_of(self, pull_request: PullRequest) -> Sequence[str]:
        return self.pull_messages.get(pull_request.number, ())


class Story:
    """A series being deployed: D1, D2, …; every pull request is one commit whose sha repeats its number."""

    def __init__(self) -> None:
        self.known = Known()
        self.series: list[Carried] = []

    def pull(
        self,
        number: int,
        title: str = "",
        *,
        body: str = "",
        branch: str = "",
        labels: tuple[str, ...] = (),
        message: str = "",
    ) -> PullRequest:
        """A pull request merged in the order of the calls."""
        merged = sha(f"{number:02d}aaaaaa")
        pull = PullRequest(
            number=number,
            title=title or f"Change {number}",
            body=body,
            head_ref=branch,
            labels=labels,
            state="merged",
            merged_at=1_000 + len(self.known.pulls),
            merge_sha=merged,
        )
        self.known.pulls[number] = pull
        self.known.messages[merged] = message or pull.title
        self.known.pull_messages[number] = (self.known.messages[merged],)
        return pull

    def commit(self, name: str, message: str) -> Sha:
        """A commit that came without a pull request."""
        self.known.messages[sha(name)] = message
        return sha(name)

    def deploy(
        self, *carried: PullRequest | Sha, version: str = "", commit: str = "", again: Sequence[PullRequest | Sha] = ()
    ) -> None:
        """The next deployment; `again` is redeployed. Without a version or commit it gets a version of its own."""
        at = len(self.series) + 1
        changes = [self._change(each, redeployed=False) for each in carried] + [
            self._change(each, redeployed=True) for each in again
        ]
        deployment = Deployment(
            id=f"D{at}",
            series=Series(service="cart", env=""),
            version=version or ("" if commit else f"build-{at}"),
            repository=SHOP,
            commit_sha=sha(commit) if commit else None,
            started_at=at * 100,
            finished_at=at * 100 + 10,
            source="api",
            received_at=at * 100 + 20,
        )
        pulls = tuple(each for each in (*carried, *again) if isinstance(each, PullRequest))
        self.series.append(Carried(deployment=deployment, changes=tuple(changes), pull_requests=pulls))

    def _change(self, each: PullRequest | Sha, *, redeployed: bool) -> CarriedChange:
        if isinstance(each, PullRequest):
            assert each.merge_sha is not None
            return CarriedChange(
                sha=each.merge_sha,
                message=self.known.messages[each.merge_sha],
                number=each.number,
                redeployed=redeployed,
            )
        return CarriedChange(sha=each, message=self.known.messages[each], redeployed=redeployed)

    def classified(self, rules: CompiledRules = RULES) -> list[Classified]:
        return classify(self.series, rules, lambda _: self.known)

    def mended(self, rules: CompiledRules = RULES) -> dict[str, list[str]]:
        """Deployment → type and what it mends; standard ones are left out."""
        return {
            found.deployment_id: [found.type, *(each.target for each in found.remediations)]
            for found in self.classified(rules)
            if found.type != "standard"
        }

    def reasons(self, rules: CompiledRules = RULES) -> dict[str, list[tuple[str, str]]]:
        return {
            found.deployment_id: [(each.rule, each.reason.value) for each in found.reasons]
            for found in self.classified(rules)
            if found.reasons
        }


def versions(*names: str) -> Story:
    story = Story()
    for name in names:
        story.deploy(version=name)
    return story


# Rollbacks -------------------------------------------------------------------------------------------------------


def test_going_back_blames_the_first_deployment_after_the_target() -> None:
    story = versions("V1", "V2", "V3", "V1")
    assert story.mended() == {"D4": ["rollback", "D2"]}
    assert story.classified()[3].remediations == (
        Remediation(target="D2", type="rollback", rule="rollback", field="version", value="V1", original="D1"),
    )


def test_the_same_again_is_nothing() -> None:
    assert versions("V1", "V1").mended() == {}
    assert versions("V1", "V2", "V2", "V2").mended() == {}


def test_the_target_is_the_most_recent_one() -> None:
    assert versions("V1", "V2", "V1", "V3", "V1").mended() == {"D3": ["rollback", "D2"], "D5": ["rollback", "D4"]}


def test_strict_sees_that_a_replaced_deployment_is_reinstated() -> None:
    story = versions("V1", "V2", "V1", "V2")
    assert story.mended() == {"D3": ["rollback", "D2"]}
    assert [found.flags for found in story.classified()] == [(), (), (), ("reinstated",)]


def test_literal_calls_every_return_a_rollback() -> None:
    story = versions("V1", "V2", "V1", "V2")
    assert story.mended(LITERAL_ROLLBACK) == {"D3": ["rollback", "D2"], "D4": ["rollback", "D3"]}


def test_strict_means_any_deployment_between_the_rollback_and_its_target() -> None:
    story = versions("V1", "V2", "V3", "V1", "V2")
    assert story.mended() == {"D4": ["rollback", "D2"]}
    assert story.classified()[4].flags == ("reinstated",)


def test_strict_means_just_before() -> None:
    """V3 came in between: going back to V2 follows the letter."""
    assert versions("V1", "V2", "V1", "V3", "V2").mended() == {"D3": ["rollback", "D2"], "D5": ["rollback", "D3"]}


def test_after_a_reinstatement_the_letter_holds_again() -> None:
    assert versions("V1", "V2", "V1", "V2", "V1").mended() == {"D3": ["rollback", "D2"], "D5": ["rollback", "D4"]}


def test_older_than_the_target_is_a_rollback_too() -> None:
    assert versions("V0", "V1", "V2", "V1", "V0").mended() == {"D4": ["rollback", "D3"], "D5": ["rollback", "D2"]}


def test_reinstating_is_seen_by_the_sha_too() -> None:
    story = Story()
    for commit in ("aa", "bb", "aa", "bb"):
        story.deploy(commit=commit)
    assert story.mended() == {"D3": ["rollback", "D2"]}


def test_with_git_on_both_the_sha_decides() -> None:
    story = Story()
    story.deploy(version="V1", commit="aa")
    story.deploy(version="V2", commit="bb")
    story.deploy(version="V1", commit="cc")
    assert story.mended() == {}
    story.deploy(version="V9", commit="bb")
    assert story.mended() == {"D4": ["rollback", "D3"]}
    (evidence,) = story.classified()[3].remediations
    assert (evidence.field, evidence.value, evidence.original) == ("commit_sha", sha("bb").hex(), "D2")


def test_where_one_has_no_git_the_version_decides() -> None:
    story = Story()
    story.deploy(version="V1")
    story.deploy(version="V2", commit="bb")
    story.deploy(version="V1", commit="cc")
    story.deploy(version="V2")
    assert story.mended(LITERAL_ROLLBACK) == {"D3": ["rollback", "D2"], "D4": ["rollback", "D3"]}


def test_an_empty_version_is_no_version() -> None:
    story = Story()
    for commit in ("aa", "bb", "cc"):
        story.deploy(commit=commit)
    assert story.mended() == {}


def test_neither_git_nor_version_is_no_identity() -> None:
    story = versions("V1", "V2")
    story.deploy()
    nameless = replace(story.series[2].deployment, version="")
    story.series[2] = replace(story.series[2], deployment=nameless)
    assert story.mended() == {}
    assert story.reasons() == {"D3": [("rollback", "no_identity")]}


def test_a_nameless_deployment_just_before_may_have_been_the_same() -> None:
    story = versions("V1", "V2", "")
    story.series[2] = replace(story.series[2], deployment=replace(story.series[2].deployment, version=""))
    story.deploy(version="V1")
    assert story.mended() == {}
    assert story.reasons() == {"D3": [("rollback", "no_identity")], "D4": [("rollback", "no_identity")]}


def test_going_back_to_what_was_never_deployed_is_only_flagged() -> None:
    story = versions("V2", "V1")
    story.series[1] = replace(story.series[1], moved_backwards=True)
    assert story.mended() == {}
    assert story.classified()[1].flags == ("moved_backwards",)


def test_a_rollback_comes_before_the_rules() -> None:
    story = versions("V1", "V2")
    story.deploy(story.pull(1, "hotfix"), version="V1")
    assert story.mended() == {"D3": ["rollback", "D2"]}


# Linked rules ----------------------------------------------------------------------------------------------------


def cart(**revert: str) -> Story:
    """#1 goes out with D2, something else with D3, its revert #9 with D4."""
    story = Story()
    one, other = story.pull(1, "Add cart"), story.pull(2)
    story.deploy()
    story.deploy(one)
    story.deploy(other)
    revert = {"title": "Cart", **revert}
    story.deploy(story.pull(9, **revert))
    return story


@pytest.mark.parametrize(
    ("revert", "evidence"),
    [
        (
            {"message": f"Undo\n\nThis reverts commit {sha('01aaaaaa').hex()}."},
            ("revert-sha", "commit_message", f"This reverts commit {sha('01aaaaaa').hex()}.", sha("01aaaaaa").hex()),
        ),
        (
            {"message": "This reverts commit 01aaaaa (Add cart)."},
            ("revert-sha", "commit_message", "This reverts commit 01aaaaa (Add cart).", sha("01aaaaaa").hex()),
        ),
        (
            {"message": "x\n\nThis reverts merge request !1"},
            ("revert-mr", "commit_message", "This reverts merge request !1", "1"),
        ),
        ({"body": "Reverts #1"}, ("revert-number", "pr_body", "Reverts #1", "1")),
        ({"body": "Sorry\nReverts acme/shop#1\n"}, ("revert-number", "pr_body", "Reverts acme/shop#1", "1")),
        ({"body": "Reverts Acme/Shop#1"}, ("revert-number", "pr_body", "Reverts Acme/Shop#1", "1")),
        (
            {"body": "Reverts github.com/acme/shop#1"},
            ("revert-number", "pr_body", "Reverts github.com/acme/shop#1", "1"),
        ),
        ({"branch": "revert-1-cart"}, ("revert-branch", "pr_branch", "revert-1-cart", "1")),
        ({"title": 'Revert "Add cart"'}, ("revert-title", "pr_title", 'Revert "Add cart"', "1")),
    ],
)
def test_a_revert_blames_the_deployment_that_carried_its_original(
    revert: dict[str, str], evidence: tuple[str, ...]
) -> None:
    story = cart(**revert)
    assert story.mended() == {"D4": ["rollforward", "D2"]}
    (found,) = story.classified()[3].remediations
    assert (found.rule, found.field, found.value, found.original) == evidence
    assert story.reasons() == {}


@pytest.mark.parametrize(
    ("revert", "rule"),
    [
        ({"message": "This reverts commit 01aaaaab."}, "revert-sha"),
        ({"body": "Reverts #77"}, "revert-number"),
        ({"body": "Reverts acme/shopping#1"}, "revert-number"),
        ({"body": "Reverts other/shop#1"}, "revert-number"),
        ({"body": "Reverts #9"}, "revert-number"),
        ({"body": "Reverts #" + "1" * 5000}, "revert-number"),
        ({"title": 'Revert "add cart"'}, "revert-title"),
        ({"title": 'Revert "Add carts"'}, "revert-title"),
    ],
)
def test_an_unknown_original_classifies_nothing_and_says_so(revert: dict[str, str], rule: str) -> None:
    story = cart(**revert)
    assert story.mended() == {}
    assert story.reasons() == {"D4": [(rule, "unknown_original")]}


def test_an_ambiguous_abbreviation_is_unknown() -> None:
    story = cart(message="This reverts commit 01aaaaa.")
    story.commit("01aaaaab", "another")
    assert story.reasons() == {"D4": [("revert-sha", "unknown_original")]}


def test_what_only_the_first_deployment_brought_is_unknown() -> None:
    """A first deployment has no range, so nothing is known to be carried by it."""
    story = Story()
    story.pull(1, "Add cart")
    story.deploy()
    story.deploy(story.pull(9, "Cart", body="Reverts #1"))
    assert story.reasons() == {"D2": [("revert-number", "unknown_original")]}


def test_the_order_is_sha_number_branch_title() -> None:
    """All four point elsewhere: the sha is believed. Take the rules away one by one, and the next one is."""
    story = Story()
    pulls = [story.pull(number, f"Title {number}") for number in (1, 2, 3, 4)]
    story.deploy()
    for pull in pulls:
        story.deploy(pull)
    story.deploy(
        story.pull(
            9, 'Revert "Title 4"', body="Reverts #2", branch="revert-3-x", message="This reverts commit 01aaaaaa"
        )
    )
    blamed = []
    for left in range(5):
        if left == 1:
            continue  # The rule for merge requests reads messages too and sees nothing here.
        rules = compile_rules(replace(DEFAULT_RULES, linked=DEFAULT_RULES.linked[left:]))
        blamed.append(story.mended(rules)["D6"])
    assert blamed == [["rollforward", "D2"], ["rollforward", "D3"], ["rollforward", "D4"], ["rollforward", "D5"]]


def test_an_unknown_sha_leaves_the_word_to_the_number() -> None:
    story = cart(message="This reverts commit fffffff.", body="Reverts #1")
    assert story.mended() == {"D4": ["rollforward", "D2"]}
    assert story.classified()[3].remediations[0].rule == "revert-number"
    assert story.reasons() == {}


def test_of_equal_titles_the_latest_merged_before_the_revert_is_meant() -> None:
    story = Story()
    first, second = story.pull(1, "Bump deps"), story.pull(2, "Bump deps")
    revert = story.pull(8, 'Revert "Bump deps"')
    later = story.pull(9, "Bump deps")
    story.deploy()
    for pull in (first, second, later, revert):
        story.deploy(pull)
    assert story.mended() == {"D5": ["rollforward", "D3"]}


def test_an_unmerged_pull_request_of_that_title_is_not_meant() -> None:
    story = cart(title='Revert "Add cart"')
    story.known.pulls[3] = PullRequest(number=3, title="Add cart")
    assert story.mended() == {"D4": ["rollforward", "D2"]}


def test_the_sha_of_a_merge_commit_stands_for_its_pull_request() -> None:
    """#1 was merged by merge commit 0e, its own commits are c1 and c2; D2 carried c1, D3 c2: the latest counts."""
    story = Story()
    merge = story.commit("0eeeeeee", "Merge pull request #1")
    story.known.pulls[1] = PullRequest(number=1, title="Add cart", merged_at=1_000, merge_sha=merge)
    c1, c2 = story.commit("c1", "one"), story.commit("c2", "two")
    story.deploy()
    story.deploy(c1)
    story.deploy(c2)
    for at, commit in ((1, c1), (2, c2)):
        story.series[at] = replace(story.series[at], changes=(CarriedChange(sha=commit, message="", number=1),))
    revert = f"Revert\n\nThis reverts commit {merge.hex()}, reversing\nchanges made to {sha('dd').hex()}."
    story.deploy(story.commit("ee", revert))
    assert story.mended() == {"D4": ["rollforward", "D3"]}


def test_the_sha_of_a_merge_without_pull_request_stands_for_its_commits() -> None:
    story = Story()
    c1, c2, merge = story.commit("c1", "one"), story.commit("c2", "two"), story.commit("0eeeeeee", "Merge branch x")
    story.known.merges = {merge: (c1, c2, merge)}
    story.deploy()
    story.deploy(c1, c2)
    story.deploy()
    story.deploy(story.commit("ee", f"This reverts commit {merge.hex()}."))
    assert story.mended() == {"D4": ["rollforward", "D2"]}
    assert story.classified()[3].remediations[0].original == merge.hex()


@pytest.mark.parametrize("named", ["5aaaaaaa", "c1"])
def test_a_squashed_commit_and_its_originals_both_point_home(named: str) -> None:
    """D2 carried c1 in place of the squashed 5a, and D4 a squashed revert whose own message names either."""
    story = Story()
    squashed, original = story.commit("5aaaaaaa", "Add cart (#1)"), story.commit("c1", "wip cart")
    revert, work = (
        story.commit("5bbbbbbb", f"Undo (#2)\n\nThis reverts commit {sha(named).hex()}"),
        story.commit("c2", "undo"),
    )
    for _ in range(4):
        story.deploy()
    one = CarriedChange(sha=original, message="wip cart", original_of=squashed, number=1)
    two = CarriedChange(sha=work, message="undo", original_of=revert, number=2)
    story.series[1] = replace(story.series[1], changes=(one,))
    story.series[3] = replace(story.series[3], changes=(two,), squashed=((revert, story.known.messages[revert]),))
    assert story.mended() == {"D4": ["rollforward", "D2"]}
    lone = replace(story.series[3], changes=(replace(two, number=None),))
    story.series[3] = lone
    assert story.mended() == {"D4": ["rollforward", "D2"]}
    story.series[3] = replace(lone, changes=(replace(two, number=None, redeployed=True),))
    assert story.mended() == {}


def test_the_latest_earlier_deployment_that_carried_it_failed() -> None:
    """D2 brought #1, D3 rolled back, D4 brought it again (redeployed), D5 reverts it: D4 failed."""
    story = Story()
    one = story.pull(1)
    story.deploy(version="V1")
    story.deploy(one, version="V2")
    story.deploy(version="V1")
    story.deploy(story.pull(2), version="V3", again=[one])
    story.deploy(story.pull(9, "Undo", body="Reverts #1"))
    assert story.mended() == {"D3": ["rollback", "D2"], "D5": ["rollforward", "D4"]}


def test_original_and_revert_in_one_deployment() -> None:
    story = Story()
    one = story.pull(1)
    story.deploy()
    story.deploy(one, story.pull(9, "Undo", body="Reverts #1"))
    assert story.mended() == {}
    assert story.reasons() == {"D2": [("revert-number", "same_deployment")]}


def test_a_squashed_original_in_the_same_deployment() -> None:
    story = Story()
    squashed, original = story.commit("5aaaaaaa", "Add cart (#1)"), story.commit("c1", "wip cart")
    story.deploy()
    story.deploy(story.commit("ee", "This reverts commit 5aaaaaaa."))
    one = CarriedChange(sha=original, message="wip cart", original_of=squashed)
    story.series[1] = replace(story.series[1], changes=(*story.series[1].changes, one))
    assert story.reasons() == {"D2": [("revert-sha", "same_deployment")]}


def test_a_pull_request_that_reverts_a_commit_of_its_own() -> None:
    story = Story()
    wip, undo = story.commit("c1", "wip"), story.commit("c2", f"This reverts commit {sha('c1').hex()}.")
    story.deploy()
    story.deploy()
    changes = tuple(CarriedChange(sha=each, message=story.known.messages[each], number=1) for each in (wip, undo))
    story.series[1] = replace(story.series[1], changes=changes)
    assert story.mended() == {}
    assert story.reasons() == {"D2": [("revert-sha", "same_deployment")]}
    pull = PullRequest(number=1, title="Cart")
    messages = [change.message for change in changes]
    assert flag_pull_request(pull, messages, RULES, story.known, [wip, undo]) is None
    rebased = story.pull(2)
    assert flag_pull_request(rebased, ("This reverts commit 02aaaaaa.",), RULES, story.known) is None


def test_static_rules_are_still_asked_after_a_link_that_failed() -> None:
    story = Story()
    one = story.pull(1)
    story.deploy()
    story.deploy(one, story.pull(9, "Undo", body="Reverts #1", labels=("hotfix",)))
    assert story.mended() == {"D2": ["rollforward", "D1"]}
    assert story.reasons() == {"D2": [("revert-number", "same_deployment")]}


def test_two_reverts_in_one_deployment_mend_two() -> None:
    """One by its body, one by its title, and two lines in one message."""
    story = Story()
    pulls = [story.pull(number, f"Title {number}") for number in (1, 2, 3, 4)]
    story.deploy()
    for pull in pulls:
        story.deploy(pull)
    story.deploy(
        story.pull(7, "Undo", body="Reverts #1"),
        story.pull(8, 'Revert "Title 2"'),
        story.pull(9, "More", message="This reverts commit 03aaaaaa.\nThis reverts commit 04aaaaaa."),
    )
    assert story.mended() == {"D6": ["rollforward", "D2", "D3", "D4", "D5"]}


def test_of_two_proofs_for_one_target_the_stronger_is_kept() -> None:
    story = Story()
    one = story.pull(1, "Add cart")
    story.deploy()
    story.deploy(one)
    story.deploy(story.pull(8, 'Revert "Add cart"'), story.pull(9, "Undo", message="This reverts commit 01aaaaaa"))
    (found,) = story.classified()[2].remediations
    assert found.rule == "revert-sha"


def test_redeployed_changes_are_not_asked() -> None:
    story = cart(body="Reverts #1")
    story.deploy(story.pull(5), again=[story.known.pulls[9]])
    assert story.mended() == {"D4": ["rollforward", "D2"]}


def test_a_linked_version_points_to_the_latest_deployment_of_it() -> None:
    rules = with_rules(linked=[Rule(id="mends", field="pr_body", pattern="Mends release $version")])
    story = versions("V1", "V2", "V3")
    story.deploy(story.pull(1, body="Mends release V2"))
    story.deploy(story.pull(2, body="Mends release V7"))
    story.deploy(story.pull(3, body="Mends release V8"), version="V8")
    assert story.mended(rules) == {"D4": ["rollforward", "D2"]}
    assert story.reasons(rules) == {"D5": [("mends", "unknown_original")], "D6": [("mends", "same_deployment")]}
    assert story.classified(rules)[3].remediations[0].original == "V2"


def test_a_version_may_say_what_it_mends() -> None:
    rules = with_rules(linked=[Rule(id="fixes", field="version", pattern="-fixes-$version$")])
    story = versions("1.0", "1.1", "1.2", "1.3-fixes-1.1", "1.3-fixes-1.1")
    assert story.mended(rules) == {"D4": ["rollforward", "D2"]}


def test_a_number_counts_in_its_own_repository() -> None:
    """The series changed its repository: #1 of the old one is not #1 of the new."""
    story = cart(body="Reverts #1")
    moved = replace(story.series[3].deployment, repository="github.com/acme/new")
    story.series[3] = replace(story.series[3], deployment=moved)
    assert story.reasons() == {"D4": [("revert-number", "unknown_original")]}


# Reverts of reverts ----------------------------------------------------------------------------------------------


def chain(*reverts: dict[str, str]) -> Story:
    """#1 goes out with D2; each further pull request, #2, #3, …, with a deployment of its own."""
    story = Story()
    one = story.pull(1, "Add cart")
    story.deploy()
    story.deploy(one)
    for number, revert in enumerate(reverts, 2):
        story.deploy(story.pull(number, **{"title": f"Change {number}", **revert}))
    return story


BY_NUMBER = [{"body": f"Reverts #{number}"} for number in (1, 2, 3, 4)]
BY_SHA = [{"message": f"This reverts commit {sha(f'{number:02d}aaaaaa').hex()}."} for number in (1, 2, 3, 4)]
BY_BRANCH = [{"branch": f"revert-{number}-cart"} for number in (1, 2, 3, 4)]
BY_TITLE = [
    {"title": 'Revert "Add cart"'},
    {"title": 'Revert "Revert "Add cart""'},
    {"title": 'Revert "Revert "Revert "Add cart"""'},
    {"title": 'Revert "Revert "Revert "Revert "Add cart""""'},
]
AS_GIT_SAYS = [
    {**BY_SHA[0], "title": 'Revert "Add cart"'},
    {**BY_SHA[1], "title": 'Reapply "Add cart"'},
    {**BY_SHA[2], "title": 'Revert "Reapply "Add cart""'},
    {**BY_SHA[3], "title": 'Reapply "Reapply "Add cart""'},
]


@pytest.mark.parametrize(
    "reverts", [BY_NUMBER, BY_SHA, BY_BRANCH, BY_TITLE, AS_GIT_SAYS], ids=["number", "sha", "branch", "title", "git"]
)
def test_an_even_chain_is_a_reland_and_an_odd_one_points_to_what_it_names(reverts: list[dict[str, str]]) -> None:
    """D3 reverts #1: D2 failed. D4 reverts the revert: nothing. D5 reverts the re-land, which D4 carried: D4 failed."""
    story = chain(*reverts)
    assert story.mended() == {"D3": ["rollforward", "D2"], "D5": ["rollforward", "D4"]}
    reasons = story.reasons()
    assert {reason for _, reason in reasons["D4"]} == {"reland"}
    assert {reason for _, reason in reasons["D6"]} == {"reland"}


def test_literal_relands_restore_the_wording() -> None:
    story = chain(*BY_NUMBER[:2])
    assert story.mended(LITERAL_RELAND) == {"D3": ["rollforward", "D2"], "D4": ["rollforward", "D3"]}


def test_a_chain_may_change_its_way_of_naming() -> None:
    story = chain(BY_TITLE[0], BY_SHA[1], BY_NUMBER[2])
    assert story.mended() == {"D3": ["rollforward", "D2"], "D5": ["rollforward", "D4"]}


def test_a_reland_stops_the_decision() -> None:
    story = chain(BY_NUMBER[0])
    story.deploy(story.pull(3, "Cart again", body="Reverts #2", labels=("hotfix",)))
    assert story.mended() == {"D3": ["rollforward", "D2"]}


def test_a_reland_beside_a_revert_does_not_hide_it() -> None:
    story = chain(BY_NUMBER[0])
    story.deploy(story.pull(5))
    story.deploy(story.pull(3, "Cart again", body="Reverts #2"), story.pull(4, "Undo", body="Reverts #5"))
    assert story.mended() == {"D3": ["rollforward", "D2"], "D5": ["rollforward", "D4"]}


@pytest.mark.parametrize("title", ['Reapply "Add cart"', 'Revert "Revert "Add cart""'])
def test_titles_tell_parity_where_the_chain_is_not_known(title: str) -> None:
    """The reverted revert was never seen here."""
    story = chain({"title": title, "message": f"{title}\n\nThis reverts commit fffffff."})
    assert story.mended() == {}
    assert story.reasons()["D3"][0] == ("revert-sha", "reland")


def test_a_reverted_revert_in_one_deployment_mends_nothing() -> None:
    """D2 carried #1; D3 carries its revert and the revert of that: the cart is still there."""
    story = Story()
    one = story.pull(1)
    story.deploy()
    story.deploy(one)
    story.deploy(story.pull(2, "Undo", body="Reverts #1"), story.pull(3, "Redo", body="Reverts #2"))
    assert story.mended() == {}
    assert sorted(story.reasons()["D3"]) == [("revert-number", "reland"), ("revert-number", "same_deployment")]


def test_a_revert_whose_reland_was_reverted_in_the_same_deployment_stands() -> None:
    story = Story()
    one = story.pull(1)
    story.deploy()
    story.deploy(one)
    story.deploy(*(story.pull(number, f"Step {number}", body=f"Reverts #{number - 1}") for number in (2, 3, 4)))
    assert story.mended() == {"D3": ["rollforward", "D2"]}


def test_a_circle_of_reverts_ends() -> None:
    story = chain({"body": "Reverts #3"}, {"body": "Reverts #2"})
    assert len(story.classified()) == 4


def test_a_very_long_chain_in_one_deployment_ends() -> None:
    story = Story()
    story.deploy()
    story.deploy(*(story.pull(number, f"Step {number}", body=f"Reverts #{number - 1}") for number in range(2, 99)))
    assert story.mended() == {}


def test_parity_is_of_reverts_only() -> None:
    """A fix of a fix is a fix."""
    rules = with_rules(linked=[REGRESSION])
    story = chain({"body": "Fixes regression of #1"}, {"body": "Fixes regression of #2"})
    assert story.mended(rules) == {"D3": ["rollforward", "D2"], "D4": ["rollforward", "D3"]}


def test_titles_of_a_known_link_tell_of_what_lies_behind_it() -> None:
    """#2 is known and calls itself a re-land of something unknown: its revert is odd."""
    story = Story()
    story.deploy()
    story.deploy(story.pull(2, 'Reapply "Add cart"', message="This reverts commit fffffff."))
    story.deploy(story.pull(3, "Undo", body="Reverts #2"))
    assert story.mended() == {"D3": ["rollforward", "D2"]}


def test_a_fix_of_a_revert_is_no_reland() -> None:
    rules = compile_rules(replace(DEFAULT_RULES, linked=(*DEFAULT_RULES.linked, REGRESSION)))
    story = chain({"body": "Reverts #1"}, {"body": "Fixes regression of #2"})
    assert story.mended(rules) == {"D3": ["rollforward", "D2"], "D4": ["rollforward", "D3"]}


def test_a_revert_of_a_mere_fix_is_odd() -> None:
    rules = compile_rules(replace(DEFAULT_RULES, linked=(*DEFAULT_RULES.linked, REGRESSION)))
    story = chain({"body": "Fixes regression of #1"}, {"body": "Reverts #2"})
    assert story.mended(rules) == {"D3": ["rollforward", "D2"], "D4": ["rollforward", "D3"]}


# Static rules ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pull", "rule"),
    [
        ({"labels": ("type/hotfix",)}, "hotfix-label"),
        ({"title": "HOTFIX: null cart"}, "hotfix-title"),
        ({"branch": "hotfix/cart"}, "hotfix-branch"),
    ],
)
def test_a_hotfix_blames_the_deployment_just_before(pull: dict[str, object], rule: str) -> None:
    story = versions("V1", "V2")
    story.deploy(story.pull(1, **pull), version="V3")  # type: ignore[arg-type]
    assert story.mended() == {"D3": ["rollforward", "D2"]}
    (found,) = story.classified()[2].remediations
    assert (found.rule, found.original) == (rule, "V2")


@pytest.mark.parametrize(
    "pull", [{"labels": ("incident",)}, {"body": "hotfix"}, {"message": "hotfix"}, {"title": "Photo fixture"}]
)
def test_what_is_no_hotfix(pull: dict[str, object]) -> None:
    story = versions("V1", "V2")
    story.deploy(story.pull(1, **pull))  # type: ignore[arg-type]
    assert story.mended() == {}


def test_without_a_deployment_before_there_is_nobody_to_blame() -> None:
    story = Story()
    story.deploy(story.pull(1, "hotfix"))
    assert story.mended() == {}
    assert story.reasons() == {"D1": [("hotfix-title", "no_predecessor")]}


def test_linked_rules_come_before_static_ones() -> None:
    story = cart(body="Reverts #1", title="Hotfix: undo the cart")
    assert story.mended() == {"D4": ["rollforward", "D2"]}


def test_static_rules_decide_in_their_order() -> None:
    rules = with_rules(
        static=[
            Rule(id="second", field="pr_label", pattern="b"),
            Rule(id="first", field="pr_label", pattern="a"),
        ]
    )
    story = versions("V1")
    story.deploy(story.pull(1, labels=("a", "b")))
    assert story.classified(rules)[1].remediations[0].rule == "second"


def test_a_static_rule_may_read_the_version_once() -> None:
    """The second 1.1-hotfix is the first one deployed again: it brings nothing."""
    rules = with_rules(static=[Rule(id="patch", field="version", pattern="-hotfix$")])
    assert versions("1.1", "1.1-hotfix", "1.1-hotfix").mended(rules) == {"D2": ["rollforward", "D1"]}


def test_blame_none_is_rework_without_a_failed_deployment() -> None:
    rules = with_rules(static=[Rule(id="rework", field="pr_label", pattern="^rework$", blame="none")])
    story = Story()
    story.deploy(story.pull(1, labels=("rework",)))
    (found,) = story.classified(rules)
    assert (found.type, found.remediations, found.flags) == ("rollforward", (), ("rework",))


def test_a_commit_without_pull_request_has_a_message_only() -> None:
    rules = with_rules(static=[Rule(id="urgent", field="commit_message", pattern="(?m)^Urgent: yes$")])
    story = versions("V1")
    story.deploy(story.commit("aa", "Mend\n\nUrgent: yes"))
    assert story.mended(rules) == {"D2": ["rollforward", "D1"]}


def test_one_failure_may_be_mended_twice() -> None:
    """The reader of these rows takes the earliest by the order of the series: D3."""
    story = chain({"body": "Reverts #1"}, {"body": "Undo once more\nReverts #1"})
    assert story.mended() == {"D3": ["rollforward", "D2"], "D4": ["rollforward", "D2"]}


# A pull request alone ----------------------------------------------------------------------------------------------


def flagged(story: Story, pull: PullRequest) -> PullRequestFlag | None:
    return flag_pull_request(pull, story.known.messages_of(pull), RULES, story.known)


def test_a_pull_request_is_flagged_before_any_deployment() -> None:
    story = Story()
    story.pull(1, "Add cart")
    opened = PullRequest(number=9, title='Revert "Add cart"', body="Reverts acme/shop#1", head_ref="revert-1-cart")
    assert flagged(story, opened) == PullRequestFlag(
        rule="revert-number", field="pr_body", value="Reverts acme/shop#1", target=1
    )
    by_message = replace(opened, number=10)
    story.known.pull_messages[10] = ("x\n\nThis reverts commit 01aaaaaa.",)
    found = flagged(story, by_message)
    assert found is not None
    assert (found.rule, found.target, found.target_sha) == ("revert-sha", 1, sha("01aaaaaa"))


def test_a_flag_may_not_know_its_target() -> None:
    opened = PullRequest(number=9, title='Revert "Something"')
    assert flagged(Story(), opened) == PullRequestFlag(
        rule="revert-title", field="pr_title", value='Revert "Something"'
    )


def test_a_hotfix_is_flagged() -> None:
    assert flagged(Story(), PullRequest(number=9, labels=("hotfix",))) == PullRequestFlag(
        rule="hotfix-label", field="pr_label", value="hotfix"
    )


def test_what_is_neither_is_not_flagged() -> None:
    story = chain(BY_NUMBER[0])
    assert flagged(story, PullRequest(number=9, title="Add a cart")) is None
    assert flagged(story, PullRequest(number=9, title="Hotfix: cart again", body="Reverts #2")) is None
