"""The query language of the original's lists: what matches, what is refused and where, and that hostile queries cost little."""

import time
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.dora.search import Fields, QueryError, parse_query, with_tags
from bot.dora.search_syntax import And, Everything, Node, Not, Or, Term, Wild

SHOP: Fields = with_tags(
    {"service": ["Shopist"], "team": ["backend"], "version": ["V1.2.0"], "repository": ["github.com/acme/shop"]},
    ["department:Human Resources", "tier:1", "tier:2", "service:somebody-else", "url:http://x"],
)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", True),
        ("  ", True),
        ("*", True),
        ("-*", False),
        ("* -service:shopist", False),
        ("service:shopist", True),
        ("SERVICE:SHOPIST", True),
        ("service:shop", False),
        ("service:shop*", True),
        ("service:s?opist", True),
        ("service:?shopist", False),
        ("service:*", True),
        ("service:somebody-else", False),
        ("env:none", True),
        ("-env:none", False),
        ("env:*", False),
        ("-env:prod", True),
        ("team:none", False),
        ("version:V1.2.0", True),
        ("version:v1.2.0", False),
        ("version:V1.*", True),
        ("version:v*", False),
        ('version:"V1.*"', False),
        ('version:"V1.2.0"', True),
        ("version:(V1.2.0 OR V1.3.0)", True),
        ("repository:github.com/ACME/*", True),
        ("repository:github.com/*/*/*", False),
        ('department:"human resources"', True),
        (r"department:human\ resources", True),
        ("@department:human*", True),
        ("@custom.department:*resources", True),
        ("@custom_tags.department:*", True),
        ("department:engineering", False),
        ("tier:(1 2)", True),
        ("tier:(1 3)", False),
        ("tier:(1 -3)", True),
        ("tier:(NOT 1)", False),
        (r"url:http://x", True),
        (r"url:http\://x", True),
        ("service:shopist AND team:backend", True),
        ("service:shopist team:frontend", False),
        ("service:shopist OR team:frontend", True),
        ("team:frontend service:cart OR service:shopist", True),
        ("service:shopist OR service:cart team:frontend", True),
        ("(service:shopist OR service:cart) team:frontend", False),
        ("NOT team:frontend service:shopist", True),
        ("NOT (team:backend OR team:frontend)", False),
        ("-(team:frontend -team:backend)", True),
        ("--team:backend", True),
        ("service:-shopist", False),
        ("severity:(SEV-1 OR SEV-2)", False),
        ("\tservice:shopist\n", True),
    ],
)
def test_what_matches(query: str, found: bool) -> None:
    assert parse_query(query).matches(SHOP) is found


@pytest.mark.parametrize(
    ("query", "position", "detail"),
    [
        ("shop", 1, "key:value"),
        ('"shop"', 1, "key:value"),
        ("service:", 9, "service:value"),
        ("service: shop", 9, "service:value"),
        ("(service:)", 10, "service:value"),
        (":shop", 1, "key is missing"),
        ("serv*:shop", 1, "key has no wildcards"),
        ('service:""', 9, "between the quotes"),
        ('service:"shop', 9, "has no end"),
        ('service:"a"b', 12, "space is missing"),
        ('service:a"b"', 10, 'backslash before "'),
        ("service:a(b)", 10, "backslash before ("),
        ("(service:a", 1, "never closed"),
        ("service:(a", 9, "never closed"),
        ("service:a)", 10, "closes nothing"),
        ("service:()", 10, "write value"),
        ("()", 2, "write key:value"),
        ("service:(a b:c)", 12, "with a colon in quotes"),
        ("service:a AND", 14, "term is missing"),
        ("OR service:a", 1, "term is missing"),
        ("service:a OR AND service:b", 14, "term is missing"),
        ("service:a or service:b", 11, "OR in capitals"),
        ("service:(a or b)", 12, "OR in capitals"),
        ("- service:a", 1, "minus stands right before"),
        ("-", 1, "minus stands right before"),
        ("duration:>5", 10, "ranges"),
        ("duration:[1 TO 5]", 10, "ranges"),
        ("service:a\\", 10, "backslash"),
        ("service:\ud800", 9, "Half a character"),
        ("service:" + "?" * 21, 9, "at most 20 wildcards"),
        ("(" * 8000, 32, "at most 30 deep"),
        ("-" * 7990 + "a:b", 32, "at most 30 deep"),
        ("NOT " * 40 + "a:b", 125, "at most 30 deep"),
        ("a:b " * 201, 801, "at most 200 terms"),
        ("a:" + "b" * 8000, 8001, "at most 8000 characters"),
    ],
)
def test_what_is_refused_and_where(query: str, position: int, detail: str) -> None:
    with pytest.raises(QueryError) as refused:
        parse_query(query)
    assert refused.value.position == position
    assert detail in refused.value.detail


def test_what_must_be_there_is_known_before_anything_is_read() -> None:
    expected: list[tuple[str, set[str] | None]] = [
        ("service:Shop", {"shop"}),
        ("service:(Shop OR cart) env:prod", {"shop", "cart"}),
        ("env:prod", None),
        ("service:shop OR env:prod", None),
        ("service:sh*", None),
        ("-service:shop", None),
        ("service:a service:(b OR c)", {"a"}),
        ("(service:a env:x) OR (service:b env:y)", {"a", "b"}),
    ]
    for query, values in expected:
        assert parse_query(query).required("service") == values, query
    assert parse_query("env:none").required("env") is None


def test_hostile_queries_are_cheap() -> None:
    queries = [
        "a:(" + " OR ".join("*?a*?*b" + str(at) for at in range(200)) + ")",
        "a:" + "*a" * 9 + "a" * 7000 + "*",
        "a:" + "*?" * 9 + "*x",
        "((((" * 7 + "a:*b" + "))))" * 7,
    ]
    begun = time.process_time()
    for text in queries:
        query = parse_query(text)
        for _ in range(20):
            assert not query.matches({"a": ["a" * 500] * 3})
    assert time.process_time() - begun < 2


NAMES = st.sampled_from(["service", "env", "team", "version", "tier", "a.b-c/d"])
LITERALS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=6)


def _pattern(pieces: Sequence[str | Wild]) -> tuple[str | Wild, ...]:
    joined: list[str | Wild] = []
    for piece in pieces:
        if joined and isinstance(piece, str) and isinstance(joined[-1], str):
            joined[-1] += piece
        elif not joined or piece is not Wild.ANY or joined[-1] is not Wild.ANY:
            joined.append(piece)
    return tuple(joined)


PATTERNS = st.lists(st.one_of(LITERALS, st.sampled_from(Wild)), min_size=1, max_size=5).map(_pattern)
TERMS = st.builds(Term, NAMES, PATTERNS)
FEW = st.builds(Term, st.sampled_from("ab"), st.sampled_from([("1",), ("2",), ("1", Wild.ANY), (Wild.ANY,)]))
FIELDS = st.dictionaries(st.sampled_from("ab"), st.lists(st.sampled_from(["1", "2", "12"]), min_size=1, max_size=2))


def _trees(leaves: st.SearchStrategy[Term]) -> st.SearchStrategy[Node]:
    def flat(kind: type[And] | type[Or], parts: list[Node]) -> Node:
        return kind(tuple(one for part in parts for one in (part.parts if isinstance(part, kind) else (part,))))

    def grown(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        several = st.lists(children, min_size=2, max_size=3)
        return st.one_of(
            st.builds(Not, children),
            several.map(lambda parts: flat(And, parts)),
            several.map(lambda parts: flat(Or, parts)),
        )

    return st.recursive(st.one_of(leaves, st.just(Everything())), grown, max_leaves=12)


def written(node: Node) -> str:
    """A tree as somebody would write it."""
    match node:
        case Everything():
            return "*"
        case Term(key, pattern):
            pieces = ("".join(f"\\{c}" for c in piece) if isinstance(piece, str) else piece.value for piece in pattern)
            return f"{key}:{''.join(pieces)}"
        case Not(part):
            return f"-({written(part)})" if isinstance(part, And | Or) else f"NOT {written(part)}"
        case And(parts):
            return " AND ".join(f"({written(part)})" if isinstance(part, Or) else written(part) for part in parts)
        case Or(parts):
            return " OR ".join(written(part) for part in parts)


@given(_trees(TERMS))
def test_a_query_that_was_written_down_is_read_as_the_same(node: Node) -> None:
    assert parse_query(written(node)).root == node


@given(_trees(FEW), _trees(FEW), FIELDS)
def test_negation_follows_de_morgan(one: Node, other: Node, fields: Fields) -> None:
    a, b = (f"({written(node)})" for node in (one, other))
    for left, right in ((f"NOT ({a} AND {b})", f"-{a} OR -{b}"), (f"-({a} OR {b})", f"-{a} -{b}")):
        assert parse_query(left).matches(fields) is parse_query(right).matches(fields)


@given(_trees(FEW), FIELDS)
def test_what_is_required_is_there_in_every_match(node: Node, fields: Fields) -> None:
    query = parse_query(written(node))
    wanted = query.required("a")
    if wanted is not None and query.matches(fields):
        assert wanted & {value.casefold() for value in fields["a"]}


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_at_a_place_of_it(text: str) -> None:
    try:
        parse_query(text).matches(SHOP)
    except QueryError as error:
        assert 1 <= error.position <= len(text) + 1


@given(st.text(st.sampled_from('a:*?()" \\-ANDORT'), max_size=40))
def test_so_is_any_text_of_the_language_s_own_characters(text: str) -> None:
    try:
        parse_query(text).matches({"a": ["a"]})
    except QueryError as error:
        assert 1 <= error.position <= len(text) + 1
