"""Record repositories: which there are, what they are called when, what their forge says of them.

What a forge says last counts, by the event's own clock; a repository synced from a path stays one, whatever the forge says.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from bot.dora.events import NamespaceRenamed, RepositoryChanged, RepositoryRef
from bot.dora.instants import Instant
from bot.dora.repositories import RepositoryId
from bot.facts.fetches import want_fetch
from bot.facts.registry import Registry, RepositoryRow, named_repositories
from bot.store import Reader, Writer

__all__ = ["RepositoryRow", "State", "ensure_repository", "find_repository", "record_repositories"]

ACTIVE, ARCHIVED, REMOVED, DELETED = STATES = ("active", "archived", "removed", "deleted")
"""Of two states told at the same instant the later one here counts; `removed` is: from the App's installation."""
GONE = frozenset({REMOVED, DELETED})


class State(NamedTuple):
    """What a forge says of a repository beyond its name; of default branch and remote only when (`told_at`)."""

    repository_id: int
    installation_id: str
    state: str
    state_at: Instant
    told_at: Instant


def find_repository(reader: Reader, name: RepositoryId, *, at: Instant | None = None) -> RepositoryRow | None:
    """The repository that a name meant at an instant, or means now."""
    names, rows = named_repositories(reader, [name])
    found = names.meaning(name, at)
    if found is not None:
        return rows[found]
    return next(iter(reader.fetch("repository_by_name", RepositoryRow, name=name)), None)


def ensure_repository(writer: Writer, ref: RepositoryRef, *, local: bool = False) -> RepositoryRow:
    """The repository's row, made if it is new; what a person names has neither number nor instant, and is to be read from now on."""
    registry = Registry(writer)
    registry.read([ref], ())
    id = registry.enter(ref)
    row = registry.rows[id]
    if local or ref.seen_at is None:
        keep_remote = not local and (row.is_local or not ref.remote)
        registry.rows[id] = row._replace(
            remote=row.remote if keep_remote else ref.remote,
            is_local=1 if local else row.is_local,
            default_branch=ref.default_branch or row.default_branch,
        )
    stored = _states(writer, [id])
    state = _told(registry, id, ref, stored.get(id, State(id, "", ACTIVE, 0, 0)))
    if ref.seen_at is None and state.state in GONE:
        # Who names it wants it read.
        state = state._replace(state=ACTIVE)
    registry.write()
    _write_states(writer, {id: state}, stored)
    return registry.rows[id]


def record_repositories(
    writer: Writer,
    refs: Collection[RepositoryRef],
    *,
    changes: Sequence[RepositoryChanged] = (),
    renames: Sequence[NamespaceRenamed] = (),
    now: Instant,
) -> dict[RepositoryRef, RepositoryRow]:
    """Record what events say of repositories and their names; the rows behind all refs, those of the changes included.

    The history of one that is new by a change, or back again, is wished for.
    """
    registry = Registry(writer)
    told = sorted({*refs, *(change.repository for change in changes)}, key=lambda ref: (ref.name, ref.forge_id, ref.seen_at or 0))
    registry.read(told, {change.old_name for change in changes if change.old_name})
    registry.read_below(renames)
    ids = {ref: registry.enter(ref) for ref in told}
    for change in changes:
        if change.old_name and change.old_name != change.repository.name:
            id = ids[change.repository]
            registry.see(id, change.old_name, max(change.at - 1, 0))
            registry.tell(id, change.repository.name, change.at)
    _absorb_twins(registry, ids)
    stored = _states(writer, set(ids.values()))
    states = dict(stored)
    for ref, id in ids.items():
        states[id] = _told(registry, id, ref, states.get(id, State(id, "", ACTIVE, 0, 0)))
    for change in changes:
        id = ids[change.repository]
        if change.state:
            states[id] = _newest(states[id], change)
    active = {ids[change.repository] for change in changes if change.state == ACTIVE}
    unread = {id for id in active if id not in stored or stored[id].state in GONE}
    wanted = sorted(id for id in unread if states[id].state not in GONE)
    registry.write()
    _write_states(writer, states, stored)
    for id in wanted:
        want_fetch(writer, repository_id=id, ref="*", now=now)
    return {ref: registry.rows[id] for ref, id in ids.items()}


def _absorb_twins(registry: Registry, ids: dict[RepositoryRef, int]) -> None:
    """A row that a person made under the new name of a known repository is no other one: its path is taken over."""
    for ref, id in ids.items():
        twin = registry.twin(id, ref) if ref.forge_id else None
        if twin is not None and twin.is_local and not registry.rows[id].is_local:
            registry.rows[id] = registry.rows[id]._replace(remote=twin.remote, is_local=1)
            registry.rows[twin.id] = twin._replace(remote="", is_local=0)


def _states(reader: Reader, ids: Collection[int]) -> dict[int, State]:
    return {row.repository_id: row for row in reader.fetch_in("forge_repositories", State, sorted(ids))} if ids else {}


def _told(registry: Registry, id: int, ref: RepositoryRef, state: State) -> State:
    """Enter default branch and remote if nothing newer told them; of two installations the later made one counts."""
    row = registry.rows[id]
    if ref.default_branch and ref.seen_at is not None:
        if (ref.seen_at, ref.default_branch, ref.remote) >= (state.told_at, row.default_branch, row.remote):
            remote = row.remote if row.is_local else ref.remote
            registry.rows[id] = row._replace(default_branch=ref.default_branch, remote=remote)
        state = state._replace(told_at=max(state.told_at, ref.seen_at))
    elif ref.remote and not row.remote:
        registry.rows[id] = row._replace(remote=ref.remote)
    newer = max(state.installation_id, ref.installation_id, key=lambda id: (len(id), id))
    return state._replace(installation_id=newer)


def _newest(state: State, change: RepositoryChanged) -> State:
    if (change.at, STATES.index(change.state)) < (state.state_at, STATES.index(state.state)):
        return state
    return state._replace(state=change.state, state_at=change.at)


def _write_states(writer: Writer, states: dict[int, State], stored: dict[int, State]) -> None:
    rows = [state for id, state in sorted(states.items()) if stored.get(id) != state]
    writer.write_many("forge_repository", rows, on_conflict="replace")

