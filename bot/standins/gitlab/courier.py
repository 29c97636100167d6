"""Which hooks hear of an event, what is on its way to them, and the sending: signed, logged, and ended where it fails too often."""

import base64
import fnmatch
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from aiohttp import ClientError, ClientSession, ClientTimeout

from bot.standins.forge import Json, QueuedDelivery
from bot.standins.gitlab.state import Attempt, Hook

NAMESPACE = uuid.UUID("0c8a35f1-51a7-4a8b-9a5d-6e3f0f1d7b42")
AGENT = "GitLab/18.11.0-ee"
PATIENCE = 10
"""Seconds."""
INTERNAL_ERROR = "internal error"
SWITCHES = {
    "push_hooks": "push_events",
    "tag_push_hooks": "tag_push_events",
    "merge_request_hooks": "merge_requests_events",
    "deployment_hooks": "deployment_events",
    "issue_hooks": "issues_events",
    "release_hooks": "releases_events",
    "subgroup_hooks": "subgroup_events",
    "project_hooks": "project_events",
    "repository_update_hooks": "repository_update_events",
}
"""Which of a hook's switches a trigger asks; `system_hooks` asks none."""
INSTANCE_ALONE = frozenset({"repository_update_hooks", "system_hooks"})
INSTANCE_TOO = frozenset({"push_hooks", "tag_push_hooks", "merge_request_hooks"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OnTheWay:
    """A delivery to one hook; `cause` is shared by all hooks that hear of one event."""

    hook: Hook
    trigger: str
    cause: str
    told: QueuedDelivery


class Courier:
    """The deliveries of one instance. The switches may be changed at any time."""

    def __init__(self, instance: Callable[[], str], clock: Callable[[], int]) -> None:
        self.queue: list[OnTheWay] = []
        self.drop: Callable[[QueuedDelivery], bool] = lambda told: False
        self.lose: Callable[[QueuedDelivery], bool] = lambda told: False
        self.auto_disable = True
        self.signing_clock: Callable[[], float] = time.time
        self._instance = instance
        self._clock = clock
        self._attempts = 7_000
        self._deliveries = 0
        self._causes = 0

    def announce(
        self, hooks: Iterable[Hook], trigger: str, payload: Mapping[str, Json], *, repository: str = ""
    ) -> None:
        """Queue the event for those of the hooks that want it."""
        self._causes += 1
        cause = str(uuid.uuid5(NAMESPACE, f"cause {self._causes}"))
        for hook in hooks:
            if _wants(hook, trigger, payload):
                self._deliveries += 1
                bare = hook.is_system and trigger in {"push_hooks", "tag_push_hooks"}
                told = QueuedDelivery(
                    id=str(uuid.uuid5(NAMESPACE, f"delivery {self._deliveries}")),
                    event=event_name(hook, trigger),
                    action=_action(payload),
                    repository=repository,
                    at=self._clock(),
                    payload={**payload, "commits": [], "total_commits_count": 0} if bare else payload,
                )
                self.queue.append(OnTheWay(hook=hook, trigger=trigger, cause=cause, told=told))

    async def deliver(self) -> None:
        """Send what is queued, in order. What a disabled hook should get, or is lost, is in no log."""
        waiting, self.queue = self.queue, []
        async with ClientSession(timeout=ClientTimeout(total=PATIENCE)) as session:
            for item in waiting:
                if item.hook.alert_status(self._clock()) != "executable" or self.lose(item.told):
                    continue
                if self.drop(item.told):
                    self._log(item.hook, item.trigger, item.told.id, item.told.payload, {})
                else:
                    await self._send(session, item.hook, item.trigger, item.told.id, item.cause, item.told.payload)

    async def resend(self, hook: Hook, attempt: Attempt) -> Attempt:
        """Send what the log holds once more, under the same idempotency key."""
        async with ClientSession(timeout=ClientTimeout(total=PATIENCE)) as session:
            return await self._send(session, hook, attempt.trigger, attempt.key, str(uuid.uuid4()), attempt.payload)

    async def _send(
        self, session: ClientSession, hook: Hook, trigger: str, key: str, cause: str, payload: Json
    ) -> Attempt:
        body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
        headers = self._headers(hook, trigger, key, cause, body)
        begun = time.monotonic()
        attempt = self._log(hook, trigger, key, payload, headers)
        try:
            async with session.post(hook.url, data=body, headers=headers, allow_redirects=False) as answer:
                attempt.status = str(answer.status)
                attempt.response_headers = {name.title(): value for name, value in answer.headers.items()}
                attempt.response_body = (await answer.text(errors="replace"))[:8192]
        except (TimeoutError, ClientError):
            attempt.response_body = ""
        attempt.duration = time.monotonic() - begun
        if attempt.status[0] in "23":
            hook.succeeded()
        elif self.auto_disable and not hook.is_system:
            hook.failed(self._clock())
        return attempt

    def _headers(self, hook: Hook, trigger: str, key: str, cause: str, body: bytes) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": AGENT,
            "Idempotency-Key": key,
            "X-Gitlab-Event": event_name(hook, trigger),
            "X-Gitlab-Webhook-UUID": str(uuid.uuid4()),
            "X-Gitlab-Instance": self._instance(),
            "X-Gitlab-Event-UUID": cause,
        }
        if hook.token:
            headers["X-Gitlab-Token"] = hook.token
        if hook.signing_token:
            timestamp = str(int(self.signing_clock()))
            headers |= {
                "webhook-id": key,
                "webhook-timestamp": timestamp,
                "webhook-signature": signature(hook.signing_token, key, timestamp, body),
            }
        return headers

    def _log(self, hook: Hook, trigger: str, key: str, payload: Json, headers: Mapping[str, str]) -> Attempt:
        self._attempts += 1
        shown = {name: "[REDACTED]" if name == "X-Gitlab-Token" else value for name, value in headers.items()}
        shown.setdefault("Idempotency-Key", key)
        shown.setdefault("X-Gitlab-Event", event_name(hook, trigger))
        attempt = Attempt(
            id=self._attempts, url=hook.url, trigger=trigger, key=key, at=self._clock(), headers=shown, payload=payload,
            status=INTERNAL_ERROR,
        )  # fmt: skip
        hook.log.append(attempt)
        return attempt


def event_name(hook: Hook, trigger: str) -> str:
    """`X-Gitlab-Event`."""
    return "System Hook" if hook.is_system else trigger.removesuffix("s").replace("_", " ").title()


def signature(token: str, key: str, timestamp: str, body: bytes) -> str:
    """`webhook-signature` by the Standard Webhooks specification, for a `whsec_…` token."""
    secret = base64.b64decode(token.removeprefix("whsec_"))
    signed = b".".join((key.encode(), timestamp.encode(), body))
    return f"v1,{base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()}"


def _wants(hook: Hook, trigger: str, payload: Mapping[str, Json]) -> bool:
    if trigger not in INSTANCE_TOO and hook.is_system != (trigger in INSTANCE_ALONE):
        return False
    if trigger == "system_hooks":
        return True
    branches = hook.settings.get("push_events_branch_filter")
    if trigger == "push_hooks" and isinstance(branches, str) and branches:
        branch = str(payload["ref"]).removeprefix("refs/heads/")
        if not fnmatch.fnmatchcase(branch, branches):
            return False
    return hook.switches.get(SWITCHES[trigger], False)


def _action(payload: Mapping[str, Json]) -> str:
    attributes = payload.get("object_attributes")
    action = attributes.get("action") if isinstance(attributes, Mapping) else payload.get("action")
    return str(action or payload.get("status") or "")
