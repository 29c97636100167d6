"""What the commands share: settings, an open store, and work done by a running server or here."""

import asyncio
import logging
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import click

from bot.cli.progress import ProgressBar
from bot.log import configure_logging
from bot.settings import Settings, load_settings
from bot.store import Reader
from bot.store.opening import open_for_reading

T = TypeVar("T")


def settings() -> Settings:
    """The settings of this folder and environment."""
    return load_settings(os.environ, Path(".env"))


def read(work: Callable[[Reader], T]) -> T:
    """Ask the store one question, while a server may be running."""
    configured = settings()
    path = configured.sqlite_path
    if path is not None and not path.exists():
        raise click.ClickException(f"there is no store at {path} yet; `rollforward sync PATH-OR-URL` or `rollforward serve` makes it")
    with closing(open_for_reading(configured.database_url)) as store:
        return store.read(work)


def operate(command: str, **arguments: object) -> Any:
    """Do something that writes: in the running server if there is one, else here. Progress goes to stderr, so does that a store is new."""
    # Here: commands that only read need not wait for what writes.
    from bot.engine.operations import OperationError, run_operation

    configured, progress = settings(), ProgressBar()
    path = configured.sqlite_path
    absent = path is not None and not path.exists()

    # What goes wrong is this command's answer; a log beside it would say it twice.
    configure_logging(level=logging.CRITICAL)
    try:
        return asyncio.run(run_operation(configured, command, arguments, progress=progress))
    except OperationError as error:
        raise click.ClickException(str(error)) from error
    finally:
        progress.close()
        if absent and path is not None and path.exists():
            click.echo(f"new store at {path}", err=True)
