"""Which deployments stand near a failure, how sure that is, and which change failures describe the same event.

Rules of this file:
- It is computed when asked. It changes neither a deployment nor a failure, and no metric counts by it.
- A link is never silent: it carries its level, what it rests on, the instants and the distance between them. Where nothing is near,
  one entry of level `none` says why.
- In each series the strongest level alone speaks: where a failure names its deployment, the one just before it is not suspected too.
- A failure without env is compared with all envs of its services. One that names a team alone is compared with that team's service
  if it has exactly one, else with none: several would be a guess.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique

from bot.dora.commits import Sha
from bot.dora.instants import MINUTE, Duration, Instant

JUST_BEFORE: Duration = 60 * MINUTE
"""How long before a failure a deployment may have finished to stand near it; the edge included."""
MENDED_LATER: Duration = 30 * MINUTE
"""How long after a failure's end a remediation may finish to have ended it; the edge included."""


@unique
class Level(StrEnum):
    """How sure it is that a failure belongs to a deployment, the surest first."""

    NAMED = "named"
    MENDED = "mended"
    JUST_BEFORE = "just_before"
    NONE = "none"

    @property
    def confidence(self) -> str:
        """In a word."""
        return _WORDS[self][0]

    @property
    def reason(self) -> str:
        """In a sentence."""
        return _WORDS[self][1]


_WORDS = {
    Level.NAMED: ("certain", "The failure names the commit or version that this deployment carried."),
    Level.MENDED: (
        "likely",
        "The deployment failed, the failure began after it, and what mended it came while the failure lasted or soon after.",
    ),
    Level.JUST_BEFORE: ("possible", "It is the latest deployment that finished within the hour before the failure began."),
    Level.NONE: ("none", "No deployment is known to stand near the failure."),
}


@unique
class Basis(StrEnum):
    """What a link rests on, or why there is none."""

    COMMIT = "commit"
    VERSION = "version"
    REMEDIATION = "remediation"
    TIME = "time"
    NO_SERVICE = "no_service"
    """It names neither a service nor a team that deploys."""
    SEVERAL_SERVICES = "several_services"
    """It names a team of several services, and no service."""
    NOTHING_NEAR = "nothing_near"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """The earliest remediation of a failed deployment."""

    id: str
    finished_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """A deployment that counts. `failed` is `None` where unknown; `service` and `env` canonical."""

    id: str
    service: str
    env: str
    version: str
    commit_sha: Sha | None
    finished_at: Instant
    failed: bool | None
    mended: Mended | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """A failure. Names canonical; `envs` empty asks for every env; `finished_at` is `None` while it lasts."""

    id: str
    source: str
    services: frozenset[str]
    envs: frozenset[str]
    version: str
    commit_sha: Sha | None
    started_at: Instant
    finished_at: Instant | None
    of_team: bool = False
    """Whether its one service is that of its team, because it names none itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of an evidence's sentence: words and the instant they speak of; of a distance they follow, as in `10 min` `after …`, and
    what is said goes on from the part before."""

    words: str
    at: Instant | None = None
    distance: Duration | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """A link between a failure and a deployment (`None` at level `none`). `distance`: from the deployment's end to the failure's
    start, in nanoseconds, negative when the failure began first."""

    level: Level
    basis: Basis
    failure: Failing
    deployment: Deployed | None
    distance: Duration | None
    evidence: tuple[Part, ...]

    @property
    def same_event(self) -> bool:
        """Whether a change failure and the failure are one thing that went wrong, seen from two sides."""
        found = self.deployment
        return found is not None and found.failed is True and self.level in (Level.NAMED, Level.MENDED)


def attribute(failure: Failing, deployments: Iterable[Deployed]) -> tuple[Attribution, ...]:
    """The deployments that a failure stands near, the surest first, then the nearest; exactly one of level `none` without any.

    `deployments` are those that may be near, in any order; ones that are not, of other services or envs, do no harm.
    """
    if not failure.services:
        return (nothing(failure, Basis.NO_SERVICE),)
    series: dict[tuple[str, str], list[Deployed]] = {}
    for one in deployments:
        if one.service in failure.services and (not failure.envs or one.env in failure.envs):
            series.setdefault((one.service, one.env), []).append(one)
    found = [link for members in series.values() for link in _in_series(failure, sorted(members, key=_order))]
    return tuple(sorted(found, key=_rank)) or (nothing(failure, Basis.NOTHING_NEAR),)


def nothing(failure: Failing, basis: Basis) -> Attribution:
    """Why a failure stands near no deployment."""
    words = {
        Basis.NO_SERVICE: "The failure names no service, and no team that is known to deploy one.",
        Basis.SEVERAL_SERVICES: "The failure names a team that has several services, and none of them.",
        Basis.NOTHING_NEAR: "No deployment carried what the failure names, was mended while it lasted, or finished in the hour before.",
    }  # fmt: skip
    return Attribution(
        level=Level.NONE, basis=basis, failure=failure, deployment=None, distance=None,
        evidence=(Part(words=words[basis]), Part(words="The failure began", at=failure.started_at)),
    )  # fmt: skip


def named(failure: Failing, deployments: Collection[Deployed]) -> tuple[Basis, Deployed] | None:
    """The deployment of a series that a failure's commit, else its version, belongs to.

    Of several the latest that had finished when the failure began, else the earliest.
    """
    for basis, carried in (
        (Basis.COMMIT, [one for one in deployments if failure.commit_sha is not None and one.commit_sha == failure.commit_sha]),
        (Basis.VERSION, [one for one in deployments if failure.version and one.version == failure.version]),
    ):
        if carried:
            before = [one for one in carried if one.finished_at <= failure.started_at]
            return basis, max(before, key=_order) if before else min(carried, key=_order)
    return None


def _in_series(failure: Failing, ordered: Sequence[Deployed]) -> list[Attribution]:
    if (by_name := named(failure, ordered)) is not None:
        basis, one = by_name
        return [_link(Level.NAMED, basis, failure, one)]
    before = [one for one in ordered if one.finished_at <= failure.started_at]
    if mended := [one for one in before if _mended_while(failure, one)]:
        return [_link(Level.MENDED, Basis.REMEDIATION, failure, one) for one in mended]
    if before and failure.started_at - before[-1].finished_at <= JUST_BEFORE:
        return [_link(Level.JUST_BEFORE, Basis.TIME, failure, before[-1])]
    return []


def _mended_while(failure: Failing, one: Deployed) -> bool:
    if not one.failed or one.mended is None or one.mended.finished_at < failure.started_at:
        return False
    return failure.finished_at is None or one.mended.finished_at <= failure.finished_at + MENDED_LATER


def _link(level: Level, basis: Basis, failure: Failing, one: Deployed) -> Attribution:
    distance = failure.started_at - one.finished_at
    return Attribution(
        level=level, basis=basis, failure=failure, deployment=one, distance=distance,
        evidence=tuple(_evidence(basis, failure, one, distance)),
    )  # fmt: skip


def _evidence(basis: Basis, failure: Failing, one: Deployed, distance: Duration) -> Iterable[Part]:
    if failure.of_team:
        yield Part(words=f"The failure names a team alone, whose only service is {one.service}.")
    if basis is Basis.COMMIT:
        yield Part(words="The failure names the commit that was deployed.")
    if basis is Basis.VERSION:
        yield Part(words=f"The failure names the version that was deployed, {one.version}.")
    yield Part(words="The deployment finished", at=one.finished_at)
    yield Part(words="The failure began", at=failure.started_at)
    yield Part(words="after the deployment had finished" if distance >= 0 else "before the deployment finished", distance=abs(distance))
    if one.failed and one.mended is not None:
        yield from _mending(failure, one.mended)
    elif one.failed:
        yield Part(words="The deployment failed and nothing has mended it.")


def _mending(failure: Failing, mended: Mended) -> Iterable[Part]:
    if failure.finished_at is None:
        yield Part(words="The failure has not ended.")
    else:
        yield Part(words="The failure ended", at=failure.finished_at)
    yield Part(words="The deployment failed; the one that mended it finished", at=mended.finished_at)
    if failure.finished_at is not None:
        later = mended.finished_at - failure.finished_at
        yield Part(words="after the failure had ended" if later > 0 else "before the failure ended", distance=abs(later))


def _order(one: Deployed) -> tuple[Instant, str]:
    return one.finished_at, one.id


def _rank(link: Attribution) -> tuple[int, Duration, str]:
    return list(Level).index(link.level), abs(link.distance or 0), "" if link.deployment is None else link.deployment.id
