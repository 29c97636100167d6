"""What an alert in PagerDuty says of the Datadog monitor behind it.

Datadog sends the monitor's tags as a text (`details.tags`: "env:prod, service:shop, …", those of the alert's group and host among
them) and links to the monitor, with the group that alerted in the link's query or fragment (`group=env:prod,service:shop`).
PagerDuty keeps both with the alert: `body.details` and `body.contexts`, or `body.cef_details` as the Events API v2 names them. No
documented field of a webhook holds an alert; where one comes with it, it has one of these shapes.

Rules: what names another client than Datadog is no monitor of it; what has neither tags nor a group says nothing. A shape that is
not known says nothing either: an alert's details are whatever its sender likes.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from msgspec import Struct

from bot.dora.pagerduty import Monitor
from bot.guard import decode_json

Loose = object
"""Decoded JSON of any shape."""
Client = Loose
"""An event's `client`: a name, and maybe a URL."""

MOST_ALERTS, MOST_TAGS, LONGEST_TAG, LONGEST_QUERY = 100, 500, 400, 8_000
_NAME: Final = "datadog"
_NESTED: Final = ("body", "cef_details", "details", "custom_details", "channel", "first_trigger_log_entry")
"""Below which keys an alert's tags and links are found."""
_DEEPEST: Final = 6


class AlertsShape(Struct):
    """Where an incident may carry its alerts, or what one of them said."""

    alerts: Loose = None
    body: Loose = None
    details: Loose = None
    custom_details: Loose = None
    tags: Loose = None
    first_trigger_log_entry: Loose = None


def read_monitors(data: AlertsShape, client: Client) -> tuple[Monitor, ...]:
    """The Datadog monitors that an event's data tells of."""
    own: dict[str, Loose] = {
        "body": data.body, "details": data.details, "custom_details": data.custom_details, "tags": data.tags,
        "first_trigger_log_entry": data.first_trigger_log_entry,
    }  # fmt: skip
    found = [_monitor(one) for one in [*_items(data.alerts), own | {"client": client}]]
    return tuple(dict.fromkeys(one for one in found if one is not None))


def parse_alerts(body: bytes) -> tuple[tuple[Monitor, ...], bool]:
    """The monitors in an answer to `GET /incidents/{id}/alerts`, and whether there are more pages. Raises GuardError."""
    told = decode_json(body)
    page = told if isinstance(told, Mapping) else {}
    found = (_monitor(one) for one in _items(page.get("alerts")))
    return tuple(dict.fromkeys(one for one in found if one is not None)), page.get("more") is True


def _monitor(alert: Loose) -> Monitor | None:
    parts = list(_parts(alert, _DEEPEST))
    names = [name for part in parts for name in _clients(part)]
    links = [link for part in parts for link in _links(part)]
    if names and not any(_NAME in "".join(name.casefold().split()) for name in names) and not any(map(_is_datadog, links)):
        return None
    tags = tuple(dict.fromkeys(tag for part in parts for tag in _tags(part.get("tags"))))[:MOST_TAGS]
    group = tuple(dict.fromkeys(tag for link in links if _is_datadog(link) for tag in _group(link)))[:MOST_TAGS]
    return Monitor(group=group, tags=tags) if tags or group else None


def _parts(node: Loose, deepest: int) -> Iterator[Mapping[str, Loose]]:
    """The objects of an alert that may hold something, itself first."""
    if isinstance(node, Mapping) and deepest:
        yield node
        for key in _NESTED:
            yield from _parts(node.get(key), deepest - 1)


def _clients(part: Mapping[str, Loose]) -> Iterator[str]:
    """Who sent it: a name, or an object with one."""
    client = part.get("client")
    name = client.get("name") if isinstance(client, Mapping) else client
    if isinstance(name, str) and name.strip():
        yield name


def _links(part: Mapping[str, Loose]) -> Iterator[str]:
    client = part.get("client")
    links = [part.get("client_url"), client.get("url") if isinstance(client, Mapping) else None]
    links += [one.get("href") for one in _items(part.get("contexts")) if isinstance(one, Mapping)]
    yield from (link for link in links if isinstance(link, str))


def _tags(told: Loose) -> Iterable[str]:
    """Tags as a text with commas, or as a list."""
    listed = told.split(",") if isinstance(told, str) else _items(told, MOST_TAGS)
    return (one.strip() for one in listed if isinstance(one, str) and ":" in one and len(one) <= LONGEST_TAG)


def _is_datadog(link: str) -> bool:
    try:
        parts = urlsplit(link)
        host = parts.hostname or ""
    except ValueError:
        return False
    domain = ".".join(host.split(".")[-2:])
    return domain in ("datadoghq.com", "datadoghq.eu", "ddog-gov.com") and parts.path.startswith("/monitors")


def _group(link: str) -> Iterator[str]:
    """The alert's group in a link to its monitor: newer links have it in the query, older ones behind the fragment's `?`."""
    parts = urlsplit(link)
    for query in (parts.query, parts.fragment.partition("?")[2]):
        for name, value in parse_qsl(query[:LONGEST_QUERY]):
            if name == "group":
                yield from _tags(value)


def _items(told: Loose, most: int = MOST_ALERTS) -> list[Loose]:
    return list(told[:most]) if isinstance(told, list) else []
