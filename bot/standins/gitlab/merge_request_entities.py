"""What the API says of merge requests."""

from collections.abc import Mapping

from bot.standins.forge import Json
from bot.standins.gitlab import entities
from bot.standins.gitlab.place import Place
from bot.standins.gitlab.spelling import api_time, api_time_or_none
from bot.standins.gitlab.state import Issue, MergeRequest, Note, Turn
from bot.standins.repository import Person


def merge_request(of: Place, mr: MergeRequest) -> entities.Entity:
    """A merge request as lists show it."""
    url = of.forge.external_url
    status = "not_open" if mr.state != "opened" else "draft_status" if mr.draft else "mergeable"
    return {
        "id": mr.id,
        "iid": mr.iid,
        "project_id": of.id,
        "title": mr.title,
        "description": mr.description,
        "state": mr.state,
        "created_at": api_time(mr.created_at),
        "updated_at": api_time(mr.updated_at),
        "merged_by": entities.user(mr.merged_by, url),
        "merge_user": entities.user(mr.merged_by, url),
        "merged_at": api_time_or_none(mr.merged_at),
        "merge_after": None,
        "closed_by": entities.user(mr.closed_by, url),
        "closed_at": api_time_or_none(mr.closed_at),
        "target_branch": mr.target,
        "source_branch": mr.source,
        "user_notes_count": sum(not note.system for note in mr.notes),
        "upvotes": 0,
        "downvotes": 0,
        "author": entities.user(mr.author, url),
        "assignees": [],
        "assignee": None,
        "reviewers": [],
        "source_project_id": of.id,
        "target_project_id": of.id,
        "labels": sorted(mr.labels),
        "draft": mr.draft,
        "imported": False,
        "imported_from": "none",
        "work_in_progress": mr.draft,
        "milestone": None,
        "merge_when_pipeline_succeeds": False,
        "merge_status": "can_be_merged",
        "detailed_merge_status": status,
        "sha": mr.head,
        "merge_commit_sha": mr.merge_commit_sha,
        "squash_commit_sha": mr.squash_commit_sha,
        "discussion_locked": None,
        "should_remove_source_branch": None,
        "force_remove_source_branch": of.removes_merged_branches,
        "prepared_at": api_time(mr.created_at),
        "reference": f"!{mr.iid}",
        "references": {"short": f"!{mr.iid}", "relative": f"!{mr.iid}", "full": f"{of.path}!{mr.iid}"},
        "web_url": f"{of.web_url}/-/merge_requests/{mr.iid}",
        "time_stats": entities.no_time(),
        "squash": mr.squash,
        "squash_on_merge": mr.squash,
        "task_completion_status": {"count": 0, "completed_count": 0},
        "has_conflicts": False,
        "blocking_discussions_resolved": True,
    }


def whole_merge_request(of: Place, mr: MergeRequest) -> Json:
    """A merge request as it is shown alone."""
    changed = len(of.git.changed_paths(mr.base, mr.head).paths)
    return {
        **merge_request(of, mr),
        "subscribed": False,
        "changes_count": str(changed),
        "latest_build_started_at": None,
        "latest_build_finished_at": None,
        "first_deployed_to_production_at": None,
        "pipeline": None,
        "head_pipeline": None,
        "diff_refs": {"base_sha": mr.base, "head_sha": mr.head, "start_sha": mr.base},
        "merge_error": None,
        "first_contribution": False,
        "user": {"can_merge": False},
    }


def approvals(of: Place, mr: MergeRequest, by: Person | None) -> Json:
    """Who has approved, and when."""
    given = [approval.user.login for approval in mr.approvals]
    missing = max(0, of.approvals_required - len(given)) if of.forge.premium else 0
    url = of.forge.external_url
    told: entities.Entity = {
        "user_has_approved": by is not None and by.login in given,
        "user_can_approve": by is not None and by.login not in given,
        "approved": not missing if of.forge.premium else bool(given),
        "approved_by": [{"user": entities.user(one.user, url), "approved_at": api_time(one.at)} for one in mr.approvals],
    }
    if of.forge.premium:
        told |= {
            "id": mr.id, "iid": mr.iid, "project_id": of.id, "title": mr.title, "state": mr.state,
            "approvals_required": of.approvals_required, "approvals_left": missing,
        }  # fmt: skip
    return told


def note(of: Place, mr: MergeRequest, seen: Note) -> Json:
    """A comment or a line of GitLab's own."""
    return {
        "id": seen.id,
        "type": None,
        "body": seen.body,
        "attachment": None,
        "author": entities.user(seen.author, of.forge.external_url),
        "created_at": api_time(seen.created_at),
        "updated_at": api_time(seen.updated_at),
        "system": seen.system,
        "noteable_id": mr.id,
        "noteable_type": "MergeRequest",
        "project_id": of.id,
        "resolvable": False,
        "confidential": False,
        "internal": False,
        "imported": False,
        "imported_from": "none",
        "noteable_iid": mr.iid,
        "commands_changes": {},
    }


def state_turn(of: Place, about: MergeRequest | Issue, turn: Turn) -> Json:
    """A change of state."""
    return {**_turn(of, about, turn), "source_commit": None, "source_merge_request_id": None, "state": turn.what}


def label_turn(of: Place, mr: MergeRequest, turn: Turn) -> Json:
    """A change of a label."""
    label: entities.Entity = {"id": of.label_id(turn.label), "name": turn.label, "color": "#dc143c", "description": None}
    return {**_turn(of, mr, turn), "label": label, "action": turn.what}


def _turn(of: Place, about: MergeRequest | Issue, turn: Turn) -> Mapping[str, Json]:
    return {
        "id": turn.id,
        "user": entities.user(turn.user, of.forge.external_url),
        "created_at": api_time(turn.at),
        "resource_type": "Issue" if isinstance(about, Issue) else "MergeRequest",
        "resource_id": about.id,
    }
