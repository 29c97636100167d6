"""The changes that one deployment carried for one service: range, path filter, squash originals, redeployments."""

from dataclasses import dataclass

from bot.dora.commits import Sha
from bot.dora.reasons import Dropped


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A commit of a deployment's range: kept, or dropped with the reason. `original_of` is the squashed commit it stood behind."""

    sha: Sha
    reason: Dropped | None = None
    original_of: Sha | None = None
    redeployed: bool = False

    @property
    def kept(self) -> bool:
        """Whether the commit is a change of this deployment."""
        return self.reason is None
