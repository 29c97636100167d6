"""A repository in a store, and the means to bring more of it there: what the tests of mirror, ingest and history share."""

import sqlite3
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psycopg

from bot.dora.events import RepositoryRef
from bot.facts.marks import INFERENCE
from bot.facts.repositories import ensure_repository
from bot.pipeline import ingest, mirror
from bot.pipeline.history import unpack_path_ids
from bot.store import Store
from bot.store.opening import sqlite_path
from bot.store.tables import TABLES

NAME = "github.com/acme/shop"


class Room:
    """A repository on disk and its rows."""

    def __init__(self, store: Store, url: str, path: Path, *, name: str = NAME) -> None:
        self.store, self.url, self.path, self.name = store, url, path, name
        ref = RepositoryRef(name=name, forge="github", remote=str(path))
        self.id = store.write(lambda writer: ensure_repository(writer, ref, local=True)).id
        self.clock = count(1_000)
        self.said: list[str] = []

    def start(self, *refs: str, path: Path | None = None) -> Iterator[None]:
        """An ingest, not begun; of all refs, or of these alone."""
        fetched = mirror.Fetched(
            repository_id=self.id, path=str(path or self.path), began_at=next(self.clock), full=not refs,
            wishes=tuple(mirror.Wish(repository_id=self.id, ref=ref, version=1, attempts=0) for ref in refs or ("*",)),
        )
        return ingest.run(self.store, fetched=fetched, progress=self.said.append, clock=lambda: next(self.clock))

    def ingest(self, *refs: str, path: Path | None = None) -> ingest.Ingested:
        """A whole ingest."""
        job = self.start(*refs, path=path)
        while True:
            try:
                next(job)
            except StopIteration as end:
                assert isinstance(end.value, ingest.Ingested)
                return end.value

    def rows(self, table: str) -> list[tuple]:
        """The repository's rows of a table (all, where it knows no repository), by a way of their own, by the first columns."""
        columns = TABLES[table].columns
        mine = f"WHERE {columns[0]} = {self.id}" if columns[0] == "repository_id" or table == "repository" else ""
        query = f'SELECT {", ".join(columns)} FROM "{table}" {mine} ORDER BY 1, 2'
        path = sqlite_path(self.url)
        if path is None:
            with psycopg.connect(self.url) as connection:
                return connection.execute(query).fetchall()
        reader = sqlite3.connect(path)
        try:
            return reader.execute(query).fetchall()
        finally:
            reader.close()

    def commits(self) -> dict[str, tuple]:
        """Sha → (completeness, parents, authored and committed in seconds, author, subject, body, sorted paths or None)."""
        paths = {number: path for _, number, path in self.rows("git_path")}
        found = {}
        for _, _, sha, completeness, parents, *rest, packed in self.rows("git_commit"):
            ids = None if packed is None else unpack_path_ids(packed)
            assert ids is None or list(ids) == sorted(ids)
            names = None if ids is None else sorted(paths[number] for number in ids)
            found[sha.hex()] = (completeness, parents.hex(), *rest, names)
        return found

    def refs(self) -> dict[str, str]:
        """Ref → sha."""
        return {name: sha.hex() for _, name, sha, _ in self.rows("git_ref")}

    def facts(self) -> dict[str, object]:
        """All that was ingested, without the numbers that follow the order of arrival."""
        return {"commits": self.commits(), "refs": self.rows("git_ref"), "paths": sorted(row[2] for row in self.rows("git_path"))}

    def take_marks(self) -> list[tuple[str, str, int]]:
        """What is dirty but for inferences (tests/pipeline/test_inference.py has those); it is forgotten."""
        found = [row[:3] for row in self.rows("mark") if row[0] != INFERENCE]
        versions = {row[:2]: row[3] for row in self.rows("mark")}
        for (stage, key), version in versions.items():
            self.store.write(lambda w, s=stage, k=key, v=version: w.execute("delete_mark", stage=s, key=k, version=v))
        return found
