"""validate: one snapshot of files and folders, and its problems in three formats."""

import json
from pathlib import Path

from bot.dora.definitions import Problem
from bot.sources.validation import format_problems, validate

SHIPPED = Path(__file__).parents[2] / "service_definitions"


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_the_shipped_folder_is_valid() -> None:
    assert validate([SHIPPED]) == []


def test_a_folder_is_read_as_a_snapshot(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", "schema-version: v2.2\ndd-service: x\n")
    write(tmp_path, "b.yml", "schema-version: v2.2\ndd-service: X\n")
    write(tmp_path, "rules.yaml", "version: 3\n")
    write(tmp_path, ".hidden.yaml", "[")
    write(tmp_path, "notes.txt", "[")
    (tmp_path / "deeper").mkdir()
    write(tmp_path / "deeper", "c.yaml", "[")
    found = validate([tmp_path])
    assert [(Path(problem.file).name, problem.line, problem.column) for problem in found] == [("b.yml", 2, 1), ("rules.yaml", 1, 10)]


def test_single_files_are_read_once(tmp_path: Path) -> None:
    path = write(tmp_path, "a.yaml", "schema-version: v2.2\ndd-service: x\n")
    assert validate([path, path, tmp_path]) == []


def test_rules_of_another_name_are_read_as_rules(tmp_path: Path) -> None:
    path = write(tmp_path, "bad.yaml", "version: 1\nstatic: [{id: a, field: pr_label, pattern: '('}]\noptions: {rollback: loose}\n")
    assert [(one.line, one.column, one.severity) for one in validate([path])] == [
        (1, 1, "notice"), (2, 44, "error"), (3, 21, "error"),
    ]  # fmt: skip
    path.write_text("version: 1\nlinked: []\n")
    (notice,) = validate([path])
    assert (notice.severity, notice.message) == ("notice", "read as rules; a server reads them from rules.yaml of its folder alone")
    (error,) = validate([tmp_path])
    assert (error.severity, error.message) == ("error", "these are rules; the server reads them from rules.yaml of its folder alone")
    path.write_text("id: urgent\nfield: pr_lable\npattern: '^urgent$'\n")
    assert [(one.line, one.severity) for one in validate([path])] == [(1, "notice"), (2, "error")], "a single rule, as it may be tried"
    (error,) = validate([tmp_path])
    assert "these are rules" in error.message
    path.write_text("version: 1\n")
    (error,) = validate([path])
    assert "write schema-version: v2.2" in error.message, "what looks like nothing is a definition"


def test_what_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    (found,) = validate([tmp_path / "gone.yaml"])
    assert (found.severity, found.message) == ("error", "cannot be read: No such file or directory")


PROBLEMS = [
    Problem(file="a,b:c.yaml", line=3, column=7, severity="error", message="100% wrong\nin two lines"),
    Problem(file="d.yaml", line=1, column=1, severity="warning", message="odd"),
]


def test_text_is_one_clickable_line_each() -> None:
    assert format_problems(PROBLEMS) == "a,b:c.yaml:3:7: error: 100% wrong in two lines\nd.yaml:1:1: warning: odd"
    assert format_problems([]) == ""


def test_github_commands_are_escaped() -> None:
    assert format_problems(PROBLEMS, "github").splitlines() == [
        "::error file=a%2Cb%3Ac.yaml,line=3,col=7::100%25 wrong%0Ain two lines",
        "::warning file=d.yaml,line=1,col=1::odd",
    ]


def test_json_is_a_list() -> None:
    assert json.loads(format_problems(PROBLEMS, "json"))[0] == {
        "file": "a,b:c.yaml",
        "line": 3,
        "column": 7,
        "severity": "error",
        "message": "100% wrong\nin two lines",
    }
    assert json.loads(format_problems([], "json")) == []
