"""The definitions and rules in force, as people read them, with what is wrong and what had to give way."""

from dataclasses import dataclass

from bot.dora.definitions import Problem, ServiceDefinition
from bot.dora.rules import RuleSet, left_out
from bot.facts.catalog import (
    API,
    FOLDER,
    REPOSITORY,
    CatalogState,
    FileState,
    load_catalog_states,
    load_claims,
    load_definition_files,
    load_definitions,
    load_rules,
)
from bot.facts.catalog_entities import StoredEntity, load_entities
from bot.store import Reader

ORIGINS = {FOLDER: "folder", API: "api", REPOSITORY: "repository"}
"""The words for where definitions come from, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Defined:
    """A definition in force, and those of the same service that it overrules."""

    one: ServiceDefinition
    overruled: tuple[ServiceDefinition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemsShown:
    """What is wrong with the newest files of one place; `kept` says what stays in force meanwhile, "" when they are in force."""

    place: str
    kept: str
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionsShown:
    """All definitions in force, by service, and the problems of all files. `folder` is the state of the folder's definitions."""

    definitions: tuple[Defined, ...]
    problems: tuple[ProblemsShown, ...]
    folder: CatalogState | None
    files: int
    """How many definition files repositories have."""


def show_definitions(reader: Reader) -> DefinitionsShown:
    """The definitions in force and everything that is wrong."""
    claims: dict[str, list[ServiceDefinition]] = {}
    for claim in load_claims(reader):
        claims.setdefault(claim.definition.service, []).append(claim.definition)
    states, files = load_catalog_states(reader), load_definition_files(reader)
    definitions, rules = load_definitions(reader), load_rules(reader)
    return DefinitionsShown(
        definitions=tuple(
            Defined(one=one, overruled=tuple(claims.get(one.service, ())[1:])) for one in definitions
        ),
        problems=tuple(
            [_folder_problems(state) for state in states if state.problems]
            + [_sent_problems(entity) for entity in load_entities(reader) if entity.notices]
            + [_file_problems(state) for state in files if state.problems]
            + [part for one in definitions if (part := _rule_problems(one, rules)).problems]
        ),
        folder=next((state for state in states if state.kind == "definitions"), None),
        files=sum(state.blob is not None or bool(state.problems) for state in files),
    )


def overruled_places(reader: Reader, service: str) -> tuple[str, ...]:
    """Where else a service is defined, without being in force."""
    return tuple(claim.definition.place for claim in load_claims(reader, service)[1:])


def _folder_problems(state: CatalogState) -> ProblemsShown:
    kept = f"the last good {state.kind} stay in force until these are mended" if _broken(state.problems) else ""
    return ProblemsShown(place=f"the newest {state.kind} files", kept=kept, problems=state.problems)


def _sent_problems(entity: StoredEntity) -> ProblemsShown:
    told = []
    for notice in entity.notices:
        line, _, column = notice.where.partition(":")
        placed = line.isdigit() and column.isdigit()
        message = notice.message if placed or not notice.where else f"{notice.where}: {notice.message}"
        told.append(
            Problem(
                file=entity.ref, line=int(line) if placed else 1, column=int(column) if placed else 1, severity="warning",
                message=message,
            )
        )  # fmt: skip
    return ProblemsShown(place=f"{entity.name}, sent by API", kept="", problems=tuple(told))


def _file_problems(state: FileState) -> ProblemsShown:
    kept = ""
    if _broken(state.problems):
        good = state.good_commit
        kept = "nothing of it is in force" if good is None else f"what stood there at {good.hex()[:12]} stays in force"
    return ProblemsShown(place=f"{state.repository}@{state.path}", kept=kept, problems=state.problems)


def _rule_problems(one: ServiceDefinition, rules: RuleSet) -> ProblemsShown:
    """What a definition says of rules that are not there (any more)."""
    file, _, line = one.location.rpartition(":")
    place = (file, int(line)) if line.isdigit() else (one.location, 1)
    told = tuple(
        Problem(file=place[0], line=place[1], column=1, severity="warning", message=left.reason)
        for left in left_out(rules, one.rules)
    )
    return ProblemsShown(place=one.place, kept="", problems=told)


def _broken(problems: tuple[Problem, ...]) -> bool:
    return any(problem.severity == "error" for problem in problems)
