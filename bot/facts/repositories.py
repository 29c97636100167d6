"""Record repositories: one row per RepositoryId, made at first sight."""

from typing import NamedTuple

from bot.dora.events import RepositoryRef
from bot.store import Reader, Writer


class RepositoryRow(NamedTuple):
    """A repository as stored; instants in nanoseconds."""

    id: int
    name: str
    forge: str
    forge_id: str
    remote: str
    is_local: int
    default_branch: str
    synced_from: int | None
    synced_at: int | None


def find_repository(reader: Reader, name: str) -> RepositoryRow | None:
    """The repository of that RepositoryId, if it is known."""
    rows = reader.fetch("repository_by_name", RepositoryRow, name=name)
    return rows[0] if rows else None


def ensure_repository(writer: Writer, ref: RepositoryRef, *, local: bool = False) -> RepositoryRow:
    """The repository's row, made if it is new; what the forge says of it (numeric id, default branch, remote) is kept up to date.

    A repository synced from a path stays one: its remote is what the user named.
    """
    row = find_repository(writer, ref.name)
    if row is None:
        number = writer.allocate("repository", 1)
        row = RepositoryRow(
            number, ref.name, ref.forge, ref.forge_id, ref.remote, int(local), ref.default_branch, None, None
        )
        writer.write_many("repository", [row])
        return row
    keep_remote = not local and (row.is_local or not ref.remote)
    told = row._replace(
        forge=ref.forge if ref.forge != "git" else row.forge,
        forge_id=ref.forge_id or row.forge_id,
        remote=row.remote if keep_remote else ref.remote,
        is_local=1 if local else row.is_local,
        default_branch=ref.default_branch or row.default_branch,
    )
    if told != row:
        writer.execute(
            "update_repository", id=told.id, forge=told.forge, forge_id=told.forge_id, remote=told.remote,
            is_local=told.is_local, default_branch=told.default_branch,
        )
    return told
