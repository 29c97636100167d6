"""Commands about rules: `rules list` shows those in force, `rules test` tries others on what is stored before they are in force."""

import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click

from bot.answers.encode import Json, dumps, rfc3339
from bot.answers.questions import Asker, QuestionError
from bot.answers.rules_in_force import show_rules_in_force
from bot.answers.services import no_such_service
from bot.answers.simulation import answer_trial
from bot.answers.tables import to_table
from bot.answers.trial_questions import DEFAULT_DAYS, TrialQuestion, parse_trial
from bot.answers.trial_shown import BothMetrics, ComparedShown, DifferenceShown, TrialAnswer, VerdictShown
from bot.answers.trial_words import NEAR_MISSES, NOT_COMPARED, percent, span, summary
from bot.cli.context import read, settings
from bot.cli.progress import ProgressBar
from bot.dora.simulation import Proposal
from bot.engine.clock import now
from bot.pipeline.derive import Sources
from bot.pipeline.history import HistoryCache
from bot.pipeline.simulation import StoredTrials
from bot.sources.rule_trial import read_proposal
from bot.sources.validation import format_problems

_DAYS = click.option("--days", type=int, default=DEFAULT_DAYS, show_default=True, metavar="N", help="Deployments of the last N days.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")


@click.group("rules")
def rules_group() -> None:
    """The rules that tell what mends what: those in force, and what others would make of the past."""


@rules_group.command("list")
@_DAYS
@click.option("--service", metavar="S", help="The rules of this service, with what its definition says of them.")
@_JSON
def list_command(days: int, service: str | None, as_json: bool) -> None:
    """The rules in force in order of precedence, with how many deployments each decided lately."""
    question = _question(days, service, None)
    _refuse_unknown(question)
    found = read(lambda reader: show_rules_in_force(reader, question))
    if as_json:
        click.echo(dumps(found))
        return
    rows: list[list[Json]] = [["", "rollback", "", "", found.rollbacks, found.last_rollback_at and rfc3339(found.last_rollback_at)]]
    for rule in found.rules:
        last = None if rule.last_at is None else rfc3339(rule.last_at)
        rows.append([rule.kind, rule.id if rule.enabled else f"{rule.id} (off)", rule.field, rule.pattern, rule.deployments, last])
    click.echo(to_table(("kind", "id", "field", "pattern", f"in {days} days", "last"), rows), nl=False)
    for own in found.services:
        click.echo(f"{own.service} says otherwise ({own.location}): {', '.join(rule.id for rule in own.rules)}")
    for problem in found.problems:
        click.echo(format_problems([problem]))


@rules_group.command("test")
@click.option("--rule", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
              help="A whole rules.yaml, or one rule: a mapping with id, field and pattern.")  # fmt: skip
@_DAYS
@click.option("--service", metavar="S", help="Only this service; near misses in commits outside of its paths, too.")
@click.option("--env", metavar="E", help="Only this env (none, production, …).")
@_JSON
def test_command(file: Path | None, days: int, service: str | None, env: str | None, as_json: bool) -> None:
    """What FILE would change if it were in force; without it what today's rules see, and nearly see. Writes nothing."""
    question = replace(_question(days, service, env), proposal=None if file is None else _proposal(file))
    _refuse_unknown(question)
    source, progress = StoredTrials(Sources(HistoryCache()), threading.Lock()), ProgressBar()
    try:
        answer = read(lambda reader: answer_trial(reader, source, question, progress=progress, most=None))
    finally:
        progress.close()
    click.echo(dumps(answer) if as_json else "\n".join(_report(answer)))


def _question(days: int, service: str | None, env: str | None) -> TrialQuestion:
    configured = settings()
    asker = Asker(
        now=now(), production_envs=configured.production_envs, timezone=configured.default_timezone, web_roots=configured.web_roots
    )
    given = [("days", str(days)), ("service", service or ""), ("env", env or "")]
    try:
        return parse_trial(given, asker)
    except QuestionError as error:
        raise click.UsageError(f"--{error.parameter}: {error.detail}") from error


def _refuse_unknown(question: TrialQuestion) -> None:
    service = question.filters.service
    if service is not None and (told := read(lambda reader: no_such_service(reader, service))):
        raise click.ClickException(told)


def _proposal(file: Path) -> Proposal:
    try:
        text = file.read_bytes()
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from error
    proposal, problems = read_proposal(str(file), text)
    if problems:
        click.echo(format_problems(problems))
        sys.exit(1)
    return proposal


def _report(answer: TrialAnswer) -> Iterator[str]:
    yield summary(answer)
    if answer.pending:
        yield f"{answer.pending} of them are about to be derived again: what they carried may change."
    yield ""
    yield from _metrics(answer)
    yield from _rules(answer)
    if answer.differing:
        yield f"What would change ({answer.differing}):"
        yield to_table(
            ("finished", "service", "env", "version", "today", "then", "evidence", "id"),
            [
                [
                    rfc3339(one.finished_at), one.service, one.env, one.version, _verdict(one.today), _verdict(one.proposed),
                    _evidence(one), one.id,
                ]
                for one in answer.differences
            ],
        )
    if answer.nearly:
        yield f"Near misses ({answer.nearly}):"
        yield to_table(
            ("finished", "service", "version", "rule", "reason", "field", "seen", "id"),
            [
                [rfc3339(one.finished_at), one.service, one.version, one.rule, one.reason, one.field, _short(one.value), one.deployment]
                for one in answer.near_misses
            ],
        )
        yield from (f"  {reason}: {NEAR_MISSES[reason]}" for reason in sorted({one.reason for one in answer.near_misses}))
    if not answer.paths_searched:
        yield "Near misses in commits outside of a service's paths: --service S."


def _metrics(answer: TrialAnswer) -> Iterator[str]:
    changed = [one for one in answer.services if one.today != one.proposed]
    rows = [row for both in (answer.metrics, *changed) for row in _metric_rows(both)]
    if _is_proposed(answer):
        yield to_table(("service", "metric", "today", "then"), rows)
    else:
        yield to_table(("service", "metric", "today"), [row[:3] for row in rows])
    kept = len(answer.services) - len(changed)
    if kept and changed:
        yield f"{kept} more services keep all of theirs.\n"


def _is_proposed(answer: TrialAnswer) -> bool:
    return any(rule.change for rule in answer.rules) or answer.differing > 0


def _metric_rows(both: BothMetrics) -> Iterator[list[Json]]:
    name, sides = both.service or "all", (both.today, both.proposed)
    rates = [one.change_failure_rate for one in sides]
    yield [name, "change failure rate", *(f"{percent(rate.value)} ({rate.failed} of {rate.deployments})" for rate in rates)]
    yield [name, "median recovery time", *(span(one.failed_deployment_recovery_time.median) for one in sides)]
    yield [name, "rework rate", *(f"{percent(one.deployment_rework_rate.value)} ({one.deployment_rework_rate.count})" for one in sides)]


def _rules(answer: TrialAnswer) -> Iterator[str]:
    told = answer.overrides.no_precision != "no_overrides"
    counts = ("today", "then") if _is_proposed(answer) else ("today",)
    rows: list[list[Json]] = []
    for rule in answer.rules:
        notes = [note for note in (rule.change, "" if rule.enabled else "off") if note]
        name = f"{rule.id} ({', '.join(notes)})" if notes else rule.id
        rows.append([rule.kind, name, *(rule.today, rule.proposed)[: len(counts)], *_shares(rule.overrides, told)])
    for when, compared in zip(counts, (answer.overrides_today, answer.overrides), strict=False):
        rows += [[None, f"all together, {when}", *(None,) * len(counts), *_shares(compared, told)]] if told else []
    yield to_table(("kind", "rule", *counts, *(("precision", "recall") if told else ())), rows)
    if not told:
        yield f"No precision and recall: {NOT_COMPARED['no_overrides']}.\n"


def _shares(compared: ComparedShown, told: bool) -> tuple[str, ...]:
    if not told:
        return ()
    hits = compared.true_positives
    called, failed = hits + compared.false_positives, hits + compared.false_negatives
    return f"{percent(compared.precision)} ({hits} of {called})", f"{percent(compared.recall)} ({hits} of {failed})"


def _verdict(one: VerdictShown) -> str:
    failed = {True: ", failed", None: ", unknown", False: ""}[one.change_failure]
    return f"{one.type}{failed}"


def _evidence(one: DifferenceShown) -> str:
    shown = one.proposed.evidence or one.today.evidence
    if shown:
        return "; ".join(f"{each.rule}: {_short(each.value)} → {each.target or 'rework'}" for each in shown)
    mender = one.proposed.mended_by or one.today.mended_by
    return f"mended by {mender}" if mender else ""


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:59]}…"


COMMANDS = (rules_group,)
