"""Every spelling of one remote gives one id, no credential survives, and links are parted into ref and path."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.dora.repositories import (
    LinkKind,
    RefSplit,
    RepositoryUrlError,
    parse_source_link,
    repository_id,
    split_ref,
    without_credentials,
)

SHOPIST = "github.com/datadog/shopist"
DEEP = "gitlab.example.com/my-org/group/sub/repo"
ROOTS = {"git.example.com": "/gitlab", "ssh.example.com": "code.example.com:8443", "Plain.example.com": ""}

SPELLINGS = [
    ("https://github.com/DataDog/shopist", SHOPIST),
    ("https://github.com/DataDog/shopist.git", SHOPIST),
    ("https://github.com/DataDog/shopist.git/", SHOPIST),
    ("https://github.com/DataDog//shopist/", SHOPIST),
    ("  https://github.com/DataDog/shopist\n", SHOPIST),
    ("HTTPS://GitHub.COM/datadog/SHOPIST.GIT", SHOPIST),
    ("http://github.com:80/DataDog/shopist", SHOPIST),
    ("https://github.com:443/DataDog/shopist", SHOPIST),
    ("https://www.github.com/DataDog/shopist", SHOPIST),
    ("https://github.com./DataDog/shopist", SHOPIST),
    ("https://x-access-token:ghs_secret@github.com/DataDog/shopist.git", SHOPIST),
    ("https://ghp_secret@github.com/DataDog/shopist", SHOPIST),
    ("https://user:p@ss@github.com/DataDog/shopist", SHOPIST),
    ("https://github.com/DataDog/shopist?private_token=secret", SHOPIST),
    ("https://github.com/DataDog/shopist#readme", SHOPIST),
    ("git+https://github.com/DataDog/shopist.git", SHOPIST),
    ("git://github.com/DataDog/shopist.git", SHOPIST),
    ("git://github.com:9418/DataDog/shopist.git", SHOPIST),
    ("ssh://git@github.com/DataDog/shopist.git", SHOPIST),
    ("ssh://git@github.com:22/DataDog/shopist.git", SHOPIST),
    ("ssh://git@ssh.github.com:443/DataDog/shopist.git", SHOPIST),
    ("git+ssh://git@github.com/DataDog/shopist.git", SHOPIST),
    ("git@github.com:DataDog/shopist.git", SHOPIST),
    ("git@github.com:/DataDog/shopist.git", SHOPIST),
    ("git@ssh.github.com:443/DataDog/shopist.git", SHOPIST),
    ("org-123@github.com:DataDog/shopist.git", SHOPIST),
    ("github.com:DataDog/shopist", SHOPIST),
    ("github.com/DataDog/shopist", SHOPIST),
    ("https://github.com/DataDog/shopist/tree/main/src", SHOPIST),
    ("https://github.com/DataDog/shopist/pulls", SHOPIST),
    ("https://gitlab.example.com/my-org/group/sub/repo.git", DEEP),
    ("https://gitlab.example.com/my-org/group/sub/repo/-/tree/main/x", DEEP),
    ("https://gitlab.example.com/my-org/group/sub/repo/tree/main/x", DEEP),
    ("https://gitlab.example.com/my-org/group/sub/repo/-/merge_requests/7", DEEP),
    ("https://gitlab-ci-token:tok@gitlab.example.com/my-org/group/sub/repo.git", DEEP),
    ("git@gitlab.example.com:my-org/group/sub/repo.git", DEEP),
    ("ssh://git@gitlab.example.com:2222/my-org/group/sub/repo.git", DEEP),
    ("git@altssh.gitlab.com:443/o/g/r.git", "gitlab.com/o/g/r"),
    ("https://gitlab.example.com:8443/g/p", "gitlab.example.com:8443/g/p"),
    ("gitlab.example.com:8443/g/p", "gitlab.example.com:8443/g/p"),
    ("localhost:8080/a/b", "localhost:8080/a/b"),
    ("http://127.0.0.1:9001/a/b.git", "127.0.0.1:9001/a/b"),
    ("http://[::1]:9001/a/b.git", "[::1]:9001/a/b"),
    ("https://github.example.com/o/tree/tree/main/x", "github.example.com/o/tree"),
    ("https://git.kernel.org/pub/scm/git/git.git", "git.kernel.org/pub/scm/git/git"),
    ("https://example.com/repo.git", "example.com/repo"),
    ("https://example.com/caf%C3%A9/r", "example.com/café/r"),
    ("https://bücher.example/a/b", "xn--bcher-kva.example/a/b"),
    ("https://git.example.com/gitlab/g/p", "git.example.com/g/p"),
    ("https://git.example.com/GitLab/g/p/-/tree/main/x", "git.example.com/g/p"),
    ("git@git.example.com:g/p.git", "git.example.com/g/p"),
    ("git@git.example.com:gitlab/p.git", "git.example.com/gitlab/p"),
    ("ssh://git@ssh.example.com:2222/g/p.git", "code.example.com:8443/g/p"),
    ("local/srv/repo", "local/srv/repo"),
]


@pytest.mark.parametrize(("url", "expected"), SPELLINGS)
def test_every_spelling_gives_the_id(url: str, expected: str) -> None:
    assert repository_id(url, web_roots=ROOTS) == expected


@pytest.mark.parametrize("url", sorted({expected for _, expected in SPELLINGS}))
def test_an_id_is_its_own_id(url: str) -> None:
    assert repository_id(url) == url


HOSTILE = [
    "",
    " ",
    "/srv/git/repo",
    "../repo",
    "repo",
    "file:///etc/passwd",
    "ext::sh -c touch% /tmp/x",
    "--upload-pack=touch",
    "-oProxyCommand=x@host:y",
    "https://",
    "https:///a/b",
    "https://github.com",
    "https://github.com/",
    "https://github.com/datadog",
    "https://github.com/.git/.git",
    "https://github.com/o/..",
    "https://github.com/o/...git",
    "https://github.com/o/..git",
    "https://github.com/o/%2e%2e",
    "https://github.com/o/a%2Fb",
    "https://github.com/o/a%00b",
    "https://github.com/o/%ff",
    "https://github.com/o/r\x00",
    "https://github.com/o\nr/x",
    "https://github.com\\o\\r",
    "https://git hub.com/o/r",
    "https://github.com:0/o/r",
    "https://github.com:99999/o/r",
    "https://github.com:x/o/r",
    "https://-host/o/r",
    "https://a..b/o/r",
    "https://[::1/o/r",
    "https://" + "a" * 300 + ".com/o/r",
    "https://github.com/o/" + "r" * 3000,
    "https://example.com/" + "a/" * 1000,
    "https://example.com/-/x",
    "https://example.com/g/p\ud800",
    "javascript://example.com/%0aalert(1)",
    "git@host:../../x",
    "@:@:@",
    ":::::",
    "a" * 2000 + "@",
    "@" * 2000,
    ":" * 2000,
    "/" * 2000,
    "https://" + "@" * 2000 + "/a/b",
    "user:SECRET@host.com/a/b",
    "https://" + "a." * 1000 + "/a/b",
    "https://" + "ü" * 2000 + "/a/b",
    "https://example.com/" + "%" * 2000,
]


@pytest.mark.parametrize("url", HOSTILE)
def test_what_is_no_remote_is_refused_at_once(url: str) -> None:
    started = time.process_time()
    with pytest.raises(RepositoryUrlError):
        repository_id(url)
    without_credentials(url)
    assert time.process_time() - started < 0.05


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:SECRET@host.com/a/b.git", "https://host.com/a/b.git"),
        ("https://SECRET@host.com/a/b.git", "https://host.com/a/b.git"),
        ("https://user:p@SECRET@host.com/a/b", "https://host.com/a/b"),
        ("https://user:SE/CRET@host.com/a/b", "https://host.com/a/b"),
        ("https://host.com/a/b?token=SECRET#SECRET", "https://host.com/a/b"),
        ("ssh://git@host.com:2222/a/b.git", "ssh://git@host.com:2222/a/b.git"),
        ("ssh://git:SECRET@host.com/a/b.git", "ssh://host.com/a/b.git"),
        ("git@host.com:a/b.git", "git@host.com:a/b.git"),
        ("user:SECRET@host.com:a/b.git", "host.com:a/b.git"),
        ("user:SECRET@host.com/a/b.git", "host.com/a/b.git"),
        ("https://host.com/@scope/b", "https://host.com/@scope/b"),
        ("https://host.com:8443/@scope/b", "https://host.com:8443/@scope/b"),
        ("host.com/a/b", "host.com/a/b"),
        ("/srv/git/repo.git", "/srv/git/repo.git"),
    ],
)
def test_credentials_are_cut_off(url: str, shown: str) -> None:
    assert without_credentials(url) == shown
    try:
        assert "SECRET" not in repository_id(url)
    except RepositoryUrlError as error:
        assert "SECRET" not in str(error)


names = st.text("abcXYZ019-_.~é", min_size=1, max_size=8).filter(
    lambda name: name.strip(".-") and not name.lower().endswith(".git")
)


@given(st.lists(names, min_size=2, max_size=6), st.sampled_from(["tok", "user:pa:ss", "oauth2:x@y"]), st.booleans())
def test_all_forms_of_any_project_agree(path: list[str], userinfo: str, upper: bool) -> None:
    project = "/".join(path)
    if any(name in ("tree", "blob", "edit", "blame", "raw", "commits") for name in path):
        return
    shown = project.upper() if upper else project
    found = {
        repository_id(url)
        for url in (
            f"https://Git.Example.com/{shown}",
            f"https://{userinfo}@git.example.com:443/{shown}.git",
            f"ssh://git@git.example.com:2222/{project}.git/",
            f"git@git.example.com:{shown}.git",
            f"git.example.com/{project}",
            f"https://git.example.com/{project}/-/tree/main/src?ref_type=heads",
        )
    }
    assert len(found) == 1
    assert repository_id(*found) in found


@pytest.mark.parametrize(
    ("url", "repository", "kind", "rest", "ref_type"),
    [
        # Both examples of the original's documentation.
        (
            "https://github.com/organization/example-repository/tree/main/src/apps/shopist",
            "github.com/organization/example-repository",
            LinkKind.FOLDER,
            ("main", "src", "apps", "shopist"),
            "",
        ),
        (
            "https://gitlab.com/organization/example-repository/-/tree/main/src/apps/shopist?ref_type=heads",
            "gitlab.com/organization/example-repository",
            LinkKind.FOLDER,
            ("main", "src", "apps", "shopist"),
            "heads",
        ),
        ("https://gitlab.com/a/b/c/d/-/blob/main/x.py#L10", "gitlab.com/a/b/c/d", LinkKind.FILE, ("main", "x.py"), ""),
        ("https://gitlab.com/a/b/c/d/tree/v1/x/?ref_type=tags", "gitlab.com/a/b/c/d", LinkKind.FOLDER, ("v1", "x"), "tags"),
        ("https://gitlab.com/a/b/c/d/-/tree/main", "gitlab.com/a/b/c/d", LinkKind.FOLDER, ("main",), ""),
        ("https://gitlab.com/a/b/c/d/-/tree", "gitlab.com/a/b/c/d", LinkKind.REPOSITORY, (), ""),
        ("https://github.com/o/r/edit/main/a%20b/%23c.py", "github.com/o/r", LinkKind.FILE, ("main", "a b", "#c.py"), ""),
        ("https://github.com/o/r/blame/main/x", "github.com/o/r", LinkKind.FILE, ("main", "x"), ""),
        ("https://github.com/o/r/raw/main//x", "github.com/o/r", LinkKind.FILE, ("main", "x"), ""),
        ("https://github.com/o/r/tree/a%2Fb/x", "github.com/o/r", LinkKind.FOLDER, ("a/b", "x"), ""),
        ("https://github.com/o/tree/tree/main/x", "github.com/o/tree", LinkKind.FOLDER, ("main", "x"), ""),
        ("https://github.com/o/r", "github.com/o/r", LinkKind.REPOSITORY, (), ""),
        ("git@github.com:o/r.git", "github.com/o/r", LinkKind.REPOSITORY, (), ""),
        ("https://git.example.com/gitlab/g/s/p/-/tree/main/x", "git.example.com/g/s/p", LinkKind.FOLDER, ("main", "x"), ""),
    ],
)
def test_links_into_a_repository(url: str, repository: str, kind: LinkKind, rest: tuple[str, ...], ref_type: str) -> None:
    link = parse_source_link(url, web_roots=ROOTS)
    assert (link.repository, link.kind, link.rest, link.ref_type) == (repository, kind, rest, ref_type)


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/o/r/pulls",
        "https://github.com/o/r/commit/0123456789",
        "https://gitlab.com/g/p/-/merge_requests/1",
        "https://github.com/o/r/tree/main/../x",
        "https://github.com/o/r/tree/main/%2e%2e/x",
        "https://github.com/o/r/tree/main/a%2F..%2Fx",
        "https://github.com/o/r/tree/main/a%0Ab",
    ],
)
def test_pages_that_show_no_source_are_refused(url: str) -> None:
    with pytest.raises(RepositoryUrlError):
        parse_source_link(url)


BRANCHES = frozenset({"main", "feature/x", "release", "v2"})
TAGS = frozenset({"v1", "v2/rc", "feature/x/y"})


@pytest.mark.parametrize(
    ("rest", "ref_type", "expected", "uncertain"),
    [
        (("main", "src", "app"), "", ("main", "src/app"), False),
        (("feature", "x", "src", "app"), "", ("feature/x", "src/app"), False),
        (("feature/x", "src"), "", ("feature/x", "src"), False),
        (("feature", "xy", "src"), "", ("feature", "xy/src"), True),
        (("v1", "src"), "", ("v1", "src"), False),
        (("main",), "", ("main", ""), False),
        # A branch and a tag fit: the branch, said aloud; unless the link tells.
        (("feature", "x", "y", "z"), "", ("feature/x", "y/z"), True),
        (("feature", "x", "y", "z"), "heads", ("feature/x", "y/z"), False),
        (("feature", "x", "y", "z"), "tags", ("feature/x/y", "z"), False),
        (("v2", "rc", "a"), "tags", ("v2/rc", "a"), False),
        # The link says tags, but only a branch fits.
        (("main", "a"), "tags", ("main", "a"), False),
        (("0123abc", "src"), "", ("0123abc", "src"), False),
        (("HEAD", "src"), "", ("HEAD", "src"), False),
        (("trunk", "src"), "", ("trunk", "src"), True),
        (("gone", "src"), "", ("gone", "src"), True),
    ],
)
def test_refs_are_parted_by_what_is_known(
    rest: tuple[str, ...], ref_type: str, expected: tuple[str, str], uncertain: bool
) -> None:
    split = split_ref(rest, branches=BRANCHES, tags=TAGS, ref_type=ref_type)
    assert (split.ref, split.path) == expected
    assert bool(split.warning) is uncertain


def test_an_unsynced_repository_is_trusted_with_usual_names() -> None:
    assert split_ref(("main", "src"), branches=(), tags=()) == RefSplit(ref="main", path="src")
    assert "is known" in split_ref(("feature", "src"), branches=(), tags=()).warning


@pytest.mark.parametrize(
    "url",
    [
        "https:/ci:hunter2@github.com/acme/shop.git", "http:/ci:hunter2@github.com/acme/shop", "ssh:/git:hunter2@github.com/acme/shop",
        "https:///ci:hunter2@github.com/acme/shop.git", "git.acme.test:/ci:hunter2@github.com/acme/shop", "https:/github.com/acme/shop",
    ],
)  # fmt: skip
def test_a_url_that_lost_a_slash_gives_nothing_away(url: str) -> None:
    assert "hunter2" not in without_credentials(url)
    with pytest.raises(RepositoryUrlError) as refused:
        repository_id(url)
    assert "hunter2" not in str(refused.value)
