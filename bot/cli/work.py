"""Commands that change something: `sync`, `backfill`, `rebuild`, `keys`, `deliveries replay` (see show.py for its siblings)."""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from bot.cli.context import operate, read
from bot.dora.inference import FORGE_DEPLOYMENTS, RELEASES, TAGS
from bot.dora.instants import SECOND, Instant
from bot.facts import keys as key_facts

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
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
@click.option("--from-releases", "releases", is_flag=True, help="Make a deployment of every release that was published.")
@click.option("--from-forge-deployments", "forge_deployments", is_flag=True, help="Count what GitHub or GitLab knows as deployed.")
@click.option("--pull-requests", "pull_requests", is_flag=True, help="Read pull requests from GitHub and GitLab.")
@click.option("--issues", "issues", is_flag=True, help="Read issues and incidents from GitHub and GitLab, where they are a source of failures.")
@click.option("--incidents-from", "incidents_from", metavar="URL", help="Read the incidents of the past two years, e.g. https://api.datadoghq.com.")
@click.option("--api-key-file", type=_FILE, help="A file with the API key for --incidents-from (default: DD_API_KEY).")
@click.option("--app-key-file", type=_FILE, help="A file with its application key (default: DD_APP_KEY).")
@click.option("--service", default="", metavar="S", help="What is deployed; default: services whose definition names the repository.")
@click.option("--env", default="", metavar="E", help="The environment (default: none); of forge deployments: only those to it.")
@click.option("--repo", "repository", metavar="R", help="The repository, if several are synced; default for pull requests: all.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Nothing before (pull requests: updated before); default: all.")
@click.option("--no-prereleases", is_flag=True, help="Releases that are not marked as pre-releases alone.")
@click.option("--forget", is_flag=True, help="Take back what was asked for with the same options: its deployments go.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def backfill(
    tags: str | None, releases: bool, forge_deployments: bool, pull_requests: bool, issues: bool, incidents_from: str | None,
    api_key_file: Path | None, app_key_file: Path | None, service: str, env: str, repository: str | None, since: datetime | None, no_prereleases: bool, forget: bool, as_json: bool,
) -> None:  # fmt: skip
    """Bring in what happened before: deployments out of tags, releases and forge deployments; pull requests; issues; incidents.

    Deployments made so keep coming: tags and releases that appear later count too, until --forget. Their source (tags, github,
    gitlab) is turned on and counts from the beginning of time; `rollforward sources disable` stops counting. Reading pull requests
    and issues can be interrupted: a running server goes on with it, or the same command given again. Issues are read where their
    source of failures is on (`rollforward sources enable github --failures`); it then counts from the beginning of time, too.

    Incidents are read from the original's API or another Rollforward's, with keys out of DD_API_KEY and DD_APP_KEY. Given again the
    command brings in what was changed there; what was said of an incident here stays.
    """
    kinds = {
        TAGS: tags is not None, RELEASES: releases, FORGE_DEPLOYMENTS: forge_deployments, "pull_requests": pull_requests,
        "issues": issues, "incidents": incidents_from is not None,
    }  # fmt: skip
    chosen = [name for name, wanted in kinds.items() if wanted]
    if len(chosen) != 1:
        raise click.UsageError(
            "say what to bring in: --from-tags, --from-releases, --from-forge-deployments, --pull-requests, --issues or --incidents-from."
        )
    kind = chosen[0]
    if (api_key_file or app_key_file) and incidents_from is None:
        raise click.UsageError("--api-key-file and --app-key-file belong to --incidents-from.")
    if incidents_from is not None:
        if service or env or repository or since or no_prereleases or forget:
            raise click.UsageError("--incidents-from reads all incidents of the past two years: no other option limits them.")
        _backfill_incidents(incidents_from, api_key_file, app_key_file, as_json)
        return
    if no_prereleases and not releases:
        raise click.UsageError("--no-prereleases belongs to --from-releases.")
    if forge_deployments and not service and (env or since or forget):
        raise click.UsageError(
            "all forge deployments of services whose definition names the repository count while their source is on "
            "(rollforward sources): --env, --since and --forget need --service."
        )
    if pull_requests or issues:
        if forget:
            raise click.UsageError(f"{_words(kind)} are not forgotten.")
        _read_forges(kind, repository, since, as_json)
        return
    asked: dict[str, object] = {"kind": kind, "service": service, "env": env, "repository": repository}
    if tags is not None:
        asked["pattern"] = tags
    if forget:
        gone = operate("backfill.forget", **asked)
        said = f"{_words(kind)} of {gone['repository']} are not taken for deployments by that any more"
        click.echo(json.dumps(gone, indent=2) if as_json else said)
        return
    result = operate("backfill", **asked, since=_instant(since), prereleases=not no_prereleases)
    click.echo(json.dumps(result, indent=2) if as_json else _sentence(result, kind))


def _sentence(result: Mapping[str, Any], kind: str) -> str:
    what = _words(kind)
    told_by = f" ({result['told_by']})" if "told_by" in result else ""
    return (
        f"{result['deployments']:,} deployments of {', '.join(result['services'])} from {result[kind]:,} {what} of "
        f"{result['repository']}{told_by}. The source '{result['source']}' counts retroactively; {what} that come later count too."
    )


def _words(kind: str) -> str:
    return kind.replace("_", " ")


def _instant(date: datetime | None) -> Instant | None:
    return int(date.replace(tzinfo=UTC).timestamp()) * SECOND if date is not None else None


def _read_forges(kind: str, repository: str | None, since: datetime | None, as_json: bool) -> None:
    result = operate(f"backfill.{kind}", repository=repository, since=_instant(since))
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        click.echo(f"{result[kind]:,} {_words(kind)} of {result['repositories']:,} repositories")
        if "sources" in result:
            sources = " and ".join(result["sources"])
            click.echo(f"{result['counted']:,} of them are failures; what {sources} told counts from the beginning of time.")
        for name, error in result["errors"].items():
            click.echo(f"{name}: {error}", err=True)
    if result["errors"]:
        raise SystemExit(1)


def _backfill_incidents(url: str, api_key_file: Path | None, app_key_file: Path | None, as_json: bool) -> None:
    keys = {"api_key": _secret("DD_API_KEY", api_key_file), "app_key": _secret("DD_APP_KEY", app_key_file)}
    result = operate("backfill.incidents", url=url, **keys)
    if as_json:
        click.echo(json.dumps(result, indent=2))
    else:
        click.echo(_incidents_in_words(result))
    for id, error in result["errors"].items():
        click.echo(f"{id}: {error}", err=True)
    if result["unread"]:
        raise SystemExit(1)


def _incidents_in_words(result: Mapping[str, Any]) -> str:
    known = f"{result['new']:,} new, {result['changed']:,} changed since the last time, {result['same']:,} known"
    left = {
        "older than two years": result["older"], "deleted here": result["deleted"], "that could not be read": result["unread"],
    }  # fmt: skip
    said = [f"{_count(result['read'], 'incident')} read from {result['from']}: {known}."]
    said += [f"Left out: {', '.join(f'{n:,} {what}' for what, n in left.items() if n)}."] if any(left.values()) else []
    said += [f"Tests, which count nowhere: {result['tests']:,}."] if result["tests"] else []
    if result["without_periods"]:
        said.append(f"Of {result['without_periods']:,} nobody told how long they were in each state: their last state is taken.")
    return " ".join([*said, f"The source '{result['source']}' is on and counts {_count(result['counted'], 'failure')}."])


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _secret(name: str, file: Path | None) -> str:
    """A key out of a file, else out of the environment: on the command line others could read it."""
    text = os.environ.get(name, "") if file is None else file.read_text(errors="replace")
    key = text.strip()
    if not key:
        raise click.UsageError(f"{name} is not set: it holds a key for the server that has the incidents (or name a file with it).")
    if not key.isascii() or not key.isprintable():
        raise click.UsageError(f"{name} holds characters that no key has.")
    return key


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
