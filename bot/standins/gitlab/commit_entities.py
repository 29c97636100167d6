"""What the API says of commits, and of what names or judges them."""

from bot.standins.forge import Json
from bot.standins.gitlab import entities, reading
from bot.standins.gitlab.place import Place
from bot.standins.gitlab.spelling import api_time, api_time_or_none, commit_time
from bot.standins.gitlab.state import CommitStatus, Release
from bot.standins.repository import ZEROS


def commit(of: Place, sha: str) -> entities.Entity:
    """A commit as lists show it."""
    read = of.git.read_commit(sha)
    return {
        "id": sha,
        "short_id": sha[:8],
        "created_at": commit_time(read.committer.at),
        "parent_ids": list(read.parents),
        "title": read.message.partition("\n")[0],
        "message": read.message,
        "author_name": read.author.name,
        "author_email": read.author.email,
        "authored_date": commit_time(read.author.at),
        "committer_name": read.committer.name,
        "committer_email": read.committer.email,
        "committed_date": commit_time(read.committer.at),
        "trailers": {},
        "extended_trailers": {},
        "web_url": f"{of.web_url}/-/commit/{sha}",
    }


def stats(of: Place, sha: str) -> Json:
    """How many lines a commit changed."""
    parents = of.git.read_commit(sha).parents
    added, deleted = reading.stats(of.git, parents[0] if parents else None, sha)
    return {"additions": added, "deletions": deleted, "total": added + deleted}


def file_diff(of: Place, seen: reading.FileDiff) -> Json:
    """A file's change; a large one keeps its paths alone."""
    size = len(seen.patch.encode())
    too_large, collapsed = size > of.omit_above, of.omit_above >= size > of.collapse_above
    return {
        "diff": "" if too_large or collapsed else seen.patch,
        "collapsed": collapsed,
        "too_large": too_large,
        "new_path": seen.new_path,
        "old_path": seen.old_path,
        "a_mode": seen.old_mode,
        "b_mode": seen.new_mode,
        "new_file": seen.status == "A",
        "renamed_file": seen.status == "R",
        "deleted_file": seen.status == "D",
        "generated_file": False,
    }


def branch(of: Place, name: str, sha: str) -> Json:
    """A branch."""
    is_default = name == of.git.default_branch
    return {
        "name": name,
        "commit": commit(of, sha),
        "merged": False,
        "protected": is_default,
        "developers_can_push": False,
        "developers_can_merge": False,
        "can_push": False,
        "default": is_default,
        "web_url": f"{of.web_url}/-/tree/{name}",
    }


def tag(of: Place, name: str, sha: str) -> Json:
    """A tag; `target` is what it names, which of an annotated one is its own object."""
    told = next((one for one in of.releases if one.tag == name), None)
    message = of.tag_message(sha)
    return {
        "name": name,
        "message": message or "",
        "target": sha,
        "commit": commit(of, of.git.peel(sha)),
        "release": {"tag_name": name, "description": ""} if told else None,
        "protected": False,
    }


def status(of: Place, seen: CommitStatus) -> Json:
    """What an outside party says about a commit."""
    return {
        "id": seen.id,
        "sha": seen.sha,
        "ref": seen.ref,
        "status": seen.status,
        "name": seen.name,
        "target_url": seen.target_url,
        "description": seen.description,
        "created_at": api_time(seen.created_at),
        "started_at": None,
        "finished_at": api_time_or_none(seen.finished_at),
        "allow_failure": False,
        "coverage": None,
        "pipeline_id": 1,
        "author": entities.user(seen.author, of.forge.external_url),
    }


def release(of: Place, seen: Release) -> Json:
    """A release."""
    return {
        "name": seen.tag,
        "tag_name": seen.tag,
        "description": "",
        "created_at": api_time(seen.at),
        "released_at": api_time(seen.at),
        "upcoming_release": False,
        "author": entities.user(seen.author, of.forge.external_url),
        "commit": commit(of, of.git.resolve(seen.tag) or ZEROS),
        "commit_path": f"/{of.path}/-/commit/{of.git.resolve(seen.tag)}",
        "tag_path": f"/{of.path}/-/tags/{seen.tag}",
        "assets": {"count": 0, "sources": [], "links": []},
        "evidences": [],
    }
