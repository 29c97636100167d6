"""The evidence of what decided: of rework that blames nobody too, and of what people said by the names of their keys."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.answers.deployment_chain import load_chain
from bot.answers.explain import in_words
from bot.answers.questions import EVERY_SERVICE, Asker
from bot.answers.rows import load_deployment
from bot.answers.rules_in_force import show_rules_in_force
from bot.answers.trial_questions import parse_scope
from bot.cli.main import main
from bot.facts.keys import DEPLOYMENTS_WRITE, NewKey, create_key, revoke_key
from bot.facts.overrides import Override, record_override
from bot.pipeline.catalog import read_catalog, record_catalog
from bot.store import Store
from tests.pipeline.counting_room import LATER, Room, Told, at, deployed, said

RULES = """version: 1
linked: []
static:
  - {id: night, field: version, pattern: night$, blame: none}
  - {id: late, field: version, pattern: late$, blame: none}
  - {id: hot, field: version, pattern: hot$}
"""
STORY = (
    deployed("a", 0, version="1"), deployed("b", 100, version="2-night"), deployed("c", 200, version="3-late"),
    deployed("d", 300, version="4-hot"), deployed("e", 400, version="5-night-hot"),
)  # fmt: skip


@pytest.fixture
def room(store: Store, tmp_path: Path) -> Room:
    (tmp_path / "rules.yaml").write_text(RULES)
    store.write(lambda writer: record_catalog(writer, read_catalog(tmp_path), received_at=1))
    return Room(store)


def evidence(room: Room, id: str) -> list[str]:
    return [in_words(one) for one in room.explain(id).evidence]


def test_rework_is_told_with_its_rule_and_what_it_saw(room: Room) -> None:
    room.tell(*STORY)
    assert evidence(room, "b") == ['rework by rule night: version "2-night"']
    assert evidence(room, "c") == ['rework by rule late: version "3-late"', 'd mends c by rule hot: version "4-hot", which points to 3-late']
    (told,) = room.explain("b").evidence
    assert (told.deployment, told.target, told.type, told.original) == ("b", None, "rollforward", None)
    assert room.explain("b").flags == ()


def test_rework_fails_nothing_and_mends_nothing(room: Room) -> None:
    room.tell(*STORY[:3])
    metrics = room.metrics()
    assert (metrics.failure_rate.failed, metrics.recovery.count, metrics.unrecovered, metrics.rework.count) == (0, 0, 0, 2)
    assert {one.change_failure for one in room.listed().values()} == {False}


def test_rules_that_blame_nobody_are_counted_each(room: Room) -> None:
    room.tell(*STORY)
    question = parse_scope([("days", "365")], Asker(now=LATER))
    found = room.store.read(lambda reader: show_rules_in_force(reader, question))
    assert {rule.id: (rule.deployments, rule.last_at) for rule in found.rules} == {
        "night": (1, at(100)), "late": (1, at(200)), "hot": (2, at(400)),
    }  # fmt: skip


def test_who_is_said_to_have_mended_keeps_what_it_is_known_for(room: Room) -> None:
    room.tell(*STORY, said(500, "a", kind="rollback", by="b"))
    assert evidence(room, "b") == ['rework by rule night: version "2-night"', 'b mends a, as "ann" said']
    assert room.one("b").type == "rollback"
    room.tell(said(600, "a", failed=None))
    assert (room.one("b").type, evidence(room, "b")) == ("rollforward", ['rework by rule night: version "2-night"'])


def test_any_order_and_a_rebuild_tell_the_same(room: Room) -> None:
    facts = [*STORY, said(500, "a", kind="rollback", by="b"), said(510, "c", failed=False)]
    random.Random().shuffle(facts)
    for fact in facts:
        room.tell(fact)
    assert evidence(room, "c")[0] == 'rework by rule late: version "3-late"'
    before = room.fingerprint()
    room.rebuild()
    assert room.fingerprint() == before


def spoken(key: NewKey, minute: float, id: str, by: str) -> Told:
    """What somebody said with a key."""
    word = Override(deployment_id=id, change_failure=True, remediation_type="rollforward", remediation_id=by)
    return Told(
        minute=minute,
        record=lambda writer, when, receipt: record_override(writer, word, received_at=when, receipt=receipt, by=key.id, reason="seen"),
    )


def test_a_correction_is_told_by_the_name_of_its_key(room: Room) -> None:
    key = room.store.write(lambda writer: create_key(writer, name="Ann in CI", scopes=[DEPLOYMENTS_WRITE], now=1))
    room.tell(*STORY, spoken(key, 500, "a", "c"))
    stored = room.fingerprint()
    assert 'c mends a, as "Ann in CI" said' in evidence(room, "a")
    room.store.write(lambda writer: revoke_key(writer, key.id, now=2))
    found = room.explain("c")
    assert ("a", "override", "Ann in CI") in [(one.target, one.rule, one.value) for one in found.evidence]
    (told,) = room.explain("a").overrides
    assert (told.by, told.by_name) == (key.id, "Ann in CI")
    row = room.store.read(lambda reader: load_deployment(reader, "a"))
    assert row is not None
    chain = room.store.read(lambda reader: load_chain(reader, row, room.explain("a"), visible=EVERY_SERVICE))
    assert chain.said == replace(told, change_failure="true", remediation="rollforward c")
    assert room.fingerprint() == stored, "what is stored names the key by its id"
    assert any(key.id in line for line in stored if line.startswith("fingerprint_remediations"))


def test_the_command_says_it_in_words(room: Room, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    room.tell(*STORY)
    for name, value in {"DATABASE_URL": store_url, "DATA_DIR": str(tmp_path / "data")}.items():
        monkeypatch.setenv(name, value)
    key = room.store.write(lambda writer: create_key(writer, name="Ann in CI", scopes=[DEPLOYMENTS_WRITE], now=1))
    room.tell(spoken(key, 500, "b", "c"))
    told = next(line for line in CliRunner().invoke(main, ["explain", "b"]).output.splitlines() if line.startswith("override:"))
    assert told.endswith('"Ann in CI" said of b: it failed, c mended it (rollforward); seen')
    assert key.id not in told
    done = CliRunner().invoke(main, ["explain", "c"])
    assert done.exit_code == 0, done.output
    assert [line.partition(":")[2].strip() for line in done.output.splitlines() if line.startswith("evidence:")] == evidence(room, "c")
