"""Every method of `ServiceDefinitionApi`; each function is a story that the command line names."""

from datadog_api_client.v2.api.service_definition_api import ServiceDefinitionApi
from datadog_api_client.v2.model.service_definition_schema_versions import ServiceDefinitionSchemaVersions
from datadog_api_client.v2.model.service_definition_v2 import ServiceDefinitionV2
from datadog_api_client.v2.model.service_definition_v2_dot1 import ServiceDefinitionV2Dot1
from datadog_api_client.v2.model.service_definition_v2_dot1_version import ServiceDefinitionV2Dot1Version
from datadog_api_client.v2.model.service_definition_v2_dot2 import ServiceDefinitionV2Dot2
from datadog_api_client.v2.model.service_definition_v2_dot2_link import ServiceDefinitionV2Dot2Link
from datadog_api_client.v2.model.service_definition_v2_dot2_version import ServiceDefinitionV2Dot2Version
from datadog_api_client.v2.model.service_definition_v2_repo import ServiceDefinitionV2Repo
from datadog_api_client.v2.model.service_definition_v2_version import ServiceDefinitionV2Version
from door import client, refused, tell

api = ServiceDefinitionApi(client())
URL = "https://github.com/organization/example-repository"
VERSION_2_2 = ServiceDefinitionSchemaVersions.V2_2


def objects() -> None:
    newest = ServiceDefinitionV2Dot2(
        schema_version=ServiceDefinitionV2Dot2Version.V2_2, dd_service="Object-Shop", team="backend", languages=["go"], tags=["a:b"],
        links=[ServiceDefinitionV2Dot2Link(name="Source", type="repo", provider="github", url=f"{URL}/tree/main/src/apps/shopist")],
        extensions={"datadoghq.com/dora-metrics": {"source_patterns": ["src/apps/shopist/**"]}},
    )  # fmt: skip
    (made,) = api.create_or_update_service_definitions(newest).data
    assert made.type == "service-definition"
    assert made.attributes.schema.dd_service.lower() == "object-shop"
    for attempt in ("OBJECT-SHOP", "object-shop"):
        told = api.get_service_definition(attempt, schema_version=VERSION_2_2).data.attributes
        assert isinstance(told.schema.get_oneof_instance(), ServiceDefinitionV2Dot2), type(told.schema)
        assert (told.schema.team, told.schema.languages, told.schema.tags) == ("backend", ["go"], ["a:b"])
        assert told.schema.extensions["datadoghq.com/dora-metrics"] == {"source_patterns": ["src/apps/shopist/**"]}
        assert told.meta.ingestion_source == "api" and told.meta.ingested_schema_version == "v2.2"
        assert told.meta.warnings is not None
    newest.team = "frontend"
    api.create_or_update_service_definitions(newest)
    assert api.get_service_definition("object-shop").data.attributes.schema.team == "frontend", "the newest stands"
    older = ServiceDefinitionV2Dot1(schema_version=ServiceDefinitionV2Dot1Version.V2_1, dd_service="object-2-1", team="old")
    api.create_or_update_service_definitions(older)
    repo = ServiceDefinitionV2Repo(name="Source", provider="github", url=f"{URL}/tree/main/src")
    oldest = ServiceDefinitionV2(schema_version=ServiceDefinitionV2Version.V2, dd_service="object-2", team="oldest", repos=[repo])
    api.create_or_update_service_definitions(oldest)
    for name, team in (("object-2-1", "old"), ("object-2", "oldest")):
        assert api.get_service_definition(name).data.attributes.schema.team == team


def text() -> None:
    yaml = f"""schema-version: v2.2
dd-service: text-shop
team: backend
links:
  - {{name: text-shop, type: repo, provider: github, url: {URL}/tree/main/src/apps/shopist}}
extensions:
  datadoghq.com/dora-metrics:
    source_patterns:
      - **
      - src/libs/utils/**
"""
    (made,) = api.create_or_update_service_definitions(yaml).data
    assert made.attributes.schema.dd_service == "text-shop"
    assert made.attributes.meta.warnings, "the unquoted ** is read, and told"
    api.create_or_update_service_definitions('{"schema-version": "v2.1", "dd-service": "text-json", "team": "json"}')
    assert api.get_service_definition("text-json").data.attributes.schema.team == "json"
    first = "schema-version: v1\ninfo: {dd-service: text-v1, display-name: Text}\norg: {team: first}\ncontact: {email: a@example.org}\n"
    api.create_or_update_service_definitions(first)
    assert "first" in str(api.get_service_definition("text-v1").data)


def list_and_delete() -> None:
    for n in range(3):
        api.create_or_update_service_definitions(
            ServiceDefinitionV2Dot2(schema_version=ServiceDefinitionV2Dot2Version.V2_2, dd_service=f"listed-{n}")
        )

    def names() -> list[str]:
        pages = api.list_service_definitions_with_pagination(page_size=2, schema_version=VERSION_2_2)
        return [one.attributes.schema.dd_service for one in pages]

    found = names()
    assert {"listed-0", "listed-1", "listed-2"} <= set(found) and len(found) == len(set(found))
    assert len(api.list_service_definitions(page_size=1, page_number=1).data) == 1
    assert api.delete_service_definition("listed-1") is None
    error = refused(lambda: api.get_service_definition("listed-1"))
    assert error.status == 404 and error.body["errors"], error.body
    assert refused(lambda: api.delete_service_definition("never-there")).status == 404
    assert "listed-1" not in names()


def refusals() -> None:
    for wrong in ("schema-version: v2.2\nteam: nobody\n", "schema-version: v9\ndd-service: x\n", "- : [", "schema-version: v2.2\ndd-service: x\nteem: y\n"):
        error = refused(lambda wrong=wrong: api.create_or_update_service_definitions(wrong))
        assert error.status == 400 and error.body["errors"], (wrong, error)
    stranger = ServiceDefinitionApi(client(apiKeyAuth="a-key-that-nobody-knows", appKeyAuth="a-key-that-nobody-knows"))
    assert refused(lambda: stranger.create_or_update_service_definitions("schema-version: v2.2\ndd-service: x\n")).status in (401, 403)


tell({story.__name__: story for story in (objects, text, list_and_delete, refusals)})
