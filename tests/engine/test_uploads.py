"""History that CI uploads: the same numbers as a clone, in any order of packs, deployments and uploads."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.engine.inline import Inline
from bot.pipeline.history import unpack_path_ids
from bot.settings import Settings, load_settings
from bot.store import Store
from tests.support.gitrepo import START, GitRepo
from tests.support.uploads import Uploading
from tests.web.doors import API_KEY, Door, document, open_door

URL = "https://git.example.org/acme/shop.git"
NAME = "git.example.org/acme/shop"


@dataclass
class Room:
    """A server, a CI job, and the history that it uploads."""

    door: Door
    ci: Uploading
    work: Inline
    store: Store

    async def settle(self) -> None:
        """Let the server do all that is due."""
        await self.work.settle(lambda _: None)

    async def deploy(self, sha: str, *, at: int, service: str = "shop") -> str:
        """A deployment of a commit, at epoch seconds."""
        body = document(service=service, started_at=at - 60, finished_at=at, git={"commit_sha": sha, "repository_url": URL})
        answer = await self.door.client.post("/api/v2/dora/deployment", data=body, headers={"DD-API-KEY": API_KEY})
        assert answer.status == 200
        return str((await answer.json())["data"]["id"])

    async def get(self, path: str) -> Any:
        """An answer of the API."""
        answer = await self.door.client.get(path, headers={"Authorization": f"Bearer {API_KEY}"})
        assert answer.status == 200, await answer.text()
        return await answer.json()

    async def changes(self, deployment: str) -> list[dict[str, Any]]:
        """The commits of a deployment."""
        found: list[dict[str, Any]] = (await self.get(f"/api/v1/deployments/{deployment}/changes"))["data"]
        return found

    async def repository(self) -> dict[str, Any]:
        """What is shown of the repository."""
        (shown,) = (await self.get("/api/v1/repositories"))["data"]
        return dict(shown)


@asynccontextmanager
async def opened(store: Store, tmp_path: Path, repository: Path, *, since: int = START - 86_400, size: str = "3m", url: str = URL) -> AsyncIterator[Room]:
    """A room over a store."""
    settings = _settings(tmp_path)
    async with open_door(store) as door:
        ci = Uploading(client=door.client, repository=repository, folder=tmp_path / "packs", url=url, key=API_KEY, since=since, size=size)
        work = Inline(store, settings)
        try:
            yield Room(door, ci, work, store)
        finally:
            await work.close()


def _settings(tmp_path: Path) -> Settings:
    return load_settings({"DATA_DIR": str(tmp_path / "data"), "SERVICE_DEFINITIONS": str(tmp_path / "definitions")})


def commits(store: Store) -> dict[str, tuple[object, ...]]:
    """Every commit with all that ingest knows of it, path numbers as paths."""
    paths = dict(store.read(lambda reader: reader.fetch("paths_since", lambda id, path: (id, bytes(path)), repository_id=1, id=0)))
    rows = store.read(lambda reader: reader.fetch("commits_since", lambda *row: row, repository_id=1, n=0))
    return {
        bytes(row[1]).hex(): (
            bytes(row[2]).hex(), row[3], row[4], row[5], row[6],
            None if row[7] is None else sorted(paths[id] for id in unpack_path_ids(bytes(row[7]))), row[8],
        )
        for row in rows
    }  # fmt: skip


def story(path: Path) -> tuple[Path, list[str]]:
    """Folders, a merge, a rename, a root: shas in order of time."""
    shas = []
    with GitRepo(path) as repo:
        shas.append(repo.commit("start", files={f"old/{n}/file": str(n) for n in range(5)} | {"src/a/one": "1", "src/b/two": "2"}))
        shas.append(repo.commit("a", files={"src/a/one": "1a"}))
        repo.branch("topic", shas[-1])
        shas.append(repo.commit("b", files={"src/b/two": "2b"}))
        shas.append(repo.commit("topic", branch="topic", files={"src/a/three": "3"}))
        shas.append(repo.merge("topic"))
        shas.append(repo.commit("rename", files={"src/a/one": None, "src/c/one": "1a"}))
        shas.append(repo.commit("last", files={"old/3/file": "new"}))
    return path, shas


async def test_an_upload_is_a_history_like_a_clones(store: Store, tmp_path: Path) -> None:
    path, shas = story(tmp_path / "repo.git")
    async with opened(store, tmp_path, path) as room:
        assert await room.ci.upload(shas[-1]) == 1
        await room.settle()
        uploaded = commits(store)
        assert await room.ci.upload(shas[-1]) == 0, "everything is known"
    assert set(uploaded) == set(shas)
    assert uploaded[shas[5]][5] == [b"src/a/one", b"src/c/one"]
    assert uploaded[shas[4]][5] == [], "a merge has no paths of its own"
    assert uploaded[shas[0]][5] == sorted([b"src/a/one", b"src/b/two", *(b"old/%d/file" % n for n in range(5))]), "a true root"
    assert {row[6] for row in uploaded.values()} == {3}


async def test_deployments_before_and_after_the_upload_give_equal_numbers(store: Store, tmp_path: Path) -> None:
    path, shas = story(tmp_path / "repo.git")
    async with opened(store, tmp_path, path) as room:
        early = [await room.deploy(sha, at=START + 10_000 + n * 1_000, service="early") for n, sha in enumerate((shas[1], shas[4], shas[6]))]
        await room.settle()
        waiting = (await room.get(f"/api/v1/deployments/{early[2]}"))["not_computed"]
        assert waiting == "commit_unknown"
        await room.ci.upload(shas[-1])
        await room.settle()
        late = [await room.deploy(sha, at=START + 10_000 + n * 1_000, service="late") for n, sha in enumerate((shas[1], shas[4], shas[6]))]
        await room.settle()
        for one, other in zip(early, late, strict=True):
            first, second = await room.changes(one), await room.changes(other)
            assert first == second
        assert {change["subject"] for change in await room.changes(late[1])} == {"b", "topic", "Merge branch 'topic'"}
        numbers = [(await room.get(f"/api/v1/metrics?service={name}&from=2026-01-01"))["data"][0] for name in ("early", "late")]
        assert numbers[0] | {"group": 0} == numbers[1] | {"group": 0}
        assert numbers[0]["change_lead_time"]["commits"] == 4
