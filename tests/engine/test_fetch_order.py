"""What is fetched first, and how much in one call of git."""

import asyncio
from pathlib import Path

import pytest

from bot.dora.events import RepositoryRef
from bot.engine.fetcher import AT_ONCE, HEADS_AT_ONCE, Fetcher
from bot.facts.fetches import want_fetch
from bot.facts.repositories import ensure_repository
from bot.forges.client import GitAccess
from bot.pipeline import mirror
from bot.settings import load_settings
from bot.store import Store, Writer

HEADS = 1_000


class Calls:
    """In place of git: which refs of which repository each fetch asked for."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.store = store
        self.made: list[tuple[int, list[str]]] = []
        self.at_once = self.most_at_once = 0
        monkeypatch.setattr(mirror, "fetch", self.fetch)
        settings = load_settings({"DATA_DIR": str(tmp_path)})
        self.fetcher = Fetcher(store, settings, self.ingest, clock=lambda: 1_000, access=self.access)

    async def access(self, forge: str, row: object) -> GitAccess | None:
        return None

    async def fetch(
        self, store: Store, settings: object, repository_id: int, wishes: list[mirror.Wish], **_: object
    ) -> mirror.Fetched:
        self.made.append((repository_id, [wish.ref for wish in wishes]))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0.001)
        self.at_once -= 1
        return mirror.Fetched(repository_id=repository_id, path="", began_at=1, full=False, wishes=tuple(wishes))

    async def ingest(self, fetched: mirror.Fetched) -> object:
        rows = [{"repository_id": one.repository_id, "ref": one.ref, "version": one.version} for one in fetched.wishes]
        return await self.store.write_async(lambda writer: writer.execute_many("delete_fetch", rows))

    def repositories(self, n: int) -> list[int]:
        def work(writer: Writer) -> list[int]:
            refs = [RepositoryRef(name=f"github.com/acme/r{i}", forge="github") for i in range(n)]
            return [ensure_repository(writer, ref).id for ref in refs]

        return self.store.write(work)

    def want(self, *wishes: tuple[int, str], now: int = 1) -> None:
        def work(writer: Writer) -> None:
            for repository_id, ref in wishes:
                want_fetch(writer, repository_id=repository_id, ref=ref, now=now)

        self.store.write(work)


async def test_a_thousand_heads_are_a_few_fetches_and_a_push_overtakes_them(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls = Calls(store, monkeypatch, tmp_path)
    (one,) = calls.repositories(1)
    calls.want(*((one, f"refs/pull/{n}/head") for n in range(HEADS)))
    await calls.fetcher.start_due()
    calls.want((one, "refs/heads/main"), now=900)
    await calls.fetcher.drain()
    assert [len(refs) for _, refs in calls.made] == [HEADS_AT_ONCE, 1, *[HEADS_AT_ONCE] * (HEADS // HEADS_AT_ONCE - 1)]
    assert calls.made[1] == (one, ["refs/heads/main"])
    assert len({ref for _, refs in calls.made for ref in refs}) == HEADS + 1


async def test_pushes_overtake_whole_repositories_and_those_the_heads(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls = Calls(store, monkeypatch, tmp_path)
    ids = calls.repositories(12)
    calls.want(*((id, "refs/pull/1/head") for id in ids[:5]), now=1)
    calls.want(*((id, "*") for id in ids[5:11]), now=2)
    calls.want((ids[11], "refs/heads/main"), now=3)
    await calls.fetcher.drain()
    assert [refs[0] for _, refs in calls.made] == ["refs/heads/main", *["*"] * 6, *["refs/pull/1/head"] * 5]
    assert calls.most_at_once == AT_ONCE
