"""The fake GitHub's REST door: every route held against GitHub's description, gidgethub as the client where it can."""

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
from gidgethub import BadRequest, RateLimitExceeded, apps
from gidgethub.aiohttp import GitHubAPI
from jsonschema import ValidationError

from bot.standins.forge import ContractBroken, Json
from bot.standins.github import App, GitHub, GitHubRepo, Installation
from bot.standins.github.access import Caller
from bot.standins.github.forge import ROUTES
from tests.standins.conftest import ANN, BEN, NOON
from tests.standins.github_contract import github_answer

RIGHTS = {"contents": "read", "pull_requests": "write", "checks": "write", "deployments": "read", "issues": "read"}


class Client:
    """Asks the stand-in with a token; remembers the last answer's headers."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url
        self.token = ""
        self.headers: dict[str, str] = {}

    async def ask(self, method: str, path: str, told: Json = None, **headers: str) -> tuple[int, Any]:
        """Status and parsed body."""
        sent = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        url = path if path.startswith("http") else self.url + path
        async with self.session.request(
            method,
            url,
            json=told,
            headers={**sent, **{name.replace("_", "-"): value for name, value in headers.items()}},
            allow_redirects=False,
        ) as answer:
            self.headers = {name.lower(): value for name, value in answer.headers.items()}
            body = await answer.read()
            return answer.status, json.loads(body) if body else None

    async def get(self, path: str) -> Any:
        """The body of what must be a 200."""
        status, body = await self.ask("GET", path)
        assert status == 200, body
        return body


@pytest.fixture
async def client(github: GitHub) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(session, github.url)


@pytest.fixture
def app(github: GitHub) -> App:
    return github.create_app(hook_url="http://127.0.0.1:9/hook", permissions=RIGHTS)


@pytest.fixture
def shop(github: GitHub) -> GitHubRepo:
    """Private, with one merged and one open pull request, a deployment and a release."""
    shop = github.create_repository("acme/shop", private=True)
    shop.commit("main", {"a": "1\n", "src/deep/b": "2\n"}, message="Start", author=ANN)
    for name in ("first", "second"):
        github.now += 60
        shop.create_branch(name, shop.git.head("main"), by=BEN)
        shop.commit(name, {f"src/{name}": "1\n", "a": None}, message=name, author=BEN)
        shop.open(name, "main", title=name, author=BEN, labels=["bug"], draft=True)
        shop.set_draft(1 if name == "first" else 2, False, by=BEN)
    shop.approve(1, by=ANN)
    shop.merge(1, "squash", by=ANN)
    shop.tag("v1", shop.git.head("main"), by=ANN)
    shop.deploy(shop.git.head("main"), "production")
    shop.release("v1")
    return shop


@pytest.fixture
def installation(github: GitHub, app: App, shop: GitHubRepo) -> Installation:
    return github.install("acme", [shop])


def signed(app: App, *, issued: float = -60, lives: float = 540, **more: Any) -> str:
    """A JWT of the App; `issued` and `lives` in seconds from now."""
    now = int(time.time())
    claims = {"iat": now + int(issued), "exp": now + int(lives), "iss": str(app.id), **more}
    return jwt.encode(claims, app.pem, algorithm="RS256")


def token(github: GitHub, installation: Installation, **permissions: str) -> str:
    return github.access.grant(installation, None, permissions or None).value


async def test_every_route_answers_as_github_describes_it(
    github: GitHub, client: Client, app: App, installation: Installation, shop: GitHubRepo
) -> None:
    called: set[tuple[str, str]] = set()

    def check(method: str, template: str, status: int, body: Json) -> None:
        github_answer(method, template, status, body)
        if status < 300:
            called.add((method, template))

    github.api.check = check
    manifest = {"name": "Other", "url": "https://example.com", "hook_attributes": {"url": "http://127.0.0.1:9/hook"}}
    await client.ask("POST", f"/app-manifests/{github.apps.from_manifest(manifest, 'acme', time.time())}/conversions")
    github.drop = lambda _: True
    await github.deliver()

    client.token = signed(app)
    for path in ("/app", "/app/installations", f"/app/installations/{installation.id}", "/rate_limit"):
        assert await client.get(path)
    deliveries = await client.get("/app/hook/deliveries")
    whole = await client.get(f"/app/hook/deliveries/{deliveries[0]['id']}")
    assert whole["request"]["headers"]["X-GitHub-Event"] == whole["event"] == deliveries[0]["event"]
    assert (await client.ask("POST", f"/app/hook/deliveries/{deliveries[0]['id']}/attempts"))[0] == 202

    status, granted = await client.ask("POST", f"/app/installations/{installation.id}/access_tokens")
    assert status == 201
    client.token = granted["token"]
    head, here = shop.git.head("main"), "/repos/acme/shop"
    deployment = (await client.get(f"{here}/deployments"))[0]["id"]
    for path in (
        "/installation/repositories",
        here,
        f"{here}/pulls?state=all",
        f"{here}/pulls/1",
        f"{here}/pulls/1/reviews",
        f"{here}/pulls/1/files",
        f"{here}/pulls/1/commits",
        f"{here}/issues?state=all",
        f"{here}/issues/1/events",
        f"{here}/commits/{head}/pulls",
        f"{here}/contents/a?ref=second~",
        f"{here}/contents/src",
        f"{here}/contents/src/deep/b",
        f"{here}/deployments/{deployment}/statuses",
        f"{here}/releases",
    ):
        status, _ = await client.ask("GET", path)
        assert status == (404 if "~" in path else 200), path

    run = {
        "name": "Rollforward",
        "head_sha": head,
        "output": {
            "title": "T",
            "summary": "S",
            "annotations": [
                {"path": "a", "start_line": 1, "end_line": 1, "annotation_level": "failure", "message": "no"},
            ],
        },
    }
    status, made = await client.ask("POST", f"{here}/check-runs", run)
    assert (status, made["status"], made["output"]["annotations_count"]) == (201, "queued", 1)
    done = {"conclusion": "failure", "output": run["output"]}
    _, made = await client.ask("PATCH", f"{here}/check-runs/{made['id']}", done)
    assert (made["status"], made["conclusion"], made["output"]["annotations_count"]) == ("completed", "failure", 2)
    assert (await client.get(f"{here}/commits/main/check-runs"))["total_count"] == 1

    _, comment = await client.ask("POST", f"{here}/issues/2/comments", {"body": "One"})
    await client.ask("PATCH", f"{here}/issues/comments/{comment['id']}", {"body": "Two"})
    assert [one["body"] for one in await client.get(f"{here}/issues/2/comments")] == ["Two"]
    assert (await client.ask("DELETE", "/installation/token"))[0] == 204
    assert (await client.ask("GET", here))[0] == 401
    assert called == {(route.method, route.template) for route in ROUTES}


async def test_a_wrong_answer_is_told_when_the_forge_stops(tmp_path: Path) -> None:
    def check(method: str, template: str, status: int, body: Json) -> None:
        github_answer(method, template, status, {**body, "resources": 1} if isinstance(body, dict) else body)

    forge = GitHub(tmp_path, check=check)
    await forge.start()
    async with aiohttp.ClientSession() as session:
        await Client(session, forge.url).ask("GET", "/rate_limit")
    with pytest.raises(ContractBroken, match=r"GET /rate_limit 200: .*resources"):
        await forge.stop()


def test_the_description_refuses_what_is_not_there() -> None:
    with pytest.raises(ValidationError, match="never answers 418"):
        github_answer("GET", "/app", 418, {})
    with pytest.raises(ValidationError, match="'total_count' is a required"):
        github_answer("GET", "/installation/repositories", 200, {"repositories": []})
    with pytest.raises(ValidationError, match="a body"):
        github_answer("DELETE", "/installation/token", 204, {})


async def test_gidgethub_gets_a_token_reads_pages_and_keeps_etags(
    github: GitHub, app: App, installation: Installation, shop: GitHubRepo
) -> None:
    repositories = [github.create_repository(f"acme/r{n:02}") for n in range(45)]
    github.apps.select(installation, added=[one.state for one in repositories])
    async with aiohttp.ClientSession() as session:
        cache: dict[str, Any] = {}
        plain = GitHubAPI(session, "tests", base_url=f"{github.url}/api/v3")
        got = await apps.get_installation_access_token(
            plain, installation_id=str(installation.id), app_id=str(app.id), private_key=app.pem
        )
        api = GitHubAPI(session, "tests", oauth_token=got["token"], base_url=f"{github.url}/api/v3", cache=cache)
        names = [one["name"] async for one in api.getiter("/installation/repositories", iterable_key="repositories")]
        assert names == ["shop", *(f"r{n:02}" for n in range(45))]

        def used() -> int:
            return github.access.window(Caller(token=github.access.token(got["token"])))[0]

        await api.getitem("/repos/acme/shop/pulls/2")
        assert used() == 3
        await api.getitem("/repos/acme/shop/pulls/2")
        assert used() == 3
        shop.retitle(2, "Another", by=BEN)
        assert (await api.getitem("/repos/acme/shop/pulls/2"))["title"] == "Another"
        assert used() == 4

        github.access.hourly = 5
        await api.getitem("/repos/acme/shop/pulls/1")
        with pytest.raises(RateLimitExceeded):
            await api.getitem("/repos/acme/shop/releases")
    tokens = [one for one in github.requests if one.path_qs.endswith("/access_tokens")]
    assert [one.headers["user-agent"] for one in tokens] == ["tests"]


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"lives": 1_200}, "too far"),
        ({"lives": -5}, "future time"),
        ({"issued": 600}, "Issued at"),
        ({"iss": "1"}, "Integration not found"),
    ],
)
async def test_a_jwt_must_be_right(client: Client, app: App, claims: dict[str, Any], says: str) -> None:
    client.token = signed(app, **claims)
    status, body = await client.ask("GET", "/app")
    assert status == 401
    assert says in body["message"]


async def test_a_jwt_of_another_key_is_refused(github: GitHub, client: Client, app: App) -> None:
    other = github.create_app("Other", hook_url="http://127.0.0.1:9/hook")
    client.token = signed(other, iss=str(app.id))
    assert (await client.ask("GET", "/app"))[0] == 401
    client.token = signed(other, iss=other.client_id)
    assert (await client.get("/app"))["id"] == other.id


async def test_tokens_are_narrowed_expire_and_are_revoked(
    github: GitHub, client: Client, app: App, installation: Installation, shop: GitHubRepo
) -> None:
    other = github.create_repository("acme/other", private=True)
    github.apps.select(installation, added=[other.state])
    grant = f"/app/installations/{installation.id}/access_tokens"
    client.token = jwt_token = signed(app)
    assert (await client.ask("POST", grant, {"permissions": {"contents": "write"}}))[0] == 422
    assert (await client.ask("POST", grant, {"repository_ids": [shop.id, 5]}))[0] == 422
    _, granted = await client.ask("POST", grant, {"repositories": ["SHOP"], "permissions": {"contents": "read"}})
    assert [one["full_name"] for one in granted["repositories"]] == ["acme/shop"]
    client.token = granted["token"]
    assert (await client.get("/installation/repositories"))["total_count"] == 1
    assert (await client.ask("GET", "/repos/acme/other"))[0] == 404
    assert (await client.ask("GET", "/repos/acme/shop/contents/src"))[0] == 200
    status, body = await client.ask("GET", "/repos/acme/shop/pulls")
    assert (status, body["message"]) == (403, "Resource not accessible by integration")
    status, body = await client.ask("POST", "/repos/acme/shop/check-runs", {})
    assert (status, body["message"]) == (403, "Resource not accessible by integration")

    github.access.tokens[granted["token"]].expires = int(time.time())
    assert (await client.ask("GET", "/repos/acme/shop"))[0] == 401
    client.token = token(github, installation)
    github.apps.suspend(installation)
    assert (await client.ask("GET", "/repos/acme/shop"))[0] == 403
    client.token, waiting = jwt_token, client.token
    assert (await client.ask("POST", grant))[0] == 403
    github.apps.unsuspend(installation)
    client.token = waiting
    assert (await client.ask("GET", "/repos/acme/shop"))[0] == 200
    github.apps.uninstall(installation)
    assert (await client.ask("GET", "/repos/acme/shop"))[0] == 401


async def test_renamed_repositories_are_found_by_number_and_deleted_ones_not(
    github: GitHub, client: Client, installation: Installation, shop: GitHubRepo
) -> None:
    client.token = token(github, installation)
    shop.rename("store")
    for prefix in ("", "/api/v3"):
        status, _ = await client.ask("GET", f"{prefix}/repos/Acme/Shop/pulls?state=all")
        assert (status, client.headers["location"]) == (
            301,
            f"{github.url}{prefix}/repositories/{shop.id}/pulls?state=all",
        )
        assert len(await client.get(client.headers["location"])) == 2
    github.create_repository("acme/shop", private=True)
    assert (await client.ask("GET", "/repos/acme/shop"))[0] == 404
    shop.delete()
    assert (await client.ask("GET", "/repos/acme/store"))[0] == 404
    assert (await client.ask("GET", f"/repositories/{shop.id}"))[0] == 404


async def test_pull_requests_are_sorted_filtered_and_paged(
    github: GitHub, client: Client, installation: Installation, shop: GitHubRepo
) -> None:
    client.token = token(github, installation)
    here = "/repos/acme/shop/pulls"
    github.now += 100
    shop.retitle(1, "touched", by=ANN)

    async def numbers(query: str) -> list[int]:
        return [pull["number"] for pull in await client.get(f"{here}?{query}")]

    assert await numbers("state=open") == [2]
    assert await numbers("state=all") == [2, 1]
    assert await numbers("state=all&sort=created&direction=asc") == [1, 2]
    assert await numbers("state=all&sort=updated") == [1, 2]
    assert await numbers("state=all&sort=updated&per_page=1") == [1]
    assert f'<{github.url}{here}?state=all&sort=updated&per_page=1&page=2>; rel="next"' in client.headers["link"]
    assert await numbers("state=all&sort=updated&per_page=1&page=2") == [2]
    assert 'rel="next"' not in client.headers["link"]

    merged = (await client.get(f"{here}?state=closed"))[0]
    assert merged["merge_commit_sha"] == shop.git.head("main")
    files = await client.get(f"{here}/1/files")
    assert [(one["filename"], one["status"], one["deletions"]) for one in files] == [
        ("a", "removed", 1),
        ("src/first", "added", 0),
    ]
    history = await client.get("/repos/acme/shop/issues/1/events")
    assert [one["event"] for one in history] == ["labeled", "ready_for_review", "merged", "closed", "renamed"]
    assert [one["state"] for one in await client.get(f"{here}/1/reviews")] == ["APPROVED"]
    for sha in (shop.git.head("main"), shop.git.head("first")):
        introduced = await client.get(f"/repos/acme/shop/commits/{sha}/pulls")
        assert [one["number"] for one in introduced] == [1]


async def test_the_log_of_deliveries_is_read_by_cursor(
    github: GitHub, client: Client, app: App, shop: GitHubRepo
) -> None:
    github.install("acme", [shop])
    github.now = NOON + 500
    for n in range(4):
        shop.commit("main", {f"n{n}": "1\n"}, message="More", author=ANN)
    github.drop = lambda delivery: delivery.event == "push"
    await github.deliver()
    client.token = signed(app)
    seen = []
    path = "/app/hook/deliveries?per_page=2"
    for _ in range(3):
        seen += await client.get(path)
        link = client.headers.get("link", "")
        path = link[1 : link.index(">")] if link else ""
    assert path == ""
    assert [one["event"] for one in seen] == ["push"] * 4 + ["installation", "ping"]
    assert {one["status"] for one in seen} == {"failed to connect to host"}
    assert len({one["id"] for one in seen}) == 6
    assert (await client.ask("GET", "/app/hook/deliveries?cursor=nonsense"))[0] == 400


async def test_a_client_that_forgets_the_version_is_caught(tmp_path: Path) -> None:
    forge = GitHub(tmp_path, strict_version=True, check=github_answer)
    await forge.start()
    async with aiohttp.ClientSession() as session:
        with pytest.raises(BadRequest, match="X-GitHub-Api-Version missing"):
            await GitHubAPI(session, "tests", base_url=forge.url).getitem("/rate_limit")
        pinned = {"X-GitHub-Api-Version": "2022-11-28"}
        assert await GitHubAPI(session, "tests", base_url=forge.url).getitem("/rate_limit", extra_headers=pinned)
    await forge.stop()


async def test_what_a_check_run_may_not_say_is_refused(
    github: GitHub, client: Client, installation: Installation, shop: GitHubRepo
) -> None:
    client.token = token(github, installation)
    runs, head = "/repos/acme/shop/check-runs", shop.git.head("main")
    note = {"path": "a", "start_line": 1, "end_line": 1, "annotation_level": "warning", "message": "m"}
    for wrong in (
        {"name": "x"},
        {"name": "x", "head_sha": "1" * 40},
        {"name": "x", "head_sha": head, "conclusion": "fine"},
        {"name": "x", "head_sha": head, "status": "completed"},
        {"name": "x", "head_sha": head, "output": {"summary": "s"}},
        {"name": "x", "head_sha": head, "output": {"title": "t", "summary": "s", "annotations": [note] * 51}},
        {"name": "x", "head_sha": head, "output": {"title": "t", "summary": "s", "annotations": [{**note, "path": 1}]}},
    ):
        assert (await client.ask("POST", runs, wrong))[0] in (404, 422), wrong
    assert shop.state.checks == {}
    shop.archive()
    status, body = await client.ask("POST", runs, {"name": "x", "head_sha": head})
    assert (status, body["message"]) == (403, "Repository was archived so is read-only.")


async def test_anybody_reads_what_is_public_and_nothing_else(
    github: GitHub, client: Client, installation: Installation, shop: GitHubRepo
) -> None:
    github.create_repository("globex/open").commit("main", {"a": "1\n"}, message="Start", author=ANN)
    assert (await client.get("/repos/globex/open"))["full_name"] == "globex/open"
    assert (await client.ask("GET", "/repos/acme/shop"))[0] == 404
    assert (await client.ask("GET", "/app"))[0] == 401
    assert (await client.ask("GET", "/installation/repositories"))[0] == 401
    client.token = token(github, installation)
    assert await client.get("/repos/globex/open/contents/a")
    assert (await client.ask("POST", "/repos/globex/open/check-runs", {}))[0] == 403
