"""Reading request headers that a stranger wrote."""

from collections.abc import Iterable, Mapping

from multidict import MultiMapping

from bot.forges import HeaderError, SignatureError

LONGEST = 200


Headers = MultiMapping[str]
"""What aiohttp gives: names compare case-insensitively, a header may be repeated."""


def single(headers: Headers, name: str) -> str | None:
    """The one value of a header that decides something, `None` if absent; a repeated one proves nothing."""
    values = headers.getall(name, ())
    if len(values) > 1:
        raise SignatureError("repeated_header", f"{name} is given more than once")
    return values[0] if values else None


def plain(headers: Headers, name: str) -> str | None:
    """A header that names something: short printable ASCII, `None` if absent or empty; raises HeaderError for others."""
    values = headers.getall(name, ())
    if not values or not values[0]:
        return None
    value = values[0]
    if len(values) > 1 or not 0 < len(value) <= LONGEST or not value.isascii() or not value.isprintable():
        raise HeaderError("bad_header", f"{name} is not one short line of printable ASCII")
    return value


def kept(headers: Headers, names: Iterable[str]) -> Mapping[str, str]:
    """The allow-listed headers that are worth storing, by lower-case name."""
    found = {}
    for name in names:
        values = headers.getall(name, ())
        if values and values[0].isascii() and values[0].isprintable():
            found[name] = values[0][:LONGEST]
    return found
