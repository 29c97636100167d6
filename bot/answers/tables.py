"""Answers as tables: aligned text for a terminal, CSV for a spreadsheet that must not run what it is given."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields

from bot.answers.changes import ChangeShown
from bot.answers.deliveries import DeliveryShown
from bot.answers.deployments import DeploymentShown
from bot.answers.encode import Json, to_json
from bot.answers.failures import FailureShown
from bot.answers.pull_requests import PullRequestShown
from bot.answers.repositories import RepositoryShown
from bot.answers.services import ServiceShown
from bot.answers.uploads import UploadShown
from bot.answers.waiting import Waiting
from bot.dora.lead_time import STAGES

_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What makes a spreadsheet take a text for a formula (also in its full-width forms)."""
_FLAG = ("rule", "field", "value", "target", "target_sha")
_SPREAD = ("median", "mean", "p75", "p90")

COLUMNS: Mapping[type, tuple[str, ...]] = {
    DeploymentShown: (
        *("id", "service", "env", "version", "repository", "commit_sha", "started_at", "finished_at", "source", "team"),
        *("tags", "type", "change_failure", "remediation.id", "remediation.type", "recovery_time", "predecessor"),
        *(f"change_lead_time.{name}" for name in ("mean", "median", "min", "max", "commits")),
        *("not_computed", "merged_into"),
    ),
    ChangeShown: (
        *("sha", "authored_at", "committed_at", "subject", "author", "pull_request", "kept", "reason"),
        *("change_lead_time", *(f"stages.{name}" for name in STAGES), *(f"absent.{name}" for name in STAGES)),
        *("redeployed", "original_of"),
    ),
    FailureShown: tuple(field.name for field in fields(FailureShown)),
    DeliveryShown: tuple(field.name for field in fields(DeliveryShown)),
    PullRequestShown: (
        *(field.name for field in fields(PullRequestShown) if field.name != "flag"),
        *(f"flag.{name}" for name in _FLAG),
    ),
    Waiting: (
        *(field.name for field in fields(Waiting) if field.name != "flag"),
        *(f"flag.{name}" for name in _FLAG),
    ),
    RepositoryShown: (
        *(field.name for field in fields(RepositoryShown) if field.name != "upload"),
        *(f"upload.{field.name}" for field in fields(UploadShown)),
    ),
    ServiceShown: (
        *(field.name for field in fields(ServiceShown) if field.name != "definition"),
        *(f"definition.{name}" for name in ("schema_version", "origin", "location", "overrules", "source_patterns", "links")),
    ),
}
"""The columns of each list: paths into its JSON, so that the header stays when a page is empty."""

METRICS_COLUMNS = (
    *(f"group.{name}" for name in ("service", "team", "env", "repository", "source")),
    *("from", "to", "deployments"),
    *(f"deployment_frequency.{name}" for name in ("per_day", "days_with_deployment", "median_gap")),
    *(f"change_lead_time.{name}" for name in (*_SPREAD, "commits", "redeployed")),
    *(f"change_lead_time.stages.{stage}.{name}" for stage in STAGES for name in (*_SPREAD, "commits")),
    *(f"change_failure_rate.{name}" for name in ("value", "failed", "deployments", "formula")),
    *(f"failed_deployment_recovery_time.{name}" for name in ("median", "mean", "count", "unrecovered")),
    *(f"time_to_restore.{name}" for name in ("median", "mean", "count", "open")),
    *(f"deployment_rework_rate.{name}" for name in ("value", "count", "basis")),
    *(f"failures.{name}" for name in ("count", "without_service", "without_team", "without_env")),
    "not_counted",
)


def rows_of(items: Iterable[object], columns: Sequence[str]) -> list[list[Json]]:
    """Answers as rows: each column is a path into an item's JSON; what is not there is `None`."""
    return [[_at(shown, column) for column in columns] for shown in map(to_json, items)]


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[Json]]) -> str:
    """CSV as RFC 4180 has it; a text that a spreadsheet would run is prefixed by an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_guarded(value) for value in row] for row in rows)
    return out.getvalue()


def to_table(columns: Sequence[str], rows: Iterable[Sequence[Json]]) -> str:
    """Aligned columns under their names, numbers to the right; what is absent is a dash. Control characters are shown."""
    body = list(rows)
    cells = [[_printable(_text(value)) or "–" for value in row] for row in body]
    widths = [max([len(name), *(len(row[at]) for row in cells)]) for at, name in enumerate(columns)]
    right = [all(_is_number(row[at]) for row in body) and bool(body) for at in range(len(columns))]

    def line(row: Sequence[str]) -> str:
        parts = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True))
        return "  ".join(parts).rstrip()

    return "\n".join([line(columns), line(["─" * width for width in widths]), *map(line, cells)]) + "\n"


def _at(value: Json, path: str) -> Json:
    for name in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def _text(value: Json) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "; ".join(map(_text, value))
    if isinstance(value, dict):
        return "; ".join(f"{name}={_text(item)}" for name, item in value.items())
    return repr(value) if isinstance(value, float) else str(value)


def _guarded(value: Json) -> str:
    text = _text(value).replace("\x00", "")
    if isinstance(value, (int, float)) or not text.lstrip(" ").startswith(_DANGEROUS):
        return text
    return f"'{text}"


def _printable(text: str) -> str:
    """Without what could steer a terminal."""
    return "".join(c if c.isprintable() else "�" for c in text)


def _is_number(value: Json) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
