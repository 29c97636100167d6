"""Names of AI tools, authors' addresses, and changes held against the days on which their authors used a tool."""

import pytest

from bot.dora.ai_activity import Assisted, address_of, assisted, day_of, tool_name
from bot.dora.instants import DAY, SECOND


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Claude Code", "claude_code"), ("claude-code", "claude_code"), ("ClaudeCode", "claude_code"), ("CURSOR", "cursor"),
        ("GitHub Copilot", "copilot"), ("github_copilot", "copilot"), ("Copilot", "copilot"), (" Wind Surf 2 ", "wind_surf_2"),
        ("openai/codex", "openai_codex"), ("gemini-cli", "gemini_cli"), ("—", ""), ("", ""),
    ],
)  # fmt: skip
def test_tools_have_one_name_each(written: str, name: str) -> None:
    assert tool_name(written) == name
    assert tool_name(name) == name


@pytest.mark.parametrize(
    ("author", "address"),
    [
        ("Ada <Ada@Example.com>", "ada@example.com"),
        ("Ada <b> <ada@example.com> ", "ada@example.com"),
        ("Ada <>", ""),
        ("ada@example.com", ""),
        ("", ""),
    ],
)
def test_addresses_of_authors(author: str, address: str) -> None:
    assert address_of(author) == address


def test_a_day_is_that_of_utc() -> None:
    assert [day_of(at) for at in (0, DAY - 1, DAY, 1_795_305_600 * SECOND)] == [
        "1970-01-01", "1970-01-01", "1970-01-02", "2026-11-22",
    ]  # fmt: skip


def test_only_changes_with_author_and_date_are_held_against_days() -> None:
    changes = [("A <a@x>", 0, 2), ("A <a@x>", DAY, 1), ("B <b@x>", 0, 1), ("C <>", 0, 5), ("A <a@x>", None, 5)]
    active = {("a@x", "1970-01-01"): ["cursor", "copilot"], ("b@x", "1970-01-01"): [""], ("c@x", "1970-01-01"): ["cursor"]}
    found = assisted(changes, active)
    assert found == Assisted(changes=4, active=3, tools={"copilot": 2, "cursor": 2})
    assert found.share == 0.75
    assert assisted(changes, {}) == Assisted(changes=4, active=0, tools={})
    assert assisted(changes, None) == Assisted(changes=4, active=None, tools=None)
    assert assisted([], {}).share is None
    assert assisted(changes, None).share is None
