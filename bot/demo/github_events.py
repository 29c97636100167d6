"""The webhooks GitHub sends for the shop: pushes, pull requests, reviews, a ping and a star."""

from collections.abc import Iterator, Mapping

from bot.demo.deliveries import Delivery, Json, iso, local_iso, stable_sha
from bot.demo.history import Moment, Person, PullRequestSpec, ReviewSpec, seconds
from bot.demo.organisation import Built
from bot.standins.repository import ZEROS

API = "https://api.github.com"
GHOST = Person(login="github", name="GitHub", number=9919)


def github_events(shop: Built) -> Iterator[Delivery]:
    """All of GitHub's deliveries, in no order."""
    yield _delivery(shop, "-92 09:00", "ping", "ping", {
        "zen": "Practicality beats purity.", "hook_id": 480_001,
        "hook": {"type": "App", "id": 480_001, "name": "web", "active": True, "events": ["pull_request", "push"], "app_id": 33_001},
    })  # fmt: skip
    yield _delivery(shop, "-50 09:00", "star", "star", {
        "action": "created", "starred_at": iso(shop.at("-50 09:00")), "repository": _repository(shop), "sender": _user(GHOST),
    })  # fmt: skip
    yield from _pushes_to_main(shop)
    for pull in shop.spec.pull_requests:
        yield from _pull_request(shop, pull)
    for tag in shop.spec.tags:
        sender = shop.spec.people[tag.tagger or "alice"]
        after = shop.tags[tag.name]
        yield _push(shop, tag.at, f"refs/tags/{tag.name}", ZEROS, after, (), tag.commit, sender)


def _delivery(shop: Built, at: Moment, event: str, what: str, payload: Mapping[str, Json]) -> Delivery:
    return Delivery(
        at=shop.at(at), name=f"github {what}", path="/webhooks/github", kind="github", event=event, payload=payload, base=shop.base
    )


def _pushes_to_main(shop: Built) -> Iterator[Delivery]:
    """One push for each time main moved: a commit pushed to it, or all that a merge brought."""
    merges = {pull.landed: pull for pull in shop.spec.pull_requests if pull.landed}
    brought = {key for pull in merges.values() for key in pull.brought}
    before = ZEROS
    for key in shop.spec.line:
        if key in brought:
            continue
        pull = merges.get(key)
        news = (*pull.brought, key) if pull else (key,)
        pusher = shop.spec.people[pull.merged_by if pull else shop.commit(key).author]
        fresh = (key,) if pull and pull.landing == "merge" else news
        yield _push(shop, shop.landed_at(key), "refs/heads/main", before, shop.shas[key], news, key, pusher, fresh=fresh)
        before = shop.shas[key]


def _pull_request(shop: Built, pull: PullRequestSpec) -> Iterator[Delivery]:
    author = shop.spec.people[pull.author]
    ref = f"refs/heads/{pull.branch}"
    first = shop.head_at(pull, pull.opened)
    shared = next((other.commits for other in shop.spec.pull_requests if other.branch == pull.stacked_on), ())
    own = tuple(key for key in pull.commits if key not in shared)
    begun = own[: own.index(first) + 1]
    yield _push(shop, shop.commit(first).at, ref, ZEROS, shop.shas[first], begun, first, author)
    yield _changed(shop, pull, pull.opened, "opened", author)
    for key in own[len(begun) :]:
        at = shop.commit(key).at
        before = shop.shas[shop.commit(key).parents[0]]
        yield _push(shop, at, ref, before, shop.shas[key], (key,), key, author)
        yield _changed(shop, pull, at, "synchronize", author, {"before": before, "after": shop.shas[key]})
    for at, ready in pull.flips:
        yield _changed(shop, pull, at, "ready_for_review" if ready else "converted_to_draft", author)
    for label, at in pull.labels:
        yield _changed(shop, pull, at, "labeled", author, {"label": _label(label)})
    for review in pull.reviews:
        yield _reviewed(shop, pull, review, dismissed=False)
        if review.dismissed:
            yield _reviewed(shop, pull, review, dismissed=True)
    if pull.retargeted:
        old = {"ref": {"from": pull.stacked_on}, "sha": {"from": shop.shas[shop.commit(own[0]).parents[0]]}}
        yield _changed(shop, pull, pull.retargeted, "edited", author, {"changes": {"base": old}})
    if pull.merged:
        merger = shop.spec.people[pull.merged_by]
        yield _changed(shop, pull, pull.merged, "closed", merger)
        if not pull.branch_kept:
            yield _push(shop, pull.merged, ref, shop.shas[pull.commits[-1]], ZEROS, (), "", merger)


def _changed(
    shop: Built, pull: PullRequestSpec, at: Moment, action: str, sender: Person, more: Mapping[str, Json] | None = None
) -> Delivery:
    payload: dict[str, Json] = {
        "action": action,
        "number": pull.number,
        "pull_request": {**_reduced(shop, pull, at), **_whole(shop, pull, at)},
        **(more or {}),
        **_context(shop, sender),
    }
    return _delivery(shop, at, "pull_request", f"pull_request {pull.number} {action} {at}", payload)


def _reviewed(shop: Built, pull: PullRequestSpec, review: ReviewSpec, *, dismissed: bool) -> Delivery:
    at = review.dismissed if dismissed else review.at
    reviewer = shop.spec.people[review.by]
    link = f"{shop.spec.web}/pull/{pull.number}#pullrequestreview-{review.id}"
    payload: dict[str, Json] = {
        "action": "dismissed" if dismissed else "submitted",
        "review": {
            "id": review.id,
            "node_id": f"PRR_{review.id}",
            "user": _user(reviewer),
            "body": None,
            "commit_id": shop.shas[shop.head_at(pull, review.at)],
            "submitted_at": iso(shop.at(review.at)),
            "updated_at": iso(shop.at(at)),
            "state": "dismissed" if dismissed else review.state,
            "html_url": link,
            "pull_request_url": f"{API}/repos/{shop.spec.path}/pulls/{pull.number}",
            "author_association": "MEMBER",
            "_links": {"html": {"href": link}, "pull_request": {"href": f"{API}/repos/{shop.spec.path}/pulls/{pull.number}"}},
        },
        "pull_request": _reduced(shop, pull, at),
        **_context(shop, reviewer),
    }
    what = f"review {review.id} {'dismissed' if dismissed else 'submitted'}"
    return _delivery(shop, at, "pull_request_review", what, payload)


def _reduced(shop: Built, pull: PullRequestSpec, at: Moment) -> dict[str, Json]:
    """The pull request inside a review event: nothing of the merge but a sha that means little before it."""
    now = seconds(at)
    merged = bool(pull.merged) and now >= seconds(pull.merged)
    draft = next((not ready for when, ready in reversed(pull.flips) if seconds(when) <= now), pull.draft)
    base = pull.stacked_on if pull.stacked_on and now < seconds(pull.retargeted) else "main"
    onto = shop.shas[shop.main_at(at)]
    url = f"{API}/repos/{shop.spec.path}/pulls/{pull.number}"
    html = f"{shop.spec.web}/pull/{pull.number}"
    author = shop.spec.people[pull.author]
    return {
        "url": url,
        "id": 1_910_000 + pull.number,
        "node_id": f"PR_{pull.number}",
        "html_url": html,
        "diff_url": f"{html}.diff",
        "patch_url": f"{html}.patch",
        "issue_url": f"{API}/repos/{shop.spec.path}/issues/{pull.number}",
        "commits_url": f"{url}/commits",
        "number": pull.number,
        "state": "closed" if merged else "open",
        "locked": False,
        "title": pull.title,
        "user": _user(author),
        "body": pull.body or None,
        "created_at": iso(shop.at(pull.opened)),
        "updated_at": iso(shop.at(at)),
        "closed_at": iso(shop.at(pull.merged)) if merged else None,
        "merged_at": iso(shop.at(pull.merged)) if merged else None,
        # Before the merge it is the sha of a merge that GitHub only tries out.
        "merge_commit_sha": shop.shas[pull.landed] if merged else stable_sha(f"test merge {pull.number} {at}"),
        "assignee": None,
        "assignees": [],
        "requested_reviewers": [],
        "requested_teams": [],
        "labels": [_label(label) for label, when in pull.labels if seconds(when) <= now],
        "milestone": None,
        "draft": draft,
        "head": _side(shop, pull.branch, shop.shas[shop.head_at(pull, at)]),
        "base": _side(shop, base, onto),
        "author_association": "MEMBER",
        "auto_merge": None,
        "active_lock_reason": None,
        "_links": {"self": {"href": url}, "html": {"href": html}},
    }


def _whole(shop: Built, pull: PullRequestSpec, at: Moment) -> dict[str, Json]:
    """What only the pull_request event carries beside the reduced object."""
    merged = bool(pull.merged) and seconds(at) >= seconds(pull.merged)
    commits = [key for key in pull.commits if seconds(shop.commit(key).at) <= seconds(at)]
    return {
        "merged": merged,
        "mergeable": None,
        "rebaseable": None,
        "mergeable_state": "unknown",
        "merged_by": _user(shop.spec.people[pull.merged_by]) if merged else None,
        "comments": 0,
        "review_comments": 0,
        "maintainer_can_modify": False,
        "commits": len(commits),
        "additions": len(commits),
        "deletions": 0,
        "changed_files": len(commits),
    }


def _push(
    shop: Built, at: Moment, ref: str, before: str, after: str, news: tuple[str, ...], head: str, sender: Person,
    fresh: tuple[str, ...] | None = None,
) -> Delivery:  # fmt: skip
    """A push; `news` are the commits it lists, `fresh` those seen on no other branch before."""
    commits = [_commit(shop, key, distinct=key in (news if fresh is None else fresh)) for key in news]
    payload: dict[str, Json] = {
        "ref": ref,
        "before": before,
        "after": after,
        "repository": _repository(shop, pushed_at=shop.at(at)),
        "pusher": {"name": sender.login, "email": sender.email},
        "organization": _organization(),
        "sender": _user(sender),
        "installation": {"id": 880_001, "node_id": "MDIz"},
        "created": before == ZEROS,
        "deleted": after == ZEROS,
        "forced": False,
        "base_ref": None,
        "compare": f"{shop.spec.web}/compare/{before[:12]}...{after[:12]}",
        "commits": commits,
        "head_commit": _commit(shop, head, distinct=True) if head else None,
    }
    return _delivery(shop, at, "push", f"push {ref} {after}", payload)


def _commit(shop: Built, key: str, *, distinct: bool) -> Json:
    spec, delta = shop.commit(key), shop.delta(key)
    author = shop.spec.people[spec.author]
    person: Json = {"name": author.name, "email": author.email, "username": author.login}
    zone = "+0000" if spec.by_forge else author.zone
    return {
        "id": shop.shas[key],
        "tree_id": stable_sha(f"tree {key}"),
        "distinct": distinct,
        "message": shop.message(key).rstrip("\n"),
        "timestamp": local_iso(shop.at(spec.committed_at), zone),
        "url": f"{shop.spec.web}/commit/{shop.shas[key]}",
        "author": person,
        "committer": {"name": "GitHub", "email": "noreply@github.com", "username": "web-flow"} if spec.by_forge else person,
        "added": list(delta.added),
        "removed": list(delta.removed),
        "modified": list(delta.modified),
    }


def _side(shop: Built, ref: str, sha: str) -> Json:
    return {"label": f"acme:{ref}", "ref": ref, "sha": sha, "user": _organization(), "repo": _repository(shop)}


def _context(shop: Built, sender: Person) -> dict[str, Json]:
    return {
        "repository": _repository(shop),
        "organization": _organization(),
        "sender": _user(sender),
        "installation": {"id": 880_001, "node_id": "MDIz"},
    }


def _repository(shop: Built, pushed_at: int | None = None) -> Json:
    """In push events created_at and pushed_at are seconds, everywhere else text."""
    spec, born = shop.spec, shop.at("-92 08:00")
    owner, _, name = spec.path.partition("/")
    return {
        "id": spec.number,
        "node_id": f"R_{spec.number}",
        "name": name,
        "full_name": spec.path,
        "private": True,
        "owner": {**_organization(), "type": "Organization", "name": owner},
        "html_url": spec.web,
        "description": "Everything the shop runs on",
        "fork": False,
        "url": f"{API}/repos/{spec.path}" if pushed_at is None else spec.web,
        "created_at": iso(born) if pushed_at is None else born,
        "updated_at": iso(born),
        "pushed_at": iso(born) if pushed_at is None else pushed_at,
        "git_url": f"git://{spec.id}.git",
        "ssh_url": f"git@{spec.host}:{spec.path}.git",
        "clone_url": f"{spec.web}.git",
        "default_branch": "main",
        "visibility": "private",
    }


def _organization() -> dict[str, Json]:
    return {"login": "acme", "id": 5_100, "node_id": "O_5100", "url": f"{API}/orgs/acme", "description": None}


def _user(person: Person) -> Json:
    return {
        "login": person.login,
        "id": person.number,
        "node_id": f"U_{person.number}",
        "html_url": f"https://github.com/{person.login}",
        "type": "User",
        "site_admin": False,
    }


def _label(name: str) -> Json:
    number = 3_000 + len(name)
    return {"id": number, "node_id": f"LA_{number}", "name": name, "color": "d73a4a", "default": False, "description": None}
