"""What the API says of people, groups, projects, hooks and what happens in a project."""

from bot.standins.forge import Json
from bot.standins.gitlab.payloads import tier
from bot.standins.gitlab.place import Place
from bot.standins.gitlab.spelling import api_time, api_time_or_none
from bot.standins.gitlab.state import (
    Activity,
    Attempt,
    Deployment,
    Group,
    Hook,
    Issue,
    Token,
)
from bot.standins.repository import ZEROS, Person

Entity = dict[str, Json]
PROJECT_SWITCHES = (
    "push_events", "tag_push_events", "merge_requests_events", "repository_update_events", "issues_events",
    "confidential_issues_events", "note_events", "confidential_note_events", "pipeline_events", "wiki_page_events",
    "deployment_events", "feature_flag_events", "job_events", "releases_events", "milestone_events", "emoji_events",
    "resource_access_token_events", "resource_deploy_token_events", "vulnerability_events",
)  # fmt: skip
GROUP_SWITCHES = (*PROJECT_SWITCHES, "subgroup_events", "project_events", "member_events")
SYSTEM_SWITCHES = ("push_events", "tag_push_events", "merge_requests_events", "repository_update_events")


def user(of: Person | None, external_url: str) -> Json:
    """Somebody, or nobody."""
    if of is None:
        return None
    return {
        "id": of.number,
        "username": of.login,
        "public_email": "",
        "name": of.name,
        "state": "active",
        "locked": False,
        "avatar_url": None,
        "web_url": f"{external_url}/{of.login}",
    }


def token(of: Token) -> Json:
    """The token that asks, without its value."""
    return {
        "id": of.id,
        "name": "a token",
        "revoked": of.revoked,
        "created_at": api_time(of.created_at),
        "description": None,
        "scopes": list(of.scopes),
        "user_id": of.user.number,
        "last_used_at": None,
        "active": not of.revoked,
        "expires_at": None,
    }


def group(of: Group, external_url: str) -> Json:
    """A group."""
    return {
        "id": of.id,
        "web_url": f"{external_url}/groups/{of.full_path}",
        "name": of.name,
        "path": of.slug,
        "description": "",
        "visibility": "private",
        "full_name": " / ".join(one.name for one in reversed(list(of.upwards()))),
        "full_path": of.full_path,
        "created_at": api_time(of.created_at),
        "parent_id": of.parent.id if of.parent else None,
        "archived": False,
    }


def project(of: Place) -> Json:
    """A project as lists and single answers show it."""
    forge, namespace = of.forge, of.group
    http = f"{of.web_url}.git"
    names = [one.name for one in reversed(list(namespace.upwards()))]
    return {
        "id": of.id,
        "description": None,
        "name": of.name,
        "name_with_namespace": " / ".join([*names, of.name]),
        "path": of.slug,
        "path_with_namespace": of.path,
        "created_at": api_time(of.created_at),
        "default_branch": of.git.default_branch,
        "tag_list": [],
        "topics": [],
        "ssh_url_to_repo": of.ssh_url,
        "http_url_to_repo": http,
        "web_url": of.web_url,
        "readme_url": None,
        "forks_count": 0,
        "avatar_url": None,
        "star_count": 0,
        "last_activity_at": api_time(of.active_at),
        "visibility": "private" if of.private else "public",
        "namespace": {
            "id": namespace.id,
            "name": namespace.name,
            "path": namespace.slug,
            "kind": "group",
            "full_path": namespace.full_path,
            "parent_id": namespace.parent.id if namespace.parent else None,
            "avatar_url": None,
            "web_url": f"{forge.external_url}/groups/{namespace.full_path}",
        },
        "empty_repo": of.git.find(f"refs/heads/{of.git.default_branch}") is None,
        "archived": of.archived,
        "merge_method": "ff" if of.squash_lands_by == "fast_forward" else "merge",
        "squash_option": "default_off",
        "remove_source_branch_after_merge": of.removes_merged_branches,
        "issues_enabled": True,
        "merge_requests_enabled": True,
    }


def hook(of: Hook, now: int) -> Json:
    """A hook, without its secrets."""
    switches = SYSTEM_SWITCHES if of.is_system else GROUP_SWITCHES if of.group_id is not None else PROJECT_SWITCHES
    told: Entity = {
        "id": of.id,
        "url": of.url,
        "name": of.settings.get("name"),
        "description": of.settings.get("description"),
        "created_at": api_time(of.created_at),
        **{name: of.switches.get(name, False) for name in switches},
        "enable_ssl_verification": of.settings.get("enable_ssl_verification", True) is not False,
        "alert_status": of.alert_status(now),
        "disabled_until": api_time_or_none(of.disabled_until),
        "url_variables": [],
        "push_events_branch_filter": of.settings.get("push_events_branch_filter"),
        "branch_filter_strategy": of.settings.get("branch_filter_strategy") or "wildcard",
        "custom_webhook_template": None,
        "custom_headers": [],
    }
    if of.project_id is not None:
        told["project_id"] = of.project_id
    if of.group_id is not None:
        told["group_id"] = of.group_id
    return told


def attempt(of: Attempt) -> Json:
    """A line of a hook's log."""
    return {
        "id": of.id,
        "url": of.url,
        "trigger": of.trigger,
        "request_headers": of.headers,
        "request_data": of.payload,
        "response_headers": of.response_headers,
        "response_body": of.response_body,
        "execution_duration": of.duration,
        "response_status": of.status,
        "created_at": api_time(of.at),
    }


def deployment(of: Place, seen: Deployment) -> Json:
    """A deployment."""
    environment: Entity = {
        "id": seen.iid, "name": seen.environment, "slug": seen.environment.lower().replace("/", "-"), "tier": tier(seen.environment),
        "external_url": None, "created_at": api_time(seen.created_at), "updated_at": api_time(seen.updated_at),
    }  # fmt: skip
    return {
        "id": seen.id,
        "iid": seen.iid,
        "ref": seen.ref,
        "sha": seen.sha,
        "created_at": api_time(seen.created_at),
        "updated_at": api_time(seen.updated_at),
        "user": user(seen.user, of.forge.external_url),
        "environment": environment,
        "deployable": None,
        "status": seen.status,
    }


def issue(of: Place, seen: Issue) -> Json:
    """An issue or an incident."""
    url = of.forge.external_url
    return {
        "id": seen.id,
        "iid": seen.iid,
        "project_id": of.id,
        "title": seen.title,
        "description": seen.description,
        "state": seen.state,
        "created_at": api_time(seen.created_at),
        "updated_at": api_time(seen.updated_at),
        "closed_at": api_time_or_none(seen.closed_at),
        "closed_by": user(seen.closed_by, url),
        "labels": sorted(seen.labels),
        "milestone": None,
        "assignees": [],
        "assignee": None,
        "author": user(seen.author, url),
        "type": "INCIDENT" if seen.incident else "ISSUE",
        "issue_type": "incident" if seen.incident else "issue",
        "severity": "UNKNOWN",
        "user_notes_count": 0,
        "merge_requests_count": 0,
        "upvotes": 0,
        "downvotes": 0,
        "due_date": None,
        "confidential": False,
        "discussion_locked": None,
        "web_url": f"{of.web_url}/-/issues/{seen.iid}",
        "time_stats": no_time(),
    }


def activity(of: Place, seen: Activity) -> Json:
    """A push; one of many refs at once names none of them."""
    change, many = seen.change, seen.refs > 1
    kind, _, name = change.ref.removeprefix("refs/").partition("/")
    created, gone = change.before == ZEROS, change.after == ZEROS
    pushed = {
        "commit_count": seen.commits,
        "action": "created" if created else "removed" if gone else "pushed",
        "ref_type": "tag" if kind == "tags" else "branch",
        "commit_from": None if created or many else change.before,
        "commit_to": None if gone or many else change.after,
        "ref": None if many else name,
        "commit_title": seen.title,
        "ref_count": seen.refs if many else None,
    }
    return {
        "id": seen.id,
        "project_id": of.id,
        "action_name": "pushed new" if created else "deleted" if gone else "pushed to",
        "target_id": None,
        "target_iid": None,
        "target_type": None,
        "author_id": seen.author.number,
        "target_title": None,
        "created_at": api_time(seen.at),
        "author": user(seen.author, of.forge.external_url),
        "imported": False,
        "imported_from": "none",
        "push_data": pushed,
        "author_username": seen.author.login,
    }


def no_time() -> Json:
    """Nobody has written down any time."""
    return {
        "time_estimate": 0, "total_time_spent": 0, "human_time_estimate": None, "human_total_time_spent": None,
    }  # fmt: skip
