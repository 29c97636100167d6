"""Definitions: what users paste is read, and what is wrong is told with file, line and column."""

import time

import pytest

from bot.dora.definitions import CodeLocation, Problem, RepoLink
from bot.sources.definitions import DefinitionsRead, read_definitions

# The block of the original's documentation (GitLab groups and subgroups), as users paste it.
SEED = """\
schema-version: v2.2
dd-service: Shopist
extensions:
  datadoghq.com/dora-metrics:
    source_patterns:
      # All paths relative to the repository URL provided with the deployment
      - **
      # or specific paths related to this service (for monorepos)
      - src/apps/shopist/**
      - src/libs/utils/**
"""


def read(text: str, file: str = "a.yaml") -> DefinitionsRead:
    return read_definitions({file: text.encode()})


def told(found: DefinitionsRead) -> list[tuple[int, int, str]]:
    return [(problem.line, problem.column, problem.severity) for problem in found.problems]


def test_the_documented_block_is_read_with_a_warning() -> None:
    found = read(SEED)
    assert found.valid
    assert found.definitions[0].source_patterns == ("**", "src/apps/shopist/**", "src/libs/utils/**")
    message = "'**' must be quoted in YAML; it is read as if it were: write - '**'"
    assert found.problems == (Problem(file="a.yaml", line=7, column=9, severity="warning", message=message),)


@pytest.mark.parametrize(
    ("item", "pattern"),
    [
        ("**", "**"),
        ("*.py", "*.py"),
        ("**/*.py", "**/*.py"),
        ("@scope/**", "@scope/**"),
        ("{a,b}/**", "{a,b}/**"),
        ("[a]*.py", "[a]*.py"),
        ("!docs/**", "!docs/**"),
        ("%x/**", "%x/**"),
        ("&x/**", "&x/**"),
        ("*it's/**", "*it's/**"),
        ("**/x # the xs", "**/x"),
        ("  **/x  ", "**/x"),
        ("**/x\r", "**/x"),
    ],
)
def test_unquoted_patterns_are_accepted_with_the_corrected_line(item: str, pattern: str) -> None:
    found = read(SEED.replace("- **\n", f"- {item}\n"))
    assert found.valid
    patterns = found.definitions[0].source_patterns
    assert patterns is not None
    assert patterns[0] == pattern
    first = next(problem for problem in found.problems if "must be quoted" in problem.message)
    assert (first.line, first.severity) == (7, "warning")
    quoted = pattern.replace("'", "''")
    assert f"'{quoted}'" in first.message.split("write - ")[1]


def test_quotes_are_only_set_below_source_patterns() -> None:
    found = read("schema-version: v2.2\ndd-service: x\ntags:\n  - *a\n")
    assert told(found) == [(4, 5, "error")]
    assert "alias" in found.problems[0].message


def test_the_same_text_in_quotes_has_no_warning() -> None:
    assert read(SEED.replace("- **", "- '**'")).problems == ()


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ("[a]", "write - '[a]'"),
        ("{a,b}", "write - '{a,b}'"),
        ("#x", "a # begins a comment"),
        ("", "is empty"),
        ("''", "is empty"),
        ("a: b", "is a collection"),
        ("'#x'", "comment to gitignore"),
        ("'[z-a]'", "not a pattern"),
        ("'" + "a" * 300 + "'", "at most 256"),
    ],
)
def test_patterns_that_are_none_are_errors(item: str, said: str) -> None:
    found = read(SEED.replace("- **\n", f"- {item}\n"))
    assert not found.valid
    assert found.definitions == ()
    assert [problem.line for problem in found.problems] == [7]
    assert said in found.problems[0].message


@pytest.mark.parametrize("item", ["no", "010", "1.10", "2024-13-45", "~", "0xff", "12:30:45", "=", "<<"])
def test_nothing_is_coerced(item: str) -> None:
    patterns = read(SEED.replace("- **\n", f"- {item}\n")).definitions[0].source_patterns
    assert patterns is not None
    assert patterns[0] == item


def test_all_of_v2_2_is_read() -> None:
    found = read(
        "schema-version: v2.2\ndd-service: ' Shopist '\nteam: shop\ntags: [a:b, 'c:d']\nlanguages: [python]\n"
        "type: web\nlinks:\n"
        "  - {name: Source, type: repo, url: https://github.com/o/r/tree/main/x}\n"
        "  - {name: Runbook, type: runbook, url: https://example.com}\n"
        "  - {name: other, type: Repo, provider: github, url: https://github.com/o/s}\n"
    )
    (one,) = found.definitions
    assert (one.service, one.shown, one.schema_version, one.team) == ("shopist", "Shopist", "v2.2", "shop")
    assert (one.tags, one.languages, one.source_patterns) == (("a:b", "c:d"), ("python",), None)
    assert one.links == (
        RepoLink(name="Source", url="https://github.com/o/r/tree/main/x"),
        RepoLink(name="other", url="https://github.com/o/s"),
    )
    assert one.location == "a.yaml:2"
    assert found.problems == ()


def test_v2_has_repos_and_another_team() -> None:
    found = read(
        "schema-version: v2\ndd-service: x\ndd-team: core\n"
        "repos: [{name: Source, url: https://github.com/o/r}]\n"
        "links: [{name: x, type: repo, url: https://github.com/o/s}, {name: x, type: code, url: https://github.com/o/t}]\n"
    )
    (one,) = found.definitions
    assert one.team == "core"
    assert {link.url for link in one.links} == {"https://github.com/o/r", "https://github.com/o/s"}
    assert not read("schema-version: v2.1\ndd-service: x\nrepos: []\n").valid


def test_several_documents_and_several_files() -> None:
    found = read_definitions(
        {
            "b.yaml": b"schema-version: v2.1\ndd-service: c\n---\n# nothing\n---\nschema-version: v2\ndd-service: b\n",
            "a.yaml": b"schema-version: v2.2\ndd-service: a\n",
            "empty.yaml": b"",
        }
    )
    assert [(one.service, one.location) for one in found.definitions] == [
        ("a", "a.yaml:2"),
        ("b", "b.yaml:7"),
        ("c", "b.yaml:2"),
    ]
    assert found.valid


def test_one_service_twice_names_both_places() -> None:
    found = read_definitions(
        {"b.yaml": b"schema-version: v2.2\ndd-service: X\n", "a.yaml": b"schema-version: v2.2\ndd-service: ' x'\n"}
    )
    message = "the service 'X' is defined here and in a.yaml:2"
    assert found.problems == (Problem(file="b.yaml", line=2, column=1, severity="error", message=message),)
    both = b"schema-version: v2.2\ndd-service: X\nteem: a\n---\nschema-version: v2.2\ndd-service: x\nteem: b\n"
    told = [(problem.line, problem.message) for problem in read_definitions({"a.yaml": both}).problems]
    assert (6, "the service 'x' is defined here and in a.yaml:2") in told, "whatever else is wrong with them"
    assert len(told) == 3


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("schema-version: v1\ninfo:\n  dd-service: x\n  teem: y\n", (4, 3), "unknown key 'teem' in info"),
        ("info: {dd-service: x}\norg: {teem: y}\n", (2, 7), "did you mean team?"),
        ("apiVersion: v3\nkind: service\nmetadata:\n  nam: x\n  name: y\n", (4, 3), "did you mean name?"),
        ("apiVersion: v3\nmetadata:\n  name: x\n", (1, 1), "'kind' is missing"),
        ("apiVersion: v3\nkind: service\nmetadata: {name: x}\nspek: {}\n", (4, 1), "did you mean spec?"),
        ("schema-version: v9\ndd-service: x\n", (1, 17), "none of v1, v2, v2.1, v2.2; v3 is written apiVersion: v3, kind: service"),
        ("schema-version: v2.3\ndd-service: x\n", (1, 17), "v3 is written apiVersion: v3, kind: service, metadata: {name"),
        ("schema-version: v3\ndd-service: x\nteam: y\nlinks: []\n", (1, 17), "v3 is written apiVersion: v3, kind: service"),
        ("dd-service: x\n", (1, 1), "schema-version: v2.2"),
        ("- x\n", (1, 1), "a mapping"),
        ("x\n", (1, 1), "a mapping"),
        ("schema-version: [v2]\n", (1, 17), "schema-version"),
        ("schema-version: v2.2\nteam: x\n", (1, 1), "'dd-service' is missing"),
        ("schema-version: v2.2\ndd-service: ' '\n", (2, 13), "may not be empty"),
        ("schema-version: v2.2\ndd-service: x\nteem: y\n", (3, 1), "did you mean team?"),
        ("schema-version: v2.2\ndd-service: x\nzzz: y\n", (3, 1), "known are"),
        ("schema-version: v2.2\ndd-service: x\ntags:\n", (3, 6), "expected a list, found nothing"),
        ("schema-version: v2.2\ndd-service: x\ntags: [a, {b: c}]\n", (3, 11), "tags[1]: expected a text"),
        ("schema-version: v2.2\ndd-service: x\ntype: shop\n", (3, 7), "none of web, db"),
        ("schema-version: v2.2\ndd-service: x\nlinks:\n  - name: a\n    url: b\n", (4, 5), "'type' is missing in links[0]"),
        ("schema-version: v2.2\ndd-service: x\nextensions: []\n", (3, 13), "expected a mapping"),
        ("schema-version: v2.2\ndd-service: x\nextensions:\n  datadoghq.com/dora-metrics: x\n", (4, 31), "expected a mapping"),
        ("schema-version: v2.2\ndd-service: x\ndd-service: y\n", (3, 1), "stands here twice"),
        ("schema-version: v2.2\ndd-service: x: y\n", (2, 14), "not YAML"),
        ("schema-version: v2.2\n\tdd-service: x\n", (2, 1), "not YAML"),
    ],
)
def test_mistakes_are_told_with_their_place(text: str, place: tuple[int, int], said: str) -> None:
    found = read(text)
    assert found.definitions == ()
    (problem,) = found.problems
    assert (problem.line, problem.column) == place
    assert problem.severity == "error"
    assert said in problem.message


@pytest.mark.parametrize(
    ("block", "place", "said"),
    [
        ("source_pattern: [a]", (5, 5), "did you mean source_patterns?"),
        ("source_patterns: []", (5, 22), "may not be empty"),
        ("source_patterns: src/**", (5, 22), "expected a list"),
        ("source_patterns: ['!a']", (5, 22), "`**` first"),
        ("source_patterns: [" + "a/**," * 201 + "]", (5, 22), "at most 200"),
    ],
)
def test_mistakes_in_the_extension(block: str, place: tuple[int, int], said: str) -> None:
    found = read(f"schema-version: v2.2\ndd-service: x\nextensions:\n  datadoghq.com/dora-metrics:\n    {block}\n")
    assert not found.valid
    (problem,) = found.problems
    assert (problem.line, problem.column) == place
    assert said in problem.message


def test_odd_patterns_and_links_are_warnings() -> None:
    found = read(SEED.replace("- **\n", "- '{a,b}/**'\n"))
    assert [(problem.line, problem.severity) for problem in found.problems] == [(7, "warning")]
    links = "schema-version: v2.2\ndd-service: x\nlinks:\n  - {name: NAME, type: repo, url: 'URL'}\n"
    assert "no repo link is named" in read(links.replace("NAME", "code")).problems[0].message
    assert "does not count" in read(links.replace("NAME", "Source").replace("URL", "https://github.com/o")).problems[0].message


def test_one_broken_file_makes_the_snapshot_invalid() -> None:
    found = read_definitions({"a.yaml": SEED.encode(), "b.yaml": b"x: ["})
    assert not found.valid
    assert [problem.file for problem in found.problems if problem.severity == "error"] == ["b.yaml"]


HOSTILE = {
    "deep": b"[" * 200_000,
    "huge": b"x" * 1_000_000,
    "not utf-8": b"\xff\xfe",
    "stars": SEED.replace("**", "*" * 200_000).encode(),
    "blanks": SEED.replace("- **", "- *" + " " * 200_000 + "x").encode(),
    "hashes": SEED.replace("- **", "- *" + " #" * 100_000).encode(),
    "items": SEED.replace("      - **\n", "      - **\n" * 20_000).encode(),
    "keys": b"schema-version: v2.2\ndd-service: x\n" + b"".join(b"k%d: x\n" % number for number in range(2_000)),
    "links": b"schema-version: v2.2\ndd-service: x\nlinks:\n" + b"- {}\n" * 1_000,
    "name": b"schema-version: v2.2\ndd-service: " + b"x" * 200_000,
    "url": b"schema-version: v2.2\ndd-service: x\nlinks:\n- {name: Source, type: repo, url: '" + b"a/" * 100_000 + b"'}",
    "pagerduty": b"schema-version: v2\ndd-service: x\nintegrations:\n  pagerduty: " + b"a." * 100_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_answered_at_once(name: str) -> None:
    best = float("inf")
    for _ in range(3):
        started = time.process_time()
        found = read_definitions({"a.yaml": HOSTILE[name]})
        best = min(best, time.process_time() - started)
    assert all(len(problem.message) < 1000 for problem in found.problems)
    assert best < 0.05


ENTITY = """\
apiVersion: v3
kind: service
metadata:
  name: Shopist
  owner: shop
  tags: [a:b]
  links:
    - {name: Source, type: repo, url: https://github.com/o/r/tree/main/x}
    - {name: Runbook, type: runbook, url: https://example.com}
spec:
  languages: [go]
  lifecycle: production
datadog:
  codeLocations:
    - repositoryURL: https://github.com/o/shop.git
      paths: [src/**, /Makefile]
    - repositoryURL: git@gitlab.example.com:group/sub/libs.git
"""


def test_v3_services_are_read() -> None:
    found = read(ENTITY)
    (one,) = found.definitions
    assert (one.service, one.shown, one.schema_version, one.team) == ("shopist", "Shopist", "v3", "shop")
    assert (one.tags, one.languages, one.source_patterns, one.location) == (("a:b",), ("go",), None, "a.yaml:4")
    assert one.links == (RepoLink(name="Source", url="https://github.com/o/r/tree/main/x"),)
    assert one.code_locations == (
        CodeLocation(url="https://github.com/o/shop.git", paths=("src/**", "/Makefile")),
        CodeLocation(url="git@gitlab.example.com:group/sub/libs.git"),
    )
    assert found.problems == ()


def test_v3_entities_that_are_no_services_are_left_out_with_a_notice() -> None:
    found = read("apiVersion: v3\nkind: queue\nmetadata: {name: jobs}\n---\n" + ENTITY)
    assert found.valid
    assert [one.service for one in found.definitions] == ["shopist"]
    assert told(found) == [(2, 7, "notice")]
    assert found.problems[0].message == "an entity of kind 'queue' is no service; it is left out"


def test_v1_is_read() -> None:
    found = read(
        "schema-version: v1\ninfo: {dd-service: x, service-tier: '1'}\norg: {team: core, application: y}\ntags: [a:b]\n"
        "external-resources:\n- {name: Source, type: repo, url: https://github.com/o/r}\n"
        "- {name: x, type: code, url: https://github.com/o/s}\n"
        "extensions: {datadoghq.com/dora-metrics: {source_patterns: [src/**]}}\n"
    )
    (one,) = found.definitions
    assert (one.team, one.tags, one.source_patterns, one.location) == ("core", ("a:b",), ("src/**",), "a.yaml:2")
    assert one.links == (RepoLink(name="Source", url="https://github.com/o/r"),)
    assert found.problems == ()


@pytest.mark.parametrize(
    ("instead", "place", "severity", "said"),
    [
        ("paths: src/**", (16, 14), "error", "expected a list"),
        ("pathes: [a]", (16, 7), "error", "did you mean paths?"),
        ("paths: ['#x']", (16, 15), "error", "comment to gitignore"),
        ("paths: [" + "a/**," * 201 + "]", (15, 5), "error", "at most 200"),
        ("paths: [src]", (16, 15), "warning", "in every folder"),
    ],
)
def test_mistakes_in_code_locations(instead: str, place: tuple[int, int], severity: str, said: str) -> None:
    found = read(ENTITY.replace("paths: [src/**, /Makefile]", instead))
    (problem,) = found.problems
    assert (problem.line, problem.column, problem.severity) == (*place, severity)
    assert said in problem.message
    assert bool(found.definitions) == (severity == "warning")


def test_a_code_location_that_names_no_repository_does_not_count() -> None:
    found = read(ENTITY.replace("https://github.com/o/shop.git", "shop"))
    assert told(found) == [(15, 22, "warning")]
    assert "does not count" in found.problems[0].message


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("datadoghq.com/dora-metric", "did you mean datadoghq.com/dora-metrics?"),
        ("datadoghq.com/DORA_metrics", "did you mean datadoghq.com/dora-metrics?"),
        ("datadog.com/dora-metrics", "did you mean datadoghq.com/dora-metrics?"),
        ("dora-metrics", "did you mean datadoghq.com/dora-metrics?"),
        ("source_pattern", "source_patterns stands below datadoghq.com/dora-metrics"),
        ("rollforward_rules", "rollforward_rules stands below datadoghq.com/dora-metrics"),
    ],
)
def test_an_extension_that_is_nearly_ours_is_a_warning(name: str, told: str) -> None:
    head = "schema-version: v2.2\ndd-service: x\nextensions:\n  example.com/own: {a: b}\n"
    found = read_definitions({"x.yaml": f"{head}  {name}: {{source_patterns: [src/**]}}\n".encode()})
    assert [(one.line, one.column, one.severity) for one in found.problems] == [(5, 3, "warning")]
    assert found.problems[0].message.endswith(told) and f"'{name}'" in found.problems[0].message
    assert found.definitions[0].source_patterns is None


@pytest.mark.parametrize("name", ["datadoghq.com/dora-metrics", "datadoghq.com/cd-visibility", "example.com/metrics", "patterns", "x"])
def test_other_extensions_are_nobodys_business(name: str) -> None:
    text = f"schema-version: v2.2\ndd-service: x\nextensions:\n  {name}: {{source_patterns: [src/**]}}\n"
    assert read_definitions({"x.yaml": text.encode()}).problems == ()
