"""What one fact decides of another, learnt late or corrected: each of these was stale once."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.dora.events import NewDeployment, PullRequestSeen, RepositoryChanged, RepositoryRef
from bot.dora.history import History
from bot.dora.instants import SECOND
from bot.dora.landing import introduced
from bot.dora.pull_requests import PullRequest
from bot.engine.clock import now
from bot.engine.inline import Inline
from bot.facts.deployments import record_deployment
from bot.facts.fetches import want_fetch
from bot.facts.repositories import ensure_repository
from bot.pipeline import ingest
from bot.pipeline.derive.deriver import Deriver, Mark
from bot.pipeline.recording import record_events
from bot.settings import load_settings
from bot.store import Reader, Row, Store, StoreUnavailableError
from tests.pipeline.history_room import NAME, Room
from tests.support.gitrepo import START, GitRepo
from tests.support.gitrepo import git as run_git

REF = RepositoryRef(name=NAME, forge="github", forge_id="1")


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[GitRepo]:
    with GitRepo(tmp_path / "shop.git") as built:
        yield built


class House:
    """A store, and what happens to it."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store, self.runner = store, Inline(store, load_settings({"DATA_DIR": str(folder)}))
        self.updated_at = 0

    def sync(self, path: Path) -> None:
        row = self.store.write(lambda writer: ensure_repository(writer, replace(REF, remote=str(path)), local=True))
        self.store.write(lambda writer: want_fetch(writer, repository_id=row.id, ref="*", now=now()))
        self.settle()

    def tell(self, number: int, *, merged: int | None = None, **fields: object) -> None:
        """A newer event about a pull request; `merged` in seconds after START."""
        self.updated_at += 1
        shas = {name: bytes.fromhex(str(fields.pop(name))) for name in ("head_sha", "merge_sha") if name in fields}
        told = PullRequest(
            number=number, state="open" if merged is None else "merged", merged_at=None if merged is None else (START + merged) * SECOND,
            base_ref=str(fields.pop("base_ref", "main")), **shas, **fields,  # type: ignore[arg-type]
        )
        at = (START + 90_000 + self.updated_at) * SECOND
        seen = PullRequestSeen(repository=REF, pull_request=told, updated_at=at, rank=9, complete=True)
        self.store.write(lambda writer: record_events(writer, [seen], now=now()))
        self.settle()

    def deploy(self, sha: str, *, at: int, version: str = "") -> str:
        instant = (START + at) * SECOND
        new = NewDeployment(
            id="", service="pay", env="prod", version=version, repository_url="", repository=NAME, commit_sha=bytes.fromhex(sha),
            started_at=instant, finished_at=instant, team="", tags=(), source="api",
        )
        key = self.store.write(lambda writer: record_deployment(writer, new, received_at=now()))
        self.settle()
        return key

    def settle(self) -> None:
        asyncio.run(self.runner.settle(lambda _: None))

    def rows(self, query: str, **params: object) -> list[Row]:
        def work(reader: Reader) -> list[Row]:
            return reader.fetch(query, lambda *row: row, **params)  # type: ignore[arg-type]

        return self.store.read(work)

    def flags(self) -> dict[int, str]:
        return {int(row[1]): str(row[2]) for row in self.rows("fingerprint_flags")}  # type: ignore[call-overload]

    def pointed(self) -> dict[int, str | None]:
        """The commit that each flagged pull request points to."""
        return {int(row[1]): None if row[6] is None else bytes(row[6]).hex() for row in self.rows("fingerprint_flags")}  # type: ignore[call-overload, arg-type]

    def types(self) -> dict[str, str]:
        return {str(row[0]): str(row[1]) for row in self.rows("fingerprint_classifications")}

    def introduced(self, number: int) -> set[str]:
        rows = self.rows("fingerprint_introduced")
        return {bytes(row[1]).hex() for row in rows if row[2] == number}  # type: ignore[arg-type]


@pytest.fixture
def house(store: Store, tmp_path: Path) -> House:
    return House(store, tmp_path)


def test_a_reland_becomes_a_revert_when_its_middle_is_none(house: House) -> None:
    house.tell(1, title="Add a")
    house.tell(2, title="Undo it", body="Reverts #1")
    house.tell(3, title="Bring a back", body="Reverts #2")
    house.tell(4, title="And away again", body="Reverts #3")
    assert house.flags() == {2: "revert-number", 3: "", 4: "revert-number"}

    house.tell(2, title="Something else")

    assert house.flags() == {3: "revert-number", 4: ""}


def _a_commit_from_elsewhere(repo: GitRepo, folder: Path) -> tuple[str, str, Path]:
    """A commit on another branch, one on main that says it reverts it, and a repository that has main alone."""
    root = repo.commit("root", files=["a"])
    named = repo.commit("named", branch="other", parents=[root], files=["a"])
    reverting = repo.commit(f"Undo (#1)\n\nThis reverts commit {named}.", branch="main", files=["a"])
    repo.close()
    public = folder / "public.git"
    run_git(folder, "clone", "-q", "--bare", "--single-branch", "--branch=main", f"file://{repo.path}", str(public))
    return named, reverting, public


@pytest.mark.parametrize("remembered", [0, ingest.REMEMBERED_COMMITS])
def test_a_commit_that_a_message_names_comes_late(
    house: House, repo: GitRepo, tmp_path: Path, remembered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "REMEMBERED_COMMITS", remembered)
    _, merged, public = _a_commit_from_elsewhere(repo, tmp_path)
    house.tell(1, merged=9_000, title="Undo", body="Reverts #9", head_sha=merged, merge_sha=merged)
    house.tell(2, title="Undo the undoing", body="Reverts #1")
    house.tell(9, title="Undo something", body="Reverts #8")
    house.sync(public)
    assert house.flags() == {1: "", 2: "revert-number", 9: "revert-number"}

    run_git(public, "fetch", "-q", str(repo.path), "other:other")
    house.sync(public)

    assert house.flags() == {1: "revert-sha", 2: "", 9: "revert-number"}, "and whoever reverts it"


def test_a_pull_request_behind_a_commit_without_one_turns_out_to_be_a_revert(house: House, repo: GitRepo) -> None:
    repo.commit("root", files=["a"])
    landed = repo.commit("Add b", files=["b"])
    undone = repo.commit(f"Undo it\n\nThis reverts commit {landed}.", files=["b"])
    head = repo.commit(f"Undo the undoing\n\nThis reverts commit {undone}.", branch="topic", parents=[undone], files=["b"])
    merge = repo.commit("Merge topic", branch="main", parents=[undone, head])
    repo.close()
    house.sync(repo.path)
    house.tell(3, merged=3, title="Again", head_sha=head, merge_sha=merge)
    assert house.flags() == {3: ""}, "a revert of a revert"

    house.tell(70_001, merged=1, title='Revert "Remove b"', head_sha=landed, merge_sha=landed)

    assert house.flags() == {3: "revert-sha", 70_001: "revert-title"}, "the third of a chain"


def test_what_a_deployed_commit_goes_back_to_turns_out_to_be_a_revert(house: House, repo: GitRepo) -> None:
    repo.commit("root", files=["a"])
    landed = repo.commit("Add b", files=["b"])
    undone = repo.commit(f"Undo it\n\nThis reverts commit {landed}.", files=["b"])
    head = repo.commit(f"Undo the undoing\n\nThis reverts commit {undone}.", files=["b"])
    repo.close()
    house.sync(repo.path)
    deployed = [house.deploy(sha, at=at) for at, sha in enumerate((landed, undone, head), 1_000)]
    assert set(house.types().values()) == {"standard"}, "what the first revert takes back came with no deployment; the second is a re-land"

    house.tell(70_001, merged=1, title='Revert "Remove b"', head_sha=landed, merge_sha=landed)

    assert house.types() == dict(zip(deployed, ("standard", "standard", "rollforward"), strict=True)), "the third of a chain"


def test_a_commit_of_its_own_turns_out_to_be_a_revert(house: House, repo: GitRepo) -> None:
    root = repo.commit("root", files=["a"])
    first = repo.commit("Work", files=["b"])
    head = repo.commit(f"Undo\n\nThis reverts commit {first}.", files=["b"])
    repo.close()
    house.sync(repo.path)
    house.tell(1, merged=1, title="Add a", head_sha=root, merge_sha=root)
    house.tell(3, merged=3, title="Work", body="Reverts #1", head_sha=head, merge_sha=head)
    assert house.flags() == {3: "revert-number"}, "it undoes its own commit, and another pull request"

    house.tell(2, merged=4, title='Revert "Something"', head_sha=first, merge_sha=first)

    assert house.flags() == {2: "revert-title", 3: ""}


def test_an_ingest_dies_after_it_brought_the_commit_that_a_message_names(
    house: House, repo: GitRepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, merged, public = _a_commit_from_elsewhere(repo, tmp_path)
    house.tell(1, merged=9_000, title="Undo", head_sha=merged, merge_sha=merged)
    house.sync(public)
    assert house.pointed() == {1: None}
    run_git(public, "fetch", "-q", str(repo.path), "other:other")

    def die(*_: object, **__: object) -> None:
        raise StoreUnavailableError("the store is gone")

    with monkeypatch.context() as dying:
        dying.setattr(ingest._Ingest, "_write_refs", die)
        house.sync(public)
    assert house.pointed() == {1: None}

    house.sync(public)

    assert house.pointed() == {1: named}


def test_whose_number_it_is_becomes_known_with_an_older_name(house: House) -> None:
    house.tell(1, title="Add a")
    house.tell(2, title="Undo it", body="Reverts acme/old#1")
    (flag,) = house.rows("fingerprint_flags")
    assert flag[-2] is None, "of another repository"

    renamed = RepositoryChanged(repository=REF, at=(START + 95_000) * SECOND, old_name=NAME.replace("shop", "old"))
    house.store.write(lambda writer: record_events(writer, [renamed], now=now()))
    house.settle()

    (flag,) = house.rows("fingerprint_flags")
    assert flag[-2] == 1


def test_a_fast_forward_begins_where_a_retargeted_one_does_not_end(house: House, repo: GitRepo) -> None:
    root = repo.commit("root", files=["a"])
    first, second, third = (repo.commit(f"c{i}", files=["a"]) for i in range(3))
    repo.close()
    house.tell(1, merged=1, head_sha=root, merge_sha=root)
    house.tell(4, merged=1, head_sha=root, merge_sha=root, base_ref="release")
    house.tell(2, merged=2, head_sha=first, merge_sha=first)
    house.tell(3, merged=3, head_sha=third, merge_sha=third)
    house.sync(repo.path)
    assert house.introduced(3) == {second, third}

    house.tell(2, merged=2, head_sha=first, merge_sha=first, base_ref="release")

    assert house.introduced(3) == {first, second, third}


def test_fast_forwards_learnt_backwards_ask_only_the_next(
    house: House, repo: GitRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    shas = [repo.commit(f"c{i}", files=["a"]) for i in range(25)]
    repo.close()
    house.sync(repo.path)
    derived: list[str] = []
    original = Deriver.derive

    def derive(deriver: Deriver, mark: Mark) -> None:
        derived.append(mark.key)
        original(deriver, mark)

    monkeypatch.setattr(Deriver, "derive", derive)
    for number in reversed(range(1, 25)):
        house.tell(number, merged=number, head_sha=shas[number], merge_sha=shas[number])

    assert all(house.introduced(number) == {shas[number]} for number in range(2, 25))
    assert len(derived) < 4 * 24


class Watched(list[tuple[int, ...]]):
    """The parents of a graph's commits, and how often somebody asked for them."""

    asked = 0

    def __getitem__(self, at):  # type: ignore[no-untyped-def, override]
        self.asked += 1
        return super().__getitem__(at)


def test_a_fast_forward_walks_no_further_than_its_own_commits() -> None:
    history = History()
    shas = [number.to_bytes(20) for number in range(2_000)]
    for at, sha in enumerate(shas):
        history.add_commit(sha, shas[at - 1 : at] if at else (), at, at, at, ())
    history.graph._parents = watched = Watched(history.graph._parents)
    told = PullRequest(number=1, merged_at=1, merge_sha=shas[-1], head_sha=shas[-1])

    found = introduced(history, told, bases=shas[:-10:5])

    assert found is not None and found.commits == tuple(shas[-14:])
    assert 0 < watched.asked < 100


def test_deeper_history_introduces_less(house: House, repo: GitRepo, tmp_path: Path) -> None:
    shas = [repo.commit(f"c{i}", files=["a"]) for i in range(4)]
    old = repo.commit("old", branch="feature", parents=[shas[1]], files=["b"])
    head = repo.commit("work", branch="feature", files=["b"])
    merged = repo.commit("work (#1)", branch="main", files=["b"])
    repo.close()
    public = tmp_path / "public.git"
    run_git(tmp_path, "clone", "-q", "--bare", f"file://{repo.path}", str(public))
    (public / "shallow").write_text(f"{shas[3]}\n")
    house.tell(1, merged=9_000, head_sha=head, merge_sha=merged)
    house.sync(public)
    assert house.introduced(1) == {merged, head, old, shas[1], shas[0]}, "nobody can know better"

    (public / "shallow").unlink()
    house.sync(public)

    assert house.introduced(1) == {merged, head, old}


def test_originals_that_another_squash_gives_back(house: House, repo: GitRepo) -> None:
    """Of two squashes of one branch the earlier has the originals, on whatever branch it landed."""
    root = repo.commit("root", files=["a"])
    one = repo.commit("one", branch="feature", parents=[root], files=["b"])
    two = repo.commit("two", branch="feature", files=["b"])
    elsewhere = repo.commit("one (#1)", branch="release", parents=[root], files=["b"])
    landed = repo.commit("both (#2)", branch="main", parents=[root], files=["b"])
    repo.close()
    house.sync(repo.path)
    house.tell(1, merged=5_000, head_sha=one, merge_sha=elsewhere)
    house.tell(2, merged=6_000, head_sha=two, merge_sha=landed)
    house.deploy(root, at=7_000)
    key = house.deploy(landed, at=8_000)

    def carried() -> set[str]:
        return {bytes(row[1]).hex() for row in house.rows("fingerprint_changes") if row[0] == key}  # type: ignore[arg-type]

    assert carried() == {two}

    # An earlier event tells another head.
    house.updated_at = -100
    house.tell(1, merged=5_000, head_sha=root, merge_sha=elsewhere)

    assert carried() == {one, two}


def test_a_late_revert_finds_what_was_settled_long_ago(house: House, repo: GitRepo) -> None:
    """One more deployment asks for nothing of the earlier ones but what its links point to: by pull request, commit and original."""
    root = repo.commit("root", files=["a"])
    work = repo.commit("work", branch="feature", parents=[root], files=["b"])
    squashed = repo.commit("work (#1)", branch="main", parents=[root], files=["b"])
    direct = repo.commit("direct", files=["c"])
    tips = [repo.commit(f"Undo\n\nThis reverts commit {sha}.", files=["c"]) for sha in (squashed, direct, work)]
    tips.append(repo.commit("Undo\n\nThis reverts merge request !1", files=["c"]))
    repo.close()
    house.tell(1, merged=5_000, head_sha=work, merge_sha=squashed)
    house.sync(repo.path)
    keys = [house.deploy(sha, at=6_000 + at) for at, sha in enumerate((root, squashed, direct, *tips))]

    blamed = {str(row[0]): str(row[1]) for row in house.rows("fingerprint_remediations")}
    assert blamed == {keys[3]: keys[1], keys[4]: keys[2], keys[5]: keys[1], keys[6]: keys[1]}


def test_a_ref_that_moves_paths_is_marked_though_the_run_dies(store: Store, store_url: str, repo: GitRepo) -> None:
    root = repo.commit("root", files=["services/1"])
    repo.close()
    room = Room(store, store_url, repo.path)
    links = f'[["Source", "https://{NAME}/tree/release/2/services"]]'
    row = ("cart", "cart", "v2.2", "", "[]", "[]", None, links, "x.yaml:1", "[]", 0, "", "")
    store.write(lambda writer: writer.write_many("definition", [row]))
    House(store, repo.path.parent).deploy(root, at=9_000)
    room.ingest()
    room.take_marks()
    repo.branch("release/2", root)
    repo.close()

    job = room.start()
    while "refs/heads/release/2" not in room.refs():
        next(job)
    job.close()  # type: ignore[attr-defined]

    assert [mark[1] for mark in room.take_marks()] == ['["pay", "prod"]']
    room.ingest()
    assert room.take_marks() == [], "and only once"
