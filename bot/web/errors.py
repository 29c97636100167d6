"""Refusals as values: status, slug, sentence, field; and how they look on the wire.

Our own shape is `{"errors": [{"status", "title", "detail", "source"?}], "id"}`; routes of the original (`/api/v2/` and two older ones) keep its
bodies (`title` in words, plain strings for 401 and 403; those of the catalogue for all) with the `id` beside them.
"""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from aiohttp import web

from bot.web.context import path_of

RETRY_AFTER = "5"
"""Seconds."""
ORIGINAL = ("/api/v2/", "/api/v1/validate", "/api/v1/series")
CATALOGUE = ("/api/v2/services/definitions", "/api/v2/catalog/")


class HttpError(Exception):
    """A request is refused."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        *,
        pointer: str | None = None,
        headers: Mapping[str, str] | None = None,
        details: Sequence[str] = (),
    ) -> None:
        super().__init__(f"{status} {title}")
        self.status = status
        self.title = title
        self.detail = detail
        self.pointer = pointer
        self.headers = dict(headers or {})
        self.details = tuple(details) or (detail,)
        """A sentence for each mistake, where there are several."""

    def without_traceback(self) -> "HttpError":
        """The same refusal without the frames it came through: those hold the body, in a cycle that only the collector ends."""
        return HttpError(
            self.status, self.title, self.detail, pointer=self.pointer, headers=self.headers, details=self.details
        )


def unavailable(title: str, detail: str) -> HttpError:
    """A 503 that says when to try again."""
    return HttpError(503, title, detail, headers={"Retry-After": RETRY_AFTER})


def source_off(detail: str) -> HttpError:
    """A source without its secret is not there."""
    return HttpError(404, "source_off", detail)


def error_response(request: web.Request, error: HttpError, *, request_id: str) -> web.Response:
    """The response that tells the sender."""
    path = path_of(request)
    original = path.startswith(ORIGINAL)
    one: dict[str, object] = {"status": str(error.status), "title": error.title, "detail": error.detail}
    if original:
        one["title"] = HTTPStatus(error.status).phrase
    if error.pointer is not None:
        one["source"] = {"pointer": error.pointer}
    errors: list[object] = [HTTPStatus(error.status).phrase if original and error.status in {401, 403} else one]
    body: dict[str, object] = {"errors": errors, "id": request_id}
    if path.startswith(CATALOGUE) and error.status == 404:
        body |= {"errors": [HTTPStatus(error.status).phrase], "error_details": [{}]}
    elif path.startswith(CATALOGUE) and error.status not in {401, 403}:
        body["errors"] = list(error.details)
    response = web.Response(
        status=error.status,
        body=json.dumps(body).encode(),
        content_type="application/json",
        headers=error.headers,
    )
    if not request.content.is_eof():
        # What was not read is not worth reading.
        response.force_close()
    return response
