"""A thousand commits of a real history, uploaded and cloned: equal commit by commit, but where the window begins."""

import asyncio
from pathlib import Path

from bot.dora.events import RepositoryRef
from bot.engine.inline import Inline
from bot.engine.operations import perform
from bot.facts.repositories import ensure_repository
from bot.facts.uploads import record_pack
from bot.git.packs import pack_id
from bot.settings import load_settings
from bot.store import Store, Writer
from tests.support.gitrepo import git
from tests.support.uploads import commits, make_packs

NAME = "git.example.org/acme/real"


def test_a_real_history(store: Store, tmp_path: Path, real_history: Path) -> None:
    tip = git(real_history, "rev-parse", "HEAD").strip()
    window = git(real_history, "log", "-n", "1000", "--format=%H", tip).split()
    since = int(git(real_history, "log", "-1", "--format=%ct", window[-1])) - 1
    packs = make_packs(real_history, tmp_path, new=window, since=since)

    def receive(writer: Writer) -> None:
        id = ensure_repository(writer, RepositoryRef(name=NAME, forge="git")).id
        for pack in packs:
            record_pack(writer, id, bytes.fromhex(tip), pack, pack_id=pack_id(pack), received_at=1)

    store.write(receive)
    settings = load_settings({"DATA_DIR": str(tmp_path / "data"), "SERVICE_DEFINITIONS": str(tmp_path / "none")})

    async def both() -> tuple[dict[str, tuple[object, ...]], dict[str, tuple[object, ...]]]:
        work = Inline(store, settings)
        try:
            await work.settle(lambda _: None)
            uploaded = commits(store)
            await perform(work, "sync", {"remotes": [str(real_history)], "name": f"https://{NAME}"}, progress=lambda _: None)
            return uploaded, commits(store)
        finally:
            await work.close()

    uploaded, cloned = asyncio.run(both())
    assert 500 < len(uploaded) <= len(window) and len(cloned) > 15_000
    whole = {sha for sha, row in uploaded.items() if row[6] == 3}
    assert len(whole) > 0.9 * len(uploaded)
    assert {sha: uploaded[sha] for sha in whole} == {sha: cloned[sha] for sha in whole}
