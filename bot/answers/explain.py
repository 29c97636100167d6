"""Everything behind one deployment: predecessor, range, each commit with its reason, patterns, evidence, and how to check it."""

import json
import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields

from bot.answers.changes import ChangeShown, ExplainSource, load_changes
from bot.answers.deployments import DeploymentShown, show_deployments
from bot.answers.encode import Json, rfc3339, to_json
from bot.answers.paths import RepositoryPaths, repository_paths
from bot.answers.rows import DeploymentRow, load_deployment, load_merged
from bot.dora.commits import Sha
from bot.dora.instants import Instant
from bot.dora.overrides import OVERRIDE, RemediationType
from bot.dora.reasons import NotComputed
from bot.dora.remediation import Remediation
from bot.facts.catalog import load_definition
from bot.facts.keys import key_names
from bot.facts.overrides import load_overrides
from bot.store import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeShown:
    """What was compared: reachable from `to`, not from `from_`."""

    from_: Sha
    to: Sha
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceShown:
    """Deployment `deployment` remediated `target`: by which rule, in which field, on seeing what, pointing to what.

    What a rule with `blame: none` recognised has neither target nor original. What a person said has as value the name of their key.
    """

    deployment: str
    target: str | None
    type: str
    rule: str
    field: str
    value: str
    original: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NearMissShown:
    """What looked like a remediation and is none, with the reason."""

    rule: str
    reason: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionShown:
    """What a person said of a deployment (`None` where he said nothing of it, "removed" where he took it back); "" without a reason.

    `by` is the id of the key that he used (or API_KEYS), `by_name` that key's name.
    """

    deployment: str
    told_at: Instant
    by: str
    by_name: str
    reason: str
    change_failure: str | None
    remediation: str | None
    """The type of the remediation, and of which deployment: `rollback ID`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A deployment and all that made its numbers."""

    deployment: DeploymentShown
    predecessor: DeploymentShown | None
    range: RangeShown | None
    patterns: RepositoryPaths | None
    counts: Mapping[str, int]
    """How many commits were kept, redeployed, and dropped by reason."""
    flags: tuple[str, ...]
    evidence: tuple[EvidenceShown, ...]
    near_misses: tuple[NearMissShown, ...]
    overrides: tuple[CorrectionShown, ...]
    """What people corrected, the newest last: the audit trail."""
    merged: tuple[DeploymentShown, ...]
    """The same release as other sources saw it; they count nowhere."""
    changes: tuple[ChangeShown, ...]
    taken_back: tuple[Sha, ...]
    git: str | None


def explain(reader: Reader, source: ExplainSource, id: str) -> Explanation | None:
    """Everything behind one deployment; `None` when nobody knows it."""
    row = load_deployment(reader, id)
    if row is None:
        return None
    before = load_deployment(reader, row.predecessor) if row.predecessor else None
    merged = load_merged(reader, row.id)
    shown = show_deployments(reader, [row, *merged, *([] if before is None else [before])])
    names = key_names(reader)
    compared = _range(reader, row, before)
    backwards = shown[0].not_computed == NotComputed.MOVED_BACKWARDS
    changes = load_changes(reader, source, row) if compared else []
    return Explanation(
        deployment=shown[0],
        predecessor=None if before is None else shown[-1],
        range=compared,
        patterns=_patterns(reader, row),
        counts=_counts(row, changes),
        flags=row.flags,
        evidence=_evidence(reader, row, names),
        near_misses=_near_misses(row),
        overrides=_corrections(reader, [row.id, *(one.id for one in merged)], names),
        merged=shown[1 : 1 + len(merged)],
        changes=tuple(changes),
        taken_back=tuple(source.taken_back(reader, row.id)) if backwards else (),
        git=None if compared is None else git_command(compared, backwards=backwards),
    )


def explanation_json(explanation: Explanation) -> dict[str, Json]:
    """An explanation in the API's shape: the deployment, and beside its fields what explains them."""
    deployment = {field.name: getattr(explanation.deployment, field.name) for field in fields(DeploymentShown)}
    rest = {field.name: getattr(explanation, field.name) for field in fields(Explanation)}
    del rest["deployment"]
    whole = deployment | {"predecessor_deployment": rest.pop("predecessor")} | rest
    return {(name := key.rstrip("_")): to_json(value, name=name) for key, value in whole.items()}


def git_command(compared: RangeShown, *, backwards: bool = False) -> str:
    """What to run in a clone to see the same commits, merges left out; of a move backwards those that were taken back."""
    text = f"{compared.to.hex()}..{compared.from_.hex()}" if backwards else compared.text
    return shlex.join(["git", "log", "--no-merges", "--format=%H %aI %an: %s", text])


def _range(reader: Reader, row: DeploymentRow, before: DeploymentRow | None) -> RangeShown | None:
    if before is None or before.commit_sha is None or row.commit_sha is None:
        return None
    since, head = _compared(reader, before, before.commit_sha), _compared(reader, row, row.commit_sha)
    return RangeShown(from_=since, to=head, text=f"{since.hex()}..{head.hex()}")


def _compared(reader: Reader, row: DeploymentRow, sha: Sha) -> Sha:
    """The deployed commit, or the head that it stands for: what the forge merged to try it out is in no clone."""
    heads = reader.fetch("answer_tried_head", bytes, repository=row.repository, sha=sha)
    return heads[0] if heads else sha


def _patterns(reader: Reader, row: DeploymentRow) -> RepositoryPaths | None:
    if not row.repository:
        return None
    return repository_paths(
        reader,
        load_definition(reader, row.service),
        service=row.service,
        repository=row.repository,
        check_files=False,
    )


def _counts(row: DeploymentRow, changes: list[ChangeShown]) -> dict[str, int]:
    """Of the commits listed, where there are any; counts that the derivation made, for what is not listed."""
    seen = Counter(change.reason for change in changes if change.reason)
    dropped = {**row.dropped_counts, **seen}
    kept = sum(change.kept for change in changes) if changes else row.kept or 0
    redeployed = sum(change.redeployed for change in changes if change.kept) if changes else row.redeployed or 0
    return {"kept": kept, "redeployed": redeployed, **{reason: dropped[reason] for reason in sorted(dropped)}}


def show_evidence(deployment: str, one: Remediation, names: Mapping[str, str]) -> EvidenceShown:
    """Evidence as it is shown; `names` are those of keys, by their ids."""
    said = one.rule == OVERRIDE
    return EvidenceShown(
        deployment=deployment, target=one.target or None, type=one.type, rule=one.rule, field=one.field,
        value=names.get(one.value, one.value) if said else one.value, original=one.original or None,
    )  # fmt: skip


def in_words(one: EvidenceShown) -> str:
    """Evidence as a clause: `rework by rule unplanned: pr_label "unplanned"`."""
    what = "rework" if one.target is None else f"{one.deployment} mends {one.target}"
    if one.rule == OVERRIDE:
        return f'{what}, as "{one.value}" said'
    original = "" if one.original is None else f", which points to {one.original}"
    return f'{what} by rule {one.rule}: {one.field} "{one.value}"{original}'


def correction_in_words(one: CorrectionShown) -> str:
    """What a person said of a deployment, as a clause: `2026-11-22T10:00:00Z "Ann" said of a: it failed, c mended it (rollback)`."""
    said = [] if one.change_failure is None else [_FAILURE_WORDS[one.change_failure]]
    if one.remediation is not None:
        type, _, id = one.remediation.partition(" ")
        said.append(f"{id} mended it ({type})" if id else "nobody mended it")
    why = f"; {one.reason}" if one.reason else ""
    return f'{rfc3339(one.told_at)} "{one.by_name}" said of {one.deployment}: {", ".join(said)}{why}'


_FAILURE_WORDS = {"true": "it failed", "false": "it did not fail", "removed": "what was said of its failure is taken back"}


def _evidence(reader: Reader, row: DeploymentRow, names: Mapping[str, str]) -> tuple[EvidenceShown, ...]:
    def made(target: str, type: RemediationType, rule: str, field: str, value: str, original: str) -> EvidenceShown:
        one = Remediation(target=target, type=type, rule=rule, field=field, value=value, original=original)
        return show_evidence(row.id, one, names)

    def suffered(id: str, type: RemediationType, rule: str, field: str, value: str, original: str) -> EvidenceShown:
        one = Remediation(target=row.id, type=type, rule=rule, field=field, value=value, original=original)
        return show_evidence(id, one, names)

    return (
        *reader.fetch("answer_evidence", made, deployment_id=row.id),
        *reader.fetch("answer_evidence_against", suffered, deployment_id=row.id),
    )


def _near_misses(row: DeploymentRow) -> tuple[NearMissShown, ...]:
    found = json.loads(row.near_misses) if row.near_misses else []
    return tuple(NearMissShown(rule=str(rule), reason=str(reason), value=str(value)) for rule, reason, value in found)


def _corrections(reader: Reader, ids: list[str], names: Mapping[str, str]) -> tuple[CorrectionShown, ...]:
    """The audit trail of a deployment and of those that were merged into it."""
    return tuple(
        CorrectionShown(
            deployment=one.override.deployment_id, told_at=one.received_at, by=one.by, by_name=names.get(one.by, one.by),
            reason=one.reason,
            change_failure=one.said_of_failure, remediation=one.said_of_remediation,
        )
        for one in load_overrides(reader, ids)
    )
