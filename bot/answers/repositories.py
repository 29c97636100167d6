"""The repositories: how far each is mirrored, and what keeps it from being."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bot.answers.cursors import Cursor
from bot.answers.questions import FILTERS, PAGE, Asker, Filters, Form, Page, Parameters, parse_filters
from bot.answers.rows import load_deployments, load_pending
from bot.answers.uploads import UploadShown, load_uploads
from bot.dora.instants import Instant
from bot.facts.names import Shown
from bot.facts.repositories import ACTIVE, GONE
from bot.store import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryShown:
    """A repository. `state`: synced, waiting (a fetch is due), failing (`error`, next try at `retry_at`), uploaded (all that is known
    of it, see `upload`), or never synced; of one that is not fetched any more archived, deleted, or removed (from the App's installation).

    `access`: clone, api, none (`None` before the first sync), `access_reason` why not better; `partial`: what is not exact, and why.
    """

    repository: str
    forge: str
    default_branch: str | None
    state: str
    synced_at: Instant | None
    wanted_refs: int
    error: str | None
    attempts: int
    retry_at: Instant | None
    access: str | None
    access_reason: str | None
    partial: tuple[str, ...]
    upload: UploadShown | None
    commits: int
    pull_requests: int
    deployments: int
    services: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryList:
    """A page of repositories, the latest synced first, the never synced last."""

    data: tuple[RepositoryShown, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Repository:
    id: int
    name: str
    forge: str
    default_branch: str
    synced_at: Instant | None


class _Access(NamedTuple):
    way: str
    reason: str
    partial: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fetch:
    repository_id: int
    attempts: int
    run_at: Instant
    error: str


def parse_repositories(parameters: Parameters, asker: Asker) -> tuple[Filters, Page]:
    """A question for a list of repositories. Raises QuestionError."""
    form = Form(parameters, known=(*FILTERS, *PAGE))
    return parse_filters(form, asker), form.page(int, str)


def list_repositories(reader: Reader, filters: Filters, page: Page) -> RepositoryList:
    """A page of repositories; filters but `repository` keep those with a deployment that matches them."""
    repositories = load_repositories(reader, filters)
    if page.after is not None:
        at, name = int(page.after[0]), str(page.after[1])
        repositories = [one for one in repositories if _key(one) > (-at, name)]
    shown = repositories[: page.limit]
    more = len(repositories) > page.limit
    return RepositoryList(
        data=tuple(shown),
        next=Cursor.encode((-_key(shown[-1])[0], shown[-1].repository)) if more else None,
    )


def load_repositories(reader: Reader, filters: Filters) -> list[RepositoryShown]:
    """All repositories that match, the latest synced first."""
    used: dict[str, tuple[int, set[str]]] = {}
    pending = load_pending(reader)
    for row in load_deployments(reader, filters):
        count, services = used.get(row.repository, (0, set()))
        used[row.repository] = (count + row.counted(pending), services | {row.service})
    only_used = filters != Filters(repository=filters.repository, echo=filters.echo)
    wanted = None if filters.repository is None else Shown(reader).current(filters.repository)
    states = dict(reader.fetch("answer_forge_states", _state_told))
    commits = dict(reader.fetch("answer_commit_counts", _counted))
    pull_requests = dict(reader.fetch("answer_pull_request_counts", _counted))
    fetches = reader.fetch("answer_fetches", _fetch)
    accesses = dict(reader.fetch("repository_accesses", _access))
    uploads = load_uploads(reader)
    shown = []
    for repository in reader.fetch("answer_repositories", _repository):
        if wanted not in (None, repository.name) or (only_used and repository.name not in used):
            continue
        count, services = used.get(repository.name, (0, set()))
        own = [one for one in fetches if one.repository_id == repository.id]
        access = accesses.get(repository.id)
        failing = max((one for one in own if one.error), key=lambda one: one.attempts, default=None)
        shown.append(
            RepositoryShown(
                repository=repository.name,
                forge=repository.forge,
                default_branch=repository.default_branch or None,
                state=_state(repository, own, states.get(repository.id, ACTIVE), is_uploaded=repository.id in uploads),
                synced_at=repository.synced_at,
                wanted_refs=len(own),
                error=failing.error if failing else None,
                attempts=failing.attempts if failing else 0,
                retry_at=failing.run_at if failing else None,
                access=access.way if access else None,
                access_reason=access.reason or None if access else None,
                partial=access.partial if access else (),
                upload=uploads.get(repository.id),
                commits=commits.get(repository.id, 0),
                pull_requests=pull_requests.get(repository.id, 0),
                deployments=count,
                services=tuple(sorted(services)),
            )
        )
    return sorted(shown, key=_key)


def _state(repository: _Repository, fetches: Sequence[_Fetch], told: str, *, is_uploaded: bool) -> str:
    if told in GONE or (told != ACTIVE and not fetches):
        return told
    if any(one.error for one in fetches):
        return "failing"
    if fetches:
        return "waiting"
    if repository.synced_at is None:
        return "uploaded" if is_uploaded else "never"
    return "synced"


def _key(repository: RepositoryShown) -> tuple[int, str]:
    return (1 if repository.synced_at is None else -repository.synced_at), repository.repository


def _repository(
    id: int,
    name: str,
    forge: str,
    remote: str,
    is_local: int,
    default_branch: str,
    synced_from: Instant | None,
    synced_at: Instant | None,
) -> _Repository:
    return _Repository(id=id, name=name, forge=forge, default_branch=default_branch, synced_at=synced_at)


def _fetch(repository_id: int, ref: str, wanted_at: Instant, attempts: int, run_at: Instant, error: str) -> _Fetch:
    return _Fetch(repository_id=repository_id, attempts=attempts, run_at=run_at, error=error)


def _access(repository_id: int, way: str, reason: str, partial: str) -> tuple[int, _Access]:
    return repository_id, _Access(way, reason, tuple(json.loads(partial)))


def _state_told(repository_id: int, state: str) -> tuple[int, str]:
    return repository_id, state


def _counted(id: int, count: int) -> tuple[int, int]:
    return id, count


