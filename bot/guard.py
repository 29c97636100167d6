"""The gate for hostile input: JSON, YAML and compressed bodies are parsed here and nowhere else, and secrets compared here alone.

Whatever comes in, the answer is a value or a GuardError, in time linear in the (bounded) input; no input ends the process.
"""

import hmac
import math
import re
import zlib
from collections.abc import Iterator, Sequence
from typing import TypeVar

import msgspec

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
    for _ in range(max_depth + 1):
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
    """Integers beyond 63 bits fit no store."""
    todo: list[object] = [msgspec.to_builtins(value)]
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
