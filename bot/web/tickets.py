"""Texts that only this installation can have written, good for an hour: the state that travels through GitHub, and the ticket
by which a command on the server's machine lets a browser set things up.
"""

import hashlib
import hmac
import secrets

from bot.dora.instants import HOUR, MINUTE, SECOND, Instant
from bot.guard import same_secret

TICKET, STATE = "setup", "github"
"""What these texts are for."""
LIFE = HOUR
SLACK = MINUTE
"""Between the clocks of those who share the key."""


class TicketError(Exception):
    """A ticket that was not written here, for something else, for another browser, or too long ago."""


def write_ticket(key: bytes, purpose: str, *, now: Instant, bound: str = "") -> str:
    """A new ticket; `bound` must be shown again when it is used."""
    head = f"{now // SECOND}.{secrets.token_hex(16)}"
    return f"{head}.{_mac(key, purpose, head, bound)}"


def read_ticket(key: bytes, purpose: str, text: str, *, now: Instant, bound: str = "") -> int:
    """When it was written, in seconds since 1970. Raises TicketError."""
    head, _, mac = text.rpartition(".")
    if not text.isascii() or len(text) > 200 or not same_secret(mac.encode(), [_mac(key, purpose, head, bound).encode()]):
        raise TicketError
    written = int(head.partition(".")[0])
    if not -SLACK <= now - written * SECOND <= LIFE:
        raise TicketError
    return written


def _mac(key: bytes, purpose: str, head: str, bound: str) -> str:
    return hmac.new(key, f"{purpose}\n{head}\n{bound}".encode(), hashlib.sha256).hexdigest()
