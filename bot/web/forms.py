"""Forms that browsers send: read within limits, and told apart from those that another site made."""

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from bot.answers.questions import storable
from bot.sources.fields import InvalidError
from bot.web.context import SETTINGS
from bot.web.errors import HttpError
from bot.web.original import parsed_body

LARGEST_FORM = 64 * 1024
MOST_FIELDS = 50


async def read_form(request: web.Request) -> Mapping[str, str]:
    """The fields of a form, each trimmed, the first of those that are given twice; raises HttpError 400."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise HttpError(400, "no_form", "Send the fields of this page's form (application/x-www-form-urlencoded).")
    return await parsed_body(request, _fields, limit=LARGEST_FORM)


def is_foreign(request: web.Request) -> bool:
    """Whether a browser says that the request was made by another site's page; who is no browser says nothing."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    own = {f"{scheme}://{request.host}" for scheme in ("http", "https")} | {_origin(request.app[SETTINGS].base_url)}
    return site not in (None, "same-origin", "none") or (origin is not None and origin not in own)


def _fields(body: bytes) -> Mapping[str, str]:
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, encoding="utf-8", errors="strict")
    except ValueError:
        raise InvalidError("", "The form's fields are not what a browser sends.") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if not storable(value):
            raise InvalidError(name, "It holds characters that no text has.")
        found.setdefault(name, value.replace("\r\n", "\n").strip())
    return found


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
