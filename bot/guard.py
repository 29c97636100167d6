"""The gate for hostile input: JSON, MessagePack, YAML and compressed bodies are parsed here and nowhere else, and secrets compared here alone.

Whatever comes in, the answer is a value or a GuardError, in time linear in the (bounded) input; no input ends the process.
"""

import hmac
import math
import re
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, TypeVar

import msgspec
import yaml

T = TypeVar("T")

MIB = 1 << 20
MAX_JSON = 25 * MIB
MAX_DEPTH = 64
MAX_INT = (1 << 63) - 1
MAX_RATIO = 100
_SMALL = 64 * 1024
"""Inflated bodies up to here may be of any ratio: runs of blanks compress a thousandfold."""


class GuardError(ValueError):
    """Input that is refused: `slug` for machines, its text for people; line and column count from 1, 0 when unknown."""

    def __init__(self, slug: str, detail: str, *, path: str = "", line: int = 0, column: int = 0) -> None:
        super().__init__(detail)
        self.slug = slug
        self.detail = detail
        self.path = path
        """JSON path of the offending value ("" when unknown), for example `$.data.attributes.service`."""
        self.line = line
        self.column = column


# Secrets --------------------------------------------------------------------------------------------------------------


def same_secret(given: bytes, secrets: Sequence[bytes]) -> bool:
    """Whether `given` is one of `secrets`, in a time that tells nothing of them; an empty secret equals nothing."""
    same = False
    for secret in secrets:
        same |= hmac.compare_digest(given, secret) and secret != b""
    return same


# JSON -----------------------------------------------------------------------------------------------------------------

_DIGITS = bytes(ord("0") if ord("0") <= byte <= ord("9") else byte for byte in range(256))
_NINETEEN = b"0" * 19
_BEFORE_NUMBER = frozenset(bytes((byte,)) for byte in b":,[- \t\r\n") | {b""}
_NUL_ESCAPE = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")
_ESCAPES = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)


def decode_json(body: bytes, *, max_bytes: int = MAX_JSON, max_depth: int = MAX_DEPTH) -> object:
    """A JSON document as plain values; text in it is scrubbed. Raises GuardError."""
    value = _decode(object, body, max_bytes)
    _check_depth(value, max_depth)
    return value


def decode_json_as(type: type[T], body: bytes, *, max_bytes: int = MAX_JSON) -> T:
    """A JSON document as `type` (strict, unknown fields skipped); text in it is scrubbed. Raises GuardError."""
    return _decode(type, body, max_bytes)


def decode_msgpack_as(type: type[T], body: bytes, *, max_bytes: int = MAX_JSON) -> T:
    """A MessagePack document as `type` (strict, what it does not name is skipped); text is not scrubbed. Raises GuardError."""
    if len(body) > max_bytes:
        raise GuardError("too_large", f"the body has {len(body)} bytes, at most {max_bytes} are accepted")
    try:
        return msgspec.msgpack.decode(body, type=type)
    except msgspec.ValidationError as error:
        raise GuardError("wrong_value", str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise GuardError("invalid_msgpack", str(error)) from error
    except RecursionError as error:
        raise GuardError("too_deep", "the message is nested too deeply") from error


def _decode(type: type[T], body: bytes, max_bytes: int) -> T:
    if len(body) > max_bytes:
        raise GuardError("too_large", f"the body has {len(body)} bytes, at most {max_bytes} are accepted")
    body = body.removeprefix(b"\xef\xbb\xbf")  # PowerShell writes a byte order mark, RFC 8259 lets a reader ignore it
    try:
        body.decode()  # msgspec does not look into the strings it skips
    except UnicodeDecodeError as error:
        raise GuardError("not_utf8", f"the body is not UTF-8 (byte {error.start})") from error
    if b"\\u0000" in body:
        body = _NUL_ESCAPE.sub(rb"\1\\\\u0000", body)
    try:
        value = _decode_repaired(type, body)
    except msgspec.ValidationError as error:
        path = str(error).partition(" - at `")[2]
        raise GuardError("wrong_value", str(error), path=path.rstrip("`")) from error
    except msgspec.DecodeError as error:
        raise GuardError("invalid_json", str(error)) from error
    except RecursionError as error:
        raise GuardError("too_deep", "the JSON is nested too deeply") from error
    if _holds_long_number(body):
        _check_numbers(value)
    return value


def _decode_repaired(type: type[T], body: bytes) -> T:
    """Decode; lone surrogates, which no UTF-8 can hold, are replaced by their visible escape."""
    try:
        return msgspec.json.decode(body, type=type)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        if rb"\u" not in body:
            raise
        return msgspec.json.decode(_without_lone_surrogates(body), type=type)


def _without_lone_surrogates(body: bytes) -> bytes:
    escapes = [(match.start(), int(match[1], 16)) for match in _ESCAPES.finditer(body) if match[1]]
    lone: list[int] = []
    high: int | None = None
    for start, code in escapes:
        if high is not None and start == high + 6 and 0xDC00 <= code < 0xE000:
            high = None
            continue
        if high is not None:
            lone.append(high)
        high = start if 0xD800 <= code < 0xDC00 else None
        if 0xDC00 <= code < 0xE000:
            lone.append(start)
    if high is not None:
        lone.append(high)
    parts, done = [], 0
    for start in lone:
        parts += [body[done:start], b"\\"]
        done = start
    return b"".join([*parts, body[done:]])


def _check_depth(value: object, max_depth: int) -> None:
    level: list[object] = [value]
    for _ in range(max_depth):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return
    raise GuardError("too_deep", f"the JSON is nested more than {max_depth} deep")


def _holds_long_number(body: bytes) -> bool:
    """Whether a run of digits may be a number beyond 63 bits (a false alarm costs only time)."""
    digits = body.translate(_DIGITS)
    at = digits.find(_NINETEEN)
    while at >= 0:
        end = at + 19
        while digits[end : end + 1] == b"0":
            end += 1
        if (end - at > 19 or body[at : at + 2] >= b"92") and body[at - 1 : at] in _BEFORE_NUMBER:
            return True
        at = digits.find(_NINETEEN, end)
    return False


def _check_numbers(value: object) -> None:
    """Integers beyond 63 bits fit no store. What is kept raw is checked when it is decoded itself."""
    todo: list[object] = [msgspec.to_builtins(value, enc_hook=lambda raw: None)]
    while todo:
        item = todo.pop()
        if isinstance(item, int) and not -MAX_INT - 1 <= item <= MAX_INT:
            raise GuardError("wrong_value", f"the number {str(item)[:24]} does not fit into 63 bits")
        if isinstance(item, float) and not math.isfinite(item):
            raise GuardError("wrong_value", "a number is out of range")
        todo.extend(_children(item))


def _children(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        return iter(value.values())
    return iter(value) if isinstance(value, list) else iter(())


def scrub(text: str) -> str:
    """Text as both stores and every page can hold it: NUL and lone surrogates become visible escapes."""
    if "\0" in text:
        text = text.replace("\0", "\\u0000")
    if text.isascii():
        return text
    return re.sub("[\ud800-\udfff]", lambda match: f"\\u{ord(match[0]):04x}", text)


# Compressed bodies ----------------------------------------------------------------------------------------------------


def inflate(body: bytes, encoding: str, *, max_bytes: int, max_ratio: int = MAX_RATIO) -> bytes:
    """The body behind a Content-Encoding (gzip of one member, deflate, none), never holding more than the limits allow.

    Raises GuardError: `unsupported_encoding` (415), `too_large` (413), `broken_encoding` (400).
    """
    coding = encoding.strip().lower()
    if coding in ("", "identity"):
        return _bounded(body, max_bytes)
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise GuardError("unsupported_encoding", f"the content encoding {scrub(coding)[:40]!r} is not supported; send gzip or none")
    limit = min(max_bytes, max(_SMALL, max_ratio * len(body)))
    try:
        if coding != "deflate":
            return _inflated(body, zlib.MAX_WBITS | 16, limit)
        raw = len(body) < 2 or body[0] & 0x0F != 8 or (body[0] << 8 | body[1]) % 31 != 0  # some senders omit zlib's header
        return _inflated(body, -zlib.MAX_WBITS if raw else zlib.MAX_WBITS, limit)
    except zlib.error as error:
        raise GuardError("broken_encoding", f"the body is not {coding}: {error}") from error


def _bounded(body: bytes, max_bytes: int) -> bytes:
    if len(body) > max_bytes:
        raise GuardError("too_large", f"the body has {len(body)} bytes, at most {max_bytes} are accepted")
    return body


def _inflated(body: bytes, wbits: int, limit: int) -> bytes:
    inflater = zlib.decompressobj(wbits)
    plain = inflater.decompress(body, limit + 1)
    if len(plain) > limit:
        raise GuardError("too_large", f"the body inflates to more than the {limit} bytes that are accepted")
    if not inflater.eof:
        raise GuardError("broken_encoding", "the compressed body is cut off")
    if inflater.unused_data:
        raise GuardError("broken_encoding", "the compressed body is followed by more data")
    return plain


# YAML -----------------------------------------------------------------------------------------------------------------

MAX_YAML = 256 * 1024
MAX_YAML_DEPTH = 32
MAX_YAML_EVENTS = 12_000


class _Mark(Protocol):
    """A place in a YAML file, counted from 0."""

    line: int
    column: int


class YamlText(NamedTuple):
    """A scalar, always text: YAML's own ideas of numbers, dates and booleans are not asked. Empty for a missing value."""

    line: int
    column: int
    text: str
    plain: bool


class YamlList(NamedTuple):
    """A sequence."""

    line: int
    column: int
    items: tuple["YamlNode", ...]


class YamlMap(NamedTuple):
    """A mapping; its keys are text, and each is there once."""

    line: int
    column: int
    entries: tuple[tuple[YamlText, "YamlNode"], ...]

    def get(self, key: str) -> "YamlNode | None":
        """The value under `key`."""
        return next((value for name, value in self.entries if name.text == key), None)


YamlNode = YamlText | YamlList | YamlMap
YamlValue = str | list["YamlValue"] | dict[str, "YamlValue"]


def load_yaml(text: bytes, *, max_bytes: int = MAX_YAML) -> list[YamlNode]:
    """The documents of a YAML file, every node with its line and column; empty documents are left out.

    Refuses, as GuardError with line and column: more than 32 levels or 12,000 events, aliases, anchors, tags, duplicate keys.
    """
    if len(text) > max_bytes:
        raise GuardError("too_large", f"the file has {len(text)} bytes, at most {max_bytes} are accepted", line=1, column=1)
    text = text.removeprefix(b"\xef\xbb\xbf")
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise _at(text, error.start, "not_utf8", "the file is not UTF-8") from error
    try:
        return [document for document in _documents(text) if not _is_missing(document)]
    except yaml.MarkedYAMLError as error:
        told = ": ".join(filter(None, (error.context, error.problem)))
        line, column = _place(error.problem_mark or error.context_mark)
        raise GuardError("invalid_yaml", f"not YAML: {told}", line=line, column=column) from error
    except yaml.reader.ReaderError as error:
        raise _at(text, error.position, "invalid_yaml", f"not YAML: {error.reason}") from error


def _place(mark: _Mark | None) -> tuple[int, int]:
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _at(text: bytes, offset: int, slug: str, detail: str) -> GuardError:
    before = text[:offset].decode("utf-8", "replace")
    return GuardError(slug, detail, line=before.count("\n") + 1, column=len(before) - before.rfind("\n"))


def _is_missing(node: YamlNode) -> bool:
    return isinstance(node, YamlText) and node.plain and not node.text


def yaml_value(node: YamlNode) -> YamlValue:
    """A node as plain values."""
    match node:
        case YamlText():
            return node.text
        case YamlList():
            return [yaml_value(item) for item in node.items]
        case YamlMap():
            return {key.text: yaml_value(value) for key, value in node.entries}


def _documents(text: bytes) -> Iterator[YamlNode]:
    """Compose nodes from the parser's events, one by one: PyYAML's own composer recurses, and its C stack overflows."""
    open_nodes: list[_Open] = []
    for number, event in enumerate(yaml.parse(text, Loader=yaml.CSafeLoader)):
        if number >= MAX_YAML_EVENTS:
            raise _refusal("too_large", f"more than {MAX_YAML_EVENTS} values in one file", event)
        node: YamlNode
        if isinstance(event, yaml.ScalarEvent):
            node = _scalar(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            node = open_nodes.pop().closed()
        elif isinstance(event, yaml.CollectionStartEvent):
            _refuse_references(event)
            if len(open_nodes) >= MAX_YAML_DEPTH:
                raise _refusal("too_deep", f"nested more than {MAX_YAML_DEPTH} deep", event)
            open_nodes.append(_Open(*_place(event.start_mark), isinstance(event, yaml.MappingStartEvent)))
            continue
        elif isinstance(event, yaml.AliasEvent):
            raise _refusal("yaml_alias", f"*{event.anchor} is an alias in YAML; quote the text, or write it out", event)
        else:
            continue
        if open_nodes:
            open_nodes[-1].add(node)
        else:
            yield node


def _scalar(event: yaml.ScalarEvent) -> YamlText:
    if event.anchor is not None or event.tag is not None:
        _refuse_references(event)
    line, column = _place(event.start_mark)
    return YamlText(line, column, scrub(event.value) if event.style == '"' else event.value, not event.style)


def _refuse_references(event: yaml.NodeEvent) -> None:
    if event.anchor is not None:
        raise _refusal("yaml_alias", f"&{event.anchor} is an anchor in YAML; quote the text, or leave it out", event)
    if getattr(event, "tag", None) is not None:
        raise _refusal("yaml_tag", f"{getattr(event, 'tag', '')} is a tag in YAML; quote the text, or leave it out", event)


def _refusal(slug: str, detail: str, event: yaml.Event) -> GuardError:
    line, column = _place(event.start_mark)
    return GuardError(slug, detail, line=line, column=column)


class _Open:
    """A collection whose end has not come yet."""

    __slots__ = ("_column", "_items", "_key", "_keys", "_line", "_mapping", "_pairs")

    def __init__(self, line: int, column: int, mapping: bool) -> None:
        self._line, self._column, self._mapping = line, column, mapping
        self._items: list[YamlNode] = []
        self._pairs: list[tuple[YamlText, YamlNode]] = []
        self._keys: dict[str, int] = {}
        self._key: YamlText | None = None

    def add(self, node: YamlNode) -> None:
        if not self._mapping:
            self._items.append(node)
        elif self._key is not None:
            self._pairs.append((self._key, node))
            self._key = None
        elif not isinstance(node, YamlText):
            raise GuardError("yaml_key", "a list or a mapping cannot be a key", line=node.line, column=node.column)
        elif node.text in self._keys:
            first = self._keys[node.text]
            raise GuardError("yaml_key", f"the key {node.text[:60]} stands here twice (first in line {first})", line=node.line, column=node.column)
        else:
            self._keys[node.text] = node.line
            self._key = node

    def closed(self) -> YamlNode:
        if self._mapping:
            return YamlMap(self._line, self._column, tuple(self._pairs))
        return YamlList(self._line, self._column, tuple(self._items))
