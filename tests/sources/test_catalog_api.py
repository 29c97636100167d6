"""What the API takes, whatever it is: read or refused, and shown in every version of the schema that can say it."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.dora.definitions import ServiceDefinition
from bot.sources.catalog_api import RefusedError, as_node, read_sent_entities, read_sent_kind
from bot.sources.definition_forms import VERSIONS, document_of, in_version
from bot.sources.definitions import read_document
from tests.web.test_catalog_entities import SHOP
from tests.web.test_service_definitions import EVERY

DOCUMENTS: tuple[dict[str, Any], ...] = (*EVERY.values(), SHOP)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["v2.2", "service", "https://u:p@h/x"])
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3), max_leaves=5)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything in a document."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in items:
        found += leaves(one, (*path, key))
    return found


@st.composite
def damaged(draw: st.DrawFn) -> dict[str, Any]:
    """A valid document in which something was replaced or taken away."""
    document: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(DOCUMENTS)))
    for _ in range(draw(st.integers(0, 2))):
        *path, last = draw(st.sampled_from(leaves(document)))
        place: Any = document
        for step in path:
            place = place[step]
        if draw(st.booleans()):
            place[last] = draw(VALUES)
        else:
            del place[last]
    return document


@settings(max_examples=300, deadline=None)
@given(damaged())
def test_every_document_is_read_or_refused_and_shown_as_what_it_says(document: dict[str, Any]) -> None:
    try:
        sent = read_sent_entities(json.dumps(document).encode())
    except RefusedError as refused:
        assert refused.details
        assert all(isinstance(told, str) and 0 < len(told) < 1000 for told in refused.details)
        return
    (entity,) = sent.entities
    assert "u:p@" not in entity.document + entity.text + sent.text + repr(entity.definition)
    if entity.definition is None:
        return
    for version in VERSIONS:
        for shown in (in_version(json.loads(entity.document), entity.schema_version, version), document_of(entity.definition, version)):
            if shown is not None:
                same, problems = read_document("", as_node(dict(shown)))
                assert same is not None, problems
                said = entity.definition
                assert (same.service, same.team, same.tags, same.source_patterns) == (said.service, said.team, said.tags, said.source_patterns)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40) | st.text(max_size=40).map(str.encode) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_anything_at_all_is_refused_in_words(body: bytes) -> None:
    for read in (read_sent_entities, read_sent_kind):
        try:
            read(body)
        except RefusedError as refused:
            assert all(refused.details)


def test_a_file_s_definition_in_every_version() -> None:
    one = ServiceDefinition(service="s", shown="S", schema_version="v2.2", team="t", tags=("a:b",), languages=("go",), source_patterns=("src/**",))
    extension = {"extensions": {"datadoghq.com/dora-metrics": {"source_patterns": ["src/**"]}}}
    assert document_of(one, "v3") == {
        "apiVersion": "v3", "kind": "service", "metadata": {"name": "S", "owner": "t", "tags": ["a:b"]}, "spec": {"languages": ["go"]},
    } | extension  # fmt: skip
    assert document_of(one, "v2.1") == {"schema-version": "v2.1", "dd-service": "S", "team": "t", "tags": ["a:b"]} | extension


def test_a_document_that_would_grow_too_large_is_not_shown_otherwise() -> None:
    many = {"schema-version": "v2.2", "dd-service": "s", "team": "t", "tags": ["x"] * 11_995}
    assert read_sent_entities(json.dumps(many).encode()).entities
    assert in_version(many, "v2.2", "v3") is None
    assert in_version(many, "v2.2", "v2.1") is not None


def test_many_mistakes_are_told_with_how_many_more_there_are() -> None:
    one = "schema-version: v2.2\ndd-service: {}\n" + "".join(f"wrong_{n}: x\n" for n in range(45))
    with pytest.raises(RefusedError) as refused:
        read_sent_entities(f"{one.format('a')}---\n{one.format('b')}".encode())
    assert len(refused.value.details) == 51
    assert refused.value.details[40] == "43:1: 5 more mistakes in this document, from here on"
    assert refused.value.details[41].startswith("51:1: unknown key 'wrong_0'")
    assert refused.value.details[-1] == "And 32 more."
