"""The pages: complete without JavaScript, escaped, in words, legible; on both engines where they read."""

import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest

import bot.web
from bot.dora.changes import Candidate
from bot.dora.instants import DAY, HOUR, MINUTE, SECOND
from bot.dora.reasons import Dropped, NoRestore, NoStage, NotComputed, NotRemediation, NoValue
from bot.store.opening import open_store
from bot.web import words
from bot.web.charts import columns, sparkline, stacked
from tests.support.faces import KEY, NOW, browse
from tests.support.seed import Change, Seed, organisation, sha

CSS = (Path(bot.web.__file__).parent / "static" / "style.css").read_text()
PLAIN = "plain"
HOSTILE = (
    "<script>alert(1)</script>", "</title><script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "' onfocus='alert(1)",
    "\" autofocus onfocus=\"alert(1)", "<svg/onload=alert(1)>", "</svg><script>alert(1)</script>", "<iframe src=javascript:alert(1)>",
    "javascript:alert(1)", "{{ 7 * 7 }}", "{% include '/etc/passwd' %}", "&lt;script&gt;alert(1)&lt;/script&gt;", "<!--", "-->",
    "<style>*{display:none}</style>", "]]><script>alert(1)</script>", "<a href=\"data:text/html,x\">x</a>", "`${alert(1)}`",
    "<math><mi xlink:href=\"javascript:alert(1)\">", "\u202e<b>bidi</b>", "<base href=//evil.example>", "<form action=//evil.example>",
    "\\u003cscript\\u003e", "%3Cscript%3E", "<meta http-equiv=refresh content=0>", "</textarea></select></style><b>",
)  # fmt: skip


class Nodes(HTMLParser):
    """The elements of a page with the names of their attributes, its text, and where it points to."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.shape, self.links, self.text, self.values = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.shape.append((tag, tuple(name for name, _ in attrs)))
        for name, value in attrs:
            self.values.append(value or "")
            if name in ("href", "src", "action", "formaction", "xlink:href", "data", "poster"):
                self.links.append(value or "")

    def handle_data(self, data):
        self.text.append(data)

    def handle_comment(self, data):
        self.shape.append(("comment", (data,)))

    @property
    def words(self):
        return re.sub(r"\s+", " ", "".join(self.text))


def dressed(texts) -> Seed:
    """One of everything for each text, with the text in every field that others write."""
    seed = Seed()
    seed.repository(1, "github.com/acme/shop", synced_at=NOW - HOUR)
    seed.deployment("linked-1", "linked", NOW - HOUR)
    links = [["Docs", text] for text in texts] + [["Source", "https://github.com/acme/shop"]]
    seed.definition("linked", links=json.dumps(links))
    catalog = {"digest": "", "received_at": NOW}
    problems = [{"file": text, "line": 1, "column": 1, "severity": "error", "message": text} for text in texts]
    seed.rows["catalog"].append(catalog | {"kind": "definitions", "body": "", "problems": json.dumps(problems)})
    # Field and options are closed sets, which the reader of rules.yaml holds.
    rules = [{"id": text, "field": "pr_title", "pattern": text} for text in texts]
    body = {"linked": rules, "static": rules, "options": {"formula": "all"}}
    seed.rows["catalog"].append(catalog | {"kind": "rules", "body": json.dumps(body), "problems": "[]"})
    for n, text in enumerate(texts):
        _dress(seed, n, text)
    return seed


def _dress(seed: Seed, n: int, text: str) -> None:
    tags = json.dumps([text])
    pattern = "/" + text.replace("//", "/").replace("\\", "")  # else there is one warning more to show
    seed.definition(text, team=text, tags=tags, languages=tags, patterns=[pattern], location=text)
    seed.claim(text, path=text, location=text)
    told = [{"file": text, "line": 1, "column": 1, "severity": "error", "message": text}]
    file = {"repository_id": 1, "path": text, "blob": None, "commit_sha": sha("1"), "read_from": NOW, "good_commit": None}
    seed.rows["definition_file"].append(file | {"problems": json.dumps(told)})
    wish = {"repository_id": 1, "ref": str(n), "wanted_at": NOW, "version": 1, "attempts": n, "run_at": NOW}
    seed.rows["fetch"].append(wish | {"error": text})
    common = {"env": text, "version": text, "team": text, "tags": tags, "repository": "github.com/acme/shop", "source": text}
    one, two, three = (f"{name}-{n}" for name in ("d1", "d2", "d3"))
    seed.deployment(one, text, NOW - 3 * DAY, commit_sha=sha("1"), **common)
    seed.derived(one, not_computed="first_deployment")
    seed.deployment(two, text, NOW - 2 * DAY, commit_sha=sha("2"), **common)
    kept = seed.commit(1, f"kept {n}", at=NOW - 3 * DAY, author=text, subject=text)
    out = seed.commit(1, f"out {n}", at=NOW - 3 * DAY, author=text, subject=text)
    seed.derived(
        two, Change(sha=kept, lead_time=DAY), predecessor=one, dropped=[Candidate(sha=out, reason=Dropped.PATH)],
        type_flags=[text], near_misses=[[text, "reland", text]],
    )  # fmt: skip
    seed.deployment(three, text, NOW - DAY, **common)
    seed.derived(three, type="rollback", not_computed="no_git")
    seed.remediation(three, two, rule=text, field=text, value=text, original=text)
    seed.delivery(NOW - n, event=text, state="dead", reason=text, source=text, key=text)


async def load(client, path, *, status=200, **parameters):
    """A page, parsed; every page also keeps the Content-Security-Policy without exceptions."""
    response = await client.get(path, params=parameters or None)
    body = await response.text()
    assert (response.status, response.content_type) == (status, "text/html"), body
    nodes = Nodes(body)
    names = {name for _, attributes in nodes.shape for name in attributes}
    assert not {tag for tag, _ in nodes.shape} & {"script", "style", "iframe", "object", "embed", "base"}
    assert "style" not in names and not any(name.startswith("on") for name in names)
    assert "unsafe-inline" not in response.headers["Content-Security-Policy"]
    for link in nodes.links:
        assert link.startswith(("/", "#")) or re.match(r"https?://github\.com/", link), link
        assert not link.startswith("//")
    assert ("h1", ()) in nodes.shape
    return nodes


PAGES = ("/", "/deployments", "/repositories", "/deliveries", "/definitions", "/rules")


async def test_an_empty_store_says_what_to_do_next(aiohttp_client, store):
    client = await browse(aiohttp_client, store, Seed(), BASE_URL="https://dora.example")
    first = await load(client, "/")
    assert "Nothing has been deployed yet" in first.words
    assert "rollforward backfill --from-tags 'v*'" in first.words
    assert "curl -X POST https://dora.example/api/v2/dora/deployment" in first.words
    assert "rollforward sync" in (await load(client, "/repositories")).words
    assert "https://dora.example/webhooks/github" in (await load(client, "/deliveries")).words
    assert "rollforward validate" in (await load(client, "/definitions")).words
    await load(client, "/rules")


async def test_what_became_of_a_repository_at_its_forge_is_said(aiohttp_client, store):
    seed = Seed()
    for n, state in enumerate(("archived", "removed", "deleted"), 1):
        seed.repository(n, f"github.com/acme/{state}", synced_at=NOW - HOUR)
        told = {"repository_id": n, "installation_id": "", "state": state, "state_at": NOW, "told_at": NOW}
        seed.rows["forge_repository"].append(told)
    page = await load(await browse(aiohttp_client, store, seed), "/repositories")
    assert "never synced" not in page.words
    for text in ("archived", "not read any more", "it was taken from the App’s installation", "deleted"):
        assert text in (word.strip() for word in page.text), text


async def test_definitions_tell_their_origin_their_rivals_and_what_is_wrong(aiohttp_client, store):
    seed = Seed()
    seed.repository(1, "github.com/acme/shop", synced_at=NOW - HOUR)
    seed.repository(2, "github.com/acme/cart", synced_at=NOW - HOUR)
    seed.definition("Shop", patterns=["shop/**"])
    seed.claim("Shop", path="entity.datadog.yaml")
    located = json.dumps([["https://github.com/acme/libs", ["a/**", "b/**"]]])
    for name, locations in (("cart", "[]"), ("till", located)):
        seed.rows["definition"].append(
            {"service": name, "shown": name, "schema_version": "v3", "team": "", "tags": "[]", "languages": "[]"}
            | {"source_patterns": None, "links": "[]", "location": "entity.datadog.yaml:4", "repository_id": 2}
            | {"code_locations": locations, "rules": "", "pagerduty": ""}
        )
        seed.claim(name, repository_id=2, path="entity.datadog.yaml", code_locations=locations)
    file = {"repository_id": 1, "blob": sha("b"), "commit_sha": sha("1"), "read_from": NOW}
    for path, good, severity in (("a.yaml", sha("g"), "error"), ("b.yaml", None, "error"), ("c.yaml", sha("g"), "warning")):
        told = [{"file": path, "line": 3, "column": 7, "severity": severity, "message": "odd"}]
        seed.rows["definition_file"].append(file | {"path": path, "good_commit": good, "problems": json.dumps(told)})
    client = await browse(aiohttp_client, store, seed)
    page = await load(client, "/definitions")
    for text in (
        "service_definitions/Shop.yaml:1", "overrules github.com/acme/shop@entity.datadog.yaml:4", "everything in github.com/acme/cart",
        "https://github.com/acme/libs a/** b/**", "Problems in github.com/acme/shop@a.yaml", "a.yaml:3:7 odd", "nothing of it is in force",
        f"what stood there at {sha('g').hex()[:12]} stays in force", "3 definition files in repositories",
    ):  # fmt: skip
        assert text in page.words, text
    assert page.words.count("There are errors") == 2
    paths = await (await client.get("/api/v1/services/shop/paths", headers={"DD-API-KEY": KEY})).json()
    assert paths["repositories"] == [], "neither deployed nor linked"
    cart = await (await client.get("/api/v1/services/cart/paths", headers={"DD-API-KEY": KEY})).json()
    assert [(one["repository"], one["patterns"]) for one in cart["repositories"]] == [("github.com/acme/cart", ["**"])]
    assert cart["repositories"][0]["origin"] == "the repository that holds the definition (github.com/acme/cart@entity.datadog.yaml:4)"


@pytest.mark.parametrize(
    ("digest", "severity", "words"),
    [
        ("d", "warning", "What is in force of the folder was read 3 hours ago, when it last changed;"),
        ("d", "error", "What is in force of the folder was read 3 hours ago, before its files had the errors that they have now;"),
        ("", "error", "Nothing of the folder is in force: it had errors when it was first read, 3 hours ago, and has some now;"),
    ],
)
async def test_when_the_folder_was_read_is_of_what_is_in_force(aiohttp_client, store, digest, severity, words):
    seed = Seed()
    seed.claim("Shop", path="entity.datadog.yaml")
    seed.definition("Shop")
    told = [{"file": "a.yaml", "line": 3, "column": 7, "severity": severity, "message": "odd"}]
    state = {"kind": "definitions", "digest": digest, "received_at": NOW - 3 * HOUR, "body": "", "problems": json.dumps(told)}
    seed.rows["catalog"].append(state)
    page = await load(await browse(aiohttp_client, store, seed), "/definitions")
    assert words in re.sub(r"\s+", " ", page.words)
    assert "/schema/service-definition.json" in page.links, "editors may have it"


async def test_the_overview_groups_five_metrics_and_lists_each_service(aiohttp_client, store):
    client = await browse(aiohttp_client, store, organisation(NOW))
    page = await load(client, "/", days="30")
    for title in ("Throughput", "Deployment frequency", "Change lead time", "Failed deployment recovery time", "Instability",
                  "Change failure rate", "Deployment rework rate"):  # fmt: skip
        assert title in page.words
    assert page.words.index("recovery time") < page.words.index("Instability") < page.words.index("Change failure rate")
    assert {link.partition("?")[0] for link in page.links if link.startswith("/services/")} == {
        "/services/checkout", "/services/catalog", "/services/indexer", "/services/web", "/services/mailer",
    }  # fmt: skip
    assert "than in the 30 days before" in page.words
    assert "in DORA’s 2024 table" in page.words
    assert any("Change lead time, week by week: " in value for value in page.values)  # the trend in words


async def test_production_is_preselected_said_so_and_removable(aiohttp_client, store):
    client = await browse(aiohttp_client, store, organisation(NOW))
    implied = await load(client, "/")
    assert "Only production is shown (prod, production, live, or no environment given)" in implied.words
    assert "/?env=all" in implied.links
    whole = await load(client, "/", env="all")
    assert "Only production is shown" not in whole.words

    def count(page):
        return int(re.search(r"(\d+) deployments on", page.words)[1])

    assert count(whole) == count(implied) + count(await load(client, "/", env="staging"))
    assert "Only production is shown" not in (await load(client, "/", env="production")).words


async def test_filters_live_in_the_url_and_are_kept_by_links(aiohttp_client, store):
    client = await browse(aiohttp_client, store, organisation(NOW))
    page = await load(client, "/", days="90", team="payments", tag="")
    assert "/?days=90&env=all&team=payments" in [re.sub(r"\?.*", "", one) + "?" + "&".join(sorted(one.split("?")[1].split("&")))
                                                 for one in page.links if one.startswith("/?")]  # fmt: skip
    assert "/services/checkout?days=90&team=payments" in page.links
    assert not any("/services/catalog" in link for link in page.links)
    nothing = await load(client, "/", service="nobody")
    assert "No deployments match" in nothing.words
    for wrong in ({"bogus": "1"}, {"days": "0"}, {"days": "x"}, {"days": "0000019999999"}, {"days": "1" * 5_000}, {"from": "soon"}, {"service": "\x00"}):
        refused = await load(client, "/", status=400, **wrong)
        assert next(iter(wrong)) in refused.words


async def test_a_service_shows_metrics_over_time_deployments_and_patterns(aiohttp_client, store):
    client = await browse(aiohttp_client, store, organisation(NOW))
    page = await load(client, "/services/Checkout", days="90")
    for text in ("Over time", "Where the time goes", "services/checkout/**", "service_definitions/checkout.yaml:1",
                 "rollforward paths checkout"):  # fmt: skip
        assert text in page.words
    older = next(link for link in page.links if "cursor=" in link)
    assert set(re.findall(r"/deployments/\S+", " ".join(page.links))).isdisjoint(
        re.findall(r"/deployments/\S+", " ".join((await load(client, older)).links))
    )
    assert "docs/missing/**: matches no file" in (await load(client, "/services/catalog")).words
    assert "Nobody has defined this service" in (await load(client, "/services/web")).words
    assert "nobody has deployed it yet" in (await load(client, "/services/mailer")).words
    assert "There is no service 'nobody'." in (await load(client, "/services/nobody", status=404)).words
    assert "There is no service 'chekout'; did you mean checkout?" in (await load(client, "/services/Chekout", status=404)).words


async def test_a_service_with_a_slash_in_its_name_has_its_page(aiohttp_client, store):
    seed = Seed()
    seed.deployment("d1", "team/shop & co", NOW - HOUR)
    client = await browse(aiohttp_client, store, seed)
    link = next(link for link in (await load(client, "/")).links if link.startswith("/services/"))
    assert "team/shop & co" in (await load(client, link)).words


async def test_a_deployment_opens_down_to_commits_reasons_and_evidence(aiohttp_client, store):
    seed = Seed()
    seed.repository(1, "github.com/acme/shop", synced_at=NOW)
    git = {"repository": "github.com/acme/shop"}
    for n, day in ((1, 5), (2, 4), (3, 3)):
        seed.deployment(f"d{n}", "Shop", NOW - day * DAY, version=f"v{n}", commit_sha=sha(f"v{n}"), **git)
    kept = seed.commit(1, "kept", at=NOW - 5 * DAY, author="Ada <ada@example.com>", subject="Round half to even")
    out = seed.commit(1, "out", at=NOW - 5 * DAY, author="Bo <bo@example.com>", subject="Docs")
    absent = ("no_approval", "no_approval", "no_approval", "", "")
    change = Change(sha=kept, lead_time=26 * HOUR, stages=(None, None, None, 25 * HOUR, HOUR), absent=absent, number=7)
    seed.derived("d1", not_computed="first_deployment")
    seed.derived("d2", change, predecessor="d1", dropped=[Candidate(sha=out, reason=Dropped.PATH)])
    seed.derived("d3", type="rollforward", not_computed="same_commit", predecessor="d2")
    seed.remediation("d3", "d2", type="rollforward", rule="hotfix-label", field="pr_label", value="hotfix")
    client = await browse(aiohttp_client, store, seed)
    page = await load(client, "/deployments/d2")
    for text in ("1 d 2 h for its one commit", "Round half to even", "#7", "touches none of this service's paths",
                 "merged without an approval", "a rollforward; it took 1 d to recover", "rule hotfix-label saw “hotfix” in pr_label",
                 f"{sha('v1').hex()}..{sha('v2').hex()}", "git log --no-merges", "rollforward explain d2"):  # fmt: skip
        assert text in page.words, text
    assert "ada@example.com" not in page.words
    assert any(value.startswith("Mean of each stage: ") for value in page.values)
    assert "None: the first deployment of its series" in (await load(client, "/deployments/d1")).words
    assert "None: it deployed the same commit" in (await load(client, "/deployments/d3")).words
    await load(client, "/deployments/nobody", status=404)


async def test_rework_that_blames_nobody_is_told_by_its_rule(aiohttp_client, store):
    seed = Seed()
    seed.deployment("d1", "Shop", NOW - DAY, version="v1")
    seed.derived("d1", type="rollforward", not_computed="no_git")
    seed.remediation("d1", "", type="rollforward", rule="unplanned", field="pr_label", value="night work", original="")
    client = await browse(aiohttp_client, store, seed)
    page = await load(client, "/deployments/d1")
    assert "rework: rule unplanned saw “night work” in pr_label, and blames no deployment" in page.words
    assert "With none: it came without a commit" in page.words
    assert not any("pending" in value or value == "/deployments/" for value in (*page.values, *page.links))


async def test_hostile_texts_make_no_new_nodes(aiohttp_client, store, tmp_path):
    assert len(HOSTILE) >= 20
    kinds = ("/services/{}?env=all", "/?env=all&service={}", "/?env=all&tag={}")
    plain = [f"plain{n}" for n in range(len(HOSTILE))]
    other = open_store(f"sqlite:///{tmp_path / 'plain.db'}")
    try:
        other.migrate()
        harmless = await browse(aiohttp_client, other, dressed(plain))
        hostile = await browse(aiohttp_client, store, dressed(HOSTILE))
        for path in (*PAGES, "/?env=all&days=90", "/deployments?env=all&days=90", "/services/linked?env=all", "/deliveries?state=dead"):
            await same_nodes(harmless, hostile, path, path)
        for n, text in enumerate(HOSTILE):
            for page in (f"/deployments/d2-{n}", f"/deployments/d3-{n}") if n % 5 else (f"/deployments/d1-{n}",):
                await same_nodes(harmless, hostile, page, page)
            for page in kinds:
                # one kind of page per text, all kinds over the texts
                if n % 3 == kinds.index(page):
                    await same_nodes(harmless, hostile, page.format(plain[n]), page.format(quote(text, safe="")))
    finally:
        other.close()


async def same_nodes(harmless, hostile, plain_path, path):
    """A hostile page has the nodes of a harmless one, and points nowhere else."""
    expected, found = await load(harmless, plain_path), await load(hostile, path)
    assert Counter(found.shape) == Counter(expected.shape), path  # the order of rows follows the texts
    assert len(found.links) == len(expected.links)


async def test_a_page_refuses_what_json_refuses(aiohttp_client, store):
    client = await browse(aiohttp_client, store, small := dressed([PLAIN]), HOST="192.0.2.1", DASHBOARD="login")
    assert small.rows
    for path in PAGES:
        assert (await client.get(path)).status == 401
        assert (await client.get(path, headers={"Authorization": f"Bearer {KEY}"})).status == 200


async def test_the_style_sheet_and_the_icon_are_served_and_nothing_else(aiohttp_client, store):
    client = await browse(aiohttp_client, store, Seed())
    for name, kind in (("style.css", "text/css"), ("favicon.svg", "image/svg+xml")):
        response = await client.get(f"/static/{name}")
        assert (response.status, response.content_type) == (200, kind)
    for name in ("..%2Fpages.py", "x", "style.css%00"):
        assert (await client.get(f"/static/{name}")).status == 404


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"), (0, "0 s"), (SECOND // 2, "0.5 s"), (42 * SECOND, "42 s"), (5 * MINUTE + 30 * SECOND, "5 min 30 s"),
        (HOUR, "1 h"), (2 * DAY + 4 * HOUR + 59 * MINUTE, "2 d 4 h"), (DAY + MINUTE, "1 d"), (400 * DAY, "400 d"),
        (1234 * DAY, "1,234 d"), (-HOUR, "−1 h"), (50.5 * SECOND, "50 s"),
    ],
)  # fmt: skip
def test_durations_are_said_for_people(value, shown):
    assert words.duration(value).replace("\u00a0", " ") == shown


@pytest.mark.parametrize(
    ("per_day", "shown"),
    [(2, ("2", "per day")), (1, ("1", "per day")), (0.5, ("3.5", "per week")), (0.1, ("3", "per month")), (0, ("0", "per month"))],
)
def test_frequencies_are_said_in_the_unit_that_fits(per_day, shown):
    assert words.frequency(per_day) == shown


@pytest.mark.parametrize(
    ("past", "shown"),
    [(None, "never"), (-HOUR, "just now"), (59 * SECOND, "just now"), (MINUTE, "1 minute ago"), (DAY - 1, "23 hours ago"),
     (DAY, "1 day ago"), (2 * DAY - 1, "1 day ago"), (1234 * DAY, "1,234 days ago")],
)  # fmt: skip
def test_the_past_is_said_in_one_unit(past, shown):
    assert words.ago(None if past is None else NOW - past, NOW).replace("\u00a0", " ") == shown


def test_what_was_ignored_and_what_is_absent_is_said_in_words():
    assert words.ignored("event_star") == "the event star is not used here"
    assert words.ignored("action_labeled") == "the action labeled is not used here"
    assert words.ignored("other_ref") == "neither a branch nor a tag"
    assert words.ignored("something new") == "something new"
    absent = {"merge_time": "no_approval", "review_time": "no_approval", "time_to_pr_ready": "commit_after_ready"}
    assert words.absences(absent) == [
        ("To PR ready", "committed after the pull request was ready"),
        ("Review, Merge", "its pull request was merged without an approval"),
    ]
    assert [len(words.shortened(text)) for text in ("a" * 40, "g" * 40, "a" * 39)] == [10, 40, 39]


async def test_why_nothing_is_compared_is_said(aiohttp_client, store):
    client = await browse(aiohttp_client, store, organisation(NOW))
    assert "Not compared with the 90 days before: they are not known in full" in (await load(client, "/", days="90")).words
    assert "Not compared" not in (await load(client, "/", days="30")).words


def test_every_reason_has_its_words():
    for reasons in (NotComputed, Dropped, NoStage, NotRemediation, NoValue, NoRestore):
        assert {str(reason) for reason in reasons} <= set(words.REASONS)


def test_charts_leave_gaps_where_nothing_is_known_and_say_what_they_show():
    line = sparkline([1, None, 3, 4], label="<b>")
    assert line.count("<polyline") == 1 and line.count('class="dot"') == 1 and "&lt;b&gt;" in line
    assert sparkline([None, None], label="") == ""
    assert columns([0.0, 0.0], ["a", "b"], ["0", "0"], label="") == ""
    assert columns([1.0, None, 2.0], ["a", "b", "c"], ["1", "–", "2"], label="x").count("<rect") == 2
    bar = stacked([("Review", 30.0, "30 s"), ("Merge", None, "–"), ("Deploy", 10.0, "10 s")], label="x")
    assert re.findall(r'width="([0-9.]+)"', bar) == ["478.5", "158.5"]


def _luminance(colour):
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_has_contrast_enough_in_both_schemes(scheme):
    block = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)[scheme]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
    pairs = [(text, ground) for text in ("ink", "soft", "accent", "good", "bad", "warn") for ground in ("paper", "card")]
    pairs += [("good", "good-soft"), ("bad", "bad-soft"), ("warn", "warn-soft"), ("ink", "faint"), ("ink", "accent-soft"),
              ("paper", "accent")]  # fmt: skip
    for text, ground in pairs:
        light, dark = sorted((_luminance(colours[text]), _luminance(colours[ground])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)
