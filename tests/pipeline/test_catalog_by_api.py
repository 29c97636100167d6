"""Definitions by API beside those of files: one in force, in whatever order they came; what was deleted stays away."""

from dataclasses import replace
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.dora.definitions import ServiceDefinition
from bot.dora.entities import CatalogEntity, service_ref
from bot.facts.catalog import FROM_FOLDER, REPOSITORY, Origin, load_claims, load_definition, plan_claims, write_claims
from bot.facts.catalog_entities import delete_entity, find_entity, load_entities, record_entities
from bot.sources.definitions import read_definitions
from bot.store import Store

FILE = Origin(rank=REPOSITORY, repository_id=1, path="service.datadog.yaml")
FILES = {"folder": FROM_FOLDER, "repository": FILE}
_number = count()


def definition(service: str, team: str) -> ServiceDefinition:
    (found,) = read_definitions({"a.yaml": f"schema-version: v2.2\ndd-service: {service}\nteam: {team}\n".encode()}).definitions
    return found


def entity(service: str, team: str) -> CatalogEntity:
    return CatalogEntity(
        kind="service", namespace="default", name=service, schema_version="v2.2", owner=team, document="{}", text="",
        definition=definition(service, team),
    )  # fmt: skip


def say(store: Store, service: str, who: str, order: int) -> None:
    """One fact: a file that defines the service, a writing by API, or its deletion there."""
    if who in FILES:
        origin = FILES[who]
        others = [claim.definition for claim in store.read(load_claims) if claim.origin == origin and claim.definition.service != service]
        said = {origin: (*others, definition(service, who))}
        store.write(lambda writer: write_claims(writer, plan_claims(writer, said)))
    elif who == "delete":
        store.write(lambda writer: delete_entity(writer, service_ref(service), received_at=order // 2, receipt=order))
    else:
        store.write(lambda writer: record_entities(writer, [entity(service, who)], received_at=order // 2, receipt=order))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_order_of_arrival_does_not_matter(store: Store, data: st.DataObject) -> None:
    by_api = data.draw(st.lists(st.sampled_from(["delete", "one", "two"]), max_size=4))
    files = data.draw(st.sets(st.sampled_from(sorted(FILES))))
    facts = [*enumerate(by_api), *((0, who) for who in sorted(files))]
    last = by_api[-1] if by_api else "delete"
    expected = "folder" if "folder" in files else last if last != "delete" else "repository" if files else None
    for _ in range(2):
        service = f"s{next(_number)}"
        for order, who in data.draw(st.permutations([*facts, *facts[:1]])):
            say(store, service, who, order)
        found = store.read(lambda reader, service=service: load_definition(reader, service))
        assert (found.team if found else None) == expected
        claims = {claim.definition.team for claim in store.read(lambda reader, service=service: load_claims(reader, service))}
        assert claims == files | ({last} - {"delete"})
        kept = store.read(lambda reader, service=service: find_entity(reader, service_ref(service)))
        assert (kept.owner if kept else "delete") == last


def test_several_at_once_are_weighed_each_by_itself(store: Store) -> None:
    store.write(lambda writer: record_entities(writer, [entity("a", "new"), entity("b", "new")], received_at=5, receipt=5))
    late = [entity("a", "old"), entity("c", "old")]
    store.write(lambda writer: record_entities(writer, late, received_at=4, receipt=4))
    assert {one.name: one.owner for one in store.read(load_entities)} == {"a": "new", "b": "new", "c": "old"}
    assert {one.definition.service: one.definition.team for one in store.read(load_claims)} == {"a": "new", "b": "new", "c": "old"}


def test_an_entity_that_is_no_service_any_more_takes_its_claim_with_it(store: Store) -> None:
    store.write(lambda writer: record_entities(writer, [entity("a", "x")], received_at=1, receipt=1))
    without = replace(entity("a", "x"), definition=None)
    store.write(lambda writer: record_entities(writer, [without], received_at=2, receipt=2))
    assert store.read(load_claims) == ()
    assert len(store.read(load_entities)) == 1
