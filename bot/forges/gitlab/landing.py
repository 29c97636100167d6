"""What a merge request was merged as: the landed commit hides behind three fields, the same in events and in the API."""

from bot.dora.commits import Sha
from bot.forges import fields


def landed(*, merge: str | None, squash: str | None, head: str | None, squashed: bool) -> tuple[Sha | None, Sha | None]:
    """(what the target branch got, the squashed commit behind a merge commit); the head itself only of a plain fast-forward."""
    merge_sha, squash_sha = fields.sha(merge), fields.sha(squash)
    if merge_sha is not None:
        return merge_sha, squash_sha if squash_sha != merge_sha else None
    if squash_sha is not None:
        return squash_sha, None
    return (None, None) if squashed else (fields.sha(head), None)
