"""What became of the last upload of each repository's history: the client's exit status hides it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bot.dora.commits import Sha
from bot.dora.instants import MINUTE, Instant
from bot.facts.uploads import RECEIVED, REFUSED
from bot.store import Reader

LISTED, INCOMPLETE, DONE = "listed", "incomplete", "done"
LATE = 10 * MINUTE
"""A client sends packs within seconds of the list of files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadShown:
    """The last upload of a repository. `state`: received, done, refused; incomplete when trees or the commit itself did not come, listed
    when only the list of its files came. `reason` is a sentence; `packs` and `commits` are what the upload brought."""

    received_at: Instant
    commit_sha: Sha
    state: str
    reason: str | None
    packs: int
    commits: int
    tracked_files: int | None


class _Pack(NamedTuple):
    repository_id: int
    commit: Sha
    received_at: Instant
    state: str
    reason: str
    commits: int


class _Report(NamedTuple):
    repository_id: int
    commit: Sha
    files: int
    received_at: Instant


def load_uploads(reader: Reader) -> Mapping[int, UploadShown]:
    """The last upload of each repository that had one."""
    packs: dict[int, list[_Pack]] = defaultdict(list)
    for pack in reader.fetch("answer_uploads", _pack):
        packs[pack.repository_id].append(pack)
    reports = {report.repository_id: report for report in reader.fetch("answer_upload_reports", _report)}
    asked = sorted({pack.commit for own in packs.values() for pack in own} | {report.commit for report in reports.values()})
    usable = {(id, sha): bool(known) for id, sha, known in reader.fetch_in("answer_uploaded_commits", _commit, asked)}
    return {
        id: _shown(packs.get(id, ()), reports.get(id), {sha: known for (of, sha), known in usable.items() if of == id})
        for id in sorted(packs.keys() | reports.keys())
    }


def is_trouble(shown: UploadShown, now: Instant) -> bool:
    """Whether somebody should look after it."""
    return shown.state in (REFUSED, INCOMPLETE) or (shown.state in (LISTED, RECEIVED) and now - shown.received_at > LATE)


def _shown(packs: Sequence[_Pack], report: _Report | None, usable: Mapping[Sha, bool]) -> UploadShown:
    last = max(packs, key=lambda pack: pack.received_at, default=None)
    if report is not None and (last is None or (report.received_at > last.received_at and report.commit != last.commit)):
        packs = ()
        at, commit = report.received_at, report.commit
        state, reason = (DONE, None) if usable.get(commit) else (LISTED, "Its files were listed; its commits did not come yet.")
    else:
        at, commit = max((pack.received_at, pack.commit) for pack in packs)
        state, reason = _state(packs, usable.get(commit))
    return UploadShown(
        received_at=at, commit_sha=commit, state=state, reason=reason, packs=len(packs),
        commits=max((pack.commits for pack in packs), default=0),
        tracked_files=report.files if report is not None and report.commit == commit else None,
    )


def _state(packs: Sequence[_Pack], usable: bool | None) -> tuple[str, str | None]:
    for state in (RECEIVED, REFUSED):
        reasons = [pack.reason for pack in packs if pack.state == state]
        if reasons:
            return state, next(filter(None, reasons), None)
    if usable is None:
        return INCOMPLETE, "The commit itself is in none of its packs: one did not arrive."
    if not usable:
        return INCOMPLETE, "Folders of its commits are missing: a pack did not arrive, or a later upload will bring them."
    return DONE, None


def _pack(repository_id: int, commit: Sha, received_at: Instant, state: str, reason: str, commits: int) -> _Pack:
    return _Pack(repository_id, bytes(commit), received_at, state, reason, commits)


def _report(repository_id: int, commit: Sha, files: int, received_at: Instant) -> _Report:
    return _Report(repository_id, bytes(commit), files, received_at)


def _commit(repository_id: int, sha: Sha, usable: int) -> tuple[int, Sha, int]:
    return repository_id, bytes(sha), usable
