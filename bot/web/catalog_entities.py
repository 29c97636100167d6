"""The original's API: entities of the software catalogue, their relations and their kinds."""

import base64
from collections.abc import Iterable, Sequence
from functools import partial

import structlog
from aiohttp import web

from bot.answers.catalog_api import Origin
from bot.answers.catalog_entities import (
    INVERSE,
    EntityAnswer,
    EntityFilters,
    Relation,
    entity_id,
    find_ref,
    list_entities,
    relations_of,
    show_sent_entities,
)
from bot.answers.encode import rfc3339
from bot.dora.entities import SERVICE, split_ref
from bot.dora.instants import Instant
from bot.facts.catalog_entities import Kind, load_kinds, record_kind
from bot.facts.keys import CATALOG_WRITE
from bot.sources.catalog_api import KINDS, Sent, read_sent_entities, read_sent_kind
from bot.store import Writer
from bot.web.auth import PRINCIPAL, READ, Row, write
from bot.web.catalog_api import choice, delete, invalid, missing, number, read_sent, record_sent, warnings
from bot.web.original import check_services, json_api, record
from bot.web.reading import from_path, read

log = structlog.get_logger(__name__)

MOST = 1_000
"""A page's size at most."""
INCLUDES = ("schema", "raw_schema", "oncall", "incident", "relation")
Json = dict[str, object]


# Entities ---------------------------------------------------------------------------------------------------------------


async def put_entities(request: web.Request) -> web.Response:
    """Create or replace entities: all that the request holds, or none."""
    sent = await read_sent(request, read_sent_entities)
    _check(request, sent)
    received_at = await record_sent(request, sent, event="catalog-entity")
    seen = await read(request, partial(show_sent_entities, entities=sent.entities, received_at=received_at))
    log.info("catalog-entity", entities=[entity.ref for entity in sent.entities])
    return json_api(_page(seen, seen, ["schema"]), status=202)


async def preview_entities(request: web.Request) -> web.Response:
    """How entities would be shown; nothing is kept."""
    if not request.can_read_body:
        return json_api({"data": []}, status=202)
    sent = await read_sent(request, read_sent_entities)
    _check(request, sent)
    seen = await read(request, partial(show_sent_entities, entities=sent.entities, received_at=None))
    return json_api({"data": [_data(one) for one in seen]}, status=202)


async def get_entities(request: web.Request) -> web.Response:
    """A page of the entities that match, by reference."""
    offset, limit = _window(request)
    include = [name.strip() for name in request.query.get("include", "").split(",") if name.strip()]
    if set(include) - set(INCLUDES):
        raise invalid(f"include is one of {', '.join(INCLUDES)}.")
    found = await read(request, partial(list_entities, filters=_filters(request)))
    return json_api(_page(found, found[offset : offset + limit], include))


async def delete_entity(request: web.Request) -> web.Response:
    """Delete an entity that was sent by API, by its identifier or reference."""
    ref = await read(request, partial(find_ref, given=from_path(request, "entity_id")))
    kind, _, name = split_ref(ref)
    _check_name(request, kind, name)
    await delete(request, ref, event="catalog-entity-deletion")
    return web.Response(status=204)


async def get_relations(request: web.Request) -> web.Response:
    """A page of the relations that match, each seen from both sides."""
    offset, limit = _window(request)
    type = choice(request, "filter[type]", INVERSE)
    from_ref, to_ref = (_given(request, f"filter[{side}_ref]").lower() for side in ("from", "to"))
    include = choice(request, "include", ("entity", "schema"))
    visible = EntityFilters(visible=request[PRINCIPAL].may_touch, discovered=_discovered(request))
    entities = await read(request, partial(list_entities, filters=visible))
    found = [
        one
        for one in relations_of(entities)
        if type in ("", one.type) and from_ref in ("", one.from_ref) and to_ref in ("", one.to_ref)
    ]
    page = found[offset : offset + limit]
    named = {ref for one in page for ref in (one.from_ref, one.to_ref)} if include else set()
    included = [_data(one) for one in entities if one.ref in named]
    meta = {"count": len(found), "includeCount": len(included)}
    return json_api({"data": [_relation(one) for one in page], "included": included, "meta": meta})


def _filters(request: web.Request) -> EntityFilters:
    return EntityFilters(
        visible=request[PRINCIPAL].may_touch,
        id=_given(request, "filter[id]").lower(),
        ref=_given(request, "filter[ref]"),
        name=_given(request, "filter[name]"),
        kind=_given(request, "filter[kind]"),
        owner=_given(request, "filter[owner]"),
        relation=choice(request, "filter[relation][type]", INVERSE),
        discovered=_discovered(request),
    )


def _given(request: web.Request, name: str) -> str:
    return request.query.get(name, "").strip()


def _discovered(request: web.Request) -> bool:
    return choice(request, "includeDiscovered", ("true", "false", "True", "False")).lower() == "true"


def _window(request: web.Request) -> tuple[int, int]:
    return number(request, "page[offset]", default=0), number(request, "page[limit]", default=100, least=1, most=MOST)


def _check(request: web.Request, sent: Sent) -> None:
    for entity in sent.entities:
        _check_name(request, entity.kind, entity.name)


def _check_name(request: web.Request, kind: str, name: str) -> None:
    """Raises HttpError 403 when the key is limited to services, and this is none of them."""
    check_services(request, name if kind == SERVICE else "")


def _page(found: Sequence[EntityAnswer], page: Sequence[EntityAnswer], include: Sequence[str]) -> Json:
    included = [one for entity in page for one in _included(entity, include)]
    meta = {"count": len(found), "includeCount": len(included)}
    return {"data": [_data(one) for one in page], "meta": meta, "included": included}


def _included(one: EntityAnswer, include: Sequence[str]) -> list[Json]:
    found: list[Json] = []
    if "schema" in include:
        found.append({"id": one.id, "type": "schema", "attributes": {"schema": one.document}})
    if "raw_schema" in include and one.text:
        text = base64.b64encode(one.text.encode()).decode()
        found.append({"id": one.id, "type": "rawSchema", "attributes": {"rawSchema": text}})
    if "relation" in include:
        found += [_related(relation) for relation in one.relations]
    return found


def _related(relation: Relation) -> Json:
    kind, namespace, name = split_ref(relation.to_ref)
    attributes = {"kind": kind, "namespace": namespace, "name": name, "type": relation.type}
    return {"id": entity_id(relation.to_ref), "type": "relatedEntity", "attributes": attributes, "meta": {"source": "api"}}


def _data(one: EntityAnswer) -> Json:
    metadata = one.document.get("metadata")
    told = metadata if isinstance(metadata, dict) else {}
    version = one.document.get("apiVersion")
    attributes: Json = {
        "apiVersion": version if isinstance(version, str) else one.schema_version,
        "kind": one.kind,
        "name": one.name,
        "namespace": one.namespace,
        "owner": one.owner,
        "tags": told.get("tags") or [],
        "displayName": told.get("displayName") or one.name,
        "description": told.get("description") or "",
    }
    related = [{"id": entity_id(relation.to_ref), "type": "relatedEntity"} for relation in one.relations]
    relationships: Json = {
        "incidents": {"data": []},
        "oncall": {"data": []},
        "schema": {"data": {"id": one.id, "type": "schema"}},
        "rawSchema": {"data": {"id": one.id, "type": "rawSchema"}},
        "relatedEntities": {"data": related},
    }
    return {
        "id": one.id, "type": "entity", "attributes": attributes, "relationships": relationships,
        "meta": _meta(one.origin) | {"warnings": warnings(one.notices)},
    }  # fmt: skip


def _meta(origin: Origin) -> Json:
    meta: Json = {"ingestionSource": origin.kind, "origin": origin.detail}
    return meta if origin.modified_at is None else meta | {"modifiedAt": rfc3339(origin.modified_at)}


def _relation(one: Relation) -> Json:
    def side(ref: str) -> Json:
        kind, namespace, name = split_ref(ref)
        return {"kind": kind, "namespace": namespace, "name": name}

    return {
        "id": entity_id(f"{one.from_ref} {one.type} {one.to_ref}"),
        "type": "relation",
        "subtype": one.type,
        "attributes": {"type": one.type, "from": side(one.from_ref), "to": side(one.to_ref)},
        "meta": {"source": "api"},
        "relationships": {
            "fromEntity": {"data": {"id": entity_id(one.from_ref), "type": "entity"}},
            "toEntity": {"data": {"id": entity_id(one.to_ref), "type": "entity"}},
        },
    }


# Kinds ------------------------------------------------------------------------------------------------------------------


async def put_kind(request: web.Request) -> web.Response:
    """Describe a kind of entities."""
    _check_name(request, "", "")
    new = await read_sent(request, read_sent_kind)
    if new.kind in KINDS:
        raise invalid(f"The kind {new.kind} is built in.")

    def work(writer: Writer, received_at: Instant, receipt: int) -> Kind:
        kind = Kind(
            kind=new.kind, display_name=new.display_name, description=new.description, received_at=received_at, receipt=receipt
        )
        record_kind(writer, kind)
        return kind

    kind = await record(request, work, event="catalog-kind", body=new.kind.encode())
    return json_api({"data": [_kind(kind)], "meta": {"count": 1}}, status=202)


async def get_kinds(request: web.Request) -> web.Response:
    """A page of the kinds: those built in, those described, and those of the entities that are there."""
    offset, limit = _window(request)
    id, name = _given(request, "filter[id]").lower(), _given(request, "filter[name]").lower()
    described = {one.kind: one for one in await read(request, load_kinds)}
    visible = EntityFilters(visible=request[PRINCIPAL].may_touch)
    used = {one.kind for one in await read(request, partial(list_entities, filters=visible))}
    found = [_kind(described.get(kind, kind)) for kind in sorted({*KINDS, *described, *used}) if name in ("", kind)]
    found = [one for one in found if id in ("", one["id"])]
    return json_api({"data": found[offset : offset + limit], "meta": {"count": len(found)}})


async def delete_kind(request: web.Request) -> web.Response:
    """Forget the description of a kind, by its identifier or name; entities of it stay."""
    given = from_path(request, "kind_id").lower()
    _check_name(request, "", "")
    known = {name for one in await read(request, load_kinds) for name in [one.kind] if given in (name, _kind_id(name))}
    if not known:
        if given in {*KINDS, *map(_kind_id, KINDS)}:
            raise invalid("A kind that is built in stays.")
        raise missing()
    name = known.pop()

    def work(writer: Writer, received_at: Instant, receipt: int) -> None:
        gone = Kind(kind=name, display_name="", description="", received_at=received_at, receipt=receipt, deleted=True)
        record_kind(writer, gone)

    await record(request, work, event="catalog-kind-deletion", body=name.encode())
    return web.Response(status=204)


def _kind_id(kind: str) -> str:
    return entity_id(f"kind {kind}")


def _kind(one: Kind | str) -> Json:
    name = one if isinstance(one, str) else one.kind
    shown = name.replace("-", " ").capitalize()
    meta: Iterable[tuple[str, str]] = () if isinstance(one, str) else [("modifiedAt", rfc3339(one.received_at))]
    attributes = {
        "name": name,
        "displayName": shown if isinstance(one, str) else one.display_name or shown,
        "description": "" if isinstance(one, str) else one.description,
    }
    return {"id": _kind_id(name), "type": "kind", "attributes": attributes, "meta": dict(meta)}


ROWS = (
    Row("POST", "/api/v2/catalog/entity", put_entities, write(CATALOG_WRITE)),
    Row("GET", "/api/v2/catalog/entity", get_entities, READ),
    Row("POST", "/api/v2/catalog/entity/preview", preview_entities, write(CATALOG_WRITE)),
    Row("DELETE", "/api/v2/catalog/entity/{entity_id}", delete_entity, write(CATALOG_WRITE)),
    Row("GET", "/api/v2/catalog/relation", get_relations, READ),
    Row("POST", "/api/v2/catalog/kind", put_kind, write(CATALOG_WRITE)),
    Row("GET", "/api/v2/catalog/kind", get_kinds, READ),
    Row("DELETE", "/api/v2/catalog/kind/{kind_id}", delete_kind, write(CATALOG_WRITE)),
)
