"""What follows from deployments told by webhook: reads whose they are for `bot.dora.inference`."""

from bot.dora.events import NewDeployment
from bot.dora.inference import infer_webhook_deployments
from bot.dora.paths import linked_repositories
from bot.facts.catalog import load_definitions
from bot.facts.names import load_web_roots, meanings_at
from bot.facts.webhook_deployments import load_commits_deployed
from bot.pipeline.derive.inferred_forge import defined_services
from bot.store import Reader


def infer_webhook(reader: Reader, repository: str) -> list[NewDeployment]:
    """The deployments that follow from what was told of a repository under a name, which meant one then."""
    told = load_commits_deployed(reader, repository)
    unnamed = {(repository, one.finished_at) for one in told if not one.service}
    meant = meanings_at(reader, unnamed)
    services = {row.id: defined_services(reader, row) for row in meant.values()}
    unknown = _linked(reader, repository) if unnamed - meant.keys() else {}
    found: list[NewDeployment] = []
    for one in told:
        row = meant.get((repository, one.finished_at))
        found += infer_webhook_deployments(one, services=unknown if row is None else services[row.id])
    return found


def _linked(reader: Reader, repository: str) -> dict[str, str]:
    """Who claims a repository that nobody knows but by this name."""
    roots = load_web_roots(reader)
    return {
        one.service: one.shown for one in load_definitions(reader) if repository in linked_repositories(one, web_roots=roots)
    }
