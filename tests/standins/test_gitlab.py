"""The GitLab stand-in's API asked by python-gitlab, each answer held against GitLab's own schemas."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import gitlab
import pytest
from aiohttp import ClientSession

from bot.standins.faults import Fault, too_many_requests
from bot.standins.forge import Change, ContractBroken, Json, StandInError
from bot.standins.gitlab import GitLab, Project
from bot.standins.gitlab.state import DEVELOPER
from tests.standins.gitlab_faces import ANA, BOB, NOON, SHOP, ask, refusal
from tests.standins.gitlab_schemas import check

LIST: dict[str, Any] = {"get_all": True}


@pytest.fixture
async def forge(tmp_path: Path) -> AsyncIterator[GitLab]:
    forge = GitLab(tmp_path, now=NOON, root="/gitlab", check=check)
    await forge.start()
    yield forge
    await forge.stop()


def played(forge: GitLab) -> Project:
    """A project with one merged request of two commits, approved and labelled."""
    shop = forge.create_repository(SHOP)
    shop.commit("main", {"app/a.py": "1\n", "docs/x.md": "x\n"}, message="Begin", author=ANA)
    forge.now += 60
    shop.push(
        "basket",
        Change(files={"app/a.py": "2\n"}, message="Fill it", author=ANA),
        Change(files={"docs/x.md": "y\n"}, message="Tell of it", author=ANA),
    )
    number = shop.open("basket", "main", title="A basket", author=ANA, draft=True, labels=["team::shop"])
    forge.now += 60
    shop.set_draft(number, False, by=ANA)
    forge.now += 60
    shop.approve(number, by=BOB)
    shop.label(number, "ready", remove=["team::shop"], by=BOB)
    forge.now += 60
    shop.merge(number, "merge", by=BOB)
    return shop


async def test_all_there_is_about_a_merge_request(forge: GitLab) -> None:
    shop = played(forge)
    token = forge.create_token("read_api").value

    def question(client: gitlab.Gitlab) -> dict[str, list[object]]:
        project = client.projects.get(SHOP)
        [listed] = project.mergerequests.list(
            state="merged", order_by="updated_at", updated_after="2026-05-01T00:00:00Z", scope="all", **LIST
        )
        mr = project.mergerequests.get(listed.iid)
        return {
            "states": [mr.state, mr.merged_at, mr.merge_commit_sha, mr.squash_commit_sha],
            "commits": [c.title for c in mr.commits()],
            "approved": [(a["user"]["username"], a["approved_at"]) for a in mr.approvals.get().approved_by],
            "turns": [(e.state, e.created_at) for e in mr.resourcestateevents.list(**LIST)],
            "labels": [(e.action, e.label["name"]) for e in mr.resourcelabelevents.list(**LIST)],
            "notes": [(n.created_at, n.body) for n in mr.notes.list(sort="asc", **LIST) if n.system],
            "files": [d["new_path"] for d in client.http_list(f"/projects/{project.id}/merge_requests/1/diffs", **LIST)],
            "by commit": [m["iid"] for m in project.commits.get(mr.sha).merge_requests()],
            "later": project.mergerequests.list(updated_after="2026-05-29T00:00:00Z", **LIST),
            "opened": project.mergerequests.list(state="opened", **LIST),
        }

    assert await ask(forge, token, question) == {
        "states": ["merged", "2026-05-28T20:30:40.000Z", shop.git.head("main"), None],
        "commits": ["Tell of it", "Fill it"],
        "approved": [("bob", "2026-05-28T20:29:40.000Z")],
        "turns": [("merged", "2026-05-28T20:30:40.000Z")],
        "labels": [("add", "team::shop"), ("add", "ready"), ("remove", "team::shop")],
        "notes": [
            ("2026-05-28T20:28:40.000Z", "marked this merge request as **ready**"),
            ("2026-05-28T20:29:40.000Z", "approved this merge request"),
        ],
        "files": ["app/a.py", "docs/x.md"],
        "by commit": [1],
        "later": [],
        "opened": [],
    }


async def test_groups_twenty_levels_deep(forge: GitLab) -> None:
    deepest = "/".join(["top", *(f"s{n}" for n in range(1, 21))])
    project = forge.create_repository(f"{deepest}/leaf", private=True)
    other = forge.create_repository("top/other")
    with pytest.raises(StandInError, match="deeply"):
        forge.create_repository(f"{deepest}/s21/leaf")

    def question(client: gitlab.Gitlab) -> list[object]:
        top = client.groups.get("top")
        return [
            client.groups.get(deepest).id,
            sorted(p.id for p in top.projects.list(include_subgroups=True, **LIST)),
            [p.id for p in top.projects.list(**LIST)],
            [g.full_path for g in top.subgroups.list(**LIST)],
            client.projects.get(f"{deepest}/LEAF".upper()).web_url,
            client.projects.get(project.id).path_with_namespace,
        ]

    assert await ask(forge, forge.create_token("read_api").value, question) == [
        project.group.id,
        [project.id, other.id],
        [other.id],
        ["top/s1"],
        f"{forge.url}/{deepest}/leaf",
        f"{deepest}/leaf",
    ]


async def test_a_project_is_found_by_the_paths_it_had(forge: GitLab) -> None:
    shop = forge.create_repository(SHOP)
    token = forge.create_token("read_api").value
    shop.rename("store")
    shop.transfer("acme/retail")
    forge.rename_group("acme", "umbrella")

    def question(client: gitlab.Gitlab) -> list[str]:
        old = ("acme/platform/shop", "acme/platform/store", "acme/retail/store", "umbrella/retail/store")
        return [client.projects.get(path).path_with_namespace for path in old]

    assert await ask(forge, token, question) == ["umbrella/retail/store"] * 4
    anew = forge.create_repository("acme/platform/shop")
    assert (await ask(forge, token, lambda client: client.projects.get("acme/platform/shop"))).id == anew.id
    anew.delete()
    assert (await refusal(forge, token, lambda client: client.projects.get(anew.id)))[0] == 404


async def test_tokens_reach_as_far_as_their_scopes(forge: GitLab) -> None:
    shop, hidden = forge.create_repository(SHOP), forge.create_repository("acme/hidden", private=True)
    reader = forge.create_token("read_api", "read_repository", levels={hidden.id: 0}).value
    git_only = forge.create_token("read_repository").value
    revoked = forge.create_token("api")
    revoked.revoked = True

    own = await ask(forge, git_only, lambda client: client.personal_access_tokens.get("self"))
    assert own.scopes == ["read_repository"]
    assert (await ask(forge, reader, lambda client: client.projects.get(shop.id), bearer=True)).id == shop.id
    assert (await ask(forge, "", lambda client: client.projects.get(shop.id))).id == shop.id
    assert [p.id for p in await ask(forge, reader, lambda client: client.projects.list(**LIST))] == [shop.id]
    assert await refusal(forge, reader, lambda client: client.projects.get(hidden.id)) == (404, "404 Project Not Found")
    assert await refusal(forge, git_only, lambda client: client.projects.get(shop.id)) == (403, "insufficient_scope")
    assert await refusal(forge, revoked.value, lambda client: client.projects.get(shop.id)) == (401, "invalid_token")
    assert (await refusal(forge, "wrong", lambda client: client.projects.get(shop.id)))[0] == 401

    def hook(client: gitlab.Gitlab) -> object:
        return client.projects.get(shop.id).hooks.create({"url": "http://x.example/"})

    assert await refusal(forge, reader, hook) == (403, "insufficient_scope")


async def test_hooks_are_made_edited_and_never_tell_their_secrets(forge: GitLab) -> None:
    shop, other = forge.create_repository(SHOP), forge.create_repository("acme/other")
    token = forge.create_token("api", levels={other.id: DEVELOPER}).value
    signing = "whsec_" + "A" * 43 + "="

    def question(client: gitlab.Gitlab) -> list[object]:
        hooks = client.projects.get(shop.id).hooks
        made = hooks.create(
            {"url": "http://a.example/", "token": "s3cret", "signing_token": signing, "merge_requests_events": True}
        )
        hooks.update(made.id, {"url": "http://b.example/", "deployment_events": True, "push_events": False})
        [listed] = hooks.list(**LIST)
        got = hooks.get(made.id)
        gone = hooks.create({"url": "http://c.example/"})
        gone.delete()
        return [
            listed.url, got.push_events, got.merge_requests_events, got.deployment_events, got.alert_status,
            [hook.id for hook in hooks.list(**LIST)] == [made.id],
            "s3cret" in str(got.attributes) or signing in str(got.attributes),
        ]  # fmt: skip

    assert await ask(forge, token, question) == ["http://b.example/", False, True, True, "executable", True, False]
    assert (shop.hooks[0].token, shop.hooks[0].signing_token) == ("s3cret", signing)
    assert await refusal(forge, token, lambda client: client.projects.get(other.id).hooks.list()) == (403, "403 Forbidden")
    bad = {"url": "http://a.example/", "signing_token": "whsec_short"}
    assert (await refusal(forge, token, lambda client: client.projects.get(shop.id).hooks.create(bad)))[0] == 400


async def test_group_hooks_cost_money_and_system_hooks_want_an_administrator(forge: GitLab) -> None:
    forge.create_repository(SHOP)
    token, admin = forge.create_token("api").value, forge.create_token("api", admin=True).value

    def of_group(client: gitlab.Gitlab) -> object:
        return client.groups.get("acme").hooks.create({"url": "http://a.example/"}).group_id

    assert (await refusal(forge, token, of_group))[0] == 404
    forge.premium = True
    assert await ask(forge, token, of_group) == 61
    made = {"url": "http://a.example/", "push_events": True, "token": "s3cret"}
    assert (await refusal(forge, token, lambda client: client.hooks.create(made)))[0] == 403
    assert (await ask(forge, admin, lambda client: client.hooks.create(made))).push_events
    assert len(await ask(forge, admin, lambda client: client.hooks.list(**LIST))) == 1


async def test_commits_of_a_path_are_those_of_git_itself(forge: GitLab) -> None:
    shop = played(forge)
    shop.commit("main", {"app/a.py": "3\n"}, message="More", author=BOB)
    token = forge.create_token("read_api").value

    def titles(**asked: object) -> Any:
        return lambda client: [c.title for c in client.projects.get(SHOP).commits.list(iterator=True, query_parameters=asked)]

    everything = await ask(forge, token, titles())
    assert everything == ["More", "Merge branch 'basket' into 'main'", "Tell of it", "Fill it", "Begin"]
    assert await ask(forge, token, titles(path="app")) == ["More", "Fill it", "Begin"]
    assert await ask(forge, token, titles(path="docs", ref_name="main~1")) == ["Tell of it", "Begin"]
    assert await ask(forge, token, titles(first_parent=True)) == ["More", "Merge branch 'basket' into 'main'", "Begin"]
    assert await ask(forge, token, titles(until="2026-05-28T20:27:00Z")) == ["Begin"]
    assert await ask(forge, token, titles(all=True, path="nothing")) == []
    assert (await refusal(forge, token, titles(ref_name="--output=x")))[0] == 404
    async with ClientSession(headers={"PRIVATE-TOKEN": token}) as session:
        url = f"{forge.url}/api/v4/projects/{shop.id}/repository/commits?per_page=2&page=2"
        async with session.get(url) as answer:
            assert "X-Total" not in answer.headers
            assert (answer.headers["X-Next-Page"], answer.headers["X-Prev-Page"]) == ("3", "1")


async def test_diffs_files_branches_and_tags(forge: GitLab) -> None:
    shop = played(forge)
    sha = shop.commit("main", {"app/a.py": None, "app/b.py": "2\n", "big.txt": "x\n" * 40_000}, message="Move", author=ANA)
    shop.create_branch("release/1.0", sha, by=ANA)
    shop.tag("v1", sha, by=ANA, annotated=True)
    shop.release("v1")
    token = forge.create_token("read_api").value

    def question(client: gitlab.Gitlab) -> list[object]:
        project = client.projects.get(SHOP)
        diff = client.http_list(f"/projects/{project.id}/repository/commits/{sha}/diff", per_page=1, get_all=True)
        return [
            [(d["old_path"], d["new_path"], d["renamed_file"], d["collapsed"], d["diff"] != "") for d in diff],
            project.commits.get(sha[:10]).stats["additions"],
            project.files.raw("docs/x.md", ref="main"),
            [b.name for b in project.branches.list(**LIST)],
            project.branches.get("release/1.0").commit["id"] == sha,
            [(t.name, t.message, t.commit["id"] == sha, t.target == sha) for t in project.tags.list(**LIST)],
            [r.tag_name for r in project.releases.list(**LIST)],
            [c["title"] for c in project.repository_compare("main~1", "main")["commits"]],
        ]

    assert await ask(forge, token, question) == [
        [("app/a.py", "app/b.py", True, False, False), ("big.txt", "big.txt", False, True, False)],
        40_000,
        b"y\n",
        ["main", "release/1.0"],
        True,
        [("v1", "Release v1", True, False)],
        ["v1"],
        ["Move"],
    ]
    assert (await refusal(forge, token, lambda c: c.projects.get(SHOP).files.raw("docs/none.md", ref="main")))[0] == 404


async def test_what_outsiders_say_of_a_commit_and_under_a_merge_request(forge: GitLab) -> None:
    shop = played(forge)
    sha = shop.git.head("main")
    token = forge.create_token("api", user=BOB).value

    def question(client: gitlab.Gitlab) -> list[object]:
        project = client.projects.get(SHOP)
        commit, mr = project.commits.get(sha), project.mergerequests.get(1)
        first = commit.statuses.create({"state": "running", "name": "rollforward"})
        last = commit.statuses.create({"state": "success", "name": "rollforward", "description": "fine"})
        anew = commit.statuses.create({"state": "failed", "name": "rollforward"})
        note = mr.notes.create({"body": "Hello"})
        note.body = "Hello again"
        note.save()
        return [
            first.id == last.id,
            last.id == anew.id,
            [(s.name, s.status) for s in commit.statuses.list(**LIST)],
            len(commit.statuses.list(all=True, **LIST)),
            [n.body for n in mr.notes.list(activity_filter="only_comments", **LIST)],
        ]

    assert await ask(forge, token, question) == [True, False, [("rollforward", "failed")], 2, ["Hello again"]]

    def twice(client: gitlab.Gitlab) -> None:
        for _ in range(2):
            client.projects.get(SHOP).commits.get(sha).statuses.create({"state": "pending", "name": "other"})

    assert (await refusal(forge, token, twice))[0] == 400


async def test_deployments_and_incidents(forge: GitLab) -> None:
    shop = played(forge)
    sha = shop.git.head("main")
    number = shop.deploy(sha, "production", state="in_progress")
    forge.now += 60
    shop.set_deployment(number, "success")
    shop.issue("A wish", by=ANA)
    incident = shop.issue("It burns", by=BOB, labels=["sev1"], incident=True)
    shop.close_issue(incident, by=ANA)
    token = forge.create_token("read_api").value

    def question(client: gitlab.Gitlab) -> list[object]:
        project = client.projects.get(SHOP)
        seen = project.deployments.get(number)
        [burnt] = project.issues.list(issue_type="incident", **LIST)
        return [
            (seen.status, seen.sha == sha, seen.environment["tier"], seen.updated_at),
            [d.id for d in project.deployments.list(updated_after="2026-05-28T20:31:00Z", order_by="updated_at", **LIST)],
            (burnt.title, burnt.state, burnt.closed_at, burnt.labels, project.issues.get(incident).id == burnt.id),
        ]

    assert await ask(forge, token, question) == [
        ("success", True, "production", "2026-05-28T20:31:40.000Z"),
        [number],
        ("It burns", "closed", "2026-05-28T20:31:40.000Z", ["sev1"], True),
    ]


async def test_pushes_are_remembered_even_those_of_many_branches(forge: GitLab) -> None:
    shop = played(forge)
    tip = shop.git.head("main")
    forge.now += 86_400
    shop.create_branches({f"b{n}": tip for n in range(4)}, by=ANA)
    shop.tag("v1", tip, by=ANA)
    token = forge.create_token("read_api").value

    def question(client: gitlab.Gitlab, **asked: str) -> list[tuple[object, ...]]:
        events = client.projects.get(SHOP).events.list(action="pushed", **asked, **LIST)
        keys = ("action", "ref_type", "ref", "commit_count", "commit_from", "commit_to", "ref_count")
        return [tuple(event.push_data[key] for key in keys) for event in events]

    today = await ask(forge, token, lambda client: question(client, after="2026-05-28"))
    assert today == [("created", "tag", "v1", 1, None, tip, None), ("created", "branch", None, 0, None, None, 4)]
    before = shop.git.read_commit(tip).parents
    merged = ("pushed", "branch", "main", 3, before[0], tip, None)
    gone = ("removed", "branch", "basket", 0, before[1], None, None)
    assert (await ask(forge, token, question))[2:4] == [gone, merged]


async def test_lists_come_in_pages_of_a_hundred_at_most(forge: GitLab) -> None:
    for n in range(103):
        forge.create_group(f"g/s{n}")
    forge.create_repository("p/one")
    last = forge.create_repository("p/two")
    token = forge.create_token("read_api").value
    assert len(await ask(forge, token, lambda client: client.groups.get("g").subgroups.list(**LIST))) == 103
    forge.external_url = "http://elsewhere.example/gitlab"
    async with ClientSession(headers={"PRIVATE-TOKEN": token}) as session:
        async with session.get(f"{forge.url}/api/v4/groups/g/subgroups?per_page=500") as answer:
            assert len(await answer.json()) == 100
            assert (answer.headers["X-Total"], answer.headers["X-Total-Pages"], answer.headers["X-Per-Page"]) == ("103", "2", "100")
            assert '<http://elsewhere.example/gitlab/api/v4/groups/g/subgroups?per_page=100&page=2>; rel="next"' in answer.headers["Link"]
        async with session.get(f"{forge.url}/api/v4/projects?pagination=keyset&order_by=id&per_page=1") as answer:
            assert [one["id"] for one in await answer.json()] == [last.id]
            assert f"id_before={last.id}" in answer.headers["Link"] and "X-Next-Page" not in answer.headers
        async with session.get(f"{forge.url}/api/v4/projects?per_page=x") as answer:
            assert answer.status == 400


async def test_a_rate_limit_is_kept_by_order(forge: GitLab) -> None:
    shop = forge.create_repository(SHOP)
    forge.faults.append(Fault(match="GET /gitlab/api/v4/projects", kind=too_many_requests(0), times=2))
    token = forge.create_token("read_api").value
    assert (await ask(forge, token, lambda client: client.projects.get(shop.id))).id == shop.id
    assert [seen.headers["private-token"] for seen in forge.requests] == [token] * 3


async def test_an_answer_that_gitlab_would_not_give_is_told_at_the_end(tmp_path: Path) -> None:
    def strict(method: str, template: str, status: int, body: Json) -> None:
        check(method, template, status, {**body, "id": "x"} if isinstance(body, dict) else body)

    forge = GitLab(tmp_path, now=NOON, check=strict)
    await forge.start()
    shop = forge.create_repository(SHOP)
    await ask(forge, forge.create_token("read_api").value, lambda client: client.projects.get(shop.id))
    with pytest.raises(ContractBroken, match=r"projects.json: \$\.id"):
        await forge.stop()
