"""What people do to a repository on the fake GitHub; each act happens at the story's `now` and queues deliveries."""

from collections.abc import Mapping, Sequence

from bot.standins.forge import Change, Json, StandInError
from bot.standins.github import hooks
from bot.standins.github.bodies import Body
from bot.standins.github.issues import issue_changed
from bot.standins.github.mail import Mail
from bot.standins.github.pull_bodies import base_sha, label, pull_size
from bot.standins.github.state import (
    GHOST,
    ROBOT,
    WEB_FLOW,
    Deployment,
    DeploymentStatus,
    Hosted,
    Issue,
    IssueEvent,
    Pull,
    Release,
    Review,
    World,
)
from bot.standins.objects import ZEROS
from bot.standins.repository import How, Person, Repository


class GitHubRepo:
    """One repository and the people in it."""

    def __init__(self, world: World, mail: Mail, hosted: Hosted) -> None:
        self.state = hosted
        self._world = world
        self._mail = mail

    @property
    def path(self) -> str:
        """`owner/name`, today."""
        return self.state.path

    @property
    def id(self) -> int:
        """Its number, for ever."""
        return self.state.id

    @property
    def git(self) -> Repository:
        """What is in it."""
        return self.state.git

    # Pushes

    def commit(self, branch: str, files: Mapping[str, str | None], *, message: str, author: Person) -> str:
        """Commit and push; returns the sha."""
        return self.push(branch, Change(files=files, message=message, author=author))[0]

    def push(self, branch: str, *changes: Change) -> list[str]:
        """Several commits in one push by the last one's author; returns the shas."""
        before = self.git.find(f"refs/heads/{branch}")
        shas = [
            self.git.commit(branch, one.files, message=one.message, author=one.author, at=self._world.now)
            for one in changes
        ]
        self._pushed(branch, before, shas[-1], changes[-1].author)
        return shas

    def push_sha(self, branch: str, sha: str, *, by: Person) -> None:
        """Push a commit that `git` already holds, wherever the branch was: a merge on somebody's own machine."""
        before = self.git.find(f"refs/heads/{branch}")
        self.git.force(branch, sha)
        self._pushed(branch, before, sha, by)

    def force_push(self, branch: str, sha: str, *, by: Person) -> None:
        """Move a branch anywhere."""
        self.git.head(branch)
        self.push_sha(branch, sha, by=by)

    def create_branch(self, name: str, sha: str, *, by: Person) -> None:
        """Push a new branch."""
        self.git.create_branch(name, sha)
        self._pushed(name, None, sha, by)

    def delete_branch(self, name: str, *, by: Person) -> None:
        """Delete a branch: its open pull requests close; those based on it move to where it was merged, or close."""
        before = self.git.head(name)
        pulls = [pull for pull in self.state.pulls.values() if pull.open]
        for pull in pulls:
            if pull.base == name:
                pull.base_sha = before
        self.git.delete_branch(name)
        self._post("push", hooks.push(self._world, self.state, f"refs/heads/{name}", before, ZEROS, (), set(), by))
        merged = next((p for p in self.state.pulls.values() if p.head == name and p.merged_at is not None), None)
        for pull in pulls:
            if pull.head == name or (pull.base == name and merged is None):
                self.close(pull.number, by=by)
            elif pull.base == name and merged is not None:
                self.retarget(pull.number, merged.base, by=by)

    def tag(self, name: str, sha: str, *, by: Person, annotated: bool = False) -> None:
        """Push a tag."""
        after = self.git.tag(name, sha, tagger=by if annotated else None, at=self._world.now)
        self.state.pushed_at = self._world.now
        self._post("push", hooks.push(self._world, self.state, f"refs/tags/{name}", ZEROS, after, (), set(), by))

    # Pull requests

    def open(
        self,
        head: str,
        base: str,
        *,
        title: str,
        author: Person,
        body: str = "",
        draft: bool = False,
        labels: Sequence[str] = (),
    ) -> int:
        """Ask to merge branch `head` into `base`; returns the number."""
        now = self._world.now
        pull = Pull(
            id=self._world.number("pull", 1_910_001),
            number=self._number(),
            head=head,
            base=base,
            head_sha=self.git.head(head),
            base_sha=self.git.head(base),
            title=title,
            body=body,
            author=author,
            draft=draft,
            labels=[],
            created_at=now,
            updated_at=now,
        )
        self.state.pulls[pull.number] = pull
        self._keep_head(pull)
        self._changed(pull, "opened", author)
        self._try_merge(pull)
        if labels:
            self.label(pull.number, *labels, by=author)
        return pull.number

    def set_draft(self, number: int, draft: bool, *, by: Person) -> None:
        """Convert to a draft, or call it ready."""
        pull = self.pull(number)
        if pull.draft != draft:
            pull.draft = draft
            self._note(pull, "convert_to_draft" if draft else "ready_for_review", by)
            self._changed(pull, "converted_to_draft" if draft else "ready_for_review", by)

    def label(self, number: int, *add: str, remove: Sequence[str] = (), by: Person) -> None:
        """Add and remove labels: all are there at once, each is an event of its own."""
        pull = self.pull(number)
        added = [name for name in add if name not in pull.labels]
        removed = [name for name in remove if name in pull.labels]
        pull.labels = [name for name in [*pull.labels, *added] if name not in removed]
        for action, names in (("labeled", added), ("unlabeled", removed)):
            for name in names:
                told = label(self._world, self.state, name)
                self._note(pull, action, by, label={"name": name, "color": told["color"]})
                self._changed(pull, action, by, {"label": told})

    def retarget(self, number: int, base: str, *, by: Person) -> None:
        """Let it ask for another branch."""
        pull = self.pull(number)
        before, sha = pull.base, base_sha(self.state, pull)
        pull.base, pull.base_sha = base, self.git.head(base)
        self._note(pull, "base_ref_changed", by)
        self._changed(pull, "edited", by, {"changes": {"base": {"ref": {"from": before}, "sha": {"from": sha}}}})
        self._try_merge(pull)

    def retitle(self, number: int, title: str, *, by: Person) -> None:
        """Give it another title."""
        pull = self.pull(number)
        before, pull.title = pull.title, title
        self._note(pull, "renamed", by, rename={"from": before, "to": title})
        self._changed(pull, "edited", by, {"changes": {"title": {"from": before}}})

    def approve(self, number: int, *, by: Person) -> int:
        """Approve its head; returns the review's id."""
        return self.review(number, "approved", by=by)

    def review(self, number: int, state: str, *, by: Person, body: str = "") -> int:
        """Submit a review: `approved`, `changes_requested` or `commented`; returns its id."""
        pull, now = self.pull(number), self._world.now
        one = Review(
            id=self._world.number("review", 7_001),
            by=by,
            state=state,
            body=body,
            commit=pull.head_sha,
            submitted_at=now,
            updated_at=now,
        )
        pull.reviews.append(one)
        pull.updated_at = now
        self._post("pull_request_review", hooks.reviewed(self._world, self.state, pull, one, "submitted", by))
        return one.id

    def dismiss(self, number: int, review: int, *, by: Person) -> None:
        """Dismiss a review."""
        pull = self.pull(number)
        one = next((one for one in pull.reviews if one.id == review), None)
        if one is None:
            raise StandInError(f"no review {review} of #{number}")
        was, one.state, one.updated_at = one.state, "dismissed", self._world.now
        pull.updated_at = self._world.now
        told: Body = {"state": was, "review_id": one.id, "dismissal_message": None}
        self._note(pull, "review_dismissed", by, dismissed_review=told)
        self._post("pull_request_review", hooks.reviewed(self._world, self.state, pull, one, "dismissed", by))

    def close(self, number: int, *, by: Person) -> None:
        """Close it unmerged; the sha of the test merge stays in it."""
        pull = self.pull(number)
        pull.base_sha, pull.landed = base_sha(self.state, pull), pull_size(self.state, pull)
        pull.open, pull.closed_at = False, self._world.now
        self._note(pull, "closed", by)
        self._changed(pull, "closed", by)

    def reopen(self, number: int, *, by: Person) -> None:
        """Open a closed one again; what was pushed meanwhile becomes its head."""
        pull = self.pull(number)
        if pull.open or pull.merged_at is not None:
            raise StandInError(f"#{number} is open or merged")
        pull.open, pull.closed_at, pull.landed = True, None, None
        pull.head_sha = self.git.find(f"refs/heads/{pull.head}") or pull.head_sha
        self._keep_head(pull)
        self._note(pull, "reopened", by)
        self._changed(pull, "reopened", by)
        self._try_merge(pull)

    def merge(self, number: int, how: How, *, by: Person, message: str = "") -> str:
        """Press the button; returns the base's new tip. There is none for `fast_forward`: then the head is pushed.

        `message` is what somebody types instead of the commit message that GitHub proposes.
        """
        pull = self.pull(number)
        if not pull.open:
            raise StandInError(f"#{number} is closed")
        if how == "fast_forward":
            if self.git.merge_base(self.git.head(pull.base), pull.head_sha) != self.git.head(pull.base):
                raise StandInError(f"{pull.base} has moved on")
            self.push_sha(pull.base, pull.head_sha, by=by)
            return pull.head_sha
        before, title = self.git.head(pull.base), f"{pull.title} (#{number})"
        if how == "merge":
            title = f"Merge pull request #{number} from {self.state.owner.login}/{pull.head}\n\n{pull.title}"
        against, size = base_sha(self.state, pull), pull_size(self.state, pull)
        tip = self.git.merge(
            pull.base,
            pull.head_sha,
            how,
            message=message or title,
            by=by,
            at=self._world.now,
            author=pull.author if how == "squash" else by,
            committer=by if how == "rebase" else WEB_FLOW,
        )
        pull.base_sha, pull.landed = against, size
        self._merged(pull, tip, by)
        self._pushed(pull.base, before, tip, by)
        self._changed(pull, "closed", by)
        return tip

    # Everything else

    def deploy(self, sha: str, environment: str, *, state: str = "success", by: Person = ROBOT) -> int:
        """Deploy a commit, with one status; returns the deployment's id."""
        branch = next((name for name, tip in self.git.branches().items() if tip == sha), sha)
        one = Deployment(
            id=self._world.number("deployment", 50_001),
            sha=sha,
            ref=branch,
            environment=environment,
            by=by,
            created_at=self._world.now,
        )
        self.state.deployments.append(one)
        self._post("deployment", hooks.deployed(self._world, self.state, one, None))
        self.deployment_status(one.id, state, by=by)
        return one.id

    def deployment_status(self, deployment: int, state: str, *, by: Person = ROBOT) -> None:
        """Another status of a deployment."""
        one = next(one for one in self.state.deployments if one.id == deployment)
        status = DeploymentStatus(id=self._world.number("status", 90_001), state=state, by=by, at=self._world.now)
        one.statuses.append(status)
        self._post("deployment_status", hooks.deployed(self._world, self.state, one, status))

    def release(self, tag: str, *, by: Person = ROBOT) -> int:
        """Publish a release of a tag; returns its id."""
        if self.git.find(f"refs/tags/{tag}") is None:
            raise StandInError(f"no tag {tag}")
        number, now = self._world.number("release", 60_001), self._world.now
        one = Release(id=number, tag=tag, target=self.git.default_branch, by=by, created_at=now)
        self.state.releases.append(one)
        for action in ("created", "published", "released"):
            self._post("release", hooks.released(self._world, self.state, one, action))
        return number

    def issue(self, title: str, *, author: Person, labels: Sequence[str] = (), body: str = "") -> int:
        """Open an issue; returns the number, which no pull request has."""
        now = self._world.now
        one = Issue(
            id=self._world.number("issue", 2_810_001), number=self._number(), title=title, body=body, author=author,
            labels=list(labels), created_at=now, updated_at=now,
        )  # fmt: skip
        self.state.issues[one.number] = one
        self._told(one, "opened", author)
        return one.number

    def label_issue(self, number: int, name: str, *, by: Person) -> None:
        """Give an issue one more label."""
        one, told = self.state.issues[number], label(self._world, self.state, name)
        one.labels.append(name)
        self._note(one, "labeled", by, label={"name": name, "color": told["color"]})
        self._told(one, "labeled", by, {"label": told})

    def close_issue(self, number: int, *, by: Person) -> None:
        """It is over."""
        one = self.state.issues[number]
        one.open, one.closed_at = False, self._world.now
        self._note(one, "closed", by, state_reason="completed")
        self._told(one, "closed", by)

    def reopen_issue(self, number: int, *, by: Person) -> None:
        """It was not over."""
        one = self.state.issues[number]
        one.open, one.closed_at = True, None
        self._note(one, "reopened", by, state_reason="reopened")
        self._told(one, "reopened", by)

    def rename(self, new_path: str) -> None:
        """Give it another name (`owner/new` or `new`); the old path leads here until somebody takes it."""
        before, self.state.name = self.state.name, new_path.rpartition("/")[2]
        self._world.paths[self.path.lower()] = self.id
        self._touched("renamed", hooks.renamed_from(before))

    def transfer(self, new_owner: str) -> None:
        """Give it to another account; installations of the old one lose it."""
        before = self.state.owner
        losing = self._world.covering(self.state)
        self.state.owner = self._world.account(new_owner)
        self._world.paths[self.path.lower()] = self.id
        for one in losing:
            if one.selected is not None:
                one.selected.discard(self.id)
            self._mail.post(
                "installation_repositories",
                hooks.selection_changed(self._world, one, (), (self.state,), GHOST),
                [one],
                path=self.path,
            )
        self._touched("transferred", hooks.transferred_from(self._world, before))

    def set_default_branch(self, name: str) -> None:
        """Call another branch the default."""
        self.git.head(name)
        before = self.git.default_branch
        self.git.set_default_branch(name)
        self._touched("edited", {"default_branch": {"from": before}})

    def archive(self) -> None:
        """Make it read-only."""
        self.state.archived = True
        self._touched("archived")

    def delete(self) -> None:
        """Delete it, for everybody."""
        self._touched("deleted")
        self.state.deleted = True

    def pull(self, number: int) -> Pull:
        """The pull request with that number."""
        if number not in self.state.pulls:
            raise StandInError(f"no pull request #{number} in {self.path}")
        return self.state.pulls[number]

    def _pushed(self, branch: str, before: str | None, after: str, by: Person) -> None:
        """Tell of a push, then of what it did to pull requests."""
        hosted, git = self.state, self.git
        hosted.pushed_at = self._world.now
        main = git.find(f"refs/heads/{git.default_branch}")
        known = before or (main if branch != git.default_branch else None)
        commits = git.commits_between(known, after)
        distinct = set(commits) - hosted.seen
        hosted.seen.update(commits)
        told = hooks.push(self._world, hosted, f"refs/heads/{branch}", before or ZEROS, after, commits, distinct, by)
        self._post("push", told)
        for pull in hosted.pulls.values():
            if pull.open and pull.head == branch:
                self._synchronized(pull, after, by)
            elif pull.open and pull.base == branch and pull.head_sha in git.ancestors(after):
                self._found_merged(pull, before, after, by)

    def _synchronized(self, pull: Pull, after: str, by: Person) -> None:
        before, pull.head_sha = pull.head_sha, after
        self._keep_head(pull)
        if before not in self.git.ancestors(after):
            self._note(pull, "head_ref_force_pushed", by, commit=after)
        pull.merge_sha = None
        self._changed(pull, "synchronize", by, {"before": before, "after": after})
        self._try_merge(pull)

    def _found_merged(self, pull: Pull, before: str | None, after: str, by: Person) -> None:
        """A push brought the head to the base: the commit of the base's line that did it is called the merge commit."""
        landed = after
        while (parents := self.git.read_commit(landed).parents) and pull.head_sha in self.git.ancestors(parents[0]):
            landed = parents[0]
        pull.base_sha, pull.open = before or pull.base_sha, False
        pull.landed = pull_size(self.state, pull)
        self._merged(pull, landed, by)
        self._changed(pull, "closed", by)

    def _merged(self, pull: Pull, sha: str, by: Person) -> None:
        pull.open, pull.merge_sha, pull.merged_by = False, sha, by
        pull.closed_at = pull.merged_at = self._world.now
        self._note(pull, "merged", by, commit=sha)
        self._note(pull, "closed", by)

    def _keep_head(self, pull: Pull) -> None:
        self.git.set_ref(f"refs/pull/{pull.number}/head", pull.head_sha)

    def _try_merge(self, pull: Pull) -> None:
        """GitHub tries the merge in the background: the sha is there only after the hook went out."""
        now = self._world.now
        pull.merge_sha = self.git.test_merge(base_sha(self.state, pull), pull.head_sha, by=WEB_FLOW, at=now)
        if pull.merge_sha is not None:
            self.git.set_ref(f"refs/pull/{pull.number}/merge", pull.merge_sha)

    def _number(self) -> int:
        return len(self.state.pulls) + len(self.state.issues) + 1

    def _told(self, one: Issue, action: str, by: Person, more: Body | None = None) -> None:
        one.updated_at = self._world.now
        self._post("issues", issue_changed(self._world, self.state, one, action, by, more or {}))

    def _note(self, pull: Pull | Issue, event: str, by: Person, commit: str | None = None, **more: Json) -> None:
        number = self._world.number("issue event", 3_001)
        pull.history.append(IssueEvent(id=number, event=event, by=by, at=self._world.now, commit=commit, more=more))

    def _changed(self, pull: Pull, action: str, by: Person, more: Body | None = None) -> None:
        pull.updated_at = self._world.now
        self._post("pull_request", hooks.pull_request(self._world, self.state, pull, action, by, more))

    def _touched(self, action: str, changes: Body | None = None) -> None:
        self.state.updated_at = self._world.now
        self._post("repository", hooks.repository_event(self._world, self.state, action, GHOST, changes))

    def _post(self, event: str, payload: Body) -> None:
        self._mail.post(event, payload, self._world.covering(self.state), path=self.path)
