"""Sends the story, one request after the other, as forges and CI do; and reads the public API."""

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import aiohttp

from bot.demo.deliveries import Delivery, Secrets
from bot.demo.organisation import DemoError

ATTEMPTS = 8
TIMEOUT = aiohttp.ClientTimeout(total=30)
GLANCE = aiohttp.ClientTimeout(total=3)
PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """How a play went: deliveries the server did not know yet, those it knew, and the id of each call by its name."""

    fresh: int
    known: int
    calls: Mapping[str, str]


def say(text: str) -> None:
    """A line of progress, for people."""
    print(text, file=sys.stderr, flush=True)


class Api:
    """The server's HTTP interface, seen from outside. Raises DemoError in words when it cannot be reached or refuses."""

    def __init__(self, session: aiohttp.ClientSession, url: str, secrets: Secrets) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._secrets = secrets

    async def send(self, delivery: Delivery) -> tuple[int, object]:
        """Send a delivery, again while the server says 503; the status and the JSON body."""
        attempt = 0
        while (answered := await self._post(delivery))[0] == 503 and attempt < ATTEMPTS:
            attempt += 1
            await asyncio.sleep(0.1 * 2**attempt)
        status, text = answered
        if status not in {200, 202, 204}:
            raise DemoError(f"{delivery.name}: answered {status}: {text[:500]}")
        return status, _json(text, delivery.name) if text else None

    async def _post(self, delivery: Delivery) -> tuple[int, str]:
        with _reaching(self._url):
            headers = delivery.headers(self._secrets)
            async with self._session.post(self._url + delivery.path, data=delivery.body, headers=headers) as response:
                return response.status, await response.text()

    async def status(self, path: str) -> int | None:
        """The status a path is answered with, or None while nobody listens or answers."""
        try:
            async with self._session.get(self._url + path, timeout=GLANCE) as response:
                return response.status
        except (aiohttp.ClientError, TimeoutError):
            return None

    async def get(self, path: str, parameters: Sequence[tuple[str, str]] = ()) -> dict[str, object]:
        """A JSON object; anything but 200 is a DemoError."""
        headers = {"Authorization": f"Bearer {self._secrets.api_key}"}
        with _reaching(self._url):
            async with self._session.get(self._url + path, params=list(parameters), headers=headers) as response:
                status, text = response.status, await response.text()
        if status != 200:
            raise DemoError(f"GET {path}: answered {status}: {text[:500]}")
        answer = _json(text, path)
        if not isinstance(answer, dict):
            raise DemoError(f"GET {path}: not a JSON object")
        return answer

    async def everything(self, path: str) -> list[dict[str, object]]:
        """All rows of a list, page by page."""
        rows: list[dict[str, object]] = []
        cursor = ""
        while True:
            page = await self.get(path, [("limit", str(PAGE)), *([("cursor", cursor)] if cursor else [])])
            data = page["data"]
            if not isinstance(data, list):
                raise DemoError(f"GET {path}: data is no list")
            rows.extend(data)
            if not page.get("next"):
                return rows
            cursor = str(page["next"])


async def play(api: Api, deliveries: Sequence[Delivery]) -> Played:
    """Send everything in order."""
    fresh, known = 0, 0
    ids: dict[str, str] = {}
    for n, delivery in enumerate(deliveries, 1):
        status, answer = await api.send(delivery)
        if delivery.kind == "api":
            ids[delivery.name] = _id_of(delivery, answer)
        elif status == 202:
            fresh += 1
        else:
            known += 1
        if n % 50 == 0 or n == len(deliveries):
            say(f"  sent {n} of {len(deliveries)}")
    return Played(fresh=fresh, known=known, calls=ids)


def _id_of(delivery: Delivery, answer: object) -> str:
    match answer:
        case {"data": {"id": str(id)}}:
            return id
        case _:
            raise DemoError(f"{delivery.name}: the answer holds no id: {answer!r}")


def _json(text: str, what: str) -> object:
    try:
        answer: object = json.loads(text)
    except ValueError as error:
        raise DemoError(f"{what}: the answer is no JSON: {text[:200]}") from error
    return answer


@contextmanager
def _reaching(url: str) -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientError, TimeoutError) as error:
        raise DemoError(f"{url} cannot be reached: {error}") from error
