"""Random organisations of facts in random orders, settled in between: what grew equals what is derived from nothing.

A repository is published bit by bit: refs come, move and go, its history is shallow first. Reverts name what is older: ancestors, and
pull requests of lower numbers. WORLDS asks for more of them, SEED for the same again.
"""

import asyncio
import os
import random
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bot.answers.fingerprint import fingerprint_lines
from bot.dora.events import NewDeployment, PullRequestSeen, RepositoryRef
from bot.dora.instants import SECOND
from bot.dora.pull_requests import PullRequest, Review
from bot.engine.clock import now
from bot.engine.inline import Inline
from bot.facts.deployments import record_deployment
from bot.facts.fetches import want_fetch
from bot.facts.repositories import ensure_repository
from bot.pipeline.recording import record_events
from bot.settings import load_settings
from bot.store import Store, Writer
from bot.store.opening import open_store
from tests.engines import migrated_file
from tests.support.gitrepo import START, GitRepo, git

WORLDS = int(os.environ.get("WORLDS", "25"))
MEMORY = Path("/dev/shm")
DERIVED = ("change_set", "change", "classification", "remediation", "landing", "introduced", "rebased", "pull_request_flag", "link_read",
           "mark")
NAME = "github.com/acme/shop"
REF = RepositoryRef(name=NAME, forge="github", forge_id="1")
FILES = ("a/1", "a/2", "b/1", "b/x/1", "c")
LINK = "https://github.com/acme/shop/tree/release/1/b"


@dataclass
class World:
    """A repository with everything that will ever be in it, and the pull requests that made it so."""

    repo: GitRepo
    shas: list[str] = field(default_factory=list)
    past: dict[str, list[str]] = field(default_factory=dict)
    """The ancestors of each commit, itself included."""
    refs: dict[str, list[str]] = field(default_factory=dict)
    pull_requests: list[PullRequest] = field(default_factory=list)

    def note(self, sha: str, parents: Sequence[str]) -> str:
        """Remember a commit."""
        self.shas.append(sha)
        self.past[sha] = [*dict.fromkeys(one for parent in parents for one in self.past[parent]), sha]
        return sha


def _grow(path: Path, chance: random.Random) -> World:
    world = World(GitRepo(path))
    repo = world.repo
    world.note(repo.commit("root", files=FILES), ())
    clock = START + 600

    def tick() -> int:
        nonlocal clock
        clock += chance.choice((0, 1, 60))
        return clock

    def commit(message: str, *, branch: str = "main", parents: Sequence[str] = ()) -> str:
        parents = parents or [repo.tips[branch]]
        files = chance.sample(FILES, chance.choice((1, 1, 2)))
        return world.note(repo.commit(message, files=files, authored_at=tick(), branch=branch, parents=parents), parents)

    heads: list[str] = []
    repo.branch("release/1", world.shas[0])
    for number in range(1, chance.randint(5, 9)):
        if chance.random() < 0.3:
            commit(chance.choice(("direct", _revert_text(world, chance, repo.tips["main"]))))
        base = chance.choice(("main", "main", "main", "release/1"))
        start = chance.choice([repo.tips[base], repo.tips[base], chance.choice(world.shas), *heads[-1:]])
        branch = f"f{number}"
        title = f"Add {number}"
        body = ""
        first = f"work {number}"
        if world.pull_requests and chance.random() < 0.5:
            other = chance.choice(world.pull_requests)
            title = chance.choice((f'Revert "{other.title}"', f'Reapply "{other.title}"', f"Drop {number}", "Hotfix"))
            first, body = chance.choice(((title, f"Reverts #{other.number}"), (_revert_text(world, chance, start), "")))
            title = title if first == title else f"Drop {number}"
        repo.branch(branch, start)
        own = [commit(first, branch=branch)]
        own += [commit(f"work {number}.{i}", branch=branch) for i in range(chance.choice((0, 0, 1, 2)))]
        head = own[-1]
        heads.append(head)
        merge_sha, squash_sha = _land(world, chance, base=base, head=head, own=own, title=f"{title} (#{number})", commit=commit)
        merged = merge_sha is not None
        world.pull_requests.append(
            PullRequest(
                number=number, title=title, body=body, head_ref=branch, base_ref=base, author="ann",
                state="merged" if merged else "open", created_at=(clock - 300) * SECOND,
                merged_at=tick() * SECOND if merged else None, head_sha=bytes.fromhex(head),
                merge_sha=bytes.fromhex(merge_sha) if merge_sha else None,
                squash_sha=bytes.fromhex(squash_sha) if squash_sha else None,
            )
        )
        for ref in ("main", "release/1", branch):
            world.refs.setdefault(ref, []).append(repo.tips[ref])
    repo.close()
    return world


def _revert_text(world: World, chance: random.Random, tip: str) -> str:
    sha = chance.choice(world.past[tip])
    texts = [f"Undo\n\nThis reverts commit {sha}.", f'Revert "x"\n\nThis reverts commit {sha[:9]}.']
    texts += [f"This reverts merge request !{one.number}" for one in world.pull_requests[-1:]]
    return chance.choice(texts)


def _land(
    world: World, chance: random.Random, *, base: str, head: str, own: list[str], title: str, commit: Callable[..., str]
) -> tuple[str | None, str | None]:
    repo = world.repo
    how = chance.choice(("squash", "squash", "merge", "rebase", "ff", "open", "same", "squash+merge"))
    if how == "squash":
        return commit(title, branch=base), None
    if how in ("merge", "squash+merge"):
        merged = head
        if how == "squash+merge":
            merged = commit(title, branch="tmp", parents=[repo.tips[base]])
        parents = [repo.tips[base], merged]
        sha = world.note(repo.commit(f"Merge {title}", branch=base, parents=parents), parents)
        return sha, merged if how != "merge" and chance.random() < 0.5 else None
    if how == "rebase":
        for one in own:
            subject, author_time = git_log(repo, one)
            parents = [repo.tips[base]]
            world.note(repo.commit(subject, branch=base, parents=parents, files=["a/1"], authored_at=author_time), parents)
        return repo.tips[base], None
    if how == "ff":
        repo.branch(base, head)
        return head, None
    if how == "same":
        earlier = [one.merge_sha for one in world.pull_requests if one.merge_sha]
        return (earlier[-1].hex() if earlier else commit(title, branch=base)), None
    return None, None


def git_log(repo: GitRepo, sha: str) -> tuple[str, int]:
    """Message and author date of a commit."""
    date, _, message = repo.git("log", "-1", "--format=%at%n%B", sha).partition("\n")
    return message.strip("\n"), int(date)


class Play:
    """One world in one store: what may happen, and what came out."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.chance = folder, random.Random(seed)
        self.world = _grow(folder / "full.git", self.chance)
        self.public = folder / "public.git"
        self.public.mkdir()
        git(self.public, "init", "-q", "--bare", "-b", "main", ".")
        (self.public / "objects" / "info" / "alternates").write_text(f"{folder / 'full.git' / 'objects'}\n")
        self.definitions = folder / "definitions"
        self.definitions.mkdir()
        self.settings = load_settings({"DATA_DIR": str(folder), "SERVICE_DEFINITIONS": str(self.definitions)})
        self.url = migrated_file(folder / "test.db")
        self.store: Store = open_store(self.url)
        self.runner = Inline(self.store, self.settings)
        self.deployments: list[NewDeployment] = []
        self.receipt = 0
        self.log: list[str] = []

    # What may happen -----------------------------------------------------------------------------------------------------

    async def publish(self) -> None:
        """Some refs come, move on or back, or go; then the path is read."""
        for name, shas in sorted(self.world.refs.items()):
            ref = f"refs/heads/{name}"
            roll = self.chance.random()
            if roll < 0.5:
                git(self.public, "update-ref", ref, sha := self.chance.choice(shas))
                self.log.append(f"ref {name} {sha[:7]}")
            elif roll < 0.6:
                git(self.public, "update-ref", "-d", ref)
                self.log.append(f"ref {name} gone")
        await self.sync()

    async def sync(self) -> None:
        """Read the path."""
        self.log.append("sync")
        self.store.write(self._wish)

    def _wish(self, writer: Writer) -> None:
        row = ensure_repository(writer, replace(REF, remote=str(self.public)), local=True)
        want_fetch(writer, repository_id=row.id, ref="*", now=now())

    async def shallow(self) -> None:
        """The history becomes shallow at some commits, or whole."""
        file = self.public / "shallow"
        if file.exists():
            self.log.append("deepened")
            file.unlink()
            await self.sync()
        elif not self.store.read(lambda reader: reader.fetch("all_repositories", lambda *row: row)):
            cut = sorted(self.chance.sample(self.world.shas, 2))
            self.log.append(f"shallow at {[one[:7] for one in cut]}")
            file.write_text("".join(f"{sha}\n" for sha in cut))

    async def whole(self) -> None:
        """Everything is published."""
        (self.public / "shallow").unlink(missing_ok=True)
        for name, shas in self.world.refs.items():
            git(self.public, "update-ref", f"refs/heads/{name}", shas[-1])
        self.log.append("everything published")
        await self.sync()

    async def deploy(self) -> None:
        """A deployment, or an earlier one sent again with something else."""
        chance = self.chance
        if self.deployments and chance.random() < 0.3:
            old = chance.choice(self.deployments)
            new = replace(old, **chance.choice((  # type: ignore[arg-type]
                {"env": "staging"}, {"service": "B"}, {"finished_at": old.finished_at + 300 * SECOND}, {"repository": "github.com/acme/none"},
                {"commit_sha": bytes.fromhex(chance.choice(self.world.shas))}, {"version": "9"}, {"finished_at": old.started_at},
            )))
        else:
            at = START + chance.choice((600, 900, 1200, 1500, 2000, 4000)) + chance.choice((0, 0, 1))
            if chance.random() < 0.05:
                at += 70 * 86_400
            new = NewDeployment(
                id=f"d{len(self.deployments):016}", service=chance.choice("aAb"), env=chance.choice(("prod", "Prod", "staging")),
                version=chance.choice(("", "1", "2", "3")), repository_url=f"https://{NAME}", repository=NAME,
                commit_sha=bytes.fromhex(self._deployed(at)), started_at=at * SECOND,
                finished_at=(at + chance.choice((0, 1, 60))) * SECOND, team="", tags=(), source="api",
            )
        self.deployments = [*(one for one in self.deployments if one.id != new.id), new]
        self.receipt += 1
        sha = new.commit_sha.hex()[:7] if new.commit_sha else None
        self.log.append(f"deploy {new.id[-2:]} {new.service}/{new.env} v{new.version} {sha} at {new.finished_at // SECOND - START} {new.repository}")
        self.store.write(lambda writer: record_deployment(writer, new, received_at=now(), receipt=self.receipt))

    def _deployed(self, at: int) -> str:
        """Mostly a tip, the later the younger."""
        chance = self.chance
        if chance.random() < 0.3:
            return chance.choice(self.world.shas)
        tips = self.world.refs[chance.choice(("main", "main", "release/1"))]
        place = min(len(tips) - 1, max(0, (at - START - 600) * len(tips) // 1400))
        return tips[place]

    async def pull_request(self) -> None:
        """An event about a pull request: any state of its life, in any order."""
        chance = self.chance
        told = chance.choice(self.world.pull_requests)
        rank, at = 9, (told.merged_at or told.created_at or 0) + 10 * SECOND
        roll = chance.random()
        if roll < 0.15:
            older = [one.title for one in self.world.pull_requests if one.number < told.number] or ["Nothing"]
            title = chance.choice(("Edited", f'Revert "{chance.choice(older)}"', chance.choice(older)))
            told, at = replace(told, title=title), at + chance.choice((5, 50)) * SECOND
        elif roll < 0.25:
            told, at = replace(told, base_ref=chance.choice(("main", "release/1"))), at + 60 * SECOND
        elif roll < 0.35 and told.body:
            told, at = replace(told, body=chance.choice((f"Reverts #{chance.randint(0, told.number - 1)}", ""))), at + 70 * SECOND
        elif roll < 0.45 and told.merged_at is not None:
            told, rank, at = replace(told, merged_at=None, merge_sha=None, state="open"), 3, (told.created_at or 0) + SECOND
        elif roll < 0.55 and told.merged_at is not None:
            # What an earlier event says of the merge wins.
            landed = told.merge_sha.hex() if told.merge_sha else self.world.shas[0]
            head, merge = chance.choice(self.world.shas), chance.choice(self.world.past[landed])
            told, at = replace(told, head_sha=bytes.fromhex(head), merge_sha=bytes.fromhex(merge)), at - chance.choice((1, 2)) * SECOND
        elif roll < 0.65:
            review = Review(id="1", reviewer="bob", approved=True, submitted_at=(told.merged_at or at) - SECOND)
            told = replace(told, reviews=(review,))
        elif roll < 0.75:
            told, at = replace(told, labels=("hotfix",)), at + 100 * SECOND
        self.log.append(f"pr {told.number} {told.title!r} {told.body!r} base={told.base_ref} head={_short(told.head_sha)} merge={_short(told.merge_sha)} "
            f"squash={_short(told.squash_sha)} merged={told.merged_at and told.merged_at // SECOND - START} labels={told.labels} at={at // SECOND - START}")
        event = PullRequestSeen(repository=REF, pull_request=told, updated_at=at, rank=rank, complete=True)
        self.store.write(lambda writer: record_events(writer, [event], now=now()))

    async def define(self) -> None:
        """Definitions and rules change."""
        chance = self.chance
        for service in "ab":
            what = chance.choice((
                "", "extensions: {datadoghq.com/dora-metrics: {source_patterns: [a/**]}}\n", f"links: [{{name: Source, type: repo, provider: github, url: '{LINK}'}}]\n",
            ))
            (self.definitions / f"{service}.yaml").write_text(f"schema-version: v2.2\ndd-service: {service}\nteam: t\n{what}")
        rules = chance.choice(("version: 1\n", "version: 1\noptions: {rollback: literal, reland: literal}\n", "version: 1\nlinked: []\n"))
        (self.definitions / "rules.yaml").write_text(rules)
        self.log.append(f"define {[(self.definitions / f'{one}.yaml').read_text().split('team: t')[1] for one in 'ab']} {rules!r}")
        await self.runner.run("catalog", folder=str(self.definitions))

    async def settle(self) -> None:
        """Work until nothing is due."""
        self.log.append("settle")
        await self.runner.settle(lambda _: None)

    async def step(self) -> None:
        """Work a little."""
        self.log.append("step")
        self.runner.worker.step()

    # What came out -------------------------------------------------------------------------------------------------------

    async def grow(self, happenings: int) -> list[str]:
        """So many happenings, then all that is due."""
        acts = [self.publish, self.deploy, self.deploy, self.deploy, self.pull_request, self.pull_request, self.pull_request, self.define,
                self.settle, self.settle, self.step, self.shallow]
        weights = [3, 2, 2, 2, 3, 3, 3, 1, 3, 2, 3, 1]
        if self.chance.random() < 0.5:
            await self.shallow()
        for act in self.chance.choices(acts, weights, k=happenings):
            await act()
        if self.chance.random() < 0.7:
            await self.whole()
        await self.settle()
        return self.outcome()

    async def rebuild(self) -> list[str]:
        """The same facts, derived from nothing by a fresh worker."""
        connection = sqlite3.connect(self.folder / "test.db", timeout=5)
        with connection:
            for table in DERIVED:
                connection.execute(f"DELETE FROM {table}")
        connection.close()
        runner = Inline(self.store, self.settings)
        await runner.run("rebuild")
        await runner.settle(lambda _: None)
        return self.outcome()

    def outcome(self) -> list[str]:
        """Every column of facts and derived rows."""
        return self.store.read(lambda reader: fingerprint_lines(reader))


def _short(sha: bytes | None) -> str:
    return sha.hex()[:7] if sha else "-"


def play(seed: int, happenings: int) -> tuple[list[str], list[str], list[str]]:
    """(grown, derived from nothing, the story)."""
    folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
    try:
        one = Play(folder, seed)
        grown = asyncio.run(one.grow(happenings))
        anew = asyncio.run(one.rebuild())
        one.store.close()
        return grown, anew, one.log
    finally:
        shutil.rmtree(folder)


def test_grown_equals_derived_from_nothing() -> None:
    seed = int(os.environ.get("SEED", random.SystemRandom().randrange(2**32)))
    for number in range(WORLDS):
        grown, anew, story = play(seed + number, 30)
        missing, stale = sorted(set(anew) - set(grown)), sorted(set(grown) - set(anew))
        assert grown == anew, "\n".join((f"SEED={seed + number} WORLDS=1", *story, "stale:", *stale, "missing:", *missing))
