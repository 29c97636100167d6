"""The hooks that lead to us, and what their logs say. A hook's id here: project/17/3, group/5/2, system/1."""

from collections import OrderedDict
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import msgspec
from multidict import CIMultiDict

from bot.dora.instants import SECOND, Instant
from bot.forges import HeaderError, PayloadError, fields
from bot.forges.client import (
    ForgeUnavailableError,
    HookSeen,
    LogEntry,
    LoggedDelivery,
    LogPage,
    NotAllowedError,
    NotThereError,
)
from bot.forges.gitlab import answers
from bot.forges.gitlab.calls import Page, Query
from bot.forges.gitlab.projects import Projects
from bot.forges.gitlab.webhook import delivery

ROUTE = "/webhooks/gitlab"
MAINTAINER, OWNER = 40, 50
LOG_PAGE = 20
NEEDS_HOOKS = "the role Maintainer in the project (Owner in the group, administrator for the instance)"
NEEDS_LOG = f"{NEEDS_HOOKS}, GitLab 17.3 or newer"
REMEMBERED = 16 * 2**20
"""Bytes of logged bodies kept from the page that was read last: each is asked for right after."""
OVERSIZE = b'{"oversize":true}'


class Hooks:
    """The hooks of one GitLab that point to `base_url`."""

    def __init__(self, projects: Projects, *, base_url: str) -> None:
        self.projects, self.api, self.url = projects, projects.api, hook_url(base_url)
        self._bodies: OrderedDict[tuple[str, str], LoggedDelivery] = OrderedDict()

    async def seen(self) -> tuple[HookSeen, ...]:
        """All hooks that lead to us, as far as the token may see them."""
        if not self.url:
            return ()
        found = await self._of("/hooks", "system", "the instance")
        groups = await self.api.all("/groups", answers.Group, {"min_access_level": OWNER})
        for group in groups:
            found += await self._of(f"/groups/{group.id}/hooks", f"group/{group.id}", group.full_path)
        query: Query = {
            "membership": True, "min_access_level": MAINTAINER, "archived": False,
            "pagination": "keyset", "order_by": "id", "sort": "asc",
        }
        for project in await self.api.all("/projects", answers.Project, query):
            path = f"/projects/{project.id}/hooks"
            found += await self._of(path, f"project/{project.id}", project.path_with_namespace)
        return tuple(found)

    async def _of(self, path: str, owner: str, subject: str) -> list[HookSeen]:
        try:
            hooks = await self.api.all(path, answers.Hook, needs=NEEDS_HOOKS)
        except (NotAllowedError, NotThereError) as error:
            if error.slug == "unauthorised":
                raise
            return []
        return [seen(owner, subject, hook) for hook in hooks if same_place(hook.url, self.url)]

    async def log(self, hook_id: str, *, cursor: str) -> LogPage:
        """A page of a hook's log, newest first."""
        page = await self._page(hook_id, int(cursor or 1))
        entries = []
        at = self.api.clock()
        for event in page.items:
            logged = _logged(event)
            self._remember(hook_id, str(event.id), logged)
            at = _delivered_at(event) or at
            entries.append(_entry(event, logged, at))
        return LogPage(entries=tuple(entries), cursor="" if page.next is None else str(page.next["page"]))

    async def logged(self, hook_id: str, entry: LogEntry) -> LoggedDelivery:
        """The delivery behind an entry. GitLab gives no single one: what is not remembered is looked for from the newest on."""
        number = 1
        while (found := self._bodies.get((hook_id, entry.id))) is None:
            page = await self.log(hook_id, cursor=str(number))
            if any(one.id == entry.id for one in page.entries):
                continue
            if not page.cursor or all(one.delivered_at < entry.delivered_at for one in page.entries):
                raise NotThereError("not_there", f"the log of {hook_id} has no entry {entry.id} any more")
            number = int(page.cursor)
        if found.body == OVERSIZE:
            raise NotThereError("oversize", f"the body of {entry.id} was too large for the log of {hook_id}")
        return found

    async def redeliver(self, hook_id: str, entry_id: str) -> None:
        """Ask GitLab to send a delivery again."""
        path = f"{_path(hook_id)}/events/{entry_id}/resend"
        try:
            await self.api.send("post", path, object, needs=f"the scope api, {NEEDS_LOG}")
        except ForgeUnavailableError as error:
            # It was sent, and did not arrive: that is seen in the log, and no fault of the asking.
            if error.slug != "refused":
                raise

    async def _page(self, hook_id: str, number: int) -> Page[answers.HookEvent]:
        query: Query = {"page": number, "per_page": LOG_PAGE}
        return await self.api.page(f"{_path(hook_id)}/events", answers.HookEvent, query, needs=NEEDS_LOG)

    def _remember(self, hook_id: str, entry_id: str, logged: LoggedDelivery) -> None:
        self._bodies[hook_id, entry_id] = logged
        size = sum(len(one.body) for one in self._bodies.values())
        while size > REMEMBERED and len(self._bodies) > 1:
            size -= len(self._bodies.popitem(last=False)[1].body)


def hook_url(base_url: str) -> str:
    """Where GitLab is to send webhooks; "" without a BASE_URL."""
    return f"{base_url.rstrip('/')}{ROUTE}" if base_url else ""


def same_place(one: str, other: str) -> bool:
    """Whether two URLs lead to the same door: hosts compare without case, a trailing slash is none."""
    return _place(one) == _place(other)


def _place(url: str) -> tuple[str, str, str]:
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.lower(), parts.path.rstrip("/")


def seen(owner: str, subject: str, hook: answers.Hook) -> HookSeen:
    """A hook with its state: one that GitLab stopped after failures is disabled, if only for a while."""
    is_active = hook.alert_status == "executable"
    until = f" until {hook.disabled_until}" if hook.disabled_until else ""
    return HookSeen(
        id=f"{owner}/{hook.id}", subject=subject, state="active" if is_active else "disabled",
        reason="" if is_active else f"GitLab stopped it after failed deliveries ({hook.alert_status}){until}",
    )


def _path(hook_id: str) -> str:
    kind, _, rest = hook_id.partition("/")
    owner, _, number = rest.partition("/")
    if kind == "system":
        raise NotAllowedError("no_log", "GitLab's API has no log of the instance's hooks")
    return f"/{kind}s/{owner}/hooks/{number}"


def _logged(event: answers.HookEvent) -> LoggedDelivery:
    """The body as GitLab writes JSON: without spaces, nothing escaped that need not be."""
    headers = tuple(sorted((name.lower(), value) for name, value in event.request_headers.items()))
    names = dict(headers)
    return LoggedDelivery(
        event=names.get("x-gitlab-event", event.trigger), headers=headers, body=msgspec.json.encode(event.request_data)
    )


def _entry(event: answers.HookEvent, logged: LoggedDelivery, at: Instant) -> LogEntry:
    try:
        key, name = delivery(CIMultiDict(logged.headers), logged.body)
    except HeaderError:
        key, name = "", logged.event
    return LogEntry(
        id=str(event.id), key=key, event=name, delivered_at=at, succeeded=event.response_status[:1] in {"2", "3"}
    )


def _delivered_at(event: answers.HookEvent) -> Instant | None:
    """When it was sent. Where the log does not say, the answer's date does; an unanswered one is as old as the next newer one."""
    try:
        return fields.instant(event.created_at) or _date(event.response_headers.get("Date", ""))
    except PayloadError as error:
        raise ForgeUnavailableError("broken_answer", f"a hook's log has an instant that is none: {error.detail}") from error


def _date(text: str) -> Instant | None:
    try:
        return int(parsedate_to_datetime(text).timestamp()) * SECOND
    except ValueError:
        return None
