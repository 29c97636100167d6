"""What derivations read again and again, kept in memory while it is unchanged."""

from collections import OrderedDict
from typing import NamedTuple, TypeVar

from bot.dora.commits import Sha
from bot.dora.deployments import RepositoryView
from bot.dora.history import History
from bot.dora.introductions import IntroducedRow, Introductions, Role
from bot.dora.paths import PathMatcher, Patterns, patterns_of
from bot.dora.rules import CompiledRules, RuleSet, compile_rules, rules_of
from bot.facts.catalog import load_definition, load_rules, load_service_rules
from bot.facts.names import load_naming, load_web_roots
from bot.facts.repositories import RepositoryRow
from bot.pipeline.history import HistoryCache
from bot.store import Reader

K = TypeVar("K")
V = TypeVar("V")

MOST_SILENT, SILENT_KINDS = 60_000, 4
"""Commits (100 bytes each) that are remembered as silent to the same patterns for messages, and how many such patterns are."""
MOST_INTRODUCED = 40_000
"""Rows of introductions (250 bytes each) that are kept; those of the repository in use are, however many."""
REMEMBERED = 64
"""Compiled rules that are kept; compiled patterns, eight times as many."""


class _Introduced(NamedTuple):
    version: int
    rows: int
    introductions: Introductions


class Sources:
    """Histories, introductions and compiled patterns of the repositories that are being derived."""

    def __init__(self, histories: HistoryCache) -> None:
        self.histories = histories
        self._introductions: OrderedDict[int, _Introduced] = OrderedDict()
        self._rules: OrderedDict[RuleSet, CompiledRules] = OrderedDict()
        self._silent: OrderedDict[tuple[str, ...], set[Sha]] = OrderedDict()
        self._matchers: OrderedDict[tuple[str, ...], PathMatcher] = OrderedDict()

    def history(self, reader: Reader, repository_id: int) -> History:
        """The repository's history as this snapshot has it."""
        return self.histories.get(reader, repository_id)

    def rules(self, reader: Reader, service: str | None = None) -> CompiledRules:
        """The rules in force, compiled: those of a service, or those that hold where nothing is said of it."""
        rules = load_rules(reader)
        if service is not None:
            rules = rules_of(rules, load_service_rules(reader, service))
        compiled = self._rules.get(rules) or compile_rules(rules)
        _remember(self._rules, rules, compiled, REMEMBERED)
        return compiled

    def silent(self, rules: CompiledRules) -> set[Sha]:
        """Commits in whose messages these rules see nothing, to be added to: their patterns for messages alone decide."""
        about = tuple(one.rule.pattern for one in (*rules.linked, *rules.static) if one.rule.field == "commit_message")
        known = self._silent.get(about, set())
        if len(known) > MOST_SILENT:
            known = set()
        _remember(self._silent, about, known, SILENT_KINDS)
        return known

    def introductions(self, reader: Reader, repository_id: int) -> Introductions:
        """Which pull requests introduced which commits."""
        versions = reader.fetch("introduced_version", int, name=f"introduced:{repository_id}")
        version = versions[0] if versions else 0
        known = self._introductions.get(repository_id)
        if known is None or known.version != version:
            rows = reader.fetch("introduced_rows", _introduced, repository_id=repository_id)
            landings = reader.fetch("landing_flags", _triple, repository_id=repository_id)
            known = _Introduced(version, len(rows), Introductions(rows, landings))
        self._introductions[repository_id] = known
        self._introductions.move_to_end(repository_id)
        kept = sum(one.rows for one in self._introductions.values())
        while kept > MOST_INTRODUCED and len(self._introductions) > 1:
            kept -= self._introductions.popitem(last=False)[1].rows
        return known.introductions

    def patterns(self, reader: Reader, service: str, repository: RepositoryRow) -> Patterns:
        """What the service claims of the repository."""
        definition = load_definition(reader, service)
        branches: list[str] = []
        tags: list[str] = []
        linked = definition is not None and definition.source_patterns is None
        if definition is not None and definition.links and linked:
            # Refs tell where a link's ref ends and its path begins.
            names = reader.fetch("refs_of_repository", str, repository_id=repository.id)
            branches = [name.removeprefix("refs/heads/") for name in names if name.startswith("refs/heads/")]
            tags = [name.removeprefix("refs/tags/") for name in names if name.startswith("refs/tags/")]
        return patterns_of(
            definition,
            service=service,
            repository=repository.name,
            branches=branches,
            tags=tags,
            names=load_naming(reader, repository).now if linked else (),
            web_roots=load_web_roots(reader),
        )

    def matcher(self, patterns: tuple[str, ...]) -> PathMatcher:
        """The patterns, compiled."""
        known = self._matchers.get(patterns)
        if known is None:
            known = PathMatcher(patterns)
            _remember(self._matchers, patterns, known, REMEMBERED * 8)
        return known

    def view(self, reader: Reader, service: str, row: RepositoryRow | None) -> "SeriesRepository":
        """What a service's series sees of a repository; an unknown one has no history."""
        if row is None:
            return SeriesRepository(None, _nothing_claimed(), RepositoryView(history=History(), matcher=self.matcher(("**",))))
        patterns = self.patterns(reader, service, row)
        view = RepositoryView(
            history=self.history(reader, row.id),
            matcher=self.matcher(patterns.patterns),
            introductions=self.introductions(reader, row.id),
            synced_from=row.synced_from,
        )
        return SeriesRepository(row, patterns, view)


class SeriesRepository(NamedTuple):
    """A repository as a series sees it; `row` is `None` if it is not known."""

    row: RepositoryRow | None
    patterns: Patterns
    view: RepositoryView


def _nothing_claimed() -> Patterns:
    return Patterns(patterns=("**",), origin="repository not synced")


def _introduced(sha: bytes, number: int, role: Role, position: int, merged_at: int) -> IntroducedRow:
    return bytes(sha), number, role, position, merged_at


def _triple(number: int, kind: str, flag: str) -> tuple[int, str, str]:
    return number, kind, flag


def _remember(known: OrderedDict[K, V], key: K, value: V, limit: int) -> None:
    known[key] = value
    known.move_to_end(key)
    while len(known) > limit:
        known.popitem(last=False)
