"""Definitions in repositories: read where a sync ends, last good kept, the least origin in force whatever the order."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import count, permutations
from pathlib import Path

import pytest

from bot.dora.definitions import ServiceDefinition
from bot.dora.deployments import Series
from bot.dora.events import RepositoryRef
from bot.facts.catalog import (
    FROM_FOLDER,
    Origin,
    load_claims,
    load_definition,
    load_definition_files,
    load_definitions,
    plan_claims,
    write_claims,
)
from bot.facts.marks import INFERENCE
from bot.facts.repositories import RepositoryRow, ensure_repository
from bot.forges.client import NotThereError, RepositoryKey
from bot.pipeline import ingest, mirror
from bot.pipeline.catalog import read_catalog, record_catalog
from bot.pipeline.repository_definitions import (
    FoundFile,
    FoundFiles,
    ask_for_definitions,
    read_found,
    record_definition_files,
)
from bot.settings import load_settings
from bot.store import Store
from bot.store.migrating import FOLDER, migrate_sqlite
from bot.store.opening import open_store
from bot.store.sqlite_connection import connect, create_database
from tests.pipeline.test_catalog import SERIES, deploy, take_marks
from tests.support.gitrepo import GitRepo
from tests.support.gitserver import git_server

SERVICE, ENTITY = "service.datadog.yaml", "entity.datadog.yaml"


def text(service: str, *patterns: str, team: str = "shop") -> str:
    extension = f"extensions: {{datadoghq.com/dora-metrics: {{source_patterns: [{', '.join(patterns)}]}}}}\n" if patterns else ""
    return f"schema-version: v2.2\ndd-service: {service}\nteam: {team}\n{extension}"


def series_marks(store: Store) -> set[tuple[str, str]]:
    """The series that are marked, and no mark left; what is inferred from a repository has tests of its own."""
    return {found for found in take_marks(store) if found[0] != INFERENCE}


class Synced:
    """A repository on a git server, its mirror and its rows."""

    def __init__(self, store: Store, folder: Path, url: str, name: str = "git.example.com/acme/shop") -> None:
        self.store = store
        self.repo = GitRepo(folder / "served" / f"{name.partition('/')[2]}.git")
        self.settings = load_settings({"DATA_DIR": str(folder / "data"), "CLONE_URLS": f"git.example.com={url}"})
        self.id = store.write(lambda writer: ensure_repository(writer, RepositoryRef(name=name, forge="git"))).id
        self.clock = count(1_000)

    async def push(self, files: dict[str, str | None], *, branch: str = "main") -> mirror.Fetched:
        self.repo.commit(files=files, branch=branch)
        return await self.sync(branch)

    async def sync(self, branch: str = "main") -> mirror.Fetched:
        self.repo.close()
        wish = mirror.Wish(repository_id=self.id, ref=f"refs/heads/{branch}", version=1, attempts=0)
        access = mirror.settings_access(self.settings)
        fetched = await mirror.fetch(
            self.store, self.settings, self.id, [wish], clock=lambda: next(self.clock), access=access
        )
        assert fetched is not None
        for _ in ingest.run(self.store, fetched=fetched, progress=str, clock=lambda: next(self.clock)):
            pass
        return fetched

    def definition(self, service: str) -> ServiceDefinition | None:
        return self.store.read(lambda reader: load_definition(reader, service))

    def problems(self) -> list[tuple[str, int, int, str]]:
        files = self.store.read(load_definition_files)
        return [(f"{one.repository}:{told.file}", told.line, told.column, told.severity) for one in files for told in one.problems]


async def test_a_push_brings_definitions_into_force_and_takes_them_back(store: Store, tmp_path: Path) -> None:
    deploy(store, *SERIES)
    async with git_server(tmp_path / "served") as server:
        room = Synced(store, tmp_path, server.url)
        await room.push({"x": "1", SERVICE: text("Shopist", "src/**") + "---\n" + text("jobs"), "sub/" + SERVICE: text("deeper")})
        found = room.definition("shopist")
        assert found is not None
        assert (found.source_patterns, found.team, found.place) == (("src/**",), "shop", f"git.example.com/acme/shop@{SERVICE}:2")
        assert [one.service for one in store.read(load_definitions)] == ["jobs", "shopist"]
        assert series_marks(store) == {("changes", "shopist/prod"), ("changes", "shopist/")}

        packs = server.git.packs
        assert (await room.push({"x": "2"})).definitions is None, "nothing was said of definitions"
        assert server.git.packs == packs + 2, "one to list, one to fetch"

        await room.push({SERVICE: text("Shopist", "lib/**", team="web")}, branch="topic")
        assert room.definition("shopist") == found, "only the default branch counts"

        await room.push({SERVICE: text("Shopist", "src/**", team="web")})
        assert series_marks(store) == set(), "a team changes no number"
        await room.push({SERVICE: text("Shopist", "lib/**")})
        assert series_marks(store) == {("changes", "shopist/prod"), ("changes", "shopist/")}
        assert room.definition("jobs") is None
        await room.push({SERVICE: None})
        assert store.read(load_definitions) == ()
        assert series_marks(store) == {("changes", "shopist/prod"), ("changes", "shopist/")}
        room.repo.close()


async def test_a_broken_file_leaves_its_last_good_contents_in_force(store: Store, tmp_path: Path) -> None:
    async with git_server(tmp_path / "served") as server:
        room = Synced(store, tmp_path, server.url)
        entity = "apiVersion: v3\nkind: service\nmetadata: {name: cart, owner: carts}\n"
        await room.push({SERVICE: text("shopist"), ENTITY: entity})
        await room.push({SERVICE: text("shopist", team="web") + "teem: x\n", ENTITY: entity.replace("carts", "web")})
        assert room.problems() == [(f"git.example.com/acme/shop:{SERVICE}", 4, 1, "error")]
        shopist, cart = room.definition("shopist"), room.definition("cart")
        assert shopist and cart
        assert (shopist.team, cart.team) == ("shop", "web"), "a file stands by itself"
        states = {one.path: one for one in store.read(load_definition_files)}
        assert states[SERVICE].good_commit != states[SERVICE].commit == states[ENTITY].commit == states[ENTITY].good_commit
        await room.push({SERVICE: text("shopist", team="web")})
        assert room.problems() == []
        mended = room.definition("shopist")
        assert mended and mended.team == "web"
        room.repo.close()


async def test_contents_that_cannot_be_had_are_a_problem_and_asked_for_again(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with git_server(tmp_path / "served") as server:
        room = Synced(store, tmp_path, server.url)
        monkeypatch.setattr("bot.pipeline.repository_definitions.MAX_FILE", 3)
        fetched = await room.push({SERVICE: text("shopist")})
        assert fetched.definitions is not None
        assert room.problems() == [(f"git.example.com/acme/shop:{SERVICE}", 1, 1, "error")]
        assert room.definition("shopist") is None
        monkeypatch.undo()
        await room.sync()
        assert (room.problems(), room.definition("shopist") is not None) == ([], True)
        monkeypatch.setattr("bot.pipeline.repository_definitions.MAX_FILE", 3)
        await room.push({ENTITY: text("cart")})
        assert len(room.problems()) == 1
        await room.push({ENTITY: None})
        assert room.problems() == [], "what is gone is no problem"
        room.repo.close()


async def test_a_path_is_read_in_place(store: Store, tmp_path: Path) -> None:
    with GitRepo(tmp_path / "shop.git") as repo:
        repo.commit(files={SERVICE: text("shopist")})
    ref = RepositoryRef(name="local/shop", forge="git", remote=str(repo.path))
    id = store.write(lambda writer: ensure_repository(writer, ref, local=True)).id
    settings = load_settings({})
    access = mirror.settings_access(settings)
    fetched = await mirror.fetch(store, settings, id, [], clock=lambda: 5, access=access)
    assert fetched and fetched.definitions
    assert [(file.path, file.content) for file in fetched.definitions.files] == [(SERVICE, text("shopist").encode())]


class Forge:
    """Answers for files alone."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files, self.asked = files, []

    async def file(self, key: RepositoryKey, path: str, *, ref: str) -> bytes | None:
        self.asked.append((path, ref))
        if path not in self.files:
            return None
        return self.files[path].encode()


async def test_without_a_mirror_the_forge_is_asked(store: Store) -> None:
    row = add(store, "gitlab.com/acme/shop")
    forge, key, tip = Forge({SERVICE: text("shopist")}), RepositoryKey(path="acme/shop", forge_id="1"), b"t" * 20
    found = await ask_for_definitions(store, forge, row.id, key, tip=tip)
    assert found is not None
    # The name git would give it: `printf … | git hash-object --stdin`.
    assert [(one.path, one.blob.hex()) for one in found.files] == [(SERVICE, "40db110e044e5b8148dcec51bbacb541bb0a5ac4")]
    assert len(forge.asked) == 4
    say(store, row, found, at=1)
    assert await ask_for_definitions(store, forge, row.id, key, tip=tip) is None
    forge.files[ENTITY] = "apiVersion: v3\nkind: service\nmetadata: {name: cart}\n"
    found = await ask_for_definitions(store, forge, row.id, key, tip=tip, paths=[ENTITY, "README"])
    assert found is not None
    say(store, row, found, at=2)
    assert [one.service for one in store.read(load_definitions)] == ["cart", "shopist"]

    async def gone(*_: object, **__: object) -> bytes:
        raise NotThereError("gone")

    forge.file = gone  # type: ignore[method-assign]
    with pytest.raises(NotThereError):
        await ask_for_definitions(store, forge, row.id, key, tip=tip)


def test_what_was_in_force_before_claims_were_kept_is_the_folders(tmp_path: Path) -> None:
    old, url = tmp_path / "old", f"sqlite:///{tmp_path}/a.db"
    old.mkdir()
    for path in sorted(FOLDER.glob("*.sqlite.sql"))[:2]:
        (old / path.name).write_text(path.read_text())
    create_database(tmp_path / "a.db")
    database = connect(tmp_path / "a.db", read_only=False)
    migrate_sqlite(database, tmp_path / "a.db", until=0, folder=old)
    database.execute("INSERT INTO definition VALUES ('shop', 'Shop', 'v2.2', 'web', '[]', '[]', NULL, '[]', 'a.yaml:2')")
    database.close()
    store = open_store(url)
    store.migrate()
    (claim,) = store.read(load_claims)
    assert (claim.origin, claim.definition.place, claim.definition.team) == (FROM_FOLDER, "a.yaml:2", "web")
    assert store.read(load_definitions) == (claim.definition,)
    store.close()


# Whose word counts ------------------------------------------------------------------------------------------------------


def add(store: Store, name: str) -> RepositoryRow:
    return store.write(lambda writer: ensure_repository(writer, RepositoryRef(name=name, forge="github")))


def found(at: int, **files: str) -> FoundFiles:
    known = {"service": SERVICE, "entity": ENTITY}
    made = [FoundFile(path=known[name], blob=content.encode()[:20], content=content.encode()) for name, content in files.items()]
    return FoundFiles(commit=bytes([at]) * 20, files=tuple(made))


def say(store: Store, row: RepositoryRow, said: FoundFiles, *, at: int) -> None:
    read = read_found(said, repository=row.name)
    store.write(lambda writer: record_definition_files(writer, row, said.commit, read, began_at=at))


def fold(store: Store, folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for name, content in files.items():
        (folder / name).write_text(content)
    catalog = read_catalog(folder)
    store.write(lambda writer: record_catalog(writer, catalog, received_at=1))


def claims(store: Store, service: str) -> list[str]:
    return [claim.definition.place for claim in store.read(lambda reader: load_claims(reader, service))]


def test_the_folder_wins_then_the_least_repository(store: Store, tmp_path: Path) -> None:
    deploy(store, Series(service="shopist", env="prod"))
    folder = tmp_path / "definitions"
    later, sooner = add(store, "github.com/acme/b"), add(store, "github.com/acme/a")
    say(store, later, found(1, service=text("shopist", "b/**")), at=1)
    assert series_marks(store) == {("changes", "shopist/prod")}
    say(store, sooner, found(2, service=text("shopist", "b/**")), at=2)
    assert series_marks(store) == set(), "another origin, the same paths"
    fold(store, folder, {"shop.yaml": text("shopist", "c/**")})
    assert series_marks(store) == {("changes", "shopist/prod")}
    assert claims(store, "shopist") == ["shop.yaml:2", f"github.com/acme/a@{SERVICE}:2", f"github.com/acme/b@{SERVICE}:2"]
    one = store.read(lambda reader: load_definition(reader, "shopist"))
    assert one and one.place == "shop.yaml:2"

    fold(store, folder, {})
    assert series_marks(store) == {("changes", "shopist/prod")}
    one = store.read(lambda reader: load_definition(reader, "shopist"))
    assert one and one.place == f"github.com/acme/a@{SERVICE}:2"
    say(store, sooner, found(3), at=3)
    assert claims(store, "shopist") == [f"github.com/acme/b@{SERVICE}:2"]
    say(store, later, found(4), at=4)
    assert claims(store, "shopist") == []
    assert store.read(load_definitions) == ()


def test_ranks_go_before_all_else(store: Store) -> None:
    said = {rank: ServiceDefinition(service="shop", shown=f"{rank}", schema_version="v2.2") for rank in range(3)}
    for order in permutations(said):
        for rank in order:
            store.write(lambda w, r=rank: write_claims(w, plan_claims(w, {Origin(rank=r): (said[r],)})))
        assert [one.shown for one in store.read(load_definitions)] == ["0"]
        store.write(lambda w: write_claims(w, plan_claims(w, {Origin(rank=rank): () for rank in said})))


def test_code_that_is_claimed_in_other_ways_marks_too(store: Store) -> None:
    deploy(store, Series(service="shopist", env="prod"))
    row = add(store, "github.com/acme/shop")
    say(store, row, found(1, service=text("shopist")), at=1)
    assert series_marks(store) == {("changes", "shopist/prod")}, "a deployment from elsewhere is flagged now"
    entity = "apiVersion: v3\nkind: service\nmetadata: {name: shopist}\n"
    say(store, row, found(2, entity=entity), at=2)
    assert series_marks(store) == set()
    say(store, row, found(3, entity=entity + "datadog: {codeLocations: [{repositoryURL: 'https://github.com/acme/libs'}]}\n"), at=3)
    assert series_marks(store) == {("changes", "shopist/prod")}


def test_a_file_that_was_seen_earlier_changes_nothing_any_more(store: Store) -> None:
    row = add(store, "github.com/acme/shop")
    newest, older = found(2, service=text("shopist", team="new")), found(1, service=text("shopist", team="old"), entity=text("x"))
    say(store, row, newest, at=2)
    before = store.read(load_claims)
    say(store, row, replace(older, files=older.files[:1]), at=1)
    assert store.read(load_claims) == before
    say(store, row, found(3), at=3)
    say(store, row, newest, at=2)
    assert store.read(load_claims) == (), "what is gone stays gone"


def test_the_order_of_origins_does_not_matter(store: Store, tmp_path: Path) -> None:
    """Of each origin the last word counts; the words of different origins come in any order."""
    rows = [add(store, f"github.com/acme/{name}") for name in "ba"]
    folder = tmp_path / "definitions"
    words: list[tuple[int, dict[str, str]]] = [
        (0, {"service": text("shopist", "b/**"), "entity": text("jobs", "e/**")}),
        (1, {"service": text("shopist", "a/**") + "---\n" + text("jobs", "a/**")}),
        (2, {"f.yaml": text("shopist", "f/**")}),
        (2, {"f.yaml": text("cart", "f/**")}),
    ]
    outcomes = set()
    for order in permutations(range(len(words))):
        if order.index(2) > order.index(3):
            continue  # the folder's own words have an order
        for number in order:
            who, files = words[number]
            if who == 2:
                fold(store, folder, files)
            else:
                say(store, rows[who], found(1, **files), at=1)
        outcomes.add((store.read(load_definitions), store.read(load_claims)))
        _forget(store, rows, folder)
    (((cart, jobs, shopist), _),) = outcomes
    assert [one.place for one in (cart, jobs, shopist)] == ["f.yaml:2", f"github.com/acme/a@{SERVICE}:7", f"github.com/acme/a@{SERVICE}:2"]


def _forget(store: Store, rows: Sequence[RepositoryRow], folder: Path) -> None:
    fold(store, folder, {})
    for row in rows:
        say(store, row, found(1), at=1)
    assert store.read(load_claims) == ()
