"""Failures in the body of a request: what is taken, what is refused, and by which name."""

import json

import pytest

from bot.dora.failures import State
from bot.sources.failures import parse_failure, render_failure
from bot.sources.fields import InvalidError

SHA = "66adc9350f2cc9b250b69abddab733dd55e1a588"
URL = "https://github.com/organization/example-repository"
STARTED = 1_693_491_974


def document(**attributes: object) -> bytes:
    """A valid failure's request, with changes; `...` leaves one out."""
    given: dict[str, object] = {"services": ["shopist"], "started_at": STARTED}
    given |= attributes
    return json.dumps({"data": {"attributes": {name: value for name, value in given.items() if value is not ...}}}).encode()


FULL = {
    "services": ["Shopist", " cart ", "SHOPIST"], "team": " shopist-devs ", "started_at": STARTED * 10**9,
    "finished_at": STARTED + 10, "git": {"commit_sha": SHA, "repository_url": URL}, "env": "Prod", "name": "Web server is down",
    "severity": "High", "version": "v1.12.07", "custom_tags": ["department:engineering", "app_type:backend"], "id": "a" * 16,
}  # fmt: skip


def test_every_attribute_is_taken() -> None:
    new = parse_failure(document(**FULL))
    assert (new.services, new.teams, new.envs) == (("Shopist", "cart"), ("shopist-devs",), ("Prod",))
    assert (new.name, new.severity, new.version, new.id) == ("Web server is down", "High", "v1.12.07", "a" * 16)
    assert (new.started_at, new.finished_at) == (STARTED * 10**9, (STARTED + 10) * 10**9)
    assert (new.state, new.time_to_restore, new.source) == (State.RESOLVED, 10 * 10**9, "api")
    assert (new.repository, new.commit_sha) == ("github.com/organization/example-repository", bytes.fromhex(SHA))
    assert new.tags == ("department:engineering", "app_type:backend")
    assert parse_failure(render_failure(new)) == new


def test_the_least_that_is_enough() -> None:
    new = parse_failure(document(finished_at=None, env=None, name=None, custom_tags=None, git=None, unheard_of=[1]))
    assert (new.state, new.finished_at, new.time_to_restore, new.envs) == (State.ACTIVE, None, None, ())
    assert parse_failure(render_failure(new)) == new
    team_alone = parse_failure(document(services=..., team="core"))
    assert (team_alone.services, team_alone.teams) == ((), ("core",))
    assert parse_failure(render_failure(team_alone)) == team_alone


INVALID: list[tuple[dict[str, object], str]] = [
    ({"services": ...}, "services"),
    ({"services": []}, "services"),
    ({"services": ..., "team": "  "}, "services"),
    ({"services": "shop"}, "services"),
    ({"services": ["shop", "  "]}, "services/1"),
    ({"services": ["shop", None]}, "services/1"),
    ({"services": ["x" * 201]}, "services/0"),
    ({"services": [f"s{n}" for n in range(101)]}, "services"),
    ({"team": ["core"]}, "team"),
    ({"started_at": ...}, "started_at"),
    ({"started_at": "2026-10-01T00:00:00Z"}, "started_at"),
    ({"started_at": -1}, "started_at"),
    ({"started_at": 2**64}, "started_at"),
    ({"finished_at": STARTED - 1}, "finished_at"),
    ({"finished_at": 1.5}, "finished_at"),
    ({"env": {}}, "env"),
    ({"name": "x" * 1_001}, "name"),
    ({"severity": "x" * 201}, "severity"),
    ({"version": 3}, "version"),
    ({"id": "short"}, "id"),
    ({"id": "x" * 129}, "id"),
    ({"git": {"repository_url": URL}}, "git/commit_sha"),
    ({"git": {"commit_sha": SHA}}, "git/repository_url"),
    ({"git": {"commit_sha": "xyz", "repository_url": URL}}, "git/commit_sha"),
    ({"custom_tags": ["plain"]}, "custom_tags/0"),
    ({"custom_tags": [f"k:{n}" for n in range(101)]}, "custom_tags"),
]


@pytest.mark.parametrize(("attributes", "field"), INVALID)
def test_the_wrong_field_is_named(attributes: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidError) as caught:
        parse_failure(document(**attributes))
    assert caught.value.pointer == f"/data/attributes/{field}"
    assert caught.value.detail.endswith((".", ":", "-"))


@pytest.mark.parametrize(
    ("body", "pointer"),
    [(b"", ""), (b"[]", ""), (b"{}", "/data"), (b'{"data": {}}', "/data/attributes"), (b'{"data": {"attributes": 1}}', "/data/attributes")],
)
def test_a_body_that_is_no_document(body: bytes, pointer: str) -> None:
    with pytest.raises(InvalidError) as caught:
        parse_failure(body)
    assert caught.value.pointer == pointer
