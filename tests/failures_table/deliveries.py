"""What a story sends: signed webhooks, deployments, failures and corrections, each with the instant at which it is first sent."""

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bot.standins.github import GitHub
from bot.standins.github.mail import body_of
from bot.standins.gitlab.forge import GitLab
from tests.web.doors import GITHUB_SECRET, GITLAB_SECRET


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A request. `at` in seconds since 1970; in `path` and `body` a deployment's name in angle brackets stands for its id.

    `about` are these names: what nobody knows yet cannot be corrected. `name` is the deployment that it reports.
    """

    at: int
    method: str = "POST"
    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    about: tuple[str, ...] = ()


def from_github(forge: GitHub) -> Iterator[Sent]:
    """What GitHub has queued, as it signs it."""
    while forge.mail.queue:
        told = forge.mail.queue.popleft()
        body = body_of(told)
        yield Sent(
            at=told.at, path="/webhooks/github", body=body,
            headers={
                "Content-Type": "application/json", "X-GitHub-Event": told.event, "X-GitHub-Delivery": told.id,
                "X-Hub-Signature-256": "sha256=" + hmac.new(GITHUB_SECRET.encode(), body, hashlib.sha256).hexdigest(),
            },
        )  # fmt: skip


def from_gitlab(forge: GitLab) -> Iterator[Sent]:
    """What GitLab has queued, with its hook's token."""
    waiting, forge.courier.queue = forge.courier.queue, []
    for item in waiting:
        yield Sent(
            at=item.told.at, path="/webhooks/gitlab", body=json.dumps(item.told.payload).encode(),
            headers={
                "Content-Type": "application/json", "X-Gitlab-Event": item.told.event, "Idempotency-Key": item.told.id,
                "X-Gitlab-Token": GITLAB_SECRET,
            },
        )  # fmt: skip


def called(path: str, attributes: Mapping[str, object], **options: object) -> Sent:
    """A call of the original's API; the key is put on when it is sent."""
    kind = {"type": "dora_deployment_patch_request"} if path.startswith("/api/v2/dora/deployments/") else {}
    body = json.dumps({"data": {**kind, "attributes": attributes}}).encode()
    return Sent(path=path, body=body, headers={"Content-Type": "application/json"}, **options)  # type: ignore[arg-type]
