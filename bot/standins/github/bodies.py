"""The objects GitHub repeats everywhere: accounts, people, repositories, Apps and installations."""

from base64 import b64encode
from datetime import UTC, datetime

from bot.standins.forge import Json
from bot.standins.github.state import Account, App, Hosted, Installation, World
from bot.standins.repository import Person

Body = dict[str, Json]


def iso(at: int) -> str:
    """`2026-11-21T09:00:00Z`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_or_none(at: int | None) -> str | None:
    """The same, for what may not have happened."""
    return None if at is None else iso(at)


def node(kind: str, number: int) -> str:
    """A GraphQL id."""
    return f"{kind}_{b64encode(number.to_bytes(8)).decode().rstrip('=')}"


def user(world: World, person: Person) -> Body:
    """A person."""
    kind = "Bot" if person.login.endswith("[bot]") else "User"
    return _account(world, person.login, person.number, kind)


def owner(world: World, account: Account) -> Body:
    """An owner of repositories."""
    return _account(world, account.login, account.id, "Organization" if account.organization else "User")


def _account(world: World, login: str, number: int, kind: str) -> Body:
    url = f"{world.api}/users/{login}"
    return {
        "login": login,
        "id": number,
        "node_id": node("O" if kind == "Organization" else "U", number),
        "avatar_url": f"{world.web}/avatars/u/{number}",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{world.web}/{login}",
        "followers_url": f"{url}/followers",
        "following_url": f"{url}/following{{/other_user}}",
        "gists_url": f"{url}/gists{{/gist_id}}",
        "starred_url": f"{url}/starred{{/owner}}{{/repo}}",
        "subscriptions_url": f"{url}/subscriptions",
        "organizations_url": f"{url}/orgs",
        "repos_url": f"{url}/repos",
        "events_url": f"{url}/events{{/privacy}}",
        "received_events_url": f"{url}/received_events",
        "type": kind,
        "site_admin": False,
    }


def organization(world: World, account: Account) -> Body:
    """The organisation beside a hook's repository."""
    url = f"{world.api}/orgs/{account.login}"
    return {
        "login": account.login,
        "id": account.id,
        "node_id": node("O", account.id),
        "url": url,
        "repos_url": f"{url}/repos",
        "events_url": f"{url}/events",
        "hooks_url": f"{url}/hooks",
        "issues_url": f"{url}/issues",
        "members_url": f"{url}/members{{/member}}",
        "public_members_url": f"{url}/public_members{{/member}}",
        "avatar_url": f"{world.web}/avatars/u/{account.id}",
        "description": None,
    }


PLAIN_LINKS = (
    "teams",
    "hooks",
    "events",
    "tags",
    "languages",
    "stargazers",
    "contributors",
    "subscribers",
    "subscription",
    "merges",
    "downloads",
    "deployments",
    "forks",
)
LINKS = {
    "keys": "keys{/key_id}",
    "collaborators": "collaborators{/collaborator}",
    "issue_events": "issues/events{/number}",
    "assignees": "assignees{/user}",
    "branches": "branches{/branch}",
    "blobs": "git/blobs{/sha}",
    "git_tags": "git/tags{/sha}",
    "git_refs": "git/refs{/sha}",
    "trees": "git/trees{/sha}",
    "statuses": "statuses/{sha}",
    "commits": "commits{/sha}",
    "git_commits": "git/commits{/sha}",
    "comments": "comments{/number}",
    "issue_comment": "issues/comments{/number}",
    "contents": "contents/{+path}",
    "compare": "compare/{base}...{head}",
    "archive": "{archive_format}{/ref}",
    "issues": "issues{/number}",
    "pulls": "pulls{/number}",
    "milestones": "milestones{/number}",
    "notifications": "notifications{?since,all,participating}",
    "labels": "labels{/name}",
    "releases": "releases{/id}",
}


def repository_url(world: World, repository: Hosted) -> str:
    """Where the API has it."""
    return f"{world.api}/repos/{repository.path}"


def repository_page(world: World, repository: Hosted) -> str:
    """Where people see it."""
    return f"{world.web}/{repository.path}"


def repository(world: World, hosted: Hosted) -> Body:
    """A repository in a hook (but a push's) and inside other objects."""
    url, page = repository_url(world, hosted), repository_page(world, hosted)
    host = world.web.split("://", 1)[1]
    open_pulls = sum(pull.open for pull in hosted.pulls.values())
    return {
        **_small(hosted),
        "owner": owner(world, hosted.owner),
        "html_url": page,
        "description": None,
        "fork": False,
        "url": url,
        **{f"{name}_url": f"{url}/{name}" for name in PLAIN_LINKS},
        **{f"{name}_url": f"{url}/{tail}" for name, tail in LINKS.items()},
        "created_at": iso(hosted.created_at),
        "updated_at": iso(hosted.updated_at),
        "pushed_at": iso(hosted.pushed_at),
        "git_url": f"git://{host}/{hosted.path}.git",
        "ssh_url": f"git@{host}:{hosted.path}.git",
        "clone_url": f"{page}.git",
        "svn_url": page,
        "homepage": None,
        "size": 108,
        **dict.fromkeys(("stargazers_count", "watchers_count", "forks_count", "forks", "watchers"), 0),
        "open_issues_count": open_pulls,
        "open_issues": open_pulls,
        "language": None,
        **dict.fromkeys(("has_issues", "has_projects", "has_downloads", "has_wiki"), True),
        **dict.fromkeys(
            ("has_pages", "has_discussions", "disabled", "is_template", "web_commit_signoff_required"), False
        ),
        "mirror_url": None,
        "archived": hosted.archived,
        "license": None,
        "allow_forking": True,
        "topics": [],
        "visibility": "private" if hosted.private else "public",
        "default_branch": hosted.git.default_branch,
        "custom_properties": {},
    }


def pushed_repository(world: World, hosted: Hosted) -> Body:
    """A repository in a push event: the times are seconds, and `url` is the page."""
    return {
        **repository(world, hosted),
        "url": repository_page(world, hosted),
        "created_at": hosted.created_at,
        "pushed_at": hosted.pushed_at,
        "stargazers": 0,
        "master_branch": hosted.git.default_branch,
    }


def full_repository(world: World, hosted: Hosted) -> Body:
    """A repository as the API shows it alone."""
    return {
        **repository(world, hosted),
        "permissions": {"admin": False, "maintain": False, "push": False, "triage": False, "pull": False},
        "subscribers_count": 0,
        "network_count": 0,
    }


def small_repository(hosted: Hosted) -> Json:
    """A repository in the lists of installation events."""
    return _small(hosted)


def _small(hosted: Hosted) -> Body:
    return {
        "id": hosted.id,
        "node_id": node("R", hosted.id),
        "name": hosted.name,
        "full_name": hosted.path,
        "private": hosted.private,
    }


def app(world: World, one: App) -> Body:
    """An App."""
    return {
        "id": one.id,
        "slug": one.slug,
        "node_id": node("A", one.id),
        "client_id": one.client_id,
        "owner": owner(world, one.owner),
        "name": one.name,
        "description": one.description,
        "external_url": one.external_url,
        "html_url": f"{world.web}/apps/{one.slug}",
        "created_at": iso(one.created_at),
        "updated_at": iso(one.created_at),
        "permissions": dict(one.permissions),
        "events": list(one.events),
    }


def installation(world: World, one: Installation) -> Body:
    """An installation, in hooks and in the API."""
    where = f"organizations/{one.account.login}/settings" if one.account.organization else "settings"
    return {
        "id": one.id,
        "account": owner(world, one.account),
        "repository_selection": "all" if one.selected is None else "selected",
        "access_tokens_url": f"{world.api}/app/installations/{one.id}/access_tokens",
        "repositories_url": f"{world.api}/installation/repositories",
        "html_url": f"{world.web}/{where}/installations/{one.id}",
        "app_id": one.app.id,
        "app_slug": one.app.slug,
        "target_id": one.account.id,
        "target_type": "Organization" if one.account.organization else "User",
        "permissions": dict(one.permissions),
        "events": list(one.events),
        "created_at": iso(one.created_at),
        "updated_at": iso(one.updated_at),
        "single_file_name": None,
        "has_multiple_single_files": False,
        "single_file_paths": [],
        "suspended_by": None if one.suspended_by is None else user(world, one.suspended_by),
        "suspended_at": iso_or_none(one.suspended_at),
    }
