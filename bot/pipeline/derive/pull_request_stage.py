"""The repository stage: which commits a pull request introduced, and whether it is a revert or hotfix by itself."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from bot.dora.commits import Sha
from bot.dora.deployments import Series
from bot.dora.history import History
from bot.dora.instants import Instant
from bot.dora.landing import introduced
from bot.dora.lead_time import stage_instants
from bot.dora.pull_requests import Introduced, PullRequest
from bot.dora.remediation import flag_pull_request
from bot.dora.reverts import links_of, subject_of
from bot.facts.fetches import HEAD_REFS, want_fetch
from bot.facts.link_reads import about_merge, about_number, mark_readers
from bot.facts.marks import CHANGES, CLASSIFICATION, REPOSITORY, mark_pull_request, mark_series, outdate_pending
from bot.facts.pull_requests import built_upon, find_pull_request
from bot.facts.reports import forge_to_tell, want_report
from bot.facts.repositories import RepositoryRow
from bot.pipeline.derive.difference import FLAG, INTRODUCED, LANDING, LINK_READ, REBASED, Edit, difference
from bot.pipeline.derive.origins import StoredOrigins
from bot.pipeline.derive.sources import Sources
from bot.store import Reader, Row, Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """What one pull request's derivation writes: rows, series to derive again, a head to fetch."""

    edits: tuple[Edit, ...]
    changes_of: tuple[tuple[Series, Instant], ...]
    classification_of: tuple[tuple[Series, Instant], ...]
    repository_id: int
    introduced_changed: bool
    others: tuple[int, ...]
    """Pull requests to derive again: later fast-forwards, which may begin where this one ended."""
    answers: frozenset[str]
    """What is different now and others may have been made from, as `bot.facts.link_reads` names it."""
    head_ref: str | None
    number: int
    report_to: str | None
    """The forge under whose pull request something else is to be said now."""


def derive_pull_request(reader: Reader, sources: Sources, repository_id: int, number: int) -> Derived:
    """Derive one pull request from its record and the repository's history."""
    repository = reader.fetch("repository_by_number", RepositoryRow, id=repository_id)[0]
    record = find_pull_request(reader, repository_id, number)
    history = sources.history(reader, repository_id)
    pull_request = record.pull_request if record is not None else None
    found = introduced(history, pull_request, bases=_bases(reader, repository_id, pull_request)) if pull_request else None
    old_introduced = reader.fetch("introduced_of", _row, repository_id=repository_id, number=number)
    old_landing = reader.fetch("landing_of", _row, repository_id=repository_id, number=number)
    new_introduced = _introduced_rows(repository_id, pull_request, found)
    introduced_edits = difference(INTRODUCED, old_introduced, new_introduced)
    old_rebased = reader.fetch("rebased_of", _row, repository_id=repository_id, number=number)
    new_rebased = _rebased_rows(repository_id, pull_request, found)
    rebased_edits = difference(REBASED, old_rebased, new_rebased)
    landing_edits = difference(LANDING, old_landing, _landing_rows(repository_id, pull_request, found))
    new_flag, asked = _flag_rows(reader, sources, repository, history, pull_request, found)
    old_flag = reader.fetch("flag_of", _row, repository_id=repository_id, number=number)
    flag_edits = difference(FLAG, old_flag, new_flag)
    old_reads = reader.fetch("flag_reads", _row, repository_id=repository_id, reader=str(number))
    read_edits = difference(LINK_READ, old_reads, [(REPOSITORY, str(number), repository_id, about) for about in sorted(asked)])
    touched = {bytes(row[1]) for row in (*old_introduced, *new_introduced, *old_rebased, *new_rebased)}  # type: ignore[arg-type]
    carrying = _carrying(reader, repository_id, touched)
    redo = carrying
    if introduced_edits:
        redo = _carrying(reader, repository_id, touched | _shared(reader, repository_id, touched))
    elif not landing_edits:
        redo = ()
    answers = {about_number(number)} if introduced_edits else set()
    if rebased_edits:
        answers.update(about_merge(bytes(row[1])) for row in (*old_rebased, *new_rebased))  # type: ignore[arg-type]
    return Derived(
        edits=(*introduced_edits, *rebased_edits, *landing_edits, *flag_edits, *read_edits),
        changes_of=redo,
        classification_of=carrying,
        repository_id=repository_id,
        introduced_changed=bool(introduced_edits or rebased_edits or landing_edits),
        others=tuple(sorted(_built_upon(reader, repository_id, history, pull_request))) if landing_edits else (),
        answers=frozenset(answers),
        head_ref=_missing_head(repository, pull_request, found),
        number=number,
        report_to=forge_to_tell(reader, repository_id)
        if flag_edits and pull_request is not None and pull_request.state == "open"
        else None,
    )


def record_derived(writer: Writer, derived: Derived, *, now: Instant) -> None:
    """What follows from a pull request's rows; the rows themselves are written by the deriver."""
    for series, from_at in derived.changes_of:
        mark_series(writer, series, from_at=from_at, stage=CHANGES)
    for series, from_at in derived.classification_of:
        mark_series(writer, series, from_at=from_at, stage=CLASSIFICATION)
    if derived.introduced_changed:
        # Tells those who keep a repository's introductions in memory to read them again.
        writer.allocate(f"introduced:{derived.repository_id}", 1)
        outdate_pending(writer)
    mark_readers(writer, derived.repository_id, derived.answers)
    for number in derived.others:
        mark_pull_request(writer, repository_id=derived.repository_id, number=number)
    if derived.head_ref is not None:
        want_fetch(writer, repository_id=derived.repository_id, ref=derived.head_ref, now=now)
    if derived.report_to is not None:
        want_report(writer, derived.report_to, repository_id=derived.repository_id, number=derived.number, now=now)


def _bases(reader: Reader, repository_id: int, pull_request: PullRequest) -> list[Sha]:
    """Only a fast-forward asks for them: its head is what it was merged as."""
    if pull_request.merged_at is None or pull_request.merge_sha != pull_request.head_sha:
        return []
    before = reader.fetch(
        "merged_before", bytes, repository_id=repository_id, base_ref=pull_request.base_ref,
        merged_at=pull_request.merged_at, number=pull_request.number,
    )
    ref = f"refs/heads/{pull_request.base_ref}"
    return before + reader.fetch("push_bases", bytes, repository_id=repository_id, ref=ref, after=pull_request.merge_sha)


def _built_upon(reader: Reader, repository_id: int, history: History, pull_request: PullRequest | None) -> Iterator[int]:
    """Later fast-forwards, up to the first that has this one's commit: those after it begin above that one anyway."""
    graph = history.graph
    at = None if pull_request is None or pull_request.merge_sha is None else graph.index(pull_request.merge_sha)
    if at is None:
        return
    for number, head in built_upon(reader, repository_id, pull_request):
        yield number
        there = None if head is None else graph.index(head)
        if there is not None and graph.is_ancestor(at, there):
            return


def _shared(reader: Reader, repository_id: int, shas: set[bytes]) -> set[bytes]:
    """All commits of the pull requests that introduced one of these too: of originals in common the earlier merge takes all."""
    numbers = set(reader.fetch_in("sharing_introduced", int, sorted(shas), repository_id=repository_id))
    return {
        bytes(sha)
        for number in sorted(numbers)
        for sha in reader.fetch("introduced_shas", bytes, repository_id=repository_id, number=number)
    }


def _introduced_rows(repository_id: int, pull_request: PullRequest | None, found: Introduced | None) -> list[Row]:
    if pull_request is None or found is None or pull_request.merged_at is None:
        return []
    number, merged_at = pull_request.number, pull_request.merged_at
    landed = [(repository_id, sha, number, "landed", i, merged_at) for i, sha in enumerate(found.commits)]
    originals = [(repository_id, sha, number, "original", i, merged_at) for i, sha in enumerate(found.originals)]
    return [*landed, *originals]


def _rebased_rows(repository_id: int, pull_request: PullRequest | None, found: Introduced | None) -> list[Row]:
    if pull_request is None or found is None or pull_request.merged_at is None:
        return []
    pairs = zip(found.rebased, found.commits, strict=False)
    return [(repository_id, sha, pull_request.number, landed, pull_request.merged_at) for sha, landed in pairs]


def _landing_rows(repository_id: int, pull_request: PullRequest | None, found: Introduced | None) -> list[Row]:
    if pull_request is None or pull_request.merged_at is None:
        return []
    ready_at, approved_at = stage_instants(pull_request)
    kind, flag = ("", "merge_commit_unknown") if found is None else (found.landing.value, found.flag or "")
    return [(repository_id, pull_request.number, kind, flag, pull_request.merged_at, ready_at, approved_at)]


def _flag_rows(
    reader: Reader,
    sources: Sources,
    repository: RepositoryRow,
    history: History,
    pull_request: PullRequest | None,
    found: Introduced | None,
) -> tuple[list[Row], set[str]]:
    """The flag, and what it was made from."""
    if pull_request is None:
        return [], set()
    origins = StoredOrigins(reader, repository, history)
    shas = (*found.commits, *found.originals) if found is not None else ()
    messages, rules = origins.messages(shas), sources.rules(reader)
    flag = flag_pull_request(pull_request, messages, rules, origins, shas)
    if flag is not None:
        row = (repository.id, pull_request.number, flag.rule, flag.field, flag.value, flag.target, flag.target_sha)
        return [row], origins.asked
    subject = subject_of(pull_request, messages, shas)
    link = next((link for rule in rules.linked for link in links_of(subject, rule, rules, origins)), None)
    if link is None:
        return [], origins.asked
    number, sha = (None, None) if link.original is None else (link.original.number, link.original.sha)
    return [(repository.id, pull_request.number, "", link.hit.rule.field, link.hit.seen, number, sha)], origins.asked


def _carrying(reader: Reader, repository_id: int, shas: set[bytes]) -> tuple[tuple[Series, Instant], ...]:
    """The series that carry any of these commits, with the earliest instant."""
    # Where a squashed commit gave way to its originals they are among the commits asked for: no need to ask who stands behind it.
    rows = reader.fetch_in("series_of_commits", _row, sorted(shas), repository_id=repository_id)
    earliest: dict[Series, Instant] = defaultdict(lambda: 2**63 - 1)
    for service, env, finished_at in rows:
        series = Series(service=str(service), env=str(env))
        earliest[series] = min(earliest[series], int(finished_at))  # type: ignore[arg-type]
    return tuple(sorted(earliest.items()))


def _missing_head(repository: RepositoryRow, pull_request: PullRequest | None, found: Introduced | None) -> str | None:
    if pull_request is None or found is None or not found.head_missing or repository.forge not in HEAD_REFS:
        return None
    return HEAD_REFS[repository.forge].format(pull_request.number)


def _row(*columns: object) -> Row:
    return tuple(columns)  # type: ignore[arg-type]
