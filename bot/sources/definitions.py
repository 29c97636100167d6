"""Service definitions: files in, values and problems out.

All files are read, and all mistakes told, but only a snapshot without errors may come into force. Another schema version is one
more entry of `_READERS`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from bot.dora.definitions import Problem, RepoLink, ServiceDefinition
from bot.dora.paths import check_pattern, check_patterns, counts, pattern_warning
from bot.dora.repositories import RepositoryUrlError, parse_source_link
from bot.guard import GuardError, YamlList, YamlMap, YamlNode, YamlText, load_yaml
from bot.sources.quoting import Quoted, quote_patterns
from bot.sources.schema_check import check_schema, error_at, shown, warning_at

EXTENSION = "datadoghq.com/dora-metrics"


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionsRead:
    """What the files say: definitions by service, problems by file and line."""

    definitions: tuple[ServiceDefinition, ...]
    problems: tuple[Problem, ...]

    @property
    def valid(self) -> bool:
        """Whether no file has an error."""
        return all(problem.severity != "error" for problem in self.problems)


def read_definitions(files: Mapping[str, bytes]) -> DefinitionsRead:
    """Read the definitions in `files` (name → text); nothing is raised, every mistake is a problem."""
    found: list[ServiceDefinition] = []
    problems: list[Problem] = []
    for file in sorted(files):
        read, wrong = _read_file(file, files[file])
        found += read
        problems += wrong
    problems += _doubled(found)
    problems.sort(key=lambda problem: (problem.file, problem.line, problem.column, problem.message))
    found.sort(key=lambda definition: definition.service)
    return DefinitionsRead(definitions=tuple(found), problems=tuple(problems))


def _read_file(file: str, text: bytes) -> tuple[list[ServiceDefinition], list[Problem]]:
    documents, problems = _read_documents(file, text)
    found: list[ServiceDefinition] = []
    wrong: list[Problem] = []
    for document in documents:
        definition, told = _read_document(file, document)
        wrong += told
        if definition is not None:
            found.append(definition)
    if any(problem.severity == "error" for problem in wrong):
        quoted = quote_patterns(text.decode())[1]
        wrong = [_with_correction(problem, quoted) for problem in wrong]
    return found, problems + wrong


def _read_documents(file: str, text: bytes) -> tuple[list[YamlNode], list[Problem]]:
    """The documents of a file, unquoted patterns mended; an error leaves none."""
    try:
        return load_yaml(text), []
    except GuardError as error:
        if error.slug in ("too_large", "too_deep", "not_utf8"):
            return [], [_refused(file, error)]
        mended, quoted = quote_patterns(text.decode())
        if not quoted:
            return [], [_refused(file, error)]
    try:
        return load_yaml(mended.encode()), [_mended(file, item) for item in quoted]
    except GuardError as error:
        return [], [_refused(file, error)]


def _read_document(file: str, document: YamlNode) -> tuple[ServiceDefinition | None, list[Problem]]:
    if not isinstance(document, YamlMap):
        return None, [error_at(file, document, "a service definition is a mapping, with the keys schema-version and dd-service")]
    named = document.get("schema-version") or document.get("apiVersion")
    if not isinstance(named, YamlText):
        return None, [error_at(file, named or document, "the key 'schema-version' is missing; write schema-version: v2.2")]
    reader = _READERS.get(named.text)
    if reader is None:
        return None, [error_at(file, named, f"schema-version {shown(named.text)} is none of v2, v2.1, v2.2")]
    return reader(file, document, named)


_Reader = Callable[[str, YamlMap, YamlText], tuple[ServiceDefinition | None, list[Problem]]]


def _comes_later(file: str, document: YamlMap, version: YamlText) -> tuple[None, list[Problem]]:
    return None, [error_at(file, version, f"schema version {version.text} comes later; write the definition in v2.2")]


def _read_v2(file: str, document: YamlMap, version: YamlText) -> tuple[ServiceDefinition | None, list[Problem]]:
    """v2, v2.1 and v2.2: one shape, told apart by what their schemas allow."""
    problems = check_schema(file, document, f"datadog/{version.text}")
    patterns, wrong = _source_patterns(file, document)
    problems += wrong
    name = document.get("dd-service")
    if not isinstance(name, YamlText) or any(problem.severity == "error" for problem in problems):
        return None, problems
    service = name.text.strip().lower()
    if not service:
        return None, [*problems, error_at(file, name, "dd-service may not be empty")]
    links = [*_links(document, "links"), *_links(document, "repos")]
    problems += _link_warnings(file, service, links, patterns is not None)
    definition = ServiceDefinition(
        service=service,
        shown=name.text.strip(),
        schema_version=version.text,
        team=_text(document, "team") or _text(document, "dd-team"),
        tags=_texts(document.get("tags")),
        languages=_texts(document.get("languages")),
        source_patterns=patterns,
        links=tuple(link for link, _ in links),
        location=f"{file}:{name.line}",
    )
    return definition, problems


_READERS: Mapping[str, _Reader] = {
    "v1": _comes_later,
    "v2": _read_v2,
    "v2.1": _read_v2,
    "v2.2": _read_v2,
    "v3": _comes_later,
}


def _source_patterns(file: str, document: YamlMap) -> tuple[tuple[str, ...] | None, list[Problem]]:
    extensions = document.get("extensions")
    extension = extensions.get(EXTENSION) if isinstance(extensions, YamlMap) else None
    if extension is None:
        return None, []
    problems = _check_extension(file, extension)
    if isinstance(extension, YamlMap):
        later = extension.get("rollforward_rules")
        if later is not None:
            problems.append(warning_at(file, later, "rollforward_rules is not read yet; the rules of rules.yaml apply"))
    listed = extension.get("source_patterns") if isinstance(extension, YamlMap) else None
    if not isinstance(listed, YamlList) or any(problem.severity == "error" for problem in problems):
        return None, problems
    items = [item for item in listed.items if isinstance(item, YamlText)]
    wrong = [error_at(file, item, told) for item in items if (told := check_pattern(item.text))]
    together = None if wrong else check_patterns([item.text for item in items])
    if together:
        wrong.append(error_at(file, listed, together))
    problems += wrong
    problems += [warning_at(file, item, told) for item in items if not wrong and (told := pattern_warning(item.text))]
    return tuple(item.text for item in items), problems


def _check_extension(file: str, extension: YamlNode) -> list[Problem]:
    """The extension's mistakes; of a pattern that YAML took for a collection or for nothing in words that say so."""
    listed = extension.get("source_patterns") if isinstance(extension, YamlMap) else None
    items = listed.items if isinstance(listed, YamlList) else ()
    no_text = {(item.line, item.column): item for item in items if not (isinstance(item, YamlText) and item.text)}
    told = check_schema(file, extension, "dora-metrics")
    problems = [problem for problem in told if (problem.line, problem.column) not in no_text]
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
    listed = document.get(key)
    found: list[tuple[RepoLink, YamlNode]] = []
    for item in listed.items if isinstance(listed, YamlList) else ():
        url = item.get("url") if isinstance(item, YamlMap) else None
        if isinstance(item, YamlMap) and url is not None and (key == "repos" or _text(item, "type").lower() == "repo"):
            found.append((RepoLink(name=_text(item, "name"), url=_text(item, "url")), url))
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


def _doubled(definitions: Iterable[ServiceDefinition]) -> Iterable[Problem]:
    first: dict[str, ServiceDefinition] = {}
    for definition in definitions:
        other = first.setdefault(definition.service, definition)
        if other is not definition:
            file, _, line = definition.location.rpartition(":")
            message = f"the service {shown(definition.shown)} is defined here and in {other.location}"
            yield Problem(file=file, line=int(line), column=1, severity="error", message=message)


def _refused(file: str, error: GuardError) -> Problem:
    return Problem(file=file, line=error.line or 1, column=error.column or 1, severity="error", message=error.detail)


def _mended(file: str, quoted: Quoted) -> Problem:
    message = f"{shown(quoted.item)} must be quoted in YAML; it is read as if it were: write {quoted.corrected}"
    return Problem(file=file, line=quoted.line, column=quoted.column, severity="warning", message=message)


def _text(node: YamlMap, key: str) -> str:
    value = node.get(key)
    return value.text.strip() if isinstance(value, YamlText) else ""


def _texts(node: YamlNode | None) -> tuple[str, ...]:
    items = node.items if isinstance(node, YamlList) else ()
    return tuple(item.text for item in items if isinstance(item, YamlText))
