"""What a service's patterns select: how much of a repository, and commit by commit in a range."""

from dataclasses import dataclass

from bot.dora.commits import Sha
from bot.dora.history import History
from bot.dora.paths import PathMatcher, path_text
from bot.dora.reasons import Dropped
from bot.facts.repositories import find_repository
from bot.pipeline.derive.sources import Sources
from bot.pipeline.history import commit_details
from bot.store import Reader


class SelectionError(Exception):
    """What was asked for cannot be found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """How much the patterns select of a repository that is synced."""

    files: int
    all_files: int
    commits: int
    all_commits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A commit of a range: kept, or dropped with the reason; `files` are those that matched."""

    sha: Sha
    subject: str
    reason: Dropped | None
    files: tuple[str, ...]


def measure_selection(reader: Reader, sources: Sources, service: str, repository: str) -> Selected | None:
    """How much of the repository the service's patterns select; `None` if it is not synced."""
    row = find_repository(reader, repository)
    if row is None:
        return None
    view = sources.view(reader, service, row).view
    history, paths = view.history, view.history.sorted_paths
    return Selected(
        files=len(view.matcher.matching(paths)), all_files=len(paths.ids), commits=len(history.touching(view.matcher)),
        all_commits=len(history.graph),
    )  # fmt: skip


def judge_range(reader: Reader, sources: Sources, service: str, repository: str, revisions: str) -> list[Judged]:
    """Every commit of `A..B` (branches, tags, shas or their beginnings), newest first. Raises SelectionError."""
    row = find_repository(reader, repository)
    if row is None:
        raise SelectionError(f"{repository} is not synced")
    since, dots, head = revisions.partition("..")
    if not dots or not since or not head:
        raise SelectionError(f"{revisions!r} is no range; write A..B")
    view = sources.view(reader, service, row).view
    history = view.history
    start, end = (_resolve(reader, row.id, history, name) for name in (since, head))
    commits = history.graph.between([start], end)
    touching = history.touching(view.matcher)
    details = commit_details(reader, row.id, [history.graph.sha(at) for at in commits])
    judged = []
    for at in commits:
        detail = details[history.graph.sha(at)]
        judged.append(
            Judged(
                sha=detail.sha, subject=detail.subject, reason=_reason(history, at, kept=at in touching),
                files=_matched(view.matcher, detail.paths or ()),
            )
        )  # fmt: skip
    return judged


def _resolve(reader: Reader, repository_id: int, history: History, name: str) -> int:
    for ref in (f"refs/heads/{name}", f"refs/tags/{name}", name):
        for sha in reader.fetch("ref_commit", bytes, repository_id=repository_id, name=ref):
            at = history.graph.index(bytes(sha))
            if at is not None:
                return at
    found = history.graph.unique_prefix(name)
    if len(found) != 1 or (at := history.graph.index(found[0])) is None:
        raise SelectionError(f"{name!r} is no branch, tag or commit here" if not found else f"{name!r} begins several commits")
    return at


def _reason(history: History, at: int, *, kept: bool) -> Dropped | None:
    if history.graph.is_merge(at):
        return Dropped.MERGE
    if kept:
        return None
    return Dropped.PATHS_UNKNOWN if at in history.paths_unknown else Dropped.PATH


def _matched(matcher: PathMatcher, paths: tuple[bytes, ...]) -> tuple[str, ...]:
    return tuple(path_text(path) for path in paths if matcher.matches(path))
