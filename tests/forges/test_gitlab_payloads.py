"""GitLab's payloads, in the shapes that it documents, become these values."""

from datetime import UTC, datetime

import pytest

from bot.dora.events import ForgeEvent, Ignored, PullRequestSeen, Push, RepositoryChanged, RepositoryRef
from bot.dora.instants import SECOND, Instant
from bot.dora.pull_requests import Review
from bot.forges import PayloadError, fields
from bot.forges.gitlab.payloads import parse_gitlab
from bot.forges.table import Origin
from tests.forges.fixtures import FIXTURES, SHA, changed

HEAD = SHA("da1560886d4f094c3e6c9ef40349f7d38b5d27d7")
MERGE = SHA("b5c5f1f2ab0b6b3f8cc40d5d6f1ac9c41ae3a5d5")
SQUASH = SHA("a10867b14bb761a232cd80139fbd4c0d33264240")


NOW = 1_700_000_000 * SECOND
ORIGIN = Origin(received_at=NOW, instance="https://gitlab.example.com")


def at(hour: int, minute: int = 0) -> Instant:
    return int(datetime(2026, 10, 1, hour, minute, tzinfo=UTC).timestamp()) * SECOND


def parse(name: str, **paths: object) -> ForgeEvent:
    return parse_gitlab("", changed("gitlab", name, **paths), origin=ORIGIN)


def merge_request(name: str, **paths: object) -> PullRequestSeen:
    seen = parse(f"merge_request__{name}", **paths)
    assert isinstance(seen, PullRequestSeen)
    return seen


def push(name: str, **paths: object) -> Push:
    seen = parse(name, **paths)
    assert isinstance(seen, Push)
    return seen


@pytest.mark.parametrize("name", sorted(path.stem for path in (FIXTURES / "gitlab").glob("*.json")))
def test_every_fixture_is_understood(name: str) -> None:
    assert isinstance(parse(name), Push | PullRequestSeen | RepositoryChanged | Ignored)


def test_a_push_to_a_project_three_groups_deep() -> None:
    seen = push("push__branch_update")
    assert seen.repository == RepositoryRef(
        name="gitlab.example.com/acme/platform/shop/web",
        forge="gitlab",
        forge_id="15",
        remote="https://gitlab.example.com/acme/platform/shop/web.git",
        default_branch="main",
        seen_at=NOW,
    )
    assert (seen.ref, seen.after) == ("refs/heads/main", HEAD)
    first, second = seen.commits
    assert first.subject == "Update Catalan translation to e38cb41."
    assert first.body == "See https://gitlab.example.com/acme for more information"
    assert first.committed_at == int(datetime(2021, 12, 12, 12, 27, 31, tzinfo=UTC).timestamp()) * SECOND
    assert (first.authored_at, first.paths) == (None, (b"CHANGELOG", b"apps/controller/application.rb"))
    assert second.author == "GitLab dev user <[REDACTED]>"


def test_tags_and_deletions() -> None:
    assert push("push__branch_deleted").after is None
    assert push("tag_push__annotated").after == SHA("5937ac0a7beb003549fc5fd26fc247adbce4a52e")
    assert push("tag_push__annotated", checkout_sha=None).after == SHA("82b3d5ae55f7080f1e6022629cdb57bfae7cccc7")


def test_instance_wide_hooks() -> None:
    assert push("system_hook__push").commits == ()
    assert parse_gitlab("System Hook", b'{"event_name": "user_failed_login"}') == Ignored(reason="event_user_failed_login")
    assert parse_gitlab("System Hook", b'{"event_name": "moon_landing"}') == Ignored(reason="unknown_event")


def test_events_without_action_are_ignored_quietly() -> None:
    assert parse("merge_request__no_action") == Ignored(reason="no_action")
    assert parse("merge_request__no_action", object_attributes__action="x") == Ignored(reason="unknown_action")


def test_opened_as_a_draft_then_ready() -> None:
    seen = merge_request("open_draft")
    assert (seen.rank, seen.complete) == (0, True)
    opened = seen.pull_request
    assert (opened.number, opened.state, opened.title) == (7, "open", "Draft: Empty the basket")
    assert (opened.author, opened.head_sha) == ("ann", HEAD)
    assert (opened.head_ref, opened.base_ref) == ("feature/basket", "main")
    created = at(8) + 123_000_000
    assert (opened.created_at, seen.updated_at, opened.readiness) == (created, created, ((created, False),))
    ready = merge_request("update_ready")
    assert ready.pull_request.readiness == ((at(10), True),)


def test_the_older_name_of_a_draft() -> None:
    seen = merge_request("open_draft", object_attributes__draft=...)
    assert seen.pull_request.readiness[0][1] is False
    flip = merge_request("update_ready", changes={"work_in_progress": {"previous": False, "current": True}})
    assert flip.pull_request.readiness == ((at(10), False),)


def test_labels_are_the_array_of_the_payload() -> None:
    seen = merge_request("update_labels")
    assert seen.pull_request.labels == ("hotfix", "team::web")
    assert seen.pull_request.readiness == ()


def test_approvals_and_withdrawals() -> None:
    seen = merge_request("approved")
    assert seen.pull_request.reviews == (Review(id=f"bob+{at(11)}", reviewer="bob", approved=True, submitted_at=at(11)),)
    withdrawn = merge_request("unapproved")
    assert withdrawn.pull_request.reviews == (
        Review(
            id=f"bob-{at(11, 30)}", reviewer="bob", approved=False, submitted_at=at(11, 30), dismissed_at=at(11, 30)
        ),
    )
    both = merge_request("approved", object_attributes__action="approval")
    assert both.pull_request.reviews == seen.pull_request.reviews


def test_nobody_approves_their_own() -> None:
    assert parse("merge_request__approved_by_author") == Ignored(reason="own_approval")


@pytest.mark.parametrize(
    ("name", "merge_sha", "squash_sha"),
    [
        ("merge_commit", MERGE, None),
        ("merge_squash", MERGE, SQUASH),
        ("merge_fast_forward", HEAD, None),
        ("merge_fast_forward_squash", SQUASH, None),
    ],
)
def test_which_commit_landed(name: str, merge_sha: bytes, squash_sha: bytes | None) -> None:
    seen = merge_request(name)
    merged = seen.pull_request
    assert (merged.state, merged.merged_at, merged.head_sha) == ("merged", at(12), HEAD)
    assert (merged.merge_sha, merged.squash_sha) == (merge_sha, squash_sha)
    assert (seen.rank, seen.complete) == (9, True)


@pytest.mark.parametrize("paths", [{"squash": True}, {"merge_params": {"squash": "1"}}, {"merge_params": {"squash": True}}])
def test_of_a_squashed_fast_forward_the_head_is_an_orphan(paths: dict[str, object]) -> None:
    changes = {f"object_attributes__{name}": value for name, value in paths.items()}
    assert merge_request("merge_fast_forward", **changes).pull_request.merge_sha is None


def test_an_unmerged_one_has_no_landed_commit() -> None:
    seen = merge_request("update_labels", object_attributes__merge_commit_sha=MERGE.hex())
    assert (seen.pull_request.merge_sha, seen.pull_request.merged_at) == (None, None)


def test_an_edit_after_the_merge_says_nothing_of_the_merge() -> None:
    seen = merge_request("merge_commit", object_attributes__action="update")
    assert seen.complete is False
    assert (seen.pull_request.merged_at, seen.pull_request.merge_sha) == (None, None)


@pytest.mark.parametrize(
    ("name", "paths", "slug"),
    [
        ("merge_request__merge_commit", {"object_attributes__state": "opened"}, "bad_state"),
        ("merge_request__merge_commit", {"object_attributes__state": "gone"}, "bad_state"),
        ("merge_request__merge_commit", {"object_attributes": {"action": "merge"}}, "wrong_value"),
        ("merge_request__merge_commit", {"object_attributes__merge_commit_sha": "abc"}, "bad_sha"),
        ("merge_request__merge_commit", {"object_attributes__updated_at": None}, "wrong_value"),
        ("merge_request__merge_commit", {"object_attributes__iid": -1}, "bad_number"),
        ("push__branch_update", {"project__id": -5}, "bad_id"),
        ("push__branch_update", {"object_kind": None, "event_name": None}, "unknown_shape"),
        ("push__branch_update", {"project": None}, "wrong_value"),
        ("push__branch_update", {"project__git_http_url": "file:///etc"}, "bad_repository_url"),
        ("push__branch_update", {"ref": "refs/heads/a b"}, "bad_ref"),
    ],
)
def test_what_cannot_be_parsed_says_why(name: str, paths: dict[str, object], slug: str) -> None:
    with pytest.raises(PayloadError) as caught:
        parse(name, **paths)
    assert caught.value.slug == slug


@pytest.mark.parametrize(
    "text",
    [
        "2026-10-01T10:00:00Z", "2026-10-01 10:00:00 UTC", "2026-10-01 12:00:00 +0200", "2026-10-01T10:00:00.000Z",
        "2026-10-01T12:00:00+02:00", " 2026-10-01T10:00:00Z ",
    ],
)  # fmt: skip
def test_every_spelling_of_a_time(text: str) -> None:
    assert fields.instant(text) == at(10)


def test_times_beyond_what_can_be_kept_are_unknown() -> None:
    assert fields.instant("1969-12-31T23:59:59Z") is None
    assert fields.instant("2262-01-01T00:00:00Z") is None
    assert fields.instant("2261-12-31T23:59:59.999999Z") == 9_214_646_400 * SECOND - 1_000
