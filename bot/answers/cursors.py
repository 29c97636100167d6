"""Cursors: the key of the last row of a page, opaque to who carries it.

A cursor is no secret and no capability (every filter is checked again), so it is not signed; a mutilated one is refused.
"""

import base64
import binascii
import json
from collections.abc import Sequence

Key = tuple[int | str, ...]


class CursorError(Exception):
    """Not a cursor of this list."""

    slug = "cursor"


class Cursor:
    """Between a row's key and the text that stands for it."""

    @staticmethod
    def encode(key: Key) -> str:
        """A key as URL-safe text."""
        return base64.urlsafe_b64encode(json.dumps(key, separators=(",", ":")).encode()).rstrip(b"=").decode()

    @staticmethod
    def decode(text: str, kinds: Sequence[type[int] | type[str]]) -> Key:
        """The key behind a text; raises CursorError unless it has values of these kinds."""
        if len(text) > 2048 or not text.isascii():
            raise CursorError
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            key = json.loads(raw)
        except (binascii.Error, ValueError, RecursionError) as error:
            raise CursorError from error
        if not isinstance(key, list) or len(key) != len(kinds):
            raise CursorError
        for value, kind in zip(key, kinds, strict=True):
            if type(value) is not kind or (isinstance(value, int) and not -(2**63) <= value < 2**63):
                raise CursorError
            if isinstance(value, str) and ("\x00" in value or any("\ud800" <= c <= "\udfff" for c in value)):
                raise CursorError
        return tuple(key)
