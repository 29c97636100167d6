"""Rollforwards that wait for their deployment, and how long.

`env` of the filters is what they wait for (unless asked otherwise production), `from` and `to` are about since when they wait;
service, team, source and tag keep those of the repositories that a matching deployment came from, or that the definition of such
a service names.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import NamedTuple

from bot.answers.cursors import Cursor
from bot.answers.pull_requests import FlagShown
from bot.answers.questions import FILTERS, PAGE, Asker, Filters, Form, Page, Parameters, parse_filters
from bot.answers.rows import load_deployments, texts
from bot.dora.instants import Duration, Instant
from bot.dora.paths import linked_repositories
from bot.dora.sources import Selection, counts
from bot.dora.waiting import State, wait_of
from bot.facts.catalog import load_definitions
from bot.facts.names import Shown, load_web_roots
from bot.facts.sources import load_selection
from bot.store import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A pull request that a rule took for a rollforward and that has not gone out. `since` is `None` where nobody told; fields are the API's."""

    repository: str
    number: int
    title: str
    author: str
    base_ref: str
    labels: tuple[str, ...]
    flag: FlagShown
    state: State
    since: Instant | None
    waits: Duration | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingList:
    """A page of rollforwards that wait, the newest first."""

    data: tuple[Waiting, ...]
    next: str | None


class _Flagged(NamedTuple):
    repository_id: int
    repository: str
    number: int
    title: str
    author: str
    base_ref: str
    labels: str
    state: str
    created_at: Instant | None
    merged_at: Instant | None
    rule: str
    field: str
    value: str
    target: int | None
    target_sha: bytes | None


class _Carried(NamedTuple):
    repository_id: int
    number: int
    env: str
    source: str
    finished_at: Instant


class _Unlisted(NamedTuple):
    repository: str
    env: str
    source: str
    started_at: Instant
    finished_at: Instant


def parse_waiting(parameters: Parameters, asker: Asker) -> tuple[Filters, Page]:
    """A question for a list of rollforwards that wait; without `env` for production. Raises QuestionError."""
    form = Form(parameters, known=(*FILTERS, *PAGE))
    filters = parse_filters(form, asker)
    if filters.envs is None:
        filters = replace(filters, envs=frozenset({"", *asker.production_envs}))
    return filters, form.page(int, str, int)


def list_waiting(reader: Reader, filters: Filters, page: Page, now: Instant) -> WaitingList:
    """A page of the rollforwards that wait, the newest first."""
    found = load_waiting(reader, filters, now)
    if page.after is not None:
        found = tuple(one for one in found if _key(one) > page.after)
    data, more = found[: page.limit], len(found) > page.limit
    return WaitingList(data=data, next=Cursor.encode(_key(data[-1])) if more else None)


def load_waiting(reader: Reader, filters: Filters, now: Instant) -> tuple[Waiting, ...]:
    """All rollforwards that are open, or merged and in no deployment that counts of one of `filters.envs` (`None`: of any), newest first."""
    flagged = reader.fetch("flagged_pull_requests", _Flagged)
    if not flagged:
        return ()
    selection, shown = load_selection(reader, "deployments"), Shown(reader)
    carried = {
        (row.repository_id, row.number)
        for row in reader.fetch("flagged_and_carried", _Carried)
        if _counts(filters, selection, row)
    }
    unlisted: dict[str, Instant] = {}
    for row in reader.fetch("unlisted_deployments", _Unlisted):
        if _counts(filters, selection, row):
            name = shown.current(row.repository, row.finished_at)
            unlisted[name] = max(row.started_at, unlisted.get(name, 0))
    wanted = _repositories(reader, filters, shown)
    found = [
        one
        for row in flagged
        if wanted is None or row.repository in wanted
        if (one := _waiting(row, (row.repository_id, row.number) in carried, unlisted.get(row.repository), now)) is not None
    ]
    return tuple(sorted((one for one in found if _is_inside(one.since, filters)), key=_key))


def _waiting(row: _Flagged, carried: bool, unlisted_at: Instant | None, now: Instant) -> Waiting | None:
    wait = wait_of(
        row.state, created_at=row.created_at, merged_at=row.merged_at, carried=carried, unlisted_at=unlisted_at
    )
    if wait is None:
        return None
    sha = None if row.target_sha is None else bytes(row.target_sha)
    return Waiting(
        repository=row.repository, number=row.number, title=row.title, author=row.author, base_ref=row.base_ref,
        labels=texts(row.labels), state=wait.state, since=wait.since, waits=wait.lasts(now),
        flag=FlagShown(rule=row.rule, field=row.field, value=row.value, target=row.target, target_sha=sha),
    )  # fmt: skip


def _counts(filters: Filters, selection: Selection, row: _Carried | _Unlisted) -> bool:
    return (filters.envs is None or row.env in filters.envs) and counts(selection, row.source, row.finished_at)


def _repositories(reader: Reader, filters: Filters, shown: Shown) -> Collection[str] | None:
    """The repositories that are asked for, by their present names; `None` for all."""
    own = None if filters.repository is None else shown.current(filters.repository)
    if not (filters.service or filters.team or filters.source or filters.tags):
        return None if own is None else {own}
    asked = replace(filters, from_at=None, to_at=None, envs=None)
    found = {row.repository for row in load_deployments(reader, asked)}
    if not filters.source and not filters.tags:
        roots = load_web_roots(reader)
        for one in load_definitions(reader):
            if filters.service in (None, one.service) and filters.team in (None, one.team.strip().lower()):
                found |= shown.currents(linked_repositories(one, web_roots=roots))
    return found if own is None else found & {own}


def _is_inside(since: Instant | None, filters: Filters) -> bool:
    if since is None:
        return filters.from_at is None and filters.to_at is None
    return (filters.from_at or 0) <= since and (filters.to_at is None or since < filters.to_at)


def _key(one: Waiting) -> tuple[int, str, int]:
    """What nobody knows comes last."""
    return -(-1 if one.since is None else one.since), one.repository, one.number
