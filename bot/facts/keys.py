"""API keys: 256 random bits, shown once, stored as their SHA-256, with scopes and (if wanted) the services they are limited to.

A hash without salt suffices: nobody guesses 256 random bits, and the hash is how a key is found.
"""

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from bot.dora.instants import Instant
from bot.store import Reader, Writer

DEPLOYMENTS_WRITE, FAILURES_WRITE, CATALOG_WRITE = "deployments:write", "failures:write", "catalog:write"
READ, ADMIN = "read", "admin"
SCOPES: Final = (DEPLOYMENTS_WRITE, FAILURES_WRITE, CATALOG_WRITE, READ, ADMIN)
PREFIX = "rf_"
"""Lets scanners for leaked secrets recognise one."""


class ScopeError(ValueError):
    """A scope that does not exist, or none at all."""

    slug = "unknown_scope"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key just made; `key` is what opens the door, and is nowhere else."""

    id: str
    name: str
    key: str
    scopes: tuple[str, ...]
    services: tuple[str, ...]


class ApiKey(NamedTuple):
    """A key as stored, without what opens the door; no services means all. Services are trimmed lower case."""

    id: str
    name: str
    scopes: tuple[str, ...]
    services: tuple[str, ...]
    created_at: Instant
    revoked_at: Instant | None


def create_key(
    writer: Writer, *, name: str, scopes: Sequence[str], services: Sequence[str] = (), now: Instant
) -> NewKey:
    """Make a key and record its hash; raises ScopeError."""
    wanted = tuple(scope for scope in SCOPES if scope in scopes)
    if not wanted or set(scopes) - set(SCOPES):
        raise ScopeError(f"a key needs scopes, out of: {', '.join(SCOPES)}")
    made = NewKey(
        id=secrets.token_hex(6),
        name=name.strip(),
        key=PREFIX + secrets.token_hex(32),
        scopes=wanted,
        services=tuple(dict.fromkeys(service.strip().casefold() for service in services if service.strip())),
    )
    row = (made.id, made.name, _digest(made.key), json.dumps(made.scopes), json.dumps(made.services), now, None)
    writer.write_many("api_key", [row])
    return made


def find_key(reader: Reader, key: str) -> ApiKey | None:
    """The unrevoked key of that text."""
    found = reader.fetch("api_key_by_digest", _api_key, digest=_digest(key))
    return found[0] if found else None


def any_key(reader: Reader, scope: str) -> bool:
    """Whether there is an unrevoked key with that scope."""
    return any(scope in key.scopes and key.revoked_at is None for key in list_keys(reader))


def list_keys(reader: Reader) -> list[ApiKey]:
    """All keys, oldest first; revoked ones too."""
    return reader.fetch("api_keys", _api_key)


def key_names(reader: Reader) -> dict[str, str]:
    """What keys are called, by their ids, revoked ones too; one without a name is not in it."""
    return {key.id: key.name for key in list_keys(reader) if key.name}


def revoke_key(writer: Writer, key_id: str, *, now: Instant) -> bool:
    """Close a key for good; whether there was one to close."""
    known = any(key.id == key_id and key.revoked_at is None for key in list_keys(writer))
    if known:
        writer.execute("revoke_api_key", id=key_id, now=now)
    return known


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="surrogateescape")).digest()


def _api_key(
    key_id: str, name: str, scopes: str, services: str, created_at: Instant, revoked_at: Instant | None
) -> ApiKey:
    return ApiKey(key_id, name, tuple(json.loads(scopes)), tuple(json.loads(services)), created_at, revoked_at)
