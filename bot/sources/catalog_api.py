"""Definitions and entities as the original's API takes them: a JSON object, a JSON string that holds YAML or JSON, or YAML itself.

They are read by the reader of the files, with the same words for the same mistakes. A mistake in a text is told with its line and
column, one in an object with its JSON pointer. Credentials in URLs are cut off before anything else.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bot.dora.definitions import Problem, ServiceDefinition
from bot.dora.entities import DEFAULT, SERVICE, CatalogEntity, Notice, doubled
from bot.guard import (
    MAX_YAML,
    MAX_YAML_DEPTH,
    MAX_YAML_EVENTS,
    GuardError,
    YamlList,
    YamlMap,
    YamlNode,
    YamlText,
    decode_json,
    scrub,
    yaml_value,
)
from bot.sources.definitions import check_entity, read_code_locations, read_document, read_documents, with_corrections
from bot.sources.fields import LONGEST_NAME, SourceError
from bot.sources.schema_check import error_at, shown
from bot.sources.userinfo import cut_userinfo, cut_value

KINDS = ("service", "api", "application", "datastore", "queue", "repository", "system")
"""Kinds with a schema of their own; every other kind is a custom one."""
LOCATION = "sent by API"
MOST_TOLD = 50
_LONGEST_SCOPE = 63
"""Characters of a kind or a namespace."""
_LONGEST_TEXT = 2_000
_KEBAB = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")


class RefusedError(SourceError):
    """The text or object cannot be taken: a sentence for each mistake."""

    slug = "invalid"

    def __init__(self, details: Sequence[str]) -> None:
        super().__init__("; ".join(details))
        more = len(details) - MOST_TOLD
        self.details = (*details[:MOST_TOLD], *([f"And {more} more."] if more > 0 else ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What one request brought: its entities, and its text without credentials."""

    entities: tuple[CatalogEntity, ...]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SentKind:
    """A kind of entities, as described."""

    kind: str
    display_name: str
    description: str


def read_sent_definitions(body: bytes) -> Sent:
    """Service definitions of v1 to v2.2. Raises RefusedError."""
    sent = read_sent_entities(body)
    if any(entity.schema_version == "v3" for entity in sent.entities):
        raise RefusedError(["An entity of schema v3 is sent to /api/v2/catalog/entity; here are definitions of v1, v2, v2.1 and v2.2."])
    return sent


def read_sent_entities(body: bytes) -> Sent:
    """Entities of v3, of any kind, and service definitions of the older schemas. Raises RefusedError."""
    value, text = _opened(body)
    written = _Object(value) if value is not None else _Text(text)
    problems = list(written.problems)
    entities: list[CatalogEntity] = []
    for document in written.documents:
        entity, told = _read(document.node)
        problems += told
        if entity is not None:
            notices = [problem for problem in (*told, *document.problems) if problem.severity != "error"]
            entities.append(
                replace(
                    entity,
                    document=json.dumps(document.value, ensure_ascii=False),
                    text=document.text,
                    notices=tuple(Notice(where=written.place(one), message=one.message) for one in notices),
                )
            )
    wrong = [problem for problem in problems if problem.severity == "error"]
    if wrong:
        told = with_corrections(wrong, text.encode()) if value is None else wrong
        raise RefusedError([f"{written.place(one) or '/'}: {one.message}" for one in told])
    if not entities:
        raise RefusedError(["There is no definition in it."])
    if (twice := doubled(entities)) is not None:
        raise RefusedError([f"{shown(twice)} is defined twice in it."])
    return Sent(entities=tuple(entities), text=text)


def read_sent_kind(body: bytes) -> SentKind:
    """A kind of entities that somebody describes. Raises RefusedError."""
    value, text = _opened(body)
    written = _Text(text) if value is None else _Object(value)
    wrong = [f"{written.place(one)}: {one.message}" for one in written.problems]
    node = written.documents[0].node if written.documents else None
    if wrong or not isinstance(node, YamlMap):
        raise RefusedError(wrong or ["A kind is an object with the key kind, and may have displayName and description."])
    kind, texts = _text(node, "kind"), [_text(node, "displayName"), _text(node, "description")]
    if len(kind) > _LONGEST_SCOPE or not _KEBAB.fullmatch(kind):
        raise RefusedError([f"The kind {shown(kind)} is no word in kebab-case of at most {_LONGEST_SCOPE} characters."])
    if max(map(len, texts)) > _LONGEST_TEXT:
        raise RefusedError([f"A text is longer than {_LONGEST_TEXT} characters."])
    return SentKind(kind=kind, display_name=texts[0], description=texts[1])


def _opened(body: bytes) -> tuple[dict[str, object] | None, str]:
    """The object, or `None` where a text was sent; and its text."""
    given = body.removeprefix(b"\xef\xbb\xbf").strip()
    if given.startswith(b'"'):
        given = _string(given).strip()
    if len(given) > MAX_YAML:
        raise RefusedError([f"It has {len(given)} bytes, at most {MAX_YAML} are accepted."])
    if given.startswith(b"{"):
        try:
            value = cut_value(decode_json(given, max_bytes=MAX_YAML, max_depth=MAX_YAML_DEPTH))
        except GuardError as error:
            if error.slug != "invalid_json":  # a flow mapping is YAML too
                raise RefusedError([_sentence(error)]) from None
        else:
            if isinstance(value, dict):
                return value, json.dumps(value, ensure_ascii=False)
    try:
        return None, cut_userinfo(given.decode())
    except UnicodeDecodeError as error:
        raise RefusedError([f"It is not UTF-8 (byte {error.start})."]) from None


def _string(given: bytes) -> bytes:
    try:
        text = decode_json(given)
    except GuardError as error:
        raise RefusedError([_sentence(error)]) from None
    return text.encode() if isinstance(text, str) else given


def _sentence(error: GuardError) -> str:
    return f"{error.detail[:1].upper()}{error.detail[1:].removesuffix('.')}."


# Texts and objects ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Document:
    node: YamlNode
    value: object
    text: str
    problems: tuple[Problem, ...] = ()


class _Text:
    """Documents of a YAML text."""

    def __init__(self, text: str) -> None:
        nodes, problems = read_documents("", text.encode())
        lines = text.split("\n")
        begins = [node.line for node in nodes] + [len(lines) + 1]
        self.problems = [problem for problem in problems if problem.severity == "error"]
        self.documents = [
            _Document(
                node=node,
                value=yaml_value(node),
                text="\n".join(lines[begin - 1 : end - 1]).strip().removesuffix("---").rstrip() + "\n",
                problems=tuple(problem for problem in problems if begin <= problem.line < end),
            )
            for node, begin, end in zip(nodes, begins, begins[1:], strict=False)
        ]

    def place(self, problem: Problem) -> str:
        """Line and column."""
        return f"{problem.line}:{problem.column}"


class _Object:
    """A JSON object as nodes: a node's line is its number, by which its pointer is found."""

    problems: tuple[Problem, ...] = ()

    def __init__(self, value: dict[str, object]) -> None:
        self._pointers: list[str] = []
        self.node = self._map(value, "")
        self.documents = [_Document(node=self.node, value=value, text=json.dumps(value, ensure_ascii=False))]

    def place(self, problem: Problem) -> str:
        """The JSON pointer."""
        return self._pointers[problem.line - 1]

    def _line(self, pointer: str) -> int:
        if len(self._pointers) >= MAX_YAML_EVENTS:
            raise RefusedError([f"It has more than {MAX_YAML_EVENTS} values."])
        self._pointers.append(pointer)
        return len(self._pointers)

    def _map(self, value: dict[str, object], pointer: str) -> YamlMap:
        return YamlMap(self._line(pointer), 1, tuple(self._entry(str(key), one, pointer) for key, one in value.items()))

    def _node(self, value: object, pointer: str) -> YamlNode:
        if isinstance(value, dict):
            return self._map(value, pointer)
        line = self._line(pointer)
        if isinstance(value, list):
            return YamlList(line, 1, tuple(self._node(one, f"{pointer}/{i}") for i, one in enumerate(value)))
        if isinstance(value, str) or value is None:
            return YamlText(line, 1, value or "", value is None)
        return YamlText(line, 1, json.dumps(value), True)

    def _entry(self, key: str, value: object, pointer: str) -> tuple[YamlText, YamlNode]:
        node = self._node(value, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")
        return YamlText(node.line, 1, key, False), node


# Documents --------------------------------------------------------------------------------------------------------------


def _read(node: YamlNode) -> tuple[CatalogEntity | None, list[Problem]]:
    version = _text(node, "schema-version") or _text(node, "apiVersion") or "v1"
    kind = _text(node, "kind")
    if version == "v3" and not kind:
        return None, [error_at("", node, "the key 'kind' is missing; write kind: service")]
    if version == "v3" and kind != SERVICE:
        return _read_other(node, kind)
    definition, problems = read_document("", node)
    if any(problem.severity == "error" for problem in problems):
        return None, problems
    if definition is not None:
        return _entity(node, kind=SERVICE, name=definition.shown, owner=definition.team, definition=definition), problems
    return _entity(node, kind=SERVICE, name=_text(node, "metadata", "name"), owner=_text(node, "metadata", "owner")), problems


def _read_other(node: YamlNode, kind: str) -> tuple[CatalogEntity | None, list[Problem]]:
    """An entity that is no service: checked, and otherwise as its writer wants it."""
    if not isinstance(node, YamlMap):
        return None, [error_at("", node, "an entity is a mapping")]
    problems = check_entity("", node, f"datadog/v3/{kind if kind in KINDS else 'custom'}.schema")
    problems += read_code_locations("", node)[1]
    name = _text(node, "metadata", "name")
    if not name and not problems:
        problems.append(error_at("", node, "metadata.name may not be empty"))
    if any(problem.severity == "error" for problem in problems):
        return None, problems
    return _entity(node, kind=kind, name=name, owner=_text(node, "metadata", "owner")), problems


def _entity(
    node: YamlNode, *, kind: str, name: str, owner: str, definition: ServiceDefinition | None = None
) -> CatalogEntity:
    version = "v3" if _text(node, "apiVersion") else _text(node, "schema-version") or "v1"
    namespace = _text(node, "metadata", "namespace") or DEFAULT
    for what, text, most in (("name", name, LONGEST_NAME), ("kind", kind, _LONGEST_SCOPE), ("namespace", namespace, _LONGEST_SCOPE)):
        if len(text) > most:
            raise RefusedError([f"The {what} {shown(text)} is longer than {most} characters."])
    if definition is not None:
        definition = replace(definition, location=LOCATION)
    return CatalogEntity(
        kind=kind, namespace=namespace, name=name, schema_version=version, owner=owner, document="", text="", definition=definition
    )


def _text(node: YamlNode, *path: str) -> str:
    found: YamlNode | None = node
    for key in path:
        found = found.get(key) if isinstance(found, YamlMap) else None
    return scrub(found.text.strip()) if isinstance(found, YamlText) else ""


def as_node(value: dict[str, object]) -> YamlMap:
    """An object as the readers and checks of YAML take it. Raises RefusedError for one that is too large."""
    return _Object(value).node


def text_values(document: Mapping[str, object]) -> Mapping[str, object]:
    """A document whose numbers and truths are texts, as the schemas want them."""
    return {key: _texts(value) for key, value in document.items()}


def _texts(value: object) -> object:
    if isinstance(value, dict):
        return text_values(value)
    if isinstance(value, list):
        return [_texts(one) for one in value]
    return value if isinstance(value, str) or value is None else json.dumps(value)
