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


def test_how_many_more_mistakes_there_are_is_told_of_each_document(tmp_path: Path) -> None:
    documents = [
        f"schema-version: v2.2\ndd-service: {name}\n" + "".join(f"wrong_{n}: x\n" for n in range(many))
        for name, many in (("a", 40), ("b", 41), ("c", 57), ("d", 1_000))
    ]
    path = write(tmp_path, "a.yaml", "---\n".join(documents))
    told = validate([path])
    assert len(told) == 40 + 3 * 41
    more = [(problem.line, problem.severity, problem.message) for problem in told if "unknown key" not in problem.message]
    assert more == [
        (42 + 1 + 2 + 41, "error", "1 more mistake in this document, from here on"),
        (42 + 1 + 43 + 1 + 2 + 41, "error", "17 more mistakes in this document, from here on"),
        (42 + 1 + 43 + 1 + 59 + 1 + 2 + 41, "error", "at least 160 more mistakes in this document, from here on"),
    ]
    lines = path.read_text().splitlines()
    assert [lines[line - 1] for line, _, _ in more] == ["wrong_40: x"] * 3


def test_a_document_that_is_not_yaml_hides_no_other(tmp_path: Path) -> None:
    broken = ("dd-service: [b\n", "dd-service: 'b\n", "a: b: c\n", "x: *y\n", "k: 1\nk: 2\n", "tag: !x y\n")
    good = "schema-version: v2.2\ndd-service: {}\nwrong: x\n"
    for one in broken:
        for at in range(3):
            order = [good.format("a"), good.format("c")]
            order.insert(at, one)
            path = write(tmp_path, "a.yaml", "---\n".join(order))
            told = validate([path])
            lines = path.read_text().splitlines()
            unknown = [problem for problem in told if "unknown key 'wrong'" in problem.message]
            assert [lines[problem.line - 1] for problem in unknown] == ["wrong: x"] * 2, (order, told)
            assert len(told) == 3 and len({problem.line for problem in told}) == 3
    path = write(tmp_path, "a.yaml", "---\n".join([*broken[:5], good.format("a")]))
    assert len(validate([path])) == 6
    path = write(tmp_path, "a.yaml", "---\n".join([*["[\n"] * 40, good.format("a")]))
    assert len(validate([path])) == 6, "who breaks more is told of the first"
