"""`setup gitlab`: register our webhook in groups with all their subgroups, in projects, or for the whole instance."""

import json
from typing import Any

import click

from bot.cli.context import operate


@click.command("gitlab")
@click.option("--group", "groups", multiple=True, metavar="PATH", help="A group with all its subgroups, e.g. my-org/group (repeatable).")
@click.option("--project", "projects", multiple=True, metavar="PATH", help="A project, e.g. my-org/group/name (repeatable).")
@click.option("--system", is_flag=True, help="The whole instance (self-managed, needs an administrator's token).")
@click.option("--url", metavar="URL", help="Where GitLab reaches this server, if not at BASE_URL.")
@click.option("--remove", is_flag=True, help="Remove the hooks instead.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--reports", type=click.Choice(["on", "off"]), help="Let the bot report in merge requests, or not (default: off).")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def setup_gitlab(
    groups: tuple[str, ...], projects: tuple[str, ...], system: bool, url: str | None, remove: bool, dry_run: bool,
    reports: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Register the webhook (push, tag, merge request, deployment, release and issue events) with GitLab.

    Needs GITLAB_TOKEN with the scope api. Can be given again: what is there is kept, repaired and, where GitLab stopped it,
    started. Ends with status 1 when a project refused; all others are done.
    """
    if reports is not None:
        operate("reports", forge="gitlab", on=reports == "on")
        click.echo(f"reports in merge requests on GitLab are {reports}", err=as_json)
    if not (groups or projects or system):
        if reports is None:
            raise click.UsageError("Name where: --group, --project or --system.")
        return
    result = operate(
        "setup.gitlab", groups=list(groups), projects=list(projects), system=system, url=url or "", remove=remove, dry_run=dry_run
    )
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        _print(result, dry_run=dry_run)
    if result["refused"]:
        raise SystemExit(1)


def _print(result: dict[str, Any], *, dry_run: bool) -> None:
    for one in result["hooks"]:
        click.echo(f"{one['done']:<10} {one['subject']}{': ' if one['reason'] else ''}{one['reason']}")
    refused, all_ = len(result["refused"]), len(result["hooks"])
    would = "would be " if dry_run else ""
    click.echo(f"{all_ - refused:,} of {all_:,} places {would}in order; they send to {result['url']}", err=True)
    if refused:
        click.echo(f"not so: {', '.join(result['refused'])}", err=True)
