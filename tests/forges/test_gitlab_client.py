"""The GitLab client against a GitLab that is held against GitLab's own schemas."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.dora.events import PullRequestSeen, RepositoryChanged
from bot.dora.instants import SECOND
from bot.dora.pull_requests import Review
from bot.forges.client import NotAllowedError, NotThereError, RepositoryKey
from bot.standins.faults import Fault, Status
from bot.standins.forge import Change
from bot.standins.gitlab import GitLab
from tests.forges.gitlab_room import ANA, BOB, CAT, NOON, SHOP, asking, key, landed, standing


@pytest.fixture
async def forge(tmp_path: Path) -> AsyncIterator[GitLab]:
    async with standing(tmp_path) as forge:
        yield forge


async def test_a_merge_request_is_told_whole(forge: GitLab) -> None:
    shop = landed(forge)
    async with asking(forge) as client:
        seen = await client.pull_request(key(shop), 1)
    assert seen.complete
    assert seen.updated_at == forge.now * SECOND
    assert (seen.repository.forge, seen.repository.forge_id) == ("gitlab", str(shop.id))
    assert seen.repository.name == f"{forge.url.removeprefix('http://').removesuffix('/gitlab')}/{SHOP}"
    told = seen.pull_request
    assert (told.title, told.body, told.head_ref, told.base_ref, told.labels) == ("A basket", "why", "basket", "main", ("shop",))
    assert (told.author, told.state) == ("ana", "merged")
    assert (told.created_at, told.merged_at) == ((NOON + 60) * SECOND, forge.now * SECOND)
    request = shop.merge_requests[1]
    assert told.merge_sha == bytes.fromhex(request.merge_commit_sha or "")
    assert told.squash_sha is None
    assert told.head_sha == bytes.fromhex(request.head)
    assert told.readiness == (((NOON + 60) * SECOND, False), ((NOON + 120) * SECOND, True))
    bob, cat, back = ((NOON + at) * SECOND for at in (180, 240, 300))
    assert set(told.reviews) == {
        Review(id=f"bob+{bob}", reviewer="bob", approved=True, submitted_at=bob),
        Review(id=f"cat+{cat}", reviewer="cat", approved=True, submitted_at=cat),
        Review(id=f"cat-{back}", reviewer="cat", approved=False, submitted_at=back, dismissed_at=back),
    }


@pytest.mark.parametrize(
    ("how", "lands_by", "what"),
    [
        ("squash", "merge", ("merge_commit_sha", "squash_commit_sha")),
        ("squash", "fast_forward", ("squash_commit_sha", None)),
        ("fast_forward", "merge", ("head", None)),
        ("rebase", "merge", ("head", None)),
    ],
)
async def test_as_what_a_merge_request_landed(forge: GitLab, how: str, lands_by: str, what: tuple[str, str | None]) -> None:
    shop = forge.create_repository(SHOP)
    shop.squash_lands_by = lands_by  # type: ignore[assignment]
    shop.commit("main", {"a": "1"}, message="Begin", author=ANA)
    shop.commit("topic", {"a": "2"}, message="Go on", author=ANA)
    if how == "rebase":
        shop.commit("main", {"b": "1"}, message="Meanwhile", author=BOB)
    number = shop.open("topic", "main", title="Go on", author=ANA)
    shop.merge(number, how, by=BOB)  # type: ignore[arg-type]
    async with asking(forge) as client:
        told = (await client.pull_request(key(shop), number)).pull_request
    request = shop.merge_requests[number]
    wanted = tuple(bytes.fromhex(getattr(request, name)) if name else None for name in what)
    assert (told.merge_sha, told.squash_sha) == wanted
    assert told.head_sha == bytes.fromhex(request.head)


async def test_an_approval_that_fell_to_a_push_ends_there(forge: GitLab) -> None:
    shop = forge.create_repository(SHOP)
    shop.commit("main", {"a": "1"}, message="Begin", author=ANA)
    shop.commit("topic", {"a": "2"}, message="Go on", author=ANA)
    number = shop.open("topic", "main", title="Go on", author=ANA)
    forge.now += 10
    shop.approve(number, by=BOB)
    forge.now += 10
    shop.commit("topic", {"a": "3"}, message="More", author=ANA)
    shop.merge_requests[number].approvals.clear()
    fell = forge.now * SECOND
    async with asking(forge) as client:
        told = (await client.pull_request(key(shop), number)).pull_request
    assert [(review.approved, review.dismissed_at) for review in told.reviews] == [(True, None), (False, fell)]


async def test_nobody_approves_what_is_their_own(forge: GitLab) -> None:
    shop = forge.create_repository(SHOP)
    shop.commit("main", {"a": "1"}, message="Begin", author=ANA)
    shop.commit("topic", {"a": "2"}, message="Go on", author=ANA)
    number = shop.open("topic", "main", title="Go on", author=ANA)
    shop.approve(number, by=ANA)
    async with asking(forge) as client:
        assert (await client.pull_request(key(shop), number)).pull_request.reviews == ()


async def test_pages_lead_from_the_newest_to_the_oldest(forge: GitLab) -> None:
    shop = forge.create_repository(SHOP)
    shop.commit("main", {"a": "1"}, message="Begin", author=ANA)
    for number in range(1, 24):
        forge.now += 10
        shop.commit(f"topic-{number}", {"a": f"{number}"}, message="Go on", author=ANA)
        shop.open(f"topic-{number}", "main", title=f"Topic {number}", author=ANA)
    async with asking(forge) as client:
        first = await client.pull_requests(key(shop), since=None, cursor="")
        second = await client.pull_requests(key(shop), since=None, cursor=first.cursor)
        late = await client.pull_requests(key(shop), since=(forge.now - 15) * SECOND, cursor="")
    assert (len(first.events), first.total, second.cursor) == (20, 23, "")
    seen = [event.pull_request.number for event in (*first.events, *second.events) if isinstance(event, PullRequestSeen)]
    assert seen == list(range(23, 0, -1))
    assert [event.pull_request.number for event in late.events if isinstance(event, PullRequestSeen)] == [23, 22]


async def test_all_repositories_by_keyset(forge: GitLab) -> None:
    made = [forge.create_repository(f"acme/team-{at}/deep/down/shop") for at in range(103)]
    made[5].archive()
    async with asking(forge) as client:
        first = await client.repositories(cursor="")
        second = await client.repositories(cursor=first.cursor)
    events = [event for event in (*first.events, *second.events) if isinstance(event, RepositoryChanged)]
    assert second.cursor == ""
    assert [event.repository.forge_id for event in events] == [str(project.id) for project in made]
    assert [event.state for event in events].count("archived") == 1
    assert events[7].repository.name.endswith("/acme/team-7/deep/down/shop")


async def test_a_renamed_project_is_found_by_its_number(forge: GitLab) -> None:
    shop = landed(forge)
    asked = key(shop, by_number=True)
    shop.rename("acme/platform/store")
    async with asking(forge) as client:
        seen = await client.pull_request(asked, 1)
    assert seen.repository.name.endswith("/acme/platform/store")


async def test_files_and_changed_paths(forge: GitLab) -> None:
    shop = landed(forge)
    async with asking(forge) as client:
        asked = key(shop)
        assert await client.file(asked, "docs/y.md", ref="main") == b"x\n"
        assert await client.file(asked, "docs/x.md", ref="main") is None
        assert await client.file(asked, "docs/x.md", ref="no such branch") is None
        assert set(await client.changed_paths(asked, 1)) == {"app/a.py", "docs/x.md", "docs/y.md"}
        with pytest.raises(NotThereError):
            await client.file(RepositoryKey(path="acme/nothing", forge_id=""), "x", ref="main")


@pytest.mark.parametrize(
    ("scopes", "clones"),
    [(("read_api",), False), (("read_api", "read_repository"), True), (("api",), True), (("write_repository", "read_api"), True)],
)
async def test_the_token_is_for_git_only_if_it_may_clone(forge: GitLab, scopes: tuple[str, ...], clones: bool) -> None:
    shop = landed(forge)
    async with asking(forge, *scopes) as client:
        access = await client.git_access(key(shop))
        assert (access is not None) == clones
        await client.git_access(key(shop))
    assert access is None or access.username == "oauth2"
    assert len([one for one in forge.requests if "personal_access_tokens" in one.path_qs]) == 1


async def test_without_a_word_about_scopes_git_is_tried(forge: GitLab) -> None:
    shop = landed(forge)
    forge.faults.append(Fault(match="personal_access_tokens/self", kind=Status(status=404)))
    async with asking(forge) as client:
        assert await client.git_access(key(shop)) is not None


async def test_the_token_travels_as_bearer(forge: GitLab) -> None:
    shop = landed(forge)
    async with asking(forge) as client:
        await client.pull_request(key(shop), 1)
    assert all(one.headers["authorization"].startswith("Bearer glpat-") for one in forge.requests)
    assert not any("private-token" in one.headers for one in forge.requests)


async def test_what_a_token_may_not_see(forge: GitLab) -> None:
    shop = forge.create_repository(SHOP, private=True)
    shop.commit("main", {"a": "1"}, message="Begin", author=ANA)
    async with asking(forge, "read_repository") as client:
        with pytest.raises(NotAllowedError, match="api read_api"):
            await client.pull_requests(key(shop), since=None, cursor="")
    async with asking(forge, levels={shop.id: 0}) as client:
        with pytest.raises(NotThereError):
            await client.pull_requests(key(shop), since=None, cursor="")
    async with asking(forge, token="glpat-never-issued-0000") as client:
        with pytest.raises(NotAllowedError, match="GITLAB_TOKEN") as refused:
            await client.repositories(cursor="")
    assert "glpat" not in f"{refused.value}{refused.value!r}"


async def test_commits_as_git_tells_them(forge: GitLab) -> None:
    shop = forge.create_repository(SHOP)
    said = "\n  A subject \non two lines\t\n\n\n  the body\n\nand more \n"
    sha = shop.commit("main", {"app/a.py": "1\n"}, message=said, author=CAT)
    moved = shop.push("main", Change(files={"app/a.py": None, "lib/a.py": "1\n"}, message="Move", author=CAT))[0]
    async with asking(forge) as client:
        page = await client.history.commits(key(shop), bytes.fromhex(moved), page=1)
        paths = await client.history.paths(key(shop), bytes.fromhex(moved))
        refs = await client.history.refs(key(shop))
        here = await client.history.ref(key(shop), "refs/heads/main")
        gone = await client.history.ref(key(shop), "refs/heads/gone")
    assert [commit.sha.hex() for commit in page.commits] == [moved, sha]
    assert page.commits[0].parents == (bytes.fromhex(sha),)
    assert set(paths.paths) == {b"app/a.py", b"lib/a.py"}
    assert [ref.name for ref in refs] == ["refs/heads/main"]
    assert here == refs[0]
    assert gone is None
