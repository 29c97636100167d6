"""The catalog: the folder of definitions and rules as one snapshot, and what is in force of it.

Definitions and rules come into force apart, each as a whole: files with an error leave the last good ones in force and only
their problems are kept, to be shown. A snapshot that changes nothing writes nothing.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from bot.dora.definitions import Problem, ServiceDefinition
from bot.dora.instants import Instant
from bot.dora.rules import RuleSet
from bot.facts.catalog import (
    DEFINITIONS,
    FROM_FOLDER,
    RULES,
    CatalogState,
    load_catalog_states,
    load_rules,
    plan_claims,
    write_claims,
)
from bot.facts.marks import mark_rules
from bot.guard import scrub
from bot.sources.definitions import read_definitions
from bot.sources.folder import definition_files, file_name, read_files
from bot.sources.rules import RULES_FILE, read_rules
from bot.store import Row, Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """A snapshot of the folder as read: both parts with the digest of their files and all their problems."""

    definitions: tuple[ServiceDefinition, ...]
    definitions_digest: str
    definition_problems: tuple[Problem, ...]
    rules: RuleSet
    rules_digest: str
    rule_problems: tuple[Problem, ...]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The problems of both parts."""
        return self.definition_problems + self.rule_problems


def catalog_fingerprint(folder: Path) -> str:
    """Names, sizes and modification instants of the folder's files: another text means that it should be read again."""
    try:
        stats = [(path.name, path.stat()) for path in definition_files(folder)]
    except OSError as error:
        return f"unreadable: {error.errno}"
    return json.dumps([[name, stat.st_size, stat.st_mtime_ns, stat.st_ino] for name, stat in stats])


def read_catalog(folder: Path) -> Catalog:
    """Read the folder's definitions and rules. Nothing is raised: what cannot be read is a problem."""
    try:
        texts, unread = read_files(definition_files(folder))
    except OSError as error:
        why = f"the folder cannot be read: {error.strerror}; without it nothing is defined, and what was in force stays"
        missing = Problem(file=file_name(folder), line=1, column=1, severity="error", message=why)
        texts, unread = {}, [missing]
    files = {scrub(path.name): text for path, text in texts.items()}
    rules_text = files.pop(RULES_FILE, None)
    rules, rule_problems = read_rules(RULES_FILE, rules_text)
    rules_unread = [problem for problem in unread if Path(problem.file).name == RULES_FILE or not texts]
    read = read_definitions(files)
    return Catalog(
        definitions=read.definitions,
        definitions_digest=_digest(files),
        definition_problems=(*(problem for problem in unread if Path(problem.file).name != RULES_FILE), *read.problems),
        rules=rules,
        rules_digest=_digest({} if rules_text is None else {RULES_FILE: rules_text}),
        rule_problems=(*rules_unread, *rule_problems),
    )


def record_catalog(writer: Writer, catalog: Catalog, *, received_at: Instant) -> None:
    """Bring a snapshot into force where it is valid, keep its problems where it is not, mark what is to derive again."""
    writer.lock("catalog")
    states = {state.kind: state for state in load_catalog_states(writer)}
    rows: list[Row] = []
    folder = {}
    if _takes_over(states.get(DEFINITIONS), catalog.definitions_digest, catalog.definition_problems):
        folder = {FROM_FOLDER: catalog.definitions}
    claims = plan_claims(writer, folder)
    rows += _row(DEFINITIONS, states, catalog.definitions_digest, catalog.definition_problems, "", received_at)
    body = msgspec.json.encode(catalog.rules).decode()
    valid = _takes_over(states.get(RULES), catalog.rules_digest, catalog.rule_problems)
    differ = valid and load_rules(writer) != catalog.rules
    rows += _row(RULES, states, catalog.rules_digest, catalog.rule_problems, body, received_at)
    # From here on it is written: nothing may be read any more.
    write_claims(writer, claims)
    if rows:
        writer.write_many("catalog", rows, on_conflict="replace")
    if differ:
        mark_rules(writer)


def _takes_over(state: CatalogState | None, digest: str, problems: Sequence[Problem]) -> bool:
    return _is_valid(problems) and (state is None or state.digest != digest)


def _is_valid(problems: Sequence[Problem]) -> bool:
    return all(problem.severity != "error" for problem in problems)


def _row(
    kind: str, states: Mapping[str, CatalogState], digest: str, problems: tuple[Problem, ...], body: str, received_at: Instant
) -> list[Row]:
    """The row of `catalog` to write, none if it would be the same."""
    state = states.get(kind)
    if state is None:
        state = CatalogState(kind=kind, digest="", received_at=received_at, body="", problems=())
    elif state.problems == problems and (state.digest == digest or not _is_valid(problems)):
        return []
    told = json.dumps([asdict(problem) for problem in problems], ensure_ascii=False)
    if _is_valid(problems) and state.digest != digest:
        return [(kind, digest, received_at, body, told)]
    return [(kind, state.digest, state.received_at, state.body, told)]


def _digest(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(files):
        for part in (name.encode(errors="surrogateescape"), files[name]):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
