"""The services: all that are defined or were ever deployed."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace

from bot.answers.cursors import Cursor
from bot.answers.definitions import ORIGINS
from bot.answers.questions import FILTERS, PAGE, Asker, Filters, Form, Page, Parameters, parse_filters
from bot.answers.rows import NEWEST, load_deployments, load_pending
from bot.dora.definitions import ServiceDefinition
from bot.dora.instants import Instant
from bot.dora.paths import linked_repositories
from bot.facts.catalog import Claim, load_claims, load_definitions
from bot.facts.names import Shown, load_web_roots
from bot.facts.sources import load_selection
from bot.store import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRuleShown:
    """What a definition says of one rule; `kind` is linked or static, `None` stays as rules.yaml has it."""

    kind: str
    id: str
    field: str | None
    pattern: str | None
    enabled: bool | None
    blame: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionShown:
    """What a definition says, where it stands, and the places of those that it overrules. `origin` is folder, api or repository."""

    schema_version: str
    origin: str
    location: str
    overrules: tuple[str, ...]
    source_patterns: tuple[str, ...] | None
    links: tuple[str, ...]
    rules: tuple[OwnRuleShown, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceShown:
    """A service; `name` is canonical (lower case), `service` as written. `definition` is `None` when nobody defined it."""

    service: str
    name: str
    team: str | None
    tags: tuple[str, ...]
    languages: tuple[str, ...]
    definition: DefinitionShown | None
    envs: tuple[str | None, ...]
    repositories: tuple[str, ...]
    sources: tuple[str, ...]
    deployments: int
    last_deployment_at: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceList:
    """A page of services, the latest deployed first, the never deployed last."""

    data: tuple[ServiceShown, ...]
    next: str | None


@dataclass(slots=True)
class _Seen:
    shown: str = ""
    envs: set[str] | None = None
    repositories: set[str] | None = None
    sources: set[str] | None = None
    deployments: int = 0
    last: Instant = -1

    def add(self, env: str, repository: str, source: str, shown: str, count: int, last: Instant | None) -> None:
        self.envs = (self.envs or set()) | {env}
        self.repositories = (self.repositories or set()) | ({repository} if repository else set())
        self.sources = (self.sources or set()) | {source}
        self.shown = min(self.shown or shown, shown)
        self.deployments += count
        self.last = max(self.last, -1 if last is None else last)


_LONGEST_NAME = 100
"""In messages, and to be compared with others."""


def parse_services(parameters: Parameters, asker: Asker) -> tuple[Filters, Page]:
    """A question for a list of services. Raises QuestionError."""
    form = Form(parameters, known=(*FILTERS, *PAGE))
    return parse_filters(form, asker), form.page(int, str)


def list_services(reader: Reader, filters: Filters, page: Page) -> ServiceList:
    """A page of the services that match: by their deployments, or by their definition when none was deployed."""
    services = load_services(reader, filters)
    if page.after is not None:
        at, name = int(page.after[0]), str(page.after[1])
        services = [one for one in services if _key(one) > (-at, name)]
    shown = services[: page.limit]
    last = shown[-1] if shown else None
    more = len(services) > page.limit and last is not None
    return ServiceList(
        data=tuple(shown),
        next=Cursor.encode((-_key(last)[0], last.name)) if more and last is not None else None,
    )


def find_service(reader: Reader, name: str) -> ServiceShown | None:
    """One service by its canonical name; `None` when it is neither defined nor deployed."""
    found = load_services(reader, Filters(service=name))
    return found[0] if found else None


def uncounted_sources(reader: Reader, service: ServiceShown) -> list[tuple[str, Instant | None]]:
    """Who told of a service's deployments where none of them counts, with the instant from which on theirs do (`None`: off)."""
    selection = load_selection(reader, "deployments")
    return [] if service.deployments else [(source, selection.counts_from(source)) for source in service.sources]


def no_such_service(reader: Reader, name: str, *, offer: bool = True) -> str | None:
    """What is said of a name that no service has, with those it may have been meant for if they may be told; `None` of a service."""
    known = service_names(load_services(reader, Filters()))
    if name in known:
        return None
    near = difflib.get_close_matches(name[:_LONGEST_NAME], known if offer else (), n=3)
    meant = f"; did you mean {' or '.join(near)}?" if near else "."
    return f"There is no service {name[:_LONGEST_NAME]!r}{meant}"


def load_services(reader: Reader, filters: Filters) -> list[ServiceShown]:
    """All services that match, the latest deployed first."""
    definitions = {one.service: one for one in load_definitions(reader)}
    claims: dict[str, list[Claim]] = {}
    for claim in load_claims(reader):
        claims.setdefault(claim.definition.service, []).append(claim)
    shown = Shown(reader)
    if filters.repository is not None:
        filters = replace(filters, repository=shown.current(filters.repository))
    roots = load_web_roots(reader)
    linked = {name: shown.currents(linked_repositories(one, web_roots=roots)) for name, one in definitions.items()}
    seen = _seen(reader, filters, shown)
    by_definition = _only_definitions(filters)
    names = set(seen)
    if by_definition is not None:
        names |= {name for name, one in definitions.items() if _defined(one, linked[name], by_definition)}
    found = (
        _show(name, definitions.get(name), claims.get(name, []), linked.get(name, set()), seen.get(name)) for name in names
    )
    return sorted(found, key=_key)


def _seen(reader: Reader, filters: Filters, shown: Shown) -> dict[str, _Seen]:
    seen: dict[str, _Seen] = {}
    if filters.team is None and not filters.tags and not shown.ambiguous:
        rows = reader.fetch(
            "answer_services",
            _service,
            from_at=0 if filters.from_at is None else filters.from_at,
            to_at=NEWEST[0] if filters.to_at is None else filters.to_at,
        )
        selection = load_selection(reader, "deployments")
        for service, env, name, source, written, number, at in rows:
            count, last = (number, at) if selection.switch(source).on else (0, None)
            repository = shown.current(name)
            if (
                filters.service in (None, service)
                and (filters.envs is None or env in filters.envs)
                and filters.repository in (None, repository)
                and filters.source in (None, source)
            ):
                seen.setdefault(service, _Seen()).add(env, repository, source, written, count, last)
        return seen
    pending = load_pending(reader)
    for row in load_deployments(reader, filters):
        one = seen.setdefault(row.service, _Seen())
        counted = row.counted(pending)
        one.add(row.env, row.repository, row.source, row.service_shown, int(counted), row.finished_at if counted else None)
    return seen


def _only_definitions(filters: Filters) -> Filters | None:
    """What is left to ask a definition, or `None` when only a deployment can answer the question."""
    rest = replace(filters, service=None, team=None, tags=(), repository=None, echo=None)
    return filters if rest == Filters() else None


def _defined(definition: ServiceDefinition, linked: set[str], filters: Filters) -> bool:
    return (
        filters.service in (None, definition.service)
        and filters.team in (None, definition.team.strip().lower())
        and set(filters.tags) <= set(definition.event_tags)
        and (filters.repository is None or filters.repository in linked)
    )


def _show(
    name: str, definition: ServiceDefinition | None, claims: Sequence[Claim], linked: set[str], seen: _Seen | None
) -> ServiceShown:
    seen = seen or _Seen()
    return ServiceShown(
        service=definition.shown if definition else seen.shown,
        name=name,
        team=(definition.team or None) if definition else None,
        tags=definition.tags if definition else (),
        languages=definition.languages if definition else (),
        definition=None
        if definition is None
        else DefinitionShown(
            schema_version=definition.schema_version,
            origin=ORIGINS[claims[0].origin.rank],
            location=definition.place,
            overrules=tuple(claim.definition.place for claim in claims[1:]),
            source_patterns=definition.source_patterns,
            links=tuple(link.url for link in definition.links),
            rules=tuple(
                OwnRuleShown(kind=kind, **asdict(one))
                for kind, said in (("linked", definition.rules.linked), ("static", definition.rules.static))
                for one in said
            ),
        ),
        envs=tuple(env or None for env in sorted(seen.envs or ())),
        repositories=tuple(sorted({*(seen.repositories or ()), *linked})),
        sources=tuple(sorted(seen.sources or ())),
        deployments=seen.deployments,
        last_deployment_at=None if seen.last < 0 else seen.last,
    )


def _key(service: ServiceShown) -> tuple[int, str]:
    return (1 if service.last_deployment_at is None else -service.last_deployment_at), service.name


def _service(
    service: str, env: str, repository: str, source: str, shown: str, count: int, last: Instant | None
) -> tuple[str, str, str, str, str, int, Instant | None]:
    return service, env, repository, source, shown, int(count), last


def service_names(services: Iterable[ServiceShown]) -> list[str]:
    """The canonical names, for choosing from."""
    return sorted(one.name for one in services)
