"""The set-up page: connect GitHub by a manifest, see what each installation can do, and whether the forges still reach us.

Who may connect: whoever holds an `admin` key or a ticket of `rollforward setup github`; on a server for this machine alone
also whoever sits at it. What comes back from GitHub is believed if it carries the state that was signed for this browser.
"""

import asyncio
import ipaddress
import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from bot.answers.pagerduty import load_receiving
from bot.answers.setup import SetupShown, load_setup
from bot.credentials import Credentials, CredentialsError, GithubApp
from bot.dora.instants import SECOND
from bot.facts import keys
from bot.forges.client import ForgeUnavailableError, NotAllowedError, NotThereError
from bot.forges.github import app as github
from bot.settings import Settings, is_loopback
from bot.web.auth import PRINCIPAL, READ, SENDER, Access, Row, authorize
from bot.web.context import CLOCK, CREDENTIALS, SETTINGS
from bot.web.errors import HttpError, unavailable
from bot.web.forms import is_foreign
from bot.web.middlewares import SECURITY_HEADERS
from bot.web.reach import local_url, reach
from bot.web.reading import limit_to_services, read
from bot.web.rendering import Handler, link, page, refusal, render
from bot.web.tickets import LIFE, STATE, TICKET, TicketError, read_ticket, write_ticket

log = structlog.get_logger(__name__)

COOKIE = "rollforward_setup"
ADMIN = Access("private", keys.ADMIN)
_FORWARDED = ("X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "X-Real-IP", "CF-Connecting-IP")
"""A tunnel in front of a server for this machine alone says so, and whoever comes through it sits elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GithubShown:
    """How we stand with GitHub."""

    app: GithubApp | None
    by_settings: bool
    receiving: bool
    web: str
    installation_url: str


async def setup(request: web.Request) -> web.Response:
    """What is connected, what it can do, and whether it still does; a ticket opens it where pages need a key."""
    may = await _may_connect(request, request.query.get("ticket", ""))
    if not may:
        request[PRINCIPAL] = await authorize(request, READ)
        limit_to_services(request, None)
    settings, credentials = request.app[SETTINGS], request.app[CREDENTIALS]
    now = request.app[CLOCK]()
    shown: SetupShown = await read(request, lambda reader: load_setup(reader, now=now))
    pagerduty = await read(request, lambda reader: load_receiving(reader, settings, now=now))
    values = {
        "shown": shown,
        "github": _github(settings, credentials),
        "pagerduty": pagerduty,
        "settings": settings,
        "reach": reach(settings),
        "may": may,
        "ticket": request.query.get("ticket", ""),
        "org": github.organisation(request.query.get("org", "")) or "",
        "checks": request.query.get("checks") == "1",
    }
    return render(request, "setup.html", values)


async def start(request: web.Request) -> web.Response:
    """The manifest, for the browser to carry to GitHub; a cookie binds what comes back to this browser."""
    form = await request.post()
    await _require_may_connect(request, str(form.get("ticket", "")))
    _same_origin(request)
    settings = request.app[SETTINGS]
    there = reach(settings)
    if there.problem:
        raise HttpError(400, "no_public_url", f"{there.problem}: set it to the URL under which GitHub reaches this server.")
    organisation = github.organisation(str(form.get("org", "")))
    if organisation is None:
        raise HttpError(400, "bad_organisation", "That is no name of an organisation on GitHub.")
    cookie = secrets.token_urlsafe(32)
    state = write_ticket(await _key(request), STATE, now=request.app[CLOCK](), bound=cookie)
    target = github.registration_url(settings.github_api_url, organisation=organisation, state=state)
    browsed = _browsed(request)
    manifest = github.manifest(base_url=there.url, browsed=browsed, checks=form.get("checks") == "1")
    values = {"manifest": manifest, "target": target, "organisation": organisation}
    response = render(request, "setup_github.html", values)
    origin = github.web_url(settings.github_api_url)
    policy = SECURITY_HEADERS["Content-Security-Policy"]
    response.headers["Content-Security-Policy"] = policy.replace("form-action 'self'", f"form-action 'self' {origin}")
    response.headers["Referrer-Policy"] = "origin"
    response.set_cookie(
        COOKIE, cookie, max_age=LIFE // SECOND, path=_cookie_path(browsed), httponly=True, samesite="Lax",
        secure=browsed.startswith("https:"),
    )  # fmt: skip
    return response


async def created(request: web.Request) -> web.Response:
    """GitHub made the App: exchange its code for the App's secrets, and keep them."""
    credentials = request.app[CREDENTIALS]
    begun = await _begun(request, request.cookies.get(COOKIE, ""), request.query.get("state", ""))
    before = credentials.stored_github_app()
    if before is not None and before.created_at >= begun:
        raise HttpError(400, "already_connected", "An App was connected since this set-up began. See /setup.")
    app = await _converted(request, request.query.get("code", ""))
    try:
        await asyncio.to_thread(credentials.store_github_app, app)
    except CredentialsError as error:
        raise unavailable("not_stored", f"The App was made, but {error}. Remove it on GitHub and begin again.") from error
    log.info("github app connected", app=app.id, slug=app.slug)
    # Whoever came with a ticket sees the next step by another.
    ticket = "" if _sits_here(request) else write_ticket(await _key(request), TICKET, now=request.app[CLOCK]())
    location = link(request.app[SETTINGS].root, "/setup", ticket=ticket or None)
    response = web.Response(status=303, headers={"Location": location, "Cache-Control": "no-store"})
    response.del_cookie(COOKIE, path=_cookie_path(_browsed(request)))
    return response


async def _begun(request: web.Request, cookie: str, state: str) -> int:
    """When this browser was sent to GitHub, in seconds since 1970; raises HttpError 401 if it was not."""
    try:
        if not cookie or not state:
            raise TicketError
        return read_ticket(await _key(request), STATE, state, now=request.app[CLOCK](), bound=cookie)
    except TicketError:
        raise HttpError(
            401, "wrong_state", "This set-up was not begun in this browser within the last hour. Begin again at /setup."
        ) from None


async def _converted(request: web.Request, code: str) -> GithubApp:
    # Its libraries take half a second to load, for a page that is seen once.
    from bot.forges.github.conversion import convert

    try:
        await asyncio.to_thread(request.app[CREDENTIALS].probe)
        return await convert(request.app[SETTINGS].github_api_url, code, clock=request.app[CLOCK])
    except CredentialsError as error:
        raise unavailable("not_writable", f"{error}. Mend that, and load this page again within the hour.") from error
    except NotThereError as error:
        raise HttpError(
            400, "code_expired", "GitHub does not know this code any more: it is good once, for an hour. Begin again at /setup."
        ) from error
    except ForgeUnavailableError as error:
        raise unavailable(
            "github_unavailable", f"{error.detail}. Nothing is lost: load this page again within the hour."
        ) from error
    except NotAllowedError as error:
        raise HttpError(400, "github_refused", f"{error.detail}. Begin again at /setup.") from error


def _github(settings: Settings, credentials: Credentials) -> GithubShown:
    app = credentials.github_app()
    return GithubShown(
        app=app,
        by_settings=bool(settings.github_app_id and settings.github_private_key is not None),
        receiving=bool(credentials.github_secrets()),
        web=github.web_url(settings.github_api_url),
        installation_url="" if app is None else github.installation_url(app),
    )


async def _may_connect(request: web.Request, ticket: str) -> bool:
    try:
        await _require_may_connect(request, ticket)
    except HttpError as error:
        if error.status not in (401, 403):
            raise
        return False
    return True


async def _require_may_connect(request: web.Request, ticket: str) -> None:
    """Raises HttpError 401 or 403 unless this caller may change what we are on GitHub."""
    if ticket:
        try:
            read_ticket(await _key(request), TICKET, ticket, now=request.app[CLOCK]())
        except TicketError:
            raise HttpError(
                403, "bad_ticket", "This link is older than an hour, or not ours: ask `rollforward setup github` for another."
            ) from None
        return
    if not _sits_here(request):
        await authorize(request, ADMIN)


def _sits_here(request: web.Request) -> bool:
    settings = request.app[SETTINGS]
    return (
        settings.dashboard == "public"
        and settings.is_loopback
        and is_loopback(urlsplit(f"//{request.host}").hostname or "")
        and _is_loopback_peer(request.remote or "")
        and not any(name in request.headers for name in _FORWARDED)
    )


def _is_loopback_peer(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _same_origin(request: web.Request) -> None:
    """Raises HttpError 403 for a form that another site sent; a client without a browser's headers must hold a key."""
    keyless = not any(name in request.headers for name in ("Authorization", "Sec-Fetch-Site", "Origin"))
    if is_foreign(request) or keyless:
        raise HttpError(403, "foreign_form", "This form was not sent by this server's own page.")


def _cookie_path(browsed: str) -> str:
    return f"{urlsplit(browsed).path}/setup"


def _browsed(request: web.Request) -> str:
    """Where this browser sees us; GitHub is to send it back there, as the cookie knows no other place."""
    settings = request.app[SETTINGS]
    if settings.base_url and urlsplit(settings.base_url).netloc == request.host:
        return settings.base_url
    scheme = "https" if settings.tls_cert else "http"
    if is_loopback(urlsplit(f"//{request.host}").hostname or ""):
        return f"{scheme}://{request.host}"
    raise HttpError(400, "other_name", f"Open this page under {settings.base_url or local_url(settings)} to connect GitHub.")


async def _key(request: web.Request) -> bytes:
    try:
        return await asyncio.to_thread(request.app[CREDENTIALS].state_key)
    except CredentialsError as error:
        raise unavailable("no_state_key", f"{error}.") from error


def _step(handler: Handler) -> Handler:
    """A step that only browsers take: each of its refusals is a page."""

    async def respond(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except HttpError as error:
            return refusal(request, error)

    return respond


ROWS = (
    Row("GET", "/setup", page(setup), SENDER),
    Row("POST", "/setup/github", _step(start), SENDER),
    Row("GET", "/setup/github/created", _step(created), SENDER),
)
