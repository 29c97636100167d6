"""The entities of the catalogue as the original's API shows them: services in force, and everything else that came by API."""

import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from bot.answers.catalog_api import Document, Origin, Written, sent_notices
from bot.answers.questions import Filters
from bot.answers.services import load_services
from bot.dora.entities import SERVICE, CatalogEntity, Notice, parse_ref, service_ref
from bot.dora.instants import Instant
from bot.facts.catalog import Claim, load_claims
from bot.facts.catalog_entities import StoredEntity, load_entities
from bot.sources.definition_forms import in_version
from bot.store import Reader

V3 = "v3"
OWNS, OWNED_BY = "RelationTypeOwns", "RelationTypeOwnedBy"
INVERSE = {
    OWNED_BY: OWNS,
    "RelationTypeOtherOwnedBy": "RelationTypeOtherOwns",
    "RelationTypeDependsOn": "RelationTypeDependencyOf",
    "RelationTypePartsOf": "RelationTypeHasPart",
    "RelationTypeImplementedBy": "RelationTypeImplements",
}
INVERSE |= {inverse: type for type, inverse in INVERSE.items()}
"""Every type of relation, and the type of the same seen from the other side."""
_RELATIONS = {
    "dependsOn": "RelationTypeDependsOn",
    "dependencyOf": "RelationTypeDependencyOf",
    "componentOf": "RelationTypePartsOf",
    "components": "RelationTypeHasPart",
    "implementedBy": "RelationTypeImplementedBy",
}
"""By the key of `spec` that says so."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Relation:
    """One entity's relation to another, by their references."""

    from_ref: str
    type: str
    to_ref: str


@dataclass(frozen=True, kw_only=True)
class EntityAnswer:
    """An entity as a document, of v3 wherever it can be said in it; `text` is what was sent of it ("" for one of a file)."""

    ref: str
    kind: str
    namespace: str
    name: str
    owner: str
    schema_version: str
    document: Document
    text: str
    origin: Origin
    notices: tuple[Notice, ...] = ()

    @property
    def id(self) -> str:
        """Its identifier, the same for the same reference everywhere."""
        return entity_id(self.ref)

    @cached_property
    def relations(self) -> tuple[Relation, ...]:
        """What it says of itself and others."""
        spec, metadata = _mapping(self.document.get("spec")), _mapping(self.document.get("metadata"))
        found = [Relation(from_ref=self.ref, type=OWNED_BY, to_ref=parse_ref(self.owner, kind="team"))] if self.owner else []
        for other in _list(metadata.get("additionalOwners")):
            if name := _mapping(other).get("name"):
                ref = parse_ref(str(name), kind="team")
                found.append(Relation(from_ref=self.ref, type="RelationTypeOtherOwnedBy", to_ref=ref))
        for key, type in _RELATIONS.items():
            refs = [str(one) for one in _list(spec.get(key)) if str(one).strip()]
            found += [Relation(from_ref=self.ref, type=type, to_ref=parse_ref(one)) for one in refs]
        return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityFilters:
    """What is asked for; "" asks for all. `visible` says which services the asker may see, and of "" whether all the rest."""

    visible: Callable[[str], bool]
    id: str = ""
    ref: str = ""
    name: str = ""
    kind: str = ""
    owner: str = ""
    relation: str = ""
    discovered: bool = False
    """Also services that were deployed and are not defined."""


def entity_id(ref: str) -> str:
    """The identifier of an entity, a UUID."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"entity:{ref}"))


def list_entities(reader: Reader, filters: EntityFilters) -> list[EntityAnswer]:
    """The entities that match, by reference."""
    found = _all(reader, discovered=filters.discovered)
    related = {one.from_ref for one in relations_of(found) if one.type == filters.relation}
    return [
        one
        for one in found
        if filters.visible(one.name if one.kind == SERVICE else "")
        and filters.id in ("", one.id)
        and (not filters.ref or parse_ref(filters.ref) == one.ref)
        and (not filters.name or filters.name.lower() == one.name.lower())
        and filters.kind in ("", one.kind)
        and (not filters.owner or filters.owner.lower().removeprefix("team:") == one.owner.lower())
        and (not filters.relation or one.ref in related)
    ]


def relations_of(entities: Iterable[EntityAnswer]) -> list[Relation]:
    """All relations, seen from both sides."""
    told = [relation for entity in entities for relation in entity.relations]
    turned = [Relation(from_ref=one.to_ref, type=INVERSE[one.type], to_ref=one.from_ref) for one in told]
    return sorted({*told, *turned})


def show_sent_entities(reader: Reader, entities: Sequence[CatalogEntity], *, received_at: Instant | None) -> list[EntityAnswer]:
    """Entities that were just sent, or (without an instant) would be, as they were sent."""
    return [_sent(reader, entity, received_at, number) for number, entity in enumerate(entities)]


def find_ref(reader: Reader, given: str) -> str:
    """The reference behind what a path names: an identifier of an entity that is there, or a reference itself."""
    return next((one.ref for one in _all(reader, discovered=False) if one.id == given.lower()), parse_ref(given))


def _all(reader: Reader, *, discovered: bool) -> list[EntityAnswer]:
    written = Written(reader)
    found: dict[str, EntityAnswer] = {}
    for claim in load_claims(reader):
        ref = service_ref(claim.definition.service)
        if ref not in found:
            found[ref] = _of_claim(written, claim)
    for stored in load_entities(reader):
        if stored.ref not in found:
            found[stored.ref] = _of_stored(stored)
    if discovered:
        for service in load_services(reader, Filters()):
            ref = service_ref(service.name)
            if ref not in found:
                found[ref] = _discovered(ref, service.service)
    return [found[ref] for ref in sorted(found)]


def _of_claim(written: Written, claim: Claim) -> EntityAnswer:
    definition, entity = claim.definition, written.entity(claim)
    if entity is not None:
        return replace(_of_stored(entity), origin=written.origin(claim))
    return EntityAnswer(
        ref=service_ref(definition.service), kind=SERVICE, namespace="default", name=definition.shown, owner=definition.team,
        schema_version=definition.schema_version, document=written.document(claim, V3), text="", origin=written.origin(claim),
    )  # fmt: skip


def _of_stored(one: StoredEntity) -> EntityAnswer:
    return EntityAnswer(
        ref=one.ref, kind=one.kind, namespace=one.namespace, name=one.name, owner=one.owner, schema_version=one.schema_version,
        document=_document(one.document, one.schema_version), text=one.text, notices=one.notices,
        origin=Origin(kind="api", detail="sent by API", modified_at=one.received_at),
    )  # fmt: skip


def _sent(reader: Reader, one: CatalogEntity, received_at: Instant | None, number: int) -> EntityAnswer:
    notices = () if received_at is None else sent_notices(reader, one.definition, number)
    return EntityAnswer(
        ref=one.ref, kind=one.kind, namespace=one.namespace, name=one.name, owner=one.owner, schema_version=one.schema_version,
        document=_document(one.document, one.schema_version), text=one.text, notices=(*one.notices, *notices),
        origin=Origin(kind="api", detail="sent by API", modified_at=received_at),
    )  # fmt: skip


def _discovered(ref: str, name: str) -> EntityAnswer:
    document = {"apiVersion": V3, "kind": SERVICE, "metadata": {"name": name}}
    return EntityAnswer(
        ref=ref, kind=SERVICE, namespace="default", name=name, owner="", schema_version=V3, document=document, text="",
        origin=Origin(kind="discovered", detail="deployed, not defined", modified_at=None),
    )  # fmt: skip


def _document(text: str, version: str) -> Document:
    document = json.loads(text)
    return in_version(document, version, V3) or document


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()
