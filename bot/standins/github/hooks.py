"""The webhook payloads, but for the receiving installation, which `mail.py` adds."""

from collections.abc import Sequence

from bot.standins.forge import Json
from bot.standins.github.bodies import (
    Body,
    installation,
    iso,
    node,
    organization,
    owner,
    pushed_repository,
    repository,
    repository_page,
    repository_url,
    small_repository,
    user,
)
from bot.standins.github.pull_bodies import review, simple_pull, whole_pull
from bot.standins.github.state import (
    Account,
    App,
    Deployment,
    DeploymentStatus,
    Hosted,
    Installation,
    Pull,
    Release,
    Review,
    World,
)
from bot.standins.objects import ZEROS, Signature
from bot.standins.repository import Person

MOST_COMMITS = 2_048
"""A push lists no more."""


def ping(world: World, app: App) -> Body:
    """The first delivery to a new hook."""
    url = f"{world.api}/app/hook"
    return {
        "zen": "Practicality beats purity.",
        "hook_id": app.id,
        "hook": {
            "type": "App",
            "id": app.id,
            "name": "web",
            "active": True,
            "events": list(app.events),
            "config": {"content_type": "json", "insecure_ssl": "0", "secret": "********", "url": app.hook_url},
            "updated_at": iso(app.created_at),
            "created_at": iso(app.created_at),
            "app_id": app.id,
            "url": url,
            "ping_url": f"{url}/pings",
            "deliveries_url": f"{url}/deliveries",
        },
    }


def installed(world: World, action: str, one: Installation, repositories: Sequence[Hosted], by: Person) -> Body:
    """`installation`: created, deleted, suspend, unsuspend, new_permissions_accepted."""
    return {
        "action": action,
        "installation": installation(world, one),
        "repositories": [small_repository(hosted) for hosted in repositories],
        **({} if action == "created" else {"requester": None}),
        "sender": user(world, by),
    }


def selection_changed(
    world: World, one: Installation, added: Sequence[Hosted], removed: Sequence[Hosted], by: Person
) -> Body:
    """`installation_repositories`: added or removed."""
    return {
        "action": "added" if added else "removed",
        "installation": installation(world, one),
        "repository_selection": "all" if one.selected is None else "selected",
        "repositories_added": [small_repository(hosted) for hosted in added],
        "repositories_removed": [small_repository(hosted) for hosted in removed],
        "requester": None,
        "sender": user(world, by),
    }


def push(
    world: World,
    hosted: Hosted,
    ref: str,
    before: str,
    after: str,
    commits: Sequence[str],
    distinct: set[str],
    by: Person,
) -> Body:
    """`push`; `commits` are all that it brought, of which `distinct` were on no ref before."""
    git, created, deleted = hosted.git, set(before) == {"0"}, set(after) == {"0"}
    page = repository_page(world, hosted)
    head = ZEROS if deleted else git.peel(after)
    forced = not created and not deleted and before not in git.ancestors(head)
    return {
        "ref": ref,
        "before": before,
        "after": after,
        "repository": pushed_repository(world, hosted),
        "pusher": {"name": by.login, "email": by.email},
        **_context(world, hosted, by),
        "created": created,
        "deleted": deleted,
        "forced": forced,
        "base_ref": None,
        "compare": f"{page}/compare/{before[:12]}...{after[:12]}",
        "commits": [_commit(world, hosted, sha, sha in distinct) for sha in commits[-MOST_COMMITS:]],
        "head_commit": None if deleted else _commit(world, hosted, head, True),
    }


def pull_request(world: World, hosted: Hosted, pull: Pull, action: str, by: Person, more: Body | None = None) -> Body:
    """`pull_request`, any action; `more` is what only this action carries."""
    return {
        "action": action,
        "number": pull.number,
        "pull_request": whole_pull(world, hosted, pull, hook=True),
        **(more or {}),
        "repository": repository(world, hosted),
        **_context(world, hosted, by),
    }


def reviewed(world: World, hosted: Hosted, pull: Pull, one: Review, action: str, by: Person) -> Body:
    """`pull_request_review`, with the reduced pull request."""
    return {
        "action": action,
        "review": review(world, hosted, pull, one, hook=True),
        "pull_request": simple_pull(world, hosted, pull),
        "repository": repository(world, hosted),
        **_context(world, hosted, by),
    }


def repository_event(world: World, hosted: Hosted, action: str, by: Person, changes: Body | None = None) -> Body:
    """`repository`: created, renamed, transferred, edited, archived, deleted."""
    return {
        "action": action,
        **({} if changes is None else {"changes": changes}),
        "repository": repository(world, hosted),
        **_context(world, hosted, by),
    }


def renamed_from(name: str) -> Body:
    """The changes of a rename."""
    return {"repository": {"name": {"from": name}}}


def transferred_from(world: World, before: Account) -> Body:
    """The changes of a transfer."""
    return {"owner": {"from": {"user": owner(world, before)}}}


def deployment(world: World, hosted: Hosted, one: Deployment) -> Body:
    """A deployment, in hooks and in the API."""
    url = f"{repository_url(world, hosted)}/deployments/{one.id}"
    return {
        "url": url,
        "id": one.id,
        "node_id": node("DE", one.id),
        "sha": one.sha,
        "ref": one.ref,
        "task": "deploy",
        "payload": {},
        "original_environment": one.environment,
        "environment": one.environment,
        "transient_environment": False,
        "production_environment": one.environment.lower() in ("prod", "production"),
        "description": None,
        "creator": user(world, one.by),
        "created_at": iso(one.created_at),
        "updated_at": iso(one.updated_at),
        "statuses_url": f"{url}/statuses",
        "repository_url": repository_url(world, hosted),
    }


def deployment_status(world: World, hosted: Hosted, one: Deployment, status: DeploymentStatus) -> Body:
    """A deployment's status, in hooks and in the API."""
    url = f"{repository_url(world, hosted)}/deployments/{one.id}"
    page = f"{repository_page(world, hosted)}/deployments/{one.environment}"
    return {
        "url": f"{url}/statuses/{status.id}",
        "id": status.id,
        "node_id": node("DES", status.id),
        "state": status.state,
        "creator": user(world, status.by),
        "description": "",
        "environment": one.environment,
        "environment_url": page,
        "log_url": page,
        "target_url": page,
        "created_at": iso(status.at),
        "updated_at": iso(status.at),
        "deployment_url": url,
        "repository_url": repository_url(world, hosted),
    }


def deployed(world: World, hosted: Hosted, one: Deployment, status: DeploymentStatus | None) -> Body:
    """`deployment` (without a status) or `deployment_status`: created."""
    told: Body = {"workflow": None, "workflow_run": None}
    if status is not None:
        told = {"deployment_status": deployment_status(world, hosted, one, status)}
    return {
        "action": "created",
        **told,
        "deployment": deployment(world, hosted, one),
        "repository": repository(world, hosted),
        **_context(world, hosted, one.by if status is None else status.by),
    }


def release(world: World, hosted: Hosted, one: Release) -> Body:
    """A release, in hooks and in the API."""
    api, page = repository_url(world, hosted), repository_page(world, hosted)
    return {
        "url": f"{api}/releases/{one.id}",
        "assets_url": f"{api}/releases/{one.id}/assets",
        "upload_url": f"{api}/releases/{one.id}/assets{{?name,label}}",
        "html_url": f"{page}/releases/tag/{one.tag}",
        "id": one.id,
        "node_id": node("RE", one.id),
        "tag_name": one.tag,
        "target_commitish": one.target,
        "name": one.tag,
        "draft": False,
        "author": user(world, one.by),
        "prerelease": False,
        "created_at": iso(one.created_at),
        "published_at": iso(one.created_at),
        "assets": [],
        "tarball_url": f"{api}/tarball/{one.tag}",
        "zipball_url": f"{api}/zipball/{one.tag}",
        "body": "",
    }


def released(world: World, hosted: Hosted, one: Release, action: str) -> Body:
    """`release`: created, published, released."""
    return {
        "action": action,
        "release": release(world, hosted, one),
        "repository": repository(world, hosted),
        **_context(world, hosted, one.by),
    }


def _context(world: World, hosted: Hosted, by: Person) -> Body:
    told: Body = {"sender": user(world, by)}
    if hosted.owner.organization:
        told["organization"] = organization(world, hosted.owner)
    return told


def _commit(world: World, hosted: Hosted, sha: str, distinct: bool) -> Json:
    commit, delta = hosted.git.read_commit(sha), hosted.git.delta(sha)
    return {
        "id": sha,
        "tree_id": commit.tree,
        "distinct": distinct,
        "message": commit.message.rstrip("\n"),
        "timestamp": iso(commit.committer.at),
        "url": f"{repository_page(world, hosted)}/commit/{sha}",
        "author": _named(commit.author),
        "committer": _named(commit.committer),
        "added": list(delta.added),
        "removed": list(delta.removed),
        "modified": list(delta.modified),
    }


def _named(who: Signature) -> Json:
    return {"name": who.name, "email": who.email}
