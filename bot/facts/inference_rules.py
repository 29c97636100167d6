"""Record what is to be counted of a repository's tags, releases and forge deployments, from now on too.

Rules: of one repository the same wish (kind, glob, service, env) is one rule; told again it reaches back as far as one of them
does, and takes prereleases as told last.
"""

from dataclasses import dataclass

from bot.dora.inference import InferenceRule
from bot.dora.instants import Instant
from bot.facts.inferences import FORGE
from bot.facts.marks import mark_inference
from bot.store import Reader, Value, Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    repository_id: int
    service: str
    env: str
    rule: InferenceRule


def load_inference_rules(reader: Reader, repository_id: int) -> tuple[InferenceRule, ...]:
    """The rules of a repository, in an order of their own."""
    return tuple(one.rule for one in reader.fetch("inference_rules", _to_stored, repository_id=repository_id))


def record_inference_rule(writer: Writer, repository_id: int, rule: InferenceRule) -> None:
    """Record a rule and mark its repository."""
    known = _find(writer, repository_id, rule)
    service, env, since = rule.service, rule.env, rule.since
    if known is not None:
        service, env = known.service, known.env
        since = None if since is None or known.since is None else min(since, known.since)
    row = (
        repository_id, rule.kind, rule.pattern, rule.service.casefold(), rule.env.casefold(), service, env, since,
        int(rule.prereleases),
    )  # fmt: skip
    writer.write_many("inference_rule", [row], on_conflict="replace")
    mark_inference(writer, FORGE, repository_id)


def delete_inference_rule(writer: Writer, repository_id: int, rule: InferenceRule) -> bool:
    """Take a rule back, whatever its `since`; what followed from it alone goes. False if there is none."""
    known = _find(writer, repository_id, rule)
    if known is None:
        return False
    key: dict[str, Value] = {"kind": rule.kind, "pattern": rule.pattern}
    writer.execute(
        "delete_inference_rule", repository_id=repository_id, service=rule.service.casefold(), env=rule.env.casefold(), **key
    )
    mark_inference(writer, FORGE, repository_id)
    return True


def _find(reader: Reader, repository_id: int, rule: InferenceRule) -> InferenceRule | None:
    wanted = (rule.kind, rule.pattern, rule.service.casefold(), rule.env.casefold())
    rows = reader.fetch("inference_rules", _to_stored, repository_id=repository_id)
    return next((one.rule for one in rows if (one.rule.kind, one.rule.pattern, one.service, one.env) == wanted), None)


def _to_stored(
    repository_id: int, kind: str, pattern: str, service: str, env: str, service_shown: str, env_shown: str,
    since: Instant | None, prereleases: int,
) -> _Stored:  # fmt: skip
    rule = InferenceRule(
        kind=kind, pattern=pattern, service=service_shown, env=env_shown, since=since, prereleases=bool(prereleases)
    )
    return _Stored(repository_id=repository_id, service=service, env=env, rule=rule)
