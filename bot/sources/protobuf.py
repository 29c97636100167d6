"""Protobuf messages skimmed: field after field by number, without decoding what nobody asks for.

Rules: every length is held against the end of what holds it; the number of fields looked at is bounded; nothing recurses.
"""

from collections.abc import Iterator

from bot.sources.fields import SourceError

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
MOST_FIELDS = 250_000


class ProtobufError(SourceError):
    """The bytes are no such message."""

    slug = "invalid_protobuf"


Field = tuple[int, int, int, int]
"""Number, wire type, and where the value lies in the body: from, to. (A plain tuple: this is the inner loop.)"""


class Skimmer:
    """Looks through one body."""

    def __init__(self, body: bytes, *, most: int = MOST_FIELDS) -> None:
        self.body = body
        self._left = most

    def fields(self, start: int = 0, end: int | None = None) -> Iterator[Field]:
        """The fields of the message that lies there; raises ProtobufError when they do not fit. Groups, long obsolete, do not."""
        body = self.body
        end = len(body) if end is None else end
        at = start
        while at < end:
            self._left -= 1
            if self._left < 0:
                raise ProtobufError("the message has too many fields")
            tag = body[at]
            at += 1
            if tag >= 0x80:
                tag, at = self._varint(at - 1, end)
            kind = tag & 7
            value = at
            if kind == LENGTH:
                length = body[at] if at < end else 0x80
                if length < 0x80:
                    at = value = at + 1
                else:
                    length, at = self._varint(at, end)
                    value = at
                at += length
            elif kind == VARINT:
                at = self._varint(at, end)[1]
            elif kind == FIXED64:
                at += 8
            elif kind == FIXED32:
                at += 4
            else:
                raise ProtobufError(f"a field has the wire type {kind}")
            if at > end or tag < 8:
                raise ProtobufError("a field reaches beyond its message" if at > end else "a field has the number 0")
            yield tag >> 3, kind, value, at

    def text(self, field: Field) -> str:
        """A field's value as text; raises ProtobufError when it is none."""
        _, kind, start, end = field
        if kind != LENGTH:
            raise ProtobufError("a text has another type")
        try:
            return self.body[start:end].decode()
        except UnicodeDecodeError:
            raise ProtobufError("a text is not UTF-8") from None

    def fixed64(self, field: Field) -> int:
        """A field's value as a number of 8 bytes; raises ProtobufError when it is none."""
        _, kind, start, end = field
        if kind != FIXED64:
            raise ProtobufError("an instant has another type")
        return int.from_bytes(self.body[start:end], "little")

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        value = 0
        for shift in range(0, 70, 7):
            if at >= end:
                break
            byte = self.body[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, at
        raise ProtobufError("a number does not end")
