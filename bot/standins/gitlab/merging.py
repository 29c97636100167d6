"""What people do with a project's merge requests, and what a push does to them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from bot.standins.forge import Json, StandInError
from bot.standins.gitlab import payloads
from bot.standins.gitlab.place import Place
from bot.standins.gitlab.spelling import old_time
from bot.standins.gitlab.state import Approval, MergeRequest, Note, RefChange, Turn
from bot.standins.repository import ZEROS, How, Person, signature

DRAFT = "Draft: "


class Merging(Place, ABC):
    """A place with merge requests."""

    @abstractmethod
    def pushed(self, *changes: RefChange, by: Person) -> None:
        """What GitLab does after a push."""

    def open(
        self, head: str, base: str, *, title: str, author: Person, body: str = "", draft: bool = False,
        labels: Sequence[str] = (),
    ) -> int:  # fmt: skip
        """Ask to merge branch `head` into `base`; returns the number."""
        sha, now = self.git.head(head), self.forge.now
        mr = MergeRequest(
            id=self.forge.number("merge_request", 90_000),
            iid=len(self.merge_requests) + 1,
            title=f"{DRAFT}{title}" if draft else title,
            description=body,
            author=self.forge.known(author),
            source=head,
            target=base,
            head=sha,
            base=self._base(base, sha),
            created_at=now,
            updated_at=now,
            labels=list(labels),
        )
        self.merge_requests[mr.iid] = mr
        self._keep_head(mr)
        self._turn_labels(mr, author, "add", labels)
        self._tell(mr, author, "open", {})
        return mr.iid

    def set_draft(self, number: int, draft: bool, *, by: Person) -> None:
        """Mark it as a draft, or as ready; nothing happens if it is so already."""
        mr = self._opened(number)
        if mr.draft != draft:
            self._retitle(mr, f"{DRAFT}{mr.title}" if draft else mr.title.partition(":")[2].strip(), by)

    def retitle(self, number: int, title: str, *, by: Person) -> None:
        """Another title, which may make a draft of it, or no draft."""
        self._retitle(self._find(number), title, by)

    def _retitle(self, mr: MergeRequest, title: str, by: Person) -> None:
        was_title, was_draft = mr.title, mr.draft
        mr.title = title
        changes: dict[str, Json] = {"title": {"previous": was_title, "current": title}}
        if mr.draft != was_draft:
            changes["draft"] = {"previous": was_draft, "current": mr.draft}
            self._note(mr, by, f"marked this merge request as **{'draft' if mr.draft else 'ready'}**")
        else:
            self._note(mr, by, f"changed title from **{was_title}** to **{title}**")
        self._update(mr, by, changes)

    def label(self, number: int, *add: str, remove: Sequence[str] = (), by: Person) -> None:
        """Add and remove labels, told as one update."""
        mr = self._find(number)
        before = list(mr.labels)
        new = [name for name in dict.fromkeys(add) if name not in before]
        gone = [name for name in remove if name in before]
        mr.labels = [name for name in before if name not in gone] + new
        self._turn_labels(mr, by, "add", new)
        self._turn_labels(mr, by, "remove", gone)
        told = {"previous": payloads.labels(self, before), "current": payloads.labels(self, mr.labels)}
        self._update(mr, by, {"labels": told})

    def retarget(self, number: int, base: str, *, by: Person) -> None:
        """Into another branch."""
        mr = self._opened(number)
        before, mr.target = mr.target, base
        mr.base = self._base(base, mr.head)
        self._note(mr, by, f"changed target branch from `{before}` to `{base}`")
        self._update(mr, by, {"target_branch": {"previous": before, "current": base}})

    def approve(self, number: int, *, by: Person) -> int:
        """Returns the approval's id. Raises StandInError if it was given before."""
        mr = self._opened(number)
        if any(approval.user.login == by.login for approval in mr.approvals):
            raise StandInError(f"{by.login} has approved already")
        approval = Approval(id=self.forge.number("approval", 0), user=self.forge.known(by), at=self.forge.now)
        mr.approvals.append(approval)
        mr.updated_at = self.forge.now
        self._note(mr, by, "approved this merge request")
        complete = len(mr.approvals) >= self._approvals_needed()
        self._tell(mr, by, "approved" if complete else "approval", {})
        return approval.id

    def dismiss(self, number: int, review: int, *, by: Person) -> None:
        """Withdraw an approval: on GitLab only who gave it can, so `by` is not told."""
        mr = self._opened(number)
        approval = next((one for one in mr.approvals if one.id == review), None)
        if approval is None:
            raise StandInError(f"no approval {review}")
        complete = len(mr.approvals) >= self._approvals_needed()
        mr.approvals.remove(approval)
        mr.updated_at = self.forge.now
        self._note(mr, approval.user, "unapproved this merge request")
        self._tell(mr, approval.user, "unapproved" if complete else "unapproval", {})

    def close(self, number: int, *, by: Person) -> None:
        """Give it up."""
        mr = self._opened(number)
        mr.state, mr.closed_at, mr.closed_by = "closed", self.forge.now, self.forge.known(by)
        self._turn(mr, by, "closed", "close", {"previous": 1, "current": 2})

    def reopen(self, number: int, *, by: Person) -> None:
        """Take it up again."""
        mr = self._find(number)
        if mr.state != "closed" or self.git.find(f"refs/heads/{mr.source}") is None:
            raise StandInError(f"!{number} cannot be reopened")
        mr.state, mr.closed_at, mr.closed_by = "opened", None, None
        self._turn(mr, by, "reopened", "reopen", {"previous": 2, "current": 1})

    def merge(self, number: int, how: How, *, by: Person) -> str:
        """Press the button; returns the target's new tip. The head stays at refs/merge-requests/N/head.

        "rebase" rebases the source branch, then lands it fast-forward. Raises StandInError for a draft.
        """
        mr = self._opened(number)
        if mr.draft:
            raise StandInError(f"!{number} is a draft")
        if how == "rebase":
            self._rebase(mr, by)
        before = self.git.head(mr.target)
        tip = self._land(mr, how, by)
        mr.squash = how == "squash"
        self._merged(mr, by)
        self.pushed(_moved(mr.target, before, tip), by=by)
        self._turn(mr, by, "merged", "merge", {"previous": 4, "current": 3})
        if self.removes_merged_branches and self.git.find(f"refs/heads/{mr.source}") == mr.head:
            self.git.delete_branch(mr.source)
            self.pushed(_moved(mr.source, mr.head, ZEROS), by=by)
            self._retarget_chain(mr, by)
        return tip

    def _land(self, mr: MergeRequest, how: How, by: Person) -> str:
        at, git = self.forge.now, self.git
        message = f"Merge branch '{mr.source}' into '{mr.target}'\n\n{mr.title}\n\nSee merge request {self.path}!{mr.iid}"
        if how == "merge":
            mr.merge_commit_sha = git.merge(mr.target, mr.head, "merge", message=message, by=by, at=at)
            return mr.merge_commit_sha
        if how != "squash":
            return git.merge(mr.target, mr.head, "fast_forward", message="", by=by, at=at)
        if self.squash_lands_by == "fast_forward":
            squashed = git.merge(mr.target, mr.head, "squash", message=mr.title, by=by, at=at, author=mr.author)
            mr.squash_commit_sha = squashed
            return squashed
        # GitLab squashes where the branch began, not on the target's tip.
        mr.squash_commit_sha = git.write_commit(
            git.tree(mr.head), (mr.base,), message=mr.title, author=signature(mr.author, at), committer=signature(by, at)
        )
        mr.merge_commit_sha = git.merge(mr.target, mr.squash_commit_sha, "merge", message=message, by=by, at=at)
        return mr.merge_commit_sha

    def _rebase(self, mr: MergeRequest, by: Person) -> None:
        onto, old = self.git.head(mr.target), mr.head
        if mr.base != onto:
            new = self.git.replay(onto, self.git.commits_between(onto, old), signature(by, self.forge.now))
            self.git.force(mr.source, new)
            self.pushed(_moved(mr.source, old, new), by=by)

    def _retarget_chain(self, landed: MergeRequest, by: Person) -> None:
        """Requests into a merged and removed branch go where it went."""
        for mr in self.merge_requests.values():
            if mr.state == "opened" and mr.target == landed.source:
                self.retarget(mr.iid, landed.target, by=by)

    def refresh(self, change: RefChange, by: Person) -> None:
        """What a push of a branch does: new commits in requests from it, and requests into it that it brings home."""
        branch = change.ref.removeprefix("refs/heads/")
        if change.after == ZEROS:
            return
        opened = [mr for mr in self.merge_requests.values() if mr.state == "opened"]
        for mr in opened:
            if mr.source == branch:
                oldrev, mr.head = mr.head, change.after
                mr.base = self._base(mr.target, mr.head)
                self._keep_head(mr)
                added = len(self.git.commits_between(oldrev, mr.head))
                self._note(mr, by, f"added {added} commit{'s' * (added != 1)}")
                self._update(mr, by, {}, oldrev=oldrev)
        brought = [mr for mr in opened if mr.target == branch and mr.source != branch and mr.head != mr.base]
        if brought and change.before != ZEROS:
            news = self.git.commits_between(change.before, change.after)
            for mr in brought:
                if mr.head in news:
                    mr.merge_commit_sha = self._bringer(mr.head, change.after)
                    self._merged(mr, by)
                    self._turn(mr, by, "merged", "merge", {"previous": 1, "current": 3})

    def _bringer(self, head: str, tip: str) -> str:
        """The oldest commit of the branch's own line that has the head."""
        found = here = tip
        while head in self.git.ancestors(here):
            found = here
            parents = self.git.read_commit(here).parents
            if not parents:
                break
            here = parents[0]
        return found

    def _merged(self, mr: MergeRequest, by: Person) -> None:
        mr.state, mr.merged_at, mr.merged_by = "merged", self.forge.now, self.forge.known(by)

    def _turn(self, mr: MergeRequest, by: Person, what: str, action: str, state: Json) -> None:
        mr.updated_at = self.forge.now
        mr.state_turns.append(
            Turn(id=self.forge.number("state_event", 0), what=what, user=self.forge.known(by), at=self.forge.now)
        )
        self._tell(mr, by, action, {"state_id": state})

    def _turn_labels(self, mr: MergeRequest, by: Person, what: str, names: Sequence[str]) -> None:
        for name in names:
            number = self.forge.number("label_event", 0)
            turn = Turn(id=number, what=what, user=self.forge.known(by), at=self.forge.now, label=name)
            mr.label_turns.append(turn)

    def _note(self, mr: MergeRequest, by: Person, body: str) -> None:
        now = self.forge.now
        number, author = self.forge.number("note", 20_000), self.forge.known(by)
        mr.notes.append(Note(id=number, body=body, author=author, created_at=now, updated_at=now, system=True))

    def _update(
        self, mr: MergeRequest, by: Person, changes: Mapping[str, Json], *, oldrev: str | None = None
    ) -> None:
        before, mr.updated_at = mr.updated_at, self.forge.now
        told = {"updated_at": {"previous": old_time(before), "current": old_time(mr.updated_at)}}
        self._tell(mr, by, "update", {**changes, **told}, oldrev=oldrev)

    def _tell(
        self, mr: MergeRequest, by: Person, action: str, changes: Mapping[str, Json], *, oldrev: str | None = None
    ) -> None:
        payload = payloads.merge_request(self, mr, by, action=action, changes=changes, oldrev=oldrev)
        self.announce("merge_request_hooks", payload)

    def _keep_head(self, mr: MergeRequest) -> None:
        self.git.set_ref(f"refs/merge-requests/{mr.iid}/head", mr.head)

    def _base(self, target: str, head: str) -> str:
        base = self.git.merge_base(self.git.head(target), head)
        if base is None:
            raise StandInError(f"{target} shares no history with {head}")
        return base

    def _approvals_needed(self) -> int:
        return self.approvals_required if self.forge.premium else 0

    def _find(self, number: int) -> MergeRequest:
        if number not in self.merge_requests:
            raise StandInError(f"no !{number}")
        return self.merge_requests[number]

    def _opened(self, number: int) -> MergeRequest:
        mr = self._find(number)
        if mr.state != "opened":
            raise StandInError(f"!{number} is {mr.state}")
        return mr


def _moved(branch: str, before: str, after: str) -> RefChange:
    return RefChange(ref=f"refs/heads/{branch}", before=before, after=after)
