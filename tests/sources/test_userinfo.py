"""Credentials that stand in URLs are cut, and nothing else is."""

import time

import pytest

from bot.sources.definitions import read_definitions
from bot.sources.userinfo import cut_userinfo, cut_value

FILE = """\
schema-version: v2.2
dd-service: shop
links:
  - {name: Source, type: repo, url: "https://oauth2:canary@github.com/o/r/tree/main/src"}
extensions:
  other: {"https://ci:canary@h/z": 1, listed: [//canary@h/x, "https://ci:can/ary@h"]}
---
apiVersion: v3
kind: service
metadata: {name: cart}
datadog:
  codeLocations: [{repositoryURL: "https://canary@github.com/o/r", paths: ["**"]}]
"""


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("https://ci:token@github.com/o/r", "https://github.com/o/r"), ("see https://token@h and ssh://git@h/x", "see https://h and ssh://git@h/x"),
        ("https://ci:a/b@h/z", "https://h/z"), ("//token@h/x", "//h/x"), ("https:\\/\\/ci:token@h", "https:\\/\\/h"),
    ],
)  # fmt: skip
def test_credentials_are_cut(text: str, left: str) -> None:
    assert cut_userinfo(text) == left
    assert cut_value({text: [text]}) == {left: [left]}


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com/@ann/post", "https://h:8080/a@b", "https://h/x?mail=a@b", "git@github.com:o/r.git", "https://h//lodash@4",
        "http://localhost:8080/ or ann@example.com", "// ask ann@example.com",
    ],
)  # fmt: skip
def test_what_only_looks_like_them_stays(text: str) -> None:
    assert cut_userinfo(text) == text


@pytest.mark.parametrize("text", ["http://a:b/" * 24_000 + "@", "x://" * 60_000 + "@", "http://" + "a" * 250_000 + "@"])
def test_a_hostile_text_is_looked_through_at_once(text: str) -> None:
    begun = time.process_time()
    cut_userinfo(text)
    assert time.process_time() - begun < 0.5


def test_nothing_of_a_file_is_kept_with_them() -> None:
    found = read_definitions({"a.yaml": FILE.encode()})
    shop, cart = sorted(found.definitions, key=lambda one: one.service, reverse=True)
    assert [link.url for link in shop.links] == ["https://github.com/o/r/tree/main/src"]
    assert [one.url for one in cart.code_locations] == ["https://github.com/o/r"]
    assert "canary" not in repr(found) and "can/ary" not in repr(found)
