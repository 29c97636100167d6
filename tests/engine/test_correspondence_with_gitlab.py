"""The correspondent, the real client and a stand-in GitLab: lost deliveries are found in the logs of its hooks."""

from functools import partial
from pathlib import Path

from aiohttp.test_utils import TestServer

from bot.app import create_app
from bot.dora.instants import HOUR, MINUTE, SECOND
from bot.engine.clock import now as real_now
from bot.facts.hooks import load_hooks
from bot.facts.pull_requests import load_pull_requests
from bot.facts.repositories import RepositoryRow
from bot.pipeline.intake import Origin, due_deliveries, process_deliveries
from bot.settings import load_settings
from bot.store import Reader, Store
from tests.engine.forge_double import Clock, Office
from tests.forges.gitlab_room import ANA, BOB, NOON, asking, standing

SECRET = "0123456789-of-the-correspondence"
NUMBERS = 6


async def test_lost_deliveries_are_found_in_the_logs_of_hooks(store: Store, tmp_path: Path) -> None:
    clock = Clock(NOON * SECOND)
    settings = load_settings({"GITLAB_WEBHOOK_SECRET": SECRET, "DATA_DIR": str(tmp_path / "data"), "API_KEYS": "x" * 40})
    door = TestServer(create_app(settings, store, None))
    await door.start_server()
    base_url = str(door.make_url("")).rstrip("/")
    async with standing(tmp_path / "forge") as forge, asking(forge, "api", base_url=base_url) as client:
        def move(nanoseconds: int) -> None:
            clock.now += nanoseconds
            forge.now = clock.now // SECOND

        def process() -> None:
            origin = Origin(instance=forge.url)
            while claims := store.read(partial(due_deliveries, now=real_now())):
                process_deliveries(store, claims, now=real_now, origin=origin)

        def titles(reader: Reader) -> list[str]:
            (row,) = reader.fetch("all_repositories", RepositoryRow)
            return [record.pull_request.title for record in load_pull_requests(reader, row.id, range(1, 20))]

        shop = forge.create_repository("acme/platform/shop")
        forge.add_hook(shop, f"{base_url}/webhooks/gitlab", token=SECRET)
        shop.commit("main", {"README.md": "hello"}, message="Begin", author=ANA)
        for n in range(NUMBERS):
            shop.commit(f"topic-{n}", {f"{n}.txt": "x"}, message=f"Change {n}", author=ANA)
            shop.open(f"topic-{n}", "main", title=f"Change {n}", author=ANA)
        office = Office(store, client, clock=clock)  # type: ignore[arg-type]
        await forge.deliver()
        process()
        await office.round()
        (hook,) = store.read(load_hooks)
        assert (hook.state, hook.gaps) == ("active", 0)

        move(HOUR)
        lost: list[str] = []
        sent = iter(range(1_000))
        forge.drop = lambda told: next(sent) % 5 == 0 and not lost.append(told.id)  # type: ignore[func-returns-value]
        for number in range(1, NUMBERS + 1):
            shop.retitle(number, f"Better {number}", by=BOB)
        await forge.deliver()
        process()
        assert lost
        assert len([title for title in store.read(titles) if title.startswith("Better")]) == NUMBERS - len(lost)
        for _ in range(2):
            move(10 * MINUTE)
            await office.round()
        process()
        (hook,) = store.read(load_hooks)
        assert (hook.gaps, hook.repaired) == (len(lost), len(lost))
        assert sorted(store.read(titles)) == [f"Better {number}" for number in range(1, NUMBERS + 1)]
        await office.correspondent.stop()
    await door.close()
