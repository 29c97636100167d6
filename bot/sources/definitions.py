"""Service definitions: files in, values and problems out.

All files are read, and all mistakes told, but only a snapshot without errors may come into force. Another schema version is one
more entry of `_SHAPES`.
"""

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from bot.dora.definitions import CodeLocation, Problem, RepoLink, ServiceDefinition
from bot.dora.entities import DEFAULT
from bot.dora.paths import MAX_PATTERNS, check_pattern, check_patterns, counts, pattern_warning
from bot.dora.repositories import RepositoryUrlError, parse_source_link, repository_id, without_credentials
from bot.dora.rules import RuleSet, ServiceRules
from bot.guard import GuardError, YamlList, YamlMap, YamlNode, YamlText, load_yaml, yaml_value
from bot.sources.quoting import Quoted, quote_patterns
from bot.sources.rules import RULES_FILE, is_rule, is_rules, read_service_rules
from bot.sources.schema_check import beside, check_schema, error_at, notice_at, shown, warning_at
from bot.sources.userinfo import cut_userinfo, cut_value
from bot.sources.yaml_documents import load_documents

EXTENSION = "datadoghq.com/dora-metrics"
_NAMES_OF_OURS = (EXTENSION, EXTENSION.rpartition("/")[2])
_KEYS_OF_OURS = ("source_patterns", "rollforward_rules")
_CLOSE = 0.85
"""As alike as two names are of which one is a slip of the other."""
REPOS = "repos"
"""v2's list of links that are all to code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionsRead:
    """What the files say: definitions by service, problems by file and line."""

    definitions: tuple[ServiceDefinition, ...]
    problems: tuple[Problem, ...]

    @property
    def valid(self) -> bool:
        """Whether no file has an error."""
        return all(problem.severity != "error" for problem in self.problems)


def read_definitions(files: Mapping[str, bytes], rules: RuleSet | None = None) -> DefinitionsRead:
    """Read the definitions in `files` (name → text); nothing is raised, every mistake is a problem.

    Beside `rules` it is a warning when what a service says of them does not fit.
    """
    found: list[ServiceDefinition] = []
    problems: list[Problem] = []
    named: list[_Named] = []
    for file in sorted(files):
        read, wrong, names = _read_file(file, files[file], rules)
        found += read
        problems += wrong
        named += names
    problems += _doubled(named)
    problems.sort(key=lambda problem: (problem.file, problem.line, problem.column, problem.message))
    found.sort(key=lambda definition: definition.service)
    return DefinitionsRead(definitions=tuple(found), problems=tuple(problems))


class _Named(NamedTuple):
    """A service that a document names, whatever else is wrong with it."""

    shown: str
    file: str
    line: int


def _read_file(
    file: str, text: bytes, rules: RuleSet | None
) -> tuple[list[ServiceDefinition], list[Problem], list[_Named]]:
    documents, problems = read_documents(file, text)
    found: list[ServiceDefinition] = []
    wrong: list[Problem] = []
    named: list[_Named] = []
    for document in documents:
        definition, told = read_document(file, document, rules)
        wrong += told
        if definition is not None or any(problem.severity == "error" for problem in told):
            named += _named(file, document)
        if definition is not None:
            whole = json.dumps(cut_value(yaml_value(document)))
            found.append(replace(definition, document=whole))
    return found, problems + with_corrections(wrong, text), named


def _named(file: str, document: YamlNode) -> Iterable[_Named]:
    version = _text(document, "schema-version") or _text(document, "apiVersion") or "v1"
    name = _at(document, _SHAPES[version].name) if version in _SHAPES else None
    elsewhere = _text(document, "metadata.namespace").lower() not in ("", DEFAULT)
    if isinstance(name, YamlText) and name.text.strip() and not elsewhere:
        yield _Named(name.text.strip(), file, name.line)


def with_corrections(problems: list[Problem], text: bytes) -> list[Problem]:
    """The problems of a text that is YAML; where quotes would have mended one, it shows the line as it should be."""
    if all(problem.severity != "error" for problem in problems):
        return problems
    quoted = quote_patterns(text.decode())[1]
    return [_with_correction(problem, quoted) for problem in problems]


def read_documents(file: str, text: bytes) -> tuple[list[YamlNode], list[Problem]]:
    """The documents of a file that are YAML, unquoted patterns mended, and what is wrong with the others."""
    try:
        return load_yaml(text), []
    except GuardError as error:
        if error.slug in ("too_large", "too_deep", "not_utf8"):
            return [], [_refused(file, error)]
    mended, quoted = quote_patterns(text.decode())
    documents, errors = load_documents(mended.encode() if quoted else text)
    return documents, [_refused(file, error) for error in errors] or [_mended(file, item) for item in quoted]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """Where a schema version has what we read: paths of keys."""

    schema: str
    name: str
    teams: tuple[str, ...] = ("team",)
    tags: str = "tags"
    languages: str = "languages"
    links: tuple[str, ...] = ("links",)


_PAGERDUTY = ("integrations.pagerduty", "integrations.pagerduty.service-url", "integrations.pagerduty.serviceURL")
"""Where v1 and v2, v2.1 and v2.2, and v3 have the page of a service in PagerDuty."""
_SHAPES: Mapping[str, _Shape] = {
    "v1": _Shape(schema="datadog/v1", name="info.dd-service", teams=("org.team",), links=("external-resources",)),
    "v2": _Shape(schema="datadog/v2", name="dd-service", teams=("team", "dd-team"), links=("links", REPOS)),
    "v2.1": _Shape(schema="datadog/v2.1", name="dd-service"),
    "v2.2": _Shape(schema="datadog/v2.2", name="dd-service"),
    "v3": _Shape(
        schema="datadog/v3/service.schema", name="metadata.name", teams=("metadata.owner",), tags="metadata.tags",
        languages="spec.languages", links=("metadata.links",),
    ),
}  # fmt: skip
_V3_WRITTEN = "v3 is written apiVersion: v3, kind: service, metadata: {name: …}"
SCHEMAS: Mapping[str, str] = {version: shape.schema for version, shape in _SHAPES.items()}
"""The schema of each version that is accepted, of v3 that of a service."""


def read_document(
    file: str, document: YamlNode, rules: RuleSet | None = None
) -> tuple[ServiceDefinition | None, list[Problem]]:
    """One document and its mistakes; of a definition without errors what it says."""
    if not isinstance(document, YamlMap):
        return None, [error_at(file, document, "a service definition is a mapping, with the keys schema-version and dd-service")]
    named = document.get("schema-version") or document.get("apiVersion")
    if named is None and isinstance(document.get("info"), YamlMap):
        version = "v1"  # its schema does not ask for the key
    elif isinstance(named, YamlText):
        version = named.text
    elif is_rules(document) or is_rule(document):
        return None, [error_at(file, document, f"these are rules; the server reads them from {RULES_FILE} of its folder alone")]
    else:
        return None, [error_at(file, named or document, "the key 'schema-version' is missing; write schema-version: v2.2")]
    # The key is the one that is named: under `schema-version` a v3 would only be told what else it lacks.
    if version not in _SHAPES or (version == "v3" and document.get("apiVersion") is None):
        older = ", ".join(one for one in _SHAPES if one != "v3")
        return None, [error_at(file, named or document, f"schema-version {shown(version)} is none of {older}; {_V3_WRITTEN}")]
    kind = document.get("kind")
    if version == "v3" and isinstance(kind, YamlText) and kind.text != "service":
        return None, [notice_at(file, kind, f"an entity of kind {shown(kind.text)} is no service; it is left out")]
    return _read_service(file, document, version, rules)


def _read_service(
    file: str, document: YamlMap, version: str, rules: RuleSet | None
) -> tuple[ServiceDefinition | None, list[Problem]]:
    shape = _SHAPES[version]
    problems = check_entity(file, document, shape.schema) if version == "v3" else check_schema(file, document, shape.schema)
    patterns, own_rules, wrong = _read_extension(file, document, rules)
    problems += wrong
    located, wrong = read_code_locations(file, document) if version == "v3" else ((), [])
    problems += wrong
    name = _at(document, shape.name)
    if not isinstance(name, YamlText) or any(problem.severity == "error" for problem in problems):
        return None, problems
    service = name.text.strip().lower()
    if not service:
        return None, [*problems, error_at(file, name, f"{shape.name} may not be empty")]
    links = [link for key in shape.links for link in _links(document, key)]
    problems += _link_warnings(file, service, links, patterns is not None)
    namespace = _at(document, "metadata.namespace")
    if namespace is not None and _text(document, "metadata.namespace").lower() not in ("", DEFAULT):
        problems.append(warning_at(file, namespace, f"only services in the namespace {DEFAULT} are services here; it is left out"))
        return None, problems
    definition = ServiceDefinition(
        service=service,
        shown=name.text.strip(),
        schema_version=version,
        team=next(filter(None, (_text(document, key) for key in shape.teams)), ""),
        tags=_texts(_at(document, shape.tags)),
        languages=_texts(_at(document, shape.languages)),
        source_patterns=patterns,
        links=tuple(link for link, _ in links),
        code_locations=located,
        rules=own_rules,
        pagerduty=without_credentials(next(filter(None, (_text(document, key) for key in _PAGERDUTY)), "")),
        location=f"{file}:{name.line}",
    )
    return definition, problems


def _read_extension(
    file: str, document: YamlMap, rules: RuleSet | None
) -> tuple[tuple[str, ...] | None, ServiceRules, list[Problem]]:
    extensions = document.get("extensions")
    if not isinstance(extensions, YamlMap):
        return None, ServiceRules(), []
    meant = [warning_at(file, key, told) for key, _ in extensions.entries if (told := _meant(key.text))]
    extension = extensions.get(EXTENSION)
    if extension is None:
        return None, ServiceRules(), meant
    problems = _check_extension(file, extension)
    if not isinstance(extension, YamlMap):
        return None, ServiceRules(), [*problems, *meant]
    patterns, own = None, ServiceRules()
    wrong: list[Problem] = []
    if isinstance(listed := extension.get("source_patterns"), YamlList):
        patterns, wrong = _texts(listed), _check_patterns(file, listed, _text_items(listed))
    if (said := extension.get("rollforward_rules")) is not None:
        own, others = read_service_rules(file, said, None if problems else rules)
        wrong = [*wrong, *others]
    return patterns, own, [*beside(problems, wrong), *meant]


def _meant(name: str) -> str | None:
    """What is said of an extension that looks like ours and is not; others are nobody's business."""
    if name == EXTENSION:
        return None
    spelled = name[:100].lower()
    for key in difflib.get_close_matches(spelled, _KEYS_OF_OURS, n=1, cutoff=_CLOSE):
        return f"nobody reads the extension {shown(name)}; {key} stands below {EXTENSION}"
    if any(difflib.get_close_matches(one, _NAMES_OF_OURS, n=1, cutoff=_CLOSE) for one in (spelled, spelled.rpartition("/")[2])):
        return f"nobody reads the extension {shown(name)}; did you mean {EXTENSION}?"
    return None


def check_entity(file: str, document: YamlMap, schema: str) -> list[Problem]:
    """The mistakes of an entity of v3, by the schema of its kind and what the original takes beside it."""
    problems = check_schema(file, _without(_without(document, "metadata.namespace"), "datadog.performanceData"), schema)
    namespace = _at(document, "metadata.namespace")
    if namespace is not None and not isinstance(namespace, YamlText):
        problems.append(error_at(file, namespace, "metadata.namespace: expected a text"))
    return problems


def _without(node: YamlMap, path: str) -> YamlMap:
    """The same without what stands below a path of keys."""
    key, _, rest = path.partition(".")
    entries = []
    for name, value in node.entries:
        if name.text != key:
            entries.append((name, value))
        elif rest:
            entries.append((name, _without(value, rest) if isinstance(value, YamlMap) else value))
    return YamlMap(node.line, node.column, tuple(entries))


def read_code_locations(file: str, document: YamlMap) -> tuple[tuple[CodeLocation, ...], list[Problem]]:
    """v3's `codeLocations`, whose published schema checks no element."""
    listed = _at(document, "datadog.codeLocations")
    if not isinstance(listed, YamlList):
        return (), []
    problems = check_schema(file, listed, "code-locations", below="datadog.codeLocations")
    if problems:
        return (), problems
    found: list[CodeLocation] = []
    patterns: list[YamlText] = []
    for item in listed.items:
        if not isinstance(item, YamlMap) or not isinstance(url := item.get("repositoryURL"), YamlText):
            problems.append(warning_at(file, item, "this code location does not count: it names no repositoryURL"))
            continue
        paths = item.get("paths")
        patterns += _text_items(paths)
        found.append(CodeLocation(url=cut_userinfo(url.text.strip()), paths=_texts(paths)))
        try:
            repository_id(url.text.strip())
        except RepositoryUrlError as error:
            problems.append(warning_at(file, url, f"this code location does not count: {error}"))
    return tuple(found), [*problems, *(_check_patterns(file, listed, patterns) if patterns else ())]


def _check_patterns(file: str, listed: YamlList, items: Sequence[YamlText]) -> list[Problem]:
    """What is wrong with patterns, each and together; if nothing is, what their writer may not expect."""
    together = check_patterns([item.text for item in items])
    if together is None:
        return [warning_at(file, item, told) for item in items if (told := pattern_warning(item.text))]
    each = items if len(items) <= MAX_PATTERNS else ()
    wrong = [error_at(file, item, told) for item in each if (told := check_pattern(item.text))]
    return wrong or [error_at(file, listed, together)]


def _check_extension(file: str, extension: YamlNode) -> list[Problem]:
    """The extension's mistakes; of a pattern that YAML took for a collection or for nothing in words that say so."""
    listed = extension.get("source_patterns") if isinstance(extension, YamlMap) else None
    items = listed.items if isinstance(listed, YamlList) else ()
    no_text = {(item.line, item.column): item for item in items if not (isinstance(item, YamlText) and item.text)}
    problems = check_schema(file, extension, "dora-metrics", apart=no_text)
    for item in no_text.values():
        what = "is empty (a # begins a comment)" if isinstance(item, YamlText) else "is a collection to YAML"
        problems.append(error_at(file, item, f"a pattern is a text, this {what}; put it in quotes"))
    return problems


def _with_correction(problem: Problem, quoted: Iterable[Quoted]) -> Problem:
    """Show the line as it should be, where quotes would have mended it."""
    for item in quoted:
        if problem.severity == "error" and (problem.line, problem.column) == (item.line, item.column):
            return replace(problem, message=f"{problem.message}: write {item.corrected}")
    return problem


def _links(document: YamlMap, key: str) -> list[tuple[RepoLink, YamlNode]]:
    """The links to code: those of type repo, and all of v2's `repos`."""
    listed = _at(document, key)
    found: list[tuple[RepoLink, YamlNode]] = []
    for item in listed.items if isinstance(listed, YamlList) else ():
        url = item.get("url") if isinstance(item, YamlMap) else None
        if isinstance(item, YamlMap) and url is not None and (key == REPOS or _text(item, "type").lower() == "repo"):
            found.append((RepoLink(name=_text(item, "name"), url=cut_userinfo(_text(item, "url"))), url))
    return found


def _link_warnings(
    file: str, service: str, links: Iterable[tuple[RepoLink, YamlNode]], overruled: bool
) -> Iterable[Problem]:
    links = list(links)
    if overruled or not links:
        return
    if not any(counts(link, service) for link, _ in links):
        told = f"no repo link is named Source or {service}, so every path of a repository counts"
        yield warning_at(file, links[0][1], told)
    for link, url in links:
        if counts(link, service):
            try:
                parse_source_link(link.url)
            except RepositoryUrlError as error:
                yield warning_at(file, url, f"the link {link.name} does not count: {error}")


def _doubled(named: Iterable[_Named]) -> Iterable[Problem]:
    first: dict[str, _Named] = {}
    for one in named:
        other = first.setdefault(one.shown.lower(), one)
        if other is not one:
            message = f"the service {shown(one.shown)} is defined here and in {other.file}:{other.line}"
            yield Problem(file=one.file, line=one.line, column=1, severity="error", message=message)


def _refused(file: str, error: GuardError) -> Problem:
    return Problem(file=file, line=error.line or 1, column=error.column or 1, severity="error", message=error.detail)


def _mended(file: str, quoted: Quoted) -> Problem:
    message = f"{shown(quoted.item)} must be quoted in YAML; it is read as if it were: write {quoted.corrected}"
    return Problem(file=file, line=quoted.line, column=quoted.column, severity="warning", message=message)


def _at(node: YamlNode, path: str) -> YamlNode | None:
    """What stands below a path of keys."""
    found: YamlNode | None = node
    for key in path.split("."):
        found = found.get(key) if isinstance(found, YamlMap) else None
    return found


def _text(node: YamlNode, path: str) -> str:
    value = _at(node, path)
    return value.text.strip() if isinstance(value, YamlText) else ""


def _text_items(node: YamlNode | None) -> list[YamlText]:
    return [item for item in (node.items if isinstance(node, YamlList) else ()) if isinstance(item, YamlText)]


def _texts(node: YamlNode | None) -> tuple[str, ...]:
    return tuple(item.text for item in _text_items(node))
