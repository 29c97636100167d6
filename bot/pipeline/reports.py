"""What the bot says under a pull request: mistakes in definitions, which services it touches, whether it is a rollforward.

Rules: one report per pull request, made anew from what is known whenever something changed. What people wrote stands in it as code
(`markdown.py`). It says what is known before the merge, and blocks nothing but broken definitions.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from bot.dora.commits import Sha
from bot.dora.definitions import Problem, ServiceDefinition
from bot.dora.paths import PathMatcher, patterns_of
from bot.dora.pull_requests import PullRequest
from bot.facts.catalog import REPOSITORY, Claim, load_claims, load_definitions, load_rules
from bot.facts.names import links_to, load_naming, load_web_roots
from bot.facts.pull_requests import find_pull_request
from bot.facts.repositories import RepositoryRow
from bot.forges.client import Annotation, ForgeClient, Report
from bot.pipeline.correspondence import load_repository_key
from bot.pipeline.derive.sources import Sources
from bot.pipeline.history import HistoryCache
from bot.pipeline.markdown import code, count, link, page_url, plain
from bot.sources.definitions import read_definitions
from bot.sources.folder import REPOSITORY_FILES, defines
from bot.sources.rules import RULES_FILE
from bot.sources.validation import validate_files
from bot.store import Reader, Store

MOST_FILES = 50
"""Definition files of one pull request that are read."""
MOST_SHOWN = 20
"""Services that are named in a list; patterns of one."""
MOST_NAMED = 3
"""Services that are named in the title."""
LEVELS = {"error": "failure", "warning": "warning", "notice": "notice"}
FIELDS = {
    "pr_title": "the title", "pr_body": "the description", "pr_branch": "the branch's name", "pr_label": "a label",
    "commit_message": "a commit's message", "version": "the version",
}  # fmt: skip


class Flag(NamedTuple):
    """What the derivation found in a pull request alone; `rule` is "" where it looks like a revert and is none."""

    rule: str
    field: str
    value: str
    target: int | None
    target_sha: Sha | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service that has to do with the repository, and its patterns there."""

    name: str
    shown: str
    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFacts:
    """What the store knows of a pull request; the forge adds the changed paths and the files."""

    repository: RepositoryRow
    pull_request: PullRequest
    flag: Flag | None
    blame: str
    """Of a flag by a static rule: `previous` or `none`; else ""."""
    services: tuple[Service, ...]
    claims: tuple[Claim, ...]


# Gathering --------------------------------------------------------------------------------------------------------------


async def gather_report(
    store: Store, client: ForgeClient, repository_id: int, number: int, *, base_url: str = ""
) -> Report | None:
    """What to say under a pull request now; `None`: nothing, because it is not open (any more). Raises as the client does."""
    facts = await store.read_async(partial(load_report_facts, repository_id=repository_id, number=number))
    key = await store.read_async(partial(load_repository_key, repository_id=repository_id))
    if facts is None or key is None or facts.pull_request.head_sha is None:
        return None
    changed = await client.changed_paths(key, number)
    files: dict[str, bytes] = {}
    for path in sorted(filter(defines, changed))[:MOST_FILES]:
        content = await client.file(key, path, ref=facts.pull_request.head_sha.hex())
        if content is not None:
            files[path] = content
    return await asyncio.to_thread(compose_report, facts, changed, files, base_url=base_url)


def composer(
    store: Store, clients: Callable[[], Mapping[str, ForgeClient]], *, base_url: str
) -> Callable[[int, int], Awaitable[Report | None]]:
    """Gathers the report of a pull request (repository, number) from whichever of the forges it lies on."""

    async def compose(repository_id: int, number: int) -> Report | None:
        rows = await store.read_async(partial(_repository, repository_id=repository_id))
        client = clients().get(rows[0].forge) if rows else None
        return None if client is None else await gather_report(store, client, repository_id, number, base_url=base_url)

    return compose


def _repository(reader: Reader, *, repository_id: int) -> list[RepositoryRow]:
    return reader.fetch("repository_by_number", RepositoryRow, id=repository_id)


def load_report_facts(reader: Reader, *, repository_id: int, number: int) -> ReportFacts | None:
    """What is known of an open pull request; `None` for any other."""
    rows = _repository(reader, repository_id=repository_id)
    record = find_pull_request(reader, repository_id, number)
    if not rows or record is None or record.pull_request.state != "open":
        return None
    flags = reader.fetch("flag_told", Flag, repository_id=repository_id, number=number)
    return ReportFacts(
        repository=rows[0],
        pull_request=record.pull_request,
        flag=flags[0] if flags else None,
        blame=next((rule.blame for rule in load_rules(reader).static for flag in flags if rule.id == flag.rule), ""),
        services=_services(reader, rows[0]),
        claims=load_claims(reader),
    )


def _services(reader: Reader, repository: RepositoryRow) -> tuple[Service, ...]:
    """The services whose definition names the repository, and those that were deployed from it."""
    defined = {one.service: one for one in load_definitions(reader)}
    naming, roots = load_naming(reader, repository), load_web_roots(reader)
    names = {name for name, one in defined.items() if links_to(one, naming, roots)}
    names.update(reader.fetch("series_of_repository", _service_of, repository_id=repository.id))
    sources = Sources(HistoryCache())
    return tuple(
        Service(
            name=name, shown=defined[name].shown if name in defined else name,
            patterns=sources.patterns(reader, name, repository).patterns,
        )
        for name in sorted(names)
    )  # fmt: skip


def _service_of(service: str, *_: object) -> str:
    return service


# Composing --------------------------------------------------------------------------------------------------------------


def compose_report(
    facts: ReportFacts, changed: Collection[str], files: Mapping[str, bytes], *, base_url: str = ""
) -> Report:
    """The report, from the store's facts, the changed paths, and the definition files among them as they stand at the head."""
    sha = facts.pull_request.head_sha
    edited = [path for path in sorted(changed) if defines(path)]
    problems = validate_files(files, alone=REPOSITORY_FILES)
    touched = _touched(facts.services, changed)
    sections = [_definitions_section(facts, edited, files, problems)] if edited else []
    titles = [_definitions_title(files, problems)] if edited else []
    if facts.flag is not None:
        sections.append(_flag_section(facts, facts.flag))
        titles += [_flag_title(facts, facts.flag)] if facts.flag.rule else []
    sections.append(_services_section(touched, len(changed), base_url))
    titles.append(_services_title(touched))
    title = "; ".join(titles)
    return Report(
        number=facts.pull_request.number,
        head_sha="" if sha is None else sha.hex(),
        conclusion=_conclusion(facts, problems),
        title=title[:1].upper() + title[1:],
        summary="\n\n".join(sections),
        annotations=tuple(_annotation(problem) for problem in problems),
        details_url=_details_url(bool(edited), touched, base_url),
    )


def _conclusion(facts: ReportFacts, problems: Sequence[Problem]) -> str:
    if _count(problems, "error"):
        return "failure"
    return "neutral" if facts.flag is not None and facts.flag.rule else "success"


def _annotation(problem: Problem) -> Annotation:
    return Annotation(path=problem.file, line=problem.line, level=LEVELS[problem.severity], message=problem.message)


def _details_url(edited: bool, touched: Sequence[tuple[Service, int]], base_url: str) -> str:
    if not base_url:
        return ""
    if edited:
        return page_url(base_url, "definitions")
    return page_url(base_url, "services", touched[0][0].name) if len(touched) == 1 else page_url(base_url, "")


# Definitions ------------------------------------------------------------------------------------------------------------


def _count(problems: Sequence[Problem], severity: str) -> int:
    return sum(problem.severity == severity for problem in problems)


def _found(problems: Sequence[Problem]) -> str:
    found = [(_count(problems, severity), severity) for severity in LEVELS]
    return " and ".join(count(number, severity) for number, severity in found if number)


def _definitions_title(files: Mapping[str, bytes], problems: Sequence[Problem]) -> str:
    if problems:
        return f"{_found(problems)} in the definitions"
    return "the definitions are valid" if files else "definitions are removed"


def _definitions_section(
    facts: ReportFacts, edited: Sequence[str], files: Mapping[str, bytes], problems: Sequence[Problem]
) -> str:
    told = f"{_found(problems)} in {count(len(files), 'file')}." if problems else "No mistake found."
    lines = [f"**Definitions.** {told}"]
    if _count(problems, "error"):
        lines[0] += " While a file has errors, what was in force before stays."
    if len(edited) > MOST_FILES:
        lines[0] += f" Only the first {MOST_FILES} of {len(edited)} files were read."
    gone = [path for path in edited[:MOST_FILES] if path not in files]
    lines += [f"- {code(path)} is removed" for path in gone]
    for path in sorted(files):
        if not path.endswith(f"/{RULES_FILE}"):
            read = read_definitions({path: files[path]}).definitions
            lines += [_definition_line(facts, path, one) for one in read[:MOST_SHOWN]]
    return "\n".join(lines)


def _definition_line(facts: ReportFacts, path: str, one: ServiceDefinition) -> str:
    """What a definition selects here, and which other one overrules it."""
    repository = facts.repository.name
    found = patterns_of(one, service=one.service, repository=repository)
    shown = ", ".join(map(code, found.patterns[:MOST_SHOWN]))
    more = f" and {len(found.patterns) - MOST_SHOWN} more" if len(found.patterns) > MOST_SHOWN else ""
    line = f"- {code(one.shown)} selects {shown}{more} in this repository"
    if path in REPOSITORY_FILES:
        mine = (REPOSITORY, repository, path)
        first = next((claim for claim in facts.claims if claim.definition.service == one.service), None)
        if first is not None and (first.origin.rank, first.definition.repository, first.origin.path) < mine:
            line += f"; it is overruled by {code(first.definition.place)}"
    return line


# Services ---------------------------------------------------------------------------------------------------------------


def _touched(services: Sequence[Service], changed: Collection[str]) -> list[tuple[Service, int]]:
    """The services of which a pattern selects a changed path, with how many."""
    paths = [path.encode("utf-8", "surrogateescape") for path in changed]
    found = []
    for service in services:
        matcher = PathMatcher(service.patterns)
        if number := sum(map(matcher.matches, paths)):
            found.append((service, number))
    return found


def _services_title(touched: Sequence[tuple[Service, int]]) -> str:
    if not touched:
        return "touches no service"
    names = [plain(service.shown) for service, _ in touched[:MOST_NAMED]]
    more = f" and {len(touched) - len(names)} more" if len(touched) > len(names) else ""
    return f"touches {', '.join(names)}{more}"


def _services_section(touched: Sequence[tuple[Service, int]], changed: int, base_url: str) -> str:
    if not touched:
        return f"**Services.** None claims any of the {count(changed, 'changed file')}."
    lines = [f"**Services.** Of the {count(changed, 'changed file')}:"]
    for service, number in touched[:MOST_SHOWN]:
        name = link(service.shown, base_url, "services", service.name)
        whole = PathMatcher(service.patterns).everything
        lines.append(f"- {name}: " + ("all, the whole repository is its code" if whole else count(number, "file")))
    if len(touched) > MOST_SHOWN:
        lines.append(f"- and {count(len(touched) - MOST_SHOWN, 'more service')}")
    return "\n".join(lines)


# Rollforwards -----------------------------------------------------------------------------------------------------------


def _flag_title(facts: ReportFacts, flag: Flag) -> str:
    return f"rollforward of {_request(facts, flag)}" if flag.target is not None else f"rollforward ({plain(flag.rule)})"


def _flag_section(facts: ReportFacts, flag: Flag) -> str:
    seen = f"{code(flag.value)} in {FIELDS.get(flag.field, flag.field)}"
    if not flag.rule:
        return f"**No rollforward.** {seen} looks like a revert, but undoes a revert or a commit of its own: it counts for none."
    if flag.target is not None:
        what = f"of {_request(facts, flag)}; the latest deployment before it that carried that one counts as failed"
    elif flag.target_sha is not None:
        what = f"of commit {code(flag.target_sha.hex()[:12])}; the latest deployment before it that carried that one counts as failed"
    elif facts.blame:
        what = "the deployment just before it counts as failed" if facts.blame == "previous" else "rework, without a failed one"
    else:
        what = "what it points to is not known (yet)"
    return f"**Rollforward**: {what}. Rule {code(flag.rule)} saw {seen}."


def _request(facts: ReportFacts, flag: Flag) -> str:
    """In words: a number sign would write into the other one's history."""
    return f"{'merge' if facts.repository.forge == 'gitlab' else 'pull'} request {flag.target}"
