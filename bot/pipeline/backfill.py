"""Backfill: deployments out of a repository's tags, releases and forge deployments: the first numbers are there at once.

What is recorded is a rule, which stands; the deployments follow from it (`derive/inference_stage.py`). Its source is turned
on with everything that is kept.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial

from bot.dora.events import NewDeployment
from bot.dora.inference import FORGE_DEPLOYMENTS, FORGES, RELEASES, TAGS, InferenceRule
from bot.dora.instants import Instant
from bot.facts.inference_rules import delete_inference_rule, record_inference_rule
from bot.facts.repositories import RepositoryRow, find_repository
from bot.facts.sources import select_source
from bot.pipeline.derive.inferred_forge import ForgeFacts, follow_from, load_forge_facts
from bot.store import Reader, Store, Writer

SHOWN = {TAGS: "tag", RELEASES: "release", FORGE_DEPLOYMENTS: "forge deployment"}


class BackfillError(Exception):
    """A backfill cannot be done as asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What follows from a rule. Each thing that is shown is one deployment of each service."""

    repository: RepositoryRow
    source: str
    services: list[str]
    deployments: list[NewDeployment]
    new: int


def backfill(
    store: Store,
    *,
    progress: Callable[[str], None],
    clock: Callable[[], Instant],
    kind: str,
    pattern: str = "*",
    service: str = "",
    env: str = "",
    repository: str | None = None,
    since: Instant | None = None,
    prereleases: bool = True,
) -> Generator[None, None, dict[str, object]]:
    """Record a rule and turn its source on, if anything follows from it now. Raises BackfillError."""
    rule = InferenceRule(
        kind=kind, pattern=pattern, service=service.strip(), env=env.strip(), since=since, prereleases=prereleases
    )
    plan = store.read(partial(_plan, rule=rule, name=repository))
    progress(f"{len(plan.deployments):,} deployments follow")
    yield
    at = clock()

    def record(writer: Writer) -> None:
        select_source(writer, "deployments", plan.source, on=True, retroactive=True, at=at)
        if kind != FORGE_DEPLOYMENTS or rule.service:
            record_inference_rule(writer, plan.repository.id, rule)

    store.write(record)
    return {
        "repository": plan.repository.name,
        "source": plan.source,
        "services": plan.services,
        kind: len(plan.deployments) // len(plan.services),
        "deployments": len(plan.deployments),
        "new": plan.new,
    }


def forget(
    store: Store,
    *,
    progress: Callable[[str], None],
    kind: str,
    pattern: str = "*",
    service: str = "",
    env: str = "",
    repository: str | None = None,
) -> Generator[None, None, dict[str, object]]:
    """Take a rule back: what followed from it alone goes. Raises BackfillError."""
    rule = InferenceRule(kind=kind, pattern=pattern, service=service.strip(), env=env.strip())

    def work(writer: Writer) -> RepositoryRow:
        row = repository_meant(writer, repository)
        if not delete_inference_rule(writer, row.id, rule):
            raise BackfillError(f"nobody asked for that of {row.name}: a rule is found by the same options that made it")
        return row

    row = store.write(work)
    progress("forgotten")
    yield
    return {"repository": row.name, "forgotten": kind}


def _plan(reader: Reader, *, rule: InferenceRule, name: str | None) -> _Plan:
    row = repository_meant(reader, name)
    facts = load_forge_facts(reader, row)
    if not rule.service and not facts.services:
        raise BackfillError(f"no service definition names {row.name}; name the service with --service")
    if rule.kind == FORGE_DEPLOYMENTS and row.forge not in FORGES:
        raise BackfillError(f"{row.name} lies on no forge whose deployments are known")
    found = [one for one in follow_from(facts, [rule]) if (one.source == TAGS) is (rule.kind != FORGE_DEPLOYMENTS)]
    if rule.service:
        found = [one for one in found if one.service.casefold() == rule.service.casefold()]
    if not found:
        raise BackfillError(_nothing(row, rule, facts))
    known = set(reader.fetch_in("deployments_there", str, [one.id for one in found]))
    return _Plan(
        repository=row, source=row.forge if rule.kind == FORGE_DEPLOYMENTS else TAGS,
        services=sorted({one.service for one in found}), deployments=found,
        new=sum(one.id not in known for one in found),
    )  # fmt: skip


def _nothing(row: RepositoryRow, rule: InferenceRule, facts: ForgeFacts) -> str:
    there = {TAGS: facts.tags, RELEASES: facts.releases, FORGE_DEPLOYMENTS: facts.deployments}[rule.kind]
    known = f"{len(there)} {SHOWN[rule.kind]}s known"
    since = " since then" if rule.since is not None else ""
    if rule.kind == TAGS:
        return f"no tag of {row.name} matches {rule.pattern!r}{since} ({known})"
    state = "was published" if rule.kind == RELEASES else "succeeded"
    return f"no {SHOWN[rule.kind]} of {row.name} {state}{since} ({known})"


def repository_meant(reader: Reader, name: str | None) -> RepositoryRow:
    """The repository that a person names, or the only one. Raises BackfillError."""
    rows = reader.fetch("all_repositories", RepositoryRow)
    if name is not None:
        meant = find_repository(reader, name.strip().lower())
        rows = [meant] if meant is not None else [row for row in rows if row.name.endswith(name)]
    if len(rows) == 1:
        return rows[0]
    known = ", ".join(row.name for row in rows)
    if not rows:
        raise BackfillError("no such repository is synced; `rollforward sync PATH-OR-URL` does it")
    raise BackfillError(f"several repositories are synced; name one with --repo: {known}")
