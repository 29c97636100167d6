"""The command line: one group, each command in the module of its kind, which is loaded when the command is asked for.

Exit status: 0 done, 1 refused with the reason, 2 wrong usage (click's own).
"""

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Final

import click

from bot import __version__
from bot.settings import SettingsError
from bot.store import StoreError, StoreInUseError

ROOMS: Final[Mapping[str, str]] = {
    "serve": "serve web worker migrate demo",
    "work": "sync backfill rebuild keys",
    "sources": "sources",
    "show": "metrics deployments waiting services explain deliveries paths",
    "failures": "failures",
    "rules": "rules",
    "check": "validate doctor",
    "certs": "certs",
    "setup": "setup",
}
"""The commands by their modules: to load them all takes half a second."""


class Group(click.Group):
    """Loads the command that is asked for; says what is wrong in a sentence instead of a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands, in order."""
        return sorted(name for names in ROOMS.values() for name in names.split())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command by its name; None if there is none."""
        room = next((room for room, names in ROOMS.items() if cmd_name in names.split()), None)
        if room is None:
            return None
        commands: tuple[click.Command, ...] = import_module(f"bot.cli.{room}").COMMANDS
        return next((command for command in commands if command.name == cmd_name), None)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; known errors end it with status 1."""
        try:
            return super().invoke(ctx)
        except StoreInUseError as error:
            raise click.ClickException(f"{error} Stop it first, or give this command another DATA_DIR.") from error
        except (SettingsError, StoreError) as error:
            raise click.ClickException(str(error)) from error
        except BrokenPipeError:
            sys.exit(1)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="rollforward")
def main() -> None:
    """Rollforward tells a team how it ships: the DORA metrics per service, down to the commits."""
