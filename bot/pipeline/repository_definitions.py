"""Definitions in repositories: looked for where a sync ends, read, and brought into force file by file.

Rules:
- The files at the tip of the default branch are the truth, whatever commits led there; they are read when git names other contents
  than those that were read last.
- A file with an error leaves its last good contents in force. One that is gone takes its definitions with it.
- Of two syncs that saw a file the later one is right.
"""

import asyncio
import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from bot import git
from bot.dora.commits import Sha
from bot.dora.definitions import Problem, ServiceDefinition
from bot.dora.instants import Instant
from bot.facts.catalog import REPOSITORY, FileState, Origin, load_definition_files, plan_claims, write_claims
from bot.facts.repositories import RepositoryRow
from bot.forges.client import ForgeClient, RepositoryKey
from bot.sources.definitions import read_definitions
from bot.sources.folder import REPOSITORY_FILES
from bot.store import Reader, Row, Store, Writer

MAX_FILE = 1 << 20
"""Bytes that are fetched of a file; the reader of YAML accepts less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFile:
    """A definition file at the tip. `content` is `None` when it is what was read before, or when it could not be had (`why`)."""

    path: str
    blob: Sha
    content: bytes | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFiles:
    """All definition files at the root of the default branch, at `commit`."""

    commit: Sha
    files: tuple[FoundFile, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFile:
    """A found file as read: definitions are `None` where those in force stay."""

    found: FoundFile
    definitions: tuple[ServiceDefinition, ...] | None
    problems: tuple[Problem, ...]


# Looking ----------------------------------------------------------------------------------------------------------------


async def look_for_definitions(
    store: Store, repository_id: int, path: Path, *, branch: str, remote: git.Remote | None
) -> FoundFiles | None:
    """What a fetched repository's default branch holds now; `None` when it is what was read before, or there is no such branch.

    `remote` gives the contents that a mirror lacks; `None` for a repository that has them.
    """
    seen = await asyncio.to_thread(_see, path, branch)
    if seen is None:
        return None
    commit, blobs = seen
    known = await store.read_async(partial(_known, repository_id=repository_id))
    if not _differ(known, blobs):
        return None
    wanted = _wanted(known, blobs)
    contents = await asyncio.to_thread(_contents, path, wanted)
    missing = [blob for blob, content in contents.items() if content is None]
    if missing and remote is not None:
        try:
            await git.fetch_blobs(path, remote, missing, limit=MAX_FILE)
            contents |= await asyncio.to_thread(_contents, path, missing)
        except git.GitError as error:
            contents |= dict.fromkeys(missing, str(error))
    return _found(commit, blobs, contents)


async def ask_for_definitions(
    store: Store,
    client: ForgeClient,
    repository_id: int,
    key: RepositoryKey,
    *,
    tip: Sha,
    paths: Collection[str] = REPOSITORY_FILES,
) -> FoundFiles | None:
    """The same without a mirror: asks the forge for these `paths` at the default branch's tip. Raises as the client does."""
    known = await store.read_async(partial(_known, repository_id=repository_id))
    blobs = {path: state.blob for path, state in known.items() if path not in paths and state.blob is not None}
    contents: dict[Sha, bytes | str | None] = {}
    for path in sorted(set(paths) & set(REPOSITORY_FILES)):
        content = await client.file(key, path, ref=tip.hex())
        if content is not None:
            blobs[path] = _blob_of(content)
            contents[blobs[path]] = content if len(content) <= MAX_FILE else f"{len(content):,} bytes"
    wanted = _wanted(known, blobs)
    return _found(tip, blobs, {blob: contents[blob] for blob in wanted}) if _differ(known, blobs) else None


def _see(path: Path, branch: str) -> tuple[Sha, dict[str, Sha]] | None:
    ref = f"refs/heads/{branch}"
    commit = git.rev_parse(path, ref) if git.is_ref(ref) else None
    return None if commit is None else (commit, git.root_files(path, commit, REPOSITORY_FILES))


def _known(reader: Reader, *, repository_id: int) -> dict[str, FileState]:
    return {state.path: state for state in load_definition_files(reader, repository_id)}


def _differ(known: Mapping[str, FileState], blobs: Mapping[str, Sha]) -> bool:
    there = {path: state.blob for path, state in known.items() if state.blob is not None}
    return there != blobs or any(state.blob is None and state.problems for state in known.values())


def _wanted(known: Mapping[str, FileState], blobs: Mapping[str, Sha]) -> list[Sha]:
    return sorted({blob for path, blob in blobs.items() if path not in known or known[path].blob != blob})


def _contents(path: Path, blobs: Iterable[Sha]) -> dict[Sha, bytes | str | None]:
    """The contents of these blobs; a text says why one cannot be had, `None` that it is not here."""
    found: dict[Sha, bytes | str | None] = {}
    for blob in blobs:
        try:
            found[blob] = git.read_blob(path, blob, limit=MAX_FILE)
        except git.TooLargeError as error:
            found[blob] = str(error)
    return found


def _found(commit: Sha, blobs: Mapping[str, Sha], contents: Mapping[Sha, bytes | str | None]) -> FoundFiles:
    files = []
    for path, blob in sorted(blobs.items()):
        content = contents.get(blob)
        if isinstance(content, bytes):
            files.append(FoundFile(path=path, blob=blob, content=content))
        else:
            why = content or "its contents are not in the mirror"
            files.append(FoundFile(path=path, blob=blob, why=why if blob in contents else ""))
    return FoundFiles(commit=commit, files=tuple(files))


def _blob_of(content: bytes) -> Sha:
    """Git's name of a file's contents."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).digest()


# Reading and recording --------------------------------------------------------------------------------------------------


def read_found(found: FoundFiles, *, repository: str) -> tuple[ReadFile, ...]:
    """Read what was found, each file by itself; nothing is raised, every mistake is a problem."""
    return tuple(_read(file, repository) for file in found.files)


def _read(file: FoundFile, repository: str) -> ReadFile:
    if file.why:
        told = Problem(file=file.path, line=1, column=1, severity="error", message=f"cannot be read: {file.why}")
        return ReadFile(found=file, definitions=None, problems=(told,))
    if file.content is None:
        return ReadFile(found=file, definitions=None, problems=())
    read = read_definitions({file.path: file.content})
    said = tuple(replace(one, repository=repository) for one in read.definitions) if read.valid else None
    return ReadFile(found=file, definitions=said, problems=read.problems)


def record_definition_files(
    writer: Writer, repository: RepositoryRow, commit: Sha, read: Sequence[ReadFile], *, began_at: Instant
) -> None:
    """Bring what was read into force where it is valid, keep its problems where it is not, mark what is to derive again.

    `began_at` is when the sync began that saw it.
    """
    writer.lock("catalog")
    known = _known(writer, repository_id=repository.id)
    there = {file.found.path: file for file in read}
    claims: dict[Origin, tuple[ServiceDefinition, ...]] = {}
    rows: list[Row] = []
    for path in sorted(known.keys() | there.keys()):
        state, file = known.get(path), there.get(path)
        if state is not None and state.read_from > began_at:
            continue
        origin = Origin(rank=REPOSITORY, repository_id=repository.id, path=path)
        good = None if state is None else state.good_commit
        if file is None:
            claims[origin] = ()
            rows.append((repository.id, path, None, commit, began_at, None, "[]"))
        elif file.found.content is not None or file.found.why:
            if file.definitions is not None:
                claims[origin], good = file.definitions, commit
            blob = None if file.found.why else file.found.blob
            told = json.dumps([asdict(problem) for problem in file.problems], ensure_ascii=False)
            rows.append((repository.id, path, blob, commit, began_at, good, told))
    if not rows:
        return
    change = plan_claims(writer, claims)
    write_claims(writer, change)
    writer.write_many("definition_file", rows, on_conflict="replace")
