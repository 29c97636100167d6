"""Backfill: inferred deployments out of what a repository's history shows, so that the first numbers are there at once."""

from collections.abc import Callable, Generator, Sequence
from fnmatch import fnmatchcase
from hashlib import blake2b
from typing import NamedTuple

from bot.dora.commits import Sha
from bot.dora.events import NewDeployment
from bot.dora.instants import Instant
from bot.facts.catalog import load_definitions
from bot.facts.deployments import record_deployment
from bot.facts.names import links_to, load_naming, load_web_roots
from bot.facts.repositories import RepositoryRow, find_repository
from bot.facts.sources import select_source
from bot.store import Reader, Store, Writer

SLICE = 100
"""Deployments per transaction."""
TURN = 1_000
"""Deployments before other work gets its turn: each turn derives what was recorded so far."""


class BackfillError(Exception):
    """A backfill cannot be done as asked."""


class _Tag(NamedTuple):
    name: str
    sha: Sha
    tagged_at: Instant


class _Known(NamedTuple):
    id: str
    commit_sha: Sha | None
    finished_at: Instant


def from_tags(
    store: Store,
    *,
    progress: Callable[[str], None],
    clock: Callable[[], Instant],
    tags: str,
    service: str | None,
    env: str,
    repository: str | None,
) -> Generator[None, None, dict[str, object]]:
    """A deployment of each service for each tag that matches the glob; known ones are left alone. Raises BackfillError."""
    row = store.read(lambda reader: _repository(reader, repository))
    services = [service] if service else store.read(lambda reader: _services(reader, row))
    found = store.read(lambda reader: reader.fetch("dated_tags", _Tag, repository_id=row.id))
    matching = [tag for tag in found if fnmatchcase(tag.name.removeprefix("refs/tags/"), tags)]
    if not matching:
        raise BackfillError(f"no tag of {row.name} matches {tags!r} ({len(found)} tags known)")
    wanted = [_deployment(row.name, tag, service=name, env=env) for name in services for tag in matching]
    new = store.read(lambda reader: _unknown(reader, wanted))
    received_at = clock()
    store.write(
        lambda writer: select_source(writer, "deployments", "tags", on=True, retroactive=True, at=received_at), urgent=False
    )
    for start in range(0, len(new), SLICE):
        part = new[start : start + SLICE]

        def record(writer: Writer, part: Sequence[NewDeployment] = part) -> None:
            for one in part:
                record_deployment(writer, one, received_at=received_at)

        store.write(record, urgent=False)
        progress(f"{min(start + SLICE, len(new))} of {len(new)} deployments")
        if start % TURN == 0:
            yield
    return {"repository": row.name, "services": services, "tags": len(matching), "deployments": len(wanted), "new": len(new)}


def _repository(reader: Reader, name: str | None) -> RepositoryRow:
    rows = reader.fetch("all_repositories", RepositoryRow)
    if name is not None:
        meant = find_repository(reader, name.strip().lower())
        rows = [meant] if meant is not None else [row for row in rows if row.name.endswith(name)]
    if len(rows) == 1:
        return rows[0]
    known = ", ".join(row.name for row in rows)
    if not rows:
        raise BackfillError("no such repository is synced; `rollforward sync PATH-OR-URL` does it")
    raise BackfillError(f"several repositories are synced; name one with --repo: {known}")


def _services(reader: Reader, repository: RepositoryRow) -> list[str]:
    naming, roots = load_naming(reader, repository), load_web_roots(reader)
    named = [one.shown for one in load_definitions(reader) if links_to(one, naming, roots)]
    if not named:
        raise BackfillError(f"no service definition names {repository.name}; name the service with --service")
    return sorted(named)


def _deployment(repository: str, tag: _Tag, *, service: str, env: str) -> NewDeployment:
    identity = "\0".join((repository, tag.name, service.casefold(), env.casefold()))
    return NewDeployment(
        id=f"tag-{blake2b(identity.encode(), digest_size=8).hexdigest()}",
        service=service, env=env, version=tag.name.removeprefix("refs/tags/"), repository_url=f"https://{repository}",
        repository=repository, commit_sha=bytes(tag.sha), started_at=tag.tagged_at, finished_at=tag.tagged_at, team="",
        tags=(), source="tags",
    )


def _unknown(reader: Reader, wanted: Sequence[NewDeployment]) -> list[NewDeployment]:
    known = {row.id: row for row in reader.fetch_in("deployments_known", _Known, [one.id for one in wanted])}
    return [
        one
        for one in wanted
        if one.id not in known or (known[one.id].commit_sha, known[one.id].finished_at) != (one.commit_sha, one.finished_at)
    ]
