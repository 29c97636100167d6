"""The demo's organisation, played into a store without HTTP: the same bodies through inbox and engine, in any order."""

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from bot.answers.fingerprint import fingerprint_lines
from bot.answers.metrics import answer_metrics, metrics_json
from bot.answers.questions import Asker, parse_metrics
from bot.demo.deliveries import Delivery
from bot.demo.organisation import Organisation, build_organisation
from bot.demo.story import story
from bot.dora.events import RepositoryRef
from bot.dora.instants import SECOND
from bot.engine.inline import Inline
from bot.facts.deployments import record_deployment
from bot.facts.failures import record_failure
from bot.facts.repositories import ensure_repository
from bot.settings import Settings, load_settings
from bot.sources.datadog import parse_deployment
from bot.sources.failures import parse_failure
from bot.store import Receipt, Store

BASE = date(2026, 11, 1)
DEFINITIONS = Path("bot/demo/service_definitions").resolve()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One delivery or API call with its fixed receipt instant (nanoseconds) and number."""

    delivery: Delivery
    received_at: int
    receipt: int


def build(root: Path) -> Organisation:
    """The organisation's repositories on disk."""
    return build_organisation(root, BASE)


def events_of(organisation: Organisation, *, keep: Callable[[Delivery], bool] = lambda _: True) -> list[Event]:
    """The story as events; receipt instants are distinct and in the story's order."""
    kept = [delivery for delivery in story(organisation) if keep(delivery)]
    first = (organisation.base + 2 * 86_400) * SECOND
    return [Event(delivery=one, received_at=first + i * SECOND, receipt=i + 1) for i, one in enumerate(kept)]


def settings_for(folder: Path) -> Settings:
    """Settings of a store in `folder`, with the demo's definitions."""
    return load_settings({"DATA_DIR": str(folder), "SERVICE_DEFINITIONS": str(DEFINITIONS)})


def know_repositories(store: Store, organisation: Organisation) -> None:
    """Both repositories are read in place, in their final state."""
    for built, forge in ((organisation.shop, "github"), (organisation.ledger, "gitlab")):
        ref = RepositoryRef(name=built.spec.id, forge=forge, remote=str(built.directory))
        store.write(lambda writer, ref=ref: ensure_repository(writer, ref, local=True))


async def receive(store: Store, event: Event) -> None:
    """What the door does with one event: a webhook into the inbox, an API call into fact and mark."""
    delivery = event.delivery
    told = {"received_at": event.received_at, "receipt": event.receipt}
    if delivery.event == "deployment":
        new = parse_deployment(delivery.body)
        await store.write_async(lambda writer: record_deployment(writer, new, **told))
        return
    if delivery.event == "failure":
        failure = parse_failure(delivery.body)
        await store.write_async(lambda writer: record_failure(writer, failure, **told))
        return
    await store.append(
        Receipt(
            source=delivery.kind, key=delivery.id, event=delivery.event, received_at=event.received_at,
            headers={"content-type": "application/json"}, body=delivery.body,
        )
    )


async def settle(store: Store, settings: Settings) -> None:
    """Work until nothing is due, definitions included."""
    runner = Inline(store, settings)
    await runner.run("catalog", folder=str(settings.service_definitions))
    await runner.settle(lambda _: None)


def play(store: Store, settings: Settings, events: Iterable[Event]) -> None:
    """Receive events in this order, then work until nothing is due."""

    async def do() -> None:
        for event in events:
            await receive(store, event)
        await settle(store, settings)

    asyncio.run(do())


def shuffled(events: Sequence[Event], chance: random.Random) -> list[Event]:
    """The events in a random order, some of them two or three times."""
    order = [*events, *chance.choices(events, k=len(events) // 5)]
    chance.shuffle(order)
    return order


def outcome(store: Store, organisation: Organisation) -> list[str]:
    """Every column of facts and derived rows, and the metrics of the whole period, a line each."""
    end = (organisation.base + 86_400) * SECOND
    question = [("from", "2026-01-01"), ("to", "2026-11-02"), ("group_by", "service"), ("group_by", "env")]
    asker = Asker(now=end)

    def work(reader):  # type: ignore[no-untyped-def]
        answer = metrics_json(answer_metrics(reader, parse_metrics(question, asker)))
        return [*fingerprint_lines(reader), *(repr(row) for row in answer["data"])]

    return store.read(work)
