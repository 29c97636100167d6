"""What is computed only when somebody asks why: the dropped candidates of a deployment, by the same walk that derived the kept."""

import threading
from collections.abc import Sequence

from bot.dora.changes import Candidate, Explanation, Limits, explain_changes
from bot.dora.commits import Sha
from bot.dora.deployments import Series
from bot.pipeline.derive.changes_stage import load_series
from bot.pipeline.derive.sources import Sources
from bot.pipeline.history import HistoryCache
from bot.store import Reader


class StoredExplainSource:
    """Explains deployments from the store, with histories kept in memory between questions. Threads take turns."""

    def __init__(self, *, limits: Limits, histories: HistoryCache | None = None) -> None:
        self.limits = limits
        self.sources = Sources(histories or HistoryCache())
        self.turn = threading.Lock()

    def candidates(self, reader: Reader, deployment_id: str, /) -> Sequence[Candidate]:
        """Every commit of the deployment's range, kept and dropped, newest first."""
        found = self.explain(reader, deployment_id)
        return found.candidates if found is not None else ()

    def taken_back(self, reader: Reader, deployment_id: str, /) -> Sequence[Sha]:
        """The commits that a deployment which moved backwards took out of service, newest first."""
        found = self.explain(reader, deployment_id)
        return found.changes.taken_back if found is not None else ()

    def explain(self, reader: Reader, deployment_id: str) -> Explanation | None:
        """The walk over the deployment's series, up to it."""
        found = reader.fetch("series_of_deployment", _series, id=deployment_id)
        if not found:
            return None
        with self.turn:
            facts = load_series(reader, self.sources, found[0])
            views = {name: repository.view for name, repository in facts.repositories.items()}
            return explain_changes(facts.deployments, deployment_id, repositories=views, limits=self.limits)


def _series(service: str, env: str) -> Series:
    return Series(service=service, env=env)
