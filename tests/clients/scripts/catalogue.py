"""Every method of `SoftwareCatalogApi`; each function is a story that the command line names."""

from datadog_api_client.v2.api.software_catalog_api import SoftwareCatalogApi
from datadog_api_client.v2.model.entity_v3_api_version import EntityV3APIVersion
from datadog_api_client.v2.model.entity_v3_datadog_code_location_item import EntityV3DatadogCodeLocationItem
from datadog_api_client.v2.model.entity_v3_metadata import EntityV3Metadata
from datadog_api_client.v2.model.entity_v3_metadata_additional_owners_items import EntityV3MetadataAdditionalOwnersItems
from datadog_api_client.v2.model.entity_v3_service import EntityV3Service
from datadog_api_client.v2.model.entity_v3_service_datadog import EntityV3ServiceDatadog
from datadog_api_client.v2.model.entity_v3_service_kind import EntityV3ServiceKind
from datadog_api_client.v2.model.entity_v3_service_spec import EntityV3ServiceSpec
from datadog_api_client.v2.model.entity_v3_system import EntityV3System
from datadog_api_client.v2.model.entity_v3_system_kind import EntityV3SystemKind
from datadog_api_client.v2.model.entity_v3_system_spec import EntityV3SystemSpec
from datadog_api_client.v2.model.include_type import IncludeType
from datadog_api_client.v2.model.kind_obj import KindObj
from datadog_api_client.v2.model.relation_type import RelationType
from door import client, refused, tell

api = SoftwareCatalogApi(client())
URL = "https://github.com/organization/example-repository"


def entity(name: str, **metadata: object) -> EntityV3Service:
    return EntityV3Service(
        api_version=EntityV3APIVersion.V3, kind=EntityV3ServiceKind.SERVICE, metadata=EntityV3Metadata(name=name, **metadata)
    )


def objects() -> None:
    locations = [EntityV3DatadogCodeLocationItem(repository_url=URL, paths=["src/apps/shopist/**"])]
    shop = EntityV3Service(
        api_version=EntityV3APIVersion.V3, kind=EntityV3ServiceKind.SERVICE,
        metadata=EntityV3Metadata(
            name="Entity-Shop", owner="backend", tags=["tier:gold"],
            additional_owners=[EntityV3MetadataAdditionalOwnersItems(name="platform", type="operator")],
        ),
        spec=EntityV3ServiceSpec(languages=["python"], component_of=["system:entity-system"]),
        datadog=EntityV3ServiceDatadog(code_locations=locations),
    )  # fmt: skip
    answer = api.upsert_catalog_entity(shop)
    (made,) = answer.data
    assert made.type == "entity" and made.attributes.kind == "service" and made.attributes.name.lower() == "entity-shop"
    assert made.attributes.api_version == "v3" and made.attributes.tags == ["tier:gold"], made.attributes
    assert answer.included[0].attributes.schema.metadata.owner == "backend"
    system = EntityV3System(
        api_version=EntityV3APIVersion.V3, kind=EntityV3SystemKind.SYSTEM, metadata=EntityV3Metadata(name="entity-system", owner="board"),
        spec=EntityV3SystemSpec(components=["service:entity-shop"]),
    )  # fmt: skip
    api.upsert_catalog_entity(system)
    (told,) = api.list_catalog_entity(filter_ref="service:default/entity-shop", include=IncludeType.SCHEMA).data
    assert told.id == made.id and told.attributes.kind == "service"
    (told,) = api.list_catalog_entity(filter_kind="system", filter_name="entity-system").data
    assert told.attributes.name == "entity-system"
    shop.metadata.owner = "frontend"
    (again,) = api.upsert_catalog_entity(shop).data
    assert again.id == made.id
    assert [one.id for one in api.list_catalog_entity(filter_name="entity-shop", filter_owner="frontend").data] == [made.id]


def text() -> None:
    yaml = f"""apiVersion: v3
kind: service
metadata:
  name: entity-text
  owner: backend
spec:
  languages: [go]
datadog:
  codeLocations:
    - repositoryURL: {URL}
      paths: ["src/**"]
"""
    (made,) = api.upsert_catalog_entity(yaml).data
    assert made.attributes.name == "entity-text"
    both = "apiVersion: v3\nkind: service\nmetadata: {name: entity-one}\n---\napiVersion: v3\nkind: service\nmetadata: {name: entity-two}\n"
    assert {one.attributes.name for one in api.upsert_catalog_entity(both).data} == {"entity-one", "entity-two"}


def list_and_delete() -> None:
    for n in range(3):
        api.upsert_catalog_entity(entity(f"entity-listed-{n}", owner="listers"))

    def names() -> list[str]:
        return [one.attributes.name for one in api.list_catalog_entity_with_pagination(page_limit=2, filter_owner="listers")]

    assert sorted(names()) == [f"entity-listed-{n}" for n in range(3)]
    assert api.delete_catalog_entity("service:default/entity-listed-0") is None
    (one,) = api.list_catalog_entity(filter_name="entity-listed-1").data
    assert api.delete_catalog_entity(one.id) is None
    assert names() == ["entity-listed-2"]
    assert refused(lambda: api.delete_catalog_entity("service:default/never-there")).status == 404


def kinds() -> None:
    (made,) = api.upsert_catalog_kind(KindObj(kind="cron-job", display_name="Nightly job", description="Runs at night")).data
    assert (made.attributes.name, made.attributes.display_name) == ("cron-job", "Nightly job")
    api.upsert_catalog_kind("kind: batch\ndescription: Runs in bulk\n")
    listed = [one.attributes.name for one in api.list_catalog_kind_with_pagination(page_limit=2)]
    assert {"cron-job", "batch", "service"} <= set(listed) and len(listed) == len(set(listed))
    assert [one.id for one in api.list_catalog_kind(filter_name="cron-job").data] == [made.id]
    assert api.delete_catalog_kind(made.id) is None
    assert api.list_catalog_kind(filter_name="cron-job").data == []


def relations() -> None:
    api.upsert_catalog_entity(entity("related-shop", owner="related-team"))
    system = EntityV3System(
        api_version=EntityV3APIVersion.V3, kind=EntityV3SystemKind.SYSTEM, metadata=EntityV3Metadata(name="related-system"),
        spec=EntityV3SystemSpec(components=["service:related-shop"]),
    )  # fmt: skip
    api.upsert_catalog_entity(system)
    owned = api.list_catalog_relation(filter_from_ref="service:default/related-shop", filter_type=RelationType.RELATIONTYPEOWNEDBY)
    (one,) = owned.data
    assert (one.attributes._from.name, one.attributes.to.name, one.attributes.to.kind) == ("related-shop", "related-team", "team")
    parts = list(api.list_catalog_relation_with_pagination(page_limit=1, filter_from_ref="system:default/related-system"))
    assert [one.attributes.to.name for one in parts] == ["related-shop"], parts


def preview() -> None:
    before = [one.id for one in api.list_catalog_entity(page_limit=100).data]
    api.preview_catalog_entities()
    assert [one.id for one in api.list_catalog_entity(page_limit=100).data] == before


def refusals() -> None:
    for wrong in ("apiVersion: v3\nkind: service\nmetadata: {}\n", "apiVersion: v3\nkind: service\nmetadata: {name: x, nme: y}\n", "- : ["):
        error = refused(lambda wrong=wrong: api.upsert_catalog_entity(wrong))
        assert error.status == 400 and error.body["errors"], (wrong, error)


tell({story.__name__: story for story in (objects, text, list_and_delete, kinds, relations, preview, refusals)})
