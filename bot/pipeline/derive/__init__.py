"""Derivation: the only writer of derived rows.

A mark says what is dirty. Its derivation reads mark and facts in one snapshot, computes with `bot.dora`, and writes only the
difference, in slices, each of them only while the mark is what was read; the mark goes last. So a fact that arrives meanwhile
costs a second derivation and never a wrong row.
"""

from bot.pipeline.derive.deriver import Deriver, limits_of, options_of, rebuild
from bot.pipeline.derive.sources import Sources

__all__ = ["Deriver", "Sources", "limits_of", "options_of", "rebuild"]
