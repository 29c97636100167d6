"""A project, and what people do there: pushes, tags, deployments, releases, issues, names."""

from collections.abc import Mapping, Sequence

from bot.standins.forge import Change, Json, StandInError
from bot.standins.gitlab import payloads
from bot.standins.gitlab.merging import Merging
from bot.standins.gitlab.state import Activity, Deployment, Issue, RefChange, Release, Turn
from bot.standins.repository import ZEROS, Person

MOST_REFS = 3
"""A push of more branches (or tags) is told to no hook, and to the Events API as one."""
READ_BACK = 100
STATUSES = {"in_progress": "running", "failure": "failed", "error": "failed", "pending": "created", "queued": "created"}
"""A story may use GitHub's words."""
GHOST = Person(login="ghost", name="Ghost User", email="ghost@gitlab.example.com", number=2)


class Project(Merging):
    """A project; plays bot.standins.forge.Repo."""

    def commit(self, branch: str, files: Mapping[str, str | None], *, message: str, author: Person) -> str:
        """Commit and push; returns the sha."""
        return self.push(branch, Change(files=files, message=message, author=author))[0]

    def push(self, branch: str, *changes: Change) -> list[str]:
        """Several commits in one push by the last one's author; returns the shas."""
        before = self.git.find(f"refs/heads/{branch}") or ZEROS
        shas = [
            self.git.commit(branch, change.files, message=change.message, author=change.author, at=self.forge.now)
            for change in changes
        ]
        self.pushed(RefChange(ref=f"refs/heads/{branch}", before=before, after=shas[-1]), by=changes[-1].author)
        return shas

    def force_push(self, branch: str, sha: str, *, by: Person) -> None:
        """Move a branch to any commit."""
        before = self.git.head(branch)
        self.git.force(branch, sha)
        self.pushed(RefChange(ref=f"refs/heads/{branch}", before=before, after=sha), by=by)

    def create_branch(self, name: str, sha: str, *, by: Person) -> None:
        """Name a commit."""
        self.create_branches({name: sha}, by=by)

    def create_branches(self, shas: Mapping[str, str], *, by: Person) -> None:
        """Several new branches in one push."""
        for name, sha in shas.items():
            self.git.create_branch(name, sha)
        self.pushed(*(RefChange(ref=f"refs/heads/{n}", before=ZEROS, after=s) for n, s in shas.items()), by=by)

    def delete_branch(self, name: str, *, by: Person) -> None:
        """Forget a branch."""
        before = self.git.head(name)
        self.git.delete_branch(name)
        self.pushed(RefChange(ref=f"refs/heads/{name}", before=before, after=ZEROS), by=by)

    def tag(self, name: str, sha: str, *, by: Person, annotated: bool = False) -> None:
        """Tag a commit."""
        self.create_tags({name: sha}, by=by, annotated=annotated)

    def create_tags(self, shas: Mapping[str, str], *, by: Person, annotated: bool = False) -> None:
        """Several new tags in one push."""
        at = self.forge.now
        named = {
            name: self.git.tag(name, sha, tagger=by if annotated else None, at=at, message=f"Release {name}")
            for name, sha in shas.items()
        }
        self.pushed(*(RefChange(ref=f"refs/tags/{n}", before=ZEROS, after=s) for n, s in named.items()), by=by)

    def pushed(self, *changes: RefChange, by: Person) -> None:
        """What GitLab does after a push: activities, hooks, and a look at the merge requests."""
        self.active_at = self.forge.now
        self.forge.known(by)
        for prefix, trigger in (("refs/heads/", "push_hooks"), ("refs/tags/", "tag_push_hooks")):
            same = [change for change in changes if change.ref.startswith(prefix)]
            if len(same) > MOST_REFS:
                self._remember(same[0], by, 0, None, refs=len(same))
                continue
            for change in same:
                news, total = self._news(change)
                title = self.git.read_commit(news[-1]).message.partition("\n")[0] if news else None
                self._remember(change, by, total, title)
                self.announce(trigger, payloads.push(self, change, by, news=news, total=total))
        self.announce("repository_update_hooks", payloads.repository_update(self, changes, by))
        for change in changes:
            if change.ref.startswith("refs/heads/"):
                self.refresh(change, by)

    def _news(self, change: RefChange) -> tuple[Sequence[str], int]:
        """The newest commits of a push, oldest first, and how many there are; a new branch is compared with the default one."""
        if change.after == ZEROS:
            return (), 0
        if change.ref.startswith("refs/tags/"):
            return (self.git.peel(change.after),), 1
        default = f"refs/heads/{self.git.default_branch}"
        before = change.before if change.before != ZEROS else None
        if before is None and change.ref != default:
            before = self.git.find(default)
        news = self.git.commits_between(before, change.after)
        return news[-READ_BACK:], len(news)

    def _remember(self, change: RefChange, by: Person, total: int, title: str | None, *, refs: int = 1) -> None:
        number, at = self.forge.number("activity", 5_000), self.forge.now
        seen = Activity(id=number, change=change, author=by, at=at, commits=total, title=title, refs=refs)
        self.activities.append(seen)

    def deploy(self, sha: str, environment: str, *, state: str = "success", by: Person = GHOST) -> int:
        """A deployment made by API; returns its id."""
        refs = {tip: name for name, tip in self.git.branches().items()}
        seen = Deployment(
            id=self.forge.number("deployment", 800), iid=len(self.deployments) + 1, sha=sha,
            ref=refs.get(sha, self.git.default_branch), environment=environment, status="", user=self.forge.known(by),
            created_at=self.forge.now, updated_at=self.forge.now,
        )  # fmt: skip
        self.deployments.append(seen)
        self.set_deployment(seen.id, state)
        return seen.id

    def set_deployment(self, number: int, state: str) -> None:
        """Let a deployment become running, success, failed or canceled."""
        seen = next(one for one in self.deployments if one.id == number)
        seen.status, seen.updated_at = STATUSES.get(state, state), self.forge.now
        if seen.status != "created":
            self.announce("deployment_hooks", payloads.deployment(self, seen))

    def release(self, tag: str, *, by: Person = GHOST) -> int:
        """A release of a tag; returns its id."""
        if self.git.find(f"refs/tags/{tag}") is None:
            raise StandInError(f"no tag {tag}")
        seen = Release(id=self.forge.number("release", 0), tag=tag, at=self.forge.now, author=self.forge.known(by))
        self.releases.append(seen)
        self.announce("release_hooks", payloads.release(self, seen, "create"))
        return seen.id

    def issue(
        self, title: str, *, by: Person, body: str = "", labels: Sequence[str] = (), incident: bool = False
    ) -> int:
        """An issue or an incident; returns its number."""
        seen = Issue(
            id=self.forge.number("issue", 3_000), iid=len(self.issues) + 1, title=title, author=self.forge.known(by),
            created_at=self.forge.now, updated_at=self.forge.now, description=body, labels=tuple(labels),
            incident=incident,
        )  # fmt: skip
        self.issues.append(seen)
        self.announce("issue_hooks", payloads.issue(self, seen, by, action="open", changes={}))
        return seen.iid

    def close_issue(self, number: int, *, by: Person) -> None:
        """End an issue or an incident."""
        seen = self.issues[number - 1]
        seen.state, seen.closed_at, seen.closed_by = "closed", self.forge.now, by
        self._turned(seen, by, "close", "closed", {"state_id": {"previous": 1, "current": 2}})

    def reopen_issue(self, number: int, *, by: Person) -> None:
        """It was not over."""
        seen = self.issues[number - 1]
        seen.state, seen.closed_at, seen.closed_by = "opened", None, None
        self._turned(seen, by, "reopen", "reopened", {"state_id": {"previous": 2, "current": 1}})

    def _turned(self, seen: Issue, by: Person, action: str, what: str, changes: Mapping[str, Json]) -> None:
        seen.updated_at = now = self.forge.now
        seen.state_turns.append(Turn(id=self.forge.number("state_event", 0), what=what, user=self.forge.known(by), at=now))
        self.announce("issue_hooks", payloads.issue(self, seen, by, action=action, changes=changes))

    def rename(self, new_path: str) -> None:
        """Another last segment (a whole path is taken as such); the old path goes on leading here."""
        old = self.path
        self.forge.remember(self)
        self.slug = new_path.rpartition("/")[2]
        self.forge.announce_project(self, "project_rename", old_path=old)

    def transfer(self, new_owner: str) -> None:
        """Into another group."""
        old = self.path
        self.forge.remember(self)
        self.group = self.forge.create_group(new_owner)
        self.forge.announce_project(self, "project_transfer", old_path=old)

    def archive(self) -> None:
        """No hook tells of it."""
        self.archived = True

    def delete(self) -> None:
        """Only the instance's hooks (and, with Premium, the groups') tell of it."""
        del self.forge.projects[self.id]
        self.forge.announce_project(self, "project_destroy")
