"""Whether GitHub sent it: HMAC-SHA256 over the raw bytes, before anything reads them.

https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries. SHA-1 is not accepted. What lies outside the
signature (event, delivery id) is not trusted further than as names.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence

from bot.forges import HeaderError, SignatureError
from bot.forges.headers import Headers, kept, plain, single
from bot.guard import same_secret

SIGNATURE = "x-hub-signature-256"
STORED_HEADERS = (
    "content-type", "content-encoding", "user-agent", "x-github-event", "x-github-delivery", "x-github-hook-id",
    "x-github-hook-installation-target-type", "x-github-hook-installation-target-id", "x-github-enterprise-host",
    "x-github-enterprise-version",
)  # fmt: skip
"""The only headers that are stored."""

_SIGNATURE = re.compile(r"sha256=[0-9a-f]{64}", re.ASCII)


def verify(headers: Headers, body: bytes, secrets: Sequence[bytes]) -> None:
    """Raises SignatureError unless the body as sent is signed with one of the secrets."""
    given = single(headers, SIGNATURE)
    if given is None:
        raise SignatureError("no_signature", f"{SIGNATURE} is missing")
    if not _SIGNATURE.fullmatch(given):
        raise SignatureError("malformed_signature", f"{SIGNATURE} is not sha256= and 64 lower-case hex digits")
    usable = [secret for secret in secrets if secret]
    signatures = [b"sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest().encode() for secret in usable]
    if not same_secret(given.encode(), signatures):
        raise SignatureError("wrong_signature", "the body is not signed with a secret known here")


def delivery(headers: Headers) -> tuple[str, str]:
    """(delivery id, event); raises HeaderError when one is missing."""
    key, event = plain(headers, "x-github-delivery"), plain(headers, "x-github-event")
    if key is None:
        raise HeaderError("no_delivery", "X-GitHub-Delivery is missing")
    if event is None:
        raise HeaderError("no_event", "X-GitHub-Event is missing")
    return key, event


def stored_headers(headers: Headers) -> Mapping[str, str]:
    """The headers to keep beside the body."""
    return kept(headers, STORED_HEADERS)
