"""What the API's handlers and the pages share: who asks, what a key may see, and an answer read in one snapshot."""

from collections.abc import Callable
from typing import TypeVar

from aiohttp import web

from bot.answers.questions import Asker, Filters, QuestionError, storable
from bot.store import Reader
from bot.web.auth import PRINCIPAL
from bot.web.context import CLOCK, SETTINGS, STORE
from bot.web.errors import HttpError

T = TypeVar("T")


def asker(request: web.Request) -> Asker:
    """The instant and the settings that a question is asked against."""
    settings = request.app[SETTINGS]
    return Asker(
        now=request.app[CLOCK](), production_envs=settings.production_envs, timezone=settings.default_timezone,
        web_roots=settings.web_roots, visible=request[PRINCIPAL].services,
    )


def parameters(request: web.Request) -> list[tuple[str, str]]:
    """The query string, in its order."""
    return list(request.query.items())


def asked(parse: Callable[[], T]) -> T:
    """A parsed question; what is wrong with it becomes a 400 that names the parameter."""
    try:
        return parse()
    except QuestionError as error:
        raise HttpError(400, error.slug, error.detail, pointer=error.parameter) from error


async def read(request: web.Request, work: Callable[[Reader], T]) -> T:
    """The answer of one snapshot; a question that the data shows to be too large becomes a 400."""
    try:
        return await request.app[STORE].read_async(work)
    except QuestionError as error:
        raise HttpError(400, error.slug, error.detail, pointer=error.parameter) from error


def from_path(request: web.Request, name: str) -> str:
    """A part of the path as text; one that cannot be stored cannot be found either."""
    value = request.match_info[name]
    if not storable(value):
        raise not_found()
    return value


def not_found(told: str | None = None) -> HttpError:
    """There is no such thing, in these words if there are better ones."""
    return HttpError(404, "not_found", told or "Nothing is known under this name.")


def limit_to_services(request: web.Request, service: str | None) -> None:
    """Refuse a key that is limited to services unless one of them is asked for."""
    allowed = request[PRINCIPAL].services
    if allowed and (service is None or not request[PRINCIPAL].may_touch(service)):
        names = ", ".join(sorted(allowed))
        raise HttpError(403, "other_service", f"This key is limited to services: ask with service= one of {names}.")


def may_see(request: web.Request, service: str | None) -> Filters:
    """What a page offers to choose from: everything; a key that is limited to services sees the one it asks for alone."""
    return Filters(service=service) if request[PRINCIPAL].services else Filters()
