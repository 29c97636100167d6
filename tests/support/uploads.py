"""`datadog-ci git-metadata upload` as it behaves on the wire: the same git commands, the same bodies, its second round for shallow clones."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient

from bot.pipeline.history import unpack_path_ids
from bot.store import Store
from tests.support.gitrepo import git

SEARCH, PACK, LIST = "/api/v2/git/repository/search_commits", "/api/v2/git/repository/packfile", "/api/v2/srcmap"


def multipart(*parts: tuple[str, str, str, bytes]) -> tuple[str, bytes]:
    """Content type and body, as the npm library form-data writes them. A part: name, file name or "", type, contents."""
    boundary = "-" * 26 + uuid.uuid4().hex[:24]
    body = b""
    for name, filename, kind, contents in parts:
        file = f'; filename="{filename}"' if filename else ""
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\nContent-Type: {kind}\r\n\r\n'.encode()
        body += contents + b"\r\n"
    return f"multipart/form-data; boundary={boundary}", body + f"--{boundary}--\r\n".encode()


def pack_form(pack: bytes, *, sha: str, url: str) -> tuple[str, bytes]:
    """The request of one pack."""
    pushed = json.dumps({"data": {"id": sha, "type": "commit"}, "meta": {"repository_url": url}}).encode()
    return multipart(
        ("pushedSha", "", "application/json", pushed), ("packfile", f"{pack[-20:].hex()}.pack", "application/octet-stream", pack)
    )


def list_form(files: Sequence[str], *, sha: str, url: str) -> tuple[str, bytes]:
    """The request of the list of tracked files."""
    event = {"cli_version": "5.25.0", "git_commit_sha": sha, "git_repository_url": url, "type": "repository"}
    told = {"data": [{"files": list(files), "hash": sha, "repository_url": url}], "version": 1}
    return multipart(
        ("event", "event", "application/json", json.dumps(event).encode()),
        ("repository", "repository", "application/json", json.dumps(told).encode()),
    )


def make_packs(
    repository: Path, folder: Path, *, new: Sequence[str], known: Sequence[str] = (), since: int, parts: int = 1
) -> list[bytes]:
    """The packs of `new` without what `known` ones hold; `since` in epoch seconds.

    The client has git cut them at 3 MiB; here small ones are dealt out to `parts` packs, each of which stands alone too.
    """
    folder.mkdir(parents=True, exist_ok=True)
    objects = git(
        repository, "rev-list", "--objects", "--no-object-names", "--filter=blob:none", f"--since={since}",
        *(f"^{sha}" for sha in known), *new,
    )  # fmt: skip
    listed = objects.splitlines(keepends=True)
    return [packed(repository, folder, "".join(listed[part::parts])) for part in range(parts)]


def packed(repository: Path, folder: Path, objects: str) -> bytes:
    """A pack of these objects, one a line."""
    prefix = folder / uuid.uuid4().hex
    name = git(repository, "pack-objects", "-q", "--compression=9", "--max-pack-size=3m", str(prefix), stdin=objects.encode()).strip()
    return Path(f"{prefix}-{name}.pack").read_bytes()


@dataclass
class Uploading:
    """A CI job with a clone, and the server it uploads to."""

    client: TestClient[Any, Any]
    repository: Path
    folder: Path
    url: str
    key: str
    since: int
    parts: int = 1
    answers: list[int] = field(default_factory=list)

    async def search(self, commits: Sequence[str]) -> list[str]:
        """Which of the commits the server says it knows."""
        body = {"meta": {"repository_url": self.url}, "data": [{"id": sha, "type": "commit"} for sha in commits]}
        answer = await self.client.post(SEARCH, json=body, headers={"DD-API-KEY": self.key})
        assert answer.status == 200, await answer.text()
        assert answer.content_type in ("application/json", "application/vnd.api+json")
        return [one["id"] for one in (await answer.json())["data"]]

    async def send(self, pack: bytes, *, sha: str) -> None:
        """Send one pack."""
        kind, body = pack_form(pack, sha=sha, url=self.url)
        answer = await self.client.post(PACK, data=body, headers={"DD-API-KEY": self.key, "Content-Type": kind})
        self.answers.append(answer.status)
        assert answer.status < 300, await answer.text()

    async def plan(self, head: str) -> list[bytes]:
        """What the client would send for a commit now."""
        window = git(self.repository, "log", "-n", "1000", f"--since={self.since}", "--format=%H", head).split()
        known = await self.search(window)
        new = [sha for sha in window if sha not in known]
        if not new:
            return []
        return make_packs(self.repository, self.folder, new=new, known=known, since=self.since, parts=self.parts)

    async def upload(self, head: str) -> int:
        """Upload what the server lacks of a commit's history; how many packs that took."""
        packs = await self.plan(head)
        for pack in packs:
            await self.send(pack, sha=head)
        return len(packs)


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
