"""The webhooks GitLab sends for the ledger: pushes, tag pushes and merge requests."""

from collections.abc import Iterator, Mapping, Sequence

from bot.demo.deliveries import Delivery, iso
from bot.demo.history import Moment, Person, PullRequestSpec, seconds
from bot.demo.organisation import Built
from bot.standins.forge import Json
from bot.standins.gitlab import GitLab, payloads
from bot.standins.gitlab.place import Place
from bot.standins.gitlab.spelling import old_time
from bot.standins.gitlab.state import Approval, MergeRequest, RefChange
from bot.standins.repository import ZEROS

NEWER = 3
"""Merge requests from this number on write their instants as ISO 8601, older ones as GitLab used to."""


def gitlab_events(ledger: Built) -> Iterator[Delivery]:
    """All of GitLab's deliveries, in no order."""
    yield from _Teller(ledger).events()


class _Teller:
    """Tells of the ledger in the words of the stand-in."""

    def __init__(self, ledger: Built) -> None:
        self._ledger = ledger
        forge = GitLab(ledger.directory.parent, now=ledger.base)
        forge.external_url = f"https://{ledger.spec.host}"
        group, _, slug = ledger.spec.path.rpartition("/")
        self._place = Place(
            forge, ledger.spec.number, forge.create_group(group), slug, ledger.directory, "main", private=True
        )

    def events(self) -> Iterator[Delivery]:
        """All deliveries, in no order."""
        ledger = self._ledger
        yield from self._pushes_to_main()
        for pull in ledger.spec.pull_requests:
            yield from self._merge_request(pull)
        for tag in ledger.spec.tags:
            sender = ledger.spec.people[tag.tagger or "dana"]
            yield self._push(tag.at, f"refs/tags/{tag.name}", ZEROS, ledger.tags[tag.name], (tag.commit,), sender)

    def _pushes_to_main(self) -> Iterator[Delivery]:
        ledger, before = self._ledger, ZEROS
        for key, news, pull in ledger.steps_of_main():
            pusher = ledger.spec.people[pull.merged_by if pull else ledger.commit(key).author]
            yield self._push(ledger.landed_at(key), "refs/heads/main", before, ledger.shas[key], news, pusher)
            before = ledger.shas[key]

    def _merge_request(self, pull: PullRequestSpec) -> Iterator[Delivery]:
        ledger = self._ledger
        author = ledger.spec.people[pull.author]
        head = pull.commits[-1]
        branch = f"refs/heads/{ledger.text(pull.branch)}"
        yield self._push(ledger.commit(head).at, branch, ZEROS, ledger.shas[head], pull.commits, author)
        yield self._event(pull, pull.opened, "open", author, {})
        for at, ready in pull.flips:
            yield self._event(pull, at, "update", author, {"draft": {"previous": ready, "current": not ready}})
        for review in pull.reviews:
            yield self._event(pull, review.at, "approved", ledger.spec.people[review.by], {})
        merger = ledger.spec.people[pull.merged_by]
        yield self._event(pull, pull.merged, "merge", merger, {"state_id": {"previous": 4, "current": 3}})
        yield self._push(pull.merged, branch, ledger.shas[head], ZEROS, (), merger)

    def _event(
        self, pull: PullRequestSpec, at: Moment, action: str, by: Person, changes: Mapping[str, Json]
    ) -> Delivery:
        ledger = self._ledger
        people = ledger.spec.people
        merged = action == "merge"
        draft = next((not ready for when, ready in reversed(pull.flips) if seconds(when) <= seconds(at)), pull.draft)
        # A fast-forward has none, and the squashed commit behind a merge commit is not told.
        merge_commit = ledger.shas[pull.landed] if merged and pull.landing != "fast-forward" else None
        seen = MergeRequest(
            id=990_000 + pull.number,
            iid=pull.number,
            title=f"Draft: {pull.title}" if draft else pull.title,
            description=pull.body,
            author=people[pull.author],
            source=ledger.text(pull.branch),
            target="main",
            head=ledger.shas[pull.commits[-1]],
            base=ledger.shas[ledger.commit(pull.commits[0]).parents[0]],
            created_at=ledger.at(pull.opened),
            updated_at=ledger.at(at),
            state="merged" if merged else "opened",
            merged_by=people[pull.merged_by] if merged else None,
            merge_commit_sha=merge_commit,
            approvals=[
                Approval(id=review.id, user=people[review.by], at=ledger.at(review.at))
                for review in pull.reviews
                if seconds(review.at) <= seconds(at)
            ],
        )
        written = iso if pull.number >= NEWER else old_time
        payload = payloads.merge_request(self._place, seen, by, action=action, changes=changes, written=written)
        return self._delivery(at, "Merge Request Hook", f"merge_request {pull.number} {action} {at}", payload)

    def _push(self, at: Moment, ref: str, before: str, after: str, news: Sequence[str], by: Person) -> Delivery:
        shas = [self._ledger.shas[key] for key in news]
        change = RefChange(ref=ref, before=before, after=after)
        payload = payloads.push(self._place, change, by, news=shas, total=len(shas))
        event = "Tag Push Hook" if ref.startswith("refs/tags/") else "Push Hook"
        return self._delivery(at, event, f"push {ref} {after}", payload)

    def _delivery(self, at: Moment, event: str, what: str, payload: Mapping[str, Json]) -> Delivery:
        return Delivery(
            at=self._ledger.at(at), name=f"gitlab {what}", path="/webhooks/gitlab", kind="gitlab", event=event,
            payload=payload, base=self._ledger.base,
        )  # fmt: skip
