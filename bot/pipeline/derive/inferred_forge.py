"""What follows from a repository at a forge: reads its facts for `bot.dora.inference`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from bot.dora.events import NewDeployment
from bot.dora.inference import Bearer, ForgeDeployment, InferenceRule, Release, Tag, infer_deployments
from bot.dora.instants import Instant
from bot.dora.names import NameRow
from bot.facts.catalog import load_definitions
from bot.facts.forge_facts import DeploymentRow, ReleaseRow
from bot.facts.inference_rules import load_inference_rules
from bot.facts.names import links_to, load_naming, load_web_roots
from bot.facts.registry import RepositoryRow, named_repositories
from bot.store import Reader

SUCCESS = "success"
"""The state that counts, in the words of both forges."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgeFacts:
    """What is known of a repository beside its rules; `services` are those whose definition in force names it, as shown."""

    bearer: Bearer
    services: dict[str, str]
    deployments: tuple[ForgeDeployment, ...]
    tags: tuple[Tag, ...]
    releases: tuple[Release, ...]


def infer_forge(reader: Reader, repository_id: int) -> list[NewDeployment]:
    """The deployments that follow from a repository's forge deployments, tags and releases."""
    found = reader.fetch("repository_by_number", RepositoryRow, id=repository_id)
    return follow_from(load_forge_facts(reader, found[0]), load_inference_rules(reader, repository_id)) if found else []


def load_forge_facts(reader: Reader, row: RepositoryRow) -> ForgeFacts:
    """The facts of a repository, in one snapshot."""
    return ForgeFacts(
        bearer=load_bearer(reader, row),
        services=defined_services(reader, row),
        deployments=tuple(map(_deployment, reader.fetch("forge_deployments_of", DeploymentRow, repository_id=row.id))),
        tags=tuple(reader.fetch("tags_of_repository", _tag, repository_id=row.id)),
        releases=tuple(map(_release, reader.fetch("forge_releases_of", ReleaseRow, repository_id=row.id))),
    )


def follow_from(facts: ForgeFacts, rules: Sequence[InferenceRule]) -> list[NewDeployment]:
    """The deployments that follow by these rules."""
    return infer_deployments(
        facts.bearer, services=facts.services, rules=rules, deployments=facts.deployments, tags=facts.tags,
        releases=facts.releases,
    )  # fmt: skip


def defined_services(reader: Reader, repository: RepositoryRow) -> dict[str, str]:
    """The services whose definition in force names the repository, as they are shown."""
    naming, roots = load_naming(reader, repository), load_web_roots(reader)
    return {one.service: one.shown for one in load_definitions(reader) if links_to(one, naming, roots)}


def load_bearer(reader: Reader, row: RepositoryRow) -> Bearer:
    """A repository as what follows from it is named by."""
    own = reader.fetch_in("names_of_repositories", NameRow, [row.id])
    names, _ = named_repositories(reader, {name.name for name in own})
    host = row.name.partition("/")[0]

    def called(at: Instant) -> str:
        return names.called_at(row.id, at) or row.name

    return Bearer(
        forge=row.forge, number=f"{host} {row.forge_id}" if row.forge_id else "", first_name=names.first(row.id), called=called
    )


def _deployment(row: DeploymentRow) -> ForgeDeployment:
    states: list[tuple[Instant, str]] = json.loads(row.states) if SUCCESS in row.states else []
    return ForgeDeployment(
        forge_id=row.forge_id, environment=row.environment, sha=None if row.sha is None else bytes(row.sha), ref=row.ref,
        created_at=row.created_at, succeeded_at=min((at for at, state in states if state == SUCCESS), default=None),
    )


def _tag(name: str, sha: bytes, at: Instant | None) -> Tag:
    return Tag(name=name.removeprefix("refs/tags/"), sha=bytes(sha), at=at)


def _release(row: ReleaseRow) -> Release:
    return Release(
        forge_id=row.forge_id, tag=row.tag, state=row.state, published_at=row.published_at, told_at=row.told_at
    )
