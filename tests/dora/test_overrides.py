"""What people correct wins over what was derived, field by field in the order of receipts, until it is taken back."""

import itertools

import pytest

from bot.dora.overrides import UNSET, Correction, Override, Unset, correct, corrections_of, fold
from bot.dora.remediation import Classified, Remediation


def said(failed: bool | Unset | None = UNSET, kind: str | Unset | None = UNSET, by: str = "fix") -> Override:
    """A word about deployment `bad`."""
    named = by if isinstance(kind, str) else UNSET if isinstance(kind, Unset) else None
    return Override(deployment_id="bad", change_failure=failed, remediation_type=kind, remediation_id=named)  # type: ignore[arg-type]


def outcome(*words: Override) -> tuple[bool, str | None, str] | None:
    """(failed, type of the remediation, its id), as told one after the other."""
    found = fold([((at, 0), "ann", word) for at, word in enumerate(words)])
    return None if found is None else (found.failed, found.remediation_type, found.remediation_id)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([said(True)], (True, None, "")),
        ([said(False)], (False, None, "")),
        ([said(True, "rollback")], (True, "rollback", "fix")),
        ([said(kind="rollforward")], (True, "rollforward", "fix")),
        ([said(True), said(kind="rollback")], (True, "rollback", "fix")),
        ([said(True, "rollback"), said(True)], (True, "rollback", "fix")),
        ([said(True, "rollback"), said(True, "rollforward", by="other")], (True, "rollforward", "other")),
        ([said(True, "rollback"), said(kind=None)], (True, None, "")),
        ([said(True, "rollback"), said(False)], (False, None, "")),
        ([said(True, "rollback"), said(False), said(True)], (True, None, "")),
        ([said(False), said(kind="rollback")], (True, "rollback", "fix")),
        ([said(False, "rollback")], (False, None, "")),
        ([said(True, "rollback"), said(None)], None),
        ([said(True, "rollback"), said(None), said(True)], (True, None, "")),
        ([said(kind=None)], None),
        ([], None),
    ],
)
def test_words_are_folded_field_by_field(words: list[Override], expected: object) -> None:
    assert outcome(*words) == expected


def test_the_order_of_receipts_counts_and_no_other() -> None:
    words = [((at, 0), "ann", word) for at, word in enumerate([said(True, "rollback"), said(False), said(True), said(kind="rollforward")])]
    assert len({fold(order) for order in itertools.permutations(words)}) == 1
    twice = [((5, 2), "bea", said(True)), ((5, 1), "ann", said(False))]
    assert fold(twice) == Correction(deployment_id="bad", failed=True, order=(5, 2), by="bea")


def mends(id: str, *targets: str, kind: str = "rollforward") -> Classified:
    """A deployment that was derived to mend others."""
    remediations = tuple(
        Remediation(target=one, type=kind, rule="hotfix-label", field="pr_label", value="hotfix", original=one)  # type: ignore[arg-type]
        for one in targets
    )
    return Classified(deployment_id=id, type=kind if targets else "standard", remediations=remediations)  # type: ignore[arg-type]


def correction(failed: bool, kind: str | None = None, by: str = "", *, of: str = "bad", at: int = 1) -> Correction:
    """What is in force of a deployment."""
    return Correction(deployment_id=of, failed=failed, order=(at, 0), by="ann", remediation_type=kind, remediation_id=by)  # type: ignore[arg-type]


def corrected(series: list[Classified], *corrections: Correction) -> dict[str, tuple[str, list[str], bool | None]]:
    """Deployment → (type, what it mends, what a person says of it)."""
    own = {one.deployment_id: one for one in corrections}
    found = correct(series, own, [one for one in corrections if one.remediation_id])
    return {one.deployment_id: (one.type, [each.target for each in one.remediations], one.failed) for one in found}


def test_true_with_remediation_names_who_mended_it_and_how() -> None:
    found = corrected([mends("bad"), mends("fix", "bad"), mends("other")], correction(True, "rollback", "other"))
    assert found == {"bad": ("standard", [], True), "fix": ("standard", [], None), "other": ("rollback", ["bad"], None)}
    (other,) = correct([mends("other")], {}, [correction(True, "rollback", "other")])
    assert other.remediations == (
        Remediation(target="bad", type="rollback", rule="override", field="override", value="ann", original="other"),
    )


def test_of_two_types_given_the_newer_holds() -> None:
    first, second = correction(True, "rollback", "fix", at=1), correction(True, "rollforward", "fix", of="worse", at=2)
    assert corrected([mends("bad"), mends("worse"), mends("fix")], first, second)["fix"] == ("rollforward", ["bad", "worse"], None)


def test_rework_without_blame_stays_rework() -> None:
    rework = Remediation(target="", type="rollforward", rule="unplanned", field="pr_label", value="unplanned", original="")
    unplanned = Classified(deployment_id="fix", type="rollforward", remediations=(rework,))
    assert corrected([mends("bad"), unplanned], correction(False))["fix"] == ("rollforward", [""], None)
    assert corrected([mends("bad"), unplanned], correction(True, "rollback", "fix"))["fix"] == ("rollback", ["", "bad"], None)


def test_a_mistake_of_a_merged_deployment_is_one_of_the_deployment_that_counts() -> None:
    words = [((1, 0), "ann", Override(deployment_id="seen", change_failure=True, remediation_type="rollback", remediation_id="telemetry"))]
    assert corrections_of(words, {"seen": "bad", "telemetry": "fix"}) == {"bad": correction(True, "rollback", "fix")}
    assert corrections_of(words, {"seen": "bad", "telemetry": "bad"}) == {"bad": correction(True)}, "nothing mends itself"
