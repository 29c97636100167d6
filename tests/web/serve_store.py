"""The web application alone over a store, in a process of its own: prints its port, ends with its standard input."""

import asyncio
import sys

from aiohttp import web

from bot.log import configure_logging
from bot.settings import load_settings
from bot.store.opening import open_store
from bot.web.routes import make_app, make_runner
from tests.web.doors import ALL_ON, NOW


async def main(url: str) -> None:
    configure_logging()
    store = open_store(url, serving=True)
    store.migrate()
    app = make_app(
        settings=load_settings(ALL_ON), store=store, clock=lambda: NOW, wake=lambda _: None, engine_alive=lambda: True
    )
    runner = make_runner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()
    store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
