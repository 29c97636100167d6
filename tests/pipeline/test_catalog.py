"""The catalog: what comes into force, what stays, what is marked, on both engines."""

import json
import os
from pathlib import Path

import pytest

from bot.dora.deployments import Series
from bot.dora.rules import DEFAULT_RULES
from bot.facts.catalog import load_catalog_states, load_definition, load_definitions, load_rules
from bot.facts.marks import CHANGES, RULES, parse_series_key
from bot.pipeline.catalog import (
    Catalog,
    catalog_fingerprint,
    read_catalog,
    record_catalog,
)
from bot.store import Store, Writer

SHOPIST = """\
schema-version: v2.2
dd-service: Shopist
team: shop
extensions:
  datadoghq.com/dora-metrics:
    source_patterns: [src/apps/shopist/**]
"""
PAYMENTS = """\
schema-version: v2.2
dd-service: payments
links:
  - {name: Source, type: repo, url: https://github.com/o/r/tree/main/payments}
"""
NO_STATIC = "version: 1\nstatic: []\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "definitions"
    made.mkdir()
    (made / "shopist.yaml").write_text(SHOPIST)
    (made / "payments.yaml").write_text(PAYMENTS)
    return made


def record(store: Store, folder: Path, *, at: int = 1) -> Catalog:
    catalog = read_catalog(folder)
    store.write(lambda writer: record_catalog(writer, catalog, received_at=at))
    return catalog


def deploy(store: Store, *series: Series) -> None:
    def insert(writer: Writer) -> None:
        rows = [
            (f"id-{one.service}-{one.env}", one.service, one.env, one.service, one.env, "v1", "", "", None, 1, 2, "", "[]", "api", 3, 4, "", 0)
            for one in series
        ]
        writer.write_many("deployment", rows)

    store.write(insert)


def add_pull_request(store: Store) -> None:
    row = (1, 7, "t", "b", "h", "main", "[]", "a", "open", None, 1, None, None, None, None, "[]", "[]", "{}")
    store.write(lambda writer: writer.write_many("pull_request", [row]))


def take_marks(store: Store) -> set[tuple[str, str]]:
    """The marks as (stage, service/env or pull request), and none left."""

    def take(writer: Writer) -> set[tuple[str, str]]:
        found = writer.fetch("due_marks", lambda *columns: columns, now=10**18, n=1000)
        for stage, key, _, version, _ in found:
            writer.execute("delete_mark", stage=stage, key=key, version=version)
        assert all(from_at == 0 for _, _, from_at, _, _ in found)
        return {(str(stage), _shown(str(stage), str(key))) for stage, key, *_ in found}

    return store.write(take)


def _shown(stage: str, key: str) -> str:
    if stage == RULES:
        return key
    series = parse_series_key(key)
    return f"{series.service}/{series.env}"


SERIES = (
    Series(service="shopist", env="prod"),
    Series(service="shopist", env=""),
    Series(service="payments", env="prod"),
    Series(service="other", env="prod"),
)


def test_what_was_read_comes_back(store: Store, folder: Path) -> None:
    catalog = record(store, folder)
    assert store.read(load_definitions) == catalog.definitions
    assert [one.service for one in catalog.definitions] == ["payments", "shopist"]
    assert store.read(lambda reader: load_definition(reader, "shopist")) == catalog.definitions[1]
    assert store.read(lambda reader: load_definition(reader, "Shopist")) is None
    assert store.read(load_rules) == DEFAULT_RULES
    assert [(state.kind, state.problems) for state in store.read(load_catalog_states)] == [("definitions", ()), ("rules", ())]


def test_before_anything_was_recorded_the_shipped_rules_hold(store: Store) -> None:
    assert store.read(load_rules) == DEFAULT_RULES
    assert store.read(load_definitions) == ()


def test_new_patterns_and_links_mark_their_services_series(store: Store, folder: Path) -> None:
    deploy(store, *SERIES)
    record(store, folder)
    assert take_marks(store) == {(CHANGES, "shopist/prod"), (CHANGES, "shopist/"), (CHANGES, "payments/prod")}
    (folder / "shopist.yaml").write_text(SHOPIST.replace("shopist/**", "shop/**"))
    record(store, folder)
    assert take_marks(store) == {(CHANGES, "shopist/prod"), (CHANGES, "shopist/")}
    (folder / "payments.yaml").unlink()
    record(store, folder)
    assert take_marks(store) == {(CHANGES, "payments/prod")}
    assert [one.service for one in store.read(load_definitions)] == ["shopist"]


def test_a_team_a_tag_and_another_file_mark_nothing(store: Store, folder: Path) -> None:
    deploy(store, *SERIES)
    record(store, folder)
    take_marks(store)
    (folder / "moved.yaml").write_text(SHOPIST.replace("team: shop", "team: web\ntags: [a:b]"))
    (folder / "shopist.yaml").unlink()
    (folder / "other.yaml").write_text("schema-version: v2.2\ndd-service: other\n")
    record(store, folder)
    assert take_marks(store) == set()
    moved = store.read(lambda reader: load_definition(reader, "shopist"))
    assert moved is not None
    assert (moved.team, moved.tags, moved.location) == ("web", ("a:b",), "moved.yaml:2")


def test_the_same_files_again_write_nothing(store: Store, folder: Path) -> None:
    deploy(store, *SERIES)
    record(store, folder, at=1)
    take_marks(store)
    record(store, folder, at=2)
    assert {state.received_at for state in store.read(load_catalog_states)} == {1}
    assert take_marks(store) == set()


def test_a_broken_file_leaves_the_last_good_snapshot_in_force(store: Store, folder: Path) -> None:
    deploy(store, *SERIES)
    good = record(store, folder, at=1)
    take_marks(store)
    (folder / "shopist.yaml").write_text(SHOPIST.replace("shopist/**", "shop/**"))
    (folder / "payments.yaml").write_text(PAYMENTS + "teem: x\n")
    record(store, folder, at=2)
    assert store.read(load_definitions) == good.definitions
    assert take_marks(store) == set()
    state = store.read(load_catalog_states)[0]
    assert (state.digest, state.received_at) == (good.definitions_digest, 1)
    assert [(problem.file, problem.line, problem.severity) for problem in state.problems] == [("payments.yaml", 5, "error")]
    # Mended: what had changed meanwhile comes into force, and the problems are gone.
    (folder / "payments.yaml").write_text(PAYMENTS)
    record(store, folder, at=3)
    state = store.read(load_catalog_states)[0]
    assert (state.received_at, state.problems) == (3, ())
    assert take_marks(store) == {(CHANGES, "shopist/prod"), (CHANGES, "shopist/")}


def test_an_edit_taken_back_clears_its_problems(store: Store, folder: Path) -> None:
    record(store, folder, at=1)
    (folder / "payments.yaml").write_text("[")
    record(store, folder, at=2)
    (folder / "payments.yaml").write_text(PAYMENTS)
    record(store, folder, at=3)
    state = store.read(load_catalog_states)[0]
    assert (state.received_at, state.problems) == (1, ())


def test_the_first_snapshot_may_be_broken(store: Store, folder: Path) -> None:
    (folder / "payments.yaml").write_text("[")
    record(store, folder, at=1)
    state = store.read(load_catalog_states)[0]
    assert (state.digest, len(state.problems)) == ("", 1)
    assert store.read(load_definitions) == ()
    (folder / "payments.yaml").write_text(PAYMENTS)
    record(store, folder, at=2)
    assert len(store.read(load_definitions)) == 2


def test_warnings_come_into_force(store: Store, folder: Path) -> None:
    (folder / "shopist.yaml").write_text(SHOPIST.replace(" [src/apps/shopist/**]", "\n      - **"))
    record(store, folder)
    found = store.read(lambda reader: load_definition(reader, "shopist"))
    assert found is not None
    assert found.source_patterns == ("**",)
    assert [problem.severity for problem in store.read(load_catalog_states)[0].problems] == ["warning"]


def test_changed_rules_are_marked(store: Store, folder: Path) -> None:
    deploy(store, *SERIES)
    add_pull_request(store)
    record(store, folder)
    take_marks(store)
    (folder / "rules.yaml").write_text(NO_STATIC)
    catalog = record(store, folder)
    assert store.read(load_rules) == catalog.rules != DEFAULT_RULES
    assert take_marks(store) == {(RULES, "[]")}
    # Another wording of the same rules.
    (folder / "rules.yaml").write_text(NO_STATIC + "# nothing new\n")
    record(store, folder)
    assert take_marks(store) == set()
    (folder / "rules.yaml").unlink()
    record(store, folder)
    assert store.read(load_rules) == DEFAULT_RULES
    assert take_marks(store) == {(RULES, "[]")}


def test_broken_rules_leave_the_last_good_ones_and_do_not_hold_up_definitions(store: Store, folder: Path) -> None:
    (folder / "rules.yaml").write_text(NO_STATIC)
    good = record(store, folder)
    (folder / "rules.yaml").write_text("version: 7\n")
    (folder / "payments.yaml").unlink()
    record(store, folder)
    assert store.read(load_rules) == good.rules
    assert len(store.read(load_definitions)) == 1
    assert [len(state.problems) for state in store.read(load_catalog_states)] == [0, 1]


def test_a_folder_that_is_gone_takes_nothing_away(store: Store, folder: Path) -> None:
    good = record(store, folder)
    missing = record(store, folder.parent / "gone")
    assert "cannot be read" in missing.problems[0].message
    assert store.read(load_definitions) == good.definitions
    assert [len(state.problems) for state in store.read(load_catalog_states)] == [1, 1]


def test_odd_text_is_stored_on_both_engines(store: Store, folder: Path) -> None:
    (folder / "shopist.yaml").write_text(SHOPIST.replace("team: shop", 'team: "a\\0b \\uFFFF é"'))
    (folder / os.fsdecode(b"caf\xe9.yaml")).write_text("[")
    record(store, folder)
    (folder / os.fsdecode(b"caf\xe9.yaml")).write_text("schema-version: v2.2\ndd-service: caf\n")
    record(store, folder)
    found = {one.service: one for one in store.read(load_definitions)}
    assert found["shopist"].team == "a\\u0000b \uffff é"
    assert found["caf"].location == "caf\\udce9.yaml:2"


def test_the_fingerprint_changes_with_the_files(folder: Path) -> None:
    seen = {catalog_fingerprint(folder)}
    assert catalog_fingerprint(folder) in seen
    for change in (
        lambda: (folder / "new.yaml").write_text("a"),
        lambda: (folder / "new.yaml").write_text("ab"),
        lambda: os.utime(folder / "new.yaml", ns=(5, 5)),
        lambda: (folder / "new.yaml").rename(folder / "newer.yaml"),
        lambda: (folder / "rules.yaml").write_text(NO_STATIC),
        lambda: (folder / "newer.yaml").unlink(),
    ):
        change()
        fingerprint = catalog_fingerprint(folder)
        assert fingerprint not in seen
        seen.add(fingerprint)
    (folder / "notes.txt").write_text("x")
    assert catalog_fingerprint(folder) in seen
    assert json.dumps(catalog_fingerprint(folder.parent / "gone"))
