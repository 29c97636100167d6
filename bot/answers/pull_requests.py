"""Pull requests: what the forge told, how they landed, and whether one alone looks like a revert or a hotfix."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from bot.answers.cursors import Cursor
from bot.answers.questions import FILTERS, PAGE, Asker, Filters, Form, Page, Parameters, parse_filters
from bot.answers.rows import NEWEST, load_deployments, texts
from bot.dora.commits import Sha
from bot.dora.instants import Instant
from bot.facts.names import Shown
from bot.store import Reader

_CHUNK = 500
_Key = tuple[int, int, int]
_FIRST: _Key = (2**63 - 1, 2**63 - 1, 2**63 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagShown:
    """Which rule a pull request matches on its own, on seeing what, and what it points to."""

    rule: str
    field: str
    value: str
    target: int | None
    target_sha: Sha | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestShown:
    """A pull request (or merge request). `landing` is `None` until it is known how the merge reached the branch."""

    repository: str
    number: int
    title: str
    author: str
    state: str
    head_ref: str
    base_ref: str
    labels: tuple[str, ...]
    created_at: Instant | None
    updated_at: Instant
    ready_at: Instant | None
    approved_at: Instant | None
    merged_at: Instant | None
    merge_sha: Sha | None
    head_sha: Sha | None
    landing: str | None
    landing_flag: str | None
    flag: FlagShown | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestList:
    """A page of pull requests, the latest touched first."""

    data: tuple[PullRequestShown, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    key: _Key
    shown: PullRequestShown


def parse_pull_requests(parameters: Parameters, asker: Asker) -> tuple[Filters, Page]:
    """A question for a list of pull requests; its window is over their last change. Raises QuestionError."""
    form = Form(parameters, known=(*FILTERS, *PAGE))
    return parse_filters(form, asker), form.page(int, int, int)


def list_pull_requests(reader: Reader, filters: Filters, page: Page) -> PullRequestList:
    """A page of pull requests; service, team, env, source and tag keep those that a matching deployment carried."""
    wanted = _carried(reader, filters)
    after = _FIRST if page.after is None else (int(page.after[0]), int(page.after[1]), int(page.after[2]))
    matching = (row for row in _stream(reader, filters, after) if wanted is None or row.key[1:] in wanted)
    rows = list(islice(matching, page.limit + 1))
    more, rows = len(rows) > page.limit, rows[: page.limit]
    return PullRequestList(
        data=tuple(row.shown for row in rows), next=Cursor.encode(rows[-1].key) if more else None
    )


def _carried(reader: Reader, filters: Filters) -> set[tuple[int, int]] | None:
    """The (repository id, number) that matching deployments carried, or `None` when no deployment is asked for."""
    asked = (filters.service, filters.team, filters.envs, filters.source)
    if not any(asked) and not filters.tags:
        return None
    deployments = load_deployments(
        reader,
        Filters(
            service=filters.service,
            team=filters.team,
            envs=filters.envs,
            source=filters.source,
            tags=filters.tags,
            repository=filters.repository,
        ),
    )
    return set(reader.fetch_in("answer_deployed_pull_requests", _pair, [row.id for row in deployments]))


def _stream(reader: Reader, filters: Filters, after: _Key) -> Iterator[_Row]:
    repository = Shown(reader).current(filters.repository) if filters.repository is not None else ""
    while True:
        rows = reader.fetch(
            "answer_pull_requests",
            _row,
            from_at=0 if filters.from_at is None else filters.from_at,
            to_at=NEWEST[0] if filters.to_at is None else filters.to_at,
            repository=repository,
            before_at=after[0],
            before_repository=after[1],
            before_number=after[2],
            n=_CHUNK,
        )
        yield from rows
        if len(rows) < _CHUNK:
            return
        after = rows[-1].key


def _pair(repository_id: int, number: int) -> tuple[int, int]:
    return repository_id, number


def _row(
    repository_id: int,
    repository: str,
    number: int,
    title: str,
    author: str,
    state: str,
    head_ref: str,
    base_ref: str,
    labels: str,
    created_at: Instant | None,
    updated_at: Instant,
    merged_at: Instant | None,
    merge_sha: Sha | None,
    head_sha: Sha | None,
    kind: str | None,
    flag: str | None,
    ready_at: Instant | None,
    approved_at: Instant | None,
    rule: str | None,
    field: str | None,
    value: str | None,
    target: int | None,
    target_sha: Sha | None,
) -> _Row:
    shown = PullRequestShown(
        repository=repository,
        number=number,
        title=title,
        author=author,
        state=state,
        head_ref=head_ref,
        base_ref=base_ref,
        labels=texts(labels),
        created_at=created_at,
        updated_at=updated_at,
        ready_at=ready_at,
        approved_at=approved_at,
        merged_at=merged_at,
        merge_sha=merge_sha,
        head_sha=head_sha,
        landing=kind or None,
        landing_flag=flag or None,
        flag=None
        if rule is None
        else FlagShown(rule=rule, field=field or "", value=value or "", target=target, target_sha=target_sha),
    )
    return _Row(key=(updated_at, repository_id, number), shown=shown)
