"""The API about webhooks of projects, groups and the instance, and about their logs."""

import base64
import binascii
from collections.abc import Mapping

from aiohttp import web

from bot.standins.forge import Json
from bot.standins.gitlab import entities
from bot.standins.gitlab.calls import KEEPER, Call, Refused, forbidden, not_found
from bot.standins.gitlab.courier import INTERNAL_ERROR
from bot.standins.gitlab.state import Attempt, Hook

LOG_PAGE = 20
SECRET_BYTES = 32
CLASSES = {"successful": "2", "client_failure": "4", "server_failure": "5"}
TOO_MANY = "This endpoint has been requested too many times. Try again later."


def _hooks(call: Call) -> tuple[list[Hook], int | None, int | None]:
    """The hooks of whatever the path names, with the project or group whose a new one is; refuses those who may not see them."""
    if call.template.startswith("/projects/"):
        project = call.project(KEEPER)
        return project.hooks, project.id, None
    if call.template.startswith("/groups/"):
        group = call.group()
        if not call.forge.premium:
            raise not_found()
        if call.user().level < KEEPER:
            raise forbidden()
        return group.hooks, None, group.id
    if not call.user().admin:
        raise forbidden()
    return call.forge.system_hooks, None, None


def _one(call: Call) -> Hook:
    wanted = call.request.match_info["hook_id"]
    for hook in _hooks(call)[0]:
        if str(hook.id) == wanted:
            return hook
    raise not_found()


async def list_hooks(call: Call) -> web.Response:
    """All hooks."""
    return call.paged(_hooks(call)[0], lambda one: entities.hook(one, call.forge.now))


async def create(call: Call) -> web.Response:
    """A new hook; by itself it hears of pushes (the instance's: of changed repositories)."""
    hooks, project_id, group_id = _hooks(call)
    hook = Hook(
        id=call.forge.number("hook", 0),
        url=call.needed("url"),
        created_at=call.forge.now,
        project_id=project_id,
        group_id=group_id,
    )
    hook.switches = {"repository_update_events" if hook.is_system else "push_events": True}
    _configure(hook, call)
    hooks.append(hook)
    return call.answer(entities.hook(hook, call.forge.now), 201)


async def one_hook(call: Call) -> web.Response:
    """A hook."""
    return call.answer(entities.hook(_one(call), call.forge.now))


async def edit(call: Call) -> web.Response:
    """Change a hook; what is not named stays."""
    hook = _one(call)
    hook.url = call.word("url", hook.url)
    _configure(hook, call)
    return call.answer(entities.hook(hook, call.forge.now))


async def delete(call: Call) -> web.Response:
    """Remove a hook."""
    _hooks(call)[0].remove(_one(call))
    return web.Response(status=204)


def _configure(hook: Hook, call: Call) -> None:
    if not hook.url.startswith(("http://", "https://")):
        raise Refused(422, {"error": "Invalid url given"})
    for name, value in call.form.items():
        if name.endswith("_events"):
            hook.switches[name] = call.flag(name)
        elif name in {"name", "description", "push_events_branch_filter", "branch_filter_strategy"}:
            hook.settings[name] = value
        elif name == "enable_ssl_verification":
            hook.settings[name] = call.flag(name)
        elif name == "token":
            hook.token = call.word(name)
        elif name == "signing_token":
            hook.signing_token = _signing_token(call.word(name))


def _signing_token(text: str) -> str:
    try:
        key = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        key = b""
    if text and (not text.startswith("whsec_") or len(key) != SECRET_BYTES):
        raise Refused(400, {"message": {"signing_token": ["is invalid"]}})
    return text


async def log(call: Call) -> web.Response:
    """The hook's attempts, newest first, twenty a page at most."""
    wanted = {one for one in call.word("status").split(",") if one}
    found = [attempt for attempt in reversed(_one(call).log) if not wanted or _is(attempt, wanted)]
    return call.paged(found, entities.attempt, largest=LOG_PAGE)


def _is(attempt: Attempt, wanted: set[str]) -> bool:
    if attempt.status == INTERNAL_ERROR:
        return bool(wanted & {INTERNAL_ERROR, "server_failure", "500"})
    return any(attempt.status == one or CLASSES.get(one) == attempt.status[0] for one in wanted)


async def resend(call: Call) -> web.Response:
    """Send a logged attempt's body once more, also to a hook that is disabled."""
    hook, wanted, forge = _one(call), call.request.match_info["event_id"], call.forge
    attempt = next((one for one in hook.log if str(one.id) == wanted), None)
    if attempt is None:
        raise not_found()
    recent = [at for at in forge.resends if at > forge.now - 60]
    if forge.resends_per_minute is not None and len(recent) >= forge.resends_per_minute:
        raise Refused(429, {"message": {"error": TOO_MANY}})
    forge.resends = [*recent, forge.now]
    sent = await forge.courier.resend(hook, attempt)
    body: Mapping[str, Json] = {"response_status": int(sent.status) if sent.status.isdecimal() else sent.status}
    if not sent.status.isdecimal():
        raise Refused(422, {"message": "422 Unprocessable entity"})
    return call.answer(body, 201)


ROUTES = {
    f"{method} {owner}{path}": handler
    for owner in ("/projects/{id}/hooks", "/groups/{id}/hooks", "/hooks")
    for method, path, handler in (
        ("GET", "", list_hooks),
        ("POST", "", create),
        ("GET", "/{hook_id}", one_hook),
        ("PUT", "/{hook_id}", edit),
        ("DELETE", "/{hook_id}", delete),
        ("GET", "/{hook_id}/events", log),
        ("POST", "/{hook_id}/events/{event_id}/resend", resend),
    )
    if owner != "/hooks" or not path.endswith(("events", "resend"))
}
"""The instance's hooks have no log in the API."""
