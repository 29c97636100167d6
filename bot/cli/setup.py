"""`setup`: connect the forges, and see what they let us do."""

import json
import time
from dataclasses import asdict
from urllib.parse import urlencode

import click

from bot.answers.setup import InstallationShown, SetupShown, load_setup
from bot.cli.context import operate, read, settings
from bot.cli.setup_gitlab import setup_gitlab
from bot.credentials import Credentials, CredentialsError
from bot.settings import Settings
from bot.web.reach import local_url, reach
from bot.web.tickets import TICKET, write_ticket


@click.group()
def setup() -> None:
    """Connect GitHub or GitLab."""


@setup.command("github")
@click.option("--org", metavar="ORG", default="", help="Make the App for this organisation (default: your own account).")
@click.option("--checks", is_flag=True, help="Ask for the right to write checks, for reports in pull requests.")
@click.option("--status", is_flag=True, help="Print what each installation can do, and what it lacks.")
@click.option("--reports", type=click.Choice(["on", "off"]), help="Let the bot report in pull requests, or not (default: off).")
@click.option("--json", "as_json", is_flag=True, help="Print the App's manifest (with --status: the state) as JSON.")
def setup_github(org: str, checks: bool, status: bool, reports: str | None, as_json: bool) -> None:
    """Print the link under which a browser connects GitHub: good for an hour, for whoever has it.

    The server must run (`rollforward serve`); what it stores is in force at once.
    """
    configured = settings()
    if reports is not None:
        operate("reports", forge="github", on=reports == "on")
        click.echo(f"reports in pull requests on GitHub are {reports}", err=as_json)
    if status:
        _print_status(configured, as_json=as_json)
    elif reports is None:
        _print_way(configured, org=org, checks=checks, as_json=as_json)


def _print_way(configured: Settings, *, org: str, checks: bool, as_json: bool) -> None:
    # Here: no other command needs what speaks to GitHub.
    from bot.forges.github import app as github

    name = github.organisation(org)
    if name is None:
        raise click.UsageError(f"{org[:100]!r} is no name of an organisation on GitHub.")
    there = reach(configured)
    if there.problem:
        raise click.ClickException(
            f"{there.problem}. GitHub sends its webhooks to this server: set BASE_URL to the URL under which it can be "
            "reached from there (a tunnel's, to try it on this machine), and restart the server."
        )
    if as_json:
        manifest = github.manifest(base_url=there.url, browsed=there.url, checks=checks)
        click.echo(json.dumps(manifest, indent=2))
        return
    try:
        key = Credentials(configured).state_key()
    except CredentialsError as error:
        raise click.ClickException(str(error)) from error
    ticket = write_ticket(key, TICKET, now=time.time_ns())
    query = {"ticket": ticket} | ({"org": name} if name else {}) | ({"checks": "1"} if checks else {})
    click.echo(f"{configured.base_url or local_url(configured)}/setup?{urlencode(query)}")
    click.echo("Open it in a browser within the hour; it lets whoever opens it connect GitHub.", err=True)


def _print_status(configured: Settings, *, as_json: bool) -> None:
    app = Credentials(configured).github_app()
    shown = read(lambda reader: load_setup(reader, now=time.time_ns()))
    if as_json:
        click.echo(json.dumps(_as_json(shown, app_id=app.id if app else None), indent=2))
        return
    click.echo(f"App {app.slug or app.id}" if app else "No App is connected: `rollforward setup github` says how.")
    click.echo(f"reports in pull requests: {'on' if shown.github.reports else 'off'}")
    for hook in shown.github.hooks:
        state = f"{'QUIET, ' if hook.quiet else ''}{hook.state}{f' ({hook.error})' if hook.error else ''}"
        click.echo(f"{hook.subject}: {state}; {hook.gaps} deliveries missed, {hook.repaired} repaired")
    for one in shown.installations:
        click.echo(f"\n{one.account or one.id} ({one.state}; repositories: {one.repositories:,})")
        for known in one.features:
            said = "ok" if known.works else "optional" if known.feature.optional else "MISSING"
            lacking = f": lacks {', '.join(known.missing)}" if known.missing else ""
            click.echo(f"  {said:<9}{known.feature.name}{lacking}")
    if any(not known.works and not known.feature.optional for one in shown.installations for known in one.features):
        click.echo("\nMISSING: change the App's permissions and events on GitHub, then accept them for the installation.")
    if app and not shown.installations:
        click.echo("It is not installed anywhere yet; /setup leads there.")


def _as_json(shown: SetupShown, *, app_id: str | None) -> dict[str, object]:
    return {
        "app": app_id,
        "reports": shown.github.reports,
        "hooks": [asdict(hook) for hook in shown.github.hooks],
        "installations": [_installation(one) for one in shown.installations],
    }


def _installation(one: InstallationShown) -> dict[str, object]:
    return {
        "id": one.id,
        "account": one.account,
        "state": one.state,
        "repositories": one.repositories,
        "features": [
            {"name": state.feature.name, "works": state.works, "missing": list(state.missing)} for state in one.features
        ],
    }


setup.add_command(setup_gitlab)
COMMANDS = (setup,)
