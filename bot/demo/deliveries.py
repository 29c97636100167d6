"""What the demo sends: signed webhooks, calls about deployments and failures, as bytes."""

import hashlib
import hmac
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bot.standins.forge import Json

NAMESPACE = uuid.UUID("6d0f5c9e-5b1c-4b57-9a5e-0d3c8f1b7a11")
"""Delivery ids are derived from it: the same event of the same organisation has the same id in every play."""
GITHUB_AGENT = "GitHub-Hookshot/demo"
GITLAB_AGENT = "GitLab/18.11.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What the senders share with the server."""

    github: str = field(repr=False)
    gitlab: str = field(repr=False)
    api_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One request to come. `at` orders the story (seconds since 1970); `name` says in words what it is and names it for ever."""

    at: int
    name: str
    path: str
    kind: str
    event: str
    payload: Mapping[str, Json]
    base: int

    @property
    def id(self) -> str:
        """The sender's delivery id, the same in every play of one organisation."""
        return str(uuid.uuid5(NAMESPACE, f"{self.base} {self.name}"))

    @property
    def body(self) -> bytes:
        """The body's bytes, the same in every play."""
        return json.dumps(self.payload, ensure_ascii=False, separators=(",", ":")).encode()

    def headers(self, secrets: Secrets) -> dict[str, str]:
        """The headers its sender would put on it, signature or key included."""
        common = {"Content-Type": "application/json", "Accept": "*/*"}
        match self.kind:
            case "github":
                return common | {
                    "User-Agent": GITHUB_AGENT,
                    "X-GitHub-Event": self.event,
                    "X-GitHub-Delivery": self.id,
                    "X-GitHub-Hook-ID": "480001",
                    "X-GitHub-Hook-Installation-Target-Type": "integration",
                    "X-GitHub-Hook-Installation-Target-ID": "33001",
                    "X-Hub-Signature-256": github_signature(secrets.github, self.body),
                }
            case "gitlab":
                return common | {
                    "User-Agent": GITLAB_AGENT,
                    "X-Gitlab-Event": self.event,
                    "X-Gitlab-Token": secrets.gitlab,
                    "X-Gitlab-Instance": "https://gitlab.example.com",
                    "X-Gitlab-Webhook-UUID": str(uuid.uuid4()),
                    "X-Gitlab-Event-UUID": str(uuid.uuid5(NAMESPACE, f"cause {self.id}")),
                    "Idempotency-Key": self.id,
                }
            case _:
                return common | {"User-Agent": "curl/8.5.0", "DD-API-KEY": secrets.api_key}


def github_signature(secret: str, body: bytes) -> str:
    """`X-Hub-Signature-256` over the raw body."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def iso(at: int) -> str:
    """`2026-11-21T09:00:00Z`."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def stable_sha(text: str) -> str:
    """A sha that no repository holds, the same in every play."""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
