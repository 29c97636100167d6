"""What the commands share: settings, an open store, and work done by a running server or here."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from bot.engine.operations import OperationError, run_operation
from bot.settings import Settings, load_settings
from bot.store import Reader, Store
from bot.store.opening import open_store

T = TypeVar("T")


def settings() -> Settings:
    """The settings of this folder and environment."""
    return load_settings(os.environ, Path(".env"))


@contextmanager
def open_for_reading() -> Iterator[Store]:
    """The store, to read from while a server may be running."""
    store = open_store(settings().database_url)
    try:
        store.migrate()
        yield store
    finally:
        store.close()


def read(work: Callable[[Reader], T]) -> T:
    """Ask the store one question."""
    with open_for_reading() as store:
        return store.read(work)


def operate(command: str, **arguments: object) -> Any:
    """Do something that writes: in the running server if there is one, else here. Progress goes to stderr."""

    def progress(text: str) -> None:
        click.echo(text, err=True)

    try:
        return asyncio.run(run_operation(settings(), command, arguments, progress=progress))
    except OperationError as error:
        raise click.ClickException(str(error)) from error
