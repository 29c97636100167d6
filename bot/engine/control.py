"""The server's own door for commands: a Unix socket, one JSON object per line, in a folder only its owner can enter.

A request is `{"command", "arguments"}`; the answers are `{"progress"}` lines and at last `{"result"}` or `{"error"}`. When who asked
goes away, nobody waits for the result any more: what runs here ends at its next wait, and what the engine was given goes on.
"""

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from bot.dora.commits import Sha

Progress = Callable[[str], None]
Perform = Callable[[str, Mapping[str, object], Progress], Awaitable[object]]
LINE_LIMIT = 1024 * 1024


class ControlError(Exception):
    """The server refused a command, or went away while it was doing it."""


async def listen(perform: Perform) -> tuple[asyncio.Server, Path]:
    """Serve commands; the socket's path is short, as the system wants it (108 bytes)."""
    folder = Path(tempfile.mkdtemp(prefix="rollforward-"))
    path = folder / "control"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _answer(reader, writer, perform)

    server = await asyncio.start_unix_server(answer, path, limit=LINE_LIMIT)
    path.chmod(0o600)
    return server, path


def close(server: asyncio.Server, path: Path) -> None:
    """Stop listening and remove the socket."""
    server.close()
    shutil.rmtree(path.parent, ignore_errors=True)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, perform: Perform) -> None:
    def say(kind: str, value: object) -> None:
        writer.write(json.dumps({kind: value}, default=_plain).encode() + b"\n")

    try:
        request = json.loads(await reader.readline())
        work = perform(request["command"], request["arguments"], lambda text: say("progress", text))
        result = await _while_asked(reader, work)
        say("result", result)
        await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    except Exception as error:  # noqa: BLE001 - the asking command shows it
        say("error", str(error) or type(error).__name__)
    finally:
        writer.close()


async def _while_asked(reader: asyncio.StreamReader, work: Awaitable[object]) -> object:
    """What `work` results in; raises ConnectionError, and cancels it, when who asked goes away."""
    doing, gone = asyncio.ensure_future(work), asyncio.ensure_future(reader.read(1))
    try:
        await asyncio.wait({doing, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise ConnectionError("who asked went away")
        return doing.result()
    finally:
        doing.cancel()
        gone.cancel()
        await asyncio.gather(doing, gone, return_exceptions=True)


def _plain(value: object) -> object:
    if isinstance(value, Sha):
        return value.hex()
    raise TypeError(type(value).__name__)


async def ask(path: Path, command: str, arguments: Mapping[str, object], *, progress: Progress) -> object:
    """Let the server do a command. Raises ControlError with the server's reason."""
    try:
        reader, writer = await asyncio.open_unix_connection(path, limit=LINE_LIMIT)
    except OSError as error:
        raise ControlError(f"the server that owns the store does not answer on {os.fspath(path)}") from error
    try:
        writer.write(json.dumps({"command": command, "arguments": dict(arguments)}).encode() + b"\n")
        await writer.drain()
        while line := await reader.readline():
            answer = json.loads(line)
            if "progress" in answer:
                progress(answer["progress"])
            elif "error" in answer:
                raise ControlError(answer["error"])
            else:
                return answer["result"]
    finally:
        writer.close()
    raise ControlError("the server went away while it was working; the command can be given again")
