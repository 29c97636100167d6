"""What a revert may point to, looked up in the store and the history in memory."""

from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

from bot.dora.commits import Sha
from bot.dora.history import History
from bot.dora.pull_requests import PullRequest
from bot.facts.link_reads import ABOUT_NAMES, about_merge, about_name, about_number, about_title
from bot.facts.names import load_naming
from bot.facts.pull_requests import find_pull_request, load_pull_requests
from bot.facts.repositories import RepositoryRow
from bot.store import Reader


class _Merged(NamedTuple):
    number: int
    merged_at: int


class _Message(NamedTuple):
    sha: Sha
    subject: str
    body: str

    @property
    def text(self) -> str:
        return f"{self.subject}\n\n{self.body}" if self.body else self.subject


def load_messages(reader: Reader, repository_id: int, shas: Iterable[Sha]) -> dict[Sha, str]:
    """Subject and body of these commits, as far as they are known."""
    rows = reader.fetch_in("commit_messages", _Message, sorted(set(shas)), repository_id=repository_id)
    return {bytes(row.sha): row.text for row in rows}


class StoredOrigins:
    """`bot.dora.reverts.Origins` over one repository and one snapshot; what was asked once is remembered.

    `asked` are the questions, as `bot.facts.link_reads` names them.
    """

    def __init__(self, reader: Reader, row: RepositoryRow | None, history: History) -> None:
        self._reader, self._row, self._history = reader, row, history
        self.asked: set[str] = set()
        self._messages: dict[Sha, str | None] = {}
        self._pull_requests: dict[int, PullRequest | None] = {}

    @cached_property
    def names(self) -> Collection[str]:
        """The RepositoryIds that it ever had."""
        self.asked.add(ABOUT_NAMES)
        return load_naming(self._reader, self._row).ever if self._row is not None else ()

    @property
    def repository_id(self) -> int:
        """0: the repository is not known."""
        return self._row.id if self._row is not None else 0

    def resolve_sha(self, prefix: str) -> Sha | None:
        """The commit with that full sha (hex) or unique abbreviation."""
        self.asked.add(about_name(prefix))
        found = self._history.graph.unique_prefix(prefix)
        return found[0] if len(found) == 1 else None

    def pull_request_merged_as(self, sha: Sha) -> int | None:
        """The pull request whose merge made this commit; of several the earliest."""
        self.asked.add(about_merge(sha))
        rows = self._reader.fetch("pull_requests_merged_as", _Merged, repository_id=self.repository_id, sha=sha)
        return min(((row.merged_at, row.number) for row in rows), default=(0, None))[1]

    def rebased_as(self, sha: Sha) -> Sha | None:
        """What the rebase merge of a pull request made of a commit of its head; of several the earliest."""
        self.asked.add(about_merge(sha))
        return next(iter(self._reader.fetch("rebased_as", bytes, repository_id=self.repository_id, sha=sha)), None)

    def commits_of_merge(self, sha: Sha) -> Sequence[Sha]:
        """The commits of `merge^1..merge`; none when it is no merge."""
        graph = self._history.graph
        at = graph.index(sha)
        if at is None or not graph.is_merge(at):
            return ()
        target = graph.index(graph.declared_parents(at)[0])
        return () if target is None else tuple(graph.sha(one) for one in graph.between([target], at))

    def message(self, sha: Sha) -> str | None:
        """A commit's subject and body."""
        if sha not in self._messages:
            self._messages[sha] = load_messages(self._reader, self.repository_id, [sha]).get(sha)
        return self._messages[sha]

    def pull_request(self, number: int) -> PullRequest | None:
        """The pull request of that number."""
        self.asked.add(about_number(number))
        if number not in self._pull_requests:
            record = find_pull_request(self._reader, self.repository_id, number)
            self._pull_requests[number] = None if record is None else record.pull_request
        return self._pull_requests[number]

    def pull_requests_by_title(self, title: str) -> Sequence[PullRequest]:
        """The merged pull requests of exactly that title."""
        self.asked.add(about_title(title))
        rows = self._reader.fetch("pull_requests_titled", _Merged, repository_id=self.repository_id, title=title)
        return [record.pull_request for record in load_pull_requests(self._reader, self.repository_id, [row.number for row in rows])]

    def messages_of(self, pull_request: PullRequest) -> Sequence[str]:
        """The messages of the commits it introduced, landed and original."""
        self.asked.add(about_number(pull_request.number))
        shas = self._reader.fetch("introduced_shas", bytes, repository_id=self.repository_id, number=pull_request.number)
        return self.messages(shas)

    def messages(self, shas: Iterable[Sha]) -> list[str]:
        """The messages of these commits, in the order of their shas."""
        found = load_messages(self._reader, self.repository_id, shas)
        return [found[sha] for sha in sorted(found)]
