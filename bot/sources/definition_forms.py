"""A service definition in another version of its schema, as far as that can say it.

What a version has no key for is left out. A document that would be none by the vendored schema is no answer: `None`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import msgspec
from msgspec import Struct

from bot.dora.definitions import ServiceDefinition
from bot.dora.rules import ServiceRules
from bot.guard import GuardError, decode_json, decode_json_as
from bot.sources.catalog_api import RefusedError, as_node, text_values
from bot.sources.definitions import EXTENSION, check_entity
from bot.sources.schema_check import check_schema

Document = Mapping[str, object]
VERSIONS = ("v1", "v2", "v2.1", "v2.2", "v3")
_LINK_TYPES = {
    "v1": ("doc", "wiki", "runbook", "url", "repo", "dashboard", "oncall", "code", "link"),
    "v2": ("doc", "wiki", "runbook", "url", "repo", "dashboard", "oncall", "code", "link"),
    "v2.1": ("doc", "runbook", "repo", "dashboard", "other"),
}
"""The last of a version stands for all others."""


class _Contact(Struct, omit_defaults=True):
    type: str
    contact: str
    name: str = ""


class _Link(Struct, omit_defaults=True):
    name: str
    url: str
    type: str = ""
    provider: str = ""


class _Service(Struct, rename="kebab", omit_defaults=True):
    service_url: str = ""
    region: str = ""


class _Integrations(Struct, omit_defaults=True):
    pagerduty: str | _Service = ""
    opsgenie: _Service | None = None


class _Info(Struct, rename="kebab", omit_defaults=True):
    dd_service: str
    display_name: str = ""
    description: str = ""
    service_tier: str = ""


class _Org(Struct, omit_defaults=True):
    team: str = ""
    application: str = ""


class _Reach(Struct, omit_defaults=True):
    email: str = ""
    slack: str = ""


class _V1(Struct, rename="kebab", omit_defaults=True):
    info: _Info
    schema_version: str = ""
    org: _Org = msgspec.field(default_factory=_Org)
    contact: _Reach = msgspec.field(default_factory=_Reach)
    external_resources: list[_Link] = []
    tags: list[str] = []
    integrations: _Integrations = msgspec.field(default_factory=_Integrations)
    extensions: dict[str, object] = {}


class _V2(Struct, rename="kebab", omit_defaults=True):
    """v2, v2.1 and v2.2: each has some of the keys."""

    schema_version: str
    dd_service: str
    team: str = ""
    dd_team: str = ""
    application: str = ""
    description: str = ""
    tier: str = ""
    lifecycle: str = ""
    type: str = ""
    languages: list[str] = []
    contacts: list[_Contact] = []
    links: list[_Link] = []
    repos: list[_Link] = []
    docs: list[_Link] = []
    tags: list[str] = []
    integrations: _Integrations = msgspec.field(default_factory=_Integrations)
    ci_pipeline_fingerprints: list[str] = []
    extensions: dict[str, object] = {}


class _Service3(Struct, omit_defaults=True):
    service_url: str = msgspec.field(name="serviceURL", default="")
    region: str = ""


class _Integrations3(Struct, omit_defaults=True):
    pagerduty: _Service3 | None = None
    opsgenie: _Service3 | None = None


class _Metadata(Struct, rename="camel", omit_defaults=True):
    name: str
    owner: str = ""
    display_name: str = ""
    description: str = ""
    tags: list[str] = []
    contacts: list[_Contact] = []
    links: list[_Link] = []


class _Spec(Struct, rename="camel", omit_defaults=True):
    lifecycle: str = ""
    tier: str = ""
    type: str = ""
    languages: list[str] = []
    component_of: list[str] = []


class _Location(Struct, omit_defaults=True):
    url: str = msgspec.field(name="repositoryURL", default="")
    paths: list[str] = []


class _Pipelines(Struct, omit_defaults=True):
    fingerprints: list[str] = []


class _Datadog(Struct, rename="camel", omit_defaults=True):
    pipelines: _Pipelines | None = None
    code_locations: list[_Location] = []


class _V3(Struct, rename="camel", omit_defaults=True):
    metadata: _Metadata
    api_version: str = ""
    kind: str = ""
    spec: _Spec = msgspec.field(default_factory=_Spec)
    integrations: _Integrations3 = msgspec.field(default_factory=_Integrations3)
    datadog: _Datadog = msgspec.field(default_factory=_Datadog)
    extensions: dict[str, object] = {}


@dataclass(slots=True, kw_only=True)
class _Said:
    """What the versions have in common."""

    name: str
    team: str = ""
    application: str = ""
    display_name: str = ""
    description: str = ""
    tier: str = ""
    lifecycle: str = ""
    type: str = ""
    languages: list[str] = field(default_factory=list)
    contacts: list[_Contact] = field(default_factory=list)
    links: list[_Link] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    pagerduty: str = ""
    opsgenie: tuple[str, str] = ("", "")
    fingerprints: list[str] = field(default_factory=list)
    locations: list[_Location] = field(default_factory=list)
    extensions: dict[str, object] = field(default_factory=dict)


def in_version(document: Document, version: str, wanted: str) -> Document | None:
    """A document of one schema version in another; `None` where that cannot be."""
    if version == wanted:
        return document
    try:
        said = _read(json.dumps(text_values(document)).encode(), version)
    except GuardError:
        return None
    extensions = document.get("extensions")
    if isinstance(extensions, dict):
        said.extensions = extensions
    return _written(said, wanted)


def document_of(definition: ServiceDefinition, wanted: str) -> Document | None:
    """What is known of a definition that stands in a file, as a document of a schema version."""
    said = _Said(
        name=definition.shown,
        team=definition.team,
        tags=list(definition.tags),
        languages=list(definition.languages),
        links=[_Link(name=link.name, type="repo", url=link.url) for link in definition.links],
        locations=[_Location(url=one.url, paths=list(one.paths)) for one in definition.code_locations],
    )
    extension: dict[str, object] = {}
    if definition.source_patterns is not None:
        extension["source_patterns"] = list(definition.source_patterns)
    if rules := _rules(definition.rules):
        extension["rollforward_rules"] = rules
    if extension:
        said.extensions = {EXTENSION: extension}
    return _written(said, wanted)


def _rules(own: ServiceRules) -> dict[str, list[dict[str, object]]]:
    sections = {"linked": own.linked, "static": own.static}
    return {
        name: [{key: value for key, value in asdict(one).items() if value is not None} for one in entries]
        for name, entries in sections.items()
        if entries
    }


def _read(document: bytes, version: str) -> _Said:
    match version:
        case "v1":
            return _from_v1(decode_json_as(_V1, document))
        case "v3":
            return _from_v3(decode_json_as(_V3, document))
        case _:
            return _from_v2(decode_json_as(_V2, document))


def _from_v1(one: _V1) -> _Said:
    reach = [("email", one.contact.email), ("slack", one.contact.slack)]
    return _Said(
        name=one.info.dd_service, team=one.org.team, application=one.org.application, display_name=one.info.display_name,
        description=one.info.description, tier=one.info.service_tier, links=one.external_resources, tags=one.tags,
        contacts=[_Contact(type=type, contact=contact) for type, contact in reach if contact],
        pagerduty=_url(one.integrations.pagerduty),
    )  # fmt: skip


def _from_v2(one: _V2) -> _Said:
    links = [*one.links, *_typed(one.repos, "repo"), *_typed(one.docs, "doc")]
    opsgenie = one.integrations.opsgenie or _Service()
    return _Said(
        name=one.dd_service, team=one.team or one.dd_team, application=one.application, description=one.description,
        tier=one.tier, lifecycle=one.lifecycle, type=one.type, languages=one.languages, contacts=one.contacts, links=links,
        tags=one.tags, pagerduty=_url(one.integrations.pagerduty), opsgenie=(opsgenie.service_url, opsgenie.region),
        fingerprints=one.ci_pipeline_fingerprints,
    )  # fmt: skip


def _from_v3(one: _V3) -> _Said:
    metadata, spec, opsgenie = one.metadata, one.spec, one.integrations.opsgenie or _Service3()
    systems = [ref.removeprefix("system:") for ref in spec.component_of if ref.startswith("system:")]
    return _Said(
        name=metadata.name, team=metadata.owner, application=next(iter(systems), ""), display_name=metadata.display_name,
        description=metadata.description, tier=spec.tier, lifecycle=spec.lifecycle, type=spec.type, languages=spec.languages,
        contacts=metadata.contacts, links=metadata.links, tags=metadata.tags, opsgenie=(opsgenie.service_url, opsgenie.region),
        pagerduty=one.integrations.pagerduty.service_url if one.integrations.pagerduty else "",
        fingerprints=one.datadog.pipelines.fingerprints if one.datadog.pipelines else [],
        locations=one.datadog.code_locations,
    )  # fmt: skip


def _written(said: _Said, version: str) -> Document | None:
    if said.type not in ("web", "db", "cache", "function", "browser", "mobile", "custom") and version != "v3":
        said.type = ""
    form = {"v1": _to_v1, "v3": _to_v3}.get(version)
    document = decode_json(msgspec.json.encode(_to_v2(said, version) if form is None else form(said)))
    if not isinstance(document, dict):
        return None
    document = {key: value for key, value in document.items() if value not in ({}, [])}
    if said.extensions:
        document["extensions"] = said.extensions
    try:
        node = as_node(document)
    except RefusedError:  # it has grown beyond what is accepted
        return None
    if version == "v3":
        return None if check_entity("", node, "datadog/v3/service.schema") else document
    return None if check_schema("", node, f"datadog/{version}") else document


def _to_v1(said: _Said) -> _V1:
    def reach(type: str, begin: str = "") -> str:
        return next((one.contact for one in said.contacts if one.type == type and one.contact.startswith(begin)), "")

    return _V1(
        schema_version="v1",
        info=_Info(
            dd_service=said.name, display_name=said.display_name, description=said.description, service_tier=said.tier
        ),
        org=_Org(team=said.team, application=said.application),
        contact=_Reach(email=reach("email"), slack=reach("slack", "https://")),
        external_resources=_known(said.links, "v1"),
        tags=said.tags,
        integrations=_Integrations(pagerduty=said.pagerduty),
    )


def _to_v2(said: _Said, version: str) -> _V2:
    url, region = said.opsgenie
    one = _V2(
        schema_version=version, dd_service=said.name, team=said.team, tags=said.tags, contacts=said.contacts,
        links=said.links if version == "v2.2" else _known(said.links, version),
        integrations=_Integrations(
            pagerduty=said.pagerduty if version == "v2" or not said.pagerduty else _Service(service_url=said.pagerduty),
            opsgenie=_Service(service_url=url, region=region) if url else None,
        ),
    )  # fmt: skip
    if version != "v2":
        one.application, one.description, one.tier, one.lifecycle = said.application, said.description, said.tier, said.lifecycle
    if version == "v2.2":
        one.type, one.languages, one.ci_pipeline_fingerprints = said.type, said.languages, said.fingerprints
    return one


def _to_v3(said: _Said) -> _V3:
    url, region = said.opsgenie
    return _V3(
        api_version="v3",
        kind="service",
        metadata=_Metadata(
            name=said.name, owner=said.team, display_name=said.display_name, description=said.description, tags=said.tags,
            contacts=said.contacts, links=said.links,
        ),
        spec=_Spec(
            lifecycle=said.lifecycle, tier=said.tier, type=said.type, languages=said.languages,
            component_of=[f"system:{said.application}"] if said.application else [],
        ),
        integrations=_Integrations3(
            pagerduty=_Service3(service_url=said.pagerduty) if said.pagerduty else None,
            opsgenie=_Service3(service_url=url, region=region) if url else None,
        ),
        datadog=_Datadog(
            pipelines=_Pipelines(fingerprints=said.fingerprints) if said.fingerprints else None,
            code_locations=said.locations,
        ),
    )  # fmt: skip


def _url(told: str | _Service) -> str:
    return told if isinstance(told, str) else told.service_url


def _typed(links: Iterable[_Link], type: str) -> list[_Link]:
    return [_Link(name=link.name, url=link.url, type=type, provider=link.provider) for link in links]


def _known(links: Sequence[_Link], version: str) -> list[_Link]:
    """Links with the types that a version lists; only v2.1 of these names providers."""
    types = _LINK_TYPES[version]
    return [
        _Link(
            name=link.name, url=link.url, type=link.type if link.type in types else types[-1],
            provider=link.provider if version == "v2.1" else "",
        )
        for link in links
    ]  # fmt: skip
