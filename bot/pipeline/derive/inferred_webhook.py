"""What follows from deployments told by webhook: reads whose they are for `bot.dora.inference`."""

from typing import NamedTuple

from bot.dora.events import NewDeployment
from bot.dora.inference import infer_webhook_deployments
from bot.dora.paths import linked_repositories
from bot.facts.catalog import load_definitions
from bot.facts.names import Meanings, load_web_roots
from bot.facts.registry import RepositoryRow
from bot.facts.webhook_deployments import load_commits_deployed
from bot.pipeline.derive.inferred_forge import defined_services
from bot.store import Reader


class _Seen(NamedTuple):
    """What is known of the repository that a name meant: who claims it, and its tags."""

    services: dict[str, str]
    tags: frozenset[str]


def infer_webhook(reader: Reader, repository: str) -> list[NewDeployment]:
    """The deployments that follow from what was told of a repository under a name, which meant one then."""
    told = load_commits_deployed(reader, repository)
    meanings = Meanings(reader, {repository})
    meant = [meanings.at(repository, one.finished_at) for one in told]
    seen = {row.id: _Seen(defined_services(reader, row), _tags(reader, row)) for row in set(meant) if row is not None}
    unknown = _Seen(_linked(reader, repository) if None in meant else {}, frozenset())
    found: list[NewDeployment] = []
    for one, row in zip(told, meant, strict=True):
        services, tags = unknown if row is None else seen[row.id]
        found += infer_webhook_deployments(one, services=services, tags=tags)
    return found


def _tags(reader: Reader, row: RepositoryRow) -> frozenset[str]:
    names = reader.fetch("tags_of_repository", lambda name, *_: str(name), repository_id=row.id)
    return frozenset(name.removeprefix("refs/tags/") for name in names)


def _linked(reader: Reader, repository: str) -> dict[str, str]:
    """Who claims a repository that nobody knows but by this name."""
    roots = load_web_roots(reader)
    return {
        one.service: one.shown for one in load_definitions(reader) if repository in linked_repositories(one, web_roots=roots)
    }
