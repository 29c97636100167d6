"""The API about a repository's commits, branches, tags and files."""

from aiohttp import web

from bot.standins.gitlab import commit_entities, merge_request_entities, reading
from bot.standins.gitlab.calls import Call, not_found
from bot.standins.gitlab.project import Project
from bot.standins.gitlab.state import MergeRequest


async def commits(call: Call) -> web.Response:
    """A log as git tells it: by default of the default branch; `path` simplified by git's own rules. Nothing is counted."""
    project = call.project()
    page, size = call.page()
    everything = call.flag("all")
    ref = call.word("ref_name") or project.git.default_branch
    if not everything and not _is_known(project, ref):
        raise not_found()
    shas = reading.log(
        project.git,
        ["--all"] if everything else ["--end-of-options", ref],
        skip=(page - 1) * size,
        limit=size + 1,
        path=call.word("path"),
        since=call.word("since"),
        until=call.word("until"),
        author=call.word("author"),
        first_parent=call.flag("first_parent"),
        topological=call.word("order") == "topo",
    )
    with_stats = call.flag("with_stats")
    shown = [
        commit_entities.commit(project, sha) | ({"stats": commit_entities.stats(project, sha)} if with_stats else {})
        for sha in shas[:size]
    ]
    return call.one_page(shown, more=len(shas) > size)


def _is_known(project: Project, ref: str) -> bool:
    return all(reading.expand(project.git, end or "HEAD") for end in ref.replace("...", "..").split(".."))


def _commit(call: Call) -> tuple[Project, str]:
    project = call.project()
    sha = reading.expand(project.git, call.request.match_info["sha"])
    if sha is None:
        raise not_found("Commit")
    return project, sha


async def one_commit(call: Call) -> web.Response:
    """A commit, with the lines it changed."""
    project, sha = _commit(call)
    last = [status.status for status in project.statuses if status.sha == sha]
    return call.answer(
        {
            **commit_entities.commit(project, sha),
            "stats": commit_entities.stats(project, sha),
            "status": last[-1] if last else None,
            "project_id": project.id,
            "last_pipeline": None,
        }
    )


async def diff(call: Call) -> web.Response:
    """What a commit changed against its first parent."""
    project, sha = _commit(call)
    parents = project.git.read_commit(sha).parents
    found = reading.diff(project.git, parents[0] if parents else None, sha)
    return call.paged(found, lambda seen: commit_entities.file_diff(project, seen))


async def merge_requests(call: Call) -> web.Response:
    """The merge requests that have the commit, or were landed as it."""
    project, sha = _commit(call)
    found = [mr for mr in project.merge_requests.values() if _has(project, mr, sha)]
    return call.paged(found, lambda mr: merge_request_entities.merge_request(project, mr))


def _has(project: Project, mr: MergeRequest, sha: str) -> bool:
    return sha in {mr.merge_commit_sha, mr.squash_commit_sha} or sha in project.git.commits_between(mr.base, mr.head)


async def compare(call: Call) -> web.Response:
    """What `to` has and `from` has not."""
    project = call.project()
    ends = [reading.expand(project.git, call.needed(name)) for name in ("from", "to")]
    if ends[0] is None or ends[1] is None:
        raise not_found("Ref")
    before, after = ends[0], ends[1]
    shas = project.git.commits_between(before, after)
    start = before if call.flag("straight") else project.git.merge_base(before, after)
    return call.answer(
        {
            "commit": commit_entities.commit(project, after),
            "commits": [commit_entities.commit(project, sha) for sha in shas],
            "diffs": [commit_entities.file_diff(project, seen) for seen in reading.diff(project.git, start, after)],
            "compare_timeout": False,
            "compare_same_ref": before == after,
            "web_url": f"{project.web_url}/-/compare/{before}...{after}",
        }
    )


async def branches(call: Call) -> web.Response:
    """Branches by name."""
    project = call.project()
    found = list(project.git.branches().items())
    return call.paged(found, lambda pair: commit_entities.branch(project, *pair))


async def one_branch(call: Call) -> web.Response:
    """A branch."""
    project, name = call.project(), call.request.match_info["name"]
    sha = project.git.find(f"refs/heads/{name}")
    if sha is None:
        raise not_found("Branch")
    return call.answer(commit_entities.branch(project, name, sha))


async def tags(call: Call) -> web.Response:
    """Tags by name."""
    project = call.project()
    found = list(project.git.tags().items())
    return call.paged(found, lambda pair: commit_entities.tag(project, *pair))


async def one_tag(call: Call) -> web.Response:
    """A tag."""
    project, name = call.project(), call.request.match_info["name"]
    sha = project.git.find(f"refs/tags/{name}")
    if sha is None:
        raise not_found("Tag")
    return call.answer(commit_entities.tag(project, name, sha))


async def raw_file(call: Call) -> web.Response:
    """A file's bytes at a ref (by itself HEAD)."""
    project = call.project()
    sha = reading.expand(project.git, call.word("ref") or "HEAD")
    if sha is None:
        raise not_found("Commit")
    content = project.git.read(sha, call.request.match_info["path"])
    if content is None:
        raise not_found("File")
    return web.Response(body=content, content_type="text/plain", headers={"X-Gitlab-Commit-Id": sha})


BASE = "/projects/{id}/repository"
ROUTES = {
    f"GET {BASE}/commits": commits,
    f"GET {BASE}/commits/{{sha}}": one_commit,
    f"GET {BASE}/commits/{{sha}}/diff": diff,
    f"GET {BASE}/commits/{{sha}}/merge_requests": merge_requests,
    f"GET {BASE}/compare": compare,
    f"GET {BASE}/branches": branches,
    f"GET {BASE}/branches/{{name}}": one_branch,
    f"GET {BASE}/tags": tags,
    f"GET {BASE}/tags/{{name}}": one_tag,
    f"GET {BASE}/files/{{path}}/raw": raw_file,
}
