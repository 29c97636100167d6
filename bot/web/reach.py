"""Under which URLs this server is reached: by the forges, and from its own machine."""

from typing import NamedTuple
from urllib.parse import urlsplit

from bot.settings import Settings, is_loopback


class Reach(NamedTuple):
    """Where GitHub is to send webhooks, or what stands in the way of that."""

    url: str
    problem: str


def reach(settings: Settings) -> Reach:
    """The public URL of this server; a GitHub on this machine reaches it without one."""
    if settings.base_url and not is_loopback(urlsplit(settings.base_url).hostname or ""):
        return Reach(settings.base_url, "")
    if is_loopback(urlsplit(settings.github_api_url).hostname or ""):
        return Reach(settings.base_url or local_url(settings), "")
    if settings.base_url:
        return Reach("", f"BASE_URL is {settings.base_url}, which GitHub cannot reach")
    return Reach("", "BASE_URL is not set")


def local_url(settings: Settings) -> str:
    """This server as seen from its own machine."""
    scheme = "https" if settings.tls_cert else "http"
    host = f"[{settings.host}]" if ":" in settings.host and not settings.host.startswith("[") else settings.host
    return f"{scheme}://{host}:{settings.port}"
