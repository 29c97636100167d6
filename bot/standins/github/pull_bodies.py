"""Pull requests, reviews, labels, their history and their files, as hooks and the API write them."""

import difflib
from functools import lru_cache

from bot.standins.forge import Json
from bot.standins.github.bodies import Body, iso, iso_or_none, node, repository, repository_page, repository_url, user
from bot.standins.github.state import Hosted, IssueEvent, Pull, Review, World
from bot.standins.repository import Delta


def base_sha(hosted: Hosted, pull: Pull) -> str:
    """The base branch's tip, or what it was when the pull request was closed."""
    return (hosted.git.find(f"refs/heads/{pull.base}") or pull.base_sha) if pull.open else pull.base_sha


def pull_commits(hosted: Hosted, pull: Pull) -> list[str]:
    """The commits of a pull request, oldest first."""
    return hosted.git.commits_between(base_sha(hosted, pull), pull.head_sha)


def pull_changes(hosted: Hosted, pull: Pull) -> Delta:
    """The files of a pull request: what its head changed since it left the base."""
    common = hosted.git.merge_base(base_sha(hosted, pull), pull.head_sha)
    return hosted.git.changed_paths(common or pull.head_sha, pull.head_sha)


def pull_size(hosted: Hosted, pull: Pull) -> tuple[int, int, int, int]:
    """Commits, changed files, additions and deletions."""
    if pull.landed is not None:
        return pull.landed
    lines = [file_lines(hosted, pull, path) for path in pull_changes(hosted, pull).paths]
    return len(pull_commits(hosted, pull)), len(lines), sum(new for new, _ in lines), sum(old for _, old in lines)


def file_lines(hosted: Hosted, pull: Pull, path: str) -> tuple[int, int]:
    """Lines that the pull request added to a file and took from it."""
    common = hosted.git.merge_base(base_sha(hosted, pull), pull.head_sha) or pull.head_sha
    return _lines(hosted.git.read(common, path) or b"", hosted.git.read(pull.head_sha, path) or b"")


@lru_cache(maxsize=1_024)
def _lines(before: bytes, after: bytes) -> tuple[int, int]:
    old, new = before.splitlines(), after.splitlines()
    kept = sum(block.size for block in difflib.SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks())
    return len(new) - kept, len(old) - kept


def simple_pull(world: World, hosted: Hosted, pull: Pull) -> Body:
    """A pull request in lists and inside review events: nothing of the merge but a sha that means little before it."""
    api, page = repository_url(world, hosted), repository_page(world, hosted)
    url, html, issue = f"{api}/pulls/{pull.number}", f"{page}/pull/{pull.number}", f"{api}/issues/{pull.number}"
    links = {
        "self": url,
        "html": html,
        "issue": issue,
        "comments": f"{issue}/comments",
        "review_comments": f"{url}/comments",
        "review_comment": f"{api}/pulls/comments{{/number}}",
        "commits": f"{url}/commits",
        "statuses": f"{api}/statuses/{pull.head_sha}",
    }
    return {
        "url": url,
        "id": pull.id,
        "node_id": node("PR", pull.id),
        "html_url": html,
        "diff_url": f"{html}.diff",
        "patch_url": f"{html}.patch",
        "issue_url": issue,
        "number": pull.number,
        "state": "open" if pull.open else "closed",
        "locked": False,
        "title": pull.title,
        "user": user(world, pull.author),
        "body": pull.body or None,
        "created_at": iso(pull.created_at),
        "updated_at": iso(pull.updated_at),
        "closed_at": iso_or_none(pull.closed_at),
        "merged_at": iso_or_none(pull.merged_at),
        "merge_commit_sha": pull.merge_sha,
        "assignee": None,
        "assignees": [],
        "requested_reviewers": [],
        "requested_teams": [],
        "labels": [label(world, hosted, name) for name in pull.labels],
        "milestone": None,
        "draft": pull.draft,
        **{
            f"{name}_url": links[name]
            for name in ("commits", "review_comments", "review_comment", "comments", "statuses")
        },
        "head": _side(world, hosted, pull.head, pull.head_sha),
        "base": _side(world, hosted, pull.base, base_sha(hosted, pull)),
        "_links": {name: {"href": link} for name, link in links.items()},
        "author_association": "MEMBER",
        "auto_merge": None,
        "active_lock_reason": None,
    }


def whole_pull(world: World, hosted: Hosted, pull: Pull, *, hook: bool) -> Body:
    """A pull request alone; a hook does not wait until it is known whether it could be merged."""
    commits, files, additions, deletions = pull_size(hosted, pull)
    mergeable = None if hook or not pull.open else pull.merge_sha is not None
    return {
        **simple_pull(world, hosted, pull),
        "merged": pull.merged_at is not None,
        "mergeable": mergeable,
        "rebaseable": mergeable,
        "mergeable_state": {None: "unknown", True: "clean", False: "dirty"}[mergeable],
        "merged_by": None if pull.merged_by is None else user(world, pull.merged_by),
        "comments": sum(comment.number == pull.number for comment in hosted.comments.values()),
        "review_comments": 0,
        "maintainer_can_modify": False,
        "commits": commits,
        "additions": additions,
        "deletions": deletions,
        "changed_files": files,
    }


def review(world: World, hosted: Hosted, pull: Pull, one: Review, *, hook: bool) -> Body:
    """A review; hooks write the state in lower case, the API in upper case."""
    html = f"{repository_page(world, hosted)}/pull/{pull.number}#pullrequestreview-{one.id}"
    url = f"{repository_url(world, hosted)}/pulls/{pull.number}"
    return {
        "id": one.id,
        "node_id": node("PRR", one.id),
        "user": user(world, one.by),
        "body": (one.body or None) if hook else one.body,
        "state": one.state if hook else one.state.upper(),
        "html_url": html,
        "pull_request_url": url,
        "author_association": "MEMBER",
        "_links": {"html": {"href": html}, "pull_request": {"href": url}},
        "submitted_at": iso(one.submitted_at),
        "commit_id": one.commit,
    }


def label(world: World, hosted: Hosted, name: str) -> Body:
    """A label; the same name in one repository is the same label."""
    number = hosted.id * 1_000 + sum(name.encode()) % 1_000
    return {
        "id": number,
        "node_id": node("LA", number),
        "url": f"{repository_url(world, hosted)}/labels/{name}",
        "name": name,
        "description": "",
        "color": "d73a4a",
        "default": False,
    }


def issue_event(world: World, hosted: Hosted, one: IssueEvent) -> Body:
    """A line of a pull request's history."""
    api = repository_url(world, hosted)
    return {
        "id": one.id,
        "node_id": node("IE", one.id),
        "url": f"{api}/issues/events/{one.id}",
        "actor": user(world, one.by),
        "event": one.event,
        "commit_id": one.commit,
        "commit_url": f"{api}/commits/{one.commit}" if one.commit else None,
        "created_at": iso(one.at),
        "performed_via_github_app": None,
        **one.more,
    }


def diff_entry(world: World, hosted: Hosted, pull: Pull, path: str, status: str) -> Body:
    """A changed file."""
    added, removed = file_lines(hosted, pull, path)
    entry = hosted.git.tree(pull.head_sha).get(path)
    page, api = repository_page(world, hosted), repository_url(world, hosted)
    return {
        "sha": None if entry is None else entry.sha,
        "filename": path,
        "status": status,
        "additions": added,
        "deletions": removed,
        "changes": added + removed,
        "blob_url": f"{page}/blob/{pull.head_sha}/{path}",
        "raw_url": f"{page}/raw/{pull.head_sha}/{path}",
        "contents_url": f"{api}/contents/{path}?ref={pull.head_sha}",
    }


def _side(world: World, hosted: Hosted, ref: str, sha: str) -> Json:
    who = {**repository(world, hosted)}
    return {"label": f"{hosted.owner.login}:{ref}", "ref": ref, "sha": sha, "user": who["owner"], "repo": who}
