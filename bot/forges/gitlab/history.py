"""A project's commits, refs and changed paths by the API, for tokens that may not clone."""

from bot.dora.commits import Commit, Sha
from bot.dora.instants import Instant
from bot.forges import PayloadError, fields
from bot.forges.client import ForgeUnavailableError, NotThereError, RepositoryKey
from bot.forges.gitlab import answers
from bot.forges.gitlab.calls import Query, encoded
from bot.forges.gitlab.projects import NEEDS_READ, Projects
from bot.forges.history import ChangedPaths, CommitPage, NamedCommit

BRANCH, TAG, REQUEST = "refs/heads/", "refs/tags/", "refs/merge-requests/"
MOST_FILES = 1_000
"""Files of a commit that GitLab lists at most unless its owner raised it; as many may be all, or not."""


class History:
    """GitLab's side of `forges/history.py`."""

    def __init__(self, projects: Projects) -> None:
        self._projects, self._api = projects, projects.api

    async def default_branch(self, repository: RepositoryKey) -> str:
        """The default branch's short name; "" of an empty repository."""
        return fields.name((await self._projects.find(repository)).default_branch)

    async def refs(self, repository: RepositoryKey) -> tuple[NamedCommit, ...]:
        """All branches and tags."""
        found = []
        for kind, prefix in (("branches", BRANCH), ("tags", TAG)):
            path = await self._projects.path(repository, f"/repository/{kind}")
            found += [_named(prefix, ref) for ref in await self._api.all(path, answers.Ref, needs=NEEDS_READ)]
        return tuple(ref for ref in found if ref is not None)

    async def ref(self, repository: RepositoryKey, name: str) -> NamedCommit | None:
        """One branch, tag or merge request's head."""
        try:
            if name.startswith(REQUEST):
                return await self._head(repository, name)
            kind, prefix = ("branches", BRANCH) if name.startswith(BRANCH) else ("tags", TAG)
            path = await self._projects.path(repository, f"/repository/{kind}/{encoded(name.removeprefix(prefix))}")
            return _named(prefix, await self._api.get(path, answers.Ref, needs=NEEDS_READ))
        except NotThereError as error:
            if "Project" in error.detail:
                raise
            return None

    async def _head(self, repository: RepositoryKey, name: str) -> NamedCommit | None:
        number = name.removeprefix(REQUEST).partition("/")[0]
        path = await self._projects.path(repository, f"/merge_requests/{number}")
        told = await self._api.get(path, answers.MergeRequest, needs=NEEDS_READ)
        sha = _sha(told.sha)
        return None if sha is None else NamedCommit(name=name, sha=sha)

    async def commits(self, repository: RepositoryKey, start: Sha, *, page: int, path: str = "") -> CommitPage:
        """A page of the log; a path is a directory or a file, not a pattern."""
        where = await self._projects.path(repository, "/repository/commits")
        query: Query = {"ref_name": start.hex(), "page": page, "path": path or None}
        told = await self._api.page(where, answers.Commit, query, needs=NEEDS_READ)
        return CommitPage(commits=tuple(map(_commit, told.items)), more=told.next is not None)

    async def paths(self, repository: RepositoryKey, sha: Sha) -> ChangedPaths:
        """Both paths of every changed file, also where the diff itself is collapsed or too large."""
        path = await self._projects.path(repository, f"/repository/commits/{sha.hex()}/diff")
        diffs = await self._api.all(path, answers.FileDiff, needs=NEEDS_READ)
        names = dict.fromkeys(name.encode() for diff in diffs for name in (diff.old_path, diff.new_path))
        return ChangedPaths(paths=tuple(names), whole=len(diffs) < MOST_FILES)


def _named(prefix: str, ref: answers.Ref) -> NamedCommit | None:
    name = _ref_name(prefix, ref.name)
    sha = _sha(ref.commit.id if ref.commit else None)
    if name is None or sha is None:
        return None
    return NamedCommit(name=name, sha=sha, tagged_at=_instant(ref.created_at) if prefix == TAG else None)


def _ref_name(prefix: str, name: str) -> str | None:
    try:
        return fields.ref(prefix + name)
    except PayloadError:
        return None  # what git does not allow cannot be deployed either


def _commit(told: answers.Commit) -> Commit:
    sha = _sha(told.id)
    if sha is None:
        raise ForgeUnavailableError("broken_answer", "GitLab lists a commit without an id")
    subject, body = split_message(told.message or "")
    return Commit(
        sha=sha,
        parents=tuple(parent for parent in map(_sha, told.parent_ids) if parent is not None),
        authored_at=_instant(told.authored_date),
        committed_at=_instant(told.committed_date),
        author=f"{told.author_name or ''} <{told.author_email or ''}>",
        subject=subject,
        body=body,
        paths=None,
    )


def split_message(message: str) -> tuple[str, str]:
    """Subject and body exactly as git's `%s` and `%b` tell them apart, so that a clone says the same."""
    lines = [line.rstrip(" \t\v\f\r") for line in message.split("\n")]
    start = next((at for at, line in enumerate(lines) if line), len(lines))
    end = next((at for at in range(start, len(lines)) if not lines[at]), len(lines))
    rest = next((at for at in range(end, len(lines)) if lines[at]), len(lines))
    return " ".join(lines[start:end]), "\n".join(message.split("\n")[rest:]).rstrip("\n")


def _sha(text: str | None) -> Sha | None:
    try:
        return fields.sha(text)
    except PayloadError as error:
        raise ForgeUnavailableError("broken_answer", error.detail) from error


def _instant(text: str | None) -> Instant | None:
    try:
        return fields.instant(text)
    except PayloadError:
        return None
