"""Check a YAML document against a JSON schema, and say what is wrong where it stands."""

import difflib
import functools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from heapq import nsmallest
from importlib import resources
from itertools import islice

import jsonschema
from jsonschema.exceptions import ValidationError
from referencing import Registry
from referencing.jsonschema import DRAFT7

from bot.dora.definitions import Problem
from bot.guard import YamlList, YamlMap, YamlNode, YamlText, decode_json, scrub, yaml_value

Place = tuple[int, int]
"""Line and column of a node."""
MAX_PROBLEMS = 40
"""Of one document: whoever has forty mistakes has one, and is told how many more there are."""
MOST_COUNTED = 200
"""Who is hostile has thousands, and is not worth the time that counting takes."""


def check_schema(
    file: str, document: YamlNode, schema: str, *, below: str = "", apart: Collection[Place] = ()
) -> list[Problem]:
    """The document's mistakes by `schemas/<schema>.json`, in the order of the file, and last how many more there are.

    `below` is the path of keys to a part; what stands at a place `apart` is for the caller to tell.
    """
    # v3 says some things in two of its parts.
    seen: set[tuple[Place, str]] = set()
    counted = islice(_mistakes(document, schema, apart, seen), MOST_COUNTED)
    first = nsmallest(MAX_PROBLEMS + 1, counted, key=lambda mistake: mistake[0][:2])
    problems = [error_at(file, node, _told(error, node, below)) for node, error in first[:MAX_PROBLEMS]]
    problems = sorted(set(problems), key=lambda problem: (problem.line, problem.column, problem.message))
    if len(first) > MAX_PROBLEMS:
        more = len(seen) - MAX_PROBLEMS
        least = "at least " if len(seen) == MOST_COUNTED else ""
        told = f"{least}{more} more {'mistake' if more == 1 else 'mistakes'} in this document, from here on"
        problems.append(error_at(file, first[-1][0], told))
    return problems


def _mistakes(
    document: YamlNode, schema: str, apart: Collection[Place], seen: set[tuple[Place, str]]
) -> Iterator[tuple[YamlNode, ValidationError]]:
    """Every mistake with the node that it is about, each once."""
    for error in _validator(schema).iter_errors(yaml_value(document)):
        node = _node_at(document, list(error.absolute_path))
        for place in _wrong(error, node):
            at = (place.line, place.column)
            if at not in apart and (at, error.message[:200]) not in seen:
                seen.add((at, error.message[:200]))
                yield place, error


def _wrong(error: ValidationError, node: YamlNode) -> Iterable[YamlNode]:
    """The nodes that one error is about."""
    if error.validator != "additionalProperties" or not isinstance(node, YamlMap):
        return (node,)
    known = _known(error)
    return (key for key, _ in node.entries if key.text not in known)


def _known(error: ValidationError) -> list[str]:
    return sorted(error.schema.get("properties", ())) if isinstance(error.schema, Mapping) else []


def beside(problems: Sequence[Problem], others: Iterable[Problem]) -> list[Problem]:
    """The problems, and of the others those that stand where none of them does."""
    places = {(problem.line, problem.column) for problem in problems}
    return [*problems, *(other for other in others if (other.line, other.column) not in places)]


def error_at(file: str, node: YamlNode, message: str) -> Problem:
    """An error at a node."""
    return Problem(file=file, line=node.line, column=node.column, severity="error", message=scrub(message))


def notice_at(file: str, node: YamlNode, message: str) -> Problem:
    """A notice at a node: nothing is wrong, but it is not what one might think."""
    return Problem(file=file, line=node.line, column=node.column, severity="notice", message=scrub(message))


def warning_at(file: str, node: YamlNode, message: str) -> Problem:
    """A warning at a node."""
    return Problem(file=file, line=node.line, column=node.column, severity="warning", message=scrub(message))


def shown(value: object) -> str:
    """A value in a message: short, and in quotes."""
    text = str(value)
    return f"'{text if len(text) <= 60 else text[:60] + '…'}'"


@functools.cache
def _validator(schema: str) -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(load_schema(schema), registry=_registry())


@functools.cache
def _registry() -> Registry[bool | Mapping[str, object]]:
    """The parts of v3's schema by the names they call each other; nothing is ever fetched."""
    folder = resources.files("bot.sources").joinpath("schemas", "datadog", "v3")
    parts = (load_schema(f"datadog/v3/{file.name.removesuffix('.json')}") for file in folder.iterdir())
    empty: Registry[bool | Mapping[str, object]] = Registry()
    return empty.with_resources((str(part["$id"]), DRAFT7.create_resource(part)) for part in parts)


def load_schema(schema: str) -> dict[str, object]:
    """The schema `schemas/<schema>.json` as it is written."""
    loaded = decode_json(resources.files("bot.sources").joinpath("schemas", *f"{schema}.json".split("/")).read_bytes())
    if not isinstance(loaded, dict):
        raise TypeError(f"schemas/{schema}.json is not a schema")
    return loaded


def _node_at(document: YamlNode, path: list[str | int]) -> YamlNode:
    node = document
    for step in path:
        if isinstance(node, YamlList) and isinstance(step, int):
            node = node.items[step]
        elif isinstance(node, YamlMap) and isinstance(step, str):
            node = node.get(step) or node
    return node


def _told(error: ValidationError, node: YamlNode, below: str) -> str:
    where = _path_text(below, list(error.absolute_path))
    rule: object = error.validator_value
    match error.validator:
        case "additionalProperties" if isinstance(node, YamlText):
            return f"unknown key {shown(node.text)}{_below(where)}{_meant(node.text, _known(error))}"
        case "required" if isinstance(node, YamlMap):
            missing = re.match(r"'(.*)' is a required property", error.message)
            return f"the key {shown(missing[1] if missing else rule)} is missing{_below(where)}"
        case "type":
            return f"{where or 'the document'}: expected {_KINDS.get(str(rule), rule)}, found {_kind(node)}"
        case "enum":
            found = node.text if isinstance(node, YamlText) else _kind(node)
            return f"{where}: {shown(found)} is none of {', '.join(map(str, rule)) if isinstance(rule, list) else rule}"
        case "minLength" | "minItems":
            return f"{where}: may not be empty"
        case "maxLength" | "maxItems":
            return f"{where}: longer than {rule}"
        case "pattern":
            found = node.text if isinstance(node, YamlText) else _kind(node)
            return f"{where}: {shown(found)} does not look as it must: {rule}"
        case _:
            return f"{where}: {error.message[:200]}"


_KINDS = {"array": "a list", "object": "a mapping", "string": "a text"}


def _kind(node: YamlNode) -> str:
    if isinstance(node, YamlText):
        return f"the text {shown(node.text)}" if node.text or not node.plain else "nothing"
    return "a list" if isinstance(node, YamlList) else "a mapping"


def _path_text(below: str, path: list[str | int]) -> str:
    return below + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix("" if below else ".")[:120]


def _below(where: str) -> str:
    return f" in {where}" if where else ""


def _meant(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key[:60], known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"
