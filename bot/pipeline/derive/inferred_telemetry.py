"""What follows from telemetry: reads the sightings of a service for `bot.dora.telemetry`."""

import json
from hashlib import blake2b
from itertools import groupby

from bot.dora.events import NewDeployment
from bot.dora.telemetry import Appearance, appearances
from bot.facts.catalog import load_definition
from bot.facts.telemetry import VersionRow, load_seen
from bot.store import Reader

APM = "apm"


def infer_telemetry(reader: Reader, service: str, *, silence: int) -> list[NewDeployment]:
    """The deployments of a service (its name in lower case) that telemetry shows; none without a definition. `silence` in minutes."""
    if load_definition(reader, service) is None:
        return []
    found = []
    for _, group in groupby(load_seen(reader, service), key=lambda one: one[0].env):
        versions = list(group)
        rows = {row.version: row for row, _ in versions}
        found += [_deployment(rows[one.version], one) for one in appearances((seen for _, seen in versions), silence=silence)]
    return found


def _deployment(row: VersionRow, one: Appearance) -> NewDeployment:
    return NewDeployment(
        id=_id(row, one),
        service=row.service_shown,
        env=row.env_shown,
        version=row.version,
        repository_url=row.repository_url,
        repository=row.repository,
        commit_sha=row.commit_sha,
        started_at=one.at,
        finished_at=one.at,
        team="",
        tags=(),
        source=APM,
    )


def _id(row: VersionRow, one: Appearance) -> str:
    """The first appearance keeps its id when an earlier sighting arrives late; others are told apart by their minute."""
    content = [APM, row.service, row.env, row.version, one.at if one.returned else None]
    return blake2b(json.dumps(content).encode(), digest_size=8).hexdigest()
