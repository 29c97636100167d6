"""The page of rules and its twins in the API: rules in force with counts, and a rule on trial."""

import asyncio
import re
import threading
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from bot.answers.encode import to_json
from bot.answers.questions import Asker
from bot.answers.simulation import answer_trial
from bot.answers.trial_questions import parse_trial
from bot.facts.keys import READ
from bot.pipeline.derive import Sources
from bot.pipeline.history import HistoryCache
from bot.pipeline.simulation import StoredTrials
from bot.store import Store
from bot.web import rules_page
from tests.pipeline import counting_room, history_room
from tests.pipeline.counting_room import deployed
from tests.support.gitrepo import GitRepo
from tests.support.seed import Seed
from tests.support.trials import play
from tests.web.doors import NOW, Door, make_key, open_door

URGENT = {"id": "urgent", "field": "pr_label", "pattern": "^urgent$"}


async def get(door: Door, path: str, *, status: int = 200, key: str = "", **parameters: str) -> Any:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with door.client.get(path, params=parameters, headers=headers) as answer:
        body = await answer.text()
        assert answer.status == status, body
        return await answer.json() if "json" in answer.content_type else unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)))


async def test_a_trial_says_what_would_change_and_how_the_metrics_move(store: Store) -> None:
    play(store, NOW)
    async with open_door(store, DASHBOARD="public") as door:
        found = await get(door, "/api/v1/rules/test", days="30", **URGENT)
        shop = await get(door, "/api/v1/rules/test", days="30", service="Shop", **URGENT)
        text = await get(door, "/rules", days="30", **URGENT)
        prices = await get(door, "/rules", days="30", id="prices", field="pr_title", pattern="^Prices$")
    today, then = (found["metrics"][side] for side in ("today", "proposed"))
    assert (today["change_failure_rate"]["failed"], then["change_failure_rate"]["failed"], today["deployments"]) == (3, 4, 9)
    assert (today["rollforwards"], then["rollforwards"], then["rollbacks"]) == (1, 2, 2)
    assert (today["deployment_rework_rate"]["count"], then["deployment_rework_rate"]["count"]) == (3, 4)
    # Two, one and one days; then S2 took the two until S3.
    assert (today["failed_deployment_recovery_time"]["median"], then["failed_deployment_recovery_time"]["median"]) == (86_400, 129_600)
    assert [(one["id"], one["today"]["type"], one["proposed"]["type"], one["proposed"]["change_failure"]) for one in found["differences"]] == [
        ("S3", "standard", "rollforward", False), ("S2", "rollforward", "rollforward", True),
    ]  # fmt: skip
    (evidence,) = found["differences"][0]["proposed"]["evidence"]
    assert evidence == {
        "deployment": "S3", "target": "S2", "type": "rollforward", "rule": "urgent", "field": "pr_label", "value": "urgent", "original": "v2",
    }  # fmt: skip
    assert [(one["deployment"], one["reason"], one["field"], one["value"]) for one in found["near_misses"]] == [
        ("S6", "redeployed", "pr_label", "urgent"), ("S6", "other_field", "pr_title", "urgent"), ("S4", "case", "pr_label", "Urgent"),
    ]  # fmt: skip
    assert {one["service"]: one["proposed"]["change_failure_rate"]["value"] for one in found["services"]} == {"cart": 1 / 3, "shop": 0.5}
    assert shop["differences"] == found["differences"]
    assert "Of 9 deployments in the last 30 days it would call 1 more a rollforward and 1 more failed; change failure rate 33.3 % → 44.4 %." in text
    assert "33.3 % → 44.4 %" in text
    assert prices.count("mended by v3") == 2 and "mended by S5" not in prices, "today and then, though S5 itself is what it was"
    assert "- {id: urgent, field: pr_label, pattern: '^urgent$'}" in text


async def test_a_service_that_nobody_knows_is_named_with_those_that_are_near(store: Store) -> None:
    play(store, NOW)
    cart = make_key(store, READ, services=("cart", "shpo")).key
    async with open_door(store, DASHBOARD="public") as door:
        for path in ("/api/v1/rules", "/api/v1/rules/test"):
            (error,) = (await get(door, path, status=404, service="Shpo"))["errors"]
            assert (error["title"], error["detail"]) == ("not_found", "There is no service 'shpo'; did you mean shop?")
            (error,) = (await get(door, path, status=404, key=cart, service="shpo"))["errors"]
            assert error["detail"] == "There is no service 'shpo'.", "a key of some services hears of no others"
            await get(door, path, service="SHOP")
        assert "There is no service 'shpo'; did you mean shop?" in await get(door, "/rules", service="shpo")
        assert "There is no service 'shpo'; did you mean shop?" in await get(door, "/rules", service="shpo", **URGENT)
        assert "There is no service 'shpo'." in await get(door, "/rules", service="shpo", key=cart)
        assert "There is no service" not in await get(door, "/rules", service="shop")


async def test_todays_side_is_what_the_metrics_say(store: Store) -> None:
    play(store, NOW, failed={"S6": True, "S1": False})
    async with open_door(store, DASHBOARD="public") as door:
        found = await get(door, "/api/v1/rules/test", days="30", **URGENT)
        for one in found["services"]:
            answer = await get(door, "/api/v1/metrics", service=one["service"])
            (row,) = answer["data"]
            for name in ("change_failure_rate", "failed_deployment_recovery_time"):
                assert one["today"][name] == {key: row[name][key] for key in one["today"][name]}, name
            assert one["today"]["deployment_rework_rate"]["count"] == row["deployment_rework_rate"]["count"]


def test_series_that_say_nothing_are_shown_as_they_are_derived(store: Store) -> None:
    play(store, NOW, failed={"S6": True})

    class Everything(StoredTrials):
        def touched(self, *_: object, **__: object) -> None:
            return None

    asked = [{}, URGENT, {"id": "hotfix-label"}, {"id": "hotfix-label", "pattern": "nothing"}, {"id": "x", "field": "version", "pattern": "^v2"}]
    for given in asked:
        question = parse_trial([("days", "30"), *given.items()], Asker(now=NOW))
        few, all_ = (
            store.read(lambda reader, kind=kind, q=question: answer_trial(reader, kind(Sources(HistoryCache()), threading.Lock()), q))
            for kind in (StoredTrials, Everything)
        )
        assert to_json(few) == to_json(all_), given


async def test_rules_are_held_against_what_people_said(store: Store) -> None:
    play(store, NOW, failed={"S2": True, "S1": False, "S6": True})
    async with open_door(store, DASHBOARD="public") as door:
        found = await get(door, "/api/v1/rules/test", days="30", **URGENT)
        nobody = await get(door, "/api/v1/rules/test", days="1", **URGENT)
        text = await get(door, "/rules", days="30", **URGENT)
    assert {name: found["overrides_today"][name] for name in ("true_positives", "false_positives", "false_negatives", "precision", "recall")} == {
        "true_positives": 0, "false_positives": 1, "false_negatives": 2, "precision": 0.0, "recall": 0.0,
    }  # fmt: skip
    assert (found["overrides"]["precision"], found["overrides"]["recall"]) == (0.5, 0.5)
    urgent = next(rule for rule in found["rules"] if rule["id"] == "urgent")
    assert (urgent["change"], urgent["today"], urgent["proposed"]) == ("new", 0, 0), "who failed is said by people, with nobody to mend it"
    assert (urgent["overrides"]["precision"], urgent["overrides"]["recall"]) == (1.0, 0.5)
    assert (nobody["overrides"]["precision"], nobody["overrides"]["no_precision"]) == (None, "no_overrides")
    assert "Over the deployments that people corrected" in text


async def test_the_rules_in_force_are_listed_with_what_they_decided(store: Store) -> None:
    play(store, NOW)
    async with open_door(store, DASHBOARD="public") as door:
        found = await get(door, "/api/v1/rules", days="30")
        text = await get(door, "/rules")
        recent = await get(door, "/api/v1/rules", days="9", service="cart")
        none = await get(door, "/api/v1/rules", days="1", service="cart")
        deployed = (await get(door, "/api/v1/deployments"))["data"]
    counts = {rule["id"]: rule["deployments"] for rule in found["rules"]}
    assert [rule["id"] for rule in found["rules"]][:2] == ["revert-sha", "revert-mr"]
    assert (found["rollbacks"], counts["hotfix-label"], counts["hotfix-title"]) == (2, 1, 0)
    assert recent["rollbacks"] == 1
    rolled_back = [(one["service"], one["finished_at"]) for one in deployed if one["type"] == "rollback"]
    assert found["last_rollback_at"] == max(at for _, at in rolled_back)
    assert recent["last_rollback_at"] == max(at for service, at in rolled_back if service == "cart")
    assert (none["rollbacks"], none["last_rollback_at"]) == (0, None)
    assert "hotfix-label static pr_label" in text
    assert "an earlier commit or version again the first deployment after the one that it restores 2" in text
    assert "last 90 days" in text


@pytest.mark.parametrize(
    ("given", "pointer", "detail"),
    [
        ({"id": "x", "field": "pr_title", "pattern": "foo(?=x)"}, "pattern", "position 4: lookahead"),
        ({"id": "x", "field": "pr_title", "pattern": "$pr_number", "kind": "static"}, "pattern", "holds no variable"),
        ({"id": "x", "pattern": "a"}, "field", "A new rule needs a field"),
        ({"id": "x"}, "pattern", "There is no rule x"),
        ({"id": "X y", "pattern": "a", "field": "version"}, "id", "a-z"),
        ({"id": "x", "field": "pr_body", "pattern": "#$pr_number", "blame": "none"}, "blame", "static rules"),
        ({"days": "0"}, "days", "whole number"),
        ({"kind": "both"}, "kind", "linked, static"),
        ({"pattern": "a" * 1_001, "field": "version"}, "pattern", "at most 1000"),
    ],
)
async def test_a_rule_that_is_none_is_refused_under_its_field(store: Store, given: dict[str, str], pointer: str, detail: str) -> None:
    async with open_door(store, DASHBOARD="public") as door:
        refused = await get(door, "/api/v1/rules/test", status=400, **given)
        text = await get(door, "/rules", status=400, **given)
    (error,) = refused["errors"]
    assert error["source"] == {"pointer": pointer}
    assert detail in error["detail"]
    assert f"{pointer} {error['detail']}" in text, "the page says the same under its form"


async def test_choosing_a_rule_tries_it_as_it_is_and_fills_the_form(store: Store) -> None:
    play(store, NOW)
    async with open_door(store, DASHBOARD="public") as door:
        found = await get(door, "/api/v1/rules/test", id="hotfix-label", days="30")
        off = await get(door, "/api/v1/rules/test", id="incident-label", days="30")
        async with door.client.get("/rules", params={"id": "hotfix-label", "days": "30"}) as answer:
            page = await answer.text()
    assert (found["tried"], found["differing"], [rule["change"] for rule in found["rules"] if rule["change"]]) == (["hotfix-label"], 0, [])
    assert [rule["change"] for rule in off["rules"] if rule["id"] == "incident-label"] == ["changed"], "one that is off is tried switched on"
    assert re.search(r'name="pattern" value="\(\?i\)[^"]*hot', page)
    assert "<option selected>pr_label</option>" in page


async def test_a_key_of_some_services_tries_rules_on_those(store: Store) -> None:
    play(store, NOW)
    key = make_key(store, READ, services=("cart",)).key
    async with open_door(store) as door:
        for path in ("/api/v1/rules", "/api/v1/rules/test", "/rules"):
            await get(door, path, status=403, key=key)
            await get(door, path, status=403, key=key, service="shop")
        found = await get(door, "/api/v1/rules/test", key=key, service="cart", **URGENT)
        page = await get(door, "/rules", key=key, service="cart")
    assert [one["service"] for one in found["services"]] == ["cart"]
    assert "shop" not in page


async def test_one_trial_at_a_time_and_none_for_ever(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    play(store, NOW)
    monkeypatch.setattr(rules_page, "WAIT", 0.02)
    async with open_door(store, DASHBOARD="public") as door:
        turn = door.client.app[rules_page.TRYING]
        await turn.acquire()
        busy = await get(door, "/api/v1/rules/test", status=503, **URGENT)
        assert busy["errors"][0]["title"] == "busy"
        turn.release()
        monkeypatch.setattr(rules_page, "PATIENCE", -1.0)
        long = await get(door, "/api/v1/rules/test", status=400, days="30", **URGENT)
        assert "choose a service, or fewer days" in long["errors"][0]["detail"]
        assert "choose a service, or fewer days" in await get(door, "/rules", status=400, days="30", **URGENT)
        monkeypatch.setattr(rules_page, "PATIENCE", 5.0)
        await get(door, "/api/v1/rules/test", days="30", **URGENT)
        assert not turn.locked()


async def test_a_trial_that_cannot_be_stopped_is_not_waited_for(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    play(store, NOW)
    monkeypatch.setattr(rules_page, "LATE", 0.05)
    monkeypatch.setattr(rules_page, "WAIT", 5.0)
    goes_on = threading.Event()
    tries = rules_page.answer_trial
    monkeypatch.setattr(rules_page, "answer_trial", lambda *given, **more: (goes_on.wait(10), tries(*given, **more))[1])
    async with open_door(store, DASHBOARD="public") as door:
        await get(door, "/api/v1/rules/test", status=400, days="30", **URGENT)
        turn = door.client.app[rules_page.TRYING]
        assert turn.locked(), "the next one waits until this one's thread is done"
        goes_on.set()
        async with asyncio.timeout(10):
            async with turn:
                pass


async def test_commits_outside_of_the_paths_are_looked_at_for_one_service(store: Store, store_url: str, tmp_path: Path) -> None:
    with GitRepo(tmp_path / "shop.git") as repo:
        begin = counting_room.BEGIN // 10**9
        shas = [
            repo.commit(message, files=[file], authored_at=begin - wait, committed_at=begin - wait)
            for message, file, wait in (("first", "shop/a", 300), ("urgent: the words", "docs/b", 200), ("second", "shop/a", 100))
        ]
    seed = Seed()
    seed.definition("shop", patterns=["/shop/**"])
    seed.write(store)
    history_room.Room(store, store_url, repo.path).ingest()
    room = counting_room.Room(store)
    room.tell(deployed("one", 0, version="1", sha=shas[0]), deployed("two", 10, version="2", sha=shas[2]))
    rule = {"id": "urgent", "field": "commit_message", "pattern": "^urgent"}
    async with open_door(store, DASHBOARD="public") as door:
        door.now[0] = counting_room.at(20)
        found = await get(door, "/api/v1/rules/test", service="shop", **rule)
        all_ = await get(door, "/api/v1/rules/test", **rule)
        assert "when one service is chosen" in await get(door, "/rules", **rule)
    (miss,) = found["near_misses"]
    assert (miss["deployment"], miss["reason"], miss["value"], miss["sha"]) == ("two", "path", "urgent: the words", shas[1])
    assert (found["paths_searched"], all_["paths_searched"], all_["nearly"]) == (True, False, 0)
