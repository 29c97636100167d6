"""The whole way on a real history: synced from disk, tags as deployments, and every number equal to what git says of it."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import pytest

from bot.dora.instants import SECOND
from bot.engine.inline import Inline
from bot.engine.operations import perform
from bot.settings import load_settings
from bot.store import Row, Store
from tests.dora.oracle.real import UNPACK, RealHistory

NAME = "github.com/apache/incubator-devlake"
SERVICES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "everything": (("**",), ()),
    "backend": (("backend/**",), ("backend",)),
    "faces": (("config-ui/src/**", "grafana/**"), ("config-ui/src", "grafana")),
    "go": (("*.go", "!*_test.go"), (":(glob)**/*.go", ":(glob,exclude)**/*_test.go")),
    "models": (("models",), (":(glob)**/models", ":(glob)**/models/**")),
    "words": (("/*.md", ".github/"), (":(glob)*.md", ":(glob)**/.github/**")),
    "jira": (("backend/plugins/j*/**", "plugins/j*/**"), (":(glob)backend/plugins/j*/**", ":(glob)plugins/j*/**")),
}
"""Each service's patterns, with the pathspecs that say the same to git."""


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> RealHistory:
    if not UNPACK.exists():
        pytest.skip(f"the shared real history is missing: {UNPACK}")
    return RealHistory(tmp_path_factory.mktemp("real") / "history.git")


def _define(folder: Path) -> None:
    folder.mkdir()
    for service, (patterns, _) in SERVICES.items():
        listed = "".join(f"      - '{pattern}'\n" for pattern in patterns)
        (folder / f"{service}.yaml").write_text(
            f"schema-version: v2.2\ndd-service: {service}\nteam: lake\nlinks:\n  - name: Source\n    type: repo\n"
            f"    url: https://{NAME}\nextensions:\n  datadoghq.com/dora-metrics:\n    source_patterns:\n{listed}"
        )


def _sync_and_backfill(store: Store, real: RealHistory, folder: Path) -> None:
    _define(folder / "definitions")
    settings = load_settings(
        {"DATA_DIR": str(folder), "SERVICE_DEFINITIONS": str(folder / "definitions"), "LEAD_TIME_MAX_GAP_DAYS": "0",
         "LEAD_TIME_MAX_COMMITS": "0"}
    )  # fmt: skip

    async def do() -> None:
        runner = Inline(store, settings)
        await runner.run("catalog", folder=str(settings.service_definitions))
        sync = {"remotes": [str(real.directory)], "name": f"https://{NAME}"}
        await perform(runner, "sync", sync, progress=lambda _: None)
        backfill = {"kind": "tags", "pattern": "v*", "service": "", "env": "", "repository": None, "since": None, "prereleases": True}
        await perform(runner, "backfill", backfill, progress=lambda _: None)

    asyncio.run(do())


def test_every_pair_equals_git(store: Store, real: RealHistory, tmp_path: Path) -> None:
    _sync_and_backfill(store, real, tmp_path)
    times = {commit.sha: (commit.authored, commit.committed) for commit in real.log()}
    deployed = {str(row[0]): row for row in store.read(lambda reader: reader.fetch("fingerprint_deployments", _row))}
    derived = store.read(lambda reader: reader.fetch("fingerprint_change_sets", _row))
    changes: dict[str, set[str]] = {}
    for deployment, sha, *_ in store.read(lambda reader: reader.fetch("fingerprint_changes", _row)):
        changes.setdefault(str(deployment), set()).add(_hex(sha))
    assert {row[1] for row in deployed.values()} == set(SERVICES)
    pairs = 0
    for id, predecessor, not_computed, _, _, kept, _, _, _, found_median, *_ in derived:
        if predecessor is None or not_computed in ("same_commit", "moved_backwards"):
            continue
        this, before = deployed[str(id)], deployed[str(predecessor)]
        expected = set(real.carried(_hex(before[8]), _hex(this[8])))
        patterns, pathspecs = SERVICES[str(this[1])]
        if pathspecs:
            expected &= real.touching(pathspecs)
        assert changes.get(str(id), set()) == expected, f"{this[1]} {before[5]}..{this[5]} by {patterns}"
        assert kept == len(expected)
        assert found_median == _median(expected, times, int(this[9]) // SECOND), f"{this[1]} {this[5]}"  # type: ignore[call-overload]
        pairs += 1
    assert pairs > 250 * len(SERVICES)


def _median(shas: set[str], times: Mapping[str, tuple[int, int]], at: int) -> int | None:
    """By the book: author date, unless it is before 1990 or after the deployment, then the committer's."""
    earliest = int(datetime(1990, 1, 1, tzinfo=UTC).timestamp())
    spans = []
    for sha in shas:
        made = next((time for time in times[sha] if earliest <= time <= at), None)
        if made is not None:
            spans.append(at - made)
    return None if not spans else int(median(spans) * SECOND)


def _hex(sha: object) -> str:
    return bytes(sha).hex()  # type: ignore[call-overload, no-any-return]


def _row(*columns: object) -> Row:
    return columns  # type: ignore[return-value]
