"""Becoming a GitHub App: the manifest that a person agrees to, and where GitHub's pages are.

https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
"""

import re
from collections.abc import Mapping
from urllib.parse import quote, urlencode, urlsplit

from bot.credentials import GithubApp
from bot.forges.github.features import EVENTS, PERMISSIONS, WITH_CHECKS

LONGEST_NAME = 34
"""Of an App, by GitHub's rule; names are taken once in all of GitHub."""
_ORGANISATION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,98}[A-Za-z0-9])?", re.ASCII)


def web_url(api_url: str) -> str:
    """Where the pages of the GitHub behind an API lie."""
    root = api_url.rstrip("/").removesuffix("/api/v3")
    parts = urlsplit(root)
    if parts.netloc.startswith("api."):  # github.com, and ghe.com's tenants
        return f"{parts.scheme}://{parts.netloc.removeprefix('api.')}"
    return root


def organisation(text: str) -> str | None:
    """An organisation's name as GitHub allows it ("" for the personal account); `None` for what is none."""
    name = text.strip()
    return name if not name or _ORGANISATION.fullmatch(name) else None


def manifest(*, base_url: str, browsed: str, checks: bool) -> Mapping[str, object]:
    """What the App is to be: `base_url` is where GitHub reaches us, `browsed` where the person does."""
    return {
        "name": f"Rollforward {urlsplit(base_url).hostname or ''}"[:LONGEST_NAME].strip(),
        "description": "DORA metrics per service, down to the commits.",
        "url": base_url,
        "hook_attributes": {"url": f"{base_url}/webhooks/github", "active": True},
        "redirect_url": f"{browsed}/setup/github/created",
        "setup_url": f"{base_url}/setup",
        "public": False,
        "default_permissions": dict(WITH_CHECKS if checks else PERMISSIONS),
        "default_events": list(EVENTS),
    }


def registration_url(api_url: str, *, organisation: str, state: str) -> str:
    """Where the manifest's form is sent."""
    owner = f"/organizations/{quote(organisation, safe='')}" if organisation else ""
    return f"{web_url(api_url)}{owner}/settings/apps/new?{urlencode({'state': state})}"


def installation_url(app: GithubApp) -> str:
    """Where the App is installed on repositories; "" when it is not known."""
    return f"{app.html_url}/installations/new" if app.html_url else ""
