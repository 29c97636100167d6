"""The bot in the pull request, on both forges: mistakes in a definition, what is touched, a rollforward; a merge puts it in force."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bot.facts.switches import set_reports
from bot.standins.forge import Forge
from bot.standins.github import GitHub
from bot.standins.gitlab import Project
from bot.store.opening import open_store
from tests.e2e.forge_story import ALICE, BOB
from tests.e2e.forges import GITLAB_SECRET, github_settings, gitlab_settings, new_github, new_gitlab, rested
from tests.support.server import Served, served

FILE = "service.datadog.yaml"
CHECKS = {"contents": "read", "pull_requests": "read", "metadata": "read", "checks": "write"}


def definition(*patterns: str, more: str = "") -> str:
    return (
        "schema-version: v2.2\ndd-service: Shop\n" + more
        + f"extensions: {{datadoghq.com/dora-metrics: {{source_patterns: [{', '.join(patterns)}]}}}}\n"
    )  # fmt: skip


@contextmanager
def speaking(folder: Path, forge: str) -> Iterator[Served]:
    """A server, not started, that may speak in pull requests."""
    url = f"sqlite:///{folder}/store.db"
    store = open_store(url)
    store.migrate()
    store.write(lambda writer: set_reports(writer, forge, on=True))
    store.close()
    with served(url, folder, start=False) as server:
        yield server


async def test_on_github_it_is_a_check_run(tmp_path: Path) -> None:
    forge = new_github(tmp_path)
    await forge.start()
    with speaking(tmp_path, "github") as server:
        forge.create_app(hook_url=f"http://127.0.0.1:{server.port}/webhooks/github", permissions=CHECKS)
        server.settings = github_settings(forge) | {"BASE_URL": "https://dora.example"}
        repo = forge.create_repository("acme/shop", private=True)
        forge.install("acme", [repo])
        said = await played(forge, repo, server, f"github.com/{repo.path}", check_runs)
    await forge.stop()
    assert [len(told) for told in said] == [1, 1, 1], "one for each head, edited in place"
    broken, mended, reverting = (told[0] for told in said)
    assert (broken["conclusion"], broken["title"]) == ("failure", "1 error in the definitions; touches Shop")
    assert [(one["path"], one["start_line"], one["annotation_level"]) for one in broken["annotations"]] == [(FILE, 3, "failure")]
    assert "did you mean team?" in broken["annotations"][0]["message"]
    assert broken["url"] == "https://dora.example/definitions"
    assert (mended["conclusion"], mended["title"]) == ("success", "The definitions are valid; touches Shop")
    assert mended["annotations"] == []
    assert (reverting["conclusion"], reverting["title"]) == ("neutral", "Rollforward of pull request 1; touches Shop")
    assert "Rule `revert-number` saw `Reverts acme/shop#1` in the description." in reverting["summary"]
    assert "[`Shop`](https://dora.example/services/shop): 1 file" in reverting["summary"]


async def test_on_gitlab_it_is_a_status_and_one_note(tmp_path: Path) -> None:
    forge = new_gitlab(tmp_path, root="/gitlab")
    await forge.start()
    with speaking(tmp_path, "gitlab") as server:
        server.settings = gitlab_settings(forge, "api", "read_repository") | {"BASE_URL": "https://dora.example"}
        repo = forge.create_repository("acme/tools/shop", private=True)
        forge.add_hook(repo, f"http://127.0.0.1:{server.port}/webhooks/gitlab", token=GITLAB_SECRET)
        said = await played(forge, repo, server, f"{urlsplit(forge.url).netloc}/{repo.path}", statuses_and_notes)
    await forge.stop()
    broken, mended, reverting = said
    assert (broken[0]["state"], broken[0]["title"]) == ("failed", "1 error in the definitions; touches Shop")
    assert [len(told[0]["notes"]) for told in said] == [1, 1, 0], "a note only where there is something to read"
    assert f"`{FILE}:3`" in broken[0]["notes"][0]
    assert (mended[0]["state"], mended[0]["title"]) == ("success", "The definitions are valid; touches Shop")
    assert broken[0]["numbers"] == mended[0]["numbers"], "edited in place"
    assert "No mistake found" in mended[0]["notes"][0]
    assert (reverting[0]["state"], reverting[0]["title"]) == ("success", "Rollforward of merge request 1; touches Shop")


async def played(forge: Forge, repo: Any, server: Served, name: str, told: Any) -> list[list[dict[str, Any]]]:
    """A definition is edited badly, mended and merged; then somebody takes it back."""
    repo.commit("main", {FILE: definition("services/**"), "services/a.py": "a\n", "web/a.js": "a\n"}, message="Begin", author=BOB)
    await asyncio.to_thread(server.start)
    await forge.deliver()
    await rested(server)
    assert in_force(server) == (f"{name}@{FILE}:2", ["services/**"])
    said = []

    async def settled(number: int) -> None:
        await forge.deliver()
        await rested(server)
        said.append(told(repo, number))

    repo.create_branch("edit", repo.git.head("main"), by=ALICE)
    repo.commit("edit", {FILE: definition("services/**", "web/**", more="teem: x\n"), "services/b.py": "b\n"}, message="Edit", author=ALICE)
    number = repo.open("edit", "main", title="Edit the definition", author=ALICE)
    await settled(number)
    repo.commit("edit", {FILE: definition("services/**", "web/**")}, message="Mend", author=ALICE)
    await settled(number)
    assert in_force(server)[1] == ["services/**"], "not before the merge"
    repo.merge(number, "merge", by=BOB)
    await forge.deliver()
    await rested(server)
    assert in_force(server)[1] == ["services/**", "web/**"]
    forge.now += 600
    repo.create_branch("back", repo.git.head("main"), by=ALICE)
    repo.commit("back", {"web/b.js": "b\n"}, message="Take it back", author=ALICE)
    body = "Reverts acme/shop#1" if isinstance(forge, GitHub) else ""
    await settled(repo.open("back", "main", title='Revert "Edit the definition"', body=body, author=ALICE))
    await asyncio.to_thread(server.stop)
    return said


def in_force(server: Served) -> tuple[str, list[str]]:
    found = server.get("/api/v1/services/shop")["definition"]
    return found["location"], found["source_patterns"]


def check_runs(repo: Any, number: int) -> list[dict[str, Any]]:
    head = repo.state.pulls[number].head_sha
    return [
        {"conclusion": run.conclusion, "annotations": list(run.annotations), "url": run.details_url, **run.output}
        for run in repo.state.checks.values()
        if run.head_sha == head
    ]


def statuses_and_notes(project: Project, number: int) -> list[dict[str, Any]]:
    notes = [note for note in project.merge_requests[number].notes if not note.system]
    head = project.git.head(project.merge_requests[number].source)
    return [
        {"state": one.status, "title": one.description, "notes": [note.body for note in notes], "numbers": [note.id for note in notes]}
        for one in project.statuses
        if one.sha == head and not one.retried
    ]


