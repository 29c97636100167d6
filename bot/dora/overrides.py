"""What people correct: whether a deployment failed, and which one mended it (semantics §5, overrides).

Rules:
- Words about one deployment are folded in the order of their receipts, field by field. `change_failure: null` takes all of them
  back; "it did not fail" takes back who mended it; naming who mended it says that it failed.
- They are laid over what was derived, which does not know of them: correcting one deployment never changes what is thought of
  another, but for the one that mended it.
- What mends a deployment is of its series and not before it; another one that somebody named mends nothing.
- Where somebody spoke, their remediation is the only one. A deployment that mends nothing any more is `standard`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, Literal

from bot.dora.remediation import Classified, DeploymentType, Remediation

RemediationType = Literal["rollback", "rollforward"]
OVERRIDE = "override"
"""The rule of a remediation that a person named."""


class Unset(Enum):
    """What a correction does not speak of."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A correction of one deployment. `None` takes back what was said, `UNSET` says nothing; a remediation's type and id go together."""

    deployment_id: str
    change_failure: bool | Unset | None = UNSET
    remediation_type: RemediationType | Unset | None = UNSET
    remediation_id: str | Unset | None = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What people say of one deployment, all in all. `order` is that of the newest word, `by` who said it."""

    deployment_id: str
    failed: bool
    order: tuple[int, ...]
    by: str
    remediation_type: RemediationType | None = None
    remediation_id: str = ""


Word = tuple[tuple[int, ...], str, Override]
"""The order of a receipt, who spoke, and what was said."""


def fold(words: Iterable[Word]) -> Correction | None:
    """The correction in force out of all words about one deployment; `None` when nobody says anything any more."""
    found: Correction | None = None
    for order, by, word in sorted(words, key=lambda one: one[0]):
        failed = word.change_failure
        if failed is None:
            found = None
        elif isinstance(failed, bool):
            kept = found if found is not None and failed else None
            found = Correction(
                deployment_id=word.deployment_id, failed=failed, order=order, by=by,
                remediation_type=kept.remediation_type if kept else None, remediation_id=kept.remediation_id if kept else "",
            )
        kind, by_id = word.remediation_type, word.remediation_id
        if kind is None and found is not None:
            found = replace(found, order=order, by=by, remediation_type=None, remediation_id="")
        elif isinstance(kind, str) and isinstance(by_id, str) and failed not in (None, False):
            found = Correction(
                deployment_id=word.deployment_id, failed=True, order=order, by=by, remediation_type=kind, remediation_id=by_id
            )
    return found


def correct(
    found: Sequence[Classified], own: Mapping[str, Correction], naming: Iterable[Correction] = ()
) -> list[Classified]:
    """Classifications with corrections laid over: `own` are those of deployments of this series, by id; `naming` those of them that
    name a deployment as remediation which can be one."""
    named: dict[str, list[Correction]] = {}
    for one in sorted(naming, key=lambda one: (one.order, one.deployment_id)):
        named.setdefault(one.remediation_id, []).append(one)
    return [_corrected(one, own, named.get(one.deployment_id, ())) for one in found]


def _corrected(one: Classified, own: Mapping[str, Correction], named: Sequence[Correction]) -> Classified:
    left = tuple(each for each in one.remediations if each.target not in own)
    given = tuple(_remediation(each) for each in named)
    kind: DeploymentType = one.type
    if given:
        kind = given[-1].type
    elif not left and one.remediations:
        kind = "standard"
    correction = own.get(one.deployment_id)
    return replace(
        one, type=kind, remediations=tuple(sorted((*left, *given), key=lambda each: each.target)),
        failed=None if correction is None else correction.failed,
    )


def _remediation(one: Correction) -> Remediation:
    return Remediation(
        target=one.deployment_id, type=one.remediation_type or "rollforward", rule=OVERRIDE, field=OVERRIDE, value=one.by,
        original=one.remediation_id,
    )


def at_survivors(corrections: Iterable[Word], merged: Mapping[str, str]) -> dict[str, list[Word]]:
    """Words by the deployment that counts: what is said of a merged deployment is said of the one it was merged into."""
    found: dict[str, list[Word]] = {}
    for order, by, word in corrections:
        target = merged.get(word.deployment_id, word.deployment_id)
        named = word.remediation_id
        if isinstance(named, str):
            named = merged.get(named, named)
        found.setdefault(target, []).append((order, by, replace(word, deployment_id=target, remediation_id=named)))
    return found


def corrections_of(words: Iterable[Word], merged: Mapping[str, str]) -> dict[str, Correction]:
    """The corrections in force, by the id of the deployment that counts. What is merged into a deployment does not mend it."""
    folded = ((id, fold(said)) for id, said in at_survivors(words, merged).items())
    return {
        id: replace(one, remediation_type=None, remediation_id="") if one.remediation_id == id else one
        for id, one in folded
        if one is not None
    }
