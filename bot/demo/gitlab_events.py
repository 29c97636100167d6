"""The webhooks GitLab sends for the ledger: pushes, tag pushes and merge requests."""

from collections.abc import Iterator, Mapping

from bot.demo.deliveries import Delivery, Json, iso, local_iso, old_gitlab
from bot.demo.history import Moment, Person, PullRequestSpec, seconds
from bot.demo.organisation import Built
from bot.standins.repository import ZEROS

NEWER = 3
"""Merge requests from this number on write their instants as ISO 8601, older ones as GitLab used to."""


def gitlab_events(ledger: Built) -> Iterator[Delivery]:
    """All of GitLab's deliveries, in no order."""
    yield from _pushes_to_main(ledger)
    for pull in ledger.spec.pull_requests:
        yield from _merge_request(ledger, pull)
    for tag in ledger.spec.tags:
        sender = ledger.spec.people[tag.tagger or "dana"]
        yield _push(
            ledger, tag.at, f"refs/tags/{tag.name}", ZEROS, ledger.tags[tag.name], (tag.commit,), sender,
            message=f"Release {tag.name}" if tag.tagger else None,
        )  # fmt: skip


def _pushes_to_main(ledger: Built) -> Iterator[Delivery]:
    merges = {pull.landed: pull for pull in ledger.spec.pull_requests}
    brought = {key for pull in merges.values() for key in pull.brought}
    before = ZEROS
    for key in ledger.spec.line:
        if key in brought:
            continue
        pull = merges.get(key)
        news = (*pull.brought, key) if pull else (key,)
        pusher = ledger.spec.people[pull.merged_by if pull else ledger.commit(key).author]
        yield _push(ledger, ledger.landed_at(key), "refs/heads/main", before, ledger.shas[key], news, pusher)
        before = ledger.shas[key]


def _merge_request(ledger: Built, pull: PullRequestSpec) -> Iterator[Delivery]:
    author = ledger.spec.people[pull.author]
    head = pull.commits[-1]
    branch = f"refs/heads/{ledger.text(pull.branch)}"
    yield _push(ledger, ledger.commit(head).at, branch, ZEROS, ledger.shas[head], pull.commits, author)
    yield _event(ledger, pull, pull.opened, "open", author, {})
    for at, ready in pull.flips:
        yield _event(ledger, pull, at, "update", author, {"draft": {"previous": ready, "current": not ready}})
    for review in pull.reviews:
        yield _event(ledger, pull, review.at, "approved", ledger.spec.people[review.by], {})
    merger = ledger.spec.people[pull.merged_by]
    yield _event(ledger, pull, pull.merged, "merge", merger, {"state_id": {"previous": 4, "current": 3}})
    yield _push(ledger, pull.merged, branch, ledger.shas[head], ZEROS, (), merger)


def _event(
    ledger: Built, pull: PullRequestSpec, at: Moment, action: str, user: Person, changes: Mapping[str, Json]
) -> Delivery:
    payload: dict[str, Json] = {
        "object_kind": "merge_request",
        "event_type": "merge_request",
        "user": _user(user),
        "project": _project(ledger),
        "object_attributes": _attributes(ledger, pull, at, action),
        "labels": [],
        "changes": changes,
        "repository": _repository(ledger),
        "assignees": [_user(ledger.spec.people[pull.author])],
        "reviewers": [_user(ledger.spec.people[review.by]) for review in pull.reviews],
    }
    return _delivery(ledger, at, "Merge Request Hook", f"merge_request {pull.number} {action} {at}", payload)


def _attributes(ledger: Built, pull: PullRequestSpec, at: Moment, action: str) -> dict[str, Json]:
    written = iso if pull.number >= NEWER else old_gitlab
    merged = action == "merge"
    draft = next((not ready for when, ready in reversed(pull.flips) if seconds(when) <= seconds(at)), pull.draft)
    squashed = pull.landing == "squash"
    has_merge_commit = pull.landing != "fast-forward"
    return {
        "id": 990_000 + pull.number,
        "iid": pull.number,
        "title": f"Draft: {pull.title}" if draft else pull.title,
        "description": pull.body or None,
        "state": "merged" if merged else "opened",
        "action": action,
        "created_at": written(ledger.at(pull.opened)),
        "updated_at": written(ledger.at(at)),
        "author_id": ledger.spec.people[pull.author].number,
        "assignee_ids": [ledger.spec.people[pull.author].number],
        "reviewer_ids": [ledger.spec.people[review.by].number for review in pull.reviews],
        "source_branch": ledger.text(pull.branch),
        "target_branch": "main",
        "source_project_id": ledger.spec.number,
        "target_project_id": ledger.spec.number,
        "draft": draft,
        "work_in_progress": draft,
        "merge_status": "can_be_merged",
        "detailed_merge_status": "mergeable",
        "merge_error": None,
        "merge_params": {"force_remove_source_branch": "1", "squash": squashed},
        "merge_user_id": ledger.spec.people[pull.merged_by].number if merged else None,
        # A fast-forward has none, and the squashed commit behind a merge commit is not told.
        "merge_commit_sha": ledger.shas[pull.landed] if merged and has_merge_commit else None,
        "last_commit": _commit(ledger, pull.commits[-1], delta=False),
        "labels": [],
        "source": _project(ledger),
        "target": _project(ledger),
        "url": f"{ledger.spec.web}/-/merge_requests/{pull.number}",
        "head_pipeline_id": None,
        "milestone_id": None,
        "blocking_discussions_resolved": True,
        "first_contribution": False,
    }


def _push(
    ledger: Built, at: Moment, ref: str, before: str, after: str, news: tuple[str, ...], sender: Person,
    message: str | None = None,
) -> Delivery:  # fmt: skip
    tag = ref.startswith("refs/tags/")
    checkout = None if after == ZEROS else ledger.shas[news[-1]]
    kind = "tag_push" if tag else "push"
    payload: dict[str, Json] = {
        "object_kind": kind,
        "event_name": kind,
        "before": before,
        "after": after,
        "ref": ref,
        "ref_protected": ref == "refs/heads/main",
        "checkout_sha": checkout,
        "message": message,
        "user_id": sender.number,
        "user_name": sender.name,
        "user_username": sender.login,
        "user_email": "",
        "user_avatar": None,
        "project_id": ledger.spec.number,
        "project": _project(ledger),
        "commits": [_commit(ledger, key) for key in news],
        "total_commits_count": len(news),
        "push_options": {},
        "repository": _repository(ledger),
    }
    return _delivery(ledger, at, "Tag Push Hook" if tag else "Push Hook", f"push {ref} {after}", payload)


def _delivery(ledger: Built, at: Moment, event: str, what: str, payload: Mapping[str, Json]) -> Delivery:
    return Delivery(
        at=ledger.at(at), name=f"gitlab {what}", path="/webhooks/gitlab", kind="gitlab", event=event, payload=payload,
        base=ledger.base,
    )  # fmt: skip


def _commit(ledger: Built, key: str, *, delta: bool = True) -> Json:
    spec = ledger.commit(key)
    author = ledger.spec.people[spec.author]
    message = ledger.message(key)
    shown: dict[str, Json] = {
        "id": ledger.shas[key],
        "message": message,
        "title": message.partition("\n")[0],
        "timestamp": local_iso(ledger.at(spec.committed_at), author.zone),
        "url": f"{ledger.spec.web}/-/commit/{ledger.shas[key]}",
        "author": {"name": author.name, "email": author.email},
    }
    if delta:
        changed = ledger.delta(key)
        shown |= {"added": list(changed.added), "modified": list(changed.modified), "removed": list(changed.removed)}
    return shown


def _project(ledger: Built) -> Json:
    spec = ledger.spec
    ssh, http = f"git@{spec.host}:{spec.path}.git", f"{spec.web}.git"
    return {
        "id": spec.number,
        "name": "Ledger",
        "description": "Who owes whom",
        "web_url": spec.web,
        "avatar_url": None,
        "git_ssh_url": ssh,
        "git_http_url": http,
        "namespace": "Core",
        "visibility_level": 0,
        "path_with_namespace": spec.path,
        "default_branch": "main",
        "ci_config_path": None,
        "homepage": spec.web,
        "url": ssh,
        "ssh_url": ssh,
        "http_url": http,
    }


def _repository(ledger: Built) -> Json:
    spec = ledger.spec
    return {
        "name": "Ledger",
        "url": f"git@{spec.host}:{spec.path}.git",
        "description": "Who owes whom",
        "homepage": spec.web,
        "git_http_url": f"{spec.web}.git",
        "git_ssh_url": f"git@{spec.host}:{spec.path}.git",
        "visibility_level": 0,
    }


def _user(person: Person) -> Json:
    return {
        "id": person.number,
        "name": person.name,
        "username": person.login,
        "avatar_url": None,
        "email": "[REDACTED]",
    }
