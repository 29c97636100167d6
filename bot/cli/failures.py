"""`failures show`: everything about one failure, for a person or (`--json`) a program."""

import json

import click

from bot.answers.failure_detail import detail_json, find_failure
from bot.answers.questions import EVERY_SERVICE
from bot.answers.tables import rows_of, to_table
from bot.cli.context import read
from bot.cli.show import failures_group
from bot.engine.clock import now

_FACTS = (
    "id", "name", "services", "teams", "envs", "severity", "source", "state", "started_at", "finished_at", "time_to_restore",
    "active_time", "restored.how", "restored.reason", "version", "commit_sha", "tags", "not_computed",
)  # fmt: skip
_SPANS = ("state", "started_at", "finished_at")
_DEPLOYMENTS = (
    "finished_at", "when", "service", "env", "version", "type", "change_failure", "mends", "attribution.confidence",
    "attribution.basis", "id",
)  # fmt: skip


@failures_group.command("show")
@click.argument("failure_id", metavar="ID")
@click.option("--source", metavar="S", help="Which one, where several sources use the id.")
@click.option("--json", "as_json", is_flag=True, help="Print the API's JSON.")
def show_failure(failure_id: str, source: str | None, as_json: bool) -> None:
    """One failure: its states over time, its time to restore, the deployments around it and which of them it may have been."""
    at, wanted = now(), (source or "").strip().lower() or None
    found = read(lambda reader: find_failure(reader, failure_id, source=wanted, now=at, visible=EVERY_SERVICE))
    if found is None:
        raise click.ClickException(f"there is no failure {failure_id!r}" + (f" of the source {source!r}" if source else ""))
    shown = detail_json(found[1])
    if as_json:
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        return
    (facts,) = rows_of([shown], _FACTS)
    click.echo(to_table(("field", "value"), zip(_FACTS, facts, strict=True)))
    for name, columns in (("spans", _SPANS), ("deployments", _DEPLOYMENTS)):
        rows = shown[name]
        click.echo(to_table(columns, rows_of(rows if isinstance(rows, list) else [], columns)))
    if found[1].nothing is not None:
        click.echo(f"no deployment: {found[1].nothing.evidence[0].words}")


COMMANDS = (failures_group,)
