"""How a page is made: templates, links that keep their filters, refusals that are pages too."""

import hashlib
import re
import shlex
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bot.answers.encode import rfc3339
from bot.answers.questions import Form
from bot.dora.bands import DEFAULT_YEAR
from bot.dora.lead_time import STAGES
from bot.web import words
from bot.web.context import CLOCK, SETTINGS, path_of
from bot.web.errors import HttpError
from bot.web.reading import asked, parameters
from bot.web.views import KINDS

_HERE = Path(__file__).parent
STATIC = {
    "style.css": ("text/css", (_HERE / "static" / "style.css").read_bytes()),
    "favicon.svg": ("image/svg+xml", (_HERE / "static" / "favicon.svg").read_bytes()),
}
_VERSION = hashlib.sha256(b"".join(body for _, body in STATIC.values())).hexdigest()[:10]

PERIODS = (7, 30, 90, 365)

Handler = Callable[[web.Request], Awaitable[web.Response]]


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {
        "duration": words.duration,
        "exact": words.exact,
        "share": words.share,
        "reason": words.reason,
        "sha": words.sha,
        "ignored": words.ignored,
        "shortened": words.shortened,
        "absences": words.absences,
        "author": words.author,
        "rfc3339": rfc3339,
        "path": lambda text: quote(str(text), safe=""),
        "web_link": lambda url: url if re.match(r"https?://", url, re.IGNORECASE) else "",
    }
    environment.globals |= {
        "version": _VERSION,
        "stages": STAGES,
        "stage_names": words.STAGE_NAMES,
        "stage_columns": words.STAGE_COLUMNS,
        "stage_spans": words.STAGE_SPANS,
        "flags_in_words": words.FLAGS,
        "change_flags_in_words": words.CHANGE_FLAGS,
        "source_names": words.SOURCE_NAMES,
        "kinds": KINDS,
        "year": DEFAULT_YEAR,
        "periods": PERIODS,
    }
    return environment


def link(
    root: str, path: str, given: Mapping[str, str | tuple[str, ...]] | None = None, /, **changes: str | None
) -> str:
    """A URL below `root` that keeps the given parameters but for `changes`; `None` takes one out."""
    kept = {name: value for name, value in (given or {}).items() if name not in changes}
    kept |= {name: value for name, value in changes.items() if value is not None}
    query = urlencode(kept, doseq=True)
    return f"{root}{path}?{query}" if query else f"{root}{path}"


def command(words: str, given: Mapping[str, str | Sequence[str]], /) -> str:
    """A command line whose options ask what the API's parameters of the same names ask."""
    pairs = [(name, one) for name, value in given.items() for one in ([value] if isinstance(value, str) else value)]
    return shlex.join(["rollforward", *words.split(), *(part for name, value in pairs for part in (f"--{name.replace('_', '-')}", value))])


_TEMPLATES = _environment()


def page(handler: Handler) -> Handler:
    """A page's refusals are pages too."""

    async def respond(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except HttpError as error:
            if error.status not in (400, 403, 404):
                raise
            return refusal(request, error)

    return respond


def refusal(request: web.Request, error: HttpError, *, request_id: str = "") -> web.Response:
    """A refusal as a page; of a parameter also with the way back to the same page without it."""
    found = error.pointer if error.pointer in request.query else None
    rest = [pair for pair in parameters(request) if pair[0] != found]
    again = request.rel_url.raw_path + (f"?{urlencode(rest)}" if rest else "")
    values = {"status": error.status, "error": error, "parameter": found, "again": again, "request_id": request_id}
    response = render(request, "error.html", values, status=error.status)
    response.headers.update(error.headers)
    return response


def prefers_page(request: web.Request) -> bool:
    """Whether who asks is a browser before a page: it names text/html first, and this is no endpoint of an API."""
    if request.method not in ("GET", "HEAD") or path_of(request).startswith(("/api/", "/webhooks/", "/static/")):
        return False
    first = request.headers.get("Accept", "").partition(",")[0].partition(";")[0]
    return first.strip().lower() in ("text/html", "application/xhtml+xml")


def render(
    request: web.Request, template: str, values: Mapping[str, object], *, status: int = 200, tz: ZoneInfo | None = None
) -> web.Response:
    """A template with what all of them use; instants are shown in `tz`, else in the installation's zone."""
    settings = request.app[SETTINGS]
    zone = tz or asked(lambda: Form((), known=()).timezone(settings.default_timezone))
    now = request.app[CLOCK]()
    text = _TEMPLATES.get_template(template).render(
        base_url=settings.base_url or f"http://{settings.host}:{settings.port}",
        production_envs=settings.production_envs,
        definitions_folder=settings.service_definitions,
        here=path_of(request),
        root=settings.root,
        link=partial(link, settings.root),
        command=command,
        now=now,
        tz=zone,
        at=lambda instant: words.instant(instant, zone),
        date=lambda instant: words.date(instant, zone),
        ago=lambda instant: words.ago(instant, now),
        **values,
    )
    return web.Response(
        body=text.encode(errors="replace"),
        status=status,
        content_type="text/html",
        charset="utf-8",
        headers={"Cache-Control": "no-store"},
    )
