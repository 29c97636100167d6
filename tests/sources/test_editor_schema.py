"""The schema for editors says of a document what `rollforward validate` says of it."""

import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import jsonschema
import pytest
import yaml

from bot.guard import load_yaml, yaml_value
from bot.sources.definitions import SCHEMAS, read_definitions
from bot.sources.editor_schema import editor_schema
from bot.sources.rules import is_rules, read_rules

ROOT = Path(__file__).parents[2]
FILES = [*ROOT.glob("service_definitions/*.yaml"), *ROOT.glob("bot/demo/service_definitions/*.yaml")]
BLOCK = re.compile(r"^ *```yaml\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
EXAMPLES = [
    pytest.param(text, id=f"{path.stem}-{number}")
    for path in sorted([*ROOT.glob("docs/**/*.md"), ROOT / "README.md"])
    for number, text in enumerate(map(dedent, BLOCK.findall(path.read_text())))
    if text.startswith(("schema-version", "apiVersion", "version: 1"))
]
EXTENSION = "extensions:\n  datadoghq.com/dora-metrics:\n    "
SHOP = "schema-version: v2.2\ndd-service: shop\n"
V3 = "apiVersion: v3\nkind: service\nmetadata: {name: shop}\n"
VALIDATOR = jsonschema.Draft7Validator(editor_schema())


def refused(value: Any) -> bool:
    """Whether an editor would mark something."""
    return not VALIDATOR.is_valid(value)


def is_wrong(text: str) -> bool:
    """Whether `rollforward validate` finds an error."""
    (document,) = load_yaml(text.encode())
    if is_rules(document):
        return bool(read_rules("rules.yaml", text.encode())[1])
    return not read_definitions({"one.yaml": text.encode()}).valid


def test_it_is_a_schema_that_needs_nothing_else() -> None:
    schema = editor_schema()
    jsonschema.Draft7Validator.check_schema(schema)
    references = re.findall(r"'\$ref': '([^']*)'", repr(schema))
    assert len(set(references)) > len(SCHEMAS)
    assert all(one.startswith("#/definitions/") for one in references)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parents[1].name}-{path.name}")
def test_the_definitions_of_the_repository_are_accepted(path: Path) -> None:
    for document in yaml.safe_load_all(path.read_bytes()):
        assert not refused(document)


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_examples_of_the_documents_are_accepted(text: str) -> None:
    assert not is_wrong(text)
    assert not refused(yaml.safe_load(text))
    assert not refused(yaml_value(load_yaml(text.encode())[0])), "as text, too"


@pytest.mark.parametrize(
    "text",
    [
        "info: {dd-service: shop}\n",
        "schema-version: v1\ninfo: {dd-service: shop}\nexternal-resources: [{name: Source, type: repo, url: https://github.com/a/b}]\n",
        "schema-version: v2\ndd-service: shop\nrepos: [{name: Source, url: https://github.com/a/b}]\n",
        "schema-version: v2.1\ndd-service: shop\n",
        f"{SHOP}tier: 1\nteam:\ntags: [1.10, yes]\n",
        f"{SHOP}extensions: {{anybody.example/else: {{a: [1]}}}}\n",
        f"{SHOP}{EXTENSION}source_patterns: [src/**, no, 12]\n",
        f"{SHOP}{EXTENSION}rollforward_rules: {{static: [{{id: hotfix-title, enabled: false}}]}}\n",
        f"{V3}{EXTENSION}source_patterns: ['**']\n",
        f"{V3}datadog: {{performanceData: {{tags: []}}, codeLocations: [{{repositoryURL: https://github.com/a/b, paths: [src/**]}}]}}\n",
        "apiVersion: v3\nkind: service\nmetadata: {name: shop, namespace: default, owner: web}\n",
        "apiVersion: v3\nkind: system\nmetadata: {name: shop}\n",
        "apiVersion: v3\nkind: gadget\nmetadata: {name: shop}\n",
        "version: 1\nlinked: []\nstatic: [{id: late, field: pr_label, pattern: x, enabled: true, blame: none}]\noptions: {rollback: literal}\n",
    ],
)
def test_both_accept_what_is_right(text: str) -> None:
    assert not is_wrong(text)
    assert not refused(yaml.safe_load(text))


@pytest.mark.parametrize(
    "text",
    [
        "dd-service: shop\n",
        "schema-version: v9\ndd-service: shop\n",
        "schema-version: v2.2\n",
        f"{SHOP}teem: web\n",
        f"{SHOP}tags: x\n",
        "schema-version: v2.1\ndd-service: shop\nlanguages: [go]\n",
        f"{SHOP}{EXTENSION}source_pattern: [src/**]\n",
        f"{SHOP}{EXTENSION}source_patterns: []\n",
        f"{SHOP}{EXTENSION}source_patterns: [[src]]\n",
        f"{SHOP}{EXTENSION}rollforward_rules: {{static: [{{id: a, field: title}}]}}\n",
        f"{V3}{EXTENSION}source_patterns: {{a: b}}\n",
        f"{V3}datadog: {{codeLocations: [{{repositoryUrl: https://github.com/a/b}}]}}\n",
        "apiVersion: v3\nkind: service\nmetadata: {owner: web}\n",
        "apiVersion: v2.2\ndd-service: shop\n",
        "static: []\n",
        "version: 2\nstatic: []\n",
        "version: 1\nlinked: [{id: a, field: pr_title}]\n",
        "version: 1\nstatic: []\nrules: []\n",
        "- x\n",
    ],
)
def test_both_refuse_what_is_wrong(text: str) -> None:
    assert is_wrong(text)
    assert refused(yaml.safe_load(text))


def test_our_extension_is_offered_in_every_version() -> None:
    for version, path in SCHEMAS.items():
        name = path.removeprefix("datadog/").removesuffix(".schema").replace("/", "-")
        parts: Any = editor_schema()["definitions"]
        entity = parts["v3-entity" if version == "v3" else name]
        assert list(entity["properties"]["extensions"]["properties"]) == ["datadoghq.com/dora-metrics"]
        assert set(parts["dora-metrics"]["properties"]) == {"source_patterns", "rollforward_rules"}
