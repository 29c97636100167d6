"""Record what forges tell, a batch at a time: one transaction, read before it is written."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from bot.dora.events import (
    DeploymentSeen,
    ForgeEvent,
    InstallationChanged,
    IssueSeen,
    NamespaceRenamed,
    PullRequestSeen,
    Push,
    ReleaseSeen,
    RepositoryChanged,
    RepositoryRef,
)
from bot.dora.instants import Instant
from bot.facts.errands import PULL_REQUEST, owner_of, want_errand
from bot.facts.forge_facts import record_deployments_seen, record_issues, record_releases
from bot.facts.installations import record_installations
from bot.facts.marks import outdate_pending
from bot.facts.pull_requests import record_pull_requests
from bot.facts.pushes import record_pushes
from bot.facts.repositories import ACTIVE, REMOVED, RepositoryRow, record_repositories
from bot.facts.test_merges import record_test_merges
from bot.store import Writer

Told = Push | PullRequestSeen | DeploymentSeen | ReleaseSeen | IssueSeen
"""What tells of something in a repository, and by that of the repository."""


def record_events(writer: Writer, events: Sequence[ForgeEvent], *, now: Instant) -> None:
    """Record a batch of events, grouped by what they are about (a work reads before it writes)."""
    told = [event for event in events if isinstance(event, Told)]
    refs = {_dated(event.repository, now) for event in told}
    renames = [event for event in events if isinstance(event, NamespaceRenamed)]
    rows = record_repositories(writer, refs, changes=list(_changes(events, now)), renames=renames, now=now)
    record_installations(writer, [event for event in events if isinstance(event, InstallationChanged)])
    pairs = [(rows[_dated(event.repository, now)], event) for event in told]
    _record_histories(writer, pairs, now=now)
    record_deployments_seen(writer, [(row.id, one) for row, one in pairs if isinstance(one, DeploymentSeen)])
    record_releases(writer, [(row.id, one) for row, one in pairs if isinstance(one, ReleaseSeen)])
    record_issues(writer, [(row.id, one) for row, one in pairs if isinstance(one, IssueSeen)])


def _changes(events: Sequence[ForgeEvent], now: Instant) -> Iterator[RepositoryChanged]:
    """What happened to repositories: an installation's, too, become readable or stop being."""
    for event in events:
        if isinstance(event, RepositoryChanged):
            yield replace(event, repository=_dated(event.repository, now))
        elif isinstance(event, InstallationChanged):
            for state, refs in ((ACTIVE, event.added), (REMOVED, event.removed)):
                for ref in refs:
                    yield RepositoryChanged(repository=_dated(ref, now), at=event.at, state=state)


def _record_histories(writer: Writer, pairs: Sequence[tuple[RepositoryRow, Told]], *, now: Instant) -> None:
    """Pushes and pull requests."""
    pushes: dict[RepositoryRow, list[Push]] = defaultdict(list)
    seen: dict[tuple[RepositoryRow, int], list[PullRequestSeen]] = defaultdict(list)
    for row, event in pairs:
        if isinstance(event, Push):
            pushes[row].append(event)
        elif isinstance(event, PullRequestSeen):
            seen[row, event.pull_request.number].append(event)
    for row, group in sorted(pushes.items(), key=lambda item: item[0].id):
        record_pushes(writer, row.id, group, now=now)
    changed = False
    for (row, number), sightings in sorted(seen.items(), key=lambda item: (item[0][0].id, item[0][1])):
        recorded = record_pull_requests(writer, row.id, sightings, now=now)
        changed = changed or recorded.changed
        record_test_merges(writer, row.id, sightings, now=now)
        if recorded.contested:
            want_errand(
                writer, kind=PULL_REQUEST, forge=row.forge, owner=owner_of(row.name), repository_id=row.id,
                subject=str(number), urgent=True, now=now,
            )  # fmt: skip
    if changed:
        # Once, however many there are: each pending mark is touched.
        outdate_pending(writer)


def _dated(ref: RepositoryRef, now: Instant) -> RepositoryRef:
    """A ref that came without an instant is of now; one without a number claims no name from any instant on."""
    return replace(ref, seen_at=now) if ref.seen_at is None and ref.forge_id else ref
