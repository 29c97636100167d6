"""Commands that print what the API answers: the same questions, as table, `--csv` or `--json`."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import click

from bot.answers import deliveries, deployments, explain, failures, metrics, paths, services, waiting
from bot.answers.deployments import OUTCOME
from bot.answers.encode import dumps, to_json
from bot.answers.failures import STATES
from bot.answers.questions import MAX_LIMIT, Asker, QuestionError, parse_metrics
from bot.answers.tables import COLUMNS, METRICS_COLUMNS, rows_of, to_csv, to_table
from bot.cli.context import operate, read, settings
from bot.dora.instants import SECOND
from bot.dora.repositories import RepositoryUrlError, repository_id
from bot.engine.clock import now
from bot.pipeline import selection
from bot.pipeline.derive import Sources, limits_of
from bot.pipeline.explain import StoredExplainSource
from bot.pipeline.history import HistoryCache
from bot.store import Reader
from bot.web import words

Command = Callable[..., Any]
Parameters = list[tuple[str, str]]


def _formats(command: Command) -> Command:
    command = click.option("--csv", "form", flag_value="csv", help="Print CSV.")(command)
    command = click.option("--json", "form", flag_value="json", help="Print the API's JSON.")(command)
    return click.option("--table", "form", flag_value="table", default="table", hidden=True)(command)


def _filters(command: Command) -> Command:
    for name, text in (
        ("from", "Instant (RFC 3339) or date; default: 30 days ago for metrics, the beginning for lists."),
        ("to", "Instant or date; default: now."),
        ("service", "Only this service."), ("team", "Only this team."), ("env", "Only this env (none, production, …)."),
        ("repository", "Only this repository."), ("source", "Only this source."),
    ):
        command = click.option(f"--{name}", f"{name}_", metavar="X", help=text)(command)
    return click.option("--tag", "tags", multiple=True, metavar="K:V", help="Only with this tag (repeatable).")(command)


def _parameters(given: dict[str, object]) -> Parameters:
    pairs: Parameters = [(name.rstrip("_"), str(value)) for name, value in given.items() if isinstance(value, str | int)]
    for plural, name in (("tags", "tag"), ("groups", "group_by")):
        values = given.get(plural)
        pairs += [(name, str(value)) for value in values] if isinstance(values, tuple) else []
    return pairs


def _asker() -> Asker:
    configured = settings()
    return Asker(
        now=now(), production_envs=configured.production_envs, timezone=configured.default_timezone, web_roots=configured.web_roots
    )


def _ask(work: Callable[[Reader], Any]) -> Any:
    try:
        return read(work)
    except QuestionError as error:
        raise click.UsageError(f"--{error.parameter}: {error.detail}") from error


def _print(items: Sequence[object], columns: Sequence[str], form: str, whole: object) -> None:
    if form == "json":
        click.echo(dumps(whole))
    elif form == "csv":
        click.echo(to_csv(columns, rows_of(items, columns)), nl=False)
    else:
        click.echo(_table(items, columns), nl=False)
        if getattr(whole, "next", None):
            click.echo(f"There are more than these {len(items):,}: --limit takes up to {MAX_LIMIT:,}.", err=True)


def _table(items: Sequence[object], columns: Sequence[str]) -> str:
    """The table for a terminal: durations, shares and frequencies as pages say them; `--json` and `--csv` have them exactly."""
    rows = [list(map(_said, columns, row)) for row in rows_of(items, columns)]
    return to_table([column.removesuffix(".per_day").removesuffix(".value") for column in columns], rows)


def _said(column: str, value: Any) -> Any:
    if value is None:
        return None
    if column == "deployment_frequency.per_day":
        text = " ".join(words.frequency(value))
    elif column.endswith("_rate.value"):
        text = words.share(value)
    elif column.rpartition(".")[2] in _DURATIONS:
        text = words.duration(value * SECOND)
    else:
        return value
    # A terminal need not be kept from breaking lines.
    return text.replace("\u00a0", " ")


_DURATIONS = ("median", "time_to_restore", "change_lead_time", "waits")


@click.command("metrics")
@_filters
@click.option("--group-by", "groups", multiple=True, help="service, team, env, repository or source (repeatable).")
@click.option("--severity", help="Of failures alone.")
@click.option("--interval", type=click.Choice(["day", "week", "month"]), help="One row per bucket.")
@click.option("--tz", metavar="ZONE", help="Time zone of the buckets' edges.")
@click.option("--unit", type=click.Choice(["commit", "deployment"]), help="What lead times are taken over.")
@click.option("--formula", type=click.Choice(["all", "excluding_rollbacks", "incidents"]), help="Change failure rate.")
@_formats
def metrics_command(form: str, **given: object) -> None:
    """The five DORA metrics, and time to restore."""

    def work(reader: Reader) -> object:
        return metrics.metrics_json(metrics.answer_metrics(reader, parse_metrics(_parameters(given), _asker())))

    answer = _ask(work)
    if form == "json":
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
        return
    columns = METRICS_COLUMNS if form == "csv" else _BRIEF
    click.echo(to_csv(columns, rows_of(answer["data"], columns)) if form == "csv" else _table(answer["data"], columns), nl=False)


_BRIEF = (
    "group.service", "from", "deployments", "deployment_frequency.per_day", "change_lead_time.median",
    "change_failure_rate.value", "failed_deployment_recovery_time.median", "time_to_restore.median", "deployment_rework_rate.value",
)


@click.command("deployments")
@_filters
@click.option("--change-failure", type=click.Choice(OUTCOME["change_failure"]), help="Whether they failed.")
@click.option("--type", "type_", type=click.Choice(OUTCOME["type"]), help="What they were.")
@click.option("--rework", type=click.Choice(OUTCOME["rework"]), help="Whether they were unplanned.")
@click.option("--counted", type=click.Choice(OUTCOME["counted"]), help="Whether metrics count them.")
@click.option("--limit", type=int, help="At most so many (default 100).")
@_formats
def deployments_command(form: str, **given: object) -> None:
    """Deployments, newest first."""
    answer = _ask(
        lambda reader: deployments.list_deployments(reader, *deployments.parse_deployments(_parameters(given), _asker()))
    )
    columns = COLUMNS[deployments.DeploymentShown] if form == "csv" else _DEPLOYMENT_BRIEF
    _print(answer.data, columns, form, answer)


_DEPLOYMENT_BRIEF = (
    "finished_at", "service", "env", "version", "type", "change_failure", "change_lead_time.median",
    "change_lead_time.commits", "not_computed", "id",
)


@click.group("failures", invoke_without_command=True)
@_filters
@click.option("--severity", metavar="X", help="Only of this severity.")
@click.option("--state", type=click.Choice(STATES), help="What they are now.")
@click.option("--limit", type=int, help="At most so many (default 100).")
@_formats
@click.pass_context
def failures_group(context: click.Context, /, form: str, **given: object) -> None:
    """Failures of every source that is on, newest first; `show ID`: everything about one."""
    if context.invoked_subcommand is not None:
        return
    answer = _ask(lambda reader: failures.list_failures(reader, failures.parse_failures(_parameters(given), _asker())))
    columns = COLUMNS[failures.FailureShown]
    _print(answer.data, columns if form == "csv" else _FAILURE_BRIEF, form, answer)


_FAILURE_BRIEF = ("started_at", "services", "team", "env", "severity", "state", "time_to_restore", "source", "name", "id")


@click.command("waiting")
@_filters
@click.option("--limit", type=int, help="At most so many (default 100).")
@_formats
def waiting_command(form: str, **given: object) -> None:
    """Rollforwards that wait for their deployment (--env says where, else production), newest first."""

    def work(reader: Reader) -> waiting.WaitingList:
        asker = _asker()
        return waiting.list_waiting(reader, *waiting.parse_waiting(_parameters(given), asker), asker.now)

    answer = _ask(work)
    _print(answer.data, COLUMNS[waiting.Waiting] if form == "csv" else _WAITING_BRIEF, form, answer)


_WAITING_BRIEF = ("repository", "number", "state", "since", "waits", "flag.rule", "flag.target", "title")


@click.command("services")
@click.option("--limit", type=int, help="At most so many (default 100).")
@_formats
def services_command(form: str, **given: object) -> None:
    """Services: deployed, defined, or both."""
    answer = _ask(lambda reader: services.list_services(reader, *services.parse_services(_parameters(given), _asker())))
    _print(answer.data, COLUMNS[services.ServiceShown] if form == "csv" else ("name", "team", "deployments", "envs"), form, answer)


@click.command("explain")
@click.argument("deployment_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print the API's JSON.")
def explain_command(deployment_id: str, as_json: bool) -> None:
    """Everything behind one deployment: range, each commit with its reason, evidence, and the git command to check it."""
    source = StoredExplainSource(limits=limits_of(settings()))
    found = read(lambda reader: explain.explain(reader, source, deployment_id))
    if found is None:
        raise click.ClickException(f"there is no deployment {deployment_id!r}")
    shown = explain.explanation_json(found)
    if as_json:
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
        return
    for name in (
        "id", "service", "env", "version", "finished_at", "type", "predecessor", "not_computed", "merged_into", "change_failure",
    ):  # fmt: skip
        click.echo(f"{name + ':':<18}{_plain(shown.get(name))}")
    for one in found.evidence:
        click.echo(f"{'evidence:':<18}{explain.in_words(one)}")
    for correction in found.overrides:
        click.echo(f"{'override:':<18}{explain.correction_in_words(correction)}")
    for name in ("counts", "flags", "near_misses"):
        click.echo(f"{name + ':':<18}{json.dumps(shown.get(name), ensure_ascii=False)}")
    if found.patterns is not None:
        click.echo(f"{'patterns:':<18}{', '.join(found.patterns.patterns)} ({found.patterns.origin})")
    if found.git:
        click.echo(f"{'check:':<18}{found.git}")
    click.echo()
    columns = ("sha", "kept", "reason", "authored_at", "change_lead_time", "pull_request", "subject")
    click.echo(to_table(columns, [[_short(name, _said(name, value)) for name, value in zip(columns, row, strict=True)]
                                  for row in rows_of(found.changes, columns)]), nl=False)


def _short(name: str, value: Any) -> Any:
    return value[:10] if name == "sha" and isinstance(value, str) else value


def _plain(value: object) -> str:
    return "–" if value is None else str(value)


@click.group("deliveries")
def deliveries_group() -> None:
    """The inbox: what arrived, what became of it, and again from the stored body."""


@deliveries_group.command("list")
@click.option("--state", type=click.Choice(["received", "done", "ignored", "failed", "dead"]), help="Only in this state.")
@click.option("--limit", type=int, help="At most so many (default 100).")
@_formats
def list_deliveries(form: str, **given: object) -> None:
    """Deliveries, newest first."""
    answer = _ask(
        lambda reader: deliveries.list_deliveries(reader, *deliveries.parse_deliveries(_parameters(given), _asker()))
    )
    _print(answer.data, COLUMNS[deliveries.DeliveryShown], form, answer)


@deliveries_group.command("show")
@click.argument("delivery_id", type=int)
def show_delivery(delivery_id: int) -> None:
    """One delivery: state, reason, attempts."""
    found = read(lambda reader: deliveries.find_delivery(reader, delivery_id))
    if found is None:
        raise click.ClickException(f"there is no delivery {delivery_id}")
    click.echo(json.dumps(to_json(found), indent=2, ensure_ascii=False))


@deliveries_group.command("replay")
@click.argument("delivery_ids", type=int, nargs=-1, required=True)
def replay_deliveries(delivery_ids: tuple[int, ...]) -> None:
    """Process deliveries again from their stored bodies; ends when what they changed is derived."""
    operate("replay", ids=list(delivery_ids))
    for one in delivery_ids:
        found = read(partial(_delivery, one))
        click.echo(f"{one}: {'unknown' if found is None else found.state}")


def _delivery(number: int, reader: Reader) -> deliveries.DeliveryShown | None:
    return deliveries.find_delivery(reader, number)


def _repository_name(given: str) -> str:
    try:
        return repository_id(given, web_roots=settings().web_roots)
    except RepositoryUrlError:
        return given.strip().lower()


@click.command("paths")
@click.argument("service")
@click.option("--repo", "repository", metavar="R", help="Only this repository: its name like github.com/acme/shop, or any URL of it.")
@click.option("--range", "revisions", metavar="A..B", help="Every commit between two branches, tags or shas, and why it counts or not.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def paths_command(service: str, repository: str | None, revisions: str | None, as_json: bool) -> None:
    """What a service's patterns are, how much they select, and with --range which commits and why not the others."""
    found = read(lambda reader: paths.find_paths(reader, service))
    if found is None:
        raise click.ClickException(f"nobody deployed or defined a service {service!r}")
    wanted = None if repository is None else _repository_name(repository)
    mine = [one for one in found.repositories if wanted in (None, one.repository)]
    if not mine:
        known = ", ".join(one.repository for one in found.repositories) or "none"
        raise click.ClickException(f"{service} has no repository {repository!r}; it has {known}")
    sources = Sources(HistoryCache())
    if revisions is not None:
        if len(mine) > 1:
            raise click.UsageError(f"name one with --repo: {', '.join(one.repository for one in mine)}")
        _print_range(service, mine[0].repository, revisions, sources, as_json=as_json)
        return
    if as_json:
        click.echo(dumps(found))
        return
    for one in mine:
        click.echo(f"{one.repository}: {', '.join(one.patterns)}  ({one.origin})")
        selected = read(partial(selection.measure_selection, sources=sources, service=service, repository=one.repository))
        if selected is not None:
            click.echo(
                f"  selects {selected.files:,} of {selected.all_files:,} files, {selected.commits:,} of "
                f"{selected.all_commits:,} commits"
            )
        for warning in one.warnings:
            click.echo(f"  warning: {warning}")


def _print_range(service: str, repository: str, revisions: str, sources: Sources, *, as_json: bool) -> None:
    try:
        judged = read(
            partial(selection.judge_range, sources=sources, service=service, repository=repository, revisions=revisions)
        )
    except selection.SelectionError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        click.echo(dumps(judged))
        return
    kept = sum(one.reason is None for one in judged)
    click.echo(f"{kept} of {len(judged)} commits of {revisions} count for {service}")
    rows = [[one.sha.hex()[:10], one.reason or "kept", _files(one.files), one.subject] for one in judged]
    click.echo(to_table(("sha", "verdict", "files", "subject"), rows), nl=False)


def _files(files: Sequence[str]) -> str:
    first = files[0] if files else ""
    shown = first if len(first) <= 50 else f"…{first[-49:]}"
    return f"{shown} and {len(files) - 1} more" if len(files) > 1 else shown


COMMANDS = (
    metrics_command, deployments_command, waiting_command, services_command, explain_command, deliveries_group, paths_command,
)
