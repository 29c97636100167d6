"""What GitHub's API says becomes the same facts as its webhooks do; against a fake GitHub."""

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.dora.events import InstallationChanged, PullRequestSeen, RepositoryChanged
from bot.dora.instants import SECOND
from bot.dora.pull_request_records import PullRequestRecord, merged_record
from bot.forges.client import Annotation, ForgeUnavailableError, NotAllowedError, NotThereError, Report, RepositoryKey
from bot.forges.github import client as client_module
from bot.forges.github.payloads import parse_github
from bot.standins.faults import Fault, Status
from bot.standins.forge import QueuedDelivery
from bot.standins.github.repo import GitHubRepo
from tests.forges.github_room import ANN, BOB, START, WITH_CHECKS, Room, all_pages, events_of, open_room


def opened(room: Room, repository: GitHubRepo, name: str = "topic", *, draft: bool = False) -> int:
    """A pull request with one commit, a minute later."""
    room.forge.now += 60
    repository.create_branch(name, repository.git.head("main"), by=ANN)
    repository.commit(name, {f"{name}.py": name}, message=name, author=ANN)
    return repository.open(name, "main", title=name, author=ANN, draft=draft)


async def listed(room: Room, repository: GitHubRepo, *, since: int | None = None) -> list[PullRequestSeen]:
    pages = await all_pages(lambda cursor: room.client.pull_requests(room.key(repository), since=since, cursor=cursor))
    return events_of(pages, PullRequestSeen)


# Installations and repositories ---------------------------------------------------------------------------------------


async def test_repositories_come_with_the_installations_that_read_them(tmp_path: Path) -> None:
    async with open_room(tmp_path, base="/api/v3") as room:
        shop, cart = room.repository(), room.repository("acme/cart")
        cart.archive()
        room.installed(shop, cart)
        pages = await all_pages(lambda cursor: room.client.repositories(cursor=cursor))
        (installation,) = events_of(pages, InstallationChanged)
        assert (installation.account, installation.state) == ("acme", "active")
        assert dict(installation.permissions or ()) == WITH_CHECKS
        found = {event.repository.name.rpartition("/")[2]: event for event in events_of(pages, RepositoryChanged)}
        assert {name: event.state for name, event in found.items()} == {"shop": "active", "cart": "archived"}
        assert found["shop"].repository.forge_id == str(shop.id)
        assert found["shop"].repository.installation_id == installation.id
        assert pages[-1].total == 2
        assert "token" not in found["shop"].repository.remote


async def test_many_repositories_of_many_installations_are_listed_page_by_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "PER_PAGE", 2)
    async with open_room(tmp_path) as room:
        for owner in ("acme", "globex", "initech"):
            room.forge.install(owner, [room.repository(f"{owner}/r{number}") for number in range(3)])
        pages = await all_pages(lambda cursor: room.client.repositories(cursor=cursor))
        names = [event.repository.name.partition("/")[2] for event in events_of(pages, RepositoryChanged)]
        assert sorted(names) == sorted(f"{owner}/r{n}" for owner in ("acme", "globex", "initech") for n in range(3))
        assert len(events_of(pages, InstallationChanged)) == 3
        assert len(pages) == 2 + 3 * 2


async def test_a_suspended_installation_is_told_and_one_removed_meanwhile_hides_no_other(tmp_path: Path) -> None:
    async with open_room(tmp_path) as room:
        suspended = room.forge.install("hooli", [room.repository("hooli/x")])
        room.forge.now += 5
        room.forge.apps.suspend(suspended)
        removed = room.forge.install("globex", [room.repository("globex/x")])
        room.installed(room.repository())
        first = await room.client.repositories(cursor="")
        room.forge.apps.uninstall(removed)
        told = {event.account: event for event in events_of([first], InstallationChanged)}
        assert told["hooli"].state == "suspended"
        assert told["hooli"].at == (START + 5) * SECOND
        second = await room.client.repositories(cursor=first.cursor)
        third = await room.client.repositories(cursor=second.cursor)
        names = [event.repository.name.partition("/")[2] for event in events_of([second, third], RepositoryChanged)]
        assert names == ["acme/shop"]


async def test_what_is_asked_for_git_is_narrow_and_asked_once(tmp_path: Path) -> None:
    async with open_room(tmp_path) as room:
        shop = room.repository()
        room.installed(shop)
        access = await room.client.git_access(room.key(shop))
        again = await room.client.git_access(room.key(shop))
        assert access is not None and again is not None
        assert (access.username, access.token) == ("x-access-token", again.token)
        assert dict(room.forge.access.tokens[access.token].permissions) == {"contents": "read", "metadata": "read"}
        assert len(room.asked("access_tokens")) == 1
        assert access.token not in repr(access)
        room.late[0] += 51 * 60
        later = await room.client.git_access(room.key(shop))
        assert later is not None and later.token != access.token


async def test_an_installation_is_found_by_the_repository(tmp_path: Path) -> None:
    async with open_room(tmp_path) as room:
        shop, other = room.repository(), room.repository("globex/other")
        installed = room.installed(shop)
        told = Status(status=200, body=json.dumps({"id": installed.id}))
        room.forge.faults.append(Fault(match=r"^GET /repos/acme/shop/installation$", kind=told))
        unknown = RepositoryKey(path=shop.path, forge_id=str(shop.id))
        assert await room.client.git_access(unknown) is not None
        assert await room.client.file(unknown, "README.md", ref="main") == b"hello"
        assert len(room.asked("shop/installation")) == 1
        assert await room.client.git_access(RepositoryKey(path=other.path, forge_id=str(other.id))) is None


async def test_without_an_app_git_asks_for_nothing_and_the_rest_says_what_to_do(tmp_path: Path) -> None:
    async with open_room(tmp_path, app=lambda _: None) as room:
        key = RepositoryKey(path="acme/shop", forge_id="1", installation_id="1")
        assert await room.client.git_access(key) is None
        with pytest.raises(NotAllowedError, match="/setup"):
            await room.client.repositories(cursor="")
        assert room.forge.requests == []


# Pull requests --------------------------------------------------------------------------------------------------------


async def test_a_pull_request_comes_whole(tmp_path: Path) -> None:
    async with open_room(tmp_path) as room:
        shop = room.repository()
        room.installed(shop)
        number = opened(room, shop, draft=True)
        room.forge.now += 60
        shop.set_draft(number, False, by=ANN)
        room.forge.now += 60
        first = shop.approve(number, by=BOB)
        room.forge.now += 60
        shop.dismiss(number, first, by=ANN)
        room.forge.now += 60
        shop.approve(number, by=BOB)
        room.forge.now += 60
        sha = shop.merge(number, "squash", by=ANN)
        (seen,) = await listed(room, shop)
        told = seen.pull_request
        minute = [(START + 60 * n) * SECOND for n in range(8)]
        assert (told.state, told.merged_at, told.merge_sha) == ("merged", minute[6], bytes.fromhex(sha))
        assert told.readiness == ((minute[1], False), (minute[2], True))
        reviews = [(one.reviewer, one.approved, one.submitted_at, one.dismissed_at) for one in told.reviews]
        assert reviews == [("bob", True, minute[3], minute[4]), ("bob", True, minute[5], None)]
        assert await room.client.pull_request(room.key(shop), number) == seen
        assert seen.repository.installation_id == room.key(shop).installation_id
        assert await room.client.changed_paths(room.key(shop), number) == ("topic.py",)


async def test_a_merge_commit_of_what_was_closed_without_a_merge_is_not_believed(tmp_path: Path) -> None:
    async with open_room(tmp_path) as room:
        shop = room.repository()
        room.installed(shop)
        number = opened(room, shop)
        shop.close(number, by=ANN)
        (seen,) = await listed(room, shop)
        assert shop.pull(number).merge_sha
        assert (seen.pull_request.state, seen.pull_request.merge_sha) == ("closed", None)
        assert room.asked("/reviews") == [], "what was closed unmerged counts nowhere: its history is not asked for"


async def test_only_what_changed_since_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "PULL_REQUESTS_PER_PAGE", 2)
    async with open_room(tmp_path) as room:
        shop = room.repository()
        room.installed(shop)
        numbers = [opened(room, shop, f"topic-{n}") for n in range(7)]
        since = (START + 5 * 60) * SECOND
        found = {seen.pull_request.number for seen in await listed(room, shop, since=since)}
        assert found == set(numbers[4:])
        assert len(room.asked("/pulls?")) == 2 + 1, "two pages of news, and one look whether there is more"


async def test_nothing_is_lost_when_pull_requests_change_while_they_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Number 1 lies on the last page and moves to the front once the first page was read."""
    monkeypatch.setattr(client_module, "PULL_REQUESTS_PER_PAGE", 2)
    async with open_room(tmp_path) as room:
        shop = room.repository()
        room.installed(shop)
        numbers = [opened(room, shop, f"topic-{n}") for n in range(5)]
        pages = [await room.client.pull_requests(room.key(shop), since=None, cursor="")]
        room.forge.now += 60
        shop.label(numbers[0], "late", by=BOB)
        while pages[-1].cursor:
            pages.append(await room.client.pull_requests(room.key(shop), since=None, cursor=pages[-1].cursor))
        found = {seen.pull_request.number: seen.pull_request for seen in events_of(pages, PullRequestSeen)}
        assert found.keys() == set(numbers)
        assert found[numbers[0]].labels == ("late",)
        assert pages[0].total == 6, "three pages of two"


async def test_a_renamed_repository_is_followed_and_a_stranger_of_its_name_refused(tmp_path: Path) -> None:
    async with open_room(tmp_path) as room:
        shop = room.repository()
        room.installed()
        opened(room, shop)
        old = room.key(shop)
        shop.rename("acme/store")
        (seen,) = events_of([await room.client.pull_requests(old, since=None, cursor="")], PullRequestSeen)
        assert seen.repository.name.endswith("/acme/store")
        assert len(room.asked(f"/repositories/{shop.id}/pulls?")) == 1
        stranger = room.repository("acme/shop")
        opened(room, stranger)
        with pytest.raises(NotThereError, match="another repository"):
            await room.client.pull_requests(old, since=None, cursor="")


async def test_a_missing_right_is_named_and_takes_away_only_what_needs_it(tmp_path: Path) -> None:
    async with open_room(tmp_path) as room:
        shop = room.repository()
        room.installed(shop, permissions={"contents": "read", "metadata": "read"})
        assert await room.client.git_access(room.key(shop)) is not None
        assert await room.client.file(room.key(shop), "README.md", ref="main") == b"hello"
        with pytest.raises(NotAllowedError, match="pull_requests: read"):
            await room.client.pull_requests(room.key(shop), since=None, cursor="")
        with pytest.raises(NotAllowedError, match="checks: write"):
            await room.client.report(room.key(shop), report(shop, 1), remote="")


async def test_files_that_are_not_there_are_none(tmp_path: Path) -> None:
    async with open_room(tmp_path) as room:
        shop = room.repository()
        room.installed(shop)
        shop.commit("main", {"a b/ü#.txt": "x" * 5_000}, message="Odd names", author=ANN)
        assert await room.client.file(room.key(shop), "a b/ü#.txt", ref="main") == b"x" * 5_000
        assert await room.client.file(room.key(shop), "a b/other", ref="main") is None
        assert await room.client.file(room.key(shop), "README.md", ref="no-such-branch") is None


# The same facts as webhooks -------------------------------------------------------------------------------------------


def webhook(queued: QueuedDelivery) -> list[PullRequestSeen]:
    event = parse_github(queued.event, json.dumps(queued.payload).encode())
    return [event] if isinstance(event, PullRequestSeen) else []


def believed(sightings: list[PullRequestSeen]) -> PullRequestRecord:
    record: PullRequestRecord | None = None
    for seen in sightings:
        record = merged_record(record, seen)
    assert record is not None
    return record


async def history_of_a_pull_request(root: Path) -> tuple[list[PullRequestSeen], list[PullRequestSeen]]:
    """What the webhooks said of one pull request, and what the API said of it each time when asked."""
    async with open_room(root) as room:
        shop = room.repository()
        room.installed(shop)
        asked: list[PullRequestSeen] = []
        number = opened(room, shop, draft=True)
        approvals: list[int] = []
        for act in (
            lambda: shop.label(number, "a", "b", by=BOB),
            lambda: shop.set_draft(number, False, by=ANN),
            lambda: shop.retitle(number, "better", by=ANN),
            lambda: shop.commit("topic", {"more.py": "1"}, message="More", author=ANN),
            lambda: approvals.append(shop.approve(number, by=BOB)),
            lambda: shop.dismiss(number, approvals[0], by=ANN),
            lambda: shop.set_draft(number, True, by=ANN),
            lambda: shop.close(number, by=ANN),
            lambda: shop.reopen(number, by=ANN),
            lambda: shop.set_draft(number, False, by=ANN),
            lambda: shop.approve(number, by=BOB),
            lambda: shop.merge(number, "merge", by=BOB),
            lambda: shop.label(number, "after", by=BOB),
        ):
            asked.append(await room.client.pull_request(room.key(shop), number))
            room.forge.now += 60
            act()
        asked.append(await room.client.pull_request(room.key(shop), number))
        told = [seen for queued in room.forge.queue for seen in webhook(queued)]
        return told, asked


@pytest.fixture(scope="module")
def histories(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[PullRequestSeen], list[PullRequestSeen]]:
    """The history, played once."""
    return asyncio.run(history_of_a_pull_request(tmp_path_factory.mktemp("forge")))


def test_the_api_alone_says_what_all_webhooks_said(
    histories: tuple[list[PullRequestSeen], list[PullRequestSeen]],
) -> None:
    told, asked = histories
    alone, followed = believed(asked[-1:]).pull_request, believed(told).pull_request
    assert alone == followed


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_api_and_webhooks_meet_in_the_same_record_in_any_order(
    histories: tuple[list[PullRequestSeen], list[PullRequestSeen]], data: st.DataObject
) -> None:
    """Any of the webhooks lost or doubled, the API asked at any moments and at last: the end is the same."""
    told, asked = histories
    chosen = data.draw(st.lists(st.sampled_from(told + asked), max_size=25))
    order = data.draw(st.permutations([*chosen, asked[-1]]))
    end = believed([*told, *asked])
    assert believed(list(order)).pull_request == end.pull_request


async def test_what_the_api_says_outlives_the_event_of_the_same_second(tmp_path: Path) -> None:
    """Of two changes in one second the webhook of the second is lost."""
    async with open_room(tmp_path) as room:
        shop = room.repository()
        room.installed(shop)
        number = opened(room, shop)
        room.forge.now += 60
        shop.retitle(number, "zzz", by=ANN)
        (first,) = webhook(room.forge.queue[-1])
        shop.retitle(number, "last", by=ANN)
        asked = await room.client.pull_request(room.key(shop), number)
        for order in ([first, asked], [asked, first]):
            assert believed(order).pull_request.title == "last"


# Webhooks' log --------------------------------------------------------------------------------------------------------


async def test_the_log_gives_back_what_was_never_delivered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "PER_PAGE", 3)
    async with open_room(tmp_path) as room:
        shop = room.repository()
        room.installed(shop)
        number = opened(room, shop)
        await room.forge.deliver()
        (hook,) = await room.client.hooks()
        assert (hook.id, hook.state) == ("app", "active")
        entries, cursor = [], ""
        while not entries or cursor:
            page = await room.client.log(hook.id, cursor=cursor)
            entries += page.entries
            cursor = page.cursor
        assert len(entries) == len(room.forge.attempts) > 3
        assert [entry.delivered_at for entry in entries] == sorted((one.delivered_at for one in entries), reverse=True)
        assert not any(entry.succeeded for entry in entries), "nobody listens there"
        entry = next(one for one in entries if one.event == "pull_request")
        logged = await room.client.logged(hook.id, entry)
        headers = dict(logged.headers)
        assert (headers["x-github-delivery"], headers["x-github-event"]) == (entry.key, "pull_request")
        assert "x-hub-signature-256" not in headers, "only headers that are stored"
        seen = parse_github(logged.event, logged.body, headers["content-type"])
        assert isinstance(seen, PullRequestSeen) and seen.pull_request.number == number
        await room.client.redeliver(hook.id, entry.id)
        await room.forge.deliver()
        again = (await room.client.log(hook.id, cursor="")).entries[0]
        assert again.key == entry.key and again.id != entry.id


async def test_only_numbers_name_deliveries(tmp_path: Path) -> None:
    async with open_room(tmp_path) as room:
        with pytest.raises(NotThereError):
            await room.client.redeliver("app", "1/../../installations/1")
        with pytest.raises(NotThereError):
            await room.client.log("repos/acme/shop/hooks/1", cursor="")
        assert room.forge.requests == []


# Reports --------------------------------------------------------------------------------------------------------------


def report(repository: GitHubRepo, number: int, *, annotations: int = 0, title: str = "2 findings", summary: str = "…") -> Report:
    return Report(
        number=number,
        head_sha=repository.git.head("main") or "",
        conclusion="neutral",
        title=title,
        summary=summary,
        annotations=tuple(
            Annotation(path="service.datadog.yaml", line=n + 1, level="warning", message=f"finding {n}")
            for n in range(annotations)
        ),
    )


async def test_a_report_is_one_check_run_edited_in_place(tmp_path: Path) -> None:
    async with open_room(tmp_path) as room:
        shop = room.repository()
        room.installed(shop)
        remote = await room.client.report(room.key(shop), report(shop, 1), remote="")
        remote = await room.client.report(room.key(shop), report(shop, 1, title="none left"), remote=remote)
        (run,) = shop.state.checks.values()
        assert (run.name, run.conclusion, run.output["title"]) == ("Rollforward", "neutral", "none left")
        assert json.loads(remote)["check_run"] == run.id
        await room.client.report(room.key(shop), report(shop, 2), remote="")
        assert len(shop.state.checks) == 2, "another pull request with the same head has its own"


async def test_many_findings_take_several_calls_and_a_report_said_twice_says_nothing_twice(tmp_path: Path) -> None:
    async with open_room(tmp_path) as room:
        shop = room.repository()
        room.installed(shop)
        said = report(shop, 1, annotations=120)
        for _ in range(2):
            await room.client.report(room.key(shop), said, remote="")
            (run,) = shop.state.checks.values()
            assert [one["message"] for one in run.annotations] == [f"finding {n}" for n in range(120)]
        assert len(room.asked("PATCH")) == 2


async def test_an_interrupted_report_goes_on_where_it_stopped(tmp_path: Path) -> None:
    async with open_room(tmp_path) as room:
        shop = room.repository()
        room.installed(shop)
        said = report(shop, 1, annotations=120)
        room.forge.faults.append(Fault(match="^PATCH", kind=Status(status=500), times=1))
        with pytest.raises(ForgeUnavailableError):
            await room.client.report(room.key(shop), said, remote="")
        await room.client.report(room.key(shop), said, remote="")
        (run,) = shop.state.checks.values()
        assert [one["message"] for one in run.annotations] == [f"finding {n}" for n in range(120)]


async def test_findings_that_changed_are_said_anew_as_annotations_cannot_be_taken_back(tmp_path: Path) -> None:
    async with open_room(tmp_path) as room:
        shop = room.repository()
        room.installed(shop)
        await room.client.report(room.key(shop), report(shop, 1, annotations=2), remote="")
        await room.client.report(room.key(shop), report(shop, 1, annotations=1), remote="")
        newest = max(shop.state.checks.values(), key=lambda run: run.id)
        assert len(newest.annotations) == 1
        assert len(shop.state.checks) == 2


async def test_a_long_report_is_cut_to_what_github_takes(tmp_path: Path) -> None:
    async with open_room(tmp_path) as room:
        shop = room.repository()
        room.installed(shop)
        await room.client.report(room.key(shop), report(shop, 1, title="ä" * 300, summary="é" * 70_000), remote="")
        (run,) = shop.state.checks.values()
        assert len(str(run.output["summary"]).encode()) <= 65_535
        assert len(str(run.output["title"])) == 255
