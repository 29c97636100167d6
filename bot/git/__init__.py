"""The only caller of the git program.

Rules:
- Every call runs in an environment made from nothing: no system, global or home configuration, no prompt, no hooks, no pager, and
  only the protocols the call needs (`GIT_ALLOW_PROTOCOL`; none at all for local reading, so nothing is ever fetched by accident).
- Settings, the remote's URL and its token travel in the environment (`GIT_CONFIG_COUNT`), never in arguments or on disk.
- What comes from outside (URL, ref, sha) is checked here before it becomes an argument, and stands behind `--` or
  `--end-of-options` or on standard input.
- Local reading is synchronous; what needs the network is `async`, has a time-out, and dies with its process group.
"""

from bot.git.arguments import clean, is_ref, is_sha, protocols_for
from bot.git.errors import (
    BadArgumentError,
    BadObjectsError,
    GitError,
    GitMissingError,
    GitTimeoutError,
    NotARepositoryError,
    ProtocolRefusedError,
    RefConflictError,
    RemoteError,
    RemoteNotFoundError,
    RemoteRefusedError,
    TooLargeError,
)
from bot.git.local import (
    Counting,
    RefTip,
    default_branch,
    delete_refs,
    existing_commits,
    git_version,
    init_mirror,
    is_repository,
    list_refs,
    read_blob,
    remote_origin_url,
    rev_parse,
    root_files,
    shallow_boundary,
)
from bot.git.log import LogEntry, log, parse_log
from bot.git.remote import Fetched, Remote, fetch_all, fetch_blobs, fetch_refs, list_remote, remote_default_branch

__all__ = [
    "BadArgumentError", "BadObjectsError", "Counting", "Fetched", "GitError", "GitMissingError", "GitTimeoutError", "LogEntry",
    "NotARepositoryError", "ProtocolRefusedError", "RefConflictError", "RefTip", "Remote", "RemoteError", "RemoteNotFoundError",
    "RemoteRefusedError", "TooLargeError", "clean", "default_branch", "delete_refs", "existing_commits",
    "fetch_all", "fetch_blobs", "fetch_refs", "git_version", "init_mirror", "is_ref", "is_repository", "is_sha", "list_refs",
    "list_remote", "log", "parse_log", "protocols_for", "read_blob", "remote_default_branch", "remote_origin_url",
    "rev_parse", "root_files", "shallow_boundary",
]
