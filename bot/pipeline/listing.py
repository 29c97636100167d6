"""What a forge's log of a folder can vouch for, and which folders are worth asking about.

Such a log is simplified as `git log -- <path>` is: where a merge has of a path what one of its parents had, that parent alone is
followed. So a commit that every way from the tip leads through is told for sure, one on a side branch perhaps not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.dora.commits import Sha, parents_first
from bot.dora.paths import EVERYTHING, linked_repositories, plain_paths
from bot.facts.catalog import load_definitions
from bot.facts.names import links_to, load_naming, load_web_roots
from bot.facts.repositories import RepositoryRow
from bot.pipeline.derive.sources import Sources
from bot.pipeline.history import HistoryCache
from bot.store import Reader

MARKER = "…".encode()
"""Stands for whatever a listed commit changed in a folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What services claim of a repository: folders (and files) by their paths, and the services that say more than paths."""

    folders: frozenset[bytes]
    wild: tuple[str, ...]


def marker(folder: bytes) -> bytes:
    """The path that says "something in this folder": patterns match it if they match all that lies in the folder."""
    return folder + b"/" + MARKER


def load_claimed(reader: Reader, repository: RepositoryRow) -> Claimed:
    """What the definitions in force claim of a repository; services that want all of it need no paths."""
    sources, naming, roots = Sources(HistoryCache()), load_naming(reader, repository), load_web_roots(reader)
    deployed = set(reader.fetch("series_of_repository", _service, repository_id=repository.id))
    folders: set[bytes] = set()
    wild: list[str] = []
    for definition in load_definitions(reader):
        # Patterns hold in every repository; links elsewhere say that this one is not meant, unless it was deployed from.
        elsewhere = linked_repositories(definition, web_roots=roots) and not links_to(definition, naming, roots)
        if elsewhere and definition.service not in deployed:
            continue
        patterns = sources.patterns(reader, definition.service, repository).patterns
        if all(pattern in (EVERYTHING, "/" + EVERYTHING) for pattern in patterns):
            continue
        plain = plain_paths(patterns)
        if plain is None:
            wild.append(definition.service)
        else:
            folders.update(plain)
    return Claimed(folders=frozenset(folders), wild=tuple(sorted(wild)))


def _service(service: str, env: str, finished_at: int) -> str:
    return service


def certain(tip: Sha, parents: Mapping[Sha, Sequence[Sha]]) -> set[Sha]:
    """The commits that every way from `tip` down leads through, as far as `parents` are known."""
    shas = list(parents)
    after: dict[Sha, Sha | None] = {}
    """The next commit that every way leads through; `None`: the beginning of the history."""
    depth: dict[Sha | None, int] = {None: 0}
    for at in parents_first(shas, [parents[sha] for sha in shas]):
        sha = shas[at]
        after[sha] = _meeting(parents[sha], after, depth)
        depth[sha] = depth[after[sha]] + 1
    found: set[Sha] = set()
    here: Sha | None = tip if tip in after else None
    while here is not None:
        found.add(here)
        here = after[here]
    return found


def _meeting(parents: Sequence[Sha], after: Mapping[Sha, Sha | None], depth: Mapping[Sha | None, int]) -> Sha | None:
    """Where all ways from these parents meet again for the first time."""
    if not parents or any(parent not in after for parent in parents):
        return None
    meeting: Sha | None = parents[0]
    for parent in parents[1:]:
        other: Sha | None = parent
        while meeting != other:
            if depth[meeting] < depth[other]:
                other = None if other is None else after[other]
            else:
                meeting = None if meeting is None else after[meeting]
    return meeting
