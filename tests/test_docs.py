"""Documentation and code say the same: every command, route and changelog is there."""

import importlib.util
import re
from pathlib import Path

import click
import pytest

from bot import __version__
from bot.cli.main import main
from bot.demo.launch import invitation
from bot.web.routes import rows

DOCS = Path(__file__).parents[1] / "docs"


def _commands(group: click.Group, prefix: str = "") -> list[tuple[str, click.Command]]:
    found: list[tuple[str, click.Command]] = []
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        if isinstance(command, click.Group):
            found += _commands(command, f"{prefix}{name} ")
        else:
            found.append((f"{prefix}{name}", command))
    return found


@pytest.mark.parametrize(("name", "command"), _commands(main), ids=lambda value: value if isinstance(value, str) else "")
def test_every_command_is_documented_and_helps(name: str, command: click.Command) -> None:
    text = (DOCS / "commands.md").read_text()
    assert re.search(rf"`{re.escape(name)}[ `]", text), f"docs/commands.md does not know `{name}`"
    assert command.help, f"{name} has no help"


def test_every_documented_command_exists() -> None:
    known = {name for name, _ in _commands(main)}
    first = (line.split("|")[1] for line in (DOCS / "commands.md").read_text().splitlines() if line.startswith("| `"))
    named = {match.split(" ")[0] for cell in first for match in re.findall(r"`([a-z][a-z ]*)", cell)}
    assert named <= {name.split()[0] for name in known}


def test_every_route_is_documented() -> None:
    text = "".join(path.read_text() for path in DOCS.glob("*.md")) + (DOCS.parent / "README.md").read_text()
    for row in rows():
        # Every list has a .csv twin, which docs/api.md says once.
        if row.path.startswith("/static/"):
            continue
        path = re.sub(r"\{(\w+):[^}]+\}", r"{\1}", row.path).removesuffix(".csv")
        assert path in text, f"{row.method} {path} is nowhere in docs/"


def test_the_version_has_its_changelog() -> None:
    changelog = (DOCS.parent / "CHANGELOG.md").read_text()
    assert "## Unreleased" in changelog or f"## {__version__}" in changelog


def test_links_between_documents_hold() -> None:
    for path in [*DOCS.glob("*.md"), DOCS.parent / "README.md"]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
            if not target.endswith(".png"):
                assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_the_demo_says_how_commands_reach_it_as_its_page_does() -> None:
    page, said = (DOCS / "demo.md").read_text(), invitation(Path("data") / "demo", "http://127.0.0.1:8080")
    for line in ("DATA_DIR=data/demo/server rollforward metrics --group-by service", "DATA_DIR=data/demo/server rollforward keys create me"):
        assert line in said
        assert f"$ {line}\n" in page


def test_the_tables_of_events_are_the_codes_own() -> None:
    spec = importlib.util.spec_from_file_location("events", DOCS / "events.py")
    assert spec is not None and spec.loader is not None
    events = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(events)
    document = (DOCS / "webhooks.md").read_text()
    assert events.rendered(document) == document, "run python docs/events.py"
    assert "| `repository.renamed` |" in document
