"""Commands that change something: `sync`, `backfill`, `rebuild`, `keys`, `deliveries replay` (see show.py for its siblings)."""

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from bot.cli.context import operate, read
from bot.dora.instants import SECOND
from bot.facts import keys as key_facts

SCOPES = ("deployments:write", "failures:write", "catalog:write", "read", "admin")


@click.command()
@click.argument("repositories", nargs=-1, required=True, metavar="REPO…")
@click.option("--as", "name", metavar="URL", help="What the repository is called in deployments, if the path does not tell.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def sync(repositories: tuple[str, ...], name: str | None, as_json: bool) -> None:
    """Mirror repositories (a path or a URL): commits, dates and changed paths, never file contents.

    Can be interrupted and given again; a second run reads only what is new.
    """
    if name and len(repositories) > 1:
        raise click.UsageError("--as names one repository; give them one at a time.")
    # The server that does it may run in another folder.
    places = [str(Path(place).resolve()) if Path(place).is_dir() else place for place in repositories]
    result = operate("sync", remotes=places, name=name)
    if as_json:
        click.echo(json.dumps(result, indent=2))
        return
    for one in result:
        click.echo(f"{one['repository']}: {one['commits']:,} commits")


@click.command()
@click.option("--from-tags", "tags", metavar="GLOB", help="Make a deployment of every tag that matches, e.g. 'v*'.")
@click.option("--pull-requests", "pull_requests", is_flag=True, help="Read pull requests from GitHub and GitLab.")
@click.option("--service", metavar="S", help="The service deployed; default: every service whose definition names the repository.")
@click.option("--env", default="", metavar="E", help="The environment (default: none).")
@click.option("--repo", "repository", metavar="R", help="The repository, if several are synced; default for pull requests: all.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Pull requests updated since; default: all.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def backfill(
    tags: str | None, pull_requests: bool, service: str | None, env: str, repository: str | None, since: datetime | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Bring in what happened before: inferred deployments out of tags, pull requests out of the forges.

    The source of deployments made of tags (tags) counts from the beginning of time from then on. Reading pull requests can be
    interrupted: a running server goes on with it, or the same command given again.
    """
    if (tags is None) is not pull_requests:
        raise click.UsageError("say what to bring in: --from-tags or --pull-requests.")
    if pull_requests:
        _backfill_pull_requests(repository, since, as_json)
        return
    result = operate("backfill", tags=tags, service=service, env=env, repository=repository)
    if as_json:
        click.echo(json.dumps(result, indent=2))
        return
    click.echo(
        f"{result['deployments']:,} deployments of {', '.join(result['services'])} from {result['tags']:,} tags of "
        f"{result['repository']}. The source 'tags' counts retroactively."
    )


def _backfill_pull_requests(repository: str | None, since: datetime | None, as_json: bool) -> None:
    instant = int(since.replace(tzinfo=UTC).timestamp()) * SECOND if since is not None else None
    result = operate("backfill.pull_requests", repository=repository, since=instant)
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        click.echo(f"{result['pull_requests']:,} pull requests of {result['repositories']:,} repositories")
        for name, error in result["errors"].items():
            click.echo(f"{name}: {error}", err=True)
    if result["errors"]:
        raise SystemExit(1)


@click.command()
def rebuild() -> None:
    """Derive everything again from the facts (the result is equal; old numbers answer meanwhile)."""
    result = operate("rebuild")
    click.echo(f"derived {result['series']:,} series and {result['pull_requests']:,} pull requests again")


@click.group()
def keys() -> None:
    """API keys: shown once when created, stored hashed."""


@keys.command("create")
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES), default=("deployments:write",), show_default=True)
@click.option("--service", "services", multiple=True, metavar="S", help="Limit the key to this service (repeatable).")
@click.option("--json", "as_json", is_flag=True, help="Print the key as JSON.")
def create_key(name: str, scopes: tuple[str, ...], services: tuple[str, ...], as_json: bool) -> None:
    """Create a key and print it, this once."""
    made = operate("keys.create", name=name, scopes=list(scopes), services=list(services))
    if as_json:
        click.echo(json.dumps(made, indent=2))
        return
    click.echo(made["key"])
    click.echo(f"{made['id']} ({name}): {', '.join(scopes)}. This is the only time the key is shown.", err=True)


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def list_keys(as_json: bool) -> None:
    """List keys, without what opens a door."""
    rows = read(key_facts.list_keys)
    if as_json:
        click.echo(json.dumps([row._asdict() for row in rows], indent=2))
        return
    for row in rows:
        state = "revoked" if row.revoked_at else "active"
        limited = f" for {', '.join(row.services)}" if row.services else ""
        click.echo(f"{row.id}  {state:<8}{row.name}: {', '.join(row.scopes)}{limited}")


@keys.command("revoke")
@click.argument("key_id")
def revoke_key(key_id: str) -> None:
    """Revoke a key by its id (see `keys list`)."""
    if not operate("keys.revoke", id=key_id):
        raise click.ClickException(f"there is no active key {key_id!r} (see `rollforward keys list`)")
    click.echo(f"{key_id} is revoked")


COMMANDS = (sync, backfill, rebuild, keys)
