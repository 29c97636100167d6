"""The catalog by API: the newest writing of each entity, or that it was deleted, and the claims that follow.

Writings are ordered by receipt instant and receipt: a late or repeated older one changes nothing, and brings back nothing that was
deleted. A service in the default namespace claims its definition; everything else is kept and shown.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass

from bot.dora.definitions import ServiceDefinition
from bot.dora.entities import CatalogEntity, Notice, split_ref
from bot.dora.instants import Instant
from bot.facts.catalog import API, Origin, plan_claims, write_claims
from bot.guard import decode_json_as
from bot.store import Reader, Row, Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEntity:
    """The newest writing of an entity. `document` is a JSON object; it is "" for one that is `deleted`."""

    ref: str
    kind: str
    namespace: str
    name: str
    owner: str
    schema_version: str
    document: str
    text: str
    notices: tuple[Notice, ...]
    received_at: Instant
    receipt: int
    deleted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of entities, as somebody described it."""

    kind: str
    display_name: str
    description: str
    received_at: Instant
    receipt: int
    deleted: bool = False


def load_entities(reader: Reader) -> tuple[StoredEntity, ...]:
    """All entities that are there, by reference."""
    return tuple(reader.fetch("catalog_entities", _entity))


def find_entity(reader: Reader, ref: str) -> StoredEntity | None:
    """One entity by its canonical reference; `None` when it was never written, or is deleted."""
    return next((one for one in reader.fetch_in("catalog_entities_by_ref", _entity, [ref]) if not one.deleted), None)


def record_entities(
    writer: Writer, entities: Sequence[CatalogEntity], *, received_at: Instant, receipt: int
) -> None:
    """Record what was written, unless something newer is known of it, and mark what is to derive again."""
    by_ref = {entity.ref: entity for entity in entities}
    new = _newer(writer, by_ref, received_at=received_at, receipt=receipt)
    claims = {ref: by_ref[ref].definition for ref in new}
    _write(writer, claims, [_row(by_ref[ref], received_at, receipt) for ref in new])


def delete_entity(writer: Writer, ref: str, *, received_at: Instant, receipt: int) -> None:
    """Record that an entity was deleted (also one that was never seen: what was written before stays away)."""
    if _newer(writer, [ref], received_at=received_at, receipt=receipt):
        kind, namespace, name = split_ref(ref)
        _write(writer, {ref: None}, [(ref, kind, namespace, name, "", "", "", "", "[]", received_at, receipt, 1)])


def load_kinds(reader: Reader) -> tuple[Kind, ...]:
    """The kinds that somebody described, by name."""
    return tuple(one for one in reader.fetch("catalog_kinds", _kind) if not one.deleted)


def record_kind(writer: Writer, kind: Kind) -> None:
    """Record the description of a kind, or that it was deleted, unless something newer is known."""
    row = (kind.kind, kind.display_name, kind.description, kind.received_at, kind.receipt, int(kind.deleted))
    writer.write_many("catalog_kind", [row], on_conflict="newer")


def _newer(writer: Writer, refs: Collection[str], *, received_at: Instant, receipt: int) -> list[str]:
    writer.lock("catalog")
    found = writer.fetch_in("catalog_entities_by_ref", _entity, sorted(refs))
    known = {one.ref: (one.received_at, one.receipt) for one in found}
    return [ref for ref in refs if ref not in known or known[ref] < (received_at, receipt)]


def _write(writer: Writer, claims: dict[str, ServiceDefinition | None], rows: Iterable[Row]) -> None:
    said = {Origin(rank=API, path=ref): () if one is None else (one,) for ref, one in claims.items()}
    change = plan_claims(writer, said)
    write_claims(writer, change)
    writer.write_many("catalog_entity", list(rows), on_conflict="replace")


def _row(one: CatalogEntity, received_at: Instant, receipt: int) -> Row:
    notices = json.dumps([asdict(notice) for notice in one.notices], ensure_ascii=False)
    return (
        one.ref, one.kind, one.namespace, one.name, one.owner, one.schema_version, one.document, one.text, notices,
        received_at, receipt, 0,
    )  # fmt: skip


def _entity(
    ref: str, kind: str, namespace: str, name: str, owner: str, schema_version: str, document: str, text: str, notices: str,
    received_at: Instant, receipt: int, deleted: int,
) -> StoredEntity:  # fmt: skip
    return StoredEntity(
        ref=ref, kind=kind, namespace=namespace, name=name, owner=owner, schema_version=schema_version, document=document,
        text=text, notices=decode_json_as(tuple[Notice, ...], notices.encode()), received_at=received_at, receipt=receipt,
        deleted=bool(deleted),
    )  # fmt: skip


def _kind(kind: str, display_name: str, description: str, received_at: Instant, receipt: int, deleted: int) -> Kind:
    return Kind(
        kind=kind, display_name=display_name, description=description, received_at=received_at, receipt=receipt,
        deleted=bool(deleted),
    )  # fmt: skip
