"""What the fake GitHub remembers: plain values, changed only by the actors and the API."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.standins.forge import Json
from bot.standins.repository import Person, Repository

GHOST = Person(login="octo-admin", name="Octo Admin", email="octo-admin@example.com", number=2)
"""Who does what nobody in the story did: installs Apps, accepts permissions."""
WEB_FLOW = Person(login="web-flow", name="GitHub", email="noreply@github.com", number=19_864_447)
"""The committer of what a button merged."""
ROBOT = Person(login="github-actions[bot]", name="github-actions[bot]", email="actions@github.com", number=41_898_282)
"""Who deploys and releases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An owner of repositories."""

    login: str
    id: int
    organization: bool = True


@dataclass(slots=True, kw_only=True)
class App:
    """A GitHub App; secrets are settable, to rotate them."""

    id: int
    slug: str
    name: str
    owner: Account
    external_url: str
    hook_url: str
    setup_url: str
    description: str
    client_id: str
    client_secret: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    pem: str = field(repr=False)
    permissions: Mapping[str, str]
    events: tuple[str, ...]
    created_at: int


@dataclass(slots=True, kw_only=True)
class Installation:
    """An App on an account; `selected` None is all of its repositories. A deleted one is kept nowhere."""

    id: int
    app: App
    account: Account
    selected: set[int] | None
    permissions: Mapping[str, str]
    events: tuple[str, ...]
    created_at: int
    updated_at: int
    suspended_by: Person | None = None
    suspended_at: int | None = None


@dataclass(slots=True, kw_only=True)
class Token:
    """An installation token; `repositories` and `permissions` as narrowed, `expires` in wall-clock seconds."""

    value: str = field(repr=False)
    installation: Installation
    repositories: frozenset[int] | None
    permissions: Mapping[str, str]
    expires: int


@dataclass(slots=True, kw_only=True)
class Review:
    """A review; `state` as hooks write it, in lower case."""

    id: int
    by: Person
    state: str
    body: str
    commit: str
    submitted_at: int
    updated_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueEvent:
    """A line of the history of a pull request or issue; `more` is what only this kind of event tells."""

    id: int
    event: str
    by: Person
    at: int
    commit: str | None = None
    more: Mapping[str, Json] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Issue:
    """An issue."""

    id: int
    number: int
    title: str
    body: str
    author: Person
    labels: list[str]
    created_at: int
    updated_at: int
    open: bool = True
    closed_at: int | None = None
    history: list[IssueEvent] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Pull:
    """A pull request; `base_sha` is frozen when it is closed, `merge_sha` is a test merge until it is merged."""

    id: int
    number: int
    head: str
    base: str
    head_sha: str
    base_sha: str
    title: str
    body: str
    author: Person
    draft: bool
    labels: list[str]
    created_at: int
    updated_at: int
    open: bool = True
    merge_sha: str | None = None
    closed_at: int | None = None
    merged_at: int | None = None
    merged_by: Person | None = None
    landed: tuple[int, int, int, int] | None = None
    """Of a closed one: commits, changed files, additions and deletions as they were."""
    reviews: list[Review] = field(default_factory=list)
    history: list[IssueEvent] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class DeploymentStatus:
    """A step of a deployment."""

    id: int
    state: str
    by: Person
    at: int


@dataclass(slots=True, kw_only=True)
class Deployment:
    """A deployment of a commit to an environment."""

    id: int
    sha: str
    ref: str
    environment: str
    by: Person
    created_at: int
    statuses: list[DeploymentStatus] = field(default_factory=list)

    @property
    def updated_at(self) -> int:
        """When its last status came."""
        return self.statuses[-1].at if self.statuses else self.created_at


@dataclass(slots=True, kw_only=True)
class Release:
    """A published release."""

    id: int
    tag: str
    target: str
    by: Person
    created_at: int


@dataclass(slots=True, kw_only=True)
class CheckRun:
    """A check run as an App reports it; `annotations` gather over updates, as GitHub does it."""

    id: int
    app: App
    head_sha: str
    name: str
    status: str
    conclusion: str | None
    started_at: str | None
    completed_at: str | None
    details_url: str | None
    external_id: str
    output: Mapping[str, Json]
    annotations: list[Json]


@dataclass(slots=True, kw_only=True)
class Comment:
    """A comment under a pull request, by an App."""

    id: int
    number: int
    app: App
    body: str
    created_at: int
    updated_at: int


@dataclass(slots=True, kw_only=True)
class Hosted:
    """A repository with all that hangs on it."""

    id: int
    owner: Account
    name: str
    private: bool
    git: Repository
    created_at: int
    updated_at: int
    pushed_at: int
    archived: bool = False
    deleted: bool = False
    pulls: dict[int, Pull] = field(default_factory=dict)
    issues: dict[int, Issue] = field(default_factory=dict)
    deployments: list[Deployment] = field(default_factory=list)
    releases: list[Release] = field(default_factory=list)
    checks: dict[int, CheckRun] = field(default_factory=dict)
    comments: dict[int, Comment] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    """The commits that were ever pushed to any ref."""

    @property
    def path(self) -> str:
        """`owner/name`."""
        return f"{self.owner.login}/{self.name}"


@dataclass(slots=True, kw_only=True)
class World:
    """Everything; `now` is the story's clock in seconds since 1970."""

    now: int
    web: str = ""
    """Where pages live, without a slash at the end."""
    api: str = ""
    """Where the REST API lives, without a slash at the end."""
    accounts: dict[str, Account] = field(default_factory=dict)
    repositories: dict[int, Hosted] = field(default_factory=dict)
    paths: dict[str, int] = field(default_factory=dict)
    """Every path that leads to a repository, old ones too, in lower case."""
    apps: dict[int, App] = field(default_factory=dict)
    installations: dict[int, Installation] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, kind: str, first: int = 1) -> int:
        """The next number of a kind."""
        self.numbers[kind] = self.numbers.get(kind, first - 1) + 1
        return self.numbers[kind]

    def account(self, login: str, *, organization: bool = True) -> Account:
        """The account with that login, made if there is none."""
        key = login.lower()
        if key not in self.accounts:
            self.accounts[key] = Account(login=login, id=self.number("account", 5_100), organization=organization)
        return self.accounts[key]

    def named(self, path: str) -> Hosted | None:
        """The repository at a path, present or old, in any case."""
        found = self.repositories.get(self.paths.get(path.lower(), 0))
        return None if found is None or found.deleted else found

    def covering(self, repository: Hosted) -> list[Installation]:
        """The installations that reach a repository."""
        return [one for one in self.installations.values() if covers(one, repository)]

    def reached(self, installation: Installation) -> list[Hosted]:
        """The repositories that an installation reaches, by number."""
        return [one for _, one in sorted(self.repositories.items()) if covers(installation, one)]


def covers(installation: Installation, repository: Hosted) -> bool:
    """Whether an installation reaches a repository."""
    chosen = installation.selected is None or repository.id in installation.selected
    return chosen and not repository.deleted and repository.owner.id == installation.account.id
