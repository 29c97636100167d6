"""What the scripts with `datadog-api-client` share: the client pointed at the server, and one story per run."""

import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from datadog_api_client import ApiClient, Configuration
from datadog_api_client.exceptions import ApiException

T = TypeVar("T")


def client(**keys: str) -> ApiClient:
    """The vendor's client, unmodified: another host, another authority, our key as both of its keys."""
    settings = Configuration(host=os.environ["SERVER"], ssl_ca_cert=os.environ["CA"] or None)
    settings.api_key = {"apiKeyAuth": os.environ["KEY"], "appKeyAuth": os.environ["KEY"]} | keys
    for operation in ("create_incident", "update_incident", "get_incident", "list_incidents", "search_incidents", "delete_incident"):
        settings.unstable_operations[operation] = True
    return ApiClient(settings)


def tell(stories: dict[str, Callable[[], None]]) -> None:
    """Run the story that the command line names."""
    stories[sys.argv[1]]()


def until(ask: Callable[[], T | None], seconds: float = 20) -> T:
    """What `ask` says as soon as that is something; derivation takes a moment."""
    end = time.monotonic() + seconds
    while not (found := ask()):
        assert time.monotonic() < end, f"not within {seconds} s: {found!r}"
        time.sleep(0.1)
    return found


def refused(call: Callable[[], object]) -> ApiException:
    """The error that a call raises."""
    try:
        answer = call()
    except ApiException as error:
        return error
    raise AssertionError(f"not refused: {answer}")


def at(text: str) -> datetime:
    """An instant, e.g. 2026-11-01T10:00:00."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def ns(text: str) -> int:
    """The same in nanoseconds, as the client's documentation asks for."""
    return int(at(text).timestamp()) * 10**9
