"""Twenty compressed bombs at once: the server's memory stays bounded and others are served meanwhile."""

import asyncio
import gzip
import sys
import time
import zlib
from io import BytesIO
from pathlib import Path

from aiohttp import ClientSession

from tests.web.doors import API_KEY, github_headers

BOMBS = 20
MEGABYTE = 1024
"""KiB."""


def memory(pid: int, field: str) -> int:
    """KiB: `VmRSS` now, `VmHWM` at its highest."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def make_bomb() -> bytes:
    """4 MB that inflate to 4 GB: one block of zeros, over and over."""
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflater.compress(b"\0")
    deflater.flush(zlib.Z_FULL_FLUSH)
    block = deflater.compress(bytes(1 << 20)) + deflater.flush(zlib.Z_FULL_FLUSH)
    return gzip.compress(b"")[:10] + block * (4_100_000 // len(block))


async def test_twenty_parallel_bombs(tmp_path: Path) -> None:
    bomb = make_bomb()
    assert len(bomb) > 4_000_000
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.web.serve_store", f"sqlite:///{tmp_path}/bombs.db", cwd=Path(__file__).parents[2],
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None and process.stdin is not None
    base = f"http://127.0.0.1:{int(await process.stdout.readline())}"
    try:
        async with ClientSession() as session:

            async def send(path: str, headers: dict[str, str], body: bytes) -> int:
                encoded = headers | {"Content-Encoding": "gzip"}
                try:
                    async with session.post(base + path, data=BytesIO(body), headers=encoded) as answer:
                        return answer.status
                except ConnectionError:
                    return 0  # refused before all was sent

            async def watch() -> float:
                worst = 0.0
                for _ in range(20):
                    started = time.perf_counter()
                    async with session.get(f"{base}/healthz") as answer:
                        assert answer.status == 200
                    worst = max(worst, time.perf_counter() - started)
                    await asyncio.sleep(0.02)
                return worst

            await watch()
            before = memory(process.pid, "VmRSS")
            unsigned = [send("/webhooks/github", {"X-GitHub-Event": "push"}, bomb) for _ in range(BOMBS)]
            *statuses, worst = await asyncio.gather(*unsigned, watch())
            assert set(statuses) <= {401, 503}
            signed = [send("/webhooks/github", github_headers(bomb, delivery=f"bomb-{i}"), bomb) for i in range(BOMBS)]
            accepted = await asyncio.gather(*signed)
            assert set(accepted) <= {202, 503}
            assert 202 in accepted
            small = bomb[: 1 << 20]
            deployments = [send("/api/v2/dora/deployment", {"DD-API-KEY": API_KEY}, small) for _ in range(BOMBS)]
            assert set(await asyncio.gather(*deployments)) == {400}
            grown = memory(process.pid, "VmHWM") - before
            print(f"{BOMBS} bombs: +{grown / MEGABYTE:.0f} MB, slowest other answer {worst * 1000:.0f} ms")
            assert grown < 100 * MEGABYTE
            assert worst < 2.0
            assert process.returncode is None
    finally:
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 20) == 0
