"""How a merged pull request reached its target branch, and which commits it introduced there (semantics §3.5, §3.6).

Rules: only the merged commit, the head as the forge reported it at merge, and the graph decide, never where a ref points now; no
answer depends on the order in which commits arrived. A stacked pull request's answer may repeat commits of the one below it: the
earlier merge wins, elsewhere.
"""

from collections.abc import Collection, Iterable
from heapq import heapify, heappop, heappush

from bot.dora.commits import CommitGraph, Sha
from bot.dora.history import History
from bot.dora.pull_requests import Introduced, Landing, PullRequest

HEAD_MISSING = "head_missing"
"""The head is not in the mirror."""
HEAD_UNKNOWN = "head_unknown"
"""The forge never told the head."""
BASE_UNKNOWN = "base_unknown"
"""What the branch stood on is not in the mirror, or nobody told it."""
NO_ORIGINALS = "no_originals"
"""The head holds nothing that its target branch did not have."""


def introduced(history: History, pull_request: PullRequest, *, bases: Collection[Sha] = ()) -> Introduced | None:
    """The commits that a merged pull request introduced, parents first; `None` while its merged commit is not in the mirror.

    `bases` are commits that the target branch already had (what earlier pull requests into it were merged as): a fast-forward
    leaves no trace of its own where it began.
    """
    graph = history.graph
    landed_as = pull_request.merge_sha or pull_request.squash_sha
    merged = None if pull_request.merged_at is None or landed_as is None else graph.index(landed_as)
    if merged is None:
        return None
    head = None if pull_request.head_sha is None else graph.index(pull_request.head_sha)
    squashed = None if pull_request.squash_sha is None else graph.index(pull_request.squash_sha)
    if squashed == merged:
        return _squash(history, pull_request, squashed=merged, commits=[merged])
    if head == merged:
        return _fast_forward(history, merged, bases)
    if graph.is_merge(merged):
        return _merge(history, pull_request, merged, squashed)
    return _squash_or_rebase(history, pull_request, merged, head)


def _merge(history: History, pull_request: PullRequest, merged: int, squashed: int | None) -> Introduced:
    """`merge^1..merge`, the merge itself included."""
    graph = history.graph
    target = graph.index(graph.declared_parents(merged)[0])
    if target is None:
        return Introduced(landing=Landing.MERGE, commits=(graph.sha(merged),), flag=BASE_UNKNOWN)
    commits = graph.between([target], merged)
    if squashed is None:
        squashed = _squashed_behind(history, pull_request, merged, commits)
    if squashed is not None and squashed in commits:
        return _squash(history, pull_request, squashed=squashed, commits=commits)
    return Introduced(landing=Landing.MERGE, commits=_shas(history, commits))


def _squashed_behind(history: History, pull_request: PullRequest, merged: int, commits: Collection[int]) -> int | None:
    """The squashed commit that a merge commit carries, where the forge does not tell it (GitLab): alone there, and not the head."""
    graph = history.graph
    alone = [at for at in commits if at != merged]
    if len(alone) != 1 or pull_request.head_sha is None or graph.sha(alone[0]) == pull_request.head_sha:
        return None
    head = graph.index(pull_request.head_sha)
    return None if head is not None and graph.is_ancestor(head, merged) else alone[0]


def _fast_forward(history: History, head: int, bases: Collection[Sha]) -> Introduced:
    """The head's own commits since its base."""
    graph = history.graph
    known = {at for at in map(graph.index, bases) if at is not None and at != head}
    below = _nearest(graph, known, head)
    if below:
        return Introduced(landing=Landing.FAST_FORWARD, commits=_shas(history, graph.between(below, head)))
    return Introduced(landing=Landing.FAST_FORWARD, commits=(graph.sha(head),), flag=BASE_UNKNOWN)


def _nearest(graph: CommitGraph, known: Collection[int], head: int) -> list[int]:
    """Those of the known commits that the head reaches without passing another: one walk, as far as its own commits."""
    found, seen, stack = [], {head}, [head]
    while stack:
        for parent in graph.parents(stack.pop()):
            if parent in seen:
                continue
            seen.add(parent)
            if parent in known:
                found.append(parent)
            else:
                stack.append(parent)
    return found


def _squash_or_rebase(history: History, pull_request: PullRequest, merged: int, head: int | None) -> Introduced:
    """One parent: a rebase if the last of the head's own commits, or a run of several, is found again on the target branch."""
    if head is not None:
        own = _own_commits(history, head, beside=merged)
        if own:
            graph = history.graph
            run = _rebased_run(graph, merged, own)
            if len(run) > 1 or (run and graph.twin(merged) in _last_twins(graph, head, own)):
                return Introduced(
                    landing=Landing.REBASE,
                    commits=tuple(graph.sha(at) for at, _ in reversed(run)),
                    rebased=tuple(graph.sha(before) for _, before in reversed(run)),
                )
    return _squash(history, pull_request, squashed=merged, commits=[merged])


def _squash(history: History, pull_request: PullRequest, *, squashed: int, commits: list[int]) -> Introduced:
    """A squashed commit and the originals it stands for: what the head has and the squashed commit's parent has not."""
    graph = history.graph
    head = None if pull_request.head_sha is None else graph.index(pull_request.head_sha)
    own = None if head is None else _own_commits(history, head, beside=squashed)
    originals = [at for at in own or () if not graph.is_merge(at)]
    flag = None
    if pull_request.head_sha is None:
        flag = HEAD_UNKNOWN
    elif head is None:
        flag = HEAD_MISSING
    elif own is None:
        flag = BASE_UNKNOWN
    elif not originals:
        flag = NO_ORIGINALS
    return Introduced(
        landing=Landing.SQUASH,
        commits=_shas(history, commits),
        squashed=graph.sha(squashed),
        originals=tuple(map(graph.sha, originals)),
        flag=flag,
        head_missing=flag == HEAD_MISSING,
    )


def _own_commits(history: History, head: int, *, beside: int) -> list[int] | None:
    """The head's commits that the first parent of `beside` lacks, parents first; `None` when that parent is not mirrored."""
    graph = history.graph
    parents = graph.declared_parents(beside)
    base = graph.index(parents[0]) if parents else None
    if base is None:
        return None
    return [at for at in _parents_first(history, graph.between([base], head)) if at != beside]


def _rebased_run(graph: CommitGraph, merged: int, own: list[int]) -> list[tuple[int, int]]:
    """The longest run of first-parent commits ending at `merged` that are, in order, twins of the head's own; each with its twin,
    the newest first."""
    run: list[tuple[int, int]] = []
    left = list(own)
    for at in graph.first_parent_chain(merged):
        if graph.is_merge(at):
            break
        while left and graph.twin(left[-1]) != graph.twin(at):
            left.pop()
        if not left:
            break
        run.append((at, left.pop()))
    return run


def _last_twins(graph: CommitGraph, head: int, own: list[int]) -> set[int]:
    """The twins of the last of the head's own commits: the head, or what merges at its end merged."""
    found, stack, left = set(), [head], set(own)
    while stack:
        at = stack.pop()
        if at not in left:
            continue
        left.remove(at)
        if graph.is_merge(at):
            stack.extend(graph.parents(at))
        else:
            found.add(graph.twin(at))
    return found


def _shas(history: History, commits: Iterable[int]) -> tuple[Sha, ...]:
    return tuple(history.graph.sha(at) for at in _parents_first(history, commits))


def _parents_first(history: History, commits: Iterable[int]) -> list[int]:
    """Parents before children, among the free ones the least (committer date, sha): indices follow arrival, this does not."""
    graph, members = history.graph, set(commits)
    waits = {at: sum(parent in members for parent in graph.parents(at)) for at in members}
    children: dict[int, list[int]] = {}
    for at in members:
        for parent in graph.parents(at):
            if parent in members:
                children.setdefault(parent, []).append(at)
    free = [(history.committed_at(at) or 0, graph.sha(at), at) for at in members if not waits[at]]
    heapify(free)
    order = []
    while free:
        at = heappop(free)[2]
        order.append(at)
        for child in children.get(at, ()):
            waits[child] -= 1
            if not waits[child]:
                heappush(free, (history.committed_at(child) or 0, graph.sha(child), child))
    return order
