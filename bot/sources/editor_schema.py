"""The schema by which editors complete and check what stands in `service_definitions/`: every version, our extension, and rules.yaml.

Rules: it is put together from the schemas that files are checked against, as what is checked takes them. An editor's YAML has numbers
and truths where ours has text alone, so they are texts here. Formats are left out: nobody is held to them.
"""

from collections.abc import Iterable

from bot.sources.catalog_api import KINDS
from bot.sources.definitions import EXTENSION, SCHEMAS
from bot.sources.rules import RULES_KEYS
from bot.sources.schema_check import load_schema

Schema = dict[str, object]

_CODE_LOCATIONS, _PERFORMANCE = "datadog/v3/datadog_code_locations.schema", "datadog/v3/datadog_performance.schema"
"""The first as published checks no element, the second is not published."""
_ABOUT_ITSELF = ("$id", "$schema", "format")
_TEXT = ["string", "number", "boolean"]


def editor_schema() -> Schema:
    """One JSON schema (draft 7) for a document of a definition of any version, an entity of v3 of any kind, or rules."""
    kinds = {kind: f"datadog/v3/{kind}.schema" for kind in KINDS}
    other = "datadog/v3/custom.schema"
    older = {version: schema for version, schema in SCHEMAS.items() if version != "v3"}
    any_kind = [*_chosen("kind", kinds), {"if": _is_none_of("kind", kinds), "then": _ref(other)}]
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Service definitions and rules of Rollforward",
        "type": "object",
        "properties": {
            "schema-version": {"description": "The version of a service definition's schema", "enum": list(older)},
            "apiVersion": {"description": "v3 calls its version so", "enum": ["v3"]},
        },
        "if": _has(["schema-version"]),
        "then": {"allOf": _chosen("schema-version", older)},
        "else": {
            "if": _has(["apiVersion"]),
            "then": {"required": ["kind"], "allOf": any_kind},
            "else": {
                "if": _has(["info"]),
                "then": _ref(SCHEMAS["v1"]),
                "else": {"if": _has(RULES_KEYS), "then": _ref("rules"), "else": {"required": ["schema-version"]}},
            },
        },
        "definitions": _parts([*older.values(), *kinds.values(), other, "dora-metrics", "rules"]),
    }


def _parts(paths: Iterable[str]) -> Schema:
    """The schemas, and all that they refer to, by name."""
    found: Schema = {}
    todo = list(paths)
    while todo:
        path = todo.pop()
        if _name(path) not in found:
            wanted: list[str] = []
            found[_name(path)] = _made(load_schema(path), path, wanted)
            todo += wanted
    return dict(sorted(found.items()))


def _made(value: object, path: str, wanted: list[str]) -> object:
    """A piece of a schema as it stands among the others; what it refers to is added to `wanted`."""
    if isinstance(value, list):
        return [_made(item, path, wanted) for item in value]
    if not isinstance(value, dict):
        return value
    if isinstance(ref := value.get("$ref"), str):
        if ref.startswith("#"):
            return {"$ref": _ref(path)["$ref"] + ref.removeprefix("#")}
        target = "datadog/v3/" + ref.rpartition("/")[2].removesuffix(".json")
        if target == _PERFORMANCE:
            return {}
        wanted.append("code-locations" if target == _CODE_LOCATIONS else target)
        return _ref(wanted[-1])
    made = {key: _made(item, path, wanted) for key, item in value.items() if not (key in _ABOUT_ITSELF and isinstance(item, str))}
    if made.get("type") == "string":
        made["type"] = _TEXT if made.keys() & {"minLength", "pattern", "enum"} else [*_TEXT, "null"]
    if isinstance(words := made.get("enum"), list):
        made["enum"] = [*words, *(_READ[word] for word in words if word in _READ)]
    if isinstance(properties := made.get("properties"), dict):
        _taken(properties)
    return made


_READ: dict[str, object] = {"true": True, "false": False, "1": 1}
"""What an editor's YAML takes some words for."""


def _taken(properties: Schema) -> None:
    """What is taken beside the published schemas."""
    if "extensions" in properties:
        ours = {EXTENSION: {"description": "What Rollforward reads", **_all_of("dora-metrics")}}
        properties["extensions"] = {"type": "object", "description": "Custom extensions", "properties": ours}
    if {"name", "owner"} <= properties.keys():
        properties["namespace"] = {"type": _TEXT}
    datadog = properties.get("datadog")
    if isinstance(datadog, dict) and isinstance(known := datadog.get("properties"), dict):
        known["performanceData"] = {}


def _chosen(key: str, schemas: dict[str, str]) -> list[Schema]:
    """The schema that the value of a key chooses."""
    return [{"if": {"properties": {key: {"enum": [value]}}, **_has([key])}, "then": _ref(path)} for value, path in schemas.items()]


def _is_none_of(key: str, values: Iterable[str]) -> Schema:
    return {"properties": {key: {"not": {"enum": list(values)}}}, **_has([key])}


def _has(keys: Iterable[str]) -> Schema:
    return {"anyOf": [{"required": [key]} for key in keys]}


def _all_of(path: str) -> Schema:
    return {"allOf": [_ref(path)]}


def _ref(path: str) -> dict[str, str]:
    return {"$ref": f"#/definitions/{_name(path)}"}


def _name(path: str) -> str:
    return path.removeprefix("datadog/").removesuffix(".schema").replace("/", "-")
