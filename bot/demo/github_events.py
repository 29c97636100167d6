"""The webhooks GitHub sends for the shop: pushes, pull requests, reviews, a ping and a star."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from bot.demo.deliveries import Delivery, iso, stable_sha
from bot.demo.history import Moment, Person, PullRequestSpec, ReviewSpec, seconds
from bot.demo.organisation import Built
from bot.standins.forge import Json
from bot.standins.github import bodies, hooks
from bot.standins.github.pull_bodies import label
from bot.standins.github.state import GHOST, Hosted, Pull, Review, World
from bot.standins.repository import ZEROS, Repository

BORN = "-92 08:00"


def github_events(shop: Built) -> Iterator[Delivery]:
    """All of GitHub's deliveries, in no order."""
    yield from _Teller(shop).events()


class _Past(Repository):
    """The repository by its objects alone: where a branch was at a moment is the story's to say."""

    def find(self, ref: str) -> None:
        return None


class _Teller:
    """Tells of the shop in the words of the stand-in."""

    def __init__(self, shop: Built) -> None:
        self._shop = shop
        self._world = World(now=shop.base, web=f"https://{shop.spec.host}", api=f"https://api.{shop.spec.host}")
        owner, _, name = shop.spec.path.partition("/")
        born = shop.at(BORN)
        self._hosted = Hosted(
            id=shop.spec.number, owner=self._world.account(owner), name=name, private=True, git=_Past(shop.directory),
            created_at=born, updated_at=born, pushed_at=born,
        )  # fmt: skip

    def events(self) -> Iterator[Delivery]:
        """All deliveries, in no order."""
        shop = self._shop
        yield self._delivery("-92 09:00", "ping", "ping", {
            "zen": "Practicality beats purity.", "hook_id": 480_001,
            "hook": {
                "type": "App", "id": 480_001, "name": "web", "active": True, "app_id": 33_001,
                "events": ["pull_request", "push"],
            },
        })  # fmt: skip
        yield self._delivery("-50 09:00", "star", "star", {
            "action": "created", "starred_at": iso(shop.at("-50 09:00")),
            "repository": bodies.repository(self._world, self._hosted), "sender": bodies.user(self._world, GHOST),
        })  # fmt: skip
        yield from self._pushes_to_main()
        for pull in shop.spec.pull_requests:
            yield from self._pull_request(pull)
        for tag in shop.spec.tags:
            sender = shop.spec.people[tag.tagger or "alice"]
            yield self._push(tag.at, f"refs/tags/{tag.name}", ZEROS, shop.tags[tag.name], (), sender)

    def _delivery(self, at: Moment, event: str, what: str, payload: Mapping[str, Json]) -> Delivery:
        installation: Json = {"id": 880_001, "node_id": bodies.node("MDIz", 880_001)}
        return Delivery(
            at=self._shop.at(at), name=f"github {what}", path="/webhooks/github", kind="github", event=event,
            payload={**payload, "installation": installation}, base=self._shop.base,
        )  # fmt: skip

    def _pushes_to_main(self) -> Iterator[Delivery]:
        """One push for each time main moved: a commit pushed to it, or all that a merge brought."""
        shop, before = self._shop, ZEROS
        for key, news, pull in shop.steps_of_main():
            pusher = shop.spec.people[pull.merged_by if pull else shop.commit(key).author]
            fresh = (key,) if pull and pull.landing == "merge" else news
            yield self._push(shop.landed_at(key), "refs/heads/main", before, shop.shas[key], news, pusher, fresh=fresh)
            before = shop.shas[key]

    def _pull_request(self, pull: PullRequestSpec) -> Iterator[Delivery]:
        shop = self._shop
        author = shop.spec.people[pull.author]
        ref = f"refs/heads/{pull.branch}"
        first = shop.head_at(pull, pull.opened)
        below = shop.below(pull)
        own = tuple(key for key in pull.commits if below is None or key not in below.commits)
        begun = own[: own.index(first) + 1]
        yield self._push(shop.commit(first).at, ref, ZEROS, shop.shas[first], begun, author)
        yield self._changed(pull, pull.opened, "opened", author)
        for key in own[len(begun) :]:
            at = shop.commit(key).at
            before = shop.shas[shop.commit(key).parents[0]]
            yield self._push(at, ref, before, shop.shas[key], (key,), author)
            yield self._changed(pull, at, "synchronize", author, {"before": before, "after": shop.shas[key]})
        for at, ready in pull.flips:
            yield self._changed(pull, at, "ready_for_review" if ready else "converted_to_draft", author)
        for name, at in pull.labels:
            yield self._changed(pull, at, "labeled", author, {"label": label(self._world, self._hosted, name)})
        for review in pull.reviews:
            yield self._reviewed(pull, review, dismissed=False)
            if review.dismissed:
                yield self._reviewed(pull, review, dismissed=True)
        if pull.retargeted:
            old = {"ref": {"from": pull.stacked_on}, "sha": {"from": shop.shas[shop.commit(own[0]).parents[0]]}}
            yield self._changed(pull, pull.retargeted, "edited", author, {"changes": {"base": old}})
        if pull.merged:
            merger = shop.spec.people[pull.merged_by]
            yield self._changed(pull, pull.merged, "closed", merger)
            if not pull.branch_kept:
                yield self._push(pull.merged, ref, shop.shas[pull.commits[-1]], ZEROS, (), merger)

    def _changed(
        self, pull: PullRequestSpec, at: Moment, action: str, sender: Person, more: dict[str, Json] | None = None
    ) -> Delivery:
        payload = hooks.pull_request(self._world, self._hosted, self._pull(pull, at), action, sender, more)
        return self._delivery(at, "pull_request", f"pull_request {pull.number} {action} {at}", payload)

    def _reviewed(self, pull: PullRequestSpec, review: ReviewSpec, *, dismissed: bool) -> Delivery:
        shop = self._shop
        at = review.dismissed if dismissed else review.at
        reviewer = shop.spec.people[review.by]
        one = Review(
            id=review.id, by=reviewer, state="dismissed" if dismissed else review.state, body="",
            commit=shop.shas[shop.head_at(pull, review.at)], submitted_at=shop.at(review.at), updated_at=shop.at(at),
        )  # fmt: skip
        action = "dismissed" if dismissed else "submitted"
        payload = hooks.reviewed(self._world, self._hosted, self._pull(pull, at), one, action, reviewer)
        return self._delivery(at, "pull_request_review", f"review {review.id} {action}", payload)

    def _pull(self, pull: PullRequestSpec, at: Moment) -> Pull:
        """The pull request as it was at that moment."""
        shop, now = self._shop, seconds(at)
        merged = bool(pull.merged) and now >= seconds(pull.merged)
        below = shop.below(pull) if pull.retargeted and now < seconds(pull.retargeted) else None
        return Pull(
            id=1_910_000 + pull.number,
            number=pull.number,
            head=pull.branch,
            base=below.branch if below else "main",
            head_sha=shop.shas[shop.head_at(pull, at)],
            base_sha=shop.shas[shop.head_at(below, at) if below else shop.main_before(at)],
            title=pull.title,
            body=pull.body,
            author=shop.spec.people[pull.author],
            draft=next((not ready for when, ready in reversed(pull.flips) if seconds(when) <= now), pull.draft),
            labels=[name for name, when in pull.labels if seconds(when) <= now],
            created_at=shop.at(pull.opened),
            updated_at=shop.at(at),
            open=not merged,
            # Before the merge it is the sha of a merge that GitHub only tries out.
            merge_sha=shop.shas[pull.landed] if merged else stable_sha(f"test merge {pull.number} {at}"),
            closed_at=shop.at(pull.merged) if merged else None,
            merged_at=shop.at(pull.merged) if merged else None,
            merged_by=shop.spec.people[pull.merged_by] if merged else None,
        )

    def _push(
        self, at: Moment, ref: str, before: str, after: str, news: Sequence[str], sender: Person,
        fresh: Sequence[str] | None = None,
    ) -> Delivery:  # fmt: skip
        """A push; `news` are the commits it lists, `fresh` (default: all) those seen on no other branch before."""
        shas, hosted = self._shop.shas, replace(self._hosted, pushed_at=self._shop.at(at))
        distinct = {shas[key] for key in (news if fresh is None else fresh)}
        payload = hooks.push(self._world, hosted, ref, before, after, [shas[key] for key in news], distinct, sender)
        return self._delivery(at, "push", f"push {ref} {after}", payload)
