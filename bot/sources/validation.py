"""Validate service definitions and rules, for people, editors and continuous integration."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path, PurePath
from typing import Literal

import msgspec

from bot.dora.definitions import Problem
from bot.dora.rules import DEFAULT_RULES, RuleSet
from bot.sources.definitions import read_definitions
from bot.sources.folder import REPOSITORY_FILES, definition_files, file_name, read_files, unreadable
from bot.sources.rule_trial import read_proposal
from bot.sources.rules import RULES_FILE, read_rules, rules_elsewhere

Format = Literal["text", "github", "json"]


def validate(paths: Sequence[Path]) -> list[Problem]:
    """All problems of files and folders. Empty = all is well.

    A file named as repositories hold it stands by itself; a file that was named is rules if it looks like rules.
    """
    files: list[Path] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            files += definition_files(path) if path.is_dir() else [path]
        except OSError as error:
            problems.append(unreadable(path, error.strerror or "not readable"))
    texts, unread = read_files(files)
    alone = {file_name(path) for path in paths if path.name in REPOSITORY_FILES}
    rules = DEFAULT_RULES if any(path.is_dir() for path in paths) else None
    named = {path for path in paths if path.name != RULES_FILE and path in texts and rules_elsewhere(texts[path])}
    for path in named:
        problems += _rules_elsewhere(file_name(path), texts.pop(path))
    problems += validate_files({file_name(path): text for path, text in texts.items()}, alone=alone, rules=rules)
    return _sorted([*problems, *unread])


def validate_files(files: Mapping[str, bytes], *, alone: Collection[str], rules: RuleSet | None = None) -> list[Problem]:
    """All problems of files by name: `rules.yaml` is read as rules, those `alone` by themselves, the rest as one snapshot.

    What the snapshot says of rules is held against those of `rules.yaml`, without such a file against `rules`, if they are known.
    """
    problems: list[Problem] = []
    folder: dict[str, bytes] = {}
    for file, text in files.items():
        if PurePath(file).name == RULES_FILE:
            read, wrong = read_rules(file, text)
            rules = None if wrong else read
            problems += wrong
        elif file in alone:
            problems += read_definitions({file: text}).problems
        else:
            folder[file] = text
    return _sorted([*problems, *read_definitions(folder, rules).problems])


def _rules_elsewhere(file: str, text: bytes) -> list[Problem]:
    """The mistakes of rules in a file that no server would read them from."""
    notice = f"read as rules; a server reads them from {RULES_FILE} of its folder alone"
    return [*read_proposal(file, text)[1], Problem(file=file, line=1, column=1, severity="notice", message=notice)]


def _sorted(problems: Iterable[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: (problem.file, problem.line, problem.column))


def format_problems(problems: Sequence[Problem], format: Format = "text") -> str:
    """The problems as lines to click on, as GitHub's workflow commands, or as a JSON list; "" or `[]` when there are none."""
    if format == "json":
        return msgspec.json.format(msgspec.json.encode([asdict(problem) for problem in problems])).decode()
    line = _github if format == "github" else _text
    return "\n".join(map(line, problems))


def _text(problem: Problem) -> str:
    return f"{problem.file}:{problem.line}:{problem.column}: {problem.severity}: {_one_line(problem.message)}"


def _github(problem: Problem) -> str:
    place = f"file={_property(problem.file)},line={problem.line},col={problem.column}"
    return f"::{problem.severity} {place}::{_data(problem.message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _one_line(text: str) -> str:
    return " ".join(text.split("\n"))
