"""Commands that check: `validate` service definitions and rules, `doctor` the installation."""

import datetime
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click

from bot.answers.questions import Filters
from bot.answers.repositories import load_repositories
from bot.answers.setup import load_setup
from bot.answers.undefined import show_undefined
from bot.answers.uploads import is_trouble
from bot.cli.context import read, settings
from bot.credentials import Credentials
from bot.engine.operations import owner_lock
from bot.facts.keys import FAILURES_WRITE, any_key
from bot.git import GitError, git_version
from bot.settings import Settings
from bot.sources.validation import Format, format_problems, validate
from bot.store import StoreError
from bot.store.opening import open_store

SAFE_SQLITE = (3, 51, 3)
"""Earlier ones have the WAL-reset bug; the single writer avoids it."""
NAMED = 10
"""So many services are named in a line."""
SOON_DAYS = 30
"""A certificate that ends sooner is worth a word."""


@click.command("validate")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(["text", "github", "json"]), default="text", show_default=True)
def validate_command(paths: tuple[Path, ...], form: Format) -> None:
    """Check service definitions and rules: file:line:column and what is wrong. Exit status 1 on errors.

    PATHS are files or folders; default: the folder of service definitions.
    """
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise click.UsageError(f"there is no {missing[0]}")
    problems = validate(paths or [settings().service_definitions])
    if text := format_problems(problems, form):
        click.echo(text)
    errors = sum(problem.severity == "error" for problem in problems)
    if form == "text":
        warnings = sum(problem.severity == "warning" for problem in problems)
        click.echo(f"{errors} {'error' if errors == 1 else 'errors'}, {warnings} {'warning' if warnings == 1 else 'warnings'}", err=True)
    sys.exit(1 if errors else 0)


class Finding(NamedTuple):
    """One check: `good` is `None` for what is worth a word and no fault."""

    good: bool | None
    text: str


@click.command()
def doctor() -> None:
    """Check everything, and say what mends what is wrong."""
    configured = settings()
    for one in configured.shown():
        click.echo(f"  {one.name:<28}{one.value}  ({one.origin})")
    click.echo()
    findings = list(_findings(configured))
    for finding in findings:
        click.echo(f"{ {True: 'ok', False: 'WRONG', None: 'note'}[finding.good]:<6} {finding.text}")
    sys.exit(1 if any(finding.good is False for finding in findings) else 0)


def _findings(configured: Settings) -> Iterator[Finding]:
    try:
        yield Finding(True, f"git {'.'.join(map(str, git_version()))}")
    except GitError as error:
        yield Finding(False, f"git: {error} Install git ≥ 2.39.")
    if configured.database_url.startswith("sqlite"):
        old = sqlite3.sqlite_version_info < SAFE_SQLITE
        advice = ": before 3.51.3 two writers could corrupt a WAL file; Rollforward writes from one thread only" if old else ""
        yield Finding(None if old else True, f"SQLite {sqlite3.sqlite_version}{advice}")
    yield from _store_findings(configured)
    if configured.tls_cert is not None:
        yield _certificate(configured.tls_cert, now=datetime.datetime.now(datetime.UTC))
    yield _receiving("github", on=bool(Credentials(configured).github_secrets()), way="`rollforward setup github`")
    yield _receiving("gitlab", on=configured.gitlab_on, way="set GITLAB_WEBHOOK_SECRET")
    yield _pagerduty(configured)
    yield from _forge_findings(configured)
    yield from _upload_findings(configured)
    yield from _telemetry_findings(configured)
    problems = validate([configured.service_definitions]) if configured.service_definitions.is_dir() else []
    errors = sum(problem.severity == "error" for problem in problems)
    yield Finding(errors == 0, f"service definitions: {errors} errors" + (" (`rollforward validate` names them)" if errors else ""))


def _certificate(path: Path, *, now: datetime.datetime) -> Finding:
    # Here: nothing else of this needs it, and it takes a while to load.
    from bot.certificates import CertificateError, read_certificate

    try:
        names, expires = read_certificate(path)
    except CertificateError as error:
        return Finding(False, f"TLS_CERT: {error}")
    left = (expires - now).days
    state = f"certificate for {', '.join(names) or 'no name'} until {expires:%Y-%m-%d}"
    remedy = "renew it (`rollforward certs --site S` for one of its own) and restart the server"
    if left < 0:
        return Finding(False, f"{state}: it has expired; {remedy}")
    return Finding(True if left >= SOON_DAYS else None, state if left >= SOON_DAYS else f"{state}: {left} days left; {remedy}")


def _receiving(source: str, *, on: bool, way: str) -> Finding:
    return Finding(True if on else None, f"{source} webhooks are {'on' if on else f'off: {way} to receive them'}")


def _pagerduty(configured: Settings) -> Finding:
    on = bool(configured.pagerduty_webhook_secret or configured.api_keys)
    if not on and (configured.sqlite_path is None or configured.sqlite_path.exists()):
        try:
            on = read(lambda reader: any_key(reader, FAILURES_WRITE))
        except StoreError:
            # Said already.
            on = False
    if not on:
        return Finding(None, "pagerduty webhooks are off: set PAGERDUTY_WEBHOOK_SECRET, or `rollforward keys create pagerduty --scope failures:write`")
    url = f"{configured.base_url or 'https://your.host'}/webhooks/pagerduty"
    how = "its secret is in PAGERDUTY_WEBHOOK_SECRET" if configured.pagerduty_webhook_secret else "a custom header DD-API-KEY with a key"
    return Finding(True, f"pagerduty webhooks are on: in PagerDuty a Generic Webhook (v3) to {url}, {how} (docs/pagerduty.md)")


def _forge_findings(configured: Settings) -> Iterator[Finding]:
    """What the set-up page shows of hooks, rights and what a forge refused."""
    if configured.sqlite_path is not None and not configured.sqlite_path.exists():
        return
    try:
        shown = read(lambda reader: load_setup(reader, now=time.time_ns()))
    except StoreError:
        # Said already.
        return
    for forge in (shown.github, shown.gitlab):
        for hook in forge.hooks:
            why = f" ({hook.error})" if hook.error else ""
            quiet = f"{hook.subject}: {hook.state}, and nothing comes from it{why}; /setup says more"
            yield Finding(not hook.quiet, quiet if hook.quiet else f"{hook.subject}: {hook.state}")
    for one in shown.installations:
        lacking = [known.feature.name for known in one.features if not known.works and not known.feature.optional]
        text = f"installation on {one.account or one.id}: {one.state}"
        yield Finding(
            not lacking and one.state == "active",
            f"{text}; missing: {', '.join(lacking)} (`rollforward setup github --status` says what that takes)" if lacking else text,
        )
    for trouble in shown.troubles:
        yield Finding(None, f"{trouble.forge} {trouble.repository or trouble.key}: {trouble.error}")


def _upload_findings(configured: Settings) -> Iterator[Finding]:
    """Repositories whose history CI uploads: the client's exit status hides what went wrong."""
    if configured.sqlite_path is not None and not configured.sqlite_path.exists():
        return
    try:
        repositories = read(lambda reader: load_repositories(reader, Filters()))
    except StoreError:
        # Said already.
        return
    for one in repositories:
        if one.upload is not None and is_trouble(one.upload, time.time_ns()):
            sha, reason = one.upload.commit_sha.hex()[:10], one.upload.reason or "it is not taken in: is a worker running?"
            yield Finding(False, f"{one.repository}: the last upload ({sha}) is {one.upload.state}: {reason}")


def _telemetry_findings(configured: Settings) -> Iterator[Finding]:
    """Services that send telemetry and wait for a definition."""
    if configured.sqlite_path is not None and not configured.sqlite_path.exists():
        return
    try:
        undefined = read(show_undefined)
    except StoreError:
        # Said already.
        return
    if undefined.count:
        names = ", ".join(one.service for one in undefined.services[:NAMED])
        more = f" and {undefined.count - NAMED:,} more" if undefined.count > NAMED else ""
        yield Finding(None, f"seen in telemetry, not defined: {names}{more} (/definitions says when; a definition makes deployments of them)")


def _store_findings(configured: Settings) -> Iterator[Finding]:
    try:
        lock = owner_lock(configured)
        if lock is not None and lock.held_by():
            yield Finding(True, "a server is running on this store")
            return
        store = open_store(configured.database_url)
        try:
            store.migrate()
        finally:
            store.close()
        yield Finding(True, "the store opens and its schema is up to date")
    except StoreError as error:
        yield Finding(False, f"store: {error}")


COMMANDS = (validate_command, doctor)
