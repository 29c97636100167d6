"""How pages say things: durations, shares, instants and reasons in words for people."""

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from itertools import pairwise

from bot.dora.instants import DAY, HOUR, MINUTE, SECOND, Duration, Instant

NOTHING = "–"
_FIXED = "\u00a0"
"""A space that does not break the line."""

_UNITS = ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s"))

STAGE_NAMES: Mapping[str, str] = {
    "time_to_pr_ready": "Time to PR ready",
    "review_time": "Review time",
    "merge_time": "Merge time",
    "time_to_deploy": "Time to deploy",
    "deploy_time": "Deploy time",
}
STAGE_COLUMNS: Mapping[str, str] = {
    "time_to_pr_ready": "To PR ready",
    "review_time": "Review",
    "merge_time": "Merge",
    "time_to_deploy": "To deploy",
    "deploy_time": "Deploy",
}
STAGE_SPANS: Mapping[str, str] = {
    "time_to_pr_ready": "commit → ready for review",
    "review_time": "ready → last approval",
    "merge_time": "last approval → merged",
    "time_to_deploy": "merged → deployment started",
    "deploy_time": "started → finished",
}

REASONS: Mapping[str, str] = {
    "pending": "not derived yet; look again in a moment",
    "first_deployment": "the first deployment of its series: there is nothing to compare it with",
    "predecessor_too_old": "the deployment before it is too long ago to be compared",
    "predecessor_commit_unknown": "the commit of the deployment before is not here yet: no fetch or upload brought it",
    "commit_unknown": "its commit, or what lies between it and the deployment before, is not here yet: no fetch or upload brought it",
    "no_git": "it came without a commit, so there is nothing to trace",
    "source_off": "its data source is switched off",
    "same_commit": "it deployed the same commit as the one before: no change went out",
    "moved_backwards": "it went back to an older commit: no change went out, some were taken back",
    "no_matching_commits": "no commit in its range touched this service's paths",
    "merge": "a merge commit: the commits it merged count instead",
    "path": "touches none of this service's paths",
    "paths_unknown": "its changed paths are unknown (the history is cut off here)",
    "squashed": "a squash: the pull request's original commits count instead",
    "truncated": "beyond the limit of commits for one deployment",
    "shallow_boundary": "may have carried more commits: the history is cut off within what they carried",
    "bad_date": "its dates cannot be right, so its lead time is unknown",
    "no_pull_request": "came without a pull request",
    "merged_after_deployment": "its pull request was merged after the deployment started",
    "no_approval": "its pull request was merged without an approval",
    "commit_after_ready": "committed after the pull request was ready",
    "commit_after_approval": "committed after the last approval",
    "negative": "would end before it starts",
    "no_duration": "this kind of source has no duration",
    "no_predecessor": "there was no deployment before it to blame",
    "unknown_original": "what it points to was never deployed here",
    "same_deployment": "what it undoes went out in the same deployment",
    "reland": "it brings back what a revert took out",
    "no_identity": "came with neither a commit nor a version, so nobody can tell whether it failed",
    "no_deployments": "no deployments in this period",
    "no_changes": "no changes with a lead time in this period",
    "no_failures": "no failures in this period",
    "unrecovered": "failed, and not recovered yet",
    "open": "still open",
    "never_active": "nobody knows when it was active",
}
"""Every reason of `dora/reasons.py` as a clause."""

IGNORED: Mapping[str, str] = {
    "unknown_source": "nobody here reads this source",
    "unknown_event": "an event that is not known here",
    "other_ref": "neither a branch nor a tag",
    "merge_queue_branch": "a branch of the merge queue, gone in a moment",
    "no_action": "a change of something that is not used here",
    "unknown_action": "an action that is not known here",
    "own_approval": "an approval of one's own merge request",
    "review_neither_approved_nor_dismissed": "a review that neither approves nor is dismissed",
    "review_not_submitted": "a review that is not submitted",
}
"""Why a delivery was ignored."""

CHANGE_FLAGS: Mapping[str, str] = {
    "truncated": "It carried more commits than the limit: the newest of them count.",
    "predecessor_skipped": "It is compared with an older deployment: the commit of the one before is in no history that was fetched since.",
    "test_merge": "Its commit is one that the forge made to try a pull request out: it stands for that pull request's head.",
    "shallow_boundary": (
        "The history is cut off within what it carried: there may be more commits than are known. "
        "Fetching or uploading what is missing completes it."
    ),
    "squash_originals_missing": "The commits behind a squash could not be had: the squashed commit stands for them.",
    "repository_not_linked": "The definition links to code, but to none in this repository: all of its commits count.",
}
"""What is to be known of the changes of a deployment."""

FLAGS: Mapping[str, str] = {
    "reinstated": "It restores what a rollback had replaced, so it is no rollback itself.",
    "moved_backwards": "It went back to an older commit that was never deployed here.",
}


def reason(slug: str) -> str:
    """A reason as a clause; an unknown one as it is."""
    return REASONS.get(slug, slug.replace("_", " "))


def ignored(slug: str) -> str:
    """Why a delivery was ignored, as a clause; an unknown reason as it is."""
    for kind in ("event_", "action_"):
        if slug.startswith(kind) and slug not in IGNORED:
            return f"the {kind[:-1]} {slug.removeprefix(kind)} is not used here"
    return IGNORED.get(slug, slug)


def absences(absent: Mapping[str, str]) -> list[tuple[str, str]]:
    """(stages, why they are absent), one for each reason; stages in their order."""
    found: dict[str, list[str]] = {}
    for name, title in STAGE_COLUMNS.items():
        if name in absent:
            found.setdefault(absent[name], []).append(title)
    return [(", ".join(titles), reason(slug)) for slug, titles in found.items()]


def duration(value: Duration | float | None) -> str:
    """The two largest units: `2 d 4 h`."""
    if value is None:
        return NOTHING
    if abs(value) < SECOND:
        return f"{value / SECOND:.1f}{_FIXED}s" if value else f"0{_FIXED}s"
    if value < 0:
        return f"−{duration(-value)}"
    for (unit, name), (smaller, below) in pairwise(_UNITS):
        if value >= unit:
            whole, rest = divmod(int(value), unit)
            part = rest // smaller
            first = f"{whole:,}{_FIXED}{name}"
            return f"{first}{_FIXED}{part}{_FIXED}{below}" if part and whole < 100 else first
    return f"{int(value // SECOND)}{_FIXED}s"


def exact(value: Duration | float | None) -> str:
    """A duration in seconds, for titles."""
    return "" if value is None else f"{value / SECOND:,.0f} seconds"


def share(value: float | None) -> str:
    """A share as a percentage."""
    if value is None:
        return NOTHING
    return f"{value * 100:.1f}".removesuffix(".0") + f"{_FIXED}%"


def frequency(per_day: float | None) -> tuple[str, str]:
    """A number and its unit, in the unit in which it is easiest to imagine."""
    if per_day is None:
        return NOTHING, ""
    for factor, unit in ((1, "per day"), (7, "per week"), (30, "per month")):
        if per_day * factor >= 1 or unit == "per month":
            return f"{per_day * factor:.1f}".removesuffix(".0"), unit
    return "0", "per month"


def instant(at: Instant | None, tz: tzinfo) -> str:
    """An instant to the minute, in a time zone."""
    return NOTHING if at is None else _local(at, tz).strftime("%d %b %Y, %H:%M").lstrip("0")


def day(at: Instant, tz: tzinfo) -> str:
    """A day and its month."""
    return _local(at, tz).strftime("%d %b").lstrip("0")


def date(at: Instant, tz: tzinfo) -> str:
    """A day with its month and year."""
    return _local(at, tz).strftime("%d %b %Y").lstrip("0")


def ago(at: Instant | None, now: Instant) -> str:
    """How long ago, in one unit."""
    if at is None:
        return "never"
    for unit, name in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")):
        if number := max(0, now - at) // unit:
            return f"{number:,}{_FIXED}{name}{'' if number == 1 else 's'}{_FIXED}ago"
    return "just now"


def shortened(text: str) -> str:
    """A whole sha as its first digits, any other text as it is."""
    return text[:10] if len(text) == 40 and not text.strip("0123456789abcdef") else text


def author(name: str | None) -> str:
    """The name without the mail address."""
    return (name or "").partition(" <")[0] or NOTHING


def sha(value: bytes | None) -> str:
    """The first ten digits."""
    return NOTHING if value is None else value.hex()[:10]


def _local(at: Instant, tz: tzinfo) -> datetime:
    return datetime.fromtimestamp(at // SECOND, UTC).astimezone(tz)


SOURCE_NAMES: Mapping[str, Mapping[str, str]] = {
    "deployments": {
        "api": "API and datadog-ci",
        "github": "Deployments on GitHub",
        "gitlab": "Deployments on GitLab",
        "webhook": "DevLake webhooks",
        "tags": "Tags and releases",
        "apm": "Telemetry",
    },
    "failures": {
        "api": "API",
        "pagerduty": "PagerDuty",
        "incidents": "Incidents",
        "github": "GitHub issues",
        "gitlab": "GitLab incidents",
    },
}
"""What people call the sources of each kind of event."""
