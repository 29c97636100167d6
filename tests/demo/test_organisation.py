"""The built repositories: deterministic, as the document says, and the table's commits computed from them by git alone."""

from datetime import UTC, date, datetime
from fnmatch import fnmatch
from pathlib import Path

import pytest

from bot.demo.expected import load_table
from bot.demo.organisation import Built, Organisation, build_organisation, git
from tests.demo.conftest import BASE
from tests.demo.tables import NONE, moment, tables

PATTERNS = {
    "checkout": ("services/checkout/*",),
    "catalog": ("services/catalog/*", "libs/pricing/*"),
    "web": ("web/*",),
    "ledger": ("src/*", "db/*"),
    "statements": ("reports/*",),
}
WORKED = sorted(load_table().deployments)


def test_the_same_date_gives_the_same_commits(organisation: Organisation, tmp_path: Path) -> None:
    again = build_organisation(tmp_path, BASE)
    other = build_organisation(tmp_path / "other", date(2026, 11, 22))
    assert again.shop.shas == organisation.shop.shas
    assert again.ledger.shas == organisation.ledger.shas
    assert again.shop.tags == organisation.shop.tags
    assert not set(other.shop.shas.values()) & set(organisation.shop.shas.values())


def test_what_is_built_stays(organisation: Organisation) -> None:
    before = (organisation.shop.directory / "HEAD").stat().st_mtime_ns
    assert build_organisation(organisation.root, BASE) == organisation
    assert (organisation.shop.directory / "HEAD").stat().st_mtime_ns == before


def test_git_finds_nothing_wrong(organisation: Organisation) -> None:
    for built in (organisation.shop, organisation.ledger):
        assert run(built, "fsck", "--strict", "--no-dangling") == ""


@pytest.mark.parametrize("heading", ["github.com/acme/shop", "gitlab.example.com/platform/payments/core/ledger"])
def test_commits_are_those_of_the_document(organisation: Organisation, heading: str) -> None:
    built = organisation.built(heading)
    rows = {row["commit"]: row for row in tables(heading)[0]}
    for key, row in rows.items():
        sha = built.shas[key]
        name, authored, committed, subject = run(built, "log", "-1", "--format=%an%n%at%n%ct%n%s", sha).split("\n")
        written = int(committed) if key == "c5" else int(authored)
        assert name == built.spec.people[row["author"]].name
        assert written - organisation.base == moment(row["authored"]), key
        assert subject == row["subject"].replace("revert-mm3", f"revert-{built.shas['mm3'][:8] if 'mm3' in built.shas else ''}")
        assert paths(built, sha) == (set() if row["paths"] == NONE else set(row["paths"].split())), key
    assert set(built.shas) - set(rows) == ({"r1o", "r2o", "r3o", "t1o", "t2o", "z1"} if heading.startswith("github") else set())


@pytest.mark.parametrize("heading", ["github.com/acme/shop", "gitlab.example.com/platform/payments/core/ledger"])
def test_pull_requests_are_those_of_the_document(organisation: Organisation, heading: str) -> None:
    built = organisation.built(heading)
    pulls = {pull.number: pull for pull in built.spec.pull_requests}
    for row in tables(heading)[1]:
        pull = pulls.pop(int(row["pull request"].lstrip("!")))
        branch = "revert-mm3" if pull.branch.startswith("revert-{") else pull.branch
        assert (pull.landing, pull.landed, branch, pull.title, pull.author) == (
            row["landed by"], row["as"], row["branch"], row["title"], row["author"],
        )  # fmt: skip
        ready = [at for at, is_ready in pull.flips if is_ready] or [pull.opened]
        approvals = [review.at for review in pull.reviews if review.state == "approved" and not review.dismissed] or [NONE]
        assert (pull.opened, ready[-1], approvals[-1], pull.merged) == (
            row["opened"], row["ready"], row["last approval"], row["merged"],
        )  # fmt: skip
        head = built.spec.pull_ref.format(number=pull.number)
        assert run(built, "rev-parse", head) == built.shas[pull.commits[-1]]
    assert set(pulls) <= {16}


def test_main_is_the_line_of_the_document(organisation: Organisation) -> None:
    for built in (organisation.shop, organisation.ledger):
        line = run(built, "rev-list", "--first-parent", "--reverse", "main").split()
        assert line == [built.shas[key] for key in built.spec.line]


@pytest.mark.parametrize("key", WORKED)
def test_git_alone_gives_the_commits_of_the_table(organisation: Organisation, key: str) -> None:
    table = load_table()
    row = table.deployments[key]
    if row["predecessor"] is None or row["not_computed"] in {"commit_unknown", "predecessor_too_old"}:
        assert row["kept"] == []
        assert row["dropped"] == {}
        return
    service = str(row["service"])
    built = organisation.ledger if service in {"ledger", "statements"} else organisation.shop
    shas = built.shas
    keys = {sha: name for name, sha in shas.items()}
    start, end = shas[str(table.deployments[str(row["predecessor"])]["commit"])], shas[str(row["commit"])]
    kept, dropped = by_git(built, service, start, end)
    assert sorted(keys[sha] for sha in kept) == row["kept"]
    assert {reason: sorted(keys[sha] for sha in found) for reason, found in dropped.items() if found} == row["dropped"]
    earlier = [
        shas[str(other["commit"])]
        for other in table.deployments.values()
        if (other["service"], other["env"]) == (service, row["env"])
        and other["finished"] < row["finished"]
        and other["commit"] in shas
    ]
    delivered = set(run(built, "rev-list", *earlier).split())
    redeployed = {sha for sha, squashed in kept.items() if (squashed or sha) in delivered}
    assert sorted(keys[sha] for sha in redeployed) == row["redeployed"]


@pytest.mark.parametrize("change", load_table().changes, ids=lambda change: f"{change['deployment']}-{change['commit']}")
def test_lead_times_follow_from_git_dates(organisation: Organisation, change: dict[str, object]) -> None:
    deployment = load_table().deployments[str(change["deployment"])]
    built = organisation.ledger if deployment["service"] in {"ledger", "statements"} else organisation.shop
    authored, committed = run(built, "log", "-1", "--format=%at %ct", built.shas[str(change["commit"])]).split()
    year = datetime.fromtimestamp(int(authored), UTC).year
    written = int(authored) if year >= 1990 else int(committed)
    assert organisation.base + deployment["finished"] - written == change["change_lead_time"]


def by_git(built: Built, service: str, start: str, end: str) -> tuple[dict[str, str | None], dict[str, set[str]]]:
    """Kept commits (with the squashed one they stand behind) and the dropped ones, by the rules, from git's answers."""
    reachable = run(built, "rev-list", f"{start}..{end}").split()
    dropped: dict[str, set[str]] = {"merge": set(run(built, "rev-list", "--merges", f"{start}..{end}").split())}
    dropped |= {"path": set(), "squashed": set()}
    squashed = originals(built)
    kept: dict[str, str | None] = {}
    for sha in reachable:
        if sha in dropped["merge"]:
            continue
        if not any(fnmatch(path, pattern) for path in paths(built, sha) for pattern in PATTERNS[service]):
            dropped["path"].add(sha)
        elif sha in squashed:
            dropped["squashed"].add(sha)
            kept |= dict.fromkeys(squashed[sha], sha)
        else:
            kept[sha] = None
    return kept, dropped


def originals(built: Built) -> dict[str, set[str]]:
    """Squashed commit → the originals of its pull request, those of earlier merged ones taken away."""
    found: dict[str, set[str]] = {}
    for pull in sorted(built.spec.pull_requests, key=lambda pull: moment(pull.merged or "0 00:00")):
        if pull.landing != "squash":
            continue
        squashed = built.shas[pull.brought[0] if pull.brought else pull.landed]
        head = built.spec.pull_ref.format(number=pull.number)
        own = set(run(built, "rev-list", "--no-merges", head, f"^{squashed}^").split())
        found[squashed] = own.difference(*found.values())
    return found


def paths(built: Built, sha: str) -> set[str]:
    """The paths of a commit as `git log` shows them: none for a merge, both sides of a rename."""
    return set(run(built, "log", "-1", "--format=", "--name-only", "--no-renames", sha).split())


def run(built: Built, *arguments: str) -> str:
    return git("-C", str(built.directory), *arguments)
