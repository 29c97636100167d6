"""What a sync by API hands to ingest beside the spool."""

from dataclasses import dataclass

from bot.dora.commits import Sha
from bot.dora.instants import Instant
from bot.git import RefTip


@dataclass(frozen=True, slots=True, kw_only=True)
class Spooled:
    """`boundary`: commits that stand without their parents. `known`: the claims it served. `again_at`: when it is to go on."""

    refs: tuple[RefTip, ...]
    boundary: frozenset[Sha]
    known: str
    again_at: Instant | None
