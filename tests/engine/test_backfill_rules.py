"""`rollforward backfill --from-…`: what it says, what it turns on, that it stands, and that it can be taken back."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bot.cli.main import main
from bot.facts.sources import load_selection
from bot.store import Store
from tests.pipeline.inference_room import define, deployments, hear, ingest, release, status
from tests.pipeline.naming_room import Room
from tests.support.gitrepo import GitRepo

TAGS = ("--from-tags", "v*")


@pytest.fixture
def room(store: Store, store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    """A repository with two tags, two releases and a deployment at GitHub."""
    (tmp_path / "none").mkdir()
    for name, value in (("DATABASE_URL", store_url), ("DATA_DIR", str(tmp_path)), ("SERVICE_DEFINITIONS", str(tmp_path / "none"))):
        monkeypatch.setenv(name, value)
    room = Room(store, tmp_path)
    hear(
        release(201, "published", number=1, tag="v1"), release(202, "prereleased", number=2, tag="v2", prerelease=True),
        status(50, "success"), status(60, "success", number=2, env="staging"), status(70, "failure", number=3),
    )(room)
    room.work()
    with GitRepo(tmp_path / "shop") as repo:
        for tag in ("v1", "v2", "nightly"):
            repo.tag(tag, repo.commit())
    ingest(repo)(room)
    room.work()
    return room


def run(*arguments: str, status: int = 0) -> str:
    """What the command says: its answer, or why it refuses."""
    done = CliRunner().invoke(main, ["backfill", *arguments])
    assert done.exit_code == status, done.output
    return done.output


def told(*arguments: str) -> dict[str, Any]:
    """The answer as JSON."""
    text = run(*arguments, "--json")
    found: dict[str, Any] = json.loads(text[text.index("{") :])
    return found


def _on(store: Store) -> dict[str, int | None]:
    selection = store.read(lambda reader: load_selection(reader, "deployments"))
    return {name: switch.selected_from for name, switch in selection.switches.items() if switch.on}


@pytest.mark.parametrize(
    ("asked", "kind", "source", "shown"),
    [
        (("--from-tags", "v*"), "tags", "tags", [("Till", "", "v1"), ("Till", "", "v2")]),
        (("--from-releases", "--env", "Prod"), "releases", "tags", [("Till", "Prod", "v1"), ("Till", "Prod", "v2")]),
        (("--from-releases", "--no-prereleases"), "releases", "tags", [("Till", "", "v1")]),
        (("--from-forge-deployments",), "forge_deployments", "github", [("Till", "production", ""), ("Till", "staging", "")]),
        (("--from-forge-deployments", "--env", "PRODUCTION"), "forge_deployments", "github", [("Till", "production", "")]),
        (("--from-releases", "--since", "2026-09-22"), "releases", "tags", []),
    ],
)
def test_each_kind_turns_its_source_on_and_stands(
    room: Room, asked: tuple[str, ...], kind: str, source: str, shown: list[tuple[str, str, str]]
) -> None:
    if not shown:
        assert "no release of github.com/acme/shop was published since then (2 releases known)" in run(*asked, "--service", "Till", status=1)
        assert _on(room.store) == {}
        return
    said = told(*asked, "--service", " Till ")
    assert ("github could not be asked" in said.pop("told_by", "")) is (kind != "tags")
    assert said == {
        "repository": "github.com/acme/shop", "source": source, "services": ["Till"], kind: len(shown),
        "deployments": len(shown), "new": len(shown),
    }  # fmt: skip
    assert sorted(one[:3] for one in deployments(room.store)) == shown
    assert _on(room.store) == {source: 0}
    assert told(*asked, "--service", "till")["new"] == 0
    assert f"The source '{source}' counts retroactively" in run(*asked, "--service", "till")
    gone = [part for part in asked if part != "--no-prereleases"]
    assert "not taken for deployments by that any more" in run(*gone, "--service", "till", "--forget")
    assert deployments(room.store) == []
    assert "nobody asked for that" in run(*gone, "--service", "till", "--forget", status=1)


def test_tags_that_come_later_count_too(room: Room, tmp_path: Path) -> None:
    run(*TAGS, "--service", "shop")
    with GitRepo(tmp_path / "more") as repo:
        repo.tag("v3", repo.commit())
    ingest(repo)(room)
    room.work()
    assert sorted(one.version for one in deployments(room.store)) == ["v1", "v2", "v3"]


def test_services_come_from_the_definitions_and_may_come_later(room: Room) -> None:
    for asked in (TAGS, ("--from-releases",), ("--from-forge-deployments",)):
        assert "name the service with --service" in run(*asked, status=1)
    define("Shop")(room)
    room.work()
    assert [one.env for one in deployments(room.store)] == ["production", "staging"]
    (folder := Path(room.worker.settings.data_dir) / "none" / "shop.yaml").write_text(
        "schema-version: v2.2\ndd-service: Shop\nlinks: [{name: Source, type: repo, url: 'https://github.com/acme/shop'}]\n"
    )
    said = told("--from-forge-deployments")
    assert (said["services"], said["forge_deployments"], said["new"]) == (["Shop"], 2, 0)
    run(*TAGS)
    assert len(deployments(room.store)) == 4
    folder.unlink()
    run(*TAGS, status=1)
    assert deployments(room.store) == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ((), "say what to bring in"),
        ((*TAGS, "--from-releases"), "say what to bring in"),
        ((*TAGS, "--no-prereleases"), "--no-prereleases belongs to --from-releases"),
        (("--from-forge-deployments", "--env", "prod"), "need --service"),
        (("--pull-requests", "--forget"), "not forgotten"),
    ],
)
def test_what_makes_no_sense_is_a_wrong_use(room: Room, asked: tuple[str, ...], said: str) -> None:
    assert said in run(*asked, status=2)


def test_nothing_to_bring_in_is_refused_and_changes_nothing(room: Room) -> None:
    assert "no tag of github.com/acme/shop matches 'w*' (3 tags known)" in run("--from-tags", "w*", "--service", "s", status=1)
    assert "no such repository" in run(*TAGS, "--repo", "acme/nothing", status=1)
    room.know("github.com/acme/other", Path("/nowhere"))
    assert "several repositories" in run(*TAGS, "--service", "s", status=1)
    assert (deployments(room.store), _on(room.store)) == ([], {})
    assert told(*TAGS, "--service", "s", "--repo", "acme/shop")["deployments"] == 2
