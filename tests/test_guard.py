"""The gate: every hostile input is refused in milliseconds with a reason, and no process dies of one."""

import ast
import gzip
import json
import subprocess
import sys
import time
import tracemalloc
import zlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bot
from bot.guard import (
    GuardError,
    YamlList,
    YamlMap,
    YamlText,
    decode_json,
    decode_json_as,
    inflate,
    load_yaml,
    same_secret,
    scrub,
    yaml_value,
)

MIB = 1 << 20


# Secrets --------------------------------------------------------------------------------------------------------------


def test_all_secrets_of_the_list_are_tried() -> None:
    assert same_secret(b"two", [b"one", b"two"])
    assert same_secret(b"one", [b"one", b"two"])
    assert not same_secret(b"three", [b"one", b"two"])


def test_nothing_equals_an_empty_secret() -> None:
    assert not same_secret(b"", [b""])
    assert not same_secret(b"", [])


def test_secrets_are_compared_here_alone() -> None:
    folder = Path(bot.__file__).parent
    callers = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute | ast.Name) and getattr(node, "attr", getattr(node, "id", "")) == "compare_digest"
    }
    assert callers == {"guard.py"}


def test_yaml_is_parsed_here_alone() -> None:
    folder = Path(bot.__file__).parent
    importers = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import) and any(name.name.split(".")[0] == "yaml" for name in node.names)
    }
    assert importers == {"guard.py"}


# JSON -----------------------------------------------------------------------------------------------------------------


class Inner(msgspec.Struct):
    n: int = 0
    text: str = ""


class Outer(msgspec.Struct):
    inner: Inner
    many: list[Inner] = []


def test_a_long_number_is_found_where_it_is_decoded():
    class Told(msgspec.Struct):
        title: str
        rest: msgspec.Raw

    title = b"trace_id: 9812345678901234567"
    told = decode_json_as(Told, b'{"title": "' + title + b'", "rest": {"n": 98123456789012345678}}')
    assert told.title == title.decode()
    with pytest.raises(GuardError, match="63 bits"):
        decode_json_as(object, bytes(told.rest))


HOSTILE_JSON = [
    (b"", "invalid_json"),
    (b"{", "invalid_json"),
    (b"{}x", "invalid_json"),
    (b"{} {}", "invalid_json"),
    (b"[1,]", "invalid_json"),
    (b"{'a':1}", "invalid_json"),
    (b"NaN", "invalid_json"),
    (b"[Infinity]", "invalid_json"),
    (b"[-Infinity]", "invalid_json"),
    (b"[01]", "invalid_json"),
    (b"[1e999]", "wrong_value"),
    (b"[9223372036854775808]", "wrong_value"),
    (b"[-9223372036854775809]", "wrong_value"),
    (b"[" + b"9" * 1_000_000 + b"]", "wrong_value"),
    (b'{"a": {"b": [1, 99999999999999999999]}}', "wrong_value"),
    (b"[" * 1_000_000, "too_deep"),
    (b"[" * 1_000_000 + b"]" * 1_000_000, "too_deep"),
    (b'{"a":' * 1_000_000 + b"1", "too_deep"),
    (b"[" * 65 + b"]" * 65, "too_deep"),
    (b"\xff\xfe{\x00}\x00", "not_utf8"),
    (b'["\xff"]', "not_utf8"),
    (b'["\xed\xa0\x80"]', "not_utf8"),
    (b'["\xc0\x80"]', "not_utf8"),
    (b'["\x00"]', "invalid_json"),
    (b'["\x1f"]', "invalid_json"),
    (b'["\\x"]', "invalid_json"),
    (b'["\\u12"]', "invalid_json"),
    (b'["\\', "invalid_json"),
    (b'"' + b"\\" * 100_001, "invalid_json"),
    (b"\xef\xbb\xbf\xef\xbb\xbf{}", "invalid_json"),
    (b"[" + b"0" * 100_000 + b"]", "invalid_json"),
    (b"-", "invalid_json"),
]


@pytest.mark.parametrize(("body", "slug"), HOSTILE_JSON)
def test_hostile_json_is_refused_at_once(body: bytes, slug: str) -> None:
    started = time.process_time()
    with pytest.raises(GuardError) as refused:
        decode_json(body)
    assert time.process_time() - started < 0.05
    assert refused.value.slug == slug
    assert refused.value.detail


@pytest.mark.parametrize("body", [body for body, slug in HOSTILE_JSON if slug != "wrong_value" and len(body) > 2])
def test_hostile_json_in_a_field_that_is_skipped_is_refused_too(body: bytes) -> None:
    started = time.process_time()
    with pytest.raises(GuardError):
        decode_json_as(Outer, b'{"inner": {}, "skipped": ' + body)
    assert time.process_time() - started < 0.05


def test_odd_json_that_is_welcome() -> None:
    assert decode_json(b"\xef\xbb\xbf{}") == {}
    assert decode_json(b"[9223372036854775807, -9223372036854775808]") == [2**63 - 1, -(2**63)]
    assert decode_json(b"[1693491974000000000]") == [1_693_491_974_000_000_000]
    assert decode_json(b'["12345678901234567890123"]') == ["12345678901234567890123"]
    assert decode_json(b'[1.5, true, null, "\\ud83d\\ude00"]') == [1.5, True, None, "😀"]
    assert decode_json(b"[" * 64 + b"]" * 64)


def test_text_is_scrubbed_whatever_its_escape() -> None:
    assert decode_json(rb'["a\u0000b", "\\u0000", "\\\u0000"]') == ["a\\u0000b", "\\u0000", "\\\\u0000"]
    assert decode_json(rb'["\ud800 \uD83D\uDE00 \udc00\ud800"]') == ["\\ud800 😀 \\udc00\\ud800"]
    assert decode_json_as(Inner, rb'{"text": "\udfff", "x": "\ud800"}').text == "\\udfff"
    assert decode_json(rb'{"\u0000": 1}') == {"\\u0000": 1}


def test_typed_json_says_where_it_is_wrong() -> None:
    with pytest.raises(GuardError) as refused:
        decode_json_as(Outer, b'{"inner": {"n": "x"}}')
    assert (refused.value.slug, refused.value.path) == ("wrong_value", "$.inner.n")
    with pytest.raises(GuardError) as refused:
        decode_json_as(Outer, b'{"inner": {}, "many": [{}, {"n": 1.5}]}')
    assert refused.value.path == "$.many[1].n"
    with pytest.raises(GuardError) as refused:
        decode_json_as(Outer, b"{}")
    assert "inner" in refused.value.detail
    with pytest.raises(GuardError):
        decode_json_as(Inner, b'{"n": 18446744073709551615}')
    assert decode_json_as(Inner, b'{"n": 9223372036854775807}').n == 2**63 - 1


def test_a_large_body_is_refused_unread() -> None:
    with pytest.raises(GuardError) as refused:
        decode_json(b"[" * 11, max_bytes=10)
    assert refused.value.slug == "too_large"


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(), st.lists, max_leaves=20))
def test_what_json_can_say_comes_back(value: object) -> None:
    if "\0" in json.dumps(value, ensure_ascii=False):
        return
    assert decode_json(json.dumps(value).encode()) == msgspec.json.decode(msgspec.json.encode(_scrubbed(value)))


def _scrubbed(value: object) -> object:
    if isinstance(value, str):
        return scrub(value)
    return [_scrubbed(item) for item in value] if isinstance(value, list) else value


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_reason(body: bytes) -> None:
    for read in (decode_json, load_yaml):
        try:
            read(body)
        except GuardError as error:
            assert error.slug


def test_a_typed_megabyte_takes_milliseconds() -> None:
    class Commit(msgspec.Struct):
        id: str
        message: str

    class Push(msgspec.Struct):
        commits: list[Commit]

    commit = {"id": "f" * 40, "message": "Fix the café " * 10, "url": "https://example.com/" * 4, "added": ["a/b.py"] * 8}
    body = json.dumps({"commits": [commit] * 2500}).encode()
    guarded = bare = float("inf")
    for _ in range(7):
        started = time.process_time()
        decode_json_as(Push, body)
        between = time.process_time()
        msgspec.json.decode(body, type=Push)
        guarded = min(guarded, between - started)
        bare = min(bare, time.process_time() - between)
    # 4 ms on an idle machine; beside the bare decoder, so that a busy one does not decide.
    assert guarded < 3 * bare
    assert guarded * MIB / len(body) < 0.02


def test_scrub() -> None:
    assert scrub("a\0b") == "a\\u0000b"
    assert scrub("\ud800x\udfff") == "\\ud800x\\udfff"
    assert scrub("plain é 😀\n") == "plain é 😀\n"


# Compressed bodies ----------------------------------------------------------------------------------------------------

TEXT = b'{"a": "some text that is not very long"}'
BOMB = gzip.compress(b"\0" * (100 * MIB), 1)


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (TEXT, ""),
        (TEXT, "identity"),
        (gzip.compress(TEXT, mtime=0), "gzip"),
        (gzip.compress(TEXT, mtime=0), " GZIP "),
        (gzip.compress(TEXT, mtime=0), "x-gzip"),
        (zlib.compress(TEXT), "deflate"),
        (raw_deflate(TEXT), "deflate"),
    ],
)
def test_bodies_are_inflated(body: bytes, encoding: str) -> None:
    assert inflate(body, encoding, max_bytes=MIB) == TEXT


HOSTILE_BODIES = [
    (BOMB, "gzip", "too_large"),
    (zlib.compress(b"\0" * (20 * MIB), 9), "deflate", "too_large"),
    (raw_deflate(b"\0" * (20 * MIB)), "deflate", "too_large"),
    (gzip.compress(b"a" * (2 * MIB), mtime=0), "gzip", "too_large"),
    (b"x" * (MIB + 1), "", "too_large"),
    (gzip.compress(TEXT, mtime=0) + gzip.compress(TEXT, mtime=0), "gzip", "broken_encoding"),
    (gzip.compress(TEXT, mtime=0) + b"tail", "gzip", "broken_encoding"),
    (gzip.compress(TEXT, mtime=0)[:-4], "gzip", "broken_encoding"),
    (gzip.compress(TEXT, mtime=0)[:-8] + b"\0" * 8, "gzip", "broken_encoding"),
    (TEXT, "gzip", "broken_encoding"),
    (b"", "gzip", "broken_encoding"),
    (b"\x1f\x8b", "gzip", "broken_encoding"),
    (b"\xff" * 100, "deflate", "broken_encoding"),
    (zlib.compress(TEXT), "gzip", "broken_encoding"),
    (TEXT, "br", "unsupported_encoding"),
    (TEXT, "zstd", "unsupported_encoding"),
    (gzip.compress(gzip.compress(TEXT, mtime=0), mtime=0), "gzip, gzip", "unsupported_encoding"),
    (TEXT, "\ud800" * 1000, "unsupported_encoding"),
]


@pytest.mark.parametrize(("body", "encoding", "slug"), HOSTILE_BODIES, ids=range(len(HOSTILE_BODIES)))
def test_hostile_bodies_are_refused_at_once(body: bytes, encoding: str, slug: str) -> None:
    started = time.process_time()
    with pytest.raises(GuardError) as refused:
        inflate(body, encoding, max_bytes=MIB)
    assert time.process_time() - started < 0.05
    assert refused.value.slug == slug
    refused.value.detail.encode()


def test_a_bomb_holds_no_more_memory_than_its_limit() -> None:
    tracemalloc.start()
    with pytest.raises(GuardError):
        inflate(BOMB, "gzip", max_bytes=4 * MIB)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * MIB


def test_the_ratio_is_bounded_below_the_limit_of_bytes() -> None:
    bomb = gzip.compress(b"\0" * (2 * MIB), 9)
    assert len(bomb) < 4096
    with pytest.raises(GuardError, match="inflates to more"):
        inflate(bomb, "gzip", max_bytes=25 * MIB)
    assert len(inflate(bomb, "gzip", max_bytes=25 * MIB, max_ratio=2000)) == 2 * MIB


def test_small_bodies_may_be_of_any_ratio() -> None:
    assert inflate(gzip.compress(b" " * 60_000), "gzip", max_bytes=MIB) == b" " * 60_000


# YAML -----------------------------------------------------------------------------------------------------------------


def test_nodes_know_their_place_and_scalars_are_text() -> None:
    (document,) = load_yaml("a: no\nb:\n  - 010\n  - 1.10\n  - '~'\n  -\né: x\n".encode())
    assert isinstance(document, YamlMap)
    assert yaml_value(document) == {"a": "no", "b": ["010", "1.10", "~", ""], "é": "x"}
    listed = document.get("b")
    assert isinstance(listed, YamlList)
    assert [(item.line, item.column) for item in listed.items][:3] == [(3, 5), (4, 5), (5, 5)]
    last = document.get("é")
    assert isinstance(last, YamlText)
    assert (last.line, last.column) == (7, 4)
    assert document.get("missing") is None


def test_documents_are_a_list_and_empty_ones_left_out() -> None:
    assert load_yaml(b"") == load_yaml(b"# nothing\n") == load_yaml(b"---\n---\n") == []
    assert [yaml_value(one) for one in load_yaml(b"\xef\xbb\xbfa: 1\n---\nb: 2\n...\n---\n")] == [{"a": "1"}, {"b": "2"}]


LAUGHS = b"a0: &a0 lol\n" + b"".join(b"a%d: &a%d [%s]\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 10))
MERGES = b"a0: &a0 {k: v}\n" + b"".join(b"a%d: &a%d\n  <<: [%s]\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 10))

HOSTILE_YAML = [
    (b"[" * 1_000_000, "too_large", 1, 1),
    (b"[" * 200_000, "too_deep", 1, 33),
    (b"[" * 33 + b"]" * 33, "too_deep", 1, 33),
    (b"{a: " * 60_000, "too_deep", 1, 129),
    (b"- " * 120_000, "too_deep", 1, 65),
    (b"? " * 120_000, "too_deep", 1, 65),
    (b"[[],[" * 50_000, "too_deep", 1, 81),
    (b"".join(b" " * n + b"a:\n" for n in range(500)), "too_deep", 33, 33),
    (b"---\n" * 60_000, "too_large", 4001, 1),
    (b"- - a\n" * 9_000, "too_large", 4000, 3),
    (b"a: " + b"x" * (256 * 1024), "too_large", 1, 1),
    (LAUGHS, "yaml_alias", 1, 5),
    (MERGES, "yaml_alias", 1, 5),
    (b"a: *x", "yaml_alias", 1, 4),
    (b"a:\n  - &x [b]\n", "yaml_alias", 2, 5),
    (b"&a" * 100_000, "invalid_yaml", 1, 3),
    (b"* " * 100_000, "invalid_yaml", 1, 2),
    (b"!!python/object/apply:os.system ['touch /tmp/owned']", "yaml_tag", 1, 1),
    (b"a: !!timestamp x", "yaml_tag", 1, 4),
    (b"a: !docs/**", "yaml_tag", 1, 4),
    (b"a: ! x", "yaml_tag", 1, 4),
    (b"a: 1\nb: 2\na: 3\n", "yaml_key", 3, 1),
    (b"{a: 1, 'a': 2}", "yaml_key", 1, 8),
    (b"? [a]\n: b\n", "yaml_key", 1, 3),
    (b"? {a: b}\n: b\n", "yaml_key", 1, 3),
    (b"a: b: c", "invalid_yaml", 1, 5),
    (b"a: 'x", "invalid_yaml", 1, 6),
    (b"\t- x", "invalid_yaml", 1, 1),
    (b"a:\n\tb: c", "invalid_yaml", 2, 1),
    (b"a: b\n c: d\n", "invalid_yaml", 2, 3),
    (b"a: x\ny: \x07\n", "invalid_yaml", 2, 4),
    (b"a: \x00", "invalid_yaml", 1, 4),
    (b"a: \xff", "not_utf8", 1, 4),
    ("é: ü\nx: ".encode() + b"\xed\xa0\x80", "not_utf8", 2, 4),
    ("a: b".encode("utf-16"), "not_utf8", 1, 1),
    (b'a: "\\ud800"', "invalid_yaml", 1, 7),
    (b"%YAML 9.9\n---\na", "invalid_yaml", 1, 1),
    (b"%TAG ! x\n" * 20_000, "invalid_yaml", 2, 1),
    (b"- **\n", "invalid_yaml", 1, 4),
    (b"- @scope/**", "invalid_yaml", 1, 3),
    (b"- {a,b}/**", "invalid_yaml", 1, 8),
    (b"- %x", "invalid_yaml", 1, 3),
]


@pytest.mark.parametrize(("text", "slug", "line", "column"), HOSTILE_YAML, ids=range(len(HOSTILE_YAML)))
def test_hostile_yaml_is_refused_at_once_with_its_place(text: bytes, slug: str, line: int, column: int) -> None:
    best = float("inf")
    for _ in range(3):
        started = time.process_time()
        with pytest.raises(GuardError) as refused:
            load_yaml(text)
        best = min(best, time.process_time() - started)
    assert best < 0.05
    assert (refused.value.slug, refused.value.line, refused.value.column) == (slug, line, column)


@pytest.mark.parametrize(
    "text",
    [b'"' + b"\\n" * 120_000 + b'"', b" " * 250_000, b"\n" * 250_000, b"#" * 250_000, b"a" * 250_000, b'a: "\\0"', b"'" * 2],
    ids=range(7),
)
def test_odd_yaml_is_read_at_once(text: bytes) -> None:
    started = time.process_time()
    documents = load_yaml(text)
    assert time.process_time() - started < 0.05
    assert all("\0" not in str(yaml_value(document)) for document in documents)


def test_the_process_survives_what_overflows_the_c_stack() -> None:
    """32,000 levels end the process in PyYAML's own composer; a million are refused here, whatever the size limit."""
    code = (
        "from bot.guard import load_yaml, GuardError\n"
        "for text in (b'[' * 1_000_000, b'- ' * 1_000_000, b'{a: ' * 1_000_000):\n"
        "    try: load_yaml(text, max_bytes=10_000_000)\n"
        "    except GuardError as error: print(error.slug)\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert (told.returncode, told.stdout.split()) == (0, ["too_deep"] * 3)
