"""REST routes of Apps: the manifest's conversion, installations, tokens, and the log of deliveries."""

import json

from bot.standins.forge import Json
from bot.standins.github import bodies
from bot.standins.github.access import Refused
from bot.standins.github.api import Answer, Call, Route
from bot.standins.github.bodies import Body, iso
from bot.standins.github.mail import Attempt, body_of
from bot.standins.github.state import Installation


def _convert(call: Call) -> Answer:
    app = call.apps.convert(call.part("code"), call.clock())
    if app is None:
        raise Refused(404, "Not Found")
    secrets: Body = {
        "client_secret": app.client_secret,
        "webhook_secret": app.webhook_secret or None,
        "pem": app.pem,
    }
    return Answer(status=201, body={**bodies.app(call.world, app), **secrets})


def _app(call: Call) -> Answer:
    count = sum(one.app is call.app for one in call.world.installations.values())
    return Answer(body={**bodies.app(call.world, call.app), "installations_count": count})


def _installations(call: Call) -> Answer:
    mine = [one for one in call.world.installations.values() if one.app is call.app]
    return call.page([bodies.installation(call.world, one) for one in mine])


def _installation(call: Call) -> Answer:
    return Answer(body=bodies.installation(call.world, _mine(call)))


def _mine(call: Call) -> Installation:
    found = call.world.installations.get(call.number("installation_id"))
    if found is None or found.app is not call.app:
        raise Refused(404, "Not Found")
    return found


def _grant(call: Call) -> Answer:
    installation = _mine(call)
    repositories = _chosen(call, installation)
    asked = call.field("permissions")
    permissions = {str(name): str(level) for name, level in asked.items()} if isinstance(asked, dict) else None
    token = call.access.grant(installation, repositories, permissions)
    told: Body = {
        "token": token.value,
        "expires_at": iso(token.expires),
        "permissions": dict(token.permissions),
        "repository_selection": "all" if repositories is None and installation.selected is None else "selected",
    }
    if repositories is not None:
        reached = call.world.reached(installation)
        told["repositories"] = [bodies.repository(call.world, one) for one in reached if one.id in repositories]
    return Answer(status=201, body=told)


def _chosen(call: Call, installation: Installation) -> frozenset[int] | None:
    """The repositories a token is narrowed to, by number or by name."""
    numbers, names = call.field("repository_ids"), call.field("repositories")
    if isinstance(numbers, list):
        return frozenset(number for number in numbers if isinstance(number, int))
    if isinstance(names, list):
        known = {one.name.lower(): one.id for one in call.world.reached(installation)}
        return frozenset(known.get(str(name).lower(), 0) for name in names)
    return None


def _revoke(call: Call) -> Answer:
    call.access.revoke(call.token.value)
    return Answer(status=204)


def _repositories(call: Call) -> Answer:
    token = call.token
    reached = [one for one in call.world.reached(token.installation) if call.access.reaches(call.caller, one)]
    told: list[Json] = [bodies.full_repository(call.world, one) for one in reached]
    selection = "all" if token.installation.selected is None and token.repositories is None else "selected"

    def wrap(page: list[Json]) -> Json:
        return {"total_count": len(told), "repository_selection": selection, "repositories": page}

    return call.page(told, wrap)


def _deliveries(call: Call) -> Answer:
    """Newest first; a cursor says where the page before ended."""
    log, size = call.mail.log(call.app), call.count("per_page", 30, 100)
    if cursor := call.query("cursor"):
        kind, _, number = cursor.partition("_")
        if kind != "v1" or not number.isdecimal():
            raise Refused(400, "Invalid cursor")
        log = [one for one in log if one.id < int(number)]
    page = log[:size]
    more = len(log) > size
    links = {"Link": f'<{call.link(cursor=f"v1_{page[-1].id}")}>; rel="next"'} if more else {}
    return Answer(body=[_item(one) for one in page], headers=links)


def _item(one: Attempt) -> Body:
    return {
        "id": one.id,
        "guid": one.delivery.id,
        "delivered_at": iso(one.at),
        "redelivery": one.redelivery,
        "duration": one.duration,
        "status": one.status,
        "status_code": one.status_code,
        "event": one.delivery.event,
        "action": one.delivery.action or None,
        "installation_id": one.installation,
        "repository_id": one.repository,
        "throttled_at": None,
    }


def _delivery(call: Call) -> Answer:
    one = _attempt(call)
    told: Body = {
        **_item(one),
        "url": call.app.hook_url,
        "request": {"headers": dict(one.headers), "payload": json.loads(body_of(one.delivery))},
        "response": {"headers": dict(one.answer_headers), "payload": one.answer},
    }
    return Answer(body=told)


def _redeliver(call: Call) -> Answer:
    if not call.mail.redeliver(_attempt(call)):
        raise Refused(404, "Not Found")
    return Answer(status=202, body={})


def _attempt(call: Call) -> Attempt:
    number = call.number("delivery_id")
    found = next((one for one in call.mail.log(call.app) if one.id == number), None)
    if found is None:
        raise Refused(404, "Not Found")
    return found


def _rate_limit(call: Call) -> Answer:
    used, reset = call.access.window(call.caller)
    limit = call.access.hourly
    told: Body = {"limit": limit, "used": used, "remaining": max(0, limit - used), "reset": reset}
    return Answer(body={"resources": {"core": told, "search": told}, "rate": told})


ROUTES = (
    Route(method="POST", template="/app-manifests/{code}/conversions", handler=_convert, audience="anyone"),
    Route(method="GET", template="/app", handler=_app, audience="app"),
    Route(method="GET", template="/app/installations", handler=_installations, audience="app"),
    Route(method="GET", template="/app/installations/{installation_id}", handler=_installation, audience="app"),
    Route(method="POST", template="/app/installations/{installation_id}/access_tokens", handler=_grant, audience="app"),
    Route(method="DELETE", template="/installation/token", handler=_revoke, audience="installation"),
    Route(method="GET", template="/installation/repositories", handler=_repositories, audience="installation"),
    Route(method="GET", template="/app/hook/deliveries", handler=_deliveries, audience="app"),
    Route(method="GET", template="/app/hook/deliveries/{delivery_id}", handler=_delivery, audience="app"),
    Route(method="POST", template="/app/hook/deliveries/{delivery_id}/attempts", handler=_redeliver, audience="app"),
    Route(method="GET", template="/rate_limit", handler=_rate_limit, audience="anyone"),
)
