"""Service definitions as the original's API shows them: those in force, whatever their origin, and what came by API."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bot.answers.definitions import ORIGINS
from bot.answers.paths import find_paths
from bot.dora.definitions import ServiceDefinition
from bot.dora.entities import CatalogEntity, Notice, service_ref
from bot.dora.instants import Instant
from bot.facts.catalog import API, DEFINITIONS, FOLDER, Claim, load_catalog_states, load_claims, load_definition_files
from bot.facts.catalog_entities import StoredEntity, find_entity, load_entities
from bot.sources.definition_forms import document_of, in_version
from bot.store import Reader

Document = Mapping[str, object]
OLDER = "v2.2"
"""How the API of definitions shows an entity of v3, which it does not know."""
MOST_CHECKED = 10
"""Definitions of one request whose patterns are held against the files of their repositories: there may be many files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where something comes from: `kind` is api, folder or repository; `detail` says where it stands."""

    kind: str
    detail: str
    modified_at: Instant | None
    """When it came, or when its file was last read; `None` when nobody noted it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionAnswer:
    """A definition as a document; `ingested` is the schema version it was written in."""

    service: str
    document: Document
    ingested: str
    origin: Origin
    notices: tuple[Notice, ...]


class Written:
    """What is known of the claims: their origins and their documents."""

    def __init__(self, reader: Reader) -> None:
        self._entities = {entity.ref: entity for entity in load_entities(reader)}
        states = {state.kind: state.received_at for state in load_catalog_states(reader)}
        self._folder = states.get(DEFINITIONS)
        self._files = {(one.repository_id, one.path): one.read_from for one in load_definition_files(reader)}

    def entity(self, claim: Claim) -> StoredEntity | None:
        """What was sent by API, if the claim came that way."""
        return self._entities.get(claim.origin.path) if claim.origin.rank == API else None

    def origin(self, claim: Claim) -> Origin:
        """Where a claim comes from."""
        place = claim.definition.place
        entity, file = self.entity(claim), (claim.origin.repository_id, claim.origin.path)
        at = self._folder if claim.origin.rank == FOLDER else self._files.get(file) if entity is None else entity.received_at
        return Origin(kind=ORIGINS[claim.origin.rank], detail=place, modified_at=at)

    def document(self, claim: Claim, version: str) -> Document:
        """What a claim says, in this schema version if it can be said in it."""
        entity, definition = self.entity(claim), claim.definition
        if definition.document and entity is None:
            document = json.loads(definition.document)
            return in_version(document, definition.schema_version, version) or document
        if entity is None:
            found = document_of(definition, version) or document_of(definition, definition.schema_version)
            return found or document_of(definition, OLDER) or {}
        document = json.loads(entity.document)
        return in_version(document, entity.schema_version, version) or document


def list_definitions(
    reader: Reader, *, version: str, offset: int, limit: int, visible: Callable[[str], bool]
) -> list[DefinitionAnswer]:
    """A page of the definitions in force, by service; `version` is a schema version or ""."""
    first: dict[str, Claim] = {}
    for claim in load_claims(reader):
        if visible(claim.definition.service):
            first.setdefault(claim.definition.service, claim)
    written = Written(reader)
    return [_answer(written, claim, version, ()) for claim in list(first.values())[offset : offset + limit]]


def find_definition(reader: Reader, service: str, *, version: str) -> DefinitionAnswer | None:
    """The definition in force of a service (lower case), with everything its readers should know."""
    claims = load_claims(reader, service)
    if not claims:
        return None
    notices = [Notice(where="", message=f"it overrules the definition {other.definition.place}") for other in claims[1:]]
    return _answer(Written(reader), claims[0], version, [*notices, *_path_notices(reader, service)])


def show_sent(reader: Reader, entities: Sequence[CatalogEntity], *, received_at: Instant) -> list[DefinitionAnswer]:
    """Definitions that were just sent, as they were sent, with everything their sender should know."""
    return [_sent(reader, entity, received_at, number) for number, entity in enumerate(entities)]


def sent_notices(reader: Reader, definition: ServiceDefinition | None, number: int) -> list[Notice]:
    """What the sender of a definition, the `number`-th of its request, should know of it now that it is there."""
    if definition is None:
        return []
    claims = load_claims(reader, definition.service)
    if claims and claims[0].origin.rank != API:
        told = f"not in force as long as {claims[0].definition.place} defines the service too, which comes first"
        return [Notice(where="", message=told)]
    return _path_notices(reader, definition.service) if number < MOST_CHECKED else []


def only_in_files(reader: Reader, service: str) -> str:
    """The places of the files that define a service which was not defined by API; "" when none does, or it was."""
    if find_entity(reader, service_ref(service)) is not None:
        return ""
    return ", ".join(claim.definition.place for claim in load_claims(reader, service))


def _sent(reader: Reader, entity: CatalogEntity, received_at: Instant, number: int) -> DefinitionAnswer:
    definition = entity.definition
    return DefinitionAnswer(
        service=entity.name,
        document=json.loads(entity.document),
        ingested=entity.schema_version,
        origin=Origin(kind="api", detail="" if definition is None else definition.place, modified_at=received_at),
        notices=(*entity.notices, *sent_notices(reader, definition, number)),
    )


def _answer(written: Written, claim: Claim, version: str, notices: Sequence[Notice]) -> DefinitionAnswer:
    definition, entity = claim.definition, written.entity(claim)
    wanted = version or (OLDER if definition.schema_version == "v3" else definition.schema_version)
    return DefinitionAnswer(
        service=definition.shown,
        document=written.document(claim, wanted),
        ingested=definition.schema_version,
        origin=written.origin(claim),
        notices=(*(entity.notices if entity else ()), *notices),
    )


def _path_notices(reader: Reader, service: str) -> list[Notice]:
    """What is odd about the paths it selects, in the repositories that are known."""
    paths = find_paths(reader, service)
    return [
        Notice(where="", message=f"{one.repository}: {warning}")
        for one in (paths.repositories if paths else ())
        for warning in one.warnings
    ]
