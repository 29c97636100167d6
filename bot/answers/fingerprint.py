"""One hash over facts and derived rows: equal facts give equal fingerprints, on any engine, in whatever order they came.

Surrogate keys (repository numbers, receipts, positions in the inbox) are left out or replaced by names.
"""

import json
from hashlib import sha256

from bot.store import Reader

TABLES = (
    "fingerprint_deployments", "fingerprint_change_sets", "fingerprint_changes", "fingerprint_classifications",
    "fingerprint_remediations", "fingerprint_pull_requests", "fingerprint_landings", "fingerprint_introduced",
    "fingerprint_rebased", "fingerprint_flags", "fingerprint_link_reads", "fingerprint_names",
    "fingerprint_namespaces", "fingerprint_states", "fingerprint_installations",
    "fingerprint_forge_deployments", "fingerprint_releases", "fingerprint_issues", "fingerprint_test_merges",
    "fingerprint_push_bases", "fingerprint_source_switches", "fingerprint_tombstones", "fingerprint_overrides",
    "fingerprint_inference_rules", "fingerprint_webhook_deployments", "fingerprint_failures", "fingerprint_incidents",
    "fingerprint_pagerduty_events", "fingerprint_pagerduty_alerts", "fingerprint_ai_activity", "fingerprint_telemetry_versions", "fingerprint_telemetry_minutes", "fingerprint_issue_selections",
)
"""Named queries, each with a total order."""


def fingerprint(reader: Reader) -> str:
    """The hash, in hex."""
    digest = sha256()
    for table in TABLES:
        digest.update(table.encode())
        for line in reader.stream(table, _line):
            digest.update(line)
    return digest.hexdigest()


def fingerprint_lines(reader: Reader) -> list[str]:
    """What is hashed, a line each: to see where two stores differ."""
    return [f"{table} {line.decode()}" for table in TABLES for line in reader.stream(table, _line)]


def _line(*columns: object) -> bytes:
    return json.dumps([bytes(one).hex() if isinstance(one, bytes | memoryview) else one for one in columns]).encode()
