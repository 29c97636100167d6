"""Becoming a GitHub App: the manifest a person agrees to, and the code that GitHub exchanges for the App's secrets.

https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
"""

import re
from collections.abc import Mapping
from urllib.parse import quote, urlencode, urlsplit

from msgspec import Struct

from bot.credentials import GithubApp
from bot.dora.instants import SECOND
from bot.forges.client import ForgeUnavailableError, NotThereError
from bot.forges.github.features import EVENTS, PERMISSIONS, WITH_CHECKS
from bot.forges.github.wire import Bearer, Wire
from bot.settings import SHORTEST_SECRET, Secret

LONGEST_NAME = 34
"""Of an App, by GitHub's rule; names are taken once in all of GitHub."""
_CODE = re.compile(r"[A-Za-z0-9_-]{1,200}", re.ASCII)
_ORGANISATION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,98}[A-Za-z0-9])?", re.ASCII)


class _Converted(Struct):
    id: int
    pem: str
    webhook_secret: str | None = None
    slug: str | None = None
    client_id: str | None = None
    html_url: str | None = None


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


async def convert(wire: Wire, code: str) -> GithubApp:
    """The App behind the code that GitHub sent back: good for an hour, and once.

    Raises NotThereError for a code that is not good any more, ForgeUnavailableError, NotAllowedError.
    """
    if not _CODE.fullmatch(code):
        raise NotThereError("bad_code", "this is no code of GitHub's")
    nobody = Bearer(owner="nobody")
    made = (await wire.ask("POST", f"app-manifests/{code}/conversions", _Converted, nobody)).value
    if not made.webhook_secret or len(made.webhook_secret) < SHORTEST_SECRET or not made.pem:
        raise ForgeUnavailableError("broken_answer", "GitHub gave the App no key or no webhook secret")
    return GithubApp(
        id=str(made.id),
        private_key=Secret(made.pem.encode()),
        webhook_secrets=(Secret(made.webhook_secret.encode()),),
        slug=made.slug or "",
        client_id=made.client_id or "",
        html_url=made.html_url or "",
        created_at=wire.clock() // SECOND,
    )
