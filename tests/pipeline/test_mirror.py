"""What is fetched from where, and what happens when it cannot be had."""

from collections.abc import Sequence
from itertools import count, pairwise
from pathlib import Path

import pytest

from bot import git
from bot.dora.events import RepositoryRef
from bot.dora.instants import HOUR, SECOND
from bot.dora.repositories import RepositoryUrlError
from bot.facts.fetches import want_fetch
from bot.facts.repositories import RepositoryRow, ensure_repository
from bot.pipeline import mirror
from bot.settings import Settings, load_settings
from bot.standins.faults import Fault, Status
from bot.standins.git_server import GitServer
from bot.store import Store
from tests.support.gitrepo import GitRepo
from tests.support.gitrepo import git as run_git
from tests.support.gitserver import git_server

NAME = "gitlab.example.com/grp/sub/repo"


def settings(tmp_path: Path, **environ: str) -> Settings:
    return load_settings({"DATA_DIR": str(tmp_path / "data"), **environ})


def row(name: str = NAME, remote: str = "", **values: object) -> RepositoryRow:
    return RepositoryRow(7, name, "gitlab", "", remote, 0, "", None, None)._replace(**values)


# Names ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "name", "remote", "forge"),
    [
        ("https://github.com/Acme/Shop.git", "github.com/acme/shop", "https://github.com/Acme/Shop.git", "github"),
        ("https://user:secret@gitlab.com/a/b/c", "gitlab.com/a/b/c", "https://gitlab.com/a/b/c", "gitlab"),
        ("git@github.com:acme/shop.git", "github.com/acme/shop", "", "github"),
        ("ssh://git@gitlab.example.com:2222/a/b.git", "gitlab.example.com/a/b", "", "gitlab"),
        ("http://127.0.0.1:9001/x/y.git", "127.0.0.1:9001/x/y", "http://127.0.0.1:9001/x/y.git", "git"),
    ],
)
def test_a_url_names_its_repository(place: str, name: str, remote: str, forge: str) -> None:
    target = mirror.target_of(place)
    assert (target.ref.name, target.ref.remote, target.ref.forge, target.is_local) == (name, remote, forge, False)


def test_a_path_is_named_by_as_by_its_origin_or_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with GitRepo(tmp_path / "Shop.git") as repo:
        repo.commit("a", branch="trunk", files=["x"])
        repo.git("symbolic-ref", "HEAD", "refs/heads/trunk")
    run_git(tmp_path, "clone", "-q", str(repo.path), "work")

    bare = mirror.target_of(str(repo.path))
    assert bare.is_local
    assert bare.ref.name == f"local{tmp_path}/shop".lower()
    assert bare.ref.remote == str(repo.path)
    assert bare.ref.default_branch == "trunk"
    assert mirror.target_of(str(repo.path), name="https://github.com/Acme/Shop").ref.name == "github.com/acme/shop"
    assert mirror.target_of(f"file://{repo.path}") == bare
    assert mirror.target_of(str(tmp_path / "work")).ref.name == f"local{tmp_path}/work".lower(), "its origin is a path"

    run_git(repo.path, "config", "remote.origin.url", "git@gitlab.example.com:grp/sub/Repo.git")
    assert mirror.target_of(str(repo.path)).ref.name == NAME
    monkeypatch.chdir(tmp_path)
    assert mirror.target_of("Shop.git").ref.remote == str(repo.path)
    assert mirror.target_of("./work").ref.remote == str(tmp_path / "work")


@pytest.mark.parametrize("place", ["", "nonsense", "-x", "--upload-pack=touch x", "ext::sh -c x", "https://", "https://h", "ftp://h/x", "a\nb"])
def test_what_is_no_repository_is_refused(place: str) -> None:
    with pytest.raises(RepositoryUrlError):
        mirror.target_of(place)


def test_a_path_that_is_no_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(git.NotARepositoryError):
        mirror.target_of(str(tmp_path))
    with pytest.raises(git.NotARepositoryError):
        mirror.target_of(str(tmp_path / "nowhere"))


# Where to fetch from --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("remote", "clone_urls", "url"),
    [
        ("", "", f"https://{NAME}.git"),
        ("https://gitlab.example.com/Grp/Sub/Repo.git", "", "https://gitlab.example.com/Grp/Sub/Repo.git"),
        ("https://evil.example/Grp/Sub/Repo.git", "", f"https://{NAME}.git"),
        ("/etc", "", f"https://{NAME}.git"),
        ("ext::sh -c x", "", f"https://{NAME}.git"),
        ("git@gitlab.example.com:Grp/Sub/Repo.git", "", f"https://{NAME}.git"),
        ("", "gitlab.example.com=http://127.0.0.1:9001", "http://127.0.0.1:9001/grp/sub/repo.git"),
        ("https://gitlab.example.com/Grp/Sub/Repo.git", "gitlab.example.com=http://127.0.0.1:9001/base/", "http://127.0.0.1:9001/base/Grp/Sub/Repo.git"),
        ("", "github.com=http://127.0.0.1:9001", f"https://{NAME}.git"),
    ],
)  # fmt: skip
def test_where_a_repository_is_fetched_from(tmp_path: Path, remote: str, clone_urls: str, url: str) -> None:
    found = mirror.remote_of(row(remote=remote), settings(tmp_path, CLONE_URLS=clone_urls))
    assert found.url == url


def test_a_gitlab_below_a_path_has_the_path_in_urls_and_not_in_names(tmp_path: Path) -> None:
    told = settings(tmp_path, GITLAB_URL="http://code.example.com:8080/git/lab")
    target = mirror.target_of("http://code.example.com:8080/git/lab/Grp/Sub/Repo.git", settings=told)
    assert (target.ref.name, target.ref.forge) == ("code.example.com:8080/grp/sub/repo", "gitlab")
    unseen = mirror.remote_of(row("code.example.com:8080/grp/sub/repo"), told)
    assert unseen.url == "http://code.example.com:8080/git/lab/grp/sub/repo.git"
    assert mirror.target_of("https://github.com/acme/shop", settings=told).ref.forge == "github"


@pytest.mark.parametrize(
    ("url", "forge"),
    [
        ("https://gitlab.example.com/grp/sub/repo.git", "gitlab"),
        ("https://GITLAB.example.com/grp/sub/repo.git", "gitlab"),
        ("http://gitlab.example.com/grp/sub/repo.git", None),
        ("https://gitlab.example.com:8443/grp/sub/repo.git", None),
        ("https://gitlab.example.com.evil.test/grp/repo.git", None),
        ("http://127.0.0.1:9001/grp/sub/repo.git", None),
        ("https://github.com/acme/shop.git", "github"),
        ("https://api.github.com/acme/shop.git", "github"),
        ("https://evil.test/github.com/acme/shop.git", None),
    ],
)
def test_a_token_goes_to_its_own_origin_only(tmp_path: Path, url: str, forge: str | None) -> None:
    told = settings(tmp_path, GITLAB_URL="https://gitlab.example.com")
    assert mirror.trusted_forge(url, told) == forge


def test_a_github_of_ones_own_is_trusted_by_its_api_alone(tmp_path: Path) -> None:
    told = settings(tmp_path, GITHUB_API_URL="https://github.example.com/api/v3")
    assert mirror.trusted_forge("https://github.example.com/acme/shop.git", told) == "github"
    assert mirror.trusted_forge("https://github.com/acme/shop.git", told) is None


async def test_git_is_given_what_the_forge_wants_to_hear(tmp_path: Path) -> None:
    told = settings(tmp_path, GITLAB_URL="https://gitlab.example.com", GITLAB_TOKEN="glpat-0123456789abcdef")
    access = await mirror.settings_access(told)("gitlab", row())
    remote = mirror.remote_of(row(), told, access=access)
    assert (remote.username, remote.token) == ("oauth2", "glpat-0123456789abcdef")
    assert await mirror.settings_access(told)("github", row()) is None
    plain = settings(tmp_path, GITLAB_URL="http://gitlab.example.com")
    assert "gitlab.example.com" in mirror.remote_of(row(), plain).plain_hosts


# Fetching -------------------------------------------------------------------------------------------------------------


class Fetching:
    """A served repository, the store that knows it, and a server to switch."""

    def __init__(self, store: Store, tmp_path: Path, server: GitServer) -> None:
        self.store, self.server = store, server
        self.settings = settings(tmp_path, CLONE_URLS=f"gitlab.example.com={server.url}")
        self.clock = count(1_000)
        ref = RepositoryRef(name=NAME, forge="gitlab", remote=f"https://{NAME}.git")
        self.id = store.write(lambda writer: ensure_repository(writer, ref)).id

    def wish(self, *refs: str) -> None:
        for ref in refs:
            self.store.write(lambda w, r=ref: want_fetch(w, repository_id=self.id, ref=r, now=next(self.clock)))

    def due(self, now: int = 10**6) -> Sequence[mirror.Wish]:
        return self.store.read(lambda reader: mirror.due_fetches(reader, now=now))

    async def fetch(self, *refs: str) -> mirror.Fetched:
        wishes = [mirror.Wish(repository_id=self.id, ref=ref, version=1, attempts=0) for ref in refs]
        fetched = await mirror.fetch(self.store, self.settings, self.id, wishes, clock=lambda: next(self.clock), access=mirror.settings_access(self.settings))
        assert fetched is not None
        return fetched

    def synced(self) -> None:
        self.store.write(lambda w: w.execute("finish_sync", id=self.id, began_at=1, now=2, default_branch="main"))

    def refs(self, fetched: mirror.Fetched) -> dict[str, str]:
        return {tip.name: tip.sha.hex() for tip in git.list_refs(Path(fetched.path))}


async def test_the_first_fetch_brings_everything_and_a_push_what_it_names(store: Store, tmp_path: Path) -> None:
    with GitRepo(tmp_path / "served" / "grp" / "sub" / "repo.git") as repo:
        first = repo.commit("a", files=["x"])
        repo.tag("v1", first)
        repo.branch("refs/pull/1/head", first)
    async with git_server(tmp_path / "served") as server:
        room = Fetching(store, tmp_path, server)
        fetched = await room.fetch("refs/heads/main", "refs/pull/1/head")
        assert fetched.full
        assert fetched.default_branch == "main"
        assert fetched.path == str(tmp_path / "data" / "mirrors" / f"{room.id}.git")
        assert room.refs(fetched).keys() == {"refs/heads/main", "refs/tags/v1", "refs/pull/1/head"}

        room.synced()
        second = repo.commit("b", files=["y"])
        repo.branch("other", second)
        repo.close()
        server.requests.clear()
        fetched = await room.fetch("refs/heads/main")
        assert not fetched.full
        assert room.refs(fetched)["refs/heads/main"] == second
        assert "refs/heads/other" not in room.refs(fetched)
        assert len(server.requests) == 3, "capabilities, refs, pack"

        assert (await room.fetch("*", "refs/pull/9/head")).full
        assert "refs/heads/other" in room.refs(fetched)


async def test_a_lost_mirror_is_fetched_whole_again(store: Store, tmp_path: Path) -> None:
    with GitRepo(tmp_path / "served" / "grp" / "sub" / "repo.git") as repo:
        repo.commit("a")
        repo.branch("other", repo.tips["main"])
    async with git_server(tmp_path / "served") as server:
        room = Fetching(store, tmp_path, server)
        room.synced()
        fetched = await room.fetch("refs/heads/main")
    assert fetched.full
    assert room.refs(fetched).keys() == {"refs/heads/main", "refs/heads/other"}


async def test_a_branch_below_a_former_branch_makes_the_fetch_full(store: Store, tmp_path: Path) -> None:
    with GitRepo(tmp_path / "served" / "grp" / "sub" / "repo.git") as repo:
        first = repo.commit("a")
        repo.branch("topic", first)
    async with git_server(tmp_path / "served") as server:
        room = Fetching(store, tmp_path, server)
        await room.fetch("*")
        room.synced()
        repo.delete("topic")
        repo.branch("topic/below", first)
        repo.close()
        fetched = await room.fetch("refs/heads/topic/below")
    assert fetched.full
    assert room.refs(fetched).keys() == {"refs/heads/main", "refs/heads/topic/below"}


async def test_what_is_no_ref_is_answered_like_one_that_is_missing(store: Store, tmp_path: Path) -> None:
    with GitRepo(tmp_path / "served" / "grp" / "sub" / "repo.git") as repo:
        sha = repo.commit("a")
    async with git_server(tmp_path / "served") as server:
        room = Fetching(store, tmp_path, server)
        await room.fetch("*")
        room.synced()
        fetched = await room.fetch("--upload-pack=touch x", "refs/heads/a..b", "refs/heads/no", "refs/heads/main")
    assert not fetched.full
    assert room.refs(fetched) == {"refs/heads/main": sha}
    assert len(fetched.wishes) == 4


async def test_a_failure_is_seen_and_tried_again_ever_later(store: Store, tmp_path: Path) -> None:
    with GitRepo(tmp_path / "served" / "grp" / "sub" / "repo.git") as repo:
        repo.commit("a")
    async with git_server(tmp_path / "served") as server:
        room = Fetching(store, tmp_path, server)
        room.wish("*")
        server.faults.append(Fault(match="", kind=Status(status=500)))
        now, pauses = 10**6, []
        for attempt in range(1, 11):
            (wish,) = room.due(now)
            assert wish.attempts == attempt - 1
            with pytest.raises(git.RemoteError) as caught:
                await room.fetch("*")
            error = f"{caught.value.slug}: {caught.value}"
            store.write(lambda w, u=wish, e=error, n=now: mirror.record_fetch_failure(w, [u], error=e, now=n))
            assert room.due(now) == []
            (pause,) = store.read(lambda reader: reader.fetch("next_fetch_at", int))
            pauses.append(pause - now)
            now = pause
        assert 30 * SECOND <= pauses[0] <= 38 * SECOND
        assert all(later > earlier for earlier, later in pairwise(pauses[:8]))
        assert all(HOUR <= pause <= HOUR * 5 // 4 for pause in pauses[8:])
        assert pauses == [mirror.pause_after(i, key=f"{room.id} *") for i in range(1, 11)]

        room.wish("*")
        assert room.due(now), "a new wish is due at once"
        server.faults.clear()
        assert (await room.fetch("*")).full


async def test_a_path_is_read_in_place(store: Store, tmp_path: Path) -> None:
    with GitRepo(tmp_path / "shop.git") as repo:
        repo.commit("a", branch="trunk")
        repo.git("symbolic-ref", "HEAD", "refs/heads/trunk")
    target = mirror.target_of(str(repo.path), name="https://github.com/acme/shop")
    repository = store.write(lambda writer: ensure_repository(writer, target.ref, local=True))
    told = settings(tmp_path)
    wishes = [mirror.Wish(repository_id=repository.id, ref="refs/heads/main", version=1, attempts=0)]

    fetched = await mirror.fetch(store, told, repository.id, wishes, clock=lambda: 5, access=mirror.settings_access(told))

    assert fetched == mirror.Fetched(
        repository_id=repository.id, path=str(repo.path), began_at=5, full=True, wishes=tuple(wishes), default_branch="trunk"
    )
    assert not told.data_dir.exists()

    repo.path.rename(tmp_path / "moved.git")
    with pytest.raises(git.NotARepositoryError):
        await mirror.fetch(store, told, repository.id, wishes, clock=lambda: 5, access=mirror.settings_access(told))


async def test_an_unknown_repository_is_no_error(store: Store, tmp_path: Path) -> None:
    told = settings(tmp_path)
    assert await mirror.fetch(store, told, 99, [], clock=lambda: 5, access=mirror.settings_access(told)) is None
