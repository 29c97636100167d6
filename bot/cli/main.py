"""The command line: one group, each command in the module of its kind.

Exit status: 0 done, 1 refused with the reason, 2 wrong usage (click's own).
"""

import sys

import click

from bot import __version__
from bot.cli import certs, check, failures, rules, serve, setup, setup_gitlab, show, sources, work
from bot.settings import SettingsError
from bot.store import StoreError, StoreInUseError


class Group(click.Group):
    """Says what is wrong in a sentence instead of a traceback."""

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


for room in (serve, work, sources, show, failures, rules, check, certs, setup):
    for command in room.COMMANDS:
        main.add_command(command)
setup.setup.add_command(setup_gitlab.setup_gitlab)
