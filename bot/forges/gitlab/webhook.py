"""Whether GitLab sent it: its signing token (Standard Webhooks), else its secret token.

https://docs.gitlab.com/user/project/integrations/webhooks/ and the Standard Webhooks specification: HMAC-SHA256 over
`id.timestamp.body`, at most five minutes old or ahead.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence

from bot.dora.instants import MINUTE, SECOND, Instant
from bot.forges import HeaderError, SignatureError
from bot.forges.headers import Headers, kept, plain, single
from bot.guard import same_secret

TOKEN = "x-gitlab-token"  # noqa: S105  # the name of a header
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
TOLERANCE = 5 * MINUTE
MOST_SIGNATURES = 20
SHORTEST_KEY = 24
"""Bytes, by the standard."""
STORED_HEADERS = (
    "content-type", "content-encoding", "user-agent", "x-gitlab-event", "x-gitlab-event-uuid", "x-gitlab-webhook-uuid",
    "x-gitlab-instance", "idempotency-key", "webhook-id", "webhook-timestamp",
)  # fmt: skip
"""The only headers that are stored."""


def verify(
    headers: Headers, body: bytes, *, tokens: Sequence[bytes], signing_tokens: Sequence[bytes], now: Instant
) -> None:
    """Raises SignatureError unless the body as sent is signed, or comes with one of the secret tokens.

    A signature that we could check decides alone: a token beside it does not save a wrong one.
    """
    signature = single(headers, SIGNATURE)
    if signature is not None and signing_tokens:
        _verify_signature(headers, signature, body, signing_tokens, now=now)
        return
    token = single(headers, TOKEN)
    if token is None:
        raise SignatureError("no_signature", "neither a signature nor a token that could be checked is given")
    if not same_secret(token.encode(errors="surrogateescape"), [secret for secret in tokens if secret]):
        raise SignatureError("wrong_signature", "the token is none that is known here")


def delivery(headers: Headers, body: bytes) -> tuple[str, str]:
    """(delivery id, event); the id is what stays the same over retries. Raises HeaderError when there is no event."""
    event = plain(headers, "x-gitlab-event")
    if event is None:
        raise HeaderError("no_event", "X-Gitlab-Event is missing")
    stable = plain(headers, "idempotency-key") or plain(headers, ID)
    if stable is not None:
        return stable, event
    digest = hashlib.sha256(body).hexdigest()
    uuid = plain(headers, "x-gitlab-event-uuid")
    # The UUID names the cause, which several hooks and several events of one hook may share.
    return f"{uuid}:{digest}" if uuid else digest, event


def stored_headers(headers: Headers) -> Mapping[str, str]:
    """The headers to keep beside the body."""
    return kept(headers, STORED_HEADERS)


def _verify_signature(
    headers: Headers, given: str, body: bytes, signing_tokens: Sequence[bytes], *, now: Instant
) -> None:
    message_id, timestamp = single(headers, ID), single(headers, TIMESTAMP)
    if not message_id or timestamp is None or not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 12):
        raise SignatureError("malformed_signature", f"{ID} or {TIMESTAMP} is missing or not what the standard says")
    if abs(int(timestamp) * SECOND - now) > TOLERANCE:
        raise SignatureError("stale_signature", "the signature is more than five minutes old or ahead")
    signed = b".".join((message_id.encode(errors="surrogateescape"), timestamp.encode(), body))
    signatures = [base64.b64encode(hmac.digest(_key(token), signed, hashlib.sha256)) for token in signing_tokens]
    candidates = given.split(" ")[:MOST_SIGNATURES]
    if not any(
        same_secret(candidate.removeprefix("v1,").encode(errors="surrogateescape"), signatures)
        for candidate in candidates
        if candidate.startswith("v1,")
    ):
        raise SignatureError("wrong_signature", "the body is not signed with a token known here")


def _key(token: bytes) -> bytes:
    try:
        key = base64.b64decode(token.removeprefix(b"whsec_"), validate=True)
    except binascii.Error:
        key = b""
    if len(key) < SHORTEST_KEY:
        # The settings refuse such a token; an empty key would let everybody sign.
        raise SignatureError("unusable_token", "a configured signing token is not base64 of at least 24 bytes")
    return key
