"""What a series deployed so far: which deployment restores which, and which carried what last (semantics §5)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bot.dora.commits import Sha
from bot.dora.deployments import Deployment
from bot.dora.reverts import Original

CarriedRow = tuple[str, Sha, Sha | None, int | None]
"""Deployment, sha, the squashed commit it stands behind, its pull request."""
Recall = Callable[[str, Original], Iterable[CarriedRow]]
"""What deployments carried of an original in a repository, for those that were added without their changes."""


def _nothing(_: str, __: Original) -> Iterable[CarriedRow]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """A deployment of what `restored` deployed; `failed` is the first one after that.

    `reinstates`: read strictly it restores what a rollback replaced. `certain` is false when the deployment just before has
    neither git data nor version: it may have been the same.
    """

    restored: Deployment
    failed: Deployment
    field: str
    value: str
    reinstates: bool
    certain: bool


@dataclass(slots=True, kw_only=True)
class SeriesPast:
    """The deployments of a series so far, in its order. `literal` reads rollbacks by the letter."""

    literal: bool
    recall: Recall = _nothing
    _position: dict[str, int] = field(default_factory=dict)
    _deployments: list[Deployment] = field(default_factory=list)
    _restored: dict[int, int] = field(default_factory=dict)
    """Position of each rollback → position of what it restored."""
    _by_sha: dict[Sha, int] = field(default_factory=dict)
    _by_version: dict[str, int] = field(default_factory=dict)
    _by_version_alone: dict[str, int] = field(default_factory=dict)
    """Only the deployments without git data."""
    _carried_sha: dict[tuple[str, Sha], int] = field(default_factory=dict)
    _carried_number: dict[tuple[str, int], int] = field(default_factory=dict)

    @property
    def last(self) -> Deployment | None:
        """The deployment just before the next one."""
        return self._deployments[-1] if self._deployments else None

    def rollback(self, deployment: Deployment) -> Rollback | None:
        """What the next deployment restores, if it deploys what an earlier one did and not what the one just before did."""
        here = len(self._deployments)
        restored = self._latest_same(deployment)
        if restored is None or restored == here - 1:
            return None
        by_commit = _is_same_commit(deployment, self._deployments[restored])
        return Rollback(
            restored=self._deployments[restored],
            failed=self._deployments[restored + 1],
            field="commit_sha" if by_commit else "version",
            value=deployment.commit_sha.hex()
            if by_commit and deployment.commit_sha is not None
            else deployment.version,
            reinstates=not self.literal and self._was_replaced(deployment),
            certain=has_identity(self._deployments[-1]),
        )

    def _was_replaced(self, deployment: Deployment) -> bool:
        """Whether the deployment just before is a rollback and replaced what this one deploys."""
        last = len(self._deployments) - 1
        restored = self._restored.get(last)
        if restored is None:
            return False
        return any(_is_same(deployment, other) for other in self._deployments[restored + 1 : last])

    def _latest_same(self, deployment: Deployment) -> int | None:
        """The position of the latest deployment of the same sha or, where one of both has no git data, the same version."""
        if deployment.commit_sha is None:
            return self._by_version.get(deployment.version)
        found = (self._by_sha.get(deployment.commit_sha), self._by_version_alone.get(deployment.version))
        return max((at for at in found if at is not None), default=None)

    def add(self, deployment: Deployment, carried: Iterable[tuple[Sha, Sha | None, int | None]]) -> None:
        """Remember the next deployment and what it carried: sha, the squashed commit it stands behind, its pull request."""
        here, rollback = len(self._deployments), self.rollback(deployment)
        if rollback is not None and rollback.certain and not rollback.reinstates:
            self._restored[here] = self._latest_same(deployment) or 0
        self._deployments.append(deployment)
        self._position[deployment.id] = here
        if deployment.commit_sha is not None:
            self._by_sha[deployment.commit_sha] = here
        if deployment.version:
            self._by_version[deployment.version] = here
            if deployment.commit_sha is None:
                self._by_version_alone[deployment.version] = here
        for sha, original_of, number in carried:
            self._note(here, sha, original_of, number)

    def _note(self, here: int, sha: Sha, original_of: Sha | None, number: int | None) -> None:
        repository = self._deployments[here].repository
        for key in (sha, original_of):
            if key is not None:
                self._carried_sha[repository, key] = max(here, self._carried_sha.get((repository, key), here))
        if number is not None:
            self._carried_number[repository, number] = max(here, self._carried_number.get((repository, number), here))

    def latest_of_version(self, version: str) -> Deployment | None:
        """The latest deployment of a version."""
        at = self._by_version.get(version)
        return None if at is None else self._deployments[at]

    def latest_carrying(self, repository: str, original: Original) -> Deployment | None:
        """The latest deployment that carried an original: the commit itself, else its pull request, else what stands for it."""
        for deployment_id, sha, original_of, number in self.recall(repository, original):
            if deployment_id in self._position:
                self._note(self._position[deployment_id], sha, original_of, number)
        at = None if original.sha is None else self._carried_sha.get((repository, original.sha))
        if at is None and original.number is not None:
            at = self._carried_number.get((repository, original.number))
        if at is None:
            parts = (self._carried_sha.get((repository, sha)) for sha in original.commits)
            at = max((part for part in parts if part is not None), default=None)
        return None if at is None else self._deployments[at]


def has_identity(deployment: Deployment) -> bool:
    """Whether it can be said what was deployed."""
    return deployment.commit_sha is not None or deployment.version != ""


def _is_same_commit(one: Deployment, other: Deployment) -> bool:
    return one.commit_sha is not None and one.commit_sha == other.commit_sha


def _is_same(one: Deployment, other: Deployment) -> bool:
    """Whether both deployed the same: the sha if both have git data, else the version."""
    if one.commit_sha is not None and other.commit_sha is not None:
        return one.commit_sha == other.commit_sha
    return one.version != "" and one.version == other.version
