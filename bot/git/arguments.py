"""What may be handed to git from outside, and what may be repeated of what it said."""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from bot.git.errors import BadArgumentError, ProtocolRefusedError

_SHA = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
_REF_CHARACTERS = re.compile(r"refs(?:/[^\x00-\x20\x7f~^:?*\[\\/]+)+\Z")
_USERINFO = re.compile(r"//[^/@\s]+@")


def is_sha(text: str) -> bool:
    """Whether this is a full sha in lower case hex."""
    return bool(_SHA.match(text))


def is_ref(name: str) -> bool:
    """Whether this is a full ref name (`refs/…`) that git itself would accept."""
    return (
        len(name) < 1_000
        and bool(_REF_CHARACTERS.match(name))
        and ".." not in name
        and "@{" not in name
        and name.count("/") > 1
        and not any(part.startswith((".", "-")) or part.endswith((".lock", ".")) for part in name.split("/"))
    )


def protocols_for(url: str, *, plain_hosts: frozenset[str] = frozenset()) -> str:
    """The one protocol that a fetch from `url` may use; raises `ProtocolRefusedError` or `BadArgumentError`.

    `plain_hosts` are `host` or `host:port` texts that the settings name with http.
    """
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise BadArgumentError("a clone URL is printable ASCII without spaces")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise BadArgumentError("a clone URL has the form https://host/path") from error
    if parts.scheme not in ("https", "http"):
        raise ProtocolRefusedError(f"only https is fetched, not {clean(url)[:200]}")
    if not host or host.startswith("-") or "@" in parts.netloc or parts.query or parts.fragment:
        raise BadArgumentError("a clone URL has a host and a path, and no user, query or fragment")
    if parts.scheme == "https":
        return "https"
    if _is_loopback(host) or host in plain_hosts or f"{host}:{port}" in plain_hosts:
        return "http"
    raise ProtocolRefusedError(f"http is only for this machine and configured hosts, not {host}")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def clean(text: str, *, token: str = "") -> str:
    """The text without credentials."""
    text = _USERINFO.sub("//", text)
    return text.replace(token, "***") if token else text
