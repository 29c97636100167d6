"""Issues and incidents of forges as failures: which are, whose, for how long, and that order does not matter."""

import os
import random
from pathlib import Path

import pytest

from bot.facts.tombstones import record_deletion
from bot.pipeline.derive import rebuild
from bot.store import Store
from tests.pipeline.inference_room import Act, define, hear
from tests.pipeline.issue_room import Failed, choose, failures, follow, incident, issue
from tests.pipeline.naming_room import LATER, Room, github, gitlab

ORDERS = 60 if os.environ.get("ENDURE") else 4


@pytest.fixture
def room(store: Store, tmp_path: Path) -> Room:
    return Room(store, tmp_path)


def test_a_labelled_issue_is_a_failure_of_the_services_that_name_its_repository(room: Room) -> None:
    opened = follow(room, define("Shop", "Basket"), hear(issue("opened", 10)))
    assert opened == [Failed("Down", ("Basket", "Shop"), "active", 10, None, None)]
    closed = follow(room, hear(issue("closed", 40, state="closed", closed=40)))
    assert closed == [Failed("Down", ("Basket", "Shop"), "resolved", 10, 40, 30)]
    (one,) = failures(room.store)
    assert (one["id"], one["source"], one["repository"]) == ("github.com:7:12", "github", "github.com/acme/shop")
    assert one["tags"] == ["issue:github.com/acme/shop#12"]


@pytest.mark.parametrize(
    ("labels", "chosen", "counts"),
    [
        (("Incident",), None, True),
        (("incidents",), None, False),
        (("bug",), None, False),
        ((), None, False),
        (("OUTAGE",), ("outage", "sev1"), True),
        (("incident",), ("outage",), False),
    ],
)
def test_which_label_makes_it_one(room: Room, labels: tuple[str, ...], chosen: tuple[str, ...] | None, counts: bool) -> None:
    if chosen is not None:
        choose(labels=chosen)(room)
    assert bool(follow(room, hear(issue("opened", 10, labels=labels)))) is counts


def test_a_type_of_github_makes_it_one_if_somebody_chose_it(room: Room) -> None:
    typed = hear(issue("typed", 11, labels=(), issue={"type": {"name": "Incident"}}))
    assert follow(room, typed) == []
    assert len(follow(room, choose(types=("incident",)))) == 1
    assert follow(room, hear(issue("untyped", 12, labels=()))) == []


def test_it_comes_and_goes_with_its_labels_also_after_it_was_closed(room: Room) -> None:
    closed = issue("closed", 40, labels=("bug",), state="closed", closed=40)
    assert follow(room, hear(closed)) == []
    late = issue("labeled", 90, labels=("bug", "incident"), state="closed", closed=40, label={"name": "incident"})
    assert follow(room, hear(late)) == [Failed("Down", (), "resolved", 10, 40, 30)]
    off = issue("unlabeled", 95, labels=("bug",), state="closed", closed=40, label={"name": "incident"})
    assert follow(room, hear(off)) == []
    assert follow(room, hear(late, closed)) == [], "what is older says nothing new"


def test_labels_of_one_second_add_up_but_for_what_was_taken_off_in_it(room: Room) -> None:
    one, two = issue("labeled", 10, labels=("incident",)), issue("labeled", 10, labels=("incident", "service:till"))
    assert follow(room, hear(two, one))[0].services == ("till",)
    off = issue("unlabeled", 10, labels=("service:till",), label={"name": "incident"})
    assert follow(room, hear(off, one)) == []


def test_labels_say_whose_and_where_and_how_bad_it_is(room: Room) -> None:
    labels = ("incident", "service:Till", "service::api", "env:Prod", "team: shop-devs", "SEV1", "service:")
    follow(room, define("Shop"), hear(issue("opened", 10, labels=labels)))
    (one,) = failures(room.store)
    assert (one["services_shown"], one["envs_shown"], one["teams"], one["severity"]) == (
        ["api", "Till"], ["Prod"], ["shop-devs"], "SEV1",
    )  # fmt: skip
    follow(room, hear(issue("labeled", 11, labels=("incident", "severity:high"))))
    (one,) = failures(room.store)
    assert (one["services_shown"], one["envs_shown"], one["severity"]) == (["Shop"], [], "high")


def test_whose_it_is_follows_definitions_and_names_that_come_later(room: Room) -> None:
    assert [one.services for one in follow(room, hear(issue("opened", 10)))] == [()], "nobody's, but a failure"
    assert [one.services for one in follow(room, define("Shop"))] == [("Shop",)]
    assert [one.services for one in follow(room, define("Shop", repository="github.com/acme/store"))] == [()]
    renamed = github("repository", 55, (7, "acme/store"), action="renamed", changes={"repository": {"name": {"from": "shop"}}})
    assert [one.services for one in follow(room, hear(renamed))] == [("Shop",)]


def test_the_newest_word_says_which_issues_are_failures(room: Room) -> None:
    follow(room, choose(labels=("outage",), minute=200), hear(issue("opened", 10, labels=("outage",))))
    assert len(follow(room, choose(labels=("incident",), minute=100))) == 1
    assert follow(room, choose(labels=("incident",), minute=300)) == []


def test_only_the_time_in_which_it_was_open_counts(room: Room) -> None:
    """Opened 10:10, closed 10:40, opened again 11:00 to 11:15: 30 + 15 minutes."""
    told = [
        issue("opened", 10), issue("closed", 40, state="closed", closed=40), issue("reopened", 60, closed=40),
        issue("closed", 75, state="closed", closed=75),
    ]  # fmt: skip
    assert follow(room, hear(*told[:3])) == [Failed("Down", (), "active", 10, None, None)]
    assert follow(room, hear(told[3])) == [Failed("Down", (), "resolved", 10, 75, 45)]


def test_a_reopening_that_nobody_told_is_seen_by_what_comes_later(room: Room) -> None:
    lost = [issue("closed", 40, state="closed", closed=40), issue("edited", 70)]
    assert follow(room, hear(*lost)) == [Failed("Down", (), "active", 10, None, None)]


def test_a_deleted_or_transferred_issue_is_none(room: Room) -> None:
    transferred = issue("transferred", 50, changes={"new_issue": {}, "new_repository": {}})
    arrived = issue("opened", 50, number=1, repository=(8, "acme/store"))
    assert [one.state for one in follow(room, hear(issue("opened", 10), transferred, arrived))] == ["active"]
    assert [one["id"] for one in failures(room.store)] == ["github.com:8:1"]
    assert follow(room, hear(issue("deleted", 60, number=1, repository=(8, "acme/store")))) == []
    assert follow(room, hear(issue("edited", 70, number=1, repository=(8, "acme/store")))) == [], "and stays so"


def test_an_incident_of_gitlab_is_one_with_its_severity(room: Room) -> None:
    told = [incident("open", 10), incident("update", 12, severity="high"), incident("close", 30, state="closed", severity="high")]
    assert follow(room, define("Till", repository="gitlab.com/acme/till"), hear(*told)) == [
        Failed("Till down", ("Till",), "resolved", 10, 30, 20)
    ]
    (one,) = failures(room.store)
    assert (one["id"], one["source"], one["severity"]) == ("gitlab.com:9:3", "gitlab", "high")
    again = [incident("reopen", 40), incident("close", 45, state="closed", labels=("severity::2",))]
    assert follow(room, hear(*again)) == [Failed("Till down", ("Till",), "resolved", 10, 45, 25)]
    assert failures(room.store)[0]["severity"] == "2", "a label says it more exactly"


def test_an_issue_of_gitlab_is_one_by_its_label_or_once_it_becomes_an_incident(room: Room) -> None:
    assert follow(room, hear(incident("open", 10, type="Issue"))) == []
    assert len(follow(room, hear(incident("update", 11, type="Incident")))) == 1
    assert follow(room, hear(incident("update", 12, type="Issue"))) == []
    assert len(follow(room, hear(incident("update", 13, type="Issue", labels=("incident",))))) == 1
    assert follow(room, hear(incident("update", 14, type="Issue", labels=("incident",), moved_to_id=77))) == []


def test_a_failure_that_was_deleted_here_stays_deleted(room: Room) -> None:
    follow(room, hear(issue("opened", 10)))
    room.store.write(
        lambda writer: record_deletion(writer, "failure", "github.com:7:12", received_at=LATER, receipt=1, by="ann")
    )
    follow(room, hear(issue("edited", 20, title="Still down")))
    shown = room.store.read(lambda reader: reader.fetch("answer_failures_by_id", lambda *row: row, id="github.com:7:12"))
    assert shown == []


def story() -> list[Act]:
    """An issue with reopenings and late labels, an incident, a renamed repository, definitions and selections that change."""
    renamed = github("repository", 55, (7, "acme/store"), action="renamed", changes={"repository": {"name": {"from": "shop"}}})
    store = (7, "acme/store")
    return [
        hear(issue("opened", 10, labels=())),
        hear(issue("labeled", 10, labels=("sev2",), label={"name": "sev2"})),
        hear(issue("labeled", 12, labels=("sev2", "outage"))),
        hear(issue("closed", 40, labels=("sev2", "outage"), state="closed", closed=40)),
        hear(renamed),
        hear(issue("reopened", 60, labels=("sev2", "outage"), closed=40, repository=store)),
        hear(issue("closed", 75, labels=("sev2", "outage"), state="closed", closed=75, repository=store)),
        hear(issue("unlabeled", 80, labels=("outage",), state="closed", closed=75, label={"name": "sev2"}, repository=store)),
        hear(issue("opened", 20, number=13, created=20)), hear(issue("deleted", 90, number=13, created=20, repository=store)),
        hear(incident("open", 10)), hear(incident("update", 11, severity="low")), hear(incident("close", 30, state="closed", severity="low")),
        hear(gitlab(35, event_name="project_rename", project_id=9, path_with_namespace="acme/kiosk",
                    old_path_with_namespace="acme/till", created_at="2026-09-21T00:00:00Z")),
        choose(labels=("incident",), minute=100), choose(labels=("outage",), minute=200),
        choose("gitlab", types=("incident",), minute=100),
        define("Shop", repository="github.com/acme/store"),
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(ORDERS))
def test_any_order_and_any_repetition_gives_one_result(room: Room, seed: int) -> None:
    acts, chance = story(), random.Random(seed)
    acts += chance.choices(acts, k=6)
    chance.shuffle(acts)
    for act in acts:
        act(room)
        if chance.random() < 0.3:
            room.work()
    assert follow(room, lambda room: None) == [
        Failed("Down", ("Shop",), "resolved", 10, 75, 45), Failed("Till down", (), "resolved", 10, 30, 20),
    ]  # fmt: skip
    shop, till = failures(room.store)
    assert (shop["id"], shop["severity"], shop["repository"]) == ("github.com:7:12", "", "github.com/acme/shop")
    assert (till["id"], till["severity"]) == ("gitlab.com:9:3", "low")
    before = room.fingerprint()
    for _ in rebuild(room.store, progress=lambda _: None):
        pass
    room.work()
    assert room.fingerprint() == before, "built again it is the same"
