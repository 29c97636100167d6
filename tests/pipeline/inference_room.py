"""What tests of inference share: a repository's facts told one by one, and what is there when all was worked off."""

from collections.abc import Callable
from typing import NamedTuple

from bot.dora.definitions import RepoLink, ServiceDefinition
from bot.dora.inference import InferenceRule
from bot.facts.catalog import FROM_FOLDER, plan_claims, write_claims
from bot.facts.inference_rules import delete_inference_rule, record_inference_rule
from bot.facts.repositories import find_repository
from bot.facts.sources import select_source
from bot.store import Store, Writer
from tests.pipeline.naming_room import LATER, Room, Told, at, github, iso
from tests.support.gitrepo import GitRepo, git

SHOP = (7, "acme/shop")
NAME = "github.com/acme/shop"
Act = Callable[[Room], object]


class Shown(NamedTuple):
    """What a deployment says of itself."""

    service: str
    env: str
    version: str
    finished: float
    source: str
    commit: str | None


def status(
    minute: float, state: str, *, number: int = 1, env: str = "production", ref: str = "main", sha: str = "1" * 40,
    repository: tuple[int, str] = SHOP,
) -> Told:  # fmt: skip
    """A state of a deployment that GitHub made at minute 1."""
    return github(
        "deployment_status", minute, repository,
        deployment={"id": number, "environment": env, "sha": sha, "ref": ref, "created_at": iso(1)},
        deployment_status={"state": state, "created_at": iso(minute), "environment": env},
    )  # fmt: skip


def release(minute: float, action: str, *, number: int = 1, tag: str = "v2", published: float = 200, **told: object) -> Told:
    """An event about a release."""
    seen = {"id": number, "tag_name": tag, "updated_at": iso(minute), "published_at": iso(published), **told}
    return github("release", minute, SHOP, action=action, release=seen)


def hear(*told: Told) -> Act:
    return lambda room: room.hear(*told)


def define(*names: str, repository: str = NAME) -> Act:
    """From now on the folder defines these services, each naming the repository."""
    links = (RepoLink(name="Source", url=f"https://{repository}"),)
    said = [ServiceDefinition(service=name.casefold(), shown=name, schema_version="v2", links=links) for name in names]

    def act(writer: Writer) -> None:
        write_claims(writer, plan_claims(writer, {FROM_FOLDER: said}))

    return lambda room: room.store.write(act)


def enable(*sources: str) -> Act:
    """These sources count from the beginning of time."""

    def act(writer: Writer) -> None:
        for source in sources:
            select_source(writer, "deployments", source, on=True, retroactive=True, at=LATER)

    return lambda room: room.store.write(act)


def rule(kind: str, *, name: str = NAME, forget: bool = False, **said: object) -> Act:
    """Somebody asks for it."""

    def act(writer: Writer) -> None:
        found = find_repository(writer, name)
        assert found is not None
        work = delete_inference_rule if forget else record_inference_rule
        work(writer, found.id, InferenceRule(kind=kind, **said))  # type: ignore[arg-type]

    return lambda room: room.store.write(act)


def ingest(history: GitRepo) -> Act:
    """The repository is read; it may be known from the forge already."""

    def act(room: Room) -> None:
        found = room.store.read(lambda reader: find_repository(reader, NAME))
        assert found is not None
        room.ingest(found.id, history.path)

    return act


def play(room: Room, *acts: Act) -> list[Shown]:
    """What is there when all that was worked off."""
    for act in acts:
        act(room)
        room.work()
    room.work()
    return deployments(room.store)


def deployments(store: Store) -> list[Shown]:
    """All that are there, oldest first."""

    def row(*columns: object) -> Shown:
        _, _, _, service, env, version, _, _, sha, _, finished, _, _, source, _ = columns
        commit = None if sha is None else bytes(sha).hex()  # type: ignore[call-overload]
        minute = (int(str(finished)) - at(0)) / (at(1) - at(0))
        return Shown(str(service), str(env), str(version), minute, str(source), commit)

    return sorted(store.read(lambda reader: reader.fetch("fingerprint_deployments", row)), key=lambda one: (one.finished, one[:2]))


def ids(store: Store) -> list[str]:
    """The ids of all that are there."""
    return store.read(lambda reader: reader.fetch("fingerprint_deployments", lambda *columns: str(columns[0])))


def commits(history: GitRepo) -> list[str]:
    """The commits, oldest first."""
    return git(history.path, "log", "--reverse", "--format=%H").split()
