"""Rebuild equals increment: what grew event by event, corrected in the past too, is what the facts give when derived from nothing."""

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from bot.demo.deliveries import Delivery
from bot.demo.organisation import Organisation
from bot.engine.inline import Inline
from bot.engine.operations import perform
from bot.settings import Settings
from bot.store import Store
from bot.store.opening import open_store
from tests.support import organisation as acme

DERIVED = (
    "change_set", "change", "classification", "remediation", "landing", "introduced", "rebased", "pull_request_flag", "link_read", "mark",
)  # fmt: skip
MIRRORED = ("git_commit", "git_path", "git_ref")
Statement = Callable[[str], None]


@pytest.fixture(scope="module")
def organisation(tmp_path_factory: pytest.TempPathFactory) -> Organisation:
    return acme.build(tmp_path_factory.mktemp("acme"))


@pytest.fixture
def do(store_url: str, engine: str) -> Statement:
    """Change the store behind its back."""

    def run(statement: str) -> None:
        if engine == "postgres":
            with psycopg.connect(store_url, autocommit=True) as connection:
                connection.execute(statement.encode())
            return
        connection = sqlite3.connect(store_url.removeprefix("sqlite:///"), timeout=5)
        with connection:
            connection.execute(statement)
        connection.close()

    return run


def _corrected(events: list[acme.Event], key: str, **changes: object) -> acme.Event:
    """A deployment sent again later, with other attributes under the same id."""
    event = next(event for event in events if event.delivery.name == f"deployment {key}")
    attributes = dict(event.delivery.payload["data"]["attributes"])  # type: ignore[index, call-overload]
    attributes.update(changes)
    delivery = replace(event.delivery, payload={"data": {"attributes": attributes}}, name=f"correction of {key}")
    last = events[-1]
    return acme.Event(delivery=delivery, received_at=last.received_at + 10**9, receipt=last.receipt + 1)


def _operate(store: Store, settings: Settings, command: str, **arguments: object) -> None:
    async def run() -> None:
        runner = Inline(store, settings)
        await runner.run("catalog", folder=str(settings.service_definitions))
        await perform(runner, command, arguments, progress=lambda _: None)

    asyncio.run(run())


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return acme.settings_for(tmp_path)


def test_rebuild_equals_increment(store: Store, organisation: Organisation, settings: Settings, do: Statement) -> None:
    acme.know_repositories(store, organisation)
    events = acme.events_of(organisation)
    for start in range(0, len(events), 20):
        acme.play(store, settings, events[start : start + 20])
    grown = acme.outcome(store, organisation)
    for table in DERIVED:
        do(f"DELETE FROM {table}")
    assert acme.outcome(store, organisation) != grown
    _operate(store, settings, "rebuild")
    assert acme.outcome(store, organisation) == grown


def test_a_correction_in_the_past_leaves_nothing_stale(
    store: Store, organisation: Organisation, settings: Settings, do: Statement
) -> None:
    acme.know_repositories(store, organisation)
    events = acme.events_of(organisation)
    acme.play(store, settings, events)
    before = acme.outcome(store, organisation)
    earlier = {"started_at": (organisation.base - 84 * 86_400) * 10**9, "finished_at": (organisation.base - 84 * 86_400 + 60) * 10**9}
    acme.play(store, settings, [_corrected(events, "K5", **earlier)])
    moved = acme.outcome(store, organisation)
    assert moved != before
    acme.play(store, settings, [_corrected([*events, _corrected(events, "K5")], "T2", env="staging")])
    grown = acme.outcome(store, organisation)
    assert grown not in (before, moved)
    for table in DERIVED:
        do(f"DELETE FROM {table}")
    _operate(store, settings, "rebuild")
    assert acme.outcome(store, organisation) == grown


def test_mirrors_and_derived_rows_can_be_had_again(
    store: Store, organisation: Organisation, settings: Settings, do: Statement
) -> None:
    acme.know_repositories(store, organisation)
    acme.play(store, settings, acme.events_of(organisation))
    grown = acme.outcome(store, organisation)
    for table in (*DERIVED, *MIRRORED):
        do(f"DELETE FROM {table}")
    do("UPDATE repository SET synced_from = NULL, synced_at = NULL")
    for built in (organisation.shop, organisation.ledger):
        _operate(store, settings, "sync", remotes=[str(built.directory)], name=f"https://{built.spec.id}")
    _operate(store, settings, "rebuild")
    assert acme.outcome(store, organisation) == grown


def test_order_of_definitions_does_not_matter(
    store: Store, organisation: Organisation, settings: Settings, tmp_path: Path
) -> None:
    """First nobody says which paths are whose, then somebody does."""
    (tmp_path / "none").mkdir()
    acme.know_repositories(store, organisation)

    def keep(delivery: Delivery) -> bool:
        return delivery.kind == "api" or delivery.event.startswith("pull_request")

    events = acme.events_of(organisation, keep=keep)
    acme.play(store, replace(settings, service_definitions=tmp_path / "none"), events)
    undefined = acme.outcome(store, organisation)
    acme.play(store, settings, [])
    defined = acme.outcome(store, organisation)
    assert defined != undefined
    _operate(store, settings, "rebuild")
    assert acme.outcome(store, organisation) == defined


def test_both_engines_say_the_same(organisation: Organisation, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    cluster = request.getfixturevalue("cluster")
    name = cluster.take()
    found = []
    for url in (f"sqlite:///{tmp_path / 'one.db'}", str(cluster.url(name))):
        store = open_store(url)
        store.migrate()
        acme.know_repositories(store, organisation)
        acme.play(store, acme.settings_for(tmp_path), acme.events_of(organisation))
        found.append(acme.outcome(store, organisation))
        store.close()
    cluster.give_back(name)
    assert found[0] == found[1]
    assert len(found[0]) > 300
