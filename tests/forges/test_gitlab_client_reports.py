"""What the bot says under a merge request: one status, at most one note, edited in place."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.forges.client import Annotation, NotAllowedError, Report, RepositoryKey
from bot.forges.gitlab.reporting import MARK
from bot.standins.gitlab import GitLab, Project
from tests.forges.gitlab_room import ANA, SHOP, asking, key, standing


@pytest.fixture
async def forge(tmp_path: Path) -> AsyncIterator[GitLab]:
    async with standing(tmp_path) as forge:
        yield forge


@pytest.fixture
def shop(forge: GitLab) -> Project:
    shop = forge.create_repository(SHOP)
    shop.commit("main", {"a": "1"}, message="Begin", author=ANA)
    shop.commit("topic", {"a": "2"}, message="Go on", author=ANA)
    shop.open("topic", "main", title="Go on", author=ANA)
    return shop


def report(shop: Project, conclusion: str = "success", *findings: str) -> Report:
    return Report(
        number=1, head_sha=shop.merge_requests[1].head, conclusion=conclusion, title="Touches cart", summary="**cart**",
        annotations=tuple(Annotation(path="a.yaml", line=3, level="failure", message=text) for text in findings),
        details_url="https://bot.example.com/x",
    )  # fmt: skip


def notes(shop: Project) -> list[str]:
    return [note.body for note in shop.merge_requests[1].notes if not note.system]


async def test_a_quiet_status(forge: GitLab, shop: Project) -> None:
    asked = key(shop)
    async with asking(forge, "api") as client:
        remote = await client.report(asked, report(shop, "neutral"), remote="")
        assert await client.report(asked, report(shop, "neutral"), remote=remote) == remote
    [status] = [one for one in shop.statuses if not one.retried]
    assert (status.name, status.status, status.description, status.target_url) == (
        "Rollforward", "success", "Touches cart", "https://bot.example.com/x",
    )  # fmt: skip
    assert notes(shop) == []


async def test_one_note_edited_in_place(forge: GitLab, shop: Project) -> None:
    asked = key(shop)
    async with asking(forge, "api") as client:
        remote = await client.report(asked, report(shop, "failure", "bad @ana [x](y)", "worse"), remote="")
        [said] = notes(shop)
        assert said.startswith(MARK)
        assert "`a.yaml:3`" in said
        assert "@ana" not in said
        assert "[x](y)" not in said
        assert await client.report(asked, report(shop, "failure", "still bad"), remote=remote) == remote
        [said] = notes(shop)
        assert "still bad" in said
        # The outbox forgot what it knew: the mark finds it.
        assert await client.report(asked, report(shop), remote="") == remote
        [said] = notes(shop)
        assert "bad" not in said
        shop.merge_requests[1].notes.clear()
        await client.report(asked, report(shop, "failure", "again"), remote=remote)
        assert len(notes(shop)) == 1
        assert len([one for one in shop.statuses if not one.retried]) == 1


@pytest.mark.parametrize("scopes", [("read_api",), ("read_api", "write_repository")])
async def test_a_token_that_may_only_read(forge: GitLab, shop: Project, scopes: tuple[str, ...]) -> None:
    async with asking(forge, *scopes) as client:
        with pytest.raises(NotAllowedError, match="scope api"):
            await client.report(key(shop), report(shop), remote="")


async def test_a_reporter_may_not_write(forge: GitLab, shop: Project) -> None:
    async with asking(forge, "api", level=20) as client:
        with pytest.raises(NotAllowedError, match="Developer"):
            await client.report(RepositoryKey(path="", forge_id=str(shop.id)), report(shop), remote="not JSON")
