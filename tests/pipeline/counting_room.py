"""Deployments of several sources, switches, deletions and corrections as facts, told in any order: the room of the tests of counting."""

from collections.abc import Callable
from dataclasses import dataclass

from bot.answers.deployments import DeploymentShown, find_deployment, list_deployments
from bot.answers.explain import Explanation, explain
from bot.answers.fingerprint import fingerprint_lines
from bot.answers.metrics import answer_metrics
from bot.answers.questions import Asker, Filters, MetricsQuestion, Page, parse_metrics
from bot.dora.changes import Limits
from bot.dora.events import NewDeployment
from bot.dora.instants import MINUTE, Instant
from bot.dora.metrics import Metrics
from bot.facts.deployments import record_deployment
from bot.facts.overrides import UNSET, Override, record_override
from bot.facts.sources import select_source
from bot.facts.tombstones import record_deletion
from bot.pipeline.derive import Deriver, rebuild
from bot.pipeline.explain import StoredExplainSource
from bot.pipeline.history import HistoryCache
from bot.store import Store, Writer

BEGIN = 1_790_000_000 * 10**9
LATER = BEGIN + 100_000 * MINUTE


def at(minute: float) -> Instant:
    """An instant of the story."""
    return BEGIN + int(minute * MINUTE)


@dataclass(frozen=True, kw_only=True)
class Told:
    """A fact of the story, received at a minute of it."""

    minute: float
    record: Callable[[Writer, Instant, int], object]


def deployed(
    id: str, minute: float, *, source: str = "api", version: str = "", sha: str = "", begun: float | None = None,
    told: float | None = None, env: str = "prod", service: str = "shop", tags: tuple[str, ...] = (),
) -> Told:  # fmt: skip
    """A deployment that finished at a minute; `begun` is when it started, `told` when it was received."""
    new = NewDeployment(
        id=id, service=service, env=env, version=version, repository_url="https://github.com/acme/shop" if sha else "",
        repository="github.com/acme/shop" if sha else "", commit_sha=bytes.fromhex(sha * (40 // len(sha))) if sha else None,
        started_at=at(minute if begun is None else begun), finished_at=at(minute), team="", tags=tags, source=source,
    )  # fmt: skip
    return Told(
        minute=minute if told is None else told,
        record=lambda writer, when, receipt: record_deployment(writer, new, received_at=when, receipt=receipt),
    )


def switched(minute: float, source: str, *, on: bool = True, retroactive: bool = False) -> Told:
    """Somebody turned a source of deployments on or off."""
    return Told(
        minute=minute,
        record=lambda writer, when, receipt: select_source(
            writer, "deployments", source, on=on, retroactive=retroactive, at=when, receipt=receipt
        ),
    )


def deleted(minute: float, id: str) -> Told:
    """Somebody deleted a deployment."""
    return Told(
        minute=minute,
        record=lambda writer, when, receipt: record_deletion(writer, "deployment", id, received_at=when, receipt=receipt, by="ann"),
    )


def said(minute: float, id: str, override: Override | None = None, **words: object) -> Told:
    """Somebody corrected a deployment: `failed`, `kind` and `by` (the remediation)."""
    kind = words.get("kind", UNSET)
    word = override or Override(
        deployment_id=id, change_failure=words.get("failed", UNSET),  # type: ignore[arg-type]
        remediation_type=kind, remediation_id=words.get("by", None if kind is None else UNSET),  # type: ignore[arg-type]
    )  # fmt: skip
    return Told(
        minute=minute,
        record=lambda writer, when, receipt: record_override(
            writer, word, received_at=when, receipt=receipt, by="ann", reason="seen in production"
        ),
    )


class Room:
    """A store without git, and the derivation on it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.deriver = Deriver(store, HistoryCache(), limits=Limits(), clock=lambda: LATER)

    def tell(self, *facts: Told, derive: bool = True) -> None:
        """Facts arrive, with the instants and numbers of their receipts whatever the order; then what is due is derived."""
        for fact in facts:
            when = at(fact.minute)
            self.store.write(lambda writer, fact=fact, when=when: fact.record(writer, when, int(fact.minute * 10)))
        if derive:
            self.derive()

    def derive(self) -> None:
        """Until nothing is due."""
        while self.deriver.derive_next():
            pass
        assert self.store.read(lambda reader: reader.fetch("due_marks", lambda *row: row, now=2**62, n=1)) == [], "one was postponed"

    def rebuild(self) -> None:
        """Everything again."""
        for _ in rebuild(self.store, progress=lambda _: None):
            pass
        self.derive()

    def fingerprint(self) -> list[str]:
        """What equal facts make equal."""
        return self.store.read(fingerprint_lines)

    def listed(self, **filters: object) -> dict[str, DeploymentShown]:
        """The list of deployments, by id."""
        asked = Filters(**filters)  # type: ignore[arg-type]
        found = self.store.read(lambda reader: list_deployments(reader, asked, Page()))
        return {one.id: one for one in found.data}

    def one(self, id: str) -> DeploymentShown:
        """One that is there."""
        found = self.store.read(lambda reader: find_deployment(reader, id))
        assert found is not None
        return found

    def explain(self, id: str) -> Explanation:
        """What is behind one that is there."""
        found = self.store.read(lambda reader: explain(reader, StoredExplainSource(limits=Limits()), id))
        assert found is not None
        return found

    def metrics(self, **parameters: str) -> Metrics:
        """The metrics of everything."""
        asked = {"from": "2026-09-01", "to": "2026-12-01", **parameters}
        question: MetricsQuestion = parse_metrics(list(asked.items()), Asker(now=LATER))
        (row,) = self.store.read(lambda reader: answer_metrics(reader, question)).rows
        return row.metrics
