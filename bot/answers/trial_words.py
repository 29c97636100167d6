"""What a trial of rules found, in words: the sentence that comes first, and why a near miss is none."""

from collections.abc import Iterator, Mapping

from bot.answers.trial_shown import MetricsTried, TrialAnswer
from bot.dora.instants import DAY, HOUR, MINUTE, SECOND

NEAR_MISSES: Mapping[str, str] = {
    "unknown_original": "what it points to was never deployed here before",
    "same_deployment": "what it undoes went out in the same deployment",
    "reland": "it brings back what a revert took out",
    "no_predecessor": "there was no deployment before it to blame",
    "no_identity": "the deployment before came with neither commit nor version: it may have been the same",
    "redeployed": "the match is in a change that had been deployed before: rules see what is new",
    "path": "the match is in a commit outside of the service's paths",
    "other_field": "another field of the same deployment has it, not the one that the rule reads",
    "case": "the text differs in upper and lower case alone: (?i) in front of the pattern matches both",
    "earlier_rule": "it matches, but a rollback or a rule before it decided",
}
"""Why a near miss is none, by its reason."""
NOT_COMPARED: Mapping[str, str] = {
    "no_overrides": "nobody corrected a deployment of this period",
    "none_called": "it calls none of the corrected deployments failed",
    "none_failed": "people called none of them failed",
}


def summary(answer: TrialAnswer) -> str:
    """The first sentence: what would change, or what today's rules see."""
    today, proposed = answer.metrics.today, answer.metrics.proposed
    period = f"the last {answer.days} day{'' if answer.days == 1 else 's'}"
    if not today.deployments:
        return f"No deployment counts in {period}."
    rates = _rates(today, proposed)
    if answer.differing:
        moved = [text for text in _moved(today, proposed) if text]
        what = f"would call {_listed(moved)}" if moved else f"would explain {_count(answer.differing, 'deployment')} otherwise"
        return f"Of {_count(today.deployments, 'deployment')} in {period} it {what}; {rates}."
    if any(one.change for one in answer.rules):
        return f"It would change nothing in {period} ({_count(today.deployments, 'deployment')}); {rates}."
    types = f"{_count(today.rollbacks, 'rollback')} and {_count(today.rollforwards, 'rollforward')}"
    return f"Today's rules see {types} in {_count(today.deployments, 'deployment')} of {period}; {rates}."


def percent(share: float | None) -> str:
    """A share, to a tenth of a percent."""
    return "–" if share is None else f"{share * 100:.1f}".removesuffix(".0") + " %"


def span(duration: float | None) -> str:
    """A duration (nanoseconds) in its largest unit, to a tenth."""
    if duration is None:
        return "–"
    unit, name = next(((unit, name) for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")) if duration >= unit), (SECOND, "s"))
    return f"{duration / unit:.1f}".removesuffix(".0") + f" {name}"


def _rates(today: MetricsTried, proposed: MetricsTried) -> str:
    before, after = today.change_failure_rate, proposed.change_failure_rate
    name = "change failure rate"
    if (before.value, before.formula) == (after.value, after.formula):
        return f"{name} {percent(before.value)}"
    return f"{name} {percent(before.value)} → {percent(after.value)}"


def _moved(today: MetricsTried, proposed: MetricsTried) -> Iterator[str]:
    yield _more(proposed.rollforwards - today.rollforwards, "a rollforward", "rollforwards")
    yield _more(proposed.rollbacks - today.rollbacks, "a rollback", "rollbacks")
    failed = proposed.change_failure_rate.failed - today.change_failure_rate.failed
    yield _more(failed, "failed", "failed")


def _more(count: int, one: str, many: str) -> str:
    if not count:
        return ""
    return f"{abs(count):,} {'more' if count > 0 else 'fewer'} {one if abs(count) == 1 else many}"


def _listed(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
