"""Registering our webhook: one hook for a group where the instance has group hooks, else one for each of its projects.

Rules: never a group's and a project's hook for the same project: both would fire. What is there is kept and repaired, what is there
twice is reduced to one, what GitLab stopped is started again. A project that refuses is named, and the others go on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from bot.dora.instants import MINUTE, SECOND
from bot.forges.client import ForgeUnavailableError, NotAllowedError, NotThereError
from bot.forges.gitlab import answers
from bot.forges.gitlab.calls import Api, Query, encoded
from bot.forges.gitlab.hooks import same_place

T = TypeVar("T")

EVENTS: Mapping[str, bool] = {
    "push_events": True,
    "tag_push_events": True,
    "merge_requests_events": True,
    "deployment_events": True,
    "issues_events": True,
    "releases_events": True,
}
SYSTEM_EVENTS: Mapping[str, bool] = {
    "push_events": True, "tag_push_events": True, "merge_requests_events": True, "repository_update_events": False,
}  # fmt: skip
NEEDS_PROJECT = "a token with the scope api, and the role Maintainer in the project"
NEEDS_GROUP = "a token with the scope api, the role Owner in the group, and GitLab Premium"
NEEDS_ADMIN = "an administrator's token with the scope api"
LONGEST_WAIT = 5 * MINUTE
"""A rate limit that holds longer ends the command."""
REFUSED, FAILED, DISABLED = "refused", "failed", "disabled"
BAD = frozenset({REFUSED, FAILED, DISABLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The hook that is to be there. Secrets are "" where none is set."""

    url: str
    token: str
    signing_token: str

    def body(self, events: Mapping[str, bool]) -> dict[str, object]:
        """What GitLab is told; the secrets always, because it never tells them back."""
        told: dict[str, object] = {
            "url": self.url, "enable_ssl_verification": True, "push_events_branch_filter": "", **events,
        }  # fmt: skip
        if self.token:
            told["token"] = self.token
        if self.signing_token:
            told["signing_token"] = self.signing_token
        return told


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a place's hook.

    `done`: created, repaired, enabled, unchanged, removed, covered (a group's hook serves it), refused, failed, disabled (still).
    `id` is "" where there is no hook.
    """

    subject: str
    done: str
    id: str = ""
    reason: str = ""


class Registrar:
    """Registers (or with `remove` removes) one hook in many places; with `dry_run` only says what it would do."""

    def __init__(
        self, api: Api, wanted: Wanted, *, remove: bool = False, dry_run: bool = False,
        progress: Callable[[str], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self.api, self.wanted, self.remove, self.dry_run, self.progress = api, wanted, remove, dry_run, progress

    async def group(self, path: str) -> list[Outcome]:
        """A group with all its subgroups. Raises NotThereError for a group that is not there."""
        group = await self.api.get(f"/groups/{encoded(path)}", answers.Group)
        above = await self._above(group)
        found = above or await self._one(
            f"/groups/{group.id}/hooks", f"group/{group.id}", group.full_path, EVENTS, needs=NEEDS_GROUP
        )
        query: Query = {"include_subgroups": True, "with_shared": False, "archived": False, "order_by": "id", "sort": "asc"}
        projects = await self.api.all(f"/groups/{group.id}/projects", answers.Project, query)
        if found.done == FAILED:
            return [found]  # a hook for each project beside one that may be there would fire twice
        if found.done == REFUSED:
            self.progress(f"{group.full_path}: no hook for the group, one for each project ({found.reason})")
            return await self._projects(projects, served=False)
        return [found, *await self._projects(projects, served=not self.remove)]

    async def project(self, path: str) -> list[Outcome]:
        """One project. Raises NotThereError for a project that is not there."""
        project = await self.api.get(f"/projects/{encoded(path)}", answers.Project)
        return await self._projects([project], served=False)

    async def system(self) -> list[Outcome]:
        """The instance itself: it also hears of renames and transfers, but of no commits."""
        return [await self._one("/hooks", "system", "the instance", SYSTEM_EVENTS, needs=NEEDS_ADMIN)]

    async def _above(self, group: answers.Group) -> Outcome | None:
        """A hook of a group above, which serves this one too."""
        parent = group.parent_id
        while parent is not None and not self.remove:
            higher = await self.api.get(f"/groups/{parent}", answers.Group)
            try:
                mine = await self._mine(f"/groups/{higher.id}/hooks", needs=NEEDS_GROUP)
            except (NotAllowedError, NotThereError):
                mine = []
            if mine:
                return Outcome(
                    subject=group.full_path, done="covered", reason=f"the hook of the group {higher.full_path} serves it"
                )
            parent = higher.parent_id
        return None

    async def _projects(self, projects: Sequence[answers.Project], *, served: bool) -> list[Outcome]:
        outcomes = []
        for number, project in enumerate(projects, 1):
            path, owner, name = f"/projects/{project.id}/hooks", f"project/{project.id}", project.path_with_namespace
            if served:
                outcomes += await self._without(path, owner, name)
            else:
                outcomes.append(await self._one(path, owner, name, EVENTS, needs=NEEDS_PROJECT))
            self.progress(f"hooks: {number:,} of {len(projects):,} projects")
        return outcomes

    async def _without(self, path: str, owner: str, subject: str) -> list[Outcome]:
        """Take out what a group's hook says already; who may not look there cannot have made one by this command."""
        try:
            mine = await self._patiently(lambda: self._mine(path, needs=NEEDS_PROJECT))
            return [await self._delete(path, owner, subject, hook, "the group's hook serves it") for hook in mine]
        except (NotAllowedError, NotThereError):
            return []
        except ForgeUnavailableError as error:
            return [Outcome(subject=subject, done=FAILED, reason=error.detail)]

    async def _one(self, path: str, owner: str, subject: str, events: Mapping[str, bool], *, needs: str) -> Outcome:
        try:
            return await self._patiently(lambda: self._settle(path, owner, subject, events, needs=needs))
        except (NotAllowedError, NotThereError) as error:
            if error.slug == "unauthorised":
                raise
            return Outcome(subject=subject, done=REFUSED, reason=f"{error.detail}; needed: {needs}")
        except ForgeUnavailableError as error:
            return Outcome(subject=subject, done=FAILED, reason=error.detail)

    async def _settle(self, path: str, owner: str, subject: str, events: Mapping[str, bool], *, needs: str) -> Outcome:
        mine = sorted(await self._mine(path, needs=needs), key=lambda hook: (hook.alert_status != "executable", hook.id))
        spare = mine if self.remove else mine[1:]
        gone = [await self._delete(path, owner, subject, hook, "") for hook in spare]
        if self.remove:
            return gone[0] if gone else Outcome(subject=subject, done="unchanged", reason="there was none")
        if not mine:
            return await self._create(path, owner, subject, events, done="created", needs=needs)
        hook = mine[0]
        outcome = Outcome(subject=subject, done="unchanged", id=f"{owner}/{hook.id}")
        wrong = _wrong(hook, events)
        if gone or wrong:
            outcome = Outcome(
                subject=subject, done="repaired", id=outcome.id,
                reason=", ".join([*wrong, *(["was there more than once"] if gone else [])]),
            )
        if self.dry_run:
            return outcome if hook.alert_status == "executable" else _enabled(outcome)
        await self._update(path, hook, events, needs=needs)
        return outcome if hook.alert_status == "executable" else await self._enable(path, outcome, hook, events, needs=needs)

    async def _mine(self, path: str, *, needs: str) -> list[answers.Hook]:
        hooks = await self.api.all(path, answers.Hook, needs=needs)
        return [hook for hook in hooks if same_place(hook.url, self.wanted.url)]

    async def _create(
        self, path: str, owner: str, subject: str, events: Mapping[str, bool], *, done: str, needs: str
    ) -> Outcome:
        if self.dry_run:
            return Outcome(subject=subject, done=done)
        made = await self.api.send("post", path, answers.Created, self.wanted.body(events), needs=needs)
        return Outcome(subject=subject, done=done, id=f"{owner}/{made.id}")

    async def _update(self, path: str, hook: answers.Hook, events: Mapping[str, bool], *, needs: str) -> None:
        body = self.wanted.body(events)
        if hook.custom_webhook_template:
            body["custom_webhook_template"] = ""
        await self.api.send("put", f"{path}/{hook.id}", object, body, needs=needs)

    async def _delete(self, path: str, owner: str, subject: str, hook: answers.Hook, reason: str) -> Outcome:
        if not self.dry_run:
            await self.api.send("delete", f"{path}/{hook.id}", object, needs=NEEDS_PROJECT)
        return Outcome(subject=subject, done="removed", id=f"{owner}/{hook.id}", reason=reason)

    async def _enable(
        self, path: str, outcome: Outcome, hook: answers.Hook, events: Mapping[str, bool], *, needs: str
    ) -> Outcome:
        """A test that is answered starts a stopped hook; where it does not, a new one takes its place."""
        with suppress(NotThereError, ForgeUnavailableError):  # what came of it is seen by its state
            await self.api.send("post", f"{path}/{hook.id}/test/push_events", object, needs=needs)
        now = await self.api.get(f"{path}/{hook.id}", answers.Hook, needs=needs)
        if now.alert_status == "executable":
            return _enabled(outcome)
        owner = outcome.id.rpartition("/")[0]
        await self._delete(path, owner, outcome.subject, hook, "")
        made = await self._create(path, owner, outcome.subject, events, done="enabled", needs=needs)
        return Outcome(subject=made.subject, done=made.done, id=made.id, reason="GitLab had stopped it; a new one took its place")

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Wait for a rate limit to pass."""
        while True:
            try:
                return await ask()
            except ForgeUnavailableError as error:
                pause = (error.retry_at or 0) - self.api.clock()
                if error.retry_at is None or pause > LONGEST_WAIT:
                    raise
                self.progress(f"GitLab's rate limit holds for {max(pause, 0) // SECOND + 1} s")
                await asyncio.sleep(max(pause, 0) / SECOND + 0.1)


def _enabled(outcome: Outcome) -> Outcome:
    return Outcome(subject=outcome.subject, done="enabled", id=outcome.id, reason="GitLab had stopped it")


def _wrong(hook: answers.Hook, events: Mapping[str, bool]) -> list[str]:
    """What of a hook is not as it should be."""
    wrong = [name for name, on in events.items() if getattr(hook, name, on) != on]
    if not hook.enable_ssl_verification:
        wrong.append("enable_ssl_verification")
    if hook.push_events_branch_filter:
        wrong.append("push_events_branch_filter")
    if hook.custom_webhook_template:
        wrong.append("custom_webhook_template")
    return wrong
