"""The last step of the set-up: the App behind the code that GitHub sent back."""

import re
from collections.abc import Callable

from msgspec import Struct

from bot.credentials import GithubApp
from bot.dora.instants import SECOND, Instant
from bot.forges.client import ForgeUnavailableError, NotThereError
from bot.forges.github.wire import Bearer, Wire
from bot.settings import SHORTEST_SECRET, Secret

_CODE = re.compile(r"[A-Za-z0-9_-]{1,200}", re.ASCII)


class _Converted(Struct):
    id: int
    pem: str
    webhook_secret: str | None = None
    slug: str | None = None
    client_id: str | None = None
    html_url: str | None = None


async def convert(api_url: str, code: str, *, clock: Callable[[], Instant]) -> GithubApp:
    """The App behind the code that GitHub sent back: good for an hour, and once.

    Raises NotThereError for a code that is not good any more, ForgeUnavailableError, NotAllowedError.
    """
    if not _CODE.fullmatch(code):
        raise NotThereError("bad_code", "this is no code of GitHub's")
    wire = Wire(api_url, clock=clock)
    try:
        answer = await wire.ask("POST", f"app-manifests/{code}/conversions", _Converted, Bearer(owner="nobody"))
    finally:
        await wire.close()
    made = answer.value
    if not made.webhook_secret or len(made.webhook_secret) < SHORTEST_SECRET or not made.pem:
        raise ForgeUnavailableError("broken_answer", "GitHub gave the App no key or no webhook secret")
    return GithubApp(
        id=str(made.id),
        private_key=Secret(made.pem.encode()),
        webhook_secrets=(Secret(made.webhook_secret.encode()),),
        slug=made.slug or "",
        client_id=made.client_id or "",
        html_url=made.html_url or "",
        created_at=clock() // SECOND,
    )
