"""Patterns: whose they are, what they mean (git itself and GitIgnoreSpec agree), and that hostile ones cost nothing."""

import random
import re
import subprocess
import sys
import time
import warnings
from dataclasses import replace

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pathspec import GitIgnoreSpec

from bot.dora.definitions import CodeLocation, RepoLink, ServiceDefinition
from bot.dora.paths import (
    MAX_PATTERNS,
    NOT_LINKED,
    PathMatcher,
    PatternError,
    Patterns,
    SortedPaths,
    check_pattern,
    check_patterns,
    escaped,
    linked_repositories,
    normalised,
    path_bytes,
    path_text,
    pattern_warning,
    patterns_of,
    unmatched,
)

REPOSITORY = "github.com/org/repo"
FOLDER = "https://github.com/org/repo/tree/main/src/apps/shopist"


def definition(*links: tuple[str, str], source_patterns: tuple[str, ...] | None = None) -> ServiceDefinition:
    return ServiceDefinition(
        service="shopist",
        shown="Shopist",
        schema_version="v2.2",
        source_patterns=source_patterns,
        links=tuple(RepoLink(name=name, url=url) for name, url in links),
        location="shopist.yaml:3",
    )


def of(found: ServiceDefinition | None, repository: str = REPOSITORY, branches: tuple[str, ...] = ("main",)) -> Patterns:
    return patterns_of(found, service="shopist", repository=repository, branches=branches)


# Whose patterns count (semantics §7) -----------------------------------------------------------------------------------


def test_without_a_definition_everything_counts() -> None:
    found = of(None)
    assert (found.patterns, found.flag) == (("**",), "")


def test_without_patterns_and_links_everything_counts() -> None:
    assert of(definition()).patterns == ("**",)
    assert of(definition(("Runbook", FOLDER))).patterns == ("**",)
    assert of(definition(("Runbook", FOLDER))).flag == ""


@pytest.mark.parametrize("name", ["Source", "source", "shopist", " Shopist "])
def test_a_link_named_source_or_like_the_service_counts(name: str) -> None:
    found = of(definition((name, FOLDER)))
    assert found.patterns == ("src/apps/shopist/**",)
    assert found.origin == f"link {name} (shopist.yaml:3)"


def test_the_extension_wins_over_links_and_holds_for_every_repository() -> None:
    both = definition(("Source", FOLDER), source_patterns=("./lib/**", "/x", "./"))
    for repository in (REPOSITORY, "gitlab.com/a/b"):
        found = of(both, repository)
        assert (found.patterns, found.flag) == (("/lib/**", "/x", "**"), "")
        assert found.origin == "source_patterns (shopist.yaml:3)"


def test_links_named_source_and_like_the_service_count_together() -> None:
    links = definition(("Source", FOLDER), ("shopist", "https://github.com/org/repo/blob/main/Makefile"))
    assert of(links).patterns == ("src/apps/shopist/**", "/Makefile")


def test_a_file_counts_alone() -> None:
    assert of(definition(("Source", "https://github.com/org/repo/blob/main/a/b.py"))).patterns == ("a/b.py",)


def test_a_bare_repository_counts_whole_and_makes_folders_void() -> None:
    assert of(definition(("Source", "git@github.com:org/repo.git"))).patterns == ("**",)
    assert of(definition(("Source", "https://github.com/org/repo/tree/main"))).patterns == ("**",)
    found = of(definition(("Source", "https://github.com/Org/Repo"), ("shopist", FOLDER)))
    assert found.patterns == ("**",)
    assert "void" in found.warnings[0]


def test_links_of_another_repository_do_not_count_and_it_is_flagged() -> None:
    found = of(definition(("Source", FOLDER)), "github.com/org/other")
    assert (found.patterns, found.flag) == (("**",), NOT_LINKED)


def test_a_link_that_cannot_be_read_is_told() -> None:
    found = of(definition(("Source", "https://github.com/org/repo/pulls"), ("shopist", FOLDER)))
    assert found.patterns == ("src/apps/shopist/**",)
    assert "does not count" in found.warnings[0]


def test_a_ref_with_slashes_is_resolved_by_the_known_branches() -> None:
    link = definition(("Source", "https://gitlab.com/a/b/c/-/tree/feature/x/src?ref_type=heads"))
    assert of(link, "gitlab.com/a/b/c", branches=("main", "feature/x")).patterns == ("src/**",)
    guessed = of(link, "gitlab.com/a/b/c")
    assert guessed.patterns == ("x/src/**",)
    assert "feature" in guessed.warnings[0]


def test_glob_characters_in_a_link_mean_themselves() -> None:
    url = "https://github.com/org/repo/tree/main/a%5Bb%5D/%2Ac/%21d"
    found = of(definition(("Source", url)))
    matcher = PathMatcher(found.patterns)
    assert matcher.matches(b"a[b]/*c/!d/x.py")
    assert not matcher.matches(b"ab/xc/!d/x.py")


def test_links_too_long_for_a_pattern_do_not_break_the_service() -> None:
    found = of(definition(("Source", "https://github.com/org/repo/tree/main/" + "d/" * 400)))
    assert (found.patterns, found.flag) == (("**",), NOT_LINKED)
    PathMatcher(found.patterns)


# What they mean -------------------------------------------------------------------------------------------------------

PATHS = [
    b"README.md",
    b"src",
    b"src/app/main.py",
    b"lib/src/x.py",
    b"src/apps/shopist/a.py",
    b"src/apps/shopist",
    b"src/apps/shopist2/a.py",
    b"docs/a.md",
    b"docs/deep/b.md",
    b"a/docs/c.md",
    b"x.py",
    b"SRC/app/main.py",
    b"src/.hidden/x",
    "src/é.py".encode(),
    b"src/caf\xe9.py",
    b"a b/c d",
    b"weird\\name",
    b"new\nline/x.py",
]

MEANINGS = [
    (("**",), set(range(len(PATHS)))),
    (("src/apps/shopist/**",), {4}),
    (("./src/apps/shopist/**",), {4}),
    (("/src/apps/shopist/**",), {4}),
    (("src/apps/shopist/",), {4}),
    (("src/apps/shopist",), {4, 5}),
    (("src",), {1, 2, 3, 4, 5, 6, 12, 13, 14}),
    (("/src",), {1, 2, 4, 5, 6, 12, 13, 14}),
    (("./src",), {1, 2, 4, 5, 6, 12, 13, 14}),
    (("src/",), {2, 3, 4, 5, 6, 12, 13, 14}),
    (("*.py",), {2, 3, 4, 6, 10, 11, 13, 14, 17}),
    (("/*.py",), {10}),
    (("docs/*",), {7, 8}),
    (("**/docs/**",), {7, 8, 9}),
    (("src/caf?.py",), {14}),
    (("src/[a-z]*.py", "!src/caf*"), set()),
    (("**", "!docs/**"), set(range(len(PATHS))) - {7, 8}),
    (("!docs/**", "**"), set(range(len(PATHS)))),
    (("src/apps/**", "!src/apps/shopist/**"), {5, 6}),
    (("!src/apps/shopist/**", "src/apps/**"), {4, 5, 6}),
    (("a b/c d",), {15}),
    (("weird\\\\name",), {16}),
    (("**/x.py",), {3, 10, 17}),
    (("nothing/**",), set()),
    (("/",), set(range(len(PATHS)))),
    (("/README.md", "docs/deep/**"), {0, 8}),
]


@pytest.mark.parametrize(("patterns", "expected"), MEANINGS)
def test_meaning(patterns: tuple[str, ...], expected: set[int]) -> None:
    matcher = PathMatcher(patterns)
    assert matcher.matching(SortedPaths(enumerate(PATHS))) == expected
    assert {number for number, path in enumerate(PATHS) if matcher.matches(path)} == expected


def test_only_the_single_pattern_for_everything_is_no_filter() -> None:
    assert PathMatcher(("**",)).everything
    assert PathMatcher(("./",)).everything
    assert not PathMatcher(("**", "src/**")).everything
    assert not PathMatcher(("*",)).everything


@pytest.mark.parametrize("patterns", [patterns for patterns, _ in MEANINGS if not any(p.startswith("!") for p in patterns)])
def test_git_means_the_same(patterns: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> None:
    """`git ls-files --ignored` over an index that holds the paths, on those that may stand together in one.

    Not with `!`: git, which never looks into an ignored folder, cannot take back a part of it; GitIgnoreSpec can, and that counts.
    """
    paths = [path for path in PATHS if path not in (b"src", b"src/apps/shopist")]
    folder = tmp_path_factory.mktemp("git")
    environment = {"GIT_CONFIG_NOSYSTEM": "1", "HOME": str(folder), "PATH": "/usr/bin:/bin", "GIT_CONFIG_GLOBAL": "/dev/null"}
    subprocess.run(["git", "init", "-q", str(folder)], check=True, env=environment)
    entries = b"".join(b"100644 e69de29bb2d1d6434b8b29ae775ad8c2e48c5391\t" + path + b"\0" for path in paths)
    git = ["git", "-C", str(folder)]
    subprocess.run([*git, "update-index", "-z", "--index-info"], input=entries, check=True, env=environment)
    (folder / "patterns").write_text("".join(f"{normalised(pattern)}\n" for pattern in patterns))
    told = subprocess.run(
        [*git, "ls-files", "-z", "-c", "-i", f"--exclude-from={folder / 'patterns'}"],
        check=True,
        env=environment,
        capture_output=True,
    ).stdout
    matcher = PathMatcher(patterns)
    assert {path for path in paths if matcher.matches(path)} == set(filter(None, told.split(b"\0")))


name = st.sampled_from(["src", "app", "a", "b", "ab", "x.py", "docs", "é", "a b", "[x]", ".", "-"])
glob = st.sampled_from(["*", "**", "?", "*.py", "a*", "[ab]", "s?c", "[!a]", "\\*"])
plain = st.lists(name.filter(lambda text: text != "."), min_size=1, max_size=4).map("/".join)
literal = st.builds("{}{}{}".format, st.sampled_from(["", "/", "./"]), plain, st.sampled_from(["", "/", "/**"]))
wild = st.builds("{}{}".format, st.sampled_from(["", "/", "!"]), st.lists(name | glob, min_size=1, max_size=4).map("/".join))
# No path in git has a segment `.`; pathspec would cut it off.
path = st.lists(name.filter(lambda text: text != ".") | st.sampled_from(["c", "docs2", "*", "\udce9", "n\n"]), min_size=1, max_size=5).map(
    lambda parts: "/".join(parts).encode("utf-8", "surrogateescape")
)


@given(st.lists(literal | wild, min_size=1, max_size=6), st.sets(path, max_size=30))
@example(["src/**", "!src/a/**"], {b"src/a/b", b"src/b"})
@example(["src/**", "src/a"], {b"src/a", b"src/a/b", b"src", b"src0", b"src/"})
def test_fast_and_slow_agree_with_gitignore_one_by_one(patterns: list[str], paths: set[bytes]) -> None:
    assume(check_patterns(patterns) is None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spec = GitIgnoreSpec.from_lines([normalised(pattern) for pattern in patterns], backend="re2")
    matcher = PathMatcher(patterns)
    numbered = list(enumerate(sorted(paths)))
    expected = {number for number, path in numbered if matcher.everything or spec.match_file(path_text(path))}
    assert matcher.matching(SortedPaths(numbered)) == expected
    assert {number for number, path in numbered if matcher.matches(path)} == expected


@given(st.binary(max_size=40) | st.text(max_size=10).map(lambda text: text.encode("utf-8", "surrogatepass")))
@example("\U0010ff41".encode())
@example(b"\xff\n\xfe/a")
def test_the_escaped_copy_of_a_path_is_reversible(path: bytes) -> None:
    text = path_text(path)
    assert path_bytes(text) == path
    text.encode()


@given(st.lists(st.text("ab[]!*#?\\ é{}.", min_size=1, max_size=6), min_size=1, max_size=3).map("/".join))
def test_an_escaped_path_matches_exactly_itself(path: str) -> None:
    assume(not set(path.split("/")) & {".", ".."} and path.strip())
    pattern = escaped(path) if "/" in path else "/" + escaped(path)
    assert PathMatcher((pattern,)).matches(path.encode())
    assert not PathMatcher((pattern,)).matches(b"zz" + path.encode())


# Words about them -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("{a,b}/**", "braces"),
        ("src\\app\\**", "backslash"),
        ("src", "every folder; write /src"),
        ("src/", "every folder; write /src"),
        ("../x/**", "no file"),
        ("src//x", "no file"),
        ("[z", "its [ never closes"),
        ("src/a[/]b", "its [ never closes"),
        ("src/[a-z]/[]x]", None),
        ("src/**", None),
        ("/src", None),
        ("*.py", None),
        ("**", None),
        ("docs/*", None),
    ],
)
def test_warnings(pattern: str, said: str | None) -> None:
    told = pattern_warning(pattern)
    assert told is None if said is None else told is not None and said in told


def test_patterns_without_a_file_are_told() -> None:
    paths = SortedPaths(enumerate(PATHS))
    found = Patterns(patterns=("src/**", "gone/**", "!x", "*.rb"), origin="")
    assert unmatched(found, paths) == ("gone/**", "*.rb")
    assert unmatched(found, SortedPaths(())) == ()


# Hostile ones ---------------------------------------------------------------------------------------------------------

REFUSED = [
    "",
    "   ",
    "#comment",
    "!",
    "\\",
    "a\\",
    "[z-a]",
    "[[:alpha:]]",
    "[a--b]",
    "a\x00b",
    "a\nb",
    "a\ud800",
    "a" * 257,
    "*a" * 100,
    "[" + "a" * 300 + "]",
    "?" * 256,
    "[]" * 100 + "]",
]


@pytest.mark.parametrize("pattern", REFUSED)
def test_patterns_that_cannot_be_used_are_refused_at_once(pattern: str) -> None:
    started = time.process_time()
    assert check_pattern(pattern)
    with pytest.raises(PatternError):
        PathMatcher((pattern,))
    assert time.process_time() - started < 0.05


def test_too_many_patterns_are_refused() -> None:
    assert check_patterns([f"d{number}/**" for number in range(MAX_PATTERNS)]) is None
    assert "at most" in str(check_patterns([f"d{number}/**" for number in range(MAX_PATTERNS + 1)]))
    assert check_patterns(["*a*b*c*d"] * 50) is None
    assert "more than 200" in str(check_patterns(["*a*b*c*d"] * 51))
    assert "`**` first" in str(check_patterns(["!a", "!b"]))
    assert check_patterns([])


HOSTILE = [
    ["a*" * 8 + "b"],
    ["a*" * 20 + "b"],
    ["*a" * 40],
    ["**/a/" * 40 + "b"],
    ["**/" * 80 + "b"],
    ["*/" * 120 + "b"],
    ["a*" * 15 + "b"] * 13,
    ["*a*b*c*d" + str(number) for number in range(50)],
    ["[ab]" * 40],
    ["?" * 40],
    ["[!a]*" * 20],
    ["[^" + "a" * 200 + "]*"],
    ["[[a]*"],
    ["[a&&b]*"],
    ["é?" * 40],
    ["!**/a/" * 20 + "b", "**"],
    ["**", *["!*a*a*a" + str(number) for number in range(60)]],
    ["**/*a*/**/*b*/**/*c*/**"] * 30,
]


@pytest.mark.parametrize("patterns", HOSTILE)
def test_hostile_patterns_match_in_no_time(patterns: list[str]) -> None:
    draw = random.Random(7)
    paths = ["a" * 60, "a/" * 200, "ab" * 200, "".join(draw.choice("abc") for _ in range(400)), "é" * 200]
    best = float("inf")
    for _ in range(3):
        started = time.process_time()
        matcher = PathMatcher(patterns)
        for text in paths:
            matcher.matches(text.encode())
        best = min(best, time.process_time() - started)
    assert best < 0.05


def test_literal_patterns_of_many_services_are_looked_up_not_tried() -> None:
    draw = random.Random(3)
    folders = [f"team{number % 20}/group{number % 50}/service{number}" for number in range(200)]
    paths = SortedPaths((number, f"{draw.choice(folders)}/f{number}.py".encode()) for number in range(10_000))
    best, found = float("inf"), 0
    for _ in range(3):
        started = time.process_time()
        found = sum(len(PathMatcher((f"{folder}/**",)).matching(paths)) for folder in folders)
        best = min(best, time.process_time() - started)
    assert found == 10_000
    assert best < 0.1


def test_a_missing_re2_fails_loudly() -> None:
    code = "import sys; sys.modules['re2'] = None; import bot.dora.paths"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert told.returncode != 0
    assert re.search(r"import of re2 halted|No module named 're2'", told.stderr)


SHOP, LIBS = "https://github.com/o/shop", "git@github.com:o/libs.git"


@pytest.mark.parametrize(
    ("given", "repository", "patterns", "flag"),
    [
        ({"code_locations": (CodeLocation(url=SHOP, paths=("src/**", "./a")),)}, "github.com/o/shop", ("src/**", "/a"), ""),
        ({"code_locations": (CodeLocation(url=LIBS),)}, "github.com/o/libs", ("**",), ""),
        ({"code_locations": (CodeLocation(url=LIBS),)}, "github.com/o/shop", ("**",), NOT_LINKED),
        ({"code_locations": (CodeLocation(url="no", paths=("x",)),)}, "github.com/o/shop", ("**",), NOT_LINKED),
        # Twice the same repository; a link to a folder says more, a link to the whole says less.
        (
            {"code_locations": (CodeLocation(url=SHOP, paths=("a/**",)), CodeLocation(url=SHOP, paths=("b/**", "a/**")))},
            "github.com/o/shop", ("a/**", "b/**"), "",
        ),
        (
            {"links": (RepoLink(name="Source", url=f"{SHOP}/tree/main/x"),), "code_locations": (CodeLocation(url=SHOP, paths=("a/**",)),)},
            "github.com/o/shop", ("x/**",), "",
        ),
        (
            {"links": (RepoLink(name="Source", url=SHOP),), "code_locations": (CodeLocation(url=SHOP, paths=("a/**",)),)},
            "github.com/o/shop", ("a/**",), "",
        ),
        ({"links": (RepoLink(name="Source", url=SHOP),), "code_locations": (CodeLocation(url=LIBS),)}, "github.com/o/shop", ("**",), ""),
        # Found in a repository: without links it speaks of that one.
        ({"repository": "github.com/o/shop"}, "github.com/o/shop", ("**",), ""),
        ({"repository": "github.com/o/shop"}, "github.com/o/libs", ("**",), NOT_LINKED),
        ({"repository": "github.com/o/meta", "links": (RepoLink(name="x", url=f"{SHOP}/tree/main/x"),)}, "github.com/o/shop", ("x/**",), ""),
        ({"repository": "github.com/o/meta", "links": (RepoLink(name="x", url=SHOP),)}, "github.com/o/meta", ("**",), NOT_LINKED),
        ({"repository": "github.com/o/shop", "source_patterns": ("src/**",)}, "github.com/o/libs", ("src/**",), ""),
    ],
)  # fmt: skip
def test_code_locations_and_the_repository_of_the_definition(
    given: dict[str, object], repository: str, patterns: tuple[str, ...], flag: str
) -> None:
    definition = ServiceDefinition(service="x", shown="x", schema_version="v3", location="a:1", **given)  # type: ignore[arg-type]
    found = patterns_of(definition, service="x", repository=repository)
    assert (found.patterns, found.flag) == (patterns, flag)


def test_a_definition_names_repositories() -> None:
    one = ServiceDefinition(service="x", shown="x", schema_version="v3", repository="github.com/o/meta", source_patterns=("a",))
    assert linked_repositories(one) == {"github.com/o/meta"}
    located = replace(one, code_locations=(CodeLocation(url=SHOP), CodeLocation(url=LIBS)))
    assert linked_repositories(located) == {"github.com/o/shop", "github.com/o/libs"}
    assert linked_repositories(replace(one, repository="")) == linked_repositories(None) == set()
