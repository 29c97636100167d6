"""Stories of deployments, pull requests and reverts for the tests of remediation, told in a few words each."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from bot.dora.commits import Sha
from bot.dora.deployments import Deployment, Series
from bot.dora.pull_requests import PullRequest
from bot.dora.remediation import (
    Carried,
    CarriedChange,
    Classified,
    classify,
)
from bot.dora.rules import DEFAULT_RULES, CompiledRules, Rule, compile_rules

SHOP = "github.com/acme/shop"
RULES = compile_rules(DEFAULT_RULES)


REGRESSION = Rule(id="regression", field="pr_body", pattern="Fixes regression of #$pr_number")


def sha(name: str) -> Sha:
    """A commit's sha; `name` is hex, the first digits."""
    return bytes.fromhex(name.ljust(40, "0"))


@dataclass
class Known:
    """One repository as the rules may ask it, in memory."""

    names: Collection[str] = (SHOP,)
    messages: dict[Sha, str] = field(default_factory=dict)
    pulls: dict[int, PullRequest] = field(default_factory=dict)
    pull_messages: dict[int, tuple[str, ...]] = field(default_factory=dict)
    merges: Mapping[Sha, Sequence[Sha]] = field(default_factory=dict)
    rebased: Mapping[Sha, Sha] = field(default_factory=dict)

    def resolve_sha(self, prefix: str) -> Sha | None:
        found = [each for each in self.messages if each.hex().startswith(prefix)]
        return found[0] if len(found) == 1 else None

    def pull_request_merged_as(self, sha: Sha) -> int | None:
        return next((number for number, pull in self.pulls.items() if pull.merge_sha == sha), None)

    def rebased_as(self, sha: Sha) -> Sha | None:
        return self.rebased.get(sha)

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
