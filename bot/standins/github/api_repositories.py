"""REST routes of a repository: itself, its contents, pull requests, deployments and releases."""

from base64 import encodebytes
from collections.abc import Callable
from posixpath import basename

from bot.standins.forge import Json
from bot.standins.github import bodies, hooks
from bot.standins.github.access import Refused
from bot.standins.github.api import REPOSITORY, Answer, Call, Route
from bot.standins.github.bodies import Body, iso, node, repository_page, repository_url
from bot.standins.github.pull_bodies import (
    diff_entry,
    pull_changes,
    pull_commits,
    review,
    simple_pull,
    whole_pull,
)
from bot.standins.github.state import Pull
from bot.standins.objects import Signature

PULL = f"{REPOSITORY}/pulls/{{pull_number}}"
SORTS: dict[str, Callable[[Pull], tuple[int, int]]] = {
    "created": lambda pull: (pull.created_at, pull.number),
    "updated": lambda pull: (pull.updated_at, pull.number),
}


def _repository(call: Call) -> Answer:
    return Answer(body=bodies.full_repository(call.world, call.repository))


def _pulls(call: Call) -> Answer:
    state, sort = call.query("state", "open"), call.query("sort", "created")
    if state not in ("open", "closed", "all") or sort not in SORTS:
        raise Refused(422, "Validation Failed")
    direction = call.query("direction", "desc")
    head, base = call.query("head").rpartition(":")[2], call.query("base")
    found = [
        pull
        for pull in call.repository.pulls.values()
        if (state == "all" or pull.open == (state == "open")) and head in ("", pull.head) and base in ("", pull.base)
    ]
    found.sort(key=SORTS[sort], reverse=direction == "desc")
    return call.page([simple_pull(call.world, call.repository, pull) for pull in found])


def _asked(call: Call) -> Pull:
    found = call.repository.pulls.get(call.number("pull_number"))
    if found is None:
        raise Refused(404, "Not Found")
    return found


def _pull(call: Call) -> Answer:
    return Answer(body=whole_pull(call.world, call.repository, _asked(call), hook=False))


def _reviews(call: Call) -> Answer:
    pull = _asked(call)
    return call.page([review(call.world, call.repository, pull, one, hook=False) for one in pull.reviews])


def _files(call: Call) -> Answer:
    pull = _asked(call)
    delta = pull_changes(call.repository, pull)
    states = dict.fromkeys(delta.added, "added") | dict.fromkeys(delta.removed, "removed")
    told = [
        diff_entry(call.world, call.repository, pull, path, states.get(path, "modified"))
        for path in delta.paths[:3_000]
    ]
    return call.page(told)


def _commits(call: Call) -> Answer:
    """GitHub lists the first 250 of a pull request, no more."""
    return call.page([_commit(call, sha) for sha in pull_commits(call.repository, _asked(call))[:250]])


def _commit(call: Call, sha: str) -> Body:
    commit = call.repository.git.read_commit(sha)
    api, page = repository_url(call.world, call.repository), repository_page(call.world, call.repository)
    return {
        "url": f"{api}/commits/{sha}",
        "sha": sha,
        "node_id": node("C", int(sha[:12], 16)),
        "html_url": f"{page}/commit/{sha}",
        "comments_url": f"{api}/commits/{sha}/comments",
        "commit": {
            "url": f"{api}/git/commits/{sha}",
            "author": _dated(commit.author),
            "committer": _dated(commit.committer),
            "message": commit.message.rstrip("\n"),
            "comment_count": 0,
            "tree": {"sha": commit.tree, "url": f"{api}/git/trees/{commit.tree}"},
        },
        "author": None,
        "committer": None,
        "parents": [{"sha": parent, "url": f"{api}/commits/{parent}"} for parent in commit.parents],
    }


def _dated(who: Signature) -> Body:
    return {"name": who.name, "email": who.email, "date": iso(who.at)}


def _introducing(call: Call) -> Answer:
    """On the default branch the merged pull request that introduced the commit, elsewhere all that have it."""
    hosted, sha = call.repository, call.part("commit_sha")
    if not hosted.git.has(sha):
        raise Refused(422, f"No commit found for SHA: {sha}")
    main = hosted.git.find(f"refs/heads/{hosted.git.default_branch}")
    landed = main is not None and sha in hosted.git.ancestors(main)
    found = [
        pull
        for pull in hosted.pulls.values()
        if sha in (*pull_commits(hosted, pull), pull.merge_sha if pull.merged_at is not None else "")
    ]
    if landed:
        merged = [pull for pull in found if pull.merged_at is not None]
        found = sorted(merged, key=lambda pull: pull.merged_at or 0)[:1]
    return call.page([simple_pull(call.world, hosted, pull) for pull in found])


def _contents(call: Call) -> Answer:
    hosted, path = call.repository, call.request.match_info.get("path", "").strip("/")
    ref = call.query("ref") or hosted.git.default_branch
    sha = hosted.git.resolve(ref)
    if sha is None:
        raise Refused(404, f"No commit found for the ref {ref}")
    tree = hosted.git.tree(sha)
    if path in tree:
        content = hosted.git.read(sha, path) or b""
        if "raw" in call.request.headers.get("Accept", ""):
            return Answer(raw=content)
        encoded = encodebytes(content).decode()
        return Answer(
            body={
                **_entry(call, ref, "file", path, tree[path].sha, len(content)),
                "encoding": "base64",
                "content": encoded,
            }
        )
    inside = f"{path}/" if path else ""
    names = {name.removeprefix(inside).split("/", 1)[0] for name in tree if name.startswith(inside)}
    if not names:
        raise Refused(404, "Not Found")
    listed: list[Json] = []
    for name in sorted(inside + name for name in names):
        if name in tree:
            listed.append(_entry(call, ref, "file", name, tree[name].sha, len(hosted.git.read(sha, name) or b"")))
        else:
            below = {
                file.removeprefix(f"{name}/"): entry for file, entry in tree.items() if file.startswith(f"{name}/")
            }
            listed.append(_entry(call, ref, "dir", name, hosted.git.write_tree(below), 0))
    return Answer(body=listed)


def _entry(call: Call, ref: str, kind: str, path: str, sha: str, size: int) -> Body:
    api, page = repository_url(call.world, call.repository), repository_page(call.world, call.repository)
    url = f"{api}/contents/{path}?ref={ref}"
    git = f"{api}/git/{'blobs' if kind == 'file' else 'trees'}/{sha}"
    html = f"{page}/{'blob' if kind == 'file' else 'tree'}/{ref}/{path}"
    return {
        "type": kind,
        "name": basename(path),
        "path": path,
        "sha": sha,
        "size": size,
        "url": url,
        "git_url": git,
        "html_url": html,
        "download_url": f"{page}/raw/{ref}/{path}" if kind == "file" else None,
        "_links": {"self": url, "git": git, "html": html},
    }


def _deployments(call: Call) -> Answer:
    environment, sha, ref = call.query("environment"), call.query("sha"), call.query("ref")
    found = [
        one
        for one in reversed(call.repository.deployments)
        if environment in ("", one.environment) and sha in ("", one.sha) and ref in ("", one.ref)
    ]
    return call.page([hooks.deployment(call.world, call.repository, one) for one in found])


def _statuses(call: Call) -> Answer:
    number = call.number("deployment_id")
    found = next((one for one in call.repository.deployments if one.id == number), None)
    if found is None:
        raise Refused(404, "Not Found")
    told = [hooks.deployment_status(call.world, call.repository, found, status) for status in reversed(found.statuses)]
    return call.page(told)


def _releases(call: Call) -> Answer:
    found = reversed(call.repository.releases)
    return call.page([hooks.release(call.world, call.repository, one) for one in found])


READ_PULLS = ("pull_requests",)
ROUTES = (
    Route(method="GET", template=REPOSITORY, handler=_repository),
    Route(method="GET", template=f"{REPOSITORY}/pulls", handler=_pulls, permissions=READ_PULLS),
    Route(method="GET", template=PULL, handler=_pull, permissions=READ_PULLS),
    Route(method="GET", template=f"{PULL}/reviews", handler=_reviews, permissions=READ_PULLS),
    Route(method="GET", template=f"{PULL}/files", handler=_files, permissions=READ_PULLS),
    Route(method="GET", template=f"{PULL}/commits", handler=_commits, permissions=READ_PULLS),
    Route(
        method="GET",
        template=f"{REPOSITORY}/commits/{{commit_sha}}/pulls",
        handler=_introducing,
        permissions=READ_PULLS,
    ),
    Route(method="GET", template=f"{REPOSITORY}/contents/{{path}}", handler=_contents, permissions=("contents",)),
    Route(method="GET", template=f"{REPOSITORY}/deployments", handler=_deployments, permissions=("deployments",)),
    Route(
        method="GET",
        template=f"{REPOSITORY}/deployments/{{deployment_id}}/statuses",
        handler=_statuses,
        permissions=("deployments",),
    ),
    Route(method="GET", template=f"{REPOSITORY}/releases", handler=_releases, permissions=("contents",)),
)
