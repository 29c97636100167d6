"""Which deployments count, and what people correct: facts in, answers out, on both engines and in any order."""

import random
import tempfile
from pathlib import Path

import pytest

from bot.answers.questions import Filters
from bot.answers.services import load_services
from bot.facts.overrides import find_latest, load_audit
from bot.facts.sources import load_selection
from bot.facts.tombstones import is_deleted, load_deleted
from bot.store import Store
from bot.store.opening import open_store
from tests.engines import Cluster, migrated_file
from tests.pipeline.counting_room import Room, Told, at, deleted, deployed, said, switched


@pytest.fixture
def room(store: Store) -> Room:
    return Room(store)


def counted(room: Room) -> list[str]:
    """What metrics see."""
    return sorted(
        id for id, one in room.listed().items() if one.not_computed != "source_off" and one.merged_into is None
    )


def test_a_source_that_is_off_is_listed_and_counted_nowhere(room: Room) -> None:
    room.tell(deployed("off", 50, source="apm", version="1"), deployed("early", 10, version="0"), deployed("late", 100, version="2"))
    shown = room.one("off")
    assert (shown.not_computed, shown.type, shown.change_failure, shown.predecessor) == ("source_off", None, None, None)
    assert shown.change_lead_time is None
    metrics = room.metrics()
    assert (metrics.deployments, metrics.failure_rate.deployments, metrics.not_counted["source_off"]) == (2, 2, 1)
    assert metrics.frequency.days_with_deployment == 1


def test_what_is_not_derived_yet_is_not_counted_either_when_its_source_is_off(room: Room) -> None:
    room.tell(deployed("on", 10, version="1"), deployed("off", 20, source="tags", version="2"), derive=False)
    assert {id: one.not_computed for id, one in room.listed().items()} == {"on": "pending", "off": "source_off"}
    assert room.metrics().deployments == 1
    (service,) = room.store.read(lambda reader: load_services(reader, Filters()))
    assert service.deployments == 1


def test_services_and_repositories_count_what_counts(room: Room) -> None:
    room.tell(switched(0, "apm"), deployed("on", 10, version="1", sha="c"), deployed("seen", 12, source="apm", version="1"))
    room.tell(deployed("off", 500, source="tags", version="2", env="dev"))
    for filters in (Filters(), Filters(envs=frozenset({"prod", "dev"}), tags=()), Filters(service="shop")):
        (service,) = room.store.read(lambda reader, filters=filters: load_services(reader, filters))
        assert (service.deployments, service.last_deployment_at) == (1, at(10))
        assert (service.sources, service.envs) == (("api", "apm", "tags"), ("dev", "prod")), "what is kept stays visible"
    (tagged,) = room.store.read(lambda reader: load_services(reader, Filters(team="")))
    assert (tagged.deployments, tagged.last_deployment_at) == (1, at(10)), "however it is counted"


def test_what_does_not_count_is_nobodys_predecessor_and_mends_nothing(room: Room) -> None:
    room.tell(
        deployed("one", 0, version="1"), deployed("two", 100, version="2"), deployed("back", 200, version="1", source="webhook"),
        deployed("three", 300, version="1"),
    )  # fmt: skip
    assert {id: (one.type, one.change_failure) for id, one in room.listed().items()} == {
        "one": ("standard", False), "two": ("standard", True), "back": (None, None), "three": ("rollback", False),
    }  # fmt: skip
    assert room.one("two").remediation.id == "three"  # type: ignore[union-attr]
    room.tell(switched(400, "webhook", retroactive=True))
    assert room.one("two").remediation.id == "back"  # type: ignore[union-attr]
    assert room.one("three").type == "standard"
    room.tell(switched(500, "webhook", on=False))
    assert room.one("two").remediation.id == "three"  # type: ignore[union-attr]


def test_the_first_known_event_is_one_that_counts(room: Room) -> None:
    room.tell(deployed("early", 0, source="tags", version="1"), deployed("late", 2 * 1440, version="2"))
    room.tell(deployed("last", 4 * 1440, version="3", told=4 * 1440))
    begun = (at(100_000) - at(2 * 1440)) / (86_400 * 10**9)
    assert room.metrics().frequency.per_day == pytest.approx(2 / begun), "clipped to the first that counts"


def test_a_source_counts_from_its_first_selection_on(room: Room) -> None:
    room.tell(deployed("before", 10, source="apm", version="1"), deployed("after", 200, source="apm", version="2"))
    room.tell(switched(100, "apm"))
    assert counted(room) == ["after"]
    room.tell(switched(300, "apm", on=False))
    assert counted(room) == []
    room.tell(switched(400, "apm"))
    assert counted(room) == ["after"], "off and on keeps the first selection"
    room.tell(deployed("old", 150, source="apm", version="1.5", told=500), deployed("older", 99, source="apm", version="0", told=501))
    assert counted(room) == ["after", "old"], "its own instant decides, not its arrival"
    room.tell(switched(600, "apm", retroactive=True))
    assert counted(room) == ["after", "before", "old", "older"]


def test_a_release_of_several_sources_counts_once_and_nothing_is_hidden(room: Room) -> None:
    room.tell(switched(0, "github"), switched(0, "apm"))
    room.tell(deployed("seen", 24, source="apm", version="7"), deployed("sent", 20, begun=10, version="7"))
    room.tell(deployed("forge", 21, begun=12, source="github", sha="c", version="7"))
    assert {id: one.merged_into for id, one in room.listed().items()} == {"sent": None, "forge": "sent", "seen": "sent"}
    assert room.metrics().deployments == 1
    sent = room.one("sent")
    assert (sent.commit_sha, sent.repository, sent.version) == (bytes.fromhex("c" * 40), "github.com/acme/shop", "7")
    assert (sent.started_at, sent.finished_at, sent.source) == (at(10), at(20), "api")
    assert sent.not_computed == "commit_unknown", "its commit is the one that GitHub told"
    assert [(one.id, one.source) for one in room.explain("sent").merged] == [("forge", "github"), ("seen", "apm")]
    assert room.one("seen").type is None
    assert list(room.listed(source="apm")) == ["seen"]
    assert sorted(room.listed(repository="github.com/acme/shop")) == ["forge", "sent"]
    assert sorted(room.listed(repository="github.com/acme/shop", service="shop")) == ["forge", "sent"]
    room.tell(switched(30, "github", on=False))
    assert (room.one("sent").commit_sha, room.one("forge").not_computed) == (None, "source_off")
    assert room.one("seen").merged_into == "sent"


def test_a_deployment_that_leaves_a_release_takes_back_what_it_told(room: Room) -> None:
    room.tell(switched(0, "webhook"), deployed("sent", 20, version="7"), deployed("told", 50, begun=45, source="webhook", version="7", sha="c"))
    assert room.one("sent").commit_sha is not None
    room.tell(deployed("told", 50, begun=45, source="webhook", version="7", sha="c", env="staging", told=60))
    assert room.one("sent").commit_sha is None
    assert room.one("told").merged_into is None
    room.tell(deployed("told", 50, begun=45, source="webhook", version="7", sha="c", told=70))
    assert room.one("told").merged_into == "sent"
    room.tell(deleted(80, "told"))
    assert room.one("sent").commit_sha is None


def test_a_long_deployment_that_leaves_takes_back_what_it_told_long_before_its_end(room: Room) -> None:
    room.tell(switched(0, "webhook"), deployed("sent", 50, version="7"))
    room.tell(deployed("long", 300, begun=10, source="webhook", version="7", sha="c"))
    assert room.one("sent").commit_sha is not None
    room.tell(deployed("long", 300, begun=10, source="webhook", version="7", sha="c", env="staging", told=400))
    assert room.one("sent").commit_sha is None


def test_what_leaves_the_end_of_a_chain_changes_its_beginning(room: Room) -> None:
    room.tell(switched(0, "github", retroactive=True), switched(0, "apm", retroactive=True))
    room.tell(deployed("c", 100, version="5", sha="c"), deployed("d", 200, version="6", sha="d"))
    room.tell(deployed("sent", 300, version="7"), deployed("forge", 320, source="github", version="7"))
    room.tell(deployed("seen", 345, source="apm", version="7", sha="c"))
    assert (room.one("sent").type, room.one("sent").commit_sha) == ("rollback", bytes.fromhex("c" * 40))
    room.tell(deleted(400, "seen"))
    assert (room.one("sent").type, room.one("sent").commit_sha) == ("standard", None)
    assert room.one("d").change_failure is False


def test_a_deleted_deployment_is_gone_whenever_it_is_sent(room: Room) -> None:
    room.tell(deployed("one", 0, version="1"), deployed("two", 100, version="2"), deployed("back", 200, version="1"))
    assert room.one("two").change_failure is True
    room.tell(deleted(300, "back"), deleted(301, "never sent so far"))
    assert sorted(room.listed()) == ["one", "two"]
    assert room.one("two").change_failure is False
    assert room.metrics().deployments == 2
    room.tell(deployed("back", 200, version="1", told=400), deployed("never sent so far", 210, version="1"))
    assert sorted(room.listed()) == ["one", "two"]
    room.tell(deployed("back again", 200, version="1", told=500))
    assert sorted(room.listed()) == ["back again", "one", "two"]
    assert room.store.read(lambda reader: load_deleted(reader, "deployment", ["one", "back"])) == {"back"}
    assert not room.store.read(lambda reader: is_deleted(reader, "failure", "back")), "kinds are apart"


def test_the_same_content_stays_deleted(room: Room) -> None:
    room.tell(deployed("", 0, version="1"))
    (id,) = room.listed()
    room.tell(deleted(10, id), deployed("", 0, version="1", told=20))
    assert room.listed() == {}
    room.tell(deployed("", 1, version="1"))
    assert len(room.listed()) == 1, "another instant is another deployment"


def test_overrides_win_until_they_are_taken_back(room: Room) -> None:
    room.tell(deployed("one", 0, version="1"), deployed("two", 100, version="2"), deployed("back", 200, version="1"))
    derived = room.fingerprint()

    def state() -> tuple[object, ...]:
        two, back = room.one("two"), room.one("back")
        named = None if two.remediation is None else (two.remediation.id, two.remediation.type)
        return two.change_failure, named, two.recovery_time, back.type

    assert state() == (True, ("back", "rollback"), at(200) - at(100), "rollback")
    room.tell(said(300, "two", failed=False))
    assert state() == (False, None, None, "standard")
    assert room.metrics().rework.count == 0
    room.tell(said(310, "two", failed=True))
    assert state() == (True, None, None, "standard")
    assert (room.metrics().failure_rate.failed, room.metrics().unrecovered) == (1, 1)
    room.tell(deployed("three", 260, version="3", told=311), said(320, "two", kind="rollforward", by="three"))
    assert state() == (True, ("three", "rollforward"), at(260) - at(100), "standard")
    assert room.one("three").type == "rollforward"
    room.tell(said(330, "two", failed=None), deleted(340, "three"))
    assert state() == (True, ("back", "rollback"), at(200) - at(100), "rollback")
    left = [line for line in room.fingerprint() if not line.startswith(("fingerprint_overrides", "fingerprint_tombstones"))]
    assert left == [line for line in derived if not line.startswith(("fingerprint_overrides", "fingerprint_tombstones"))]


def test_what_was_derived_meanwhile_holds_when_an_override_is_taken_back(room: Room) -> None:
    room.tell(deployed("one", 0, version="1"), deployed("two", 100, version="2"), said(110, "two", failed=False))
    room.tell(deployed("back", 200, version="1"))
    assert room.one("back").type == "standard"
    room.tell(deployed("next", 300, version="5"), said(310, "two", failed=None))
    assert (room.one("back").type, room.one("two").change_failure) == ("rollback", True)


def test_a_word_about_a_merged_deployment_is_one_about_the_deployment_that_counts(room: Room) -> None:
    room.tell(switched(0, "apm"), deployed("bad", 50, version="2"), deployed("seen bad", 55, version="2", source="apm"))
    room.tell(deployed("fix", 150, version="3"), deployed("seen fix", 155, version="3", source="apm"))
    room.tell(said(200, "seen bad", failed=True, kind="rollforward", by="seen fix"))
    bad = room.one("bad")
    assert (bad.change_failure, bad.remediation.id, bad.recovery_time) == (True, "fix", at(150) - at(50))  # type: ignore[union-attr]
    assert room.one("fix").type == "rollforward"
    assert [one.by for one in room.explain("bad").overrides] == ["ann"]


def test_an_override_waits_for_its_deployments(room: Room) -> None:
    room.tell(said(10, "bad", failed=True, kind="rollforward", by="fix"))
    room.tell(deployed("bad", 50, version="2", told=60))
    assert (room.one("bad").change_failure, room.one("bad").remediation) == (True, None)
    room.tell(deployed("fix", 90, version="3"))
    assert room.one("bad").recovery_time == at(90) - at(50)
    assert room.one("fix").type == "rollforward"
    room.tell(deleted(100, "fix"))
    assert (room.one("bad").change_failure, room.one("bad").recovery_time) == (True, None)


def test_what_has_no_identity_failed_when_a_person_says_so(room: Room) -> None:
    room.tell(deployed("bare", 50))
    assert (room.one("bare").change_failure, room.metrics().not_counted["no_identity"]) == (None, 1)
    room.tell(said(60, "bare", failed=True))
    assert (room.one("bare").change_failure, room.metrics().failure_rate.failed) == (True, 1)
    assert "no_identity" not in room.metrics().not_counted


@pytest.mark.parametrize("fix", [deployed("fix", 10, version="1"), deployed("fix", 90, version="3", service="other")])
def test_what_ended_before_or_elsewhere_mends_nothing(room: Room, fix: Told) -> None:
    room.tell(said(60, "bad", kind="rollforward", by="fix"), deployed("bad", 50, version="2"), fix)
    bad = room.one("bad")
    assert (bad.change_failure, bad.remediation, bad.recovery_time) == (True, None, None)
    assert room.one("fix").type == "standard"
    assert room.metrics().unrecovered == 1


def test_the_tag_decides_before_the_type(room: Room) -> None:
    room.tell(deployed("one", 0, version="1"), deployed("two", 100, version="2", tags=("rework:true",)))
    room.tell(deployed("back", 200, version="1", tags=("rework:false",)))
    assert room.one("back").type == "rollback"
    assert room.metrics().rework.count == 1
    room.tell(said(300, "one", failed=True, kind="rollforward", by="two"), deployed("four", 400, version="4"))
    assert room.metrics().rework.count == 1
    room.tell(said(500, "one", kind="rollforward", by="four"))
    assert room.metrics().rework.count == 2, "a correction changes the type"


def test_evidence_and_audit_say_who_and_when(room: Room) -> None:
    room.tell(deployed("bad", 50, version="2"), deployed("fix", 90, version="3"))
    room.tell(said(100, "bad", failed=True), said(110, "bad", kind="rollback", by="fix"), said(105, "bad", failed=False))
    found = room.explain("bad")
    (evidence,) = found.evidence
    assert (evidence.deployment, evidence.target, evidence.type) == ("fix", "bad", "rollback")
    assert (evidence.rule, evidence.value, evidence.original) == ("override", "ann", "fix")
    assert [(one.told_at, one.by, one.reason, one.change_failure, one.remediation) for one in found.overrides] == [
        (at(100), "ann", "seen in production", "true", None),
        (at(105), "ann", "seen in production", "false", None),
        (at(110), "ann", "seen in production", None, "rollback fix"),
    ]
    audit = room.store.read(lambda reader: load_audit(reader, "bad"))
    assert [one.receipt for one in audit] == [1000, 1050, 1100]


def test_the_latest_of_a_version_is_found(room: Room) -> None:
    room.tell(deployed("a", 10, version="1.0"), deployed("b", 90, version="1.0"), deployed("c", 95, version="1.0", env="dev"))
    room.tell(deployed("d", 99, version="1.0"), deleted(100, "d"))
    assert room.store.read(lambda reader: find_latest(reader, " SHOP", "Prod", "1.0")) == "b"
    assert room.store.read(lambda reader: find_latest(reader, "shop", "prod", "1.1")) is None
    assert room.store.read(lambda reader: find_latest(reader, "shop", "", "1.0")) is None


def facts(chance: random.Random) -> list[Told]:
    """A story with everything in it: several sources, switches, moves, deletions, corrections."""
    told: list[Told] = []
    sources, versions = ("api", "github", "webhook", "apm"), ("1", "2", "3", "")
    names = [f"d{number}" for number in range(14)]
    for number, name in enumerate(names):
        end = chance.randrange(0, 300, 10)
        told.append(
            deployed(
                name, end, begun=end - chance.choice((0, 0, 5, 60)), source=chance.choice(sources), version=chance.choice(versions),
                sha=chance.choice(("", "", "c", "d")), told=400 + number, env=chance.choice(("prod", "prod", "prod", "dev")),
            )
        )
    for number in range(5):  # some are sent again, changed
        end = chance.randrange(0, 300, 10)
        told.append(deployed(chance.choice(names), end, source=chance.choice(sources), version=chance.choice(versions), told=500 + number))
    told += [switched(600 + at, chance.choice(sources), on=chance.random() < 0.7, retroactive=chance.random() < 0.5) for at in range(4)]
    told += [switched(100 + at, chance.choice(sources[1:])) for at in range(2)]
    told += [deleted(700 + at, chance.choice([*names, "d99"])) for at in range(2)]
    words = ({"failed": True}, {"failed": False}, {"failed": None}, {"kind": None})
    told += [said(800 + at, chance.choice(names), **chance.choice(words)) for at in range(4)]
    kinds = ("rollback", "rollforward")
    told += [said(850 + at, chance.choice(names), kind=chance.choice(kinds), by=chance.choice(names)) for at in range(3)]
    return told


STORIES = {"sqlite": 25, "postgres": 6}


class Players:
    """Plays facts, each time into a store of its own."""

    def __init__(self, engine: str, folder: Path, request: pytest.FixtureRequest) -> None:
        self.engine, self.folder, self.request = engine, folder, request

    def play(self, told: list[Told], pauses: list[int]) -> list[str]:
        """The fingerprint after facts that are derived at pauses; a rebuild from nothing must not change it."""
        cluster: Cluster | None = self.request.getfixturevalue("cluster") if self.engine == "postgres" else None
        name = cluster.take() if cluster else ""
        store = open_store(cluster.url(name) if cluster else migrated_file(Path(tempfile.mkdtemp(dir=self.folder), "store.db")))
        try:
            room = Room(store)
            for at, fact in enumerate(told):
                room.tell(fact, derive=at in pauses)
            room.derive()
            found = room.fingerprint()
            for table in ("change_set", "change", "classification", "remediation"):
                forget(store, table)
            room.rebuild()
            assert room.fingerprint() == found
            return found
        finally:
            store.close()
            if cluster:
                cluster.give_back(name)


@pytest.fixture
def players(engine: str, tmp_path: Path, request: pytest.FixtureRequest) -> Players:
    return Players(engine, tmp_path, request)


def test_any_order_and_a_rebuild_give_the_same(engine: str, players: Players) -> None:
    """Each story is played in two orders, derived now and then, some facts told twice; then rebuilt from nothing."""
    for number in range(STORIES[engine]):
        chance = random.Random(number)
        story = facts(chance)
        shuffled = [*story, *chance.sample(story, 4)]
        chance.shuffle(shuffled)
        first = players.play(story, [len(story)])
        assert players.play(shuffled, sorted(chance.sample(range(len(shuffled)), 12))) == first, f"story {number}"


def forget(store: Store, table: str) -> None:
    """Delete all derived rows of a table, by the statements that derivations have."""
    keys = {"change": ("deployment_id", "sha"), "remediation": ("deployment_id", "target")}.get(table, ("deployment_id",))
    lines = store.read(lambda reader: reader.fetch(f"fingerprint_{table}s", lambda *row: row))
    rows = [{key: row[at] for at, key in enumerate(keys)} for row in lines]
    store.write(lambda writer: writer.execute_many(f"delete_{table}", rows))


def test_selection_is_read_as_it_was_told(room: Room) -> None:
    room.tell(switched(300, "apm", on=False), switched(200, "apm"), switched(100, "apm"), derive=False)
    switch = room.store.read(lambda reader: load_selection(reader, "deployments")).switch("apm")
    assert (switch.on, switch.selected_from) == (False, at(100)), "the latest word says off, the earliest selection stays"
