"""Writes the tables "event → what it changes" of docs/webhooks.md from the tables by which the code dispatches.

`python docs/events.py` writes, `--check` only says whether the document is current.
"""

import argparse
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from bot.forges.github.payloads import TABLE as GITHUB
from bot.forges.gitlab.payloads import TABLE as GITLAB
from bot.forges.table import ANY, NOTHING, Table

DOCUMENT = Path(__file__).with_name("webhooks.md")
TABLES = {"github": GITHUB, "gitlab": GITLAB}


def rendered(document: str) -> str:
    """The document with its tables as the code has them now."""
    for forge, table in TABLES.items():
        begin, end = f"<!-- events: {forge} -->\n", f"<!-- /events: {forge} -->"
        pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
        if not pattern.search(document):
            raise SystemExit(f"{DOCUMENT.name} has no place for the events of {forge}")
        text = begin + "\n".join(_lines(table)) + "\n" + end
        document = pattern.sub(lambda _: text, document)  # noqa: B023  # called here and now
    return document


def _lines(table: Table) -> Iterator[str]:
    yield "| event | what it changes |"
    yield "|---|---|"
    silent: list[str] = []
    for event in dict.fromkeys(event for event, _ in table):
        actions = {action: entry.changes for (name, action), entry in table.items() if name == event}
        if actions == {ANY: NOTHING}:
            silent.append(f"`{event}`")
            continue
        quiet = [action for action, changes in actions.items() if changes == NOTHING]
        for action, changes in actions.items():
            if changes != NOTHING:
                yield f"| `{event}{f'.{action}' if action else ''}` | {changes} |"
        if quiet:
            names = "others" if quiet == [ANY] else ", ".join(f"`{action}`" for action in quiet)
            yield f"| `{event}`: {names} | {NOTHING} |"
    yield f"| all of {', '.join(silent)} | {NOTHING} |"


def main() -> None:
    """Write or check."""
    parser = argparse.ArgumentParser(description=textwrap.dedent(__doc__ or ""))
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    current = DOCUMENT.read_text(encoding="utf-8")
    wanted = rendered(current)
    if check:
        sys.exit(None if wanted == current else f"{DOCUMENT.name} is not current: run python docs/events.py")
    DOCUMENT.write_text(wanted, encoding="utf-8")


if __name__ == "__main__":
    main()
