"""Rules of one service: its definition extends those of rules.yaml or switches them off, in any order, on both engines."""

from itertools import permutations
from pathlib import Path

import pytest

from bot.answers.definitions import show_definitions
from bot.answers.explain import explain
from bot.dora.changes import Limits
from bot.dora.deployments import Series
from bot.facts.catalog import load_definition, load_service_rules
from bot.facts.catalog_entities import record_entities
from bot.facts.marks import CHANGES, CLASSIFICATION, parse_series_key
from bot.pipeline.catalog import read_catalog, record_catalog
from bot.pipeline.derive import rebuild
from bot.pipeline.explain import StoredExplainSource
from bot.sources.catalog_api import read_sent_definitions
from bot.store import Store
from tests.pipeline import naming_room
from tests.pipeline.counting_room import Room, at, deployed
from tests.pipeline.inference_room import NAME
from tests.pipeline.naming_room import Told, iso, pull_request
from tests.pipeline.naming_room import at as minutes
from tests.support.gitrepo import GitRepo

RULES = "version: 1\nstatic:\n  - {id: late, field: version, pattern: late$, enabled: false}\n  - {id: hot, field: version, pattern: hot$}\n"
OWN = "linked: [{id: undo, field: version, pattern: '^undo-$version'}], static: [{id: hot, enabled: false}, {id: late, enabled: true}]"


def definition(service: str = "shop", own: str = "", team: str = "") -> str:
    extension = f"extensions: {{datadoghq.com/dora-metrics: {{rollforward_rules: {{{own}}}}}}}\n" if own else ""
    return f"schema-version: v2.2\ndd-service: {service}\nteam: '{team}'\n{extension}"


class Folder:
    """A folder of definitions, brought into the store."""

    def __init__(self, store: Store, path: Path) -> None:
        self.store, self.path = store, path
        path.mkdir()

    def say(self, *, rules: str | None = None, definition: str | None = None) -> None:
        """Another rules.yaml, another definition; "" takes the file away."""
        for name, text in (("rules.yaml", rules), ("shop.yaml", definition)):
            if text:
                (self.path / name).write_text(text)
            elif text == "":
                (self.path / name).unlink(missing_ok=True)
        catalog = read_catalog(self.path)
        assert catalog.problems == ()
        self.store.write(lambda writer: record_catalog(writer, catalog, received_at=1))


@pytest.fixture
def room(store: Store) -> Room:
    return Room(store)


@pytest.fixture
def folder(store: Store, tmp_path: Path) -> Folder:
    return Folder(store, tmp_path / "definitions")


def story(service: str = "shop", begin: int = 0) -> list:  # type: ignore[type-arg]
    versions = ("v1", "v2-hot", "v3-late", "undo-v1")
    return [deployed(f"{service}-{v}", begin + 10 * n, version=v, service=service) for n, v in enumerate(versions)]


def types(room: Room, service: str = "shop") -> dict[str, tuple[str | None, bool | None]]:
    """Version → (type, failed)."""
    return {one.version or "": (one.type, one.change_failure) for one in room.listed(service=service).values()}


BY_FILE = {"v1": ("standard", True), "v2-hot": ("rollforward", False), "v3-late": ("standard", False), "undo-v1": ("standard", False)}
BY_OWN = {"v1": ("standard", True), "v2-hot": ("standard", True), "v3-late": ("rollforward", False), "undo-v1": ("rollforward", False)}


def marks(store: Store) -> set[tuple[str, Series]]:
    rows = store.read(lambda reader: reader.fetch("due_marks", lambda *row: row, now=2**62, n=100))
    return {(str(row[0]), parse_series_key(str(row[1]))) for row in rows if row[0] in (CHANGES, CLASSIFICATION)}


def test_a_service_has_its_own_rules_and_no_other_feels_it(room: Room, folder: Folder) -> None:
    room.tell(*story(), *story("cart", 100))
    folder.say(rules=RULES)
    room.derive()
    assert types(room) == types(room, "cart") == BY_FILE
    folder.say(definition=definition(own=OWN))
    assert marks(room.store) == {(CLASSIFICATION, Series(service="shop", env="prod"))}
    room.derive()
    assert types(room) == BY_OWN
    assert types(room, "cart") == BY_FILE
    (evidence,) = room.explain("shop-undo-v1").evidence
    assert (evidence.rule, evidence.field, evidence.value, evidence.target) == ("undo", "version", "undo-v1", "shop-v1")
    before = room.fingerprint()
    folder.say(definition=definition(own=OWN, team="web"))
    assert marks(room.store) == set(), "a team is no rule"
    room.rebuild()
    assert room.fingerprint() == before
    folder.say(definition="")
    assert marks(room.store) == {(CLASSIFICATION, Series(service="shop", env="prod"))}
    room.derive()
    assert types(room) == BY_FILE


def test_in_any_order_it_is_the_same(store: Store, room: Room, folder: Folder) -> None:
    for n, order in enumerate(permutations(("rules", "definition", "deployments"))):
        service = f"shop{n}"
        steps = {
            "rules": lambda: folder.say(rules=RULES),
            "definition": lambda service=service: folder.say(definition=definition(service, OWN)),
            "deployments": lambda service=service, n=n: room.tell(*story(service, 100 * n)),
        }
        for name in order:
            steps[name]()  # type: ignore[no-untyped-call]
            room.derive()
        assert types(room, service) == BY_OWN, order
        before = room.fingerprint()
        room.rebuild()
        assert room.fingerprint() == before, order
        folder.say(rules="", definition="")
        room.derive()
        assert types(room, service) == dict.fromkeys(BY_OWN, ("standard", False))


def test_rules_that_go_leave_what_refers_to_them_out_and_say_so(room: Room, folder: Folder) -> None:
    room.tell(*story())
    folder.say(rules=RULES, definition=definition(own=OWN))
    room.derive()
    assert types(room) == BY_OWN
    assert room.store.read(show_definitions).problems == ()
    folder.say(rules="version: 1\nstatic: [{id: undo, field: version, pattern: ^never$}]\n")
    room.derive()
    assert types(room) == dict.fromkeys(BY_OWN, ("standard", False))
    (shown,) = room.store.read(show_definitions).problems
    assert shown.place == "shop.yaml:2"
    assert [(one.file, one.line, one.severity, one.message) for one in shown.problems] == [
        ("shop.yaml", 2, "warning", "the rule undo stands under static in rules.yaml"),
        ("shop.yaml", 2, "warning", "rules.yaml has no rule hot under static, and a new one needs field and pattern"),
        ("shop.yaml", 2, "warning", "rules.yaml has no rule late under static, and a new one needs field and pattern"),
    ]
    folder.say(rules=RULES)
    room.derive()
    assert types(room) == BY_OWN


def test_what_is_sent_by_api_has_rules_too_and_the_folder_wins(room: Room, folder: Folder) -> None:
    room.tell(*story())
    folder.say(rules=RULES)
    sent = read_sent_definitions(definition(own=OWN).encode())
    room.store.write(lambda writer: record_entities(writer, sent.entities, received_at=at(1), receipt=1))
    room.derive()
    assert types(room) == BY_OWN
    folder.say(definition=definition(own="static: [{id: hot, enabled: true}]"))
    room.derive()
    assert types(room) == BY_FILE


def test_what_was_read_comes_back(store: Store, folder: Folder) -> None:
    folder.say(definition=definition(own=OWN.replace("enabled: true", "pattern: 'é \"x\"', blame: none, field: pr_label")))
    found = store.read(lambda reader: load_definition(reader, "shop"))
    assert found is not None
    assert found == read_catalog(folder.path).definitions[0]
    assert store.read(lambda reader: load_service_rules(reader, "shop")) == found.rules
    assert found.rules.static[1].pattern == 'é "x"'
    assert store.read(lambda reader: load_service_rules(reader, "cart")).linked == ()


BACKS_OUT = "linked: [{id: back-out, field: pr_body, pattern: 'Backs out #$pr_number'}]"


def test_what_only_a_services_rule_points_to_may_come_late(store: Store, tmp_path: Path) -> None:
    """Pull request 4 backs out 3, and 3 backs out 1: a re-land, whenever 3 is told. No rule of rules.yaml sees any of it."""
    history = GitRepo(tmp_path / "shop")
    base, added, back = (history.commit(name, files=[name], authored_at=minutes(0) // 10**9) for name in ("base", "add", "back"))
    history.close()

    def told(number: int, minute: float, body: str, merged: str = "") -> Told:
        more = {"state": "closed", "merged": True, "merged_at": iso(minute), "merge_commit_sha": merged} if merged else {}
        head = {"ref": f"topic-{number}", "sha": merged or "9" * 40}
        return pull_request("edited", minute, (7, "acme/shop"), number=number, body=body, head=head, title=f"No {number}", **more)

    room = naming_room.Room(store, tmp_path)
    room.read_in_place(NAME, history.path)
    folder = Folder(store, tmp_path / "definitions")
    folder.say(definition=definition(own=BACKS_OUT))
    room.hear(told(1, 10, "Adds it", added), told(4, 30, "Backs out #3", back))
    for minute, commit in ((5, base), (20, added), (40, back)):
        room.deploy(naming_room.deployed(minute, NAME, commit))
    room.work()

    def reasons() -> list[tuple[str, str]]:
        found = store.read(lambda reader: explain(reader, StoredExplainSource(limits=Limits()), "deployment-shop-0040.0"))
        assert found is not None
        return [(one.rule, str(one.reason)) for one in found.near_misses]

    assert reasons() == [("back-out", "unknown_original")]
    room.hear(told(3, 25, "Backs out #1"))
    room.work()
    assert reasons() == [("back-out", "reland")]
    before = room.fingerprint()
    for _ in rebuild(store, progress=lambda _: None):
        pass
    room.work()
    assert room.fingerprint() == before
