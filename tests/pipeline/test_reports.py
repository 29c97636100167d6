"""What the bot says under a pull request: composed from values, gathered from a forge, wished for when something changed."""

from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from bot.dora.changes import Limits
from bot.dora.definitions import RepoLink, ServiceDefinition
from bot.dora.events import PullRequestSeen, RepositoryRef
from bot.dora.pull_requests import PullRequest
from bot.facts.catalog import FROM_FOLDER, Claim, plan_claims, write_claims
from bot.facts.outbox import Message, due_messages, record_said
from bot.facts.pull_requests import record_pull_requests
from bot.facts.repositories import RepositoryRow, ensure_repository
from bot.facts.switches import set_reports
from bot.forges.client import Annotation, NotAllowedError, RepositoryKey
from bot.pipeline.derive import Deriver
from bot.pipeline.history import HistoryCache
from bot.pipeline.markdown import LONGEST, code, plain
from bot.pipeline.reports import LEVELS, Flag, ReportFacts, Service, compose_report, composer, gather_report
from bot.sources.validation import validate
from bot.store import Store

HEAD = b"\xab" * 20
ROW = RepositoryRow(1, "github.com/acme/shop", "github", "7", "", 0, "main", None, None)
SHOP = Service(name="shop", shown="Shop", patterns=("services/shop/**", "libs/**"))
SEARCH = Service(name="search", shown="Search", patterns=("services/search/**",))
WHOLE = Service(name="docs", shown="docs", patterns=("**",))
BASE = "https://dora.example"
GOOD = "schema-version: v2.2\ndd-service: Shop\n"
BAD = "schema-version: v2.2\ndd-service: Shop\nteem: x\nextensions:\n  datadoghq.com/dora-metrics:\n    source_patterns:\n      - **\n"


def facts(*services: Service, **given: object) -> ReportFacts:
    told = PullRequest(number=12, title="Sell", head_ref="topic", base_ref="main", head_sha=HEAD)
    return replace(
        ReportFacts(repository=ROW, pull_request=told, flag=None, blame="", services=services, claims=()), **given  # type: ignore[arg-type]
    )


# Composing --------------------------------------------------------------------------------------------------------------


def test_one_quiet_check_says_what_is_touched() -> None:
    changed = ["services/shop/a.py", "services/shop/b.py", "libs/x.py", "README.md"]
    report = compose_report(facts(SHOP, SEARCH, WHOLE), changed, {}, base_url=BASE)
    assert (report.number, report.head_sha, report.conclusion) == (12, HEAD.hex(), "success")
    assert report.title == "Touches Shop, docs"
    assert report.summary == (
        "**Services.** Of the 4 changed files:\n"
        "- [`Shop`](https://dora.example/services/shop): 3 files\n"
        "- [`docs`](https://dora.example/services/docs): all, the whole repository is its code"
    )
    assert report.annotations == ()
    assert report.details_url == "https://dora.example/"
    one = compose_report(facts(SHOP, SEARCH), changed[:1], {}, base_url=BASE)
    assert (one.title, one.details_url) == ("Touches Shop", "https://dora.example/services/shop")
    assert "Of the 1 changed file:\n- [`Shop`](https://dora.example/services/shop): 1 file" in one.summary
    none = compose_report(facts(SHOP), ["README.md"], {})
    assert (none.title, none.details_url) == ("Touches no service", "")
    assert none.summary == "**Services.** None claims any of the 1 changed file."
    assert "](" not in compose_report(facts(SHOP), changed, {}).summary, "an address that is not known is not linked"


def test_many_services_are_counted() -> None:
    many = [replace(WHOLE, name=f"s{n}", shown=f"s{n}") for n in range(30)]
    report = compose_report(facts(*many), ["x"], {})
    assert report.title == "Touches s0, s1, s2 and 27 more"
    assert report.summary.count("\n- `s") == 20
    assert report.summary.endswith("\n- and 10 more services")


@pytest.mark.parametrize(
    ("flag", "blame", "title", "said"),
    [
        (
            Flag("revert-number", "pr_body", "Reverts #12", 12, b"\xcd" * 20), "", "Rollforward of pull request 12; touches Shop",
            "**Rollforward**: of pull request 12; the latest deployment before it that carried that one counts as failed. "
            "Rule `revert-number` saw `Reverts #12` in the description.",
        ),
        (
            Flag("revert-sha", "commit_message", "This reverts commit abc", None, b"\xcd" * 20), "", "Rollforward (revert-sha); touches Shop",
            "of commit `cdcdcdcdcdcd`; the latest",
        ),
        (Flag("revert-title", "pr_title", 'Revert "x"', None, None), "", "Rollforward (revert-title); touches Shop", "is not known (yet)"),
        (
            Flag("hotfix-label", "pr_label", "hotfix", None, None), "previous", "Rollforward (hotfix-label); touches Shop",
            "**Rollforward**: the deployment just before it counts as failed. Rule `hotfix-label` saw `hotfix` in a label.",
        ),
        (Flag("chore", "pr_label", "rework", None, None), "none", "Rollforward (chore); touches Shop", "rework, without a failed one"),
        (Flag("", "pr_title", 'Revert "Revert"', 3, None), "", "Touches Shop", "**No rollforward.**"),
    ],
)  # fmt: skip
def test_a_rollforward_is_told_with_its_rule_and_evidence(flag: Flag, blame: str, title: str, said: str) -> None:
    report = compose_report(facts(SHOP, flag=flag, blame=blame), ["libs/x"], {})
    assert (report.title, report.conclusion) == (title, "neutral" if flag.rule else "success")
    assert said in report.summary
    there = compose_report(facts(SHOP, flag=flag, blame=blame, repository=ROW._replace(forge="gitlab")), ["libs/x"], {})
    assert there.title == title.replace("pull", "merge")


def on_disk(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    "files",
    [
        {"service.datadog.yaml": BAD},
        {"service.datadog.yaml": GOOD, "entity.datadog.yaml": "apiVersion: v3\nkind: service\nmetadata: {name: shop}\n"},
        {"service_definitions/a.yaml": GOOD, "service_definitions/b.yml": GOOD, "service_definitions/rules.yaml": "version: 7\n"},
        {"service_definitions/a.yaml": BAD, "service.datadog.yml": GOOD + "---\n" + GOOD, "entity.datadog.yml": "\n["},
        {"entity.datadog.yaml": "apiVersion: v3\nkind: queue\nmetadata: {name: shop}\n"},
    ],
)
def test_the_annotations_are_what_the_command_finds(files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_disk(tmp_path, files)
    monkeypatch.chdir(tmp_path)
    given = [Path(name) for name in files if "/" not in name] + [Path("service_definitions")] * any("/" in name for name in files)
    found = validate(given)
    report = compose_report(facts(SHOP), list(files), {name: text.encode() for name, text in files.items()})
    assert report.annotations == tuple(
        Annotation(path=one.file, line=one.line, level=LEVELS[one.severity], message=one.message) for one in found
    )
    errors = any(one.severity == "error" for one in found)
    assert report.conclusion == ("failure" if errors else "success")
    assert report.title.startswith(("1 ", "2 ", "3 ")) == bool(found)


def test_mistakes_come_with_the_corrected_line_and_what_happens_meanwhile() -> None:
    report = compose_report(facts(SHOP), ["service.datadog.yaml", "x"], {"service.datadog.yaml": BAD.encode()}, base_url=BASE)
    assert [(one.path, one.line, one.level) for one in report.annotations] == [
        ("service.datadog.yaml", 3, "failure"), ("service.datadog.yaml", 7, "warning"),
    ]  # fmt: skip
    assert report.annotations[1].message.endswith("write - '**'")
    assert report.title == "1 error and 1 warning in the definitions; touches no service"
    assert "1 error and 1 warning in 1 file. While a file has errors, what was in force before stays." in report.summary
    assert report.details_url == "https://dora.example/definitions"


def test_a_valid_definition_is_told_with_what_it_selects_and_what_overrules_it() -> None:
    text = GOOD + "extensions: {datadoghq.com/dora-metrics: {source_patterns: [a/**, 'b`c']}}\n---\nschema-version: v2.2\ndd-service: till\n"
    over = ServiceDefinition(service="shop", shown="Shop", schema_version="v2.2", location="shop.yaml:2")
    changed = ["service.datadog.yaml", "entity.datadog.yaml", "service_definitions/.hidden.yaml", "sub/service.datadog.yaml"]
    report = compose_report(
        facts(claims=(Claim(origin=FROM_FOLDER, definition=over),)), changed, {"service.datadog.yaml": text.encode()}
    )
    assert report.title == "1 warning in the definitions; touches no service"
    lines = report.summary.split("\n\n")[0].splitlines()[1:]
    assert lines == [
        "- `entity.datadog.yaml` is removed",
        "- `Shop` selects `a/**`, ``b`c`` in this repository; it is overruled by `shop.yaml:2`",
        "- `till` selects `**` in this repository",
    ]


# Nobody is called -------------------------------------------------------------------------------------------------------

HOSTILE = (
    "@all", "#1", "!2", "acme/shop#3", "&4", "~label", "%milestone", "$5", "GH-6", "a@b.example", "`@all`", "``` @all ```", "`", "\n/close",
    "\r\n\r\n# Big", "<!-- x -->", "<img src=x onerror=alert(1)>", "[x](javascript:alert(1))", "![x](http://evil)", "|a|b|", "\u202e@all",
    "https://evil.example/@all", ":tada:", "**@all**", "\u2028/merge", "\x00@all", "a\\`@all", "", " ", "`" * 30 + "@all" + "`" * 29,
)  # fmt: skip


def inline(markdown: str) -> list[Token]:
    tokens = MarkdownIt("commonmark").parse(markdown)
    assert {token.type for token in tokens} <= {
        "paragraph_open", "paragraph_close", "inline", "bullet_list_open", "bullet_list_close", "list_item_open", "list_item_close",
    }  # fmt: skip
    return [child for token in tokens for child in token.children or ()]


def assert_calls_nobody(markdown: str) -> None:
    """Whatever could call or refer stands in code; text, link targets and line starts are ours."""
    for token in inline(markdown):
        if token.type == "text":
            assert not set(token.content) & set("@#!~$&<>`"), token.content
        assert token.type in {"text", "code_inline", "link_open", "link_close", "strong_open", "strong_close", "softbreak"}
        if token.type == "link_open":
            assert str(token.attrs["href"]).startswith(BASE + "/services/")
    assert all(line.startswith(("- ", "**")) or not line for line in markdown.split("\n"))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_call_nobody(text: str) -> None:
    service = Service(name=text, shown=text, patterns=("**",))
    flag = Flag(text, "pr_title", text, None, None)
    report = compose_report(facts(service, flag=flag), [text, "service_definitions/" + text.replace("/", "") + ".yaml"], {}, base_url=BASE)
    assert_calls_nobody(report.summary)
    assert not any(f"{sign}{char}" in report.title for sign in "@#!~&$" for char in "abcdefghijklmnopqrstuvwxyz123456789")
    assert "\n" not in report.title


def test_controls_and_directions_are_left_out() -> None:
    assert code("\u202e@all\x00\u2066 \r\n x\u2028y\ud800") == "`@all x y`"
    assert plain("a\u202eb\n@c") == "a b @\u2060c"


@given(st.text())
def test_code_holds_the_text_and_nothing_else(text: str) -> None:
    tokens = inline(code(text))
    assert [token.type for token in tokens] == ["code_inline"]
    shown = " ".join(text.split())
    if shown.isprintable() and shown == text and len(text) <= LONGEST and text:
        assert tokens[0].content == text
    assert "\n" not in code(text) and len(code(text)) < 3 * LONGEST + 8
    assert "@a" not in plain(f"{text}@a")


# Gathering and wishing --------------------------------------------------------------------------------------------------


class Forge:
    """A forge that knows files and changed paths, and counts the questions."""

    forge = "github"

    def __init__(self, files: dict[str, str | None]) -> None:
        self.files, self.asked = files, count()

    async def changed_paths(self, key: RepositoryKey, number: int) -> tuple[str, ...]:
        next(self.asked)
        return tuple(self.files)

    async def file(self, key: RepositoryKey, path: str, *, ref: str) -> bytes | None:
        assert (key.path, ref) == ("acme/shop", HEAD.hex())
        next(self.asked)
        text = self.files[path]
        return None if text is None else text.encode()


class Desk:
    """A repository with pull requests, as events tell of them, and a deriver."""

    def __init__(self, store: Store, *, on: bool = True) -> None:
        self.store, self.clock = store, count(10**18)
        self.ref = RepositoryRef(name="github.com/acme/shop", forge="github", forge_id="7", default_branch="main")
        self.id = store.write(lambda writer: ensure_repository(writer, self.ref)).id
        store.write(lambda writer: set_reports(writer, "github", on=on))
        self.deriver = Deriver(
            store, HistoryCache(), limits=Limits(max_gap=None, max_commits=None), clock=lambda: next(self.clock)
        )

    def tell(self, number: int = 12, *, derive: bool = True, **changes: object) -> None:
        told = PullRequest(number=number, title="Sell", head_ref="topic", base_ref="main", head_sha=HEAD, created_at=1)
        told = replace(told, **changes)  # type: ignore[arg-type]
        at = next(self.clock)
        seen = PullRequestSeen(repository=self.ref, pull_request=told, updated_at=at, rank=0, complete=True)
        self.store.write(lambda writer: record_pull_requests(writer, self.id, [seen], now=at))
        while derive and self.deriver.derive_next():
            pass

    def take(self) -> list[Message]:
        """The wishes, carried out."""
        found = self.store.read(lambda reader: due_messages(reader, now=next(self.clock), n=10))
        for one in found:
            self.store.write(lambda w, m=one: record_said(w, m, digest="", remote="", now=next(self.clock)))
        return found


def test_a_change_that_could_be_said_is_wished_for(store: Store) -> None:
    desk = Desk(store)
    desk.tell()
    (wish,) = desk.take()
    assert (wish.key, wish.kind, wish.forge, wish.repository_id, wish.subject) == (f"report:{desk.id}:12", "report", "github", desk.id, "12")
    desk.tell(author="ann", body="More words")
    assert desk.take() == [], "nothing of this is said"
    now: dict[str, object] = {}
    for name, value in {"title": "Buy", "labels": ("a",), "base_ref": "next", "head_sha": b"\xcd" * 20}.items():
        now[name] = value
        desk.tell(**now)
        assert len(desk.take()) == 1, name
    desk.tell(**now, state="closed")
    assert desk.take() == []
    desk.tell(**now)
    assert len(desk.take()) == 1, "open again"
    desk.tell(state="merged", merged_at=5, merge_sha=b"m" * 20)
    assert desk.take() == []


def test_a_flag_that_changed_is_wished_for(store: Store) -> None:
    desk = Desk(store)
    desk.tell(3, body="Reverts acme/shop#2", derive=False)
    assert len(desk.take()) == 1
    desk.tell(4, title="x", derive=True)
    assert {one.subject for one in desk.take()} == {"3", "4"}, "3 was derived meanwhile, and is a rollforward"
    desk.tell(4, title="x")
    assert desk.take() == []
    desk.tell(3, body="Reverts nothing")
    assert [one.subject for one in desk.take()] == ["3"]


def test_reports_are_off_by_default(store: Store) -> None:
    desk = Desk(store, on=False)
    desk.tell(body="Reverts acme/shop#2", labels=("hotfix",))
    assert desk.take() == []


async def test_a_report_is_gathered_from_store_and_forge(store: Store) -> None:
    desk = Desk(store)
    desk.tell(labels=("hotfix",))
    till = ("d1", "till", "prod", "till", "prod", "v1", desk.ref.name, "", None, 1, 2, "", "[]", "api", 3, 4, "", 0)
    store.write(lambda writer: writer.write_many("deployment", [till]))
    link = RepoLink(name="Source", url="https://github.com/acme/shop/tree/main/services/shop")
    shop = ServiceDefinition(service="shop", shown="Shop", schema_version="v2.2", links=(link,), location="a:1")
    elsewhere = ServiceDefinition(service="cart", shown="Cart", schema_version="v2.2", source_patterns=("**",), location="a:2")
    store.write(lambda writer: write_claims(writer, plan_claims(writer, {FROM_FOLDER: (shop, elsewhere)})))
    forge = Forge({"services/shop/a": "", "service.datadog.yaml": BAD, "entity.datadog.yaml": None})
    report = await gather_report(store, forge, desk.id, 12, base_url=BASE)  # type: ignore[arg-type]
    assert report is not None
    assert report.title == "1 error and 1 warning in the definitions; rollforward (hotfix-label); touches Shop, till"
    assert "`entity.datadog.yaml` is removed" in report.summary
    assert next(forge.asked) == 3, "the paths, and two files"
    compose = composer(store, lambda: {"github": forge}, base_url=BASE)  # type: ignore[dict-item]
    assert await compose(desk.id, 12) == report
    assert await composer(store, dict, base_url=BASE)(desk.id, 12) is None
    desk.tell(state="closed")
    assert await compose(desk.id, 12) is None
    assert await compose(desk.id, 99) is None
    assert await compose(99, 12) is None


async def test_what_the_forge_refuses_is_passed_on(store: Store) -> None:
    desk = Desk(store)
    desk.tell()

    class Closed(Forge):
        async def changed_paths(self, key: RepositoryKey, number: int) -> tuple[str, ...]:
            raise NotAllowedError("forbidden", "pull_requests: read")

    with pytest.raises(NotAllowedError):
        await gather_report(store, Closed({}), desk.id, 12)  # type: ignore[arg-type]
