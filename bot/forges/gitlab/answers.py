"""GitLab's API answers, as far as we read them."""

from msgspec import Struct


class Project(Struct):
    """Of /projects. `default_branch` is null while the repository is empty."""

    id: int
    path_with_namespace: str
    http_url_to_repo: str
    default_branch: str | None = None
    archived: bool = False


class Group(Struct):
    """Of /groups."""

    id: int
    full_path: str
    parent_id: int | None = None


class User(Struct):
    """Somebody."""

    username: str


class MergeRequest(Struct):
    """Of /projects/:id/merge_requests."""

    iid: int
    state: str
    source_branch: str
    target_branch: str
    created_at: str
    updated_at: str
    title: str | None = None
    description: str | None = None
    merged_at: str | None = None
    author: User | None = None
    labels: list[str] = []
    draft: bool | None = None
    work_in_progress: bool | None = None
    sha: str | None = None
    merge_commit_sha: str | None = None
    squash_commit_sha: str | None = None
    squash: bool | None = None

    @property
    def is_draft(self) -> bool:
        """Whether it is a draft; older instances say "work in progress"."""
        return bool(self.work_in_progress if self.draft is None else self.draft)


class Note(Struct):
    """A comment, or (`system`) a line that GitLab wrote itself."""

    id: int
    body: str
    created_at: str
    system: bool = False
    author: User | None = None


class Approval(Struct):
    """One approval; older instances do not say when."""

    user: User
    approved_at: str | None = None


class Approvals(Struct):
    """Of …/approvals: those that stand now."""

    approved_by: list[Approval] = []


class FileDiff(Struct):
    """A changed file; also one whose diff is collapsed or too large keeps both its paths."""

    old_path: str
    new_path: str


class Commit(Struct):
    """Of …/repository/commits."""

    id: str
    parent_ids: list[str]
    authored_date: str | None = None
    committed_date: str | None = None
    author_name: str | None = None
    author_email: str | None = None
    message: str | None = None


class Named(Struct):
    """A commit that a ref names."""

    id: str


class Ref(Struct):
    """A branch or a tag; `commit` is peeled. `created_at` is an annotated tag's own instant, where the instance tells it."""

    name: str
    commit: Named | None
    created_at: str | None = None
    default: bool = False


class Environment(Struct):
    """Where something is deployed."""

    name: str


class Job(Struct):
    """What deployed it."""

    finished_at: str | None = None


class Deployment(Struct):
    """Of …/deployments: in its present state, since its job's end, else since it was last changed."""

    id: int
    sha: str
    status: str
    created_at: str
    updated_at: str | None = None
    ref: str | None = None
    environment: Environment | None = None
    deployable: Job | None = None


class Release(Struct):
    """Of …/releases; the API does not tell the number that events go by."""

    tag_name: str
    name: str | None = None
    released_at: str | None = None


class Issue(Struct):
    """Of …/issues. `moved_to_id`: the issue that it is now, in another project."""

    iid: int
    state: str
    updated_at: str
    issue_type: str | None = "issue"
    title: str | None = None
    severity: str | None = None
    created_at: str | None = None
    closed_at: str | None = None
    moved_to_id: int | None = None
    labels: list[str] = []


class StateEvent(Struct):
    """Of …/issues/:iid/resource_state_events."""

    state: str
    created_at: str


class Token(Struct):
    """Of /personal_access_tokens/self."""

    scopes: list[str]


class Hook(Struct):
    """Of …/hooks."""

    id: int
    url: str
    push_events: bool = False
    tag_push_events: bool = False
    merge_requests_events: bool = False
    deployment_events: bool = False
    issues_events: bool = False
    releases_events: bool = False
    enable_ssl_verification: bool = True
    push_events_branch_filter: str | None = None
    custom_webhook_template: str | None = None
    alert_status: str = "executable"
    disabled_until: str | None = None


class HookEvent(Struct):
    """One attempt in a hook's log."""

    id: int
    trigger: str
    request_headers: dict[str, str]
    request_data: object
    response_status: str
    response_headers: dict[str, str] = {}
    created_at: str | None = None


class Created(Struct):
    """What was made."""

    id: int
