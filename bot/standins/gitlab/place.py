"""A project's names and belongings, which webhooks, answers and actions all read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bot.standins.forge import Json
from bot.standins.gitlab import reading
from bot.standins.gitlab.state import (
    Activity,
    CommitStatus,
    Deployment,
    Group,
    Hook,
    Issue,
    MergeRequest,
    Release,
)
from bot.standins.repository import How, Repository

if TYPE_CHECKING:
    from bot.standins.gitlab.forge import GitLab


class Place:
    """A project. Attributes may be changed at any time."""

    def __init__(
        self, forge: GitLab, number: int, group: Group, slug: str, directory: Path, default_branch: str, private: bool
    ) -> None:
        self.forge = forge
        self.id = number
        self.group = group
        self.slug = slug
        self.private = private
        self.git = Repository(directory, default_branch=default_branch)
        self.created_at = forge.now
        self.active_at = forge.now
        self.archived = False
        self.merge_requests: dict[int, MergeRequest] = {}
        self.hooks: list[Hook] = []
        self.activities: list[Activity] = []
        self.deployments: list[Deployment] = []
        self.issues: list[Issue] = []
        self.releases: list[Release] = []
        self.statuses: list[CommitStatus] = []
        self.squash_lands_by: How = "merge"
        """"merge": squashed, then a merge commit, as projects have it at first; "fast_forward": the squashed commit itself."""
        self.removes_merged_branches = True
        self.approvals_required = 0
        """Premium: as long as approvals are missing, each is an `approval`; what completes them is `approved`."""
        self.collapse_above = 102_400
        self.omit_above = 204_800
        """Bytes of a file's diff from which it is collapsed, or too large."""
        self._labels: dict[str, int] = {}

    @property
    def path(self) -> str:
        """Full, with all groups."""
        return f"{self.group.full_path}/{self.slug}"

    @property
    def name(self) -> str:
        """As people see it."""
        return self.slug.replace("-", " ").capitalize()

    @property
    def web_url(self) -> str:
        """Its page."""
        return f"{self.forge.external_url}/{self.path}"

    @property
    def ssh_url(self) -> str:
        """For git over SSH, which nobody answers."""
        return f"git@gitlab.example.com:{self.path}.git"

    @property
    def visibility_level(self) -> int:
        """As webhooks tell it."""
        return 0 if self.private else 20

    def announce(self, trigger: str, payload: dict[str, Json]) -> None:
        """Tell the hooks that may hear of this project."""
        self.forge.courier.announce(self.forge.hooks_for(self), trigger, payload, repository=self.path)

    def label_id(self, name: str) -> int:
        """A label's number."""
        return self._labels.setdefault(name, 400 + len(self._labels))

    def tag_message(self, sha: str) -> str | None:
        """What an annotated tag says."""
        return reading.tag_message(self.git, sha)

    def moved_from(self, sha: str) -> set[str]:
        """The paths that a commit's files were moved away from, unchanged."""
        parents = self.git.read_commit(sha).parents
        if not parents:
            return set()
        before, after = self.git.tree(parents[0]), self.git.tree(sha)
        new = {after[path].sha for path in after.keys() - before.keys()}
        return {path for path in before.keys() - after.keys() if before[path].sha in new}
