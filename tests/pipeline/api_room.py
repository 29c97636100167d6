"""A project on a GitLab stand-in, read into a store by API alone, and beside it the same repository read from disk."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path

from bot.dora.changes import Limits
from bot.dora.events import NewDeployment, RepositoryRef
from bot.dora.instants import SECOND
from bot.engine.fetcher import Fetcher
from bot.facts.deployments import record_deployment
from bot.facts.fetches import want_fetch
from bot.facts.registry import RepositoryRow
from bot.facts.repositories import ensure_repository
from bot.forges.client import GitAccess, RepositoryKey
from bot.forges.gitlab.client import GitlabClient
from bot.pipeline import catalog, ingest, mirror
from bot.pipeline.api_history import ApiHistory, Budget
from bot.pipeline.derive import Deriver
from bot.pipeline.history import HistoryCache
from bot.settings import Settings, load_settings
from bot.standins.gitlab import GitLab, Project
from bot.store import Store
from tests.pipeline.history_room import Room

LIMITS = Limits(max_gap=None, max_commits=None)


class ApiRoom(Room):
    """One project twice in one store: by API under its own name, from disk (`disk`) as `local/<slug>`."""

    def __init__(
        self, store: Store, url: str, forge: GitLab, project: Project, folder: Path, client: GitlabClient, settings: Settings
    ) -> None:
        self.store, self.url, self.forge, self.project, self.client, self.settings = store, url, forge, project, client, settings
        self.folder = folder
        self.name = f"{forge.url.removeprefix('http://').removesuffix(forge.root)}/{project.path}".lower()
        ref = RepositoryRef(name=self.name, forge="gitlab", forge_id=str(project.id), remote=f"{forge.url}/{project.path}.git")
        self.id = store.write(lambda writer: ensure_repository(writer, ref)).id
        self.disk = Room(store, url, project.git.directory, name=f"local/{project.slug}")
        self.clock = count(2_000_000_000 * SECOND)
        self.said = []
        self.budget = Budget()

    def now(self) -> int:
        """Every look at the clock is a nanosecond later."""
        return next(self.clock)

    async def access_of(self, forge: str, row: RepositoryRow) -> GitAccess | None:
        """What git may say."""
        return await self.client.git_access(RepositoryKey(path=self.name.partition("/")[2], forge_id=str(self.project.id)))

    def wish(self, *refs: str) -> None:
        """Wish for these refs (everything)."""
        for ref in refs or ("*",):
            self.store.write(partial(want_fetch, repository_id=self.id, ref=ref, now=self.now()))

    async def sync(self, *refs: str) -> None:
        """Fetch and ingest what is wished for (everything)."""
        self.wish(*refs)
        await self.fetcher().drain()

    def fetcher(self) -> Fetcher:
        """As the server has it; ingest happens at once."""
        api = ApiHistory(
            self.store, self.settings, lambda: {"gitlab": self.client}, clock=self.now, budget=self.budget
        )
        return Fetcher(self.store, self.settings, self.bring, clock=self.now, access=self.access_of, api=api)

    async def bring(self, fetched: mirror.Fetched) -> None:
        """Ingest."""
        for _ in ingest.run(self.store, fetched=fetched, progress=self.said.append, clock=self.now):
            pass

    def define(self, *, link: str = "", **patterns: Sequence[str]) -> None:
        """Services and the patterns that each claims; `link`: where all of them say that their source lies."""
        self.folder.mkdir(exist_ok=True)
        for old in self.folder.iterdir():
            old.unlink()
        for service, own in patterns.items():
            definition = {
                "schema-version": "v2.2", "dd-service": service,
                "extensions": {"datadoghq.com/dora-metrics": {"source_patterns": list(own)}},
                "links": [{"name": "Source", "type": "repo", "url": link}] if link else [],
            }  # fmt: skip
            (self.folder / f"{service}.yaml").write_text(json.dumps(definition))
        read = catalog.read_catalog(self.folder)
        assert not [problem for problem in read.problems if problem.severity == "error"], read.problems
        self.store.write(lambda writer: catalog.record_catalog(writer, read, received_at=self.now()))

    def deploy(self, service: str, *shas: str) -> None:
        """Deploy these commits, one after the other, from both repositories: env `api`, env `disk`."""
        for env, repository in (("api", self.name), ("disk", self.disk.name)):
            for sha in shas:
                at = self.now()
                deployment = NewDeployment(
                    id=f"{service}:{sha[:12]}:{env}", service=service, env=env, version="", repository_url=repository,
                    repository=repository, commit_sha=bytes.fromhex(sha), started_at=at, finished_at=at, team="", tags=(), source="api",
                )  # fmt: skip
                self.store.write(lambda writer, d=deployment: record_deployment(writer, d, received_at=self.now()))

    def carried(self) -> dict[str, dict[str, list[str]]]:
        """Env → deployment → the commits it carried, derived."""
        deriver = Deriver(self.store, HistoryCache(), limits=LIMITS, clock=self.now)
        while deriver.derive_next():
            pass
        found: dict[str, dict[str, list[str]]] = {"api": {}, "disk": {}}
        for id, *_ in self.rows("change_set"):
            head, _, env = id.rpartition(":")
            found[env][head] = []
        for id, sha, *_ in self.rows("change"):
            head, _, env = id.rpartition(":")
            found[env][head].append(bytes(sha).hex())
        return {env: {head: sorted(shas) for head, shas in sorted(one.items())} for env, one in found.items()}

    def access(self) -> tuple[str, str, list[str]]:
        """(way, reason, what is partial) of the repository read by API."""
        [(_, way, reason, partial, _)] = self.rows("repository_access")
        return way, reason, json.loads(partial)


@asynccontextmanager
async def api_room(
    store: Store, url: str, tmp_path: Path, forge: GitLab, project: Project, *scopes: str
) -> AsyncIterator[ApiRoom]:
    """The room, with a token of these scopes (`read_api`)."""
    token = forge.create_token(*(scopes or ("read_api",))).value
    settings = load_settings({"DATA_DIR": str(tmp_path / "data"), "GITLAB_URL": forge.url, "GITLAB_TOKEN": token})
    client = GitlabClient(url=forge.url, token=token, clock=lambda: forge.now * SECOND, base_url="https://bot.example.com")
    try:
        yield ApiRoom(store, url, forge, project, tmp_path / "definitions", client, settings)
    finally:
        await client.close()
