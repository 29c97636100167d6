"""The group of all commands: it knows each, and loads none before it is asked for."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

from bot.cli.main import ROOMS

CLI = Path(__file__).parents[2] / "bot" / "cli"
LOADED = "import sys, bot.__main__, bot.engine.child; print(*sorted({'click', 'bot.cli.main', 'sqlite_utils'} & sys.modules.keys()))"


def test_every_command_of_a_module_is_known() -> None:
    rooms = {path.stem: import_module(f"bot.cli.{path.stem}") for path in CLI.glob("*.py") if "\nCOMMANDS = " in path.read_text()}
    assert {name: names.split() for name, names in ROOMS.items()} == {
        name: [command.name for command in room.COMMANDS] for name, room in rooms.items()
    }


def test_the_engines_child_loads_no_command() -> None:
    told = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert told.stdout.split() == []
