"""Fetching: `async`, with a time-out and a size cap; a stopped git takes its children with it."""

import asyncio
import contextlib
import os
import re
import signal
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from bot.git.arguments import clean, is_ref, protocols_for
from bot.git.environment import FETCHING, environment
from bot.git.errors import (
    BadArgumentError,
    BadObjectsError,
    GitError,
    GitMissingError,
    GitTimeoutError,
    ProtocolRefusedError,
    RefConflictError,
    RefMissingError,
    RemoteError,
    RemoteNotFoundError,
    RemoteRefusedError,
    TooLargeError,
)
from bot.git.local import delete_refs, first_lines

FETCH_TIMEOUT = 3_600.0
BLOB_TIMEOUT = 60.0
MAX_PACK = 4 * 2**30
"""Bytes a single fetched file may have; what matters where a server cannot leave the contents out."""

ALL_HEADS = "+refs/heads/*:refs/heads/*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What a fetch found out: refs the remote does not have, and whether it could leave file contents out."""

    missing: tuple[str, ...] = ()
    filtered: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """Where and how to fetch. `token` is kept out of every representation; `plain_hosts` may be spoken to over http."""

    url: str
    token: str = ""
    username: str = "x-access-token"
    plain_hosts: frozenset[str] = frozenset()
    timeout: float = FETCH_TIMEOUT
    max_pack: int = MAX_PACK

    def __repr__(self) -> str:
        return f"Remote(url={clean(self.url)!r})"


async def fetch_all(mirror: Path, remote: Remote) -> Fetched:
    """Bring all branches and tags, without file contents; branches that are gone go, tags stay.

    Raises a `RemoteError`, `GitTimeoutError` or `BadArgumentError`.
    """
    # Tags asked for by --tags alone are not pruned.
    return await _fetch(mirror, remote, [ALL_HEADS], "--prune", "--tags")


async def fetch_refs(mirror: Path, remote: Remote, names: Iterable[str]) -> Fetched:
    """Bring just these refs (`refs/heads/…`, `refs/pull/12/head`); those the remote does not have are told, and forgotten here.

    Raises as `fetch_all` does.
    """
    wanted = list(dict.fromkeys(names))
    if bad := [name for name in wanted if not is_ref(name)]:
        raise BadArgumentError(f"not a ref: {bad[0]!r}")
    if not wanted:
        return Fetched()
    try:
        return await _fetch(mirror, remote, [f"+{name}:{name}" for name in wanted], "--no-tags")
    except RefMissingError:
        pass
    there = await list_remote(remote, mirror)
    found = [name for name in wanted if name in there]
    missing = tuple(name for name in wanted if name not in there)
    delete_refs(mirror, missing)
    if not found:
        return Fetched(missing=missing)
    done = await _fetch(mirror, remote, [f"+{name}:{name}" for name in found], "--no-tags")
    return Fetched(missing=missing, filtered=done.filtered)


async def fetch_blobs(mirror: Path, remote: Remote, blobs: Iterable[bytes], *, limit: int) -> None:
    """Bring the contents of a few files, which the other fetches leave out; at most `limit` bytes as sent.

    Raises as `fetch_all` does.
    """
    options = ["--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules", "--stdin"]
    narrow = replace(remote, max_pack=min(limit, remote.max_pack), timeout=min(BLOB_TIMEOUT, remote.timeout))
    stdin = "".join(f"{blob.hex()}\n" for blob in blobs).encode()
    try:
        await _network(mirror, narrow, ["fetch", *options, "--", "origin"], stdin=stdin)
    except GitError:
        _sweep(mirror)
        raise


async def list_remote(remote: Remote, mirror: Path) -> frozenset[str]:
    """The names of all refs that the remote offers."""
    said, _ = await _network(mirror, remote, ["ls-remote", "--quiet", "--refs", "--", "origin"])
    return frozenset(line.partition(b"\t")[2].decode("utf-8", "backslashreplace") for line in said.splitlines())


async def remote_default_branch(remote: Remote, mirror: Path) -> str | None:
    """The short name of the branch that the remote's HEAD names, if it says so."""
    said, _ = await _network(mirror, remote, ["ls-remote", "--quiet", "--symref", "--", "origin", "HEAD"])
    found = re.search(rb"^ref: refs/heads/(\S+)\tHEAD$", said, re.MULTILINE)
    return found[1].decode("utf-8", "backslashreplace") if found else None


async def _fetch(mirror: Path, remote: Remote, refspecs: Sequence[str], *options: str) -> Fetched:
    command = [
        "fetch", "--quiet", "--force", "--filter=blob:none", "--no-write-fetch-head", "--no-auto-maintenance",
        "--no-recurse-submodules", "--no-show-forced-updates", *options,
    ]
    # Refs by standard input: a batch of thousands does not fit into arguments.
    stdin = "".join(f"{refspec}\n" for refspec in refspecs).encode()
    try:
        _, stderr = await _network(mirror, remote, [*command, "--stdin", "--", "origin"], stdin=stdin)
    except GitError:
        _sweep(mirror)
        raise
    return Fetched(filtered=b"filtering not recognized" not in stderr)


def _absolute(mirror: Path) -> Path:
    return mirror.absolute()


def _sweep(mirror: Path) -> None:
    """Remove what a broken fetch left behind."""
    for broken in mirror.glob("objects/pack/tmp_*"):
        broken.unlink(missing_ok=True)


async def _network(
    mirror: Path, remote: Remote, arguments: Sequence[str], *, stdin: bytes = b""
) -> tuple[bytes, bytes]:
    protocols = protocols_for(remote.url, plain_hosts=remote.plain_hosts)
    config = {**FETCHING, "remote.origin.url": remote.url, "http.followRedirects": "initial"}
    if remote.token:
        parts = urlsplit(remote.url)
        basic = b64encode(f"{remote.username}:{remote.token}".encode()).decode()
        config[f"http.{parts.scheme}://{parts.netloc}/.extraHeader"] = f"Authorization: Basic {basic}"
        # The header would follow a redirect to whatever host it names.
        config["http.followRedirects"] = "false"
    where = _absolute(mirror)
    try:
        process = await asyncio.create_subprocess_exec(
            "git", *arguments, cwd=where, env=environment(where, protocols=protocols, config=config),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise GitMissingError("the git program is not installed, or the mirror is gone") from error
    _cap(process.pid, remote.max_pack)
    try:
        async with asyncio.timeout(remote.timeout):
            stdout, stderr = await process.communicate(stdin)
    except TimeoutError as error:
        raise GitTimeoutError(f"git {arguments[0]} took longer than {remote.timeout:.0f} s") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if process.returncode:
        raise _remote_error(arguments[0], stderr, remote)
    return stdout, stderr


def _cap(pid: int, size: int) -> None:
    """Limit the files a process and its children write, where the system can."""
    try:
        import resource

        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, size))
    except (ImportError, AttributeError):
        return


_SAID: tuple[tuple[re.Pattern[str], type[GitError]], ...] = (
    (re.compile(r"couldn't find remote ref", re.IGNORECASE), RefMissingError),
    (re.compile(r"cannot lock ref|some local refs could not be updated", re.IGNORECASE), RefConflictError),
    (re.compile(r"signal 25|File too large|maximum allowed size", re.IGNORECASE), TooLargeError),
    (re.compile(r"transport '.*' not allowed", re.IGNORECASE), ProtocolRefusedError),
    (re.compile(r"could not read (?:Username|Password)|Authentication failed|error: 40[13]", re.IGNORECASE), RemoteRefusedError),
    (re.compile(r"repository .* not found|error: 404|not appear to be a git repository", re.IGNORECASE), RemoteNotFoundError),
    (re.compile(r"fsck error|bad object|invalid index-pack output", re.IGNORECASE), BadObjectsError),
)


def _remote_error(verb: str, stderr: bytes, remote: Remote) -> GitError:
    """What git said, as one of this module's errors; the first row that matches wins."""
    said = first_lines(stderr, token=remote.token)
    kind = next((kind for pattern, kind in _SAID if pattern.search(said)), RemoteError)
    return kind(f"git {verb}: {said}")
