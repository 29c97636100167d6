"""Which deployments follow from what forges, repositories and webhooks show: forge deployments, tags, releases, commits.

Rules:
- A forge deployment counts at its first success, in the environment that the forge names; `inactive`, `failure` and `error` never.
- Tags and releases become deployments by a rule alone: nobody else knows where they are deployed.
- A tag and its release are one deployment: the release's instant counts, since a tag is often made long before.
- A release that was deleted, or is a draft, is none; a tag that was deleted stays one (it names what was).
- Ids hold when a repository is renamed: they are made of the forge's numbers, and for tags of the repository's first name.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from hashlib import blake2b
from re import Pattern, compile
from typing import Final

from bot.dora.commits import Sha
from bot.dora.events import NewDeployment
from bot.dora.instants import Instant
from bot.dora.repositories import RepositoryId

BY_TAG: Final = "tag:"
"""How the id of a release begins whose forge tells no number of it (GitLab's API): it is known by its tag alone."""
FORGES: Final = frozenset({"github", "gitlab"})
"""Forges whose deployments are known; each is the source of its own."""
TAGS: Final = "tags"
"""The source of deployments made of tags and releases, and the kind of a rule for tags."""
RELEASES: Final = "releases"
FORGE_DEPLOYMENTS: Final = "forge_deployments"

WEBHOOK: Final = "webhook"
"""The source of deployments that were told by webhook."""

Services = Mapping[str, str]
"""Services by their names in lower case, as they are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """The repository that shows something. `number` tells it from all others of all forges ("" = unknown)."""

    forge: str
    number: str
    first_name: RepositoryId
    called: Callable[[Instant], RepositoryId]
    """A name that means it at an instant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgeDeployment:
    """A deployment at a forge: `succeeded_at` is its first success, `None` before that."""

    forge_id: str
    environment: str
    sha: Sha | None
    ref: str
    created_at: Instant | None
    succeeded_at: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A tag by its short name, with the tagger's date, else the committer's; `at` is `None` if neither is known."""

    name: str
    sha: Sha
    at: Instant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A release as its forge told of it last."""

    forge_id: str
    tag: str
    state: str
    published_at: Instant | None
    told_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitDeployed:
    """A commit that somebody told was deployed; `key` tells it from all others. `service` "" means: whoever claims the repository."""

    key: str
    service: str
    env: str
    ref: str
    repository: RepositoryId
    repository_url: str
    commit_sha: Sha
    started_at: Instant
    finished_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceRule:
    """What somebody asked to be counted of a repository, from now on too.

    `pattern` is the glob of tags; `service` "" means: every service whose definition names the repository; `env` is given to tags
    and releases, and limits forge deployments where it is not ""; nothing before `since` counts.
    """

    kind: str
    pattern: str = "*"
    service: str = ""
    env: str = ""
    since: Instant | None = None
    prereleases: bool = True


def infer_deployments(
    bearer: Bearer,
    *,
    services: Services,
    rules: Sequence[InferenceRule],
    deployments: Iterable[ForgeDeployment],
    tags: Sequence[Tag],
    releases: Sequence[Release],
) -> list[NewDeployment]:
    """All deployments that follow, each id once. `services` are those whose definition names the repository."""
    found: dict[str, NewDeployment] = {}
    known = {tag.name: tag for tag in tags}
    for new in _of_forge(bearer, services, rules, deployments, known):
        found.setdefault(new.id, new)
    for new in (*_of_releases(bearer, services, rules, releases, known), *_of_tags(bearer, services, rules, tags)):
        found.setdefault(new.id, new)
    return list(found.values())


def infer_webhook_deployments(
    told: CommitDeployed, *, services: Services, tags: Collection[str]
) -> list[NewDeployment]:
    """The deployments that follow: of the service that was named, else of each whose definition names the repository."""
    tag = told.ref.removeprefix("refs/tags/")
    belonging = {told.service.casefold(): told.service} if told.service else services
    return [
        NewDeployment(
            id=_id("webhook", told.key, service), service=shown, env=told.env, version=tag if tag in tags else "",
            repository_url=told.repository_url, repository=told.repository, commit_sha=told.commit_sha,
            started_at=told.started_at, finished_at=told.finished_at, team="", tags=(), source=WEBHOOK,
        )
        for service, shown in sorted(belonging.items())
    ]  # fmt: skip


def _of_forge(
    bearer: Bearer,
    services: Services,
    rules: Sequence[InferenceRule],
    deployments: Iterable[ForgeDeployment],
    tags: Mapping[str, Tag],
) -> Iterator[NewDeployment]:
    if bearer.forge not in FORGES:
        return
    # A rule without a service says no more than the definitions do.
    named = [rule for rule in rules if rule.kind == FORGE_DEPLOYMENTS and rule.service]
    for one in deployments:
        if one.succeeded_at is None:
            continue
        env = one.environment.strip()
        belonging = dict(services)
        for rule in named:
            if _since(rule, one.succeeded_at) and rule.env.casefold() in ("", env.casefold()):
                belonging.setdefault(rule.service.casefold(), rule.service)
        tag = one.ref.removeprefix("refs/tags/")
        name = bearer.called(one.succeeded_at)
        begun = one.succeeded_at if one.created_at is None else min(one.created_at, one.succeeded_at)
        for service, shown in sorted(belonging.items()):
            yield NewDeployment(
                id=_id("forge", bearer.forge, bearer.number or bearer.first_name, one.forge_id, service),
                service=shown, env=env, version=tag if tag in tags else "",
                repository_url=f"https://{name}" if one.sha else "", repository=name if one.sha else "", commit_sha=one.sha,
                started_at=begun, finished_at=one.succeeded_at, team="", tags=(), source=bearer.forge,
            )  # fmt: skip


def _of_tags(
    bearer: Bearer, services: Services, rules: Sequence[InferenceRule], tags: Sequence[Tag]
) -> Iterator[NewDeployment]:
    for rule in rules:
        if rule.kind == TAGS:
            matcher: Pattern[str] = compile(translate(rule.pattern))
            for tag in tags:
                if tag.at is not None and _since(rule, tag.at) and matcher.match(tag.name):
                    yield from _tagged(bearer, services, rule, tag.name, tag.at, tag.sha)


def _of_releases(
    bearer: Bearer,
    services: Services,
    rules: Sequence[InferenceRule],
    releases: Sequence[Release],
    tags: Mapping[str, Tag],
) -> Iterator[NewDeployment]:
    """Of several releases of one tag the one published first counts.

    One that is known by its tag alone may be the one that was deleted, unless it was listed later.
    """
    deleted: dict[str, Instant] = {}
    for one in releases:
        if one.state == "deleted":
            deleted[one.tag] = max(one.told_at, deleted.get(one.tag, 0))
    releases = [one for one in releases if not (one.forge_id.startswith(BY_TAG) and one.told_at <= deleted.get(one.tag, -1))]
    published = [(one.published_at, one.forge_id, one) for one in releases if one.published_at is not None and one.tag]
    for at, _, one in sorted(published, key=lambda each: each[:2]):
        for rule in rules:
            wanted = {"published", "prerelease"} if rule.prereleases else {"published"}
            if rule.kind == RELEASES and one.state in wanted and _since(rule, at):
                tag = tags.get(one.tag)
                yield from _tagged(bearer, services, rule, one.tag, at, None if tag is None else tag.sha)


def _tagged(
    bearer: Bearer, services: Services, rule: InferenceRule, tag: str, at: Instant, sha: Sha | None
) -> Iterator[NewDeployment]:
    belonging = {rule.service.casefold(): rule.service} if rule.service else services
    name = bearer.called(at)
    for service, shown in sorted(belonging.items()):
        yield NewDeployment(
            id=_id("tag", bearer.first_name, f"refs/tags/{tag}", service, rule.env.casefold()),
            service=shown, env=rule.env, version=tag, repository_url=f"https://{name}" if sha else "",
            repository=name if sha else "", commit_sha=sha, started_at=at, finished_at=at, team="", tags=(), source=TAGS,
        )  # fmt: skip


def _since(rule: InferenceRule, at: Instant) -> bool:
    return rule.since is None or rule.since <= at


def _id(kind: str, *identity: str) -> str:
    digest = blake2b("\0".join(identity).encode(), digest_size=8).hexdigest()
    return f"{kind}-{digest}"
