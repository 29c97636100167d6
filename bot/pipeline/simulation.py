"""Tries rules on what is stored: reads one series at a time as its derivation does, writes nothing."""

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from bot.dora.commits import Sha
from bot.dora.deployments import Deployment, Series
from bot.dora.instants import Instant
from bot.dora.metrics import Window
from bot.dora.remediation import Carried
from bot.dora.reverts import Origins
from bot.dora.rules import NO_RULES, CompiledRules, RuleSet, compile_rules, rules_of
from bot.dora.simulation import Ears, Outside, Proposal, Trial, changed_rules, propose, simulate
from bot.facts.catalog import load_definitions, load_rules, load_service_rules
from bot.facts.pull_requests import load_pull_requests
from bot.guard import decode_json_as
from bot.pipeline.derive.changes_stage import SeriesFacts, load_series
from bot.pipeline.derive.classification_stage import load_carried, load_corrections, origins_of, recall_of
from bot.pipeline.derive.origins import load_messages
from bot.pipeline.derive.sources import SeriesRepository, Sources
from bot.store import Reader, Value

REMEMBERED = 64
"""Rule sets that are kept compiled."""
MOST_OUTSIDE = 5_000
"""Commits of one deployment's range that are looked at though the path filter left them out; the newest."""


class StoredTrials:
    """Tries rules on stored series, with the histories of `sources`. Threads take turns, a series each."""

    def __init__(self, sources: Sources, turn: threading.Lock) -> None:
        self.sources, self.turn = sources, turn
        self._compiled: dict[RuleSet, CompiledRules] = {}
        self._ears: tuple[CompiledRules, frozenset[str] | None, Ears] | None = None

    def rules(self, reader: Reader, service: str, proposal: Proposal, /) -> tuple[RuleSet, RuleSet]:
        """A service's rules ("": those where no definition says anything) as they are, and with what is proposed for `rules.yaml`."""
        today = load_rules(reader)
        own = load_service_rules(reader, service) if service else NO_RULES
        return rules_of(today, own), rules_of(propose(today, proposal), own)

    def touched(
        self, reader: Reader, proposal: Proposal, /, *, window: Window, service: str, focus: frozenset[str] | None, hurry: Callable[[], None]
    ) -> frozenset[Series] | None:
        """The series ("" as service: of all) of which a trial may tell more than what is derived of them; `None`: any.

        In the others no text of the window is one in which a rule that matters here sees anything, even nearly.
        """
        today, proposed = map(self._compile, self.rules(reader, "", proposal))
        if today.options != proposed.options:
            return None
        ears = _that_matter(self.rules(reader, "", proposal), today, proposed, proposal, focus)
        where: dict[str, Value] = {"from_at": window.start, "to_at": window.end, "service": service}
        found = set(reader.fetch("trial_corrected", _series))
        own = {one.service for one in load_definitions(reader) if one.rules != NO_RULES}
        heard: dict[str, bool] = {"": False}

        def hear(text: str) -> bool:
            if text not in heard:
                hurry()
                heard[text] = any(one.hear(text) for one in ears)
            return heard[text]

        for name, env, version in reader.fetch("trial_versions", _triple, **where):
            if name in own or hear(version):
                found.add(Series(service=name, env=env))
        return frozenset(found | _speaking(reader, where, own, hear))

    def trials(
        self, reader: Reader, series: Series, proposal: Proposal, /, *, since: Instant, focus: frozenset[str] | None,
        outside: bool, hurry: Callable[[], None],
    ) -> list[Trial]:
        """Every deployment of the series that finished at `since` or later, under today's rules and with the proposal.

        Near misses are those of the rules in `focus` (`None`: of all); with `outside` also among commits that the path filter leaves
        out. `hurry` is called now and then, and may raise to end it.
        """
        with self.turn:
            today, proposed = map(self._compile, self.rules(reader, series.service, proposal))
            facts = load_series(reader, self.sources, series)
            hurry()
            ears = self._listen(proposed, focus)
            settled = {one.id for one in facts.deployments if one.finished_at < since}
            carried = load_carried(reader, self.sources, facts, [today, proposed, ears.messages], settled=settled)
            hurry()
            own, naming = load_corrections(reader, facts)
            origins = origins_of(reader, facts)

            def in_time(repository: str) -> Origins:
                hurry()
                return origins(repository)

            return simulate(
                carried, today, proposed, in_time, since=since, ears=ears, recall=recall_of(reader, facts), own=own, naming=naming,
                outside=_outside(reader, facts, carried, settled, ears) if outside else None,
            )

    def _compile(self, rules: RuleSet) -> CompiledRules:
        known = self._compiled.get(rules)
        if known is None:
            if len(self._compiled) >= REMEMBERED:
                self._compiled.clear()
            known = self._compiled[rules] = compile_rules(rules)
        return known

    def _listen(self, rules: CompiledRules, focus: frozenset[str] | None) -> Ears:
        if self._ears is None or self._ears[0] is not rules or self._ears[1] != focus:
            self._ears = (rules, focus, Ears(rules, focus))
        return self._ears[2]


def _that_matter(
    sets: tuple[RuleSet, RuleSet], today: CompiledRules, proposed: CompiledRules, proposal: Proposal, focus: frozenset[str] | None
) -> list[Ears]:
    """What may see something that makes a difference, or a near miss."""
    if isinstance(proposal, RuleSet):
        return [Ears(today), Ears(proposed)]
    changed = changed_rules(*sets)
    linked = frozenset(rule.id for rules in sets for rule in rules.linked)
    if changed & linked:
        # How long a chain of reverts is depends on all linked rules, wherever they look.
        changed |= linked
    return [Ears(proposed, focus), *([Ears(today, changed), Ears(proposed, changed)] if changed else [])]


def _speaking(reader: Reader, where: Mapping[str, Value], own: Collection[str], hear: Callable[[str], bool]) -> set[Series]:
    """The series that deployed something that is heard: a commit's message, or what stands in its pull request."""
    rows = list(dict.fromkeys(reader.fetch("trial_changes", _Carried, **where)))
    shas: dict[int, set[Sha]] = defaultdict(set)
    numbers: dict[int, set[int]] = defaultdict(set)
    for row in rows:
        shas[row.repository_id].update(bytes(sha) for sha in (row.sha, row.original_of) if sha is not None)
        if row.number is not None:
            numbers[row.repository_id].add(row.number)
    loud = {
        (repository_id, sha)
        for repository_id, wanted in shas.items()
        for sha, text in load_messages(reader, repository_id, wanted).items()
        if hear(text)
    }
    pull_requests = {
        (repository_id, one.number)
        for repository_id, wanted in numbers.items()
        for one in reader.fetch_in("trial_pull_requests", _PullRequest, sorted(wanted), repository_id=repository_id)
        if any(map(hear, one.texts))
    }
    found = set()
    for row in rows:
        keys = ((row.repository_id, bytes(sha)) for sha in (row.sha, row.original_of) if sha is not None)
        if row.service in own or (row.repository_id, row.number) in pull_requests or any(key in loud for key in keys):
            found.add(Series(service=row.service, env=row.env))
    return found


class _Carried(NamedTuple):
    service: str
    env: str
    repository_id: int
    sha: Sha
    original_of: Sha | None
    number: int | None


class _PullRequest(NamedTuple):
    number: int
    title: str
    body: str
    head_ref: str
    labels: str

    @property
    def texts(self) -> tuple[str, ...]:
        return self.title, self.body, self.head_ref, *decode_json_as(tuple[str, ...], self.labels.encode())


def _series(service: str, env: str) -> Series:
    return Series(service=service, env=env)


def _triple(service: str, env: str, version: str) -> tuple[str, str, str]:
    return service, env, version


def _outside(
    reader: Reader, facts: SeriesFacts, carried: Sequence[Carried], settled: Collection[str], ears: Ears
) -> dict[str, list[Outside]]:
    """What the path filter left out of these deployments and a rule may have seen."""
    predecessors = dict(reader.fetch("series_predecessors", _pair, service=facts.series.service, env=facts.series.env))
    known = {one.id: one for one in facts.deployments}
    found = {}
    for one in carried:
        before = known.get(predecessors.get(one.deployment.id) or "")
        place = facts.repositories.get(one.deployment.repository)
        if one.deployment.id not in settled and before is not None and place is not None and not place.view.matcher.everything:
            found[one.deployment.id] = _left_out(reader, place, before, one, ears)
    return found


def _left_out(reader: Reader, place: SeriesRepository, before: Deployment, carried: Carried, ears: Ears) -> list[Outside]:
    history, deployment = place.view.history, carried.deployment
    if place.row is None or before.commit_sha is None or deployment.commit_sha is None:
        return []
    a, b = place.view.locate(before.commit_sha), place.view.locate(deployment.commit_sha)
    if a is None or b is None:
        return []
    seen = {change.sha for change in carried.changes} | {change.original_of for change in carried.changes}
    shas = [history.graph.sha(at) for at in history.range(a, b, max_commits=MOST_OUTSIDE).commits]
    left = sorted(sha for sha in shas if sha not in seen)
    messages = load_messages(reader, place.row.id, left)
    numbers = {sha: number for sha in left if (number := place.view.introductions.pull_request_of(sha)) is not None}
    records = load_pull_requests(reader, place.row.id, sorted(set(numbers.values())))
    pull_requests = {record.pull_request.number: record.pull_request for record in records}
    return [
        Outside(sha=sha, message=messages.get(sha, ""), pull_request=pull_requests.get(numbers.get(sha, 0)))
        for sha in left
        if sha in numbers or ears.hear(messages.get(sha, ""))
    ]


def _pair(deployment_id: str, predecessor: str | None) -> tuple[str, str | None]:
    return deployment_id, predecessor
