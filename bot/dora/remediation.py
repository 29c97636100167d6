"""Which deployments mend an earlier one: rollbacks, linked reverts, hotfixes, each with its evidence (semantics §5).

Rules:
- One type per deployment, in this order: rollback, linked rules in theirs, static rules in theirs. One deployment may mend several.
- Nothing is said of a deployment by a later one: a remediation belongs to the deployment that mends, and names its target. That a
  deployment failed is that somebody's remediation names it; of several the earliest by the order of the series counts.
- Rules see what is new: changes that are not redeployed, and the version if the deployment before had another.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from bot.dora.commits import Sha
from bot.dora.deployments import Deployment
from bot.dora.pull_requests import PullRequest
from bot.dora.reasons import NotRemediation
from bot.dora.reverts import Link, Original, Origins, Steps, Subject, links_of, subject_of
from bot.dora.rules import CompiledRules, matches, speaks
from bot.dora.series_past import Recall, SeriesPast, has_identity

DeploymentType = Literal["standard", "rollback", "rollforward"]
ROLLBACK = "rollback"
"""The name of the rule that needs none."""
REINSTATED = "reinstated"
"""It restores what a rollback replaced."""
MOVED_BACKWARDS = "moved_backwards"
"""It went back to a commit that was never deployed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedChange:
    """A change of a deployment. `original_of` is the squashed commit it stands behind, `number` the pull request that introduced it."""

    sha: Sha
    message: str
    original_of: Sha | None = None
    number: int | None = None
    redeployed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A deployment and what it carried. `squashed` are the squashed commits behind its changes, with their own messages."""

    deployment: Deployment
    changes: tuple[CarriedChange, ...] = ()
    pull_requests: tuple[PullRequest, ...] = ()
    squashed: tuple[tuple[Sha, str], ...] = ()
    moved_backwards: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Remediation:
    """`target` failed, by this evidence: the rule, its field, the text it saw, and the version, full sha (hex) or pull request number
    that the text points to. For a rollback: the sha or version, and the id of the deployment it restores.

    Of a rule with `blame: none` target and original are "": it is rework, and nothing failed."""

    target: str
    type: Literal["rollback", "rollforward"]
    rule: str
    field: str
    value: str
    original: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """What looked like a remediation and is none."""

    rule: str
    reason: NotRemediation
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Classified:
    """What one deployment is, and what it mends."""

    deployment_id: str
    type: DeploymentType = "standard"
    remediations: tuple[Remediation, ...] = ()
    flags: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    failed: bool | None = None
    """Whether a person said that it failed; `None` when nobody said anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestFlag:
    """A pull request that is a revert or hotfix by itself; `target` and `target_sha` are what it points to, as far as known."""

    rule: str
    field: str
    value: str
    target: int | None = None
    target_sha: Sha | None = None


def classify(
    series: Sequence[Carried],
    rules: CompiledRules,
    origins: Callable[[str], Origins],
    *,
    settled: Collection[str] = (),
    recall: Recall | None = None,
) -> list[Classified]:
    """The type and the remediations of every deployment of one series, which is given in its order.

    `origins` gives the lookups of a repository by its RepositoryId's text. The `settled` deployments (ids) are not asked again and
    need no changes here; `recall` tells what they carried.
    """
    past = SeriesPast(literal=rules.options.rollback == "literal")
    if recall is not None:
        past.recall = recall
    found = []
    for carried in series:
        if carried.deployment.id not in settled:
            found.append(_classify_next(carried, past, rules, origins))
        past.add(carried.deployment, [(change.sha, change.original_of, change.number) for change in carried.changes])
    return found


def _classify_next(
    carried: Carried, past: SeriesPast, rules: CompiledRules, origins: Callable[[str], Origins]
) -> Classified:
    deployment = carried.deployment
    reasons = []
    rollback = past.rollback(deployment)
    if rollback is not None and rollback.reinstates:
        return Classified(deployment_id=deployment.id, flags=(REINSTATED,))
    if rollback is not None and rollback.certain:
        remediation = Remediation(
            target=rollback.failed.id,
            type="rollback",
            rule=ROLLBACK,
            field=rollback.field,
            value=rollback.value,
            original=rollback.restored.id,
        )
        return Classified(deployment_id=deployment.id, type="rollback", remediations=(remediation,))
    if rollback is not None or not has_identity(deployment):
        value = rollback.value if rollback is not None else ""
        reasons.append(Reason(rule=ROLLBACK, reason=NotRemediation.NO_IDENTITY, value=value))
    flags = {MOVED_BACKWARDS} if carried.moved_backwards else set()
    subjects = [subject for subject in _subjects(carried, past) if speaks(rules, subject.texts)]
    linked = _linked(carried, subjects, past, rules, origins(deployment.repository))
    reasons += linked.reasons
    if linked.remediations:
        kind: DeploymentType = "rollforward"
        remediations = linked.remediations
    elif linked.reland:
        kind, remediations = "standard", ()
    else:
        kind, remediations = _static(subjects, past, rules, reasons)
    return Classified(
        deployment_id=deployment.id,
        type=kind,
        remediations=remediations,
        flags=tuple(sorted(flags)),
        reasons=tuple(dict.fromkeys(reasons)),
    )


@dataclass(slots=True)
class _Linked:
    """What the linked rules found in one deployment."""

    remediations: tuple[Remediation, ...] = ()
    reasons: list[Reason] = field(default_factory=list)
    reland: bool = False


class _Parts:
    """What a deployment carried, to be asked many times whether an original is part of it."""

    def __init__(self, changes: Iterable[CarriedChange]) -> None:
        self._shas, self._behind, self._numbers = set[Sha](), set[Sha](), set[int]()
        for change in changes:
            self._shas.add(change.sha)
            if change.original_of is not None:
                self._behind.add(change.original_of)
            if change.number is not None:
                self._numbers.add(change.number)

    def hold(self, original: Original) -> bool:
        """Whether one of the changes belongs to what a text points to."""
        if original.sha is not None and (original.sha in self._shas or original.sha in self._behind):
            return True
        if original.number is not None and original.number in self._numbers:
            return True
        return not self._shas.isdisjoint(original.commits)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A deployment about which the linked rules are asked, and what they look up."""

    deployment: Deployment
    parts: _Parts
    past: SeriesPast
    rules: CompiledRules
    origins: Origins
    steps: Steps = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    """What a linked rule found in one subject: a link with the deployment it blames, or why there is none."""

    order: int
    link: Link
    target: Deployment | None
    reason: NotRemediation | None


def _linked(
    carried: Carried, subjects: Sequence[Subject], past: SeriesPast, rules: CompiledRules, origins: Origins
) -> _Linked:
    """Ask the linked rules about each subject; a subject that another one of this deployment reverts has no say."""
    asked = _Asked(
        deployment=carried.deployment, parts=_Parts(carried.changes), past=past, rules=rules, origins=origins
    )
    verdicts = [_verdicts(subject, asked) for subject in subjects]
    stands = _standing(subjects, verdicts)
    result = _Linked()
    blamed: list[tuple[int, Remediation]] = []
    for at, found in enumerate(verdicts):
        for verdict in found:
            rule, seen, original = verdict.link.hit.rule, verdict.link.hit.seen, verdict.link.original
            reason = verdict.reason if stands[at] else verdict.reason or NotRemediation.SAME_DEPLOYMENT
            if verdict.target is not None and reason is None:
                name = original.name if original is not None else verdict.link.hit.value
                remediation = Remediation(
                    target=verdict.target.id,
                    type="rollforward",
                    rule=rule.id,
                    field=rule.field,
                    value=seen,
                    original=name,
                )
                blamed.append((verdict.order, remediation))
            elif reason is not None:
                result.reasons.append(Reason(rule=rule.id, reason=reason, value=seen))
                result.reland = result.reland or reason is NotRemediation.RELAND
    first: dict[str, Remediation] = {}
    for _, remediation in sorted(blamed, key=lambda each: each[0]):
        first.setdefault(remediation.target, remediation)
    result.remediations = tuple(first[target] for target in sorted(first))
    return result


def _standing(subjects: Sequence[Subject], verdicts: Sequence[Sequence[_Verdict]]) -> list[bool]:
    """Which subjects are not undone by another one of the same deployment that stands itself."""
    numbers = {subject.number: at for at, subject in enumerate(subjects) if subject.number is not None}
    shas = {sha: at for at, subject in enumerate(subjects) for sha in subject.shas}
    undoes: list[set[int]] = []
    for at, found in enumerate(verdicts):
        originals = [verdict.link.original for verdict in found if verdict.link.original is not None]
        named = {numbers.get(original.number or 0, shas.get(original.sha or b"")) for original in originals}
        undoes.append({other for other in named if other is not None and other != at})
    waits = Counter(other for named in undoes for other in named)
    sure = [at for at in range(len(subjects)) if not waits[at]]
    fallen: set[int] = set()
    while sure:
        for other in undoes[sure.pop()] - fallen:
            fallen.add(other)
            for freed in undoes[other]:
                waits[freed] -= 1
                if not waits[freed] and freed not in fallen:
                    sure.append(freed)
    return [at not in fallen for at in range(len(subjects))]


def _verdicts(subject: Subject, asked: _Asked) -> list[_Verdict]:
    """The verdicts of the first linked rule that decides, else why those that saw something do not."""
    undecided = []
    for order, rule in enumerate(asked.rules.linked):
        found = [
            _Verdict(order=order, link=link, target=target, reason=reason)
            for link in links_of(subject, rule, asked.rules, asked.origins, asked.steps)
            for target, reason in [_blame(link, asked)]
        ]
        if any(verdict.target is not None or verdict.reason is NotRemediation.RELAND for verdict in found):
            return found
        undecided += found
    return undecided


def _blame(link: Link, asked: _Asked) -> tuple[Deployment | None, NotRemediation | None]:
    """The deployment that a link blames, or why it blames none."""
    deployment, past, original = asked.deployment, asked.past, link.original
    if link.reland:
        return None, NotRemediation.RELAND
    if link.hit.variable == "version":
        if link.hit.value == deployment.version:
            return None, NotRemediation.SAME_DEPLOYMENT
        target = past.latest_of_version(link.hit.value)
    elif original is None:
        target = None
    elif asked.parts.hold(original):
        return None, NotRemediation.SAME_DEPLOYMENT
    else:
        target = past.latest_carrying(deployment.repository, original)
    return target, None if target is not None else NotRemediation.UNKNOWN_ORIGINAL


def _static(
    subjects: Sequence[Subject], past: SeriesPast, rules: CompiledRules, reasons: list[Reason]
) -> tuple[DeploymentType, tuple[Remediation, ...]]:
    """The first static rule that sees something decides; it blames the deployment just before, or nobody."""
    for rule in rules.static:
        texts = (text for subject in subjects for text in subject.texts.get(rule.rule.field, ()))
        hit = next((hit for text in texts for hit in matches(rule, (text,))), None)
        if hit is None:
            continue
        blamed = past.last if rule.rule.blame == "previous" else None
        if blamed is not None or rule.rule.blame == "none":
            remediation = Remediation(
                target="" if blamed is None else blamed.id,
                type="rollforward",
                rule=rule.rule.id,
                field=rule.rule.field,
                value=hit.seen,
                original="" if blamed is None else _name(blamed),
            )
            return "rollforward", (remediation,)
        reasons.append(Reason(rule=rule.rule.id, reason=NotRemediation.NO_PREDECESSOR, value=hit.seen))
    return "standard", ()


def _subjects(carried: Carried, past: SeriesPast) -> list[Subject]:
    """What is new in a deployment: pull requests by number, commits without one by sha, the version."""
    new = [change for change in carried.changes if not change.redeployed]
    own = dict(carried.squashed)
    by_number: dict[int, list[CarriedChange]] = {}
    for change in new:
        if change.number is not None:
            by_number.setdefault(change.number, []).append(change)
    pull_requests = {pull_request.number: pull_request for pull_request in carried.pull_requests}
    subjects = []
    for number, changes in sorted(by_number.items()):
        stood_for = {change.original_of for change in changes if change.original_of is not None}
        messages = [own[sha] for sha in sorted(stood_for) if sha in own] + [change.message for change in changes]
        shas = {change.sha for change in changes} | stood_for
        subjects.append(subject_of(pull_requests.get(number, PullRequest(number=number)), messages, shas))
    for change in sorted(new, key=lambda change: change.sha):
        if change.number is None:
            messages = [own[change.original_of]] if change.original_of in own else []
            shas = {change.sha} if change.original_of is None else {change.sha, change.original_of}
            subjects.append(Subject(texts={"commit_message": (*messages, change.message)}, shas=frozenset(shas)))
    version = carried.deployment.version
    if version and (past.last is None or past.last.version != version):
        subjects.append(Subject(texts={"version": (version,)}))
    return subjects


def flag_pull_request(
    pull_request: PullRequest,
    messages: Sequence[str],
    rules: CompiledRules,
    origins: Origins,
    shas: Collection[Sha] = (),
) -> PullRequestFlag | None:
    """What a pull request is by itself, before any deployment.

    `messages` and `shas` are those of its commits, as far as known: a commit that reverts another one of them is no revert.
    """
    subject = subject_of(pull_request, messages, shas)
    unknown = None
    steps: Steps = {}
    for rule in rules.linked:
        for link in links_of(subject, rule, rules, origins, steps):
            original = link.original
            if link.reland:
                return None
            if original is not None and (original.sha in subject.shas or original.number == subject.number):
                continue
            flag = PullRequestFlag(
                rule=rule.rule.id,
                field=rule.rule.field,
                value=link.hit.seen,
                target=None if original is None else original.number,
                target_sha=None if original is None else original.sha,
            )
            if original is not None:
                return flag
            unknown = unknown or flag
    if unknown is not None:
        return unknown
    for rule in rules.static:
        for hit in matches(rule, subject.texts.get(rule.rule.field, ())):
            return PullRequestFlag(rule=rule.rule.id, field=rule.rule.field, value=hit.seen)
    return None


def _name(deployment: Deployment) -> str:
    if deployment.version or deployment.commit_sha is None:
        return deployment.version
    return deployment.commit_sha.hex()
