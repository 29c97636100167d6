"""The ways in which GitLab writes an instant (seconds since 1970), and reads one."""

from datetime import UTC, datetime


def api_time(at: int) -> str:
    """`2026-11-21T09:00:00.000Z`, in most answers."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def api_time_or_none(at: int | None) -> str | None:
    """The same, or nothing."""
    return None if at is None else api_time(at)


def commit_time(at: int) -> str:
    """`2026-11-21T09:00:00.000+00:00`, for commits in the API."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000+00:00")


def pushed_time(at: int) -> str:
    """`2026-11-21T09:00:00+00:00`, for commits in webhooks."""
    return datetime.fromtimestamp(at, UTC).isoformat()


def system_time(at: int) -> str:
    """`2026-11-21T09:00:00Z`, in system hooks."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def old_time(at: int) -> str:
    """`2026-11-21 09:00:00 UTC`, in webhooks about merge requests and issues."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def offset_time(at: int) -> str:
    """`2026-11-21 09:00:00 +0000`, in deployment hooks."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S +0000")


def read_time(text: str) -> float:
    """Seconds since 1970 of what a client wrote; a missing offset means UTC. Raises ValueError."""
    read = datetime.fromisoformat(text)
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
