"""Which data sources count: `sources list`, `sources enable`, `sources disable`."""

import json
from collections.abc import Sequence
from typing import Any

import click

from bot.answers.encode import rfc3339, to_json
from bot.answers.sources import SourceShown, list_sources
from bot.answers.tables import to_table
from bot.cli.context import operate, read
from bot.dora.issues import INSTALLED, selection_of
from bot.dora.sources import SOURCES, EventKind

_KINDS: tuple[EventKind, ...] = ("deployments", "failures")


@click.group(invoke_without_command=True)
@click.pass_context
def sources(context: click.Context) -> None:
    """Data sources: which deployments and failures count. What is off is kept, and can count later."""
    if context.invoked_subcommand is None:
        context.invoke(list_command)


@sources.command("list")
@click.option("--kind", type=click.Choice(_KINDS), help="Only the sources of these events.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_command(kind: EventKind | None = None, as_json: bool = False) -> None:
    """The sources, whether they are on, from when on they count, and how much of what is kept does."""
    found = read(lambda reader: list_sources(reader, kind))
    if as_json:
        click.echo(json.dumps(to_json(found), indent=2))
        return
    columns = ["kind", "source", "state", "counts from", "kept", "counted", "merged"]
    issues = any(one.issues for one in found)
    rows = [[*_row(one), *([one.issues.words if one.issues else None] if issues else [])] for one in found]
    click.echo(to_table([*columns, *(["issues"] if issues else [])], rows), nl=False)


@sources.command("enable")
@click.argument("source")
@click.option("--kind", type=click.Choice(_KINDS), default="deployments", show_default=True, help="The events that it tells of.")
@click.option("--failures", is_flag=True, help="The same as --kind failures.")
@click.option("--retroactive", is_flag=True, help="Count everything that is kept, not only what happens from now on.")
@click.option("--label", "labels", multiple=True, metavar="L", help="Issues with this label are failures (repeatable).")
@click.option("--type", "types", multiple=True, metavar="T", help="Issues of this type are failures, e.g. incident (repeatable).")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def enable(
    source: str, kind: EventKind, failures: bool, retroactive: bool, labels: tuple[str, ...], types: tuple[str, ...], as_json: bool
) -> None:
    """Count what SOURCE tells: from the first time that it was enabled on, or with --retroactive from the beginning.

    Of the failures that GitHub and GitLab tell, --label and --type say which issues are some; they replace what was said before.
    At first these are issues with the label incident, and GitLab's incidents.
    """
    kind = "failures" if failures else kind
    chosen = [word.strip() for word in (*labels, *types)]
    if chosen and (kind != "failures" or source not in INSTALLED):
        raise click.UsageError(f"--label and --type choose issues: {' and '.join(INSTALLED)} have some, with --kind failures.")
    if not all(chosen):
        raise click.UsageError("a label or type has a name.")
    _select(source, kind, on=True, retroactive=retroactive, as_json=as_json, labels=labels, types=types)


@sources.command("disable")
@click.argument("source")
@click.option("--kind", type=click.Choice(_KINDS), default="deployments", show_default=True, help="The events that it tells of.")
@click.option("--failures", is_flag=True, help="The same as --kind failures.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def disable(source: str, kind: EventKind, failures: bool, as_json: bool) -> None:
    """Count nothing of SOURCE any more. It is still kept; enabled again it counts from where it first did."""
    _select(source, "failures" if failures else kind, on=False, retroactive=False, as_json=as_json)


def _select(
    source: str, kind: EventKind, *, on: bool, retroactive: bool, as_json: bool, labels: Sequence[str] = (), types: Sequence[str] = ()
) -> None:
    if source not in SOURCES[kind]:
        other = next((other for other in _KINDS if source in SOURCES[other]), None)
        hint = f"; `--kind {other}` has one" if other else ""
        raise click.UsageError(f"there is no source {source!r} of {kind}; there are {', '.join(SOURCES[kind])}{hint}")
    done: dict[str, Any] = operate(
        "sources.select", kind=kind, source=source, on=on, retroactive=retroactive, labels=list(labels), types=list(types)
    )
    result = done["source"]
    if done["warning"]:
        click.echo(f"warning: {done['warning']}", err=True)
    if as_json:
        click.echo(json.dumps(result, indent=2))
        return
    counted = f"{result['counted']:,} of {result['kept']:,} {kind} that are kept count"
    if result["merged"]:
        counted += f", {result['merged']:,} more are the same release as another source's"
    if not on:
        click.echo(f"{source} is off for {kind}: {counted}.")
        return
    first = result["first_selected_at"]
    since = "from the beginning" if first == rfc3339(0) else f"from {first} on"
    more = "" if result["counted"] + result["merged"] == result["kept"] else " (--retroactive counts all of them)"
    click.echo(f"{source} is on for {kind} and counts {since}: {counted}{more}.")
    if result["issues"] is not None:
        click.echo(f"Failures are its {selection_of(**result['issues']).words}.")


def _row(one: SourceShown) -> list[str | int | None]:
    first = one.first_selected_at
    since = None if first is None else "the beginning" if first == 0 else rfc3339(first)
    return [one.kind, one.source, "on" if one.on else "off", since, one.kept, one.counted, one.merged]


COMMANDS = (sources,)
