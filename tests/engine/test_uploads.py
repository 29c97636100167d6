"""History that CI uploads: the same numbers as a clone, in any order of packs, deployments and uploads."""

import random
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bot.cli.main import main
from bot.engine.inline import Inline
from bot.engine.operations import perform
from bot.facts.uploads import kept_packs
from bot.git.packs import Quarantine
from bot.pipeline import uploads
from bot.pipeline.uploads import due_uploads, take_in
from bot.settings import Settings, load_settings
from bot.store import Store
from tests.git.hostile_packs import CORPUS
from tests.support.gitrepo import START, GitRepo, git
from tests.support.server import rows
from tests.support.uploads import Uploading, commits, make_packs, packed
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
async def opened(
    store: Store, tmp_path: Path, repository: Path, *, since: int = START - 86_400, parts: int = 1, data: str = "data"
) -> AsyncIterator[Room]:
    """A room over a store."""
    settings = _settings(tmp_path, data)
    async with open_door(store) as door:
        ci = Uploading(client=door.client, repository=repository, folder=tmp_path / "packs", url=URL, key=API_KEY, since=since, parts=parts)
        work = Inline(store, settings)
        try:
            yield Room(door, ci, work, store)
        finally:
            await work.close()


def _settings(tmp_path: Path, data: str) -> Settings:
    return load_settings({"DATA_DIR": str(tmp_path / data), "SERVICE_DEFINITIONS": str(tmp_path / "definitions")})


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
        await room.deploy("1" * 40, at=START + 10_000)
        shown = await room.repository()
        assert (shown["state"], shown["access"], shown["wanted_refs"], shown["error"]) == ("uploaded", None, 0, None), "nobody fetches it"
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


def whole(repository: Path, folder: Path, *shas: str) -> bytes:
    """A pack of these commits with all of their folders."""
    folder.mkdir(parents=True, exist_ok=True)
    objects = git(repository, "rev-list", "--objects", "--no-object-names", "--no-walk", "--filter=blob:none", *shas)
    return packed(repository, folder, objects)


def line(path: Path) -> tuple[Path, list[str]]:
    """Six commits, one after another."""
    with GitRepo(path) as repo:
        return path, [repo.commit(name, files={f"src/{name}": name}) for name in "abcdef"]


@pytest.mark.parametrize("seed", range(3))
async def test_a_gap_between_uploads_is_never_bridged_and_closes_in_any_order(store: Store, tmp_path: Path, seed: int) -> None:
    path, (a, b, c, d, e, f) = line(tmp_path / "repo.git")
    async with opened(store, tmp_path, path) as room:
        first, last, gap = (whole(path, tmp_path / "packs", *shas) for shas in ((a, b), (e, f), (c, d)))
        steps: list[Callable[[], Awaitable[object]]] = [
            partial(room.ci.send, first, sha=b), partial(room.ci.send, last, sha=f),
            partial(room.deploy, b, at=START + 10_000), partial(room.deploy, f, at=START + 20_000),
        ]  # fmt: skip
        random.Random(seed).shuffle(steps)
        for step in steps:
            await step()
            await room.settle()
        across = (await room.get("/api/v1/deployments"))["data"][0]
        assert (across["commit_sha"], across["not_computed"], across["flags"]) == (f, "commit_unknown", ["shallow_boundary"])
        assert await room.changes(across["id"]) == []
        (metrics,) = (await room.get("/api/v1/metrics?from=2026-01-01"))["data"]
        assert metrics["not_counted"] == {"commit_unknown": 1, "first_deployment": 1, "no_changes": 1, "no_failures": 1}
        await room.ci.send(gap, sha=d)
        await room.settle()
        across = (await room.get(f"/api/v1/deployments/{across['id']}"))
        assert (across["not_computed"], across["flags"]) == (None, [])
        assert [change["sha"] for change in await room.changes(across["id"])] == [f, e, d, c]


async def test_a_branch_that_never_came_is_flagged_and_counted_until_it_comes(store: Store, tmp_path: Path) -> None:
    path, shas = story(tmp_path / "repo.git")
    topic, merge = shas[3], shas[4]
    async with opened(store, tmp_path, path) as room:
        await room.ci.send(whole(path, tmp_path / "packs", *shas[:3], merge), sha=merge)
        await room.deploy(shas[1], at=START + 10_000)
        deployment = await room.deploy(merge, at=START + 20_000)
        await room.settle()
        shown = await room.get(f"/api/v1/deployments/{deployment}")
        assert (shown["not_computed"], shown["flags"], shown["change_lead_time"]["commits"]) == (None, ["shallow_boundary"], 1)
        (metrics,) = (await room.get("/api/v1/metrics?from=2026-01-01"))["data"]
        assert metrics["not_counted"]["shallow_boundary"] == 1
        page = await room.door.client.get(f"/deployments/{deployment}", headers={"Authorization": f"Bearer {API_KEY}"})
        assert "there may be more commits than are known" in await page.text()
        await room.ci.send(whole(path, tmp_path / "packs", topic), sha=topic)
        await room.settle()
        shown = await room.get(f"/api/v1/deployments/{deployment}")
        assert (shown["flags"], shown["change_lead_time"]["commits"]) == ([], 2)
        (metrics,) = (await room.get("/api/v1/metrics?from=2026-01-01"))["data"]
        assert "shallow_boundary" not in metrics["not_counted"]


@pytest.mark.parametrize("seed", range(3))
async def test_packs_in_any_order_with_deployments_among_them(store: Store, tmp_path: Path, seed: int) -> None:
    """Each pack holds a fifth of the objects, whichever; each is looked at as it comes."""
    path, shas = story(tmp_path / "repo.git")
    chance = random.Random(seed)
    async with opened(store, tmp_path, path, parts=5) as room:
        steps: list[Callable[[], Awaitable[object]]] = [
            partial(room.ci.send, pack, sha=shas[-1]) for pack in await room.ci.plan(shas[-1]) * 2
        ]
        steps += [partial(room.deploy, shas[n], at=START + 10_000 * n) for n in (1, 4, 6)]
        chance.shuffle(steps)
        for step in steps:
            await step()
            if chance.random() < 0.6:
                await room.settle()
        await room.settle()
        found = commits(store)
        assert set(found) == set(shas) and all(row[5] is not None and row[6] == 3 for row in found.values())
        newest, middle, oldest = (await room.get("/api/v1/deployments"))["data"]
        assert oldest["not_computed"] == "first_deployment"
        assert {change["subject"] for change in await room.changes(middle["id"])} == {"b", "topic", "Merge branch 'topic'"}
        assert {change["subject"] for change in await room.changes(newest["id"])} == {"rename", "last"}


async def test_three_packs_and_the_rest_is_waited_for(store: Store, tmp_path: Path) -> None:
    path, shas = story(tmp_path / "repo.git")
    async with opened(store, tmp_path, path, parts=3) as room:
        first, *others = await room.ci.plan(shas[-1])
        room.door.now[0] = time.time_ns()
        await room.ci.send(first, sha=shas[-1])
        await room.settle()
        shown = (await room.repository())["upload"]
        assert (shown["state"], shown["packs"]) == ("received", 1) and "waited for" in shown["reason"]
        assert commits(store) == {} and await room.ci.search(shas) == []
        for pack in others:
            room.door.now[0] = time.time_ns()
            await room.ci.send(pack, sha=shas[-1])
        await room.settle()
        shown = (await room.repository())["upload"]
        assert (shown["state"], shown["packs"], shown["commits"], shown["reason"]) == ("done", 3, 7, None)
        assert shown["commit_sha"] == shas[-1]
        assert set(commits(store)) == set(shas) and await room.ci.search(shas[::-1]) == shas[::-1]


async def test_a_pack_that_never_comes(store: Store, tmp_path: Path) -> None:
    """What is there is shown as far as it is known, nothing of it is claimed, and the next upload mends it."""
    path, shas = story(tmp_path / "repo.git")
    async with opened(store, tmp_path, path, parts=3) as room:
        packs = await room.ci.plan(shas[-1])
        for pack in packs[1:]:
            await room.ci.send(pack, sha=shas[-1])
        await room.settle()
        shown = (await room.repository())["upload"]
        assert shown["state"] == "incomplete" and "did not arrive" in shown["reason"]
        found = commits(store)
        assert found and any(row[5] is None for row in found.values())
        assert await room.ci.search(shas) == []
        assert await room.ci.upload(shas[-1]) == 3
        await room.settle()
        assert (await room.repository())["upload"]["state"] == "done"
        assert {row[5] is None for row in commits(store).values()} == {False}
        assert set(commits(store)) == set(shas)


async def test_a_folder_that_is_missing(store: Store, tmp_path: Path) -> None:
    """Whose change cannot be told keeps its place in the history."""
    path, shas = story(tmp_path / "repo.git")
    listed = git(path, "rev-list", "--objects", "--no-object-names", "--filter=blob:none", shas[-1]).split()
    lost = git(path, "rev-parse", f"{shas[1]}:src/b").strip()
    async with opened(store, tmp_path, path) as room:
        await room.ci.send(packed(path, tmp_path, "\n".join(name for name in listed if name != lost)), sha=shas[-1])
        await room.settle()
        found = commits(store)
        assert set(found) == set(shas) and found[shas[2]][0] == shas[1]
        assert [n for n, sha in enumerate(shas) if found[sha][5] is None] == [0, 2]
        await room.ci.send(packed(path, tmp_path, lost), sha=shas[-1])
        await room.settle()
        assert commits(store)[shas[2]][5] == [b"src/b/two"]


async def test_older_history_that_another_job_sends_later(store: Store, tmp_path: Path) -> None:
    path, shas = story(tmp_path / "repo.git")
    async with opened(store, tmp_path, path) as room:
        (newer,) = make_packs(path, tmp_path, new=shas[5:], known=[shas[4]], since=START)
        (older,) = make_packs(path, tmp_path, new=shas[:5], since=START)
        await room.ci.send(newer, sha=shas[6])
        await room.settle()
        assert commits(store)[shas[5]][6] == 1
        await room.ci.send(older, sha=shas[4])
        await room.settle()
        found = commits(store)
        assert set(found) == set(shas) and all(row[5] is not None and row[6] == 3 for row in found.values())
        assert (await room.repository())["upload"]["state"] == "done"


async def test_the_next_upload_sends_only_what_is_new(store: Store, tmp_path: Path) -> None:
    path, shas = story(tmp_path / "repo.git")
    async with opened(store, tmp_path, path) as room:
        for sha in (shas[1], shas[4], shas[6]):
            assert await room.ci.upload(sha) == 1
            await room.settle()
        assert {row[5] is None for row in commits(store).values()} == {False}
        incremental = commits(store)
        (all_at_once,) = make_packs(path, tmp_path, new=shas, since=room.ci.since)
        kept = store.read(lambda reader: kept_packs(reader, 1, sha_size=20))
        assert sum(one.size for one in kept) < 1.5 * len(all_at_once), "nothing was sent twice"
    assert set(incremental) == set(shas)


async def test_where_the_window_begins_and_a_later_upload_that_reaches_further_back(store: Store, tmp_path: Path) -> None:
    path, shas = story(tmp_path / "repo.git")
    begin = START + 3 * 60 - 1
    async with opened(store, tmp_path, path, since=begin) as room:
        first = await room.deploy(shas[2], at=START + 10_000)
        second = await room.deploy(shas[6], at=START + 20_000)
        await room.ci.upload(shas[-1])
        await room.settle()
        found = commits(store)
        assert set(found) == set(shas[2:])
        # Neither holds every file of its tree: what they changed is not known.
        assert (found[shas[2]][5], found[shas[2]][0], found[shas[2]][6]) == (None, "", 1)
        assert (found[shas[3]][5], found[shas[3]][6]) == (None, 1)
        assert found[shas[6]][5] == [b"old/3/file"]
        assert {change["subject"] for change in await room.changes(second)} >= {"rename", "last", "topic"}
        room.ci.since = START - 86_400
        assert await room.ci.upload(shas[-1]) == 1
        await room.settle()
        whole = commits(store)
        assert set(whole) == set(shas) and whole[shas[2]][0] == shas[1] and whole[shas[2]][5] == [b"src/b/two"]
        assert {row[6] for row in whole.values()} == {3}
        await room.deploy(shas[0], at=START + 5_000)
        await room.settle()
        assert {change["subject"] for change in await room.changes(first)} == {"a", "b"}


async def test_a_branch_from_before_the_window(store: Store, tmp_path: Path) -> None:
    """Told of a known commit the client leaves out what that commit's ancestors hold, which never came; asked again it is told of none."""
    with GitRepo(tmp_path / "repo.git") as repo:
        begin = repo.commit("start", files={f"d{n}/f": str(n) for n in range(4)} | {"gone/g": "1"})
        repo.branch("topic", begin)
        repo.commit("without", files={"gone/g": None})
        old = repo.commit("old", files=["d0/f"])
        window = START + 86_400
        new = repo.commit("new", files=["d1/f"], authored_at=window + 60)
        newer = repo.commit("newer", files=["d1/f"], authored_at=window + 120)
        one = repo.commit("one", branch="topic", files=["d2/f"], authored_at=window + 180)
        two = repo.commit("two", branch="topic", files=["d2/f"], authored_at=window + 240)
        merged = repo.merge("topic", authored_at=window + 300, committed_at=window + 300)
        last = repo.commit("last", files=["d3/f"], authored_at=window + 360)
    async with opened(store, tmp_path, tmp_path / "repo.git", since=window) as room:
        await room.ci.upload(newer)
        await room.settle()
        assert await room.ci.search([newer, new]) == [newer, new]
        await room.ci.upload(merged)
        await room.settle()
        found = commits(store)
        assert found[merged][0] == newer + two, "the graph is whole"
        assert found[one][5] is None and old not in found
        assert await room.ci.search([merged, two, one, newer, new]) == []
        await room.ci.upload(last)
        await room.settle()
        found = commits(store)
        assert found[last][5] == [b"d3/f"] and found[two][5] == [b"d2/f"]
        assert (await room.repository())["upload"]["state"] == "done"
        assert set(await room.ci.search([last, merged, two, one, newer, new])) == {last, merged, two, one, newer, new}


async def test_a_data_folder_that_is_lost_or_another_workers(store: Store, tmp_path: Path) -> None:
    path, shas = story(tmp_path / "repo.git")
    async with opened(store, tmp_path, path) as room:
        await room.ci.upload(shas[1])
        await room.settle()
    shutil.rmtree(tmp_path / "data" / "uploads")
    async with opened(store, tmp_path, path, data="other") as room:
        await room.ci.upload(shas[4])
        await room.settle()
        assert await room.ci.search([shas[4], shas[1]]) == [shas[4], shas[1]]
    async with opened(store, tmp_path, path) as room:
        await room.ci.upload(shas[6])
        await room.settle()
    found = commits(store)
    assert set(found) == set(shas) and all(row[5] is not None for row in found.values())


async def test_beside_a_clone(store: Store, tmp_path: Path) -> None:
    """What is cloned stays whole, and an upload of the same repository breaks none of its fetches."""
    path, shas = story(tmp_path / "repo.git")
    async with opened(store, tmp_path, path, since=START + 5 * 60) as room:
        await room.ci.upload(shas[-1])
        await room.settle()
        assert any(row[5] is None for row in commits(store).values())
        await perform(room.work, "sync", {"remotes": [str(path)], "name": URL}, progress=lambda _: None)
        whole = commits(store)
        assert {row[6] for row in whole.values()} == {3} and set(whole) == set(shas)
        await room.ci.upload(shas[-1])
        await room.settle()
        assert commits(store) == whole
        with GitRepo(path) as repo:
            more = repo.commit("more", files=["src/z"], branch="more")
        await perform(room.work, "sync", {"remotes": [str(path)], "name": URL}, progress=lambda _: None)
        assert commits(store)[more][5] == [b"src/z"]
        shown = await room.repository()
        assert (shown["state"], shown["access"]) == ("synced", "clone")


async def test_a_refused_pack_is_seen_everywhere(store: Store, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, shas = story(tmp_path / "repo.git")
    async with opened(store, tmp_path, path) as room:
        await room.ci.send(CORPUS["a file"](), sha=shas[-1])
        await room.settle()
        shown = (await room.repository())["upload"]
        assert (shown["state"], shown["reason"]) == ("refused", "It holds a blob: only commits and trees are taken.")
        page = await (await room.door.client.get("/repositories", headers={"Authorization": f"Bearer {API_KEY}"})).text()
        assert "refused" in page and "It holds a blob" in page
        csv = await (await room.door.client.get("/api/v1/repositories.csv", headers={"Authorization": f"Bearer {API_KEY}"})).text()
        assert "upload.reason" in csv and "It holds a blob" in csv
    for name, value in {"DATABASE_URL": store_url, "DATA_DIR": str(tmp_path / "data"), "SERVICE_DEFINITIONS": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    said = CliRunner().invoke(main, ["doctor"])
    assert said.exit_code == 1
    assert f"WRONG  {NAME}: the last upload ({shas[-1][:10]}) is refused: It holds a blob" in said.output


async def test_a_pack_that_kills_the_process_is_given_up(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, shas = story(tmp_path / "repo.git")

    def die(*_: object) -> None:
        raise SystemExit(9)

    async with opened(store, tmp_path, path) as room:
        await room.ci.upload(shas[-1])
        monkeypatch.setattr(Quarantine, "add", die)
        clock = [time.time_ns()]
        (push,) = store.read(lambda reader: due_uploads(reader, now=clock[0]))
        for _ in range(5):
            assert store.read(lambda reader: due_uploads(reader, now=clock[0])) == [push]
            with pytest.raises(SystemExit):
                take_in(store, tmp_path / "data", push, clock=lambda: clock[0])
            clock[0] += 3_600 * 10**9
        assert take_in(store, tmp_path / "data", push, clock=lambda: clock[0]) is None
        shown = (await room.repository())["upload"]
        assert shown["state"] == "refused" and "5 times" in shown["reason"]


async def test_a_machine_that_is_at_fault_refuses_nothing(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, shas = story(tmp_path / "repo.git")
    async with opened(store, tmp_path, path) as room:
        await room.ci.upload(shas[-1])
        with monkeypatch.context() as broken:
            broken.setenv("PATH", "/nowhere")
            await room.settle()
        shown = (await room.repository())["upload"]
        assert shown["state"] == "received" and "GitMissingError" in shown["reason"]
        room.work.uploader.clock = lambda: time.time_ns() + 3_600 * 10**9
        await room.settle()
        assert set(commits(store)) == set(shas)


async def test_names_of_64_digits(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "repo.git"
    git(tmp_path, "init", "-q", "--bare", "--object-format=sha256", str(path))
    tree = git(path, "mktree", "--missing", stdin=b"100644 blob " + b"1" * 64 + b"\tfile\n").strip()
    text = f"tree {tree}\nauthor A <a@b> {START} +0000\ncommitter A <a@b> {START} +0000\n\nx\n"
    sha = git(path, "hash-object", "-t", "commit", "-w", "--stdin", stdin=text.encode()).strip()
    async with opened(store, tmp_path, path) as room:
        await room.ci.upload(sha)
        await room.settle()
        assert await room.ci.search([sha]) == [sha]
    assert commits(store)[sha][5] == [b"file"]


async def test_many_small_packs_become_one(store: Store, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without file contents, and without losing what no ref leads to."""
    monkeypatch.setattr(uploads, "MOST_PACKS", 4)
    path, shas = story(tmp_path / "repo.git")
    async with opened(store, tmp_path, path) as room:
        for sha in (*shas[:4], shas[4], shas[5]):
            await room.ci.upload(sha)
            await room.settle()
        held = rows(store_url, "SELECT pack_id, size FROM upload_pack")
        assert len(held) < 5
        files = list((tmp_path / "data" / "uploads" / "1.git" / "objects" / "pack").glob("*.pack"))
        assert len(files) == len(held)
        assert await room.ci.upload(shas[6]) == 1
        await room.settle()
        found = commits(store)
    shutil.rmtree(tmp_path / "data" / "uploads")
    assert set(found) == set(shas) and all(row[5] is not None for row in found.values())
    async with opened(store, tmp_path, path) as room:
        assert await room.ci.search(shas[::-1]) == shas[::-1]
        with GitRepo(tmp_path / "other.git") as repo:
            more = repo.commit("more", files=["x"])
        room.ci.repository = tmp_path / "other.git"
        await room.ci.upload(more)
        await room.settle()
        home = tmp_path / "data" / "uploads" / "1.git"
        objects = git(home, "cat-file", "--batch-all-objects", "--batch-check=%(objecttype) %(objectname)").split()
        assert set(shas) <= set(objects) and "blob" not in objects
