"""A fake GitHub with an App, a client of it, and a clock between them."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from bot.credentials import GithubApp
from bot.dora.events import ForgeEvent
from bot.dora.instants import SECOND
from bot.forges.client import EventPage, RepositoryKey
from bot.forges.github.client import GithubClient
from bot.settings import Secret
from bot.standins.github import GitHub
from bot.standins.github.repo import GitHubRepo
from bot.standins.github.state import App, Installation
from bot.standins.repository import Person

T = TypeVar("T")
ANN = Person(login="ann", name="Ann", email="ann@example.com", number=11)
BOB = Person(login="bob", name="Bob", email="bob@example.com", number=12)
WITH_CHECKS = {"contents": "read", "pull_requests": "read", "metadata": "read", "checks": "write"}
START = 1_790_000_000


@dataclass
class Room:
    """What a test of the client needs; `late` seconds is how far the client's clock is ahead of GitHub's."""

    forge: GitHub
    app: App
    client: GithubClient
    late: list[float] = field(default_factory=lambda: [0.0])
    installation: Installation | None = None

    def repository(self, path: str = "acme/shop") -> GitHubRepo:
        """A private repository with one commit on main."""
        made = self.forge.create_repository(path, private=True)
        made.commit("main", {"README.md": "hello"}, message="Start", author=ANN)
        return made

    def installed(self, *repositories: GitHubRepo, permissions: dict[str, str] | None = None) -> Installation:
        """The App on these (none: on all) repositories of acme."""
        self.installation = self.forge.install("acme", repositories or None, permissions)
        return self.installation

    def key(self, repository: GitHubRepo) -> RepositoryKey:
        """How the pipeline names a repository."""
        installation = "" if self.installation is None else str(self.installation.id)
        return RepositoryKey(path=repository.path, forge_id=str(repository.id), installation_id=installation)

    def asked(self, match: str = "") -> list[str]:
        """The requests so far whose line contains `match`."""
        lines = [f"{seen.method} {seen.path_qs}" for seen in self.forge.requests]
        return [line for line in lines if match in line]


def known_app(app: App) -> GithubApp:
    """The App as credentials hold it."""
    return GithubApp(id=str(app.id), private_key=Secret(app.pem.encode()), slug=app.slug)


@asynccontextmanager
async def open_room(
    root: Path, *, patience: float = 5.0, permissions: dict[str, str] | None = None,
    app: Callable[[App], GithubApp | None] = known_app, base: str = "",
) -> AsyncIterator[Room]:  # fmt: skip
    """A GitHub that refuses whoever does not pin the API's version."""
    forge = GitHub(root, now=START, strict_version=True)
    await forge.start()
    late = [0.0]
    made = forge.create_app(hook_url="http://127.0.0.1:9/webhooks/github", permissions=permissions or WITH_CHECKS)
    client = GithubClient(
        forge.url + base, app=lambda: app(made), clock=lambda: int((time.time() + late[0]) * SECOND), patience=patience
    )
    try:
        yield Room(forge=forge, app=made, client=client, late=late)
    finally:
        await client.close()
        await forge.stop()


async def all_pages(ask: Callable[[str], "object"]) -> list[EventPage]:
    """Every page of a listing."""
    pages: list[EventPage] = []
    cursor = ""
    while not pages or cursor:
        page = await ask(cursor)  # type: ignore[misc]
        assert isinstance(page, EventPage)
        pages.append(page)
        cursor = page.cursor
    return pages


def events_of(pages: list[EventPage], kind: type[T]) -> list[T]:
    """The events of one kind."""
    events: list[ForgeEvent] = [event for page in pages for event in page.events]
    return [event for event in events if isinstance(event, kind)]
