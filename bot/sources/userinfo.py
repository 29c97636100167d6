"""Texts and JSON values without the credentials that stand in their URLs."""

import re
from typing import Final

_CREDENTIALS: Final = re.compile(
    r"""((?:[a-z][a-z0-9+.-]{0,20}:|(?<![\w:/.-]))(?:\\?/){2})  # a scheme, or none; slashes as JSON may write them
    ([^\s/?#@"'<>\\]+
    |[^\s/?#@:"'<>\\]*:(?![0-9]*(?:[/?#\s"'<>\\]|$))[^\s@"'<>]{0,100}+)@  # a password with a slash: no port is such a text""",
    re.IGNORECASE | re.VERBOSE,
)


def cut_userinfo(text: str) -> str:
    """A text; a name by which git asks, without a password, stays."""
    # Looking for them in a megabyte takes a while, and hardly any text has one.
    return _CREDENTIALS.sub(_without, text) if "@" in text else text


def cut_value(value: object) -> object:
    """A JSON value, in all of its texts and keys."""
    if isinstance(value, str):
        return cut_userinfo(value)
    if isinstance(value, dict):
        return {cut_userinfo(key): cut_value(one) for key, one in value.items()}
    return [cut_value(one) for one in value] if isinstance(value, list) else value


def _without(found: re.Match[str]) -> str:
    scheme, userinfo = found[1], found[2]
    named = scheme.lower().startswith(("ssh", "git")) and ":" not in userinfo
    return found[0] if named else scheme
