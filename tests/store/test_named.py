"""Named queries: what is a parameter, what is not."""

from pathlib import Path

import pytest

from bot.store.named import QueryFileError, chunks, load_queries, parse_query


@pytest.mark.parametrize(
    ("text", "sqlite", "postgres", "parameters"),
    [
        ("SELECT :a, :b_1, :a", "SELECT :a, :b_1, :a", "SELECT %(a)s, %(b_1)s, %(a)s", {"a", "b_1"}),
        ("SELECT ':no', 'it''s :no', :yes", "SELECT ':no', 'it''s :no', :yes", "SELECT ':no', 'it''s :no', %(yes)s", {"yes"}),
        ('SELECT ":no"', 'SELECT ":no"', 'SELECT ":no"', set()),
        ("SELECT 1 -- :no, it's\n, :a", "SELECT 1  \n, :a", "SELECT 1  \n, %(a)s", {"a"}),
        ("SELECT 1 /* :no ' */ + :a", "SELECT 1   + :a", "SELECT 1   + %(a)s", {"a"}),
        ("SELECT a::text, :b::bigint", "SELECT a::text, :b::bigint", "SELECT a::text, %(b)s::bigint", {"b"}),
        ("SELECT '100%', 5 % :a", "SELECT '100%', 5 % :a", "SELECT '100%%', 5 %% %(a)s", {"a"}),
        ("SELECT a-:b/(:c)", "SELECT a-:b/(:c)", "SELECT a-%(b)s/(%(c)s)", {"b", "c"}),
        ("UPDATE fetch SET a = fetch.a, fetch_b = 'fetch'", *['UPDATE "fetch" SET a = "fetch".a, fetch_b = \'fetch\''] * 2, set()),
        ("SELECT 1;\n", "SELECT 1", "SELECT 1", set()),
        ("SELECT 'ä:no' , :a1", "SELECT 'ä:no' , :a1", "SELECT 'ä:no' , %(a1)s", {"a1"}),
    ],
)
def test_parameters(text: str, sqlite: str, postgres: str, parameters: set[str]) -> None:
    for dialect, expected in (("sqlite", sqlite), ("postgres", postgres)):
        query = parse_query("x", f"-- Says what.\n{text}", dialect)  # type: ignore[arg-type]
        assert query.text() == expected
        assert query.parameters == parameters
        assert query.about == "Says what."


def test_key_lists() -> None:
    text = "-- Some.\nSELECT a FROM b WHERE c = :c AND d IN ( :keys ) ORDER BY a"
    assert parse_query("x", text, "sqlite").text_for(2) == (
        "SELECT a FROM b WHERE c = :c AND d IN (:keys_0, :keys_1) ORDER BY a"
    )
    assert parse_query("x", text, "postgres").text_for(1) == "SELECT a FROM b WHERE c = %(c)s AND d IN (%(keys_0)s) ORDER BY a"
    assert parse_query("x", text, "sqlite").parameters == {"c"}


@pytest.mark.parametrize("text", ["IN (:keys) AND b IN (:keys)", "= :keys", "IN (:keys, :a)"])
def test_key_lists_stand_once_and_alone(text: str) -> None:
    with pytest.raises(QueryFileError, match=":keys stands once"):
        parse_query("x", f"-- Some.\nSELECT a FROM b WHERE a {text}", "sqlite")


def test_keys_come_in_few_sizes() -> None:
    sizes = {len(chunk) for n in range(1, 1500, 13) for chunk in chunks(list(range(n)))}
    assert len(sizes) <= 4
    assert list(chunks([])) == []
    assert next(chunks(["a", "b", "a"])) == {f"keys_{i}": value for i, value in enumerate("abbbbbbb")}
    seen = {key for chunk in chunks(list(range(1300))) for key in chunk.values()}
    assert seen == set(range(1300))


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.sql").write_text(text)
    return folder


def test_an_engine_may_have_its_own_text(tmp_path: Path) -> None:
    one = "-- The file says something.\n\n-- name: x\n-- Both.\nSELECT 1\n\n-- name: x (postgres)\n-- One.\nSELECT 2\n"
    two = "-- name: y (postgres)\n-- Only there.\nSELECT 3\n"
    folder = write(tmp_path, one=one, two=two)
    assert {name: query.text().strip() for name, query in load_queries("sqlite", folder).items()} == {"x": "SELECT 1"}
    assert {name: query.text().strip() for name, query in load_queries("postgres", folder).items()} == {
        "x": "SELECT 2",
        "y": "SELECT 3",
    }


@pytest.mark.parametrize(
    ("files", "match"),
    [
        ({"a": "-- name: x\n-- A.\nSELECT 1\n-- name: x\n-- B.\nSELECT 2"}, "name x is taken"),
        ({"a": "-- name: x\n-- A.\nSELECT 1", "b": "-- name: x\n-- B.\nSELECT 2"}, "b.sql: the name x is taken"),
        ({"a": "SELECT 1\n-- name: x\n-- A.\nSELECT 1"}, "before the first name"),
        ({"a": "-- name: x\nSELECT 1"}, "wants a sentence"),
        ({"a": "-- name: x\n-- Nothing."}, "wants a sentence and a statement"),
    ],
)
def test_mistakes_in_files(tmp_path: Path, files: dict[str, str], match: str) -> None:
    with pytest.raises(QueryFileError, match=match):
        load_queries("sqlite", write(tmp_path, **files))
