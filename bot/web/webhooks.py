"""POST /webhooks/…: verify the bytes as sent, store them durably and unparsed, acknowledge. Nothing else happens here."""

import structlog
from aiohttp import web

from bot.forges import HeaderError, SignatureError
from bot.forges.github import webhook as github
from bot.forges.gitlab import webhook as gitlab
from bot.store import Receipt, StoreError
from bot.web.auth import SENDER, Row
from bot.web.bodies import held_body
from bot.web.context import CLOCK, CREDENTIALS, SETTINGS, STORE, WAKE
from bot.web.errors import HttpError, source_off
from bot.web.metrics import METRICS

log = structlog.get_logger(__name__)

LARGEST_BODY = 25 * 1024 * 1024
"""What the forges send at most."""


async def receive_github(request: web.Request) -> web.Response:
    """A delivery from GitHub."""
    secrets = request.app[CREDENTIALS].github_secrets()
    if not secrets:
        raise source_off("GitHub is off: connect an App at /setup, or set GITHUB_WEBHOOK_SECRET.")
    async with held_body(request, limit=LARGEST_BODY, too_large=413) as body:
        try:
            github.verify(request.headers, body, secrets)
            key, event = github.delivery(request.headers)
        except (SignatureError, HeaderError) as error:
            raise _refused(request, "github", error) from None
        headers = github.stored_headers(request.headers)
        return await store_delivery(request, source="github", key=key, event=event, headers=dict(headers), body=body)


async def receive_gitlab(request: web.Request) -> web.Response:
    """A delivery from GitLab."""
    settings = request.app[SETTINGS]
    if not settings.gitlab_on:
        raise source_off("GitLab is off: set GITLAB_WEBHOOK_SECRET or GITLAB_SIGNING_TOKEN.")
    async with held_body(request, limit=LARGEST_BODY, too_large=413) as body:
        try:
            gitlab.verify(
                request.headers,
                body,
                tokens=settings.gitlab_webhook_secret,
                signing_tokens=settings.gitlab_signing_token,
                now=request.app[CLOCK](),
            )
            key, event = gitlab.delivery(request.headers, body)
        except (SignatureError, HeaderError) as error:
            raise _refused(request, "gitlab", error) from None
        headers = gitlab.stored_headers(request.headers)
        return await store_delivery(request, source="gitlab", key=key, event=event, headers=dict(headers), body=body)


async def store_delivery(
    request: web.Request, *, source: str, key: str, event: str, headers: dict[str, str], body: bytes
) -> web.Response:
    """Keep an authentic delivery durably, and answer that it is."""
    app = request.app
    receipt = Receipt(source=source, key=key, event=event, received_at=app[CLOCK](), headers=headers, body=body)
    try:
        appended = await app[STORE].append(receipt)
    except StoreError:
        app[METRICS].deliveries.labels(source=source, outcome="unavailable").inc()
        raise
    app[WAKE]("inbox")
    app[METRICS].deliveries.labels(source=source, outcome="known" if appended.known else "stored").inc()
    log.info("delivery", source=source, delivery=appended.id, kind=event, known=appended.known)
    return web.json_response({"delivery": appended.id}, status=200 if appended.known else 202)


def _refused(request: web.Request, source: str, error: SignatureError | HeaderError) -> HttpError:
    request.app[METRICS].deliveries.labels(source=source, outcome="refused").inc()
    status = 401 if isinstance(error, SignatureError) else 400
    log.warning("delivery refused", source=source, reason=error.slug)
    return HttpError(status, error.slug, f"{error.detail[:1].upper()}{error.detail[1:]}.")


ROWS = (
    Row("POST", "/webhooks/github", receive_github, SENDER),
    Row("POST", "/webhooks/gitlab", receive_gitlab, SENDER),
)
