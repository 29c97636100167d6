"""A server beside a forge: what the acceptance stories share."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from bot.facts.errands import NEVER
from bot.standins.github import GitHub
from bot.standins.gitlab.forge import GitLab
from tests.e2e.forge_story import Deployed, definitions
from tests.standins.github_contract import github_answer
from tests.support.server import Served, rows

GITHUB_SECRET = "0123456789-of-the-github-stories"
GITLAB_SECRET = "0123456789-of-the-gitlab-stories"
YESTERDAY = 86_400
WORK = (
    "SELECT 'delivery', id, event, reason FROM inbox WHERE state IN ('received', 'failed')",
    "SELECT 'fetch', repository_id, ref, error FROM \"fetch\"",
    "SELECT 'mark', stage, key, error FROM mark",
    f"SELECT 'errand', key, cursor, error FROM errand WHERE run_at < {NEVER}",
    "SELECT 'message', key, subject, error FROM outbox WHERE said < wanted",
)
"""What a server still has to do."""


def new_github(folder: Path) -> GitHub:
    """github.com, as far as the pages in its payloads go."""
    return GitHub(
        folder / "github", now=int(time.time()) - YESTERDAY, check=github_answer, strict_version=True, web_url="https://github.com"
    )


def new_gitlab(folder: Path, *, root: str = "") -> GitLab:
    """A GitLab of one's own, perhaps below a path."""
    return GitLab(folder / "gitlab", now=int(time.time()) - YESTERDAY, root=root)


def github_settings(forge: GitHub) -> dict[str, str]:
    """What an operator sets who made the App by hand."""
    (app,) = forge.world.apps.values()
    return {
        "GITHUB_WEBHOOK_SECRET": app.webhook_secret, "GITHUB_APP_ID": str(app.id), "GITHUB_PRIVATE_KEY": app.pem,
        "GITHUB_API_URL": forge.url, "CLONE_URLS": f"github.com={forge.url}",
    }  # fmt: skip


def gitlab_settings(forge: GitLab, *scopes: str) -> dict[str, str]:
    """What an operator sets, with a token of these scopes."""
    return {
        "GITLAB_URL": forge.url, "GITLAB_TOKEN": forge.create_token(*scopes).value, "GITLAB_WEBHOOK_SECRET": GITLAB_SECRET,
    }  # fmt: skip


def define(server: Served, host: str, path: str) -> None:
    """Both services of the story, as files."""
    folder = server.folder / "definitions"
    folder.mkdir(exist_ok=True)
    for name, text in definitions(host, path).items():
        (folder / name).write_text(text)


def deploy(server: Served, one: Deployed, host: str) -> None:
    """Report a deployment as CI does."""
    answer = server.deploy(
        service=one.service, env="prod", version=one.version, started_at=one.started_at, finished_at=one.finished_at,
        git={"commit_sha": one.sha, "repository_url": f"https://{host}/{one.repository}.git"},
    )  # fmt: skip
    assert answer.status in {200, 202}, answer


async def rested(server: Served, *, seconds: float = 90) -> None:
    """Wait until nothing is due or under way: deliveries, fetches, errands, messages, derivation."""
    end, quiet = time.monotonic() + seconds, 0
    while quiet < 5:
        left = await asyncio.to_thread(work_left, server.url)
        assert time.monotonic() < end, f"the server did not come to rest: {left} " + server.log()
        quiet = 0 if left else quiet + 1
        await asyncio.sleep(0.2)


def work_left(url: str) -> list[tuple[Any, ...]]:
    """What is to be done, as rows of the store."""
    found: list[tuple[Any, ...]] = []
    for question in WORK:
        found += rows(url, question)
    return found


def deployments(server: Served) -> list[dict[str, Any]]:
    """All deployments, oldest first."""
    found: list[dict[str, Any]] = server.get("/api/v1/deployments?limit=1000")["data"]
    return sorted(found, key=lambda one: (one["finished_at"], one["service"]))


def story_of(server: Served) -> list[dict[str, Any]]:
    """What the server tells of the story, without what only names a forge: the same on every forge."""
    return [
        {
            "service": one["service"], "version": one["version"], "type": one["type"], "failed": one["change_failure"],
            "lead_time": one["change_lead_time"], "not_computed": one["not_computed"],
            "changes": [
                (change["subject"], change["kept"], change["reason"], change["pull_request"] is not None,
                 change["change_lead_time"], json.dumps(change["stages"], sort_keys=True), change["redeployed"])
                for change in server.get(f"/api/v1/deployments/{one['id']}/changes?kept=true&limit=1000")["data"]
            ],
        }
        for one in deployments(server)
    ]  # fmt: skip
