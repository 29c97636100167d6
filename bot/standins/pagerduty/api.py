"""The part of PagerDuty's REST API that tells of alerts, with its errors, pages and limits.

What is asked of a client: `Authorization: Token token=…`, `Accept: application/vnd.pagerduty+json;version=2`; what it gets: pages of
25 (at most 100) by `limit` and `offset`, with `more`; errors as `{"error": {"message", "code"}}`.
"""

from collections.abc import Callable, Mapping
from urllib.parse import urlencode

from aiohttp import web

from bot.standins.faults import Door, Status

ACCEPT = "application/vnd.pagerduty+json;version=2"
USUAL, MOST = 25, 100
Alert = Mapping[str, object]


class PagerDuty:
    """Knows the alerts of incidents; `door` records what is asked and plays faults."""

    def __init__(self, token: str, *, subdomain: str = "acme", clock: Callable[[], int] = lambda: 0) -> None:
        self.token, self.subdomain = token, subdomain
        self.alerts: dict[str, list[Alert]] = {}
        self.door = Door(clock)

    def application(self) -> web.Application:
        """To be served."""
        app = web.Application(middlewares=[self.door.middleware()])
        app.router.add_get("/incidents/{id}/alerts", self._alerts)
        return app

    async def _alerts(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Token token={self.token}":
            return _error(401, "Unauthorized", 2006)
        if request.headers.get("Accept") != ACCEPT:
            return _error(406, "Unsupported version", 2000)
        known = self.alerts.get(request.match_info["id"])
        if known is None:
            return _error(404, "Not Found", 2100)
        try:
            limit, offset = int(request.query.get("limit", USUAL)), int(request.query.get("offset", "0"))
        except ValueError:
            return _error(400, "Arguments Caused Error", 2001)
        limit = max(1, min(limit, MOST))
        page = {"alerts": known[offset : offset + limit], "limit": limit, "offset": offset, "more": len(known) > offset + limit}
        return web.json_response(page | {"total": None})


def datadog_alert(incident: str, number: int, *, tags: str = "", group: str = "", subdomain: str = "acme") -> Alert:
    """An alert as Datadog's integration makes it: tags in the details, the group in the links to the monitor."""
    id, api, pages = f"PALERT{number:02}", "https://api.pagerduty.com", f"https://{subdomain}.pagerduty.com"
    query = {"from_ts": "1", "to_ts": "2", "event_id": str(number)} | ({"group": group} if group else {})
    monitor = f"https://app.datadoghq.com/monitors/{4_700 + number}?{urlencode(query)}"
    details = {"tags": tags, "monitor_state": "Triggered", "event_type": "query_alert_monitor", "org": subdomain}
    return {
        "id": id, "type": "alert", "summary": "[Triggered] Checkout is slow", "self": f"{api}/incidents/{incident}/alerts/{id}",
        "html_url": f"{pages}/alerts/{id}", "created_at": "2026-11-20T09:30:00Z", "status": "triggered", "resolved_at": None,
        "alert_key": f"datadog-{number}", "suppressed": False, "severity": "critical",
        "service": {
            "id": "PSHOP01", "type": "service_reference", "summary": "Checkout API", "self": f"{api}/services/PSHOP01",
            "html_url": f"{pages}/service-directory/PSHOP01",
        },
        "incident": {
            "id": incident, "type": "incident_reference", "summary": "[#7] Checkout is slow", "self": f"{api}/incidents/{incident}",
            "html_url": f"{pages}/incidents/{incident}",
        },
        "integration": {
            "id": "PDATADG", "type": "events_api_v2_inbound_integration_reference", "summary": "Datadog",
            "self": f"{api}/services/PSHOP01/integrations/PDATADG", "html_url": f"{pages}/services/PSHOP01/integrations/PDATADG",
        },
        "body": {
            "type": "alert_body", "contexts": [{"type": "link", "href": monitor, "text": "Monitor Status"}], "details": details,
            "cef_details": {"client": "Datadog", "client_url": monitor, "details": details},
        },
    }  # fmt: skip


def rate_limit(reset: int) -> Status:
    """A 429 that says how many seconds its window has left."""
    headers = {"ratelimit-limit": "960", "ratelimit-remaining": "0", "ratelimit-reset": str(reset)}
    return Status(status=429, headers=headers, body='{"error":{"message":"Rate Limit Exceeded","code":2020}}')


def _error(status: int, message: str, code: int) -> web.Response:
    return web.json_response({"error": {"message": message, "code": code}}, status=status)
