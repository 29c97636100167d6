"""Commands that stay: `serve`, `web`, `worker`; and `migrate`, `demo`."""

import asyncio
import sys

import click

from bot.cli.context import settings
from bot.credentials import Credentials
from bot.log import configure_logging
from bot.settings import Settings
from bot.store.opening import open_store


def _configured() -> Settings:
    configured = settings()
    configure_logging(secrets=Credentials(configured).every_secret())
    return configured


def _run(configured: Settings, *, web: bool, work: bool) -> None:
    # Here: no other command needs the web application, nor does the engine's child, which imports this module too.
    from bot.app import run_server

    asyncio.run(run_server(configured, web=web, work=work))


@click.command()
def serve() -> None:
    """Receive, work and answer in one process (the default way to run)."""
    _run(_configured(), web=True, work=True)


@click.command()
def web() -> None:
    """Receive and answer. On SQLite it does the worker's part too."""
    configured = _configured()
    on_sqlite = configured.database_url.startswith("sqlite")
    _run(configured, web=True, work=on_sqlite)


@click.command()
def worker() -> None:
    """Process what web processes received (PostgreSQL). On SQLite it says so and waits."""
    configured = _configured()
    if configured.database_url.startswith("sqlite"):
        click.echo("On SQLite the web process does this work too; nothing to do here. Waiting.", err=True)
        asyncio.run(_wait_forever())
    _run(configured, web=False, work=True)


async def _wait_forever() -> None:
    await asyncio.Event().wait()


@click.command()
def migrate() -> None:
    """Bring the store's schema up to date."""
    store = open_store(settings().database_url)
    try:
        applied = store.migrate()
    finally:
        store.close()
    click.echo("\n".join(f"applied {name}" for name in applied) or "nothing to do: the schema is up to date")


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True}, add_help_option=False)
@click.pass_context
def demo(context: click.Context) -> None:
    """Play a sample organisation and leave its dashboard open (--help says more)."""
    from bot.demo.__main__ import main as play

    sys.exit(play(context.args))


COMMANDS = (serve, web, worker, migrate, demo)
