"""Which inferences a fact concerns: what follows from repositories depends on their facts, their names and who claims them."""

from collections.abc import Collection, Sequence
from typing import Final

from bot.dora.names import NameRow
from bot.dora.repositories import RepositoryId
from bot.facts.marks import mark_inference
from bot.store import Reader, Writer

FORGE: Final = "forge"
"""What follows from a repository at a forge; the subject is our number of it."""
ISSUES: Final = "issues"
"""Failures that a repository's issues are; the subject is our number of it."""
WEBHOOK: Final = "webhook"
"""What follows from deployments that were told by webhook; the subject is the repository as they call it."""
Inference = tuple[str, int | str]
"""A kind and what names its subject."""


def inferences_of(reader: Reader, repositories: Collection[int], names: Collection[RepositoryId] = ()) -> list[Inference]:
    """All that may follow otherwise when something is different about these repositories, or what these names mean."""
    asked = sorted(set(repositories))
    inferring = {id for query in ("deployed_by_forge", "ruled") for id in reader.fetch_in(query, int, asked)}
    told = {row.name for row in reader.fetch_in("names_of_repositories", NameRow, asked)} | set(names)
    known = reader.fetch_in("webhook_repositories_among", str, sorted(told))
    issued = sorted(reader.fetch_in("repositories_with_issues_among", int, asked))
    forge = [*((FORGE, id) for id in sorted(inferring)), *((ISSUES, id) for id in issued)]
    return [*forge, *((WEBHOOK, name) for name in sorted(known))]


def every_inference(reader: Reader) -> list[Inference]:
    """All from which something may follow."""
    forge, issued = reader.fetch("inferring_repositories", int), reader.fetch("repositories_with_issues", int)
    told = [*((FORGE, id) for id in forge), *((ISSUES, id) for id in issued)]
    return [*told, *((WEBHOOK, name) for name in reader.fetch("webhook_repositories", str))]


def mark_inferences(writer: Writer, inferences: Sequence[Inference]) -> None:
    """Have them inferred again."""
    for kind, subject in inferences:
        mark_inference(writer, kind, subject)
