"""What is no HTTP: refused, and no byte of it in the log."""

import asyncio
import io

from aiohttp import web

from bot.store import Store
from bot.web.routes import make_runner
from tests.web.doors import open_door

KEY = "rf_" + "5" * 64


async def test_a_key_in_a_malformed_request_does_not_reach_the_log(store: Store, logged: io.StringIO) -> None:
    async with open_door(store) as door:
        app = door.client.app
        assert app is not None
        runner = web.AppRunner(web.Application(), **make_runner(app)._kwargs)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        for line in (f"DD-API-KEY: {KEY}\x01", f"Authorization: Bearer other-{KEY[3:]}" + "x" * 9_000):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(f"GET / HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\n".encode())
            assert (await reader.read(12)).endswith(b"400")
            writer.close()
            await writer.wait_closed()
        await runner.cleanup()
    assert logged.getvalue().count("malformed request") == 2
    assert KEY[3:] not in logged.getvalue()
