"""GitHub's payloads: recorded ones, and those that its documentation describes, become these values."""

from dataclasses import replace
from urllib.parse import quote_plus, urlencode

import pytest

from bot.dora.events import ForgeEvent, Ignored, PullRequestSeen, Push, RepositoryRef
from bot.dora.instants import SECOND
from bot.dora.pull_requests import Review
from bot.forges import PayloadError
from bot.forges.github.payloads import parse_github
from tests.forges.fixtures import FIXTURES, SHA, body, changed, event_of

AT = 1_557_933_600 * SECOND  # 2019-05-15T15:20:00Z
REPOSITORY = RepositoryRef(
    name="github.com/codertocat/hello-world",
    forge="github",
    forge_id="186853002",
    remote="https://github.com/Codertocat/Hello-World.git",
    default_branch="master",
    installation_id="1",
)


def parse(name: str, **paths: object) -> ForgeEvent:
    return parse_github(event_of(name), changed("github", name, **paths) if paths else body("github", name))


def pull_request(name: str, **paths: object) -> PullRequestSeen:
    seen = parse(name, **paths)
    assert isinstance(seen, PullRequestSeen)
    return seen


def push(name: str, **paths: object) -> Push:
    seen = parse(name, **paths)
    assert isinstance(seen, Push)
    return seen


@pytest.mark.parametrize("name", sorted(path.stem for path in (FIXTURES / "github").glob("*.json")))
def test_every_fixture_is_understood(name: str) -> None:
    assert isinstance(parse(name), Push | PullRequestSeen | Ignored)


def test_a_push_brings_commits_without_parents_and_author_dates() -> None:
    seen = push("push__branch_update")
    assert replace(seen.repository, seen_at=None) == REPOSITORY
    assert (seen.ref, seen.after) == ("refs/heads/master", SHA("b5c5f1f2ab0b6b3f8cc40d5d6f1ac9c41ae3a5d5"))
    first, merge = seen.commits
    assert first.sha == SHA("a10867b14bb761a232cd80139fbd4c0d33264240")
    assert (first.parents, first.authored_at) == ((), None)
    assert first.committed_at == AT + 41 * SECOND
    assert (first.author, first.subject, first.body) == ("Zoë <zoe@example.com>", "Add café", "The body\nhas two lines.")
    assert first.paths == ("docs/café.md".encode(), b"README.md", b"old name.md")
    assert merge.paths == ()


def test_zeros_mean_deleted() -> None:
    assert push("push__tag_deleted").after is None
    assert push("push__tag_deleted").ref == "refs/tags/simple-tag"
    assert push("push__branch_update", after="0" * 64).after is None


def test_an_annotated_tag_is_its_commit() -> None:
    assert push("push__annotated_tag").after == SHA("6113728f27ae82c7b1a177c8d03f9e96e0adf246")
    assert push("push__annotated_tag", head_commit=None).after == SHA("b7af2ad7e0d10ea8d4c6f1ac9c41ae3a5d5aaaaa")


def test_a_cut_or_missing_list_of_files_is_unknown_not_empty() -> None:
    many = [f"file-{i}" for i in range(2_999)]
    assert push("push__branch_update", commits__0__added=many, commits__0__modified=["x"], commits__0__removed=[]).commits[0].paths is None
    assert push("push__branch_update", commits__0__added=...).commits[0].paths is None
    whole = push("push__branch_update", commits__0__added=many, commits__0__modified=[], commits__0__removed=[]).commits[0].paths
    assert whole is not None
    assert len(whole) == 2_999


@pytest.mark.parametrize(
    ("name", "event", "reason"),
    [
        ("push__merge_queue_deleted", "push", "merge_queue_branch"),
        ("ping__repository", "ping", "event_ping"),
        ("ping__repository", "check_run", "event_check_run"),
        ("ping__repository", "no_such_event", "unknown_event"),
        ("pull_request__assigned", "pull_request", "action_assigned"),
        ("pull_request_review__submitted_commented", "pull_request_review", "review_neither_approved_nor_dismissed"),
    ],
)
def test_what_is_uninteresting_says_why(name: str, event: str, reason: str) -> None:
    assert parse_github(event, body("github", name)) == Ignored(reason=reason)


def test_unheard_of_actions_and_refs_are_ignored_without_echoing_them() -> None:
    assert parse("pull_request__opened", action="<script>") == Ignored(reason="unknown_action")
    assert parse("push__branch_update", ref="refs/pull/1/head") == Ignored(reason="other_ref")


def test_opened_is_ready_from_its_creation() -> None:
    seen = pull_request("pull_request__opened")
    assert seen.repository == replace(REPOSITORY, seen_at=seen.updated_at)
    assert (seen.updated_at, seen.rank, seen.complete) == (AT + 33 * SECOND, 0, True)
    opened = seen.pull_request
    assert (opened.number, opened.title, opened.state) == (2, "Update the README with new information.", "open")
    assert (opened.head_ref, opened.base_ref, opened.author) == ("changes", "master", "Codertocat")
    assert opened.head_sha == SHA("ec26c3e57ca3a959ca5aad62de7213c562f8c821")
    assert opened.labels == ("bug",)
    assert opened.created_at == AT + 33 * SECOND
    assert opened.readiness == ((AT + 33 * SECOND, True),)
    assert pull_request("pull_request__opened", pull_request__draft=True).pull_request.readiness == ((AT + 33 * SECOND, False),)


@pytest.mark.parametrize(("name", "ready"), [("ready_for_review", True), ("converted_to_draft", False)])
def test_readiness_changes_when_the_pull_request_was_updated(name: str, ready: bool) -> None:
    seen = pull_request(f"pull_request__{name}", pull_request__updated_at="2019-05-15T15:20:40Z")
    assert seen.pull_request.readiness == ((AT + 40 * SECOND, ready),)


@pytest.mark.parametrize("name", ["labeled", "synchronize", "closed_unmerged", "edited_retargeted"])
def test_other_actions_say_nothing_of_readiness(name: str) -> None:
    assert pull_request(f"pull_request__{name}").pull_request.readiness == ()


def test_the_merge_commit_counts_only_once_merged() -> None:
    unmerged = pull_request("pull_request__closed_unmerged")
    assert b"merge_commit_sha\": \"c4295bd74fb0" in body("github", "pull_request__closed_unmerged")
    assert (unmerged.pull_request.merge_sha, unmerged.pull_request.merged_at) == (None, None)
    assert unmerged.pull_request.state == "closed"
    merged = pull_request("pull_request__closed_merged")
    assert merged.pull_request.state == "merged"
    assert merged.pull_request.merge_sha == SHA("9049f1265b7d61be4a8904a9a27120d2064dab3b")
    assert merged.pull_request.merged_at == AT + 67 * SECOND
    assert (merged.updated_at, merged.rank) == (AT + 68 * SECOND, 9)
    assert merged.rank > unmerged.rank


def test_labels_are_the_array_not_the_label_of_the_event() -> None:
    labels = [{"name": "a"}, {"name": "b"}, {"name": "a"}]
    seen = pull_request("pull_request__labeled", pull_request__labels=labels, label={"name": "z"})
    assert seen.pull_request.labels == ("a", "b")


def test_retargeting_arrives_as_an_edit_and_nulls_are_survived() -> None:
    seen = pull_request("pull_request__edited_retargeted").pull_request
    assert (seen.base_ref, seen.body, seen.author) == ("release/1.0", "", "")


def test_an_approval() -> None:
    seen = pull_request("pull_request_review__submitted_approved")
    assert (seen.complete, seen.updated_at) == (False, AT + 38 * SECOND)
    assert seen.pull_request.reviews == (
        Review(id="237895671", reviewer="Monalisa", approved=True, submitted_at=AT + 38 * SECOND),
    )
    assert (seen.pull_request.merge_sha, seen.pull_request.merged_at) == (None, None)


def test_states_of_reviews_compare_in_any_case() -> None:
    assert pull_request("pull_request_review__submitted_approved", review__state="APPROVED").pull_request.reviews[0].approved


def test_a_dismissal_does_not_say_that_it_had_approved() -> None:
    seen = pull_request("pull_request_review__dismissed", pull_request__updated_at="2019-05-15T15:22:00Z")
    assert seen.pull_request.reviews == (
        Review(
            id="237895671",
            reviewer="Codertocat",
            approved=False,
            submitted_at=AT + 38 * SECOND,
            dismissed_at=AT + 120 * SECOND,
        ),
    )


def test_the_reduced_pull_request_of_a_review_may_lack_fields() -> None:
    seen = pull_request("pull_request_review__submitted_approved", pull_request__merged_at=..., pull_request__draft=...)
    assert not seen.complete


def test_a_review_that_is_not_submitted_yet() -> None:
    assert parse("pull_request_review__submitted_approved", review__submitted_at=None) == Ignored(reason="review_not_submitted")


def test_a_form_is_authentic_too() -> None:
    document = body("github", "push__branch_update")
    form = urlencode({"payload": document}).encode()
    assert parse_github("push", form, "application/x-www-form-urlencoded; charset=utf-8") == parse("push__branch_update")


@pytest.mark.parametrize("form", [b"", b"payload=1&payload=2", b"other=1", b"payload=%ff", "payload=é".encode(), b"&" * 5000, b"x=1&" * 50])
def test_a_form_that_is_none(form: bytes) -> None:
    with pytest.raises(PayloadError):
        parse_github("push", form, "application/x-www-form-urlencoded")


def test_a_body_must_have_the_shape_of_its_event() -> None:
    """Event names are outside the signature: a captured body could be sent again under another."""
    for name, event in [
        ("pull_request__opened", "push"),
        ("push__branch_update", "pull_request"),
        ("pull_request_review__dismissed", "push"),
        ("ping__repository", "deployment_status"),
        ("ping__repository", "installation"),
    ]:
        with pytest.raises(PayloadError):
            parse_github(event, body("github", name))
    with pytest.raises(PayloadError):
        parse_github("pull_request_review", changed("github", "pull_request__opened", action="submitted"))
    assert parse_github("pull_request_review", body("github", "pull_request__opened")) == Ignored(reason="unknown_action")
    with pytest.raises(PayloadError, match="review"):
        parse_github("pull_request", changed("github", "pull_request_review__dismissed", action="edited"))


@pytest.mark.parametrize(
    ("name", "paths", "slug"),
    [
        ("push__branch_update", {"after": "main"}, "bad_sha"),
        ("push__branch_update", {"commits__0__id": "0" * 40}, "bad_sha"),
        ("push__branch_update", {"ref": "refs/heads/--upload-pack=x y"}, "bad_ref"),
        ("push__branch_update", {"ref": "refs/heads/a..b"}, "bad_ref"),
        ("push__branch_update", {"ref": "refs/heads/a\nb"}, "bad_ref"),
        ("push__branch_update", {"repository__clone_url": "ext::sh -c x"}, "bad_repository_url"),
        ("push__branch_update", {"repository__id": 0}, "bad_id"),
        ("push__branch_update", {"repository__id": -1}, "bad_id"),
        ("pull_request__opened", {"pull_request__number": 0}, "bad_number"),
        ("pull_request__opened", {"pull_request__number": 2**40}, "bad_number"),
        ("pull_request__opened", {"pull_request__updated_at": "yesterday"}, "bad_instant"),
        ("pull_request__opened", {"pull_request__updated_at": "2019-05-15T15:20:33"}, "bad_instant"),
        ("pull_request__opened", {"pull_request__state": "melted"}, "bad_state"),
        ("pull_request__closed_merged", {"pull_request__merged_at": None}, "bad_instant"),
        ("pull_request__opened", {"pull_request__number": "2"}, "wrong_value"),
        ("pull_request__opened", {"pull_request__head": None}, "wrong_value"),
    ],
)
def test_what_cannot_be_parsed_says_why(name: str, paths: dict[str, object], slug: str) -> None:
    with pytest.raises(PayloadError) as caught:
        parse(name, **paths)
    assert caught.value.slug == slug


def test_texts_are_scrubbed_and_bounded() -> None:
    seen = pull_request("pull_request__opened", pull_request__title="a\0b\ud800", pull_request__body="x" * 100_000).pull_request
    assert seen.title == "a\\u0000b\\ud800"
    assert len(seen.body) == 65_536


def test_quoted_bytes_of_a_form_are_the_same_text() -> None:
    form = b"payload=" + quote_plus(body("github", "pull_request__opened")).encode()
    assert parse_github("pull_request", form, "Application/X-WWW-Form-URLencoded") == parse("pull_request__opened")
