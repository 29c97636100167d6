"""The bodies of GitLab's webhooks."""

from collections.abc import Callable, Mapping, Sequence

from bot.standins.forge import Json
from bot.standins.gitlab.place import Place
from bot.standins.gitlab.spelling import offset_time, old_time, pushed_time, system_time
from bot.standins.gitlab.state import Deployment, Group, Issue, MergeRequest, RefChange, Release
from bot.standins.repository import ZEROS, Person

Payload = dict[str, Json]
LISTED = 20
"""A push lists so many of its newest commits."""
STATES = {"opened": 1, "closed": 2, "merged": 3, "locked": 4}


def user(person: Person) -> Json:
    """Somebody; the address is told to nobody."""
    return {
        "id": person.number, "name": person.name, "username": person.login, "avatar_url": None, "email": "[REDACTED]",
    }  # fmt: skip


def project(of: Place) -> Json:
    """The long form of a project."""
    ssh, http = of.ssh_url, f"{of.web_url}.git"
    return {
        "id": of.id,
        "name": of.name,
        "description": "",
        "web_url": of.web_url,
        "avatar_url": None,
        "git_ssh_url": ssh,
        "git_http_url": http,
        "namespace": of.group.name,
        "visibility_level": of.visibility_level,
        "path_with_namespace": of.path,
        "default_branch": of.git.default_branch,
        "ci_config_path": None,
        "homepage": of.web_url,
        "url": ssh,
        "ssh_url": ssh,
        "http_url": http,
    }


def _repository(of: Place) -> Json:
    return {"name": of.name, "url": of.ssh_url, "description": "", "homepage": of.web_url}


def _pushed_repository(of: Place) -> Json:
    return {
        "name": of.name,
        "url": of.ssh_url,
        "description": "",
        "homepage": of.web_url,
        "git_http_url": f"{of.web_url}.git",
        "git_ssh_url": of.ssh_url,
        "visibility_level": of.visibility_level,
    }


def commit(of: Place, sha: str, *, delta: bool = True) -> Json:
    """A commit of a push; the timestamp is the committer's, and a moved file's old path is not told."""
    read = of.git.read_commit(sha)
    shown: Payload = {
        "id": sha,
        "message": read.message,
        "title": read.message.partition("\n")[0],
        "timestamp": pushed_time(read.committer.at),
        "url": f"{of.web_url}/-/commit/{sha}",
        "author": {"name": read.author.name, "email": read.author.email},
    }
    if delta:
        changed = of.git.delta(sha)
        gone = set(changed.removed) - of.moved_from(sha)
        shown |= {"added": list(changed.added), "modified": list(changed.modified), "removed": sorted(gone)}
    return shown


def push(of: Place, change: RefChange, by: Person, *, news: Sequence[str], total: int) -> Payload:
    """A push of a branch (`news`: its commits, oldest first) or of a tag."""
    is_tag = change.ref.startswith("refs/tags/")
    kind = "tag_push" if is_tag else "push"
    return {
        "object_kind": kind,
        "event_name": kind,
        "before": change.before,
        "after": change.after,
        "ref": change.ref,
        "ref_protected": change.ref == f"refs/heads/{of.git.default_branch}",
        "checkout_sha": None if change.after == ZEROS else of.git.peel(change.after),
        "message": of.tag_message(change.after) if is_tag else None,
        "user_id": by.number,
        "user_name": by.name,
        "user_username": by.login,
        "user_email": "",
        "user_avatar": None,
        "project_id": of.id,
        "project": project(of),
        "commits": [commit(of, sha) for sha in news[-LISTED:]],
        "total_commits_count": total,
        "push_options": {},
        "repository": _pushed_repository(of),
    }


def repository_update(of: Place, changes: Sequence[RefChange], by: Person) -> Payload:
    """The instance's hook after each push, whatever its size."""
    return {
        "event_name": "repository_update",
        "user_id": by.number,
        "user_name": by.name,
        "user_email": by.email,
        "user_avatar": None,
        "project_id": of.id,
        "project": project(of),
        "changes": [{"before": c.before, "after": c.after, "ref": c.ref} for c in changes],
        "refs": [c.ref for c in changes],
    }


def labels(of: Place, names: Sequence[str]) -> Json:
    """Labels whole."""
    return [
        {
            "id": of.label_id(name),
            "title": name,
            "color": "#dc143c",
            "project_id": of.id,
            "created_at": old_time(of.created_at),
            "updated_at": old_time(of.created_at),
            "template": False,
            "description": None,
            "type": "ProjectLabel",
            "group_id": None,
        }
        for name in names
    ]


def merge_request(
    of: Place, mr: MergeRequest, by: Person, *, action: str, changes: Mapping[str, Json], oldrev: str | None = None,
    written: Callable[[int], str] = old_time,
) -> Payload:  # fmt: skip
    """A merge request's event, its instants `written` so. It does not say when it was merged, nor squashed to what."""
    attributes = _merge_request_attributes(of, mr, written) | {"action": action}
    if oldrev is not None:
        attributes["oldrev"] = oldrev
    return {
        "object_kind": "merge_request",
        "event_type": "merge_request",
        "user": user(by),
        "project": project(of),
        "object_attributes": attributes,
        "labels": labels(of, mr.labels),
        "changes": changes,
        "repository": _repository(of),
        "reviewers": [user(approval.user) for approval in mr.approvals],
    }


def _merge_request_attributes(of: Place, mr: MergeRequest, written: Callable[[int], str]) -> Payload:
    return {
        "assignee_id": None,
        "assignee_ids": [],
        "reviewer_ids": [approval.user.number for approval in mr.approvals],
        "author_id": mr.author.number,
        "created_at": written(mr.created_at),
        "description": mr.description,
        "draft": mr.draft,
        "work_in_progress": mr.draft,
        "head_pipeline_id": None,
        "id": mr.id,
        "iid": mr.iid,
        "last_edited_at": None,
        "last_edited_by_id": None,
        "merge_commit_sha": mr.merge_commit_sha,
        "merge_error": None,
        "merge_params": {"force_remove_source_branch": "1" if of.removes_merged_branches else "0"},
        "merge_status": "can_be_merged",
        "detailed_merge_status": "not_open" if mr.state != "opened" else "draft_status" if mr.draft else "mergeable",
        "merge_user_id": mr.merged_by.number if mr.merged_by else None,
        "merge_when_pipeline_succeeds": False,
        "milestone_id": None,
        "source_branch": mr.source,
        "source_project_id": of.id,
        "state_id": STATES[mr.state],
        "state": mr.state,
        "target_branch": mr.target,
        "target_project_id": of.id,
        "time_estimate": 0,
        "total_time_spent": 0,
        "time_change": 0,
        "title": mr.title,
        "updated_at": written(mr.updated_at),
        "updated_by_id": None,
        "prepared_at": written(mr.created_at),
        "url": f"{of.web_url}/-/merge_requests/{mr.iid}",
        "source": project(of),
        "target": project(of),
        "last_commit": commit(of, mr.head, delta=False),
        "labels": labels(of, mr.labels),
        "blocking_discussions_resolved": True,
        "first_contribution": False,
        "system": False,
    }


def deployment(of: Place, seen: Deployment) -> Payload:
    """A deployment's event: its full sha stands in `commit_url` alone."""
    return {
        "object_kind": "deployment",
        "status": seen.status,
        "status_changed_at": offset_time(seen.updated_at),
        "deployment_id": seen.id,
        "deployable_id": None,
        "deployable_url": None,
        "environment": seen.environment,
        "environment_tier": tier(seen.environment),
        "environment_slug": seen.environment.lower().replace("/", "-"),
        "environment_external_url": None,
        "project": project(of),
        "short_sha": seen.sha[:8],
        "user": user(seen.user),
        "user_url": f"{of.forge.external_url}/{seen.user.login}",
        "commit_url": f"{of.web_url}/-/commit/{seen.sha}",
        "commit_title": of.git.read_commit(seen.sha).message.partition("\n")[0],
        "ref": seen.ref,
    }


def tier(environment: str) -> str:
    """What GitLab makes of an environment's name."""
    for word, kind in (("prod", "production"), ("live", "production"), ("stag", "staging"), ("test", "testing")):
        if word in environment.lower():
            return kind
    return "development" if "dev" in environment.lower() else "other"


def issue(of: Place, seen: Issue, by: Person, *, action: str, changes: Mapping[str, Json]) -> Payload:
    """An issue's event, or an incident's, which calls itself a work item."""
    kind = "work_item" if seen.incident else "issue"
    attributes: Payload = {
        "id": seen.id,
        "iid": seen.iid,
        "author_id": seen.author.number,
        "project_id": of.id,
        "title": seen.title,
        "description": seen.description,
        "state": seen.state,
        "state_id": STATES[seen.state],
        "created_at": old_time(seen.created_at),
        "updated_at": old_time(seen.updated_at),
        "closed_at": None if seen.closed_at is None else old_time(seen.closed_at),
        "confidential": False,
        "severity": "unknown",
        "type": "Incident" if seen.incident else "Issue",
        "url": f"{of.web_url}/-/issues/{seen.iid}",
        "labels": labels(of, seen.labels),
        "action": action,
    }
    if seen.incident:
        attributes["escalation_status"] = "triggered" if seen.state == "opened" else "resolved"
    return {
        "object_kind": kind,
        "event_type": kind,
        "user": user(by),
        "project": project(of),
        "object_attributes": attributes,
        "labels": labels(of, seen.labels),
        "changes": changes,
        "repository": _repository(of),
        "assignees": [],
    }


def release(of: Place, seen: Release, action: str) -> Payload:
    """A release's event."""
    sha = of.git.resolve(seen.tag) or ZEROS
    return {
        "id": seen.id,
        "created_at": old_time(seen.at),
        "description": "",
        "name": seen.tag,
        "released_at": old_time(seen.at),
        "tag": seen.tag,
        "object_kind": "release",
        "project": project(of),
        "url": f"{of.web_url}/-/releases/{seen.tag}",
        "action": action,
        "assets": {"count": 0, "links": [], "sources": []},
        "commit": commit(of, sha, delta=False),
    }


def project_event(of: Place, name: str, at: int, *, old_path: str | None = None) -> Payload:
    """`project_create` and its like, for the instance's hook."""
    told: Payload = {
        "event_name": name,
        "created_at": system_time(of.created_at),
        "updated_at": system_time(at),
        "name": of.name,
        "path": of.slug,
        "path_with_namespace": of.path,
        "project_id": of.id,
        "owner_name": of.group.name,
        "owner_email": None,
        "owners": [],
        "project_namespace_id": of.group.id,
        "project_visibility": "private" if of.private else "public",
    }
    return told if old_path is None else told | {"old_path_with_namespace": old_path}


def group_event(of: Group, name: str, at: int, *, old: tuple[str, str] | None = None) -> Payload:
    """`group_create` and its like, for the instance's hook; `old` are slug and full path before."""
    told: Payload = {
        "event_name": name,
        "created_at": system_time(of.created_at),
        "updated_at": system_time(at),
        "name": of.name,
        "path": of.slug,
        "full_path": of.full_path,
        "group_id": of.id,
    }
    return told if old is None else told | {"old_path": old[0], "old_full_path": old[1]}


def subgroup_event(of: Group, parent: Group, name: str, at: int) -> Payload:
    """A subgroup's coming or going, for the hooks of the groups above."""
    return {
        "created_at": system_time(of.created_at),
        "updated_at": system_time(at),
        "event_name": name,
        "name": of.name,
        "path": of.slug,
        "full_path": of.full_path,
        "group_id": of.id,
        "parent_group_id": parent.id,
        "parent_name": parent.name,
        "parent_path": parent.slug,
        "parent_full_path": parent.full_path,
    }
