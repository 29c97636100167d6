"""What git, or calling it, can fail with."""


class GitError(Exception):
    """Git could not do what was asked."""

    slug = "git"


class GitMissingError(GitError):
    """The git program is not installed, or too old."""

    slug = "git_missing"


class BadArgumentError(GitError):
    """A URL, ref or sha that is never handed to git."""

    slug = "bad_argument"


class ProtocolRefusedError(BadArgumentError):
    """Remotes are fetched over https; over http only from this machine or a configured host."""

    slug = "protocol_refused"


class NotARepositoryError(GitError):
    """There is no git repository at that path."""

    slug = "not_a_repository"


class GitTimeoutError(GitError):
    """Git took too long and was stopped."""

    slug = "timeout"


class RemoteError(GitError):
    """The remote did not answer as it should; trying again may help."""

    slug = "unreachable"


class RemoteRefusedError(RemoteError):
    """The remote wants other credentials."""

    slug = "unauthorised"


class RemoteNotFoundError(RemoteError):
    """The remote has no such repository."""

    slug = "repository_not_found"


class TooLargeError(RemoteError):
    """The remote sends more than the size cap allows."""

    slug = "too_large"


class BadObjectsError(RemoteError):
    """The remote sends objects that git's checks refuse."""

    slug = "bad_objects"


class RefMissingError(RemoteError):
    """The remote does not have a ref that was asked for."""

    slug = "ref_missing"


class RefConflictError(RemoteError):
    """A ref cannot be stored beside one that the remote has no more (`a` and `a/b`): fetch all."""

    slug = "ref_conflict"
