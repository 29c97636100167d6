"""Deployments as the original's clients send them: every field's rule, and the field named when it is broken."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.dora.instants import SECOND
from bot.sources.datadog import parse_deployment, render_deployment
from bot.sources.fields import InvalidError
from tests.web.doors import document

SHA = "66adc9350f2cc9b250b69abddab733dd55e1a588"
URL = "https://github.com/organization/example-repository"
AT = 1_693_491_974 * SECOND


def test_the_example_of_the_originals_documentation() -> None:
    new = parse_deployment(
        document(
            started_at=1_693_491_974_000_000_000, finished_at=1_693_491_984_000_000_000,
            git={"commit_sha": SHA, "repository_url": URL}, env="prod", team="backend", version="v1.12.07",
            custom_tags=["department:engineering", "app_type:backend"],
        )
    )  # fmt: skip
    assert (new.service, new.env, new.team, new.version, new.source, new.id) == ("shopist", "prod", "backend", "v1.12.07", "api", "")
    assert (new.commit_sha, new.repository) == (bytes.fromhex(SHA), "github.com/organization/example-repository")
    assert new.repository_url == URL
    assert (new.started_at, new.finished_at) == (AT, AT + 10 * SECOND)
    assert new.tags == ("department:engineering", "app_type:backend")


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_the_unit_of_time_does_not_matter(unit: int) -> None:
    new = parse_deployment(document(started_at=1_693_491_974 * unit, finished_at=1_693_491_984 * unit))
    assert (new.started_at, new.finished_at) == (AT, AT + 10 * SECOND)


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/Organization/Example-Repository.git", "git@github.com:organization/example-repository.git",
        "ssh://git@github.com/organization/example-repository", "https://github.com/organization/example-repository/",
        "https://x-access-token:ghs_canary@github.com/organization/example-repository.git",
    ],
)  # fmt: skip
def test_all_spellings_of_a_repository_and_no_credentials(url: str) -> None:
    new = parse_deployment(document(git={"commit_sha": SHA.upper(), "repository_url": url}))
    assert new.repository == "github.com/organization/example-repository"
    assert new.commit_sha == bytes.fromhex(SHA)
    assert b"canary" not in render_deployment(new)
    assert "canary" not in repr(new)


def test_names_are_trimmed_versions_verbatim_and_null_is_absent() -> None:
    new = parse_deployment(
        document(service="  Shopist ", env=" Prod\n", version=" v1 ", team=None, git=None, custom_tags=None, id=None, zz=[1])
    )
    assert (new.service, new.env, new.version, new.team) == ("Shopist", "Prod", " v1 ", "")
    assert (new.commit_sha, new.repository, new.tags, new.id) == (None, "", (), "")
    assert parse_deployment(document(version="  ", env="")).version == ""


def test_sha_256_repositories() -> None:
    assert parse_deployment(document(git={"commit_sha": "a" * 64, "repository_url": URL})).commit_sha == b"\xaa" * 32


def test_texts_that_no_store_can_hold_are_made_visible() -> None:
    assert parse_deployment(document(service="a\0b\ud800")).service == "a\\u0000b\\ud800"


@pytest.mark.parametrize("key", ["a" * 16, "A.b_c:d-0123456789", "x" * 128])
def test_ids_of_the_sender(key: str) -> None:
    assert parse_deployment(document(id=key)).id == key


INVALID: list[tuple[dict[str, object], str]] = [
    ({"service": ...}, "service"),
    ({"service": None}, "service"),
    ({"service": "  "}, "service"),
    ({"service": 3}, "service"),
    ({"service": "x" * 201}, "service"),
    ({"env": ["prod"]}, "env"),
    ({"env": "x" * 201}, "env"),
    ({"team": {"name": "x"}}, "team"),
    ({"version": 1.0}, "version"),
    ({"version": "x" * 501}, "version"),
    ({"started_at": ...}, "started_at"),
    ({"started_at": None}, "started_at"),
    ({"started_at": "2026-10-01T00:00:00Z"}, "started_at"),
    ({"started_at": 1.5}, "started_at"),
    ({"started_at": True}, "started_at"),
    ({"started_at": -1}, "started_at"),
    ({"started_at": 2**63 - 1}, "started_at"),
    ({"started_at": 2**63}, "started_at"),
    ({"started_at": 2**64}, "started_at"),
    ({"started_at": 10**400}, "started_at"),
    ({"finished_at": ...}, "finished_at"),
    ({"finished_at": 1_693_491_973}, "finished_at"),
    ({"finished_at": 9_214_646_400_000_000_000}, "finished_at"),
    ({"git": "main"}, "git"),
    ({"git": {}}, "git/commit_sha"),
    ({"git": {"commit_sha": "xyz", "repository_url": URL}}, "git/commit_sha"),
    ({"git": {"commit_sha": "a" * 39, "repository_url": URL}}, "git/commit_sha"),
    ({"git": {"commit_sha": "a" * 41, "repository_url": URL}}, "git/commit_sha"),
    ({"git": {"commit_sha": "--output=x", "repository_url": URL}}, "git/commit_sha"),
    ({"git": {"commit_sha": SHA}}, "git/repository_url"),
    ({"git": {"commit_sha": SHA, "repository_url": ""}}, "git/repository_url"),
    ({"git": {"commit_sha": SHA, "repository_url": 7}}, "git/repository_url"),
    ({"git": {"commit_sha": SHA, "repository_url": "ext::sh -c id"}}, "git/repository_url"),
    ({"git": {"commit_sha": SHA, "repository_url": "file:///srv/x"}}, "git/repository_url"),
    ({"git": {"commit_sha": SHA, "repository_url": "https://github.com"}}, "git/repository_url"),
    ({"git": {"commit_sha": SHA, "repository_url": "https://h/" + "a/" * 2000}}, "git/repository_url"),
    ({"id": "short"}, "id"),
    ({"id": "x" * 129}, "id"),
    ({"id": "spaces are no good"}, "id"),
    ({"id": "ünïcödé-is-no-good-either"}, "id"),
    ({"id": "a" * 16 + "\n"}, "id"),
    ({"id": 1234567890123456}, "id"),
    ({"custom_tags": "a:b"}, "custom_tags"),
    ({"custom_tags": ["a:b", "no colon"]}, "custom_tags/1"),
    ({"custom_tags": ["a:b", "c:d", 3]}, "custom_tags/2"),
    ({"custom_tags": [":x"]}, "custom_tags/0"),
    ({"custom_tags": ["x:"]}, "custom_tags/0"),
    ({"custom_tags": ["a:" + "b" * 300]}, "custom_tags/0"),
    ({"custom_tags": [f"k{i}:v" for i in range(101)]}, "custom_tags"),
]
"""Changes to a valid deployment, and the field that is wrong then."""


@pytest.mark.parametrize(("attributes", "field"), INVALID)
def test_the_wrong_field_is_named(attributes: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidError) as caught:
        parse_deployment(document(**attributes))
    assert caught.value.pointer == f"/data/attributes/{field}"
    assert caught.value.detail.endswith((".", ":", "-"))


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b"", ""), (b"null", ""), (b"[]", ""), (b"{", ""), (b"\xff", ""), (b"[" * 100_000, ""), (b'{"data": []}', "/data"),
        (b"{}", "/data"), (b'{"data": {}}', "/data/attributes"), (b'{"data": {"attributes": null}}', "/data/attributes"),
        (b'{"data": {"attributes": 1}}', "/data/attributes"), (b" " * 1_048_577, ""),
    ],
)  # fmt: skip
def test_a_body_that_is_no_document(body: bytes, pointer: str) -> None:
    with pytest.raises(InvalidError) as caught:
        parse_deployment(body)
    assert caught.value.pointer == pointer


def test_a_refusal_echoes_no_credentials() -> None:
    for url in ("https://user:canary@/x", "https://user:canary@github.com", "ftp://user:canary@h/x", "user:canary@h x/y"):
        with pytest.raises(InvalidError) as caught:
            parse_deployment(document(git={"commit_sha": SHA, "repository_url": url}))
        assert "canary" not in str(caught.value)


TEXT = st.text(max_size=30)


@given(
    service=TEXT.filter(str.strip), env=st.none() | TEXT, version=st.none() | TEXT, team=st.none() | TEXT,
    started_at=st.integers(0, 9_214_646_399), seconds=st.integers(0, 10_000),
    git=st.none() | st.just({"commit_sha": SHA, "repository_url": URL}),
)  # fmt: skip
def test_what_was_taken_reads_the_same_again(
    service: str, env: str | None, version: str | None, team: str | None, started_at: int, seconds: int, git: object
) -> None:
    finished_at = min(started_at + seconds, 9_214_646_399)
    sent = {"service": service, "env": env, "version": version, "team": team, "git": git}
    times = {"started_at": started_at, "finished_at": finished_at}
    new = parse_deployment(json.dumps({"data": {"attributes": sent | times}}).encode())
    assert new.started_at // SECOND == started_at
    if new.started_at >= 10**17:  # smaller nanoseconds would be read as another unit
        assert parse_deployment(render_deployment(new)) == new
