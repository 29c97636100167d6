"""What a pull request or commit says it reverts, and how long the chain of reverts behind it is (semantics §5).

Rules: a link is followed by commit, number, branch, title, in the order of the linked rules; parity follows the pull requests and
commits of the chain, and only where one of them is not known the titles that git and the forges give.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import re2

from bot.dora.commits import Sha
from bot.dora.instants import Instant
from bot.dora.pull_requests import PullRequest
from bot.dora.rules import CompiledRule, CompiledRules, Field, Hit, matches

MAX_CHAIN = 50
"""Reverts of reverts that are followed."""


class Origins(Protocol):
    """What is known of one repository, asked for what a text points to."""

    @property
    def names(self) -> Collection[str]:
        """The RepositoryIds that it ever had: a text keeps the name of its day."""
        ...

    def resolve_sha(self, prefix: str) -> Sha | None:
        """The commit with that full sha (hex) or unique abbreviation."""
        ...

    def pull_request_merged_as(self, sha: Sha) -> int | None:
        """The pull request whose merge made this commit: its merge commit, squashed commit, or the last of its rebase."""
        ...

    def rebased_as(self, sha: Sha) -> Sha | None:
        """What the rebase merge of a pull request made of a commit of its head; `None` for any other commit."""
        ...

    def commits_of_merge(self, sha: Sha) -> Sequence[Sha]:
        """The commits of `merge^1..merge`; none when it is no merge."""
        ...

    def message(self, sha: Sha) -> str | None:
        """A commit's subject and body."""
        ...

    def pull_request(self, number: int) -> PullRequest | None:
        """The pull request of that number."""
        ...

    def pull_requests_by_title(self, title: str) -> Sequence[PullRequest]:
        """The merged pull requests of exactly that title, any order."""
        ...

    def messages_of(self, pull_request: PullRequest) -> Sequence[str]:
        """The messages of the commits it introduced: on the target branch (merges too) and, of a squash, the originals."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What rules look at: a pull request with its commits' messages, or a commit that came without one."""

    texts: Mapping[Field, tuple[str, ...]]
    number: int | None = None
    merged_at: Instant | None = None
    shas: frozenset[Sha] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """What a text points to: a pull request, a commit, or both. `commits` stand for it as well: those of a merge that belongs to no
    pull request, or the commit as it was before its rebase."""

    number: int | None = None
    sha: Sha | None = None
    commits: tuple[Sha, ...] = ()

    @property
    def name(self) -> str:
        """The commit's full sha in hex, else the pull request's number."""
        return self.sha.hex() if self.sha is not None else str(self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A match of a linked rule and what it points to, `None` if that is not known. `reland`: an even number of reverts."""

    hit: Hit
    original: Original | None
    reland: bool


def subject_of(pull_request: PullRequest, messages: Iterable[str], shas: Iterable[Sha] = ()) -> Subject:
    """A pull request as the rules see it."""
    return Subject(
        texts={
            "pr_title": (pull_request.title,),
            "pr_body": (pull_request.body,),
            "pr_branch": (pull_request.head_ref,),
            "pr_label": pull_request.labels,
            "commit_message": tuple(dict.fromkeys(messages)),
        },
        number=pull_request.number,
        merged_at=pull_request.merged_at,
        shas=frozenset(shas),
    )


class Step(NamedTuple):
    """One of a chain of reverts: how many it stands for (`None`: it is not known), and what it reverts if the chain goes on."""

    reverts: int | None
    following: Original | None = None


Steps = dict[Original, Step]
"""The steps found so far with the same rules and origins: many reverts may stand at the end of one chain."""


def links_of(
    subject: Subject, rule: CompiledRule, rules: CompiledRules, origins: Origins, steps: Steps | None = None
) -> Iterator[Link]:
    """What one linked rule sees in a subject; `steps` are remembered, also for the next subject."""
    steps = {} if steps is None else steps
    for hit in matches(rule, subject.texts.get(rule.rule.field, ())):
        original = find_original(hit, subject, origins)
        reland = False
        if rules.options.reland == "parity" and _is_revert(hit):
            behind = None if original is None else _chain(original, rules, origins, steps)
            reland = (_spoken(subject) if behind is None else 1 + behind) % 2 == 0
        yield Link(hit=hit, original=original, reland=reland)


def find_original(hit: Hit, subject: Subject, origins: Origins) -> Original | None:
    """The pull request or commit that a match names; `None` if it is not known, or for a version."""
    match hit.variable:
        case "commit_sha":
            return _by_sha(hit, origins)
        case "pr_number":
            return _by_number(hit, subject, origins)
        case "pr_title":
            return _by_title(hit, subject, origins)
        case "version" | None:
            return None


def _by_sha(hit: Hit, origins: Origins) -> Original | None:
    named = origins.resolve_sha(hit.value)
    if named is None:
        return None
    landed = origins.rebased_as(named)
    sha, before = (named, ()) if landed is None else (landed, (named,))
    number = origins.pull_request_merged_as(sha)
    if number is not None:
        return Original(number=number, sha=sha, commits=before)
    return Original(sha=sha, commits=before or tuple(origins.commits_of_merge(sha)))


_NAMED = re2.compile(r"([A-Za-z0-9_.\-]+(?:/[A-Za-z0-9_.\-]+)*)[#!]$")
_SHORT = frozenset({"gh", "pr", "mr", "pull", "issue"})
"""Words before `#` that name no repository."""


def _by_number(hit: Hit, subject: Subject, origins: Origins) -> Original | None:
    if len(hit.value) > 18 or int(hit.value) == subject.number:
        return None
    named = _NAMED.search(hit.before)
    if named is not None:
        name = named.group(1).lower()
        if name not in _SHORT and not any(own == name or own.endswith(f"/{name}") for own in origins.names):
            return None
    return Original(number=int(hit.value))


def _by_title(hit: Hit, subject: Subject, origins: Origins) -> Original | None:
    """The latest of that exact title that was merged before the reverting one."""
    before = None if subject.merged_at is None else (subject.merged_at, subject.number or 0)
    merged = (
        (pull_request.merged_at, pull_request.number)
        for pull_request in origins.pull_requests_by_title(hit.value)
        if pull_request.merged_at is not None and pull_request.number != subject.number
    )
    found = max((order for order in merged if before is None or order < before), default=None)
    return None if found is None else Original(number=found[1])


def _chain(start: Original, rules: CompiledRules, origins: Origins, steps: Steps) -> int | None:
    """How many reverts stand in the chain that begins at an original (0: it reverts nothing); `None`: it is not known."""
    count, here = 0, start
    seen: set[Original] = set()
    while here not in seen and len(seen) < MAX_CHAIN:
        seen.add(here)
        if here not in steps:
            steps[here] = _step(here, rules, origins)
        step = steps[here]
        if step.reverts is None:
            return count or None
        count += step.reverts
        if step.following is None:
            return count
        here = step.following
    return count


def _step(here: Original, rules: CompiledRules, origins: Origins) -> Step:
    subject = _known_subject(here, rules, origins)
    if subject is None:
        return Step(None)
    hits = list(_revert_hits(subject, rules))
    if not hits:
        return Step(0)
    following = next((found for hit in hits if (found := find_original(hit, subject, origins)) is not None), None)
    if following is None or _known_subject(following, rules, origins) is None:
        return Step(_spoken(subject))
    return Step(1, following)


def _known_subject(original: Original, rules: CompiledRules, origins: Origins) -> Subject | None:
    """What the rules see of an original: its own message if that names something, else the pull request it was merged as."""
    message = None if original.sha is None else origins.message(original.sha)
    lone = (
        None
        if message is None
        else Subject(texts={"commit_message": (message,)}, shas=frozenset({original.sha or b""}))
    )
    if original.number is None or (lone is not None and any(_revert_hits(lone, rules))):
        return lone
    pull_request = origins.pull_request(original.number)
    return lone if pull_request is None else subject_of(pull_request, origins.messages_of(pull_request))


def _revert_hits(subject: Subject, rules: CompiledRules) -> Iterator[Hit]:
    for rule in rules.linked:
        yield from (hit for hit in matches(rule, subject.texts.get(rule.rule.field, ())) if _is_revert(hit))


_REVERTS = re2.compile(r"(?i)revert|reapply|undo|back(?:s|ed|ing)?[-_ ]?out|roll(?:s|ed|ing)?[-_ ]?back")


def _is_revert(hit: Hit) -> bool:
    """Whether a linked rule speaks of reverts: parity says nothing of, say, `Fixes regression of #12`."""
    return any(_REVERTS.search(text) for text in (hit.rule.id, hit.rule.pattern, hit.before))


_QUOTES = {'Revert "': 1, 'Reapply "': 2}
"""Titles of reverts, and how many they tell of."""


def _spoken(subject: Subject) -> int:
    """How many reverts the titles tell of (git calls the revert of a revert `Reapply`), at least 1."""
    titles = [*subject.texts.get("pr_title", ())]
    titles += [message.split("\n", 1)[0] for message in subject.texts.get("commit_message", ())]
    return max([1, *(_nested(title.strip()) for title in titles)])


def _nested(title: str) -> int:
    """How many reverts a title has around it, each in quotes of its own."""
    count = at = 0
    end = len(title)
    while (word := next((each for each in _QUOTES if title.startswith(each, at)), None)) is not None:
        at, end = at + len(word), end - 1
        if end < at or title[end] != '"':
            break
        count += _QUOTES[word]
    return count
