"""What a GitLab instance knows beside its git repositories, as plain values; times are seconds since 1970."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from bot.standins.forge import Json, StandInError
from bot.standins.repository import Person

GUEST, DEVELOPER, MAINTAINER, OWNER = 10, 30, 40, 50
DEEPEST = 20
"""Levels of subgroups below a top-level group."""
FAILURES_BEFORE_PAUSE = 4
FAILURES_BEFORE_END = 40
LONGEST_PAUSE = 86_400
SCOPES = ("api", "read_api", "read_repository", "write_repository", "read_user")


@dataclass(slots=True, kw_only=True, eq=False)
class Attempt:
    """One attempt to deliver, as the hook's log tells it; `key` is the idempotency key."""

    id: int
    url: str
    trigger: str
    key: str
    at: int
    headers: dict[str, str]
    payload: Json
    status: str
    response_headers: dict[str, str] = field(default_factory=dict)
    response_body: str = ""
    duration: float = 0.0


@dataclass(slots=True, kw_only=True, eq=False)
class Hook:
    """A webhook of a project, of a group, or (neither) of the instance. `switches` are its `…_events`."""

    id: int
    url: str
    created_at: int
    project_id: int | None = None
    group_id: int | None = None
    token: str = field(default="", repr=False)
    signing_token: str = field(default="", repr=False)
    switches: dict[str, bool] = field(default_factory=dict)
    settings: dict[str, Json] = field(default_factory=dict)
    failures: int = 0
    disabled_until: int | None = None
    log: list[Attempt] = field(default_factory=list)

    @property
    def is_system(self) -> bool:
        """Whether it is the instance's."""
        return self.project_id is None and self.group_id is None

    def alert_status(self, now: int) -> str:
        """As the API spells it."""
        if self.failures >= FAILURES_BEFORE_END:
            return "disabled"
        paused = self.disabled_until is not None and self.disabled_until >= now
        return "temporarily_disabled" if paused and self.failures >= FAILURES_BEFORE_PAUSE else "executable"

    def failed(self, now: int) -> None:
        """Count a failure, and pause from the fourth on: a minute, then twice as long each time."""
        self.failures += 1
        if self.failures >= FAILURES_BEFORE_PAUSE:
            pause = 60 * 2 ** (self.failures - FAILURES_BEFORE_PAUSE)
            self.disabled_until = now + min(pause, LONGEST_PAUSE)

    def succeeded(self) -> None:
        """Forget its failures."""
        self.failures, self.disabled_until = 0, None


@dataclass(slots=True, kw_only=True, eq=False)
class Group:
    """A group or subgroup; a user's own namespace is played as one."""

    id: int
    slug: str
    parent: "Group | None"
    created_at: int
    hooks: list[Hook] = field(default_factory=list)

    @property
    def full_path(self) -> str:
        """With all groups above."""
        return f"{self.parent.full_path}/{self.slug}" if self.parent else self.slug

    @property
    def name(self) -> str:
        """As people see it."""
        return self.slug.replace("-", " ").capitalize()

    def upwards(self) -> "Iterator[Group]":
        """The group itself, then those above."""
        here: Group | None = self
        while here is not None:
            yield here
            here = here.parent


@dataclass(slots=True, kw_only=True, eq=False)
class Token:
    """An access token. `levels` are access levels by project id where they differ from `level`; 0 hides a project."""

    id: int
    value: str = field(repr=False)
    user: Person
    scopes: tuple[str, ...]
    created_at: int
    level: int = OWNER
    levels: dict[int, int] = field(default_factory=dict)
    admin: bool = False
    revoked: bool = False

    def may(self, *scopes: str) -> bool:
        """Whether it has one of the scopes and still works."""
        return not self.revoked and any(scope in self.scopes for scope in scopes)

    def level_in(self, project_id: int) -> int:
        """Its access level there."""
        return self.levels.get(project_id, self.level)


@dataclass(slots=True, kw_only=True, eq=False)
class Note:
    """A comment, or a line that GitLab wrote itself (`system`)."""

    id: int
    body: str
    author: Person
    created_at: int
    updated_at: int
    system: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Somebody's approval."""

    id: int
    user: Person
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A change of state (`what` is closed, reopened or merged), or of a label (`add`, `remove`)."""

    id: int
    what: str
    user: Person
    at: int
    label: str = ""


@dataclass(slots=True, kw_only=True, eq=False)
class MergeRequest:
    """A merge request; `base` is where its commits begin, frozen when it is merged."""

    id: int
    iid: int
    title: str
    description: str
    author: Person
    source: str
    target: str
    head: str
    base: str
    created_at: int
    updated_at: int
    labels: list[str] = field(default_factory=list)
    state: str = "opened"
    merged_at: int | None = None
    merged_by: Person | None = None
    closed_at: int | None = None
    closed_by: Person | None = None
    merge_commit_sha: str | None = None
    squash_commit_sha: str | None = None
    squash: bool = False
    approvals: list[Approval] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    state_turns: list[Turn] = field(default_factory=list)
    label_turns: list[Turn] = field(default_factory=list)

    @property
    def draft(self) -> bool:
        """A title says so."""
        return self.title.lower().startswith(("draft:", "[draft]", "(draft)"))


@dataclass(slots=True, kw_only=True, eq=False)
class Issue:
    """An issue or an incident."""

    id: int
    iid: int
    title: str
    author: Person
    created_at: int
    updated_at: int
    description: str = ""
    labels: tuple[str, ...] = ()
    state: str = "opened"
    closed_at: int | None = None
    closed_by: Person | None = None
    incident: bool = False
    state_turns: list[Turn] = field(default_factory=list)


@dataclass(slots=True, kw_only=True, eq=False)
class Deployment:
    """A deployment, in GitLab's own words: created, running, success, failed, canceled."""

    id: int
    iid: int
    sha: str
    ref: str
    environment: str
    status: str
    user: Person
    created_at: int
    updated_at: int


@dataclass(slots=True, kw_only=True, eq=False)
class CommitStatus:
    """What an outside party says about a commit. `retried` ones have a younger of the same name."""

    id: int
    sha: str
    name: str
    status: str
    ref: str
    author: Person
    created_at: int
    finished_at: int | None = None
    target_url: str | None = None
    description: str | None = None
    retried: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release of a tag."""

    id: int
    tag: str
    at: int
    author: Person


@dataclass(frozen=True, slots=True, kw_only=True)
class RefChange:
    """A full ref that moved; zeros for not being there."""

    ref: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """A push as the Events API tells it; `refs` > 1 means many at once, of which no single one is told."""

    id: int
    change: RefChange
    author: Person
    at: int
    commits: int
    title: str | None
    refs: int = 1


def checked_scopes(scopes: tuple[str, ...]) -> tuple[str, ...]:
    """The scopes, all of which GitLab knows."""
    if unknown := set(scopes) - set(SCOPES):
        raise StandInError(f"no such scope: {min(unknown)}")
    return scopes
