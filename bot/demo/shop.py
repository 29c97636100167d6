"""github.com/acme/shop: a monorepo of three services, the commits and pull requests of `docs/demo.md`."""

from bot.demo.history import CommitSpec, Moment, Person, PullRequestSpec, RepositorySpec, ReviewSpec, TagSpec

PEOPLE = {
    "alice": Person(login="alice", name="Alice Hart", email="alice@acme.example", number=5101),
    "ben": Person(login="ben", name="Ben Okoro", email="ben@acme.example", number=5102, zone="+0530"),
    "chloe": Person(login="chloe", name="Chloé Meyer", email="chloe@acme.example", number=5103, zone="-0300"),
}
CHECKOUT, CATALOG, PRICING = "services/checkout", "services/catalog", "libs/pricing"


def _direct(key: str, parent: str, at: Moment, author: str, subject: str, *changes: str, body: str = "") -> CommitSpec:
    """A commit written by a person, on whatever branch."""
    return CommitSpec(
        key=key, parents=(parent,) if parent else (), at=at, author=author, subject=subject, changes=changes, body=body
    )


def _merge(key: str, first: str, second: str, at: Moment, number: int, branch: str, title: str, by: str = "alice") -> CommitSpec:
    """GitHub's merge commit."""
    subject = f"Merge pull request #{number} from acme/{branch}"
    return CommitSpec(key=key, parents=(first, second), at=at, author=by, subject=subject, body=title, by_forge=True)


def _squash(key: str, parent: str, head: str, at: Moment, author: str, subject: str, body: str = "") -> CommitSpec:
    """GitHub's squash merge: the pull request's author, both dates the merge."""
    return CommitSpec(
        key=key, parents=(parent,), at=at, author=author, subject=subject, squash=head, body=body, by_forge=True
    )


def _rebased(key: str, parent: str, at: Moment, merged: Moment, author: str, subject: str, *changes: str) -> CommitSpec:
    """GitHub's rebase merge: the author date stays, the committer date is the merge."""
    return CommitSpec(
        key=key, parents=(parent,), at=at, committed=merged, author=author, subject=subject, changes=changes, by_forge=True
    )


REFUNDS = (f"{CHECKOUT}/refund.py", f"{CHECKOUT}/test_refund.py")
DARK = ("web/dark.css", "web/dark.js")

COMMITS = (
    _direct(
        "c0", "", "-92 10:00", "alice", "Start the shop", "README.md", f"{PRICING}/price.py", f"{CATALOG}/app.py",
        f"{CHECKOUT}/app.py", "web/currency.js", "web/index.html",
    ),
    _direct("c1", "c0", "-91 09:00", "alice", "Add the basket", f"{CHECKOUT}/basket.py"),
    _direct("c2", "c1", "-88 08:00", "chloe", "Describe how to run the shop", "README.md", "docs/run.md"),
    _direct("g1", "c1", "-89 09:00", "ben", "Add the gift card", f"{CHECKOUT}/gift.py"),
    _direct("g2", "g1", "-88 10:00", "ben", "Show gift cards in the shop", f"{CHECKOUT}/gift.py", "web/gift.html"),
    CommitSpec(
        key="gm", parents=("g2", "c2"), at="-87 09:00", author="ben", subject="Merge branch 'main' into gift-cards"
    ),
    _direct("g3", "gm", "-87 11:00", "ben", "Redeem gift cards", f"{CHECKOUT}/redeem.py"),
    _merge("m1", "c2", "g3", "-86 11:00", 1, "gift-cards", "Gift cards"),
    _direct("e1", "m1", "-86 14:00", "alice", "Read prices in cents", f"{PRICING}/price.py"),
    _direct("e2", "e1", "-85 09:30", "alice", "Format euros", f"{PRICING}/euro.py"),
    _direct("e3", "e2", "-85 10:00", "alice", "Explain euro prices", "docs/pricing.md"),
    _squash(
        "s2", "m1", "e3", "-84 10:00", "alice", "Price in euros (#2)",
        "* Read prices in cents\n\n* Format euros\n\n* Explain euro prices",
    ),
    _direct("e4", "e3", "-85 15:00", "alice", "Show the price in euros", f"{CATALOG}/page.py"),
    _direct("e5", "e4", "-84 08:00", "alice", "Round prices on the page", f"{CATALOG}/page.py"),
    _squash(
        "s3", "s2", "e5", "-83 10:00", "alice", "Show euro prices on product pages (#3)",
        "* Show the price in euros\n\n* Round prices on the page",
    ),
    _direct("r1o", "m1", "-85 11:00", "ben", "Index product names", f"{CATALOG}/index.py"),
    _direct("r2o", "r1o", "-84 14:00", "ben", "Search the index", f"{CATALOG}/search.py"),
    _direct("r3o", "r2o", "-83 15:00", "ben", "Add a search box", "web/search.html"),
    _rebased("r1", "s3", "-85 11:00", "-82 10:00", "ben", "Index product names", f"{CATALOG}/index.py"),
    _rebased("r2", "r1", "-84 14:00", "-82 10:00", "ben", "Search the index", f"{CATALOG}/search.py"),
    _rebased("r3", "r2", "-83 15:00", "-82 10:00", "ben", "Add a search box", "web/search.html"),
    _direct("c3", "r3", "-81 09:00", "chloe", "Fix the footer", "web/footer.html"),
    _direct(
        "c4", "c3", "-80 09:00", "alice", "Move the currency helper to pricing", f"web/currency.js>{PRICING}/currency.js"
    ),
    _direct("f1", "c4", "-79 10:00", "chloe", "Add refunds", REFUNDS[0]),
    _direct("f2", "f1", "-79 16:00", "chloe", "Test refunds", REFUNDS[1]),
    _direct("f3", "f2", "-78 12:00", "chloe", "Round refunds", REFUNDS[0]),
    _squash(
        "s5", "c4", "f3", "-78 14:00", "chloe", "Refund gift cards (#5)", "* Add refunds\n\n* Test refunds\n\n* Round refunds"
    ),
    _direct("h1", "s5", "-77 10:00", "ben", "Let guests check out", f"{CHECKOUT}/guest.py"),
    _direct("h2", "h1", "-76 10:00", "ben", "Remember guests", f"{CHECKOUT}/guest.py"),
    _merge("m6", "s5", "h2", "-75 09:00", 6, "guest", "Check out as a guest"),
    _direct(
        "u1", "m6", "-74 09:00", "chloe", 'Revert "Refund gift cards (#5)"', *(f"-{path}" for path in REFUNDS),
        body="This reverts commit {s5}.",
    ),
    _squash(
        "s7", "m6", "u1", "-74 10:00", "chloe", 'Revert "Refund gift cards (#5)" (#7)', "This reverts commit {s5}."
    ),
    _direct(
        "w1", "s7", "-70 09:00", "chloe", 'Revert "Revert "Refund gift cards (#5)" (#7)"', *REFUNDS,
        body="This reverts commit {s7}.",
    ),
    _squash(
        "s8", "s7", "w1", "-70 12:00", "chloe", 'Revert "Revert "Refund gift cards (#5)" (#7)" (#8)',
        "This reverts commit {s7}.",
    ),
    _direct("k1", "s8", "-68 20:00", "ben", "Guard against empty baskets", f"{CHECKOUT}/basket.py"),
    _merge("m9", "s8", "k1", "-68 20:40", 9, "guard-baskets", "Guard against empty baskets"),
    _direct("d1", "m9", "-60 10:00", "alice", "Add dark colours", DARK[0]),
    _direct("d2", "d1", "-60 14:00", "alice", "Follow the system setting", DARK[1]),
    _squash("s10", "m9", "d2", "-59 10:00", "alice", "Dark mode (#10)", "* Add dark colours\n\n* Follow the system setting"),
    _direct(
        "x1", "s10", "-58 09:00", "chloe", 'Revert "Dark mode (#10)"', *(f"-{path}" for path in DARK),
        body="This reverts commit {s10}.",
    ),
    _merge("m11", "s10", "x1", "-58 10:00", 11, "revert-10-dark-mode", 'Revert "Dark mode"', by="chloe"),
    CommitSpec(
        key="c5", parents=("m11",), at="-40 09:00", author="alice", subject="Cache the basket",
        changes=(f"{CHECKOUT}/cache.py",), clock=315_532_800,
    ),
    _direct("p1", "c5", "-30 10:00", "chloe", "Suggest similar products", f"{CATALOG}/suggest.py"),
    _direct("p2", "p1", "-29 11:00", "chloe", "Show suggestions", "web/suggest.html"),
    _squash(
        "s12", "c5", "p2", "-28 11:00", "chloe", "Suggest products (#12)", "* Suggest similar products\n\n* Show suggestions"
    ),
    _direct("t1o", "c5", "-27 09:00", "alice", "Split the basket", f"{CHECKOUT}/basket.py", f"{CHECKOUT}/lines.py"),
    _direct("t2o", "t1o", "-26 10:00", "alice", "Name the basket's limits", f"{CHECKOUT}/limits.py"),
    _rebased(
        "t1", "s12", "-27 09:00", "-25 09:00", "alice", "Split the basket", f"{CHECKOUT}/basket.py", f"{CHECKOUT}/lines.py"
    ),
    _rebased("t2", "t1", "-26 10:00", "-25 09:00", "alice", "Name the basket's limits", f"{CHECKOUT}/limits.py"),
    _direct("v1", "t2", "-15 10:00", "ben", "Add invoices", f"{CHECKOUT}/invoice.py"),
    _direct("v2", "v1", "-14 10:00", "ben", "Print invoices", "web/invoice.html"),
    _merge("m14", "t2", "v2", "-13 10:00", 14, "invoices", "Pay by invoice"),
    _direct("c6", "m14", "-6 14:00", "ben", "Tune the rounding of prices", f"{PRICING}/round.py"),
    _direct("q1", "c6", "-4 09:00", "alice", "Measure page time", f"{CATALOG}/page.py"),
    _direct("q2", "q1", "-3 10:00", "alice", "Cache rendered pages", f"{CATALOG}/cache.py"),
    _direct("q3", "q2", "-2 10:30", "alice", "Fix a typo in the page", f"{CATALOG}/page.py"),
    _squash(
        "s15", "c6", "q3", "-2 11:00", "alice", "Faster product pages (#15)",
        "* Measure page time\n\n* Cache rendered pages\n\n* Fix a typo in the page",
    ),
    _direct("z1", "s15", "-1 10:00", "chloe", "Draw a new logo", "web/logo.svg"),
)  # fmt: skip


def _approved(id: int, at: Moment, by: str, *, dismissed: Moment = "") -> ReviewSpec:
    return ReviewSpec(id=id, at=at, by=by, state="approved", dismissed=dismissed)


PULL_REQUESTS = (
    PullRequestSpec(
        number=1, branch="gift-cards", title="Gift cards", author="ben", commits=("g1", "g2", "gm", "g3"),
        body="Customers can buy and redeem gift cards.", opened="-88 11:00",
        flips=(("-88 15:00", False), ("-87 12:00", True)),
        reviews=(_approved(101, "-87 15:00", "alice", dismissed="-86 09:00"), _approved(102, "-86 10:00", "alice")),
        landing="merge", landed="m1", brought=("g1", "g2", "gm", "g3"), merged="-86 11:00", merged_by="alice",
    ),
    PullRequestSpec(
        number=2, branch="euro-prices", title="Price in euros", author="alice", commits=("e1", "e2", "e3"),
        opened="-85 10:30", reviews=(_approved(103, "-84 09:00", "chloe"),),
        landing="squash", landed="s2", merged="-84 10:00", merged_by="alice",
    ),
    PullRequestSpec(
        number=3, branch="euro-pages", title="Show euro prices on product pages", author="alice",
        commits=("e1", "e2", "e3", "e4", "e5"), body="Stacked on #2.", opened="-85 16:00", stacked_on="euro-prices",
        retargeted="-84 10:05", reviews=(_approved(104, "-83 09:00", "ben"),),
        landing="squash", landed="s3", merged="-83 10:00", merged_by="alice",
    ),
    PullRequestSpec(
        number=4, branch="search-speed", title="Speed up search", author="ben", commits=("r1o", "r2o", "r3o"),
        opened="-83 16:00", reviews=(_approved(105, "-82 09:00", "alice"),),
        landing="rebase", landed="r3", brought=("r1", "r2"), merged="-82 10:00", merged_by="alice", branch_kept=True,
    ),
    PullRequestSpec(
        number=5, branch="refunds", title="Refund gift cards", author="chloe", commits=("f1", "f2", "f3"),
        opened="-79 17:00", draft=True, flips=(("-78 09:00", True),),
        reviews=(
            ReviewSpec(id=106, at="-78 11:00", by="ben", state="changes_requested"), _approved(107, "-78 13:00", "ben"),
        ),
        landing="squash", landed="s5", merged="-78 14:00", merged_by="chloe",
    ),
    PullRequestSpec(
        number=6, branch="guest", title="Check out as a guest", author="ben", commits=("h1", "h2"), opened="-76 11:00",
        reviews=(ReviewSpec(id=108, at="-76 12:00", by="ben", state="commented"),),
        landing="merge", landed="m6", brought=("h1", "h2"), merged="-75 09:00", merged_by="alice",
    ),
    PullRequestSpec(
        number=7, branch="revert-5-refunds", title='Revert "Refund gift cards"', author="chloe", commits=("u1",),
        body="Reverts acme/shop#5", opened="-74 09:05", reviews=(_approved(109, "-74 09:30", "alice"),),
        landing="squash", landed="s7", merged="-74 10:00", merged_by="chloe",
    ),
    PullRequestSpec(
        number=8, branch="revert-7-revert-5-refunds", title='Revert "Revert "Refund gift cards""', author="chloe",
        commits=("w1",), body="Reverts acme/shop#7", opened="-70 09:10", reviews=(_approved(110, "-70 11:00", "ben"),),
        landing="squash", landed="s8", merged="-70 12:00", merged_by="chloe",
    ),
    PullRequestSpec(
        number=9, branch="guard-baskets", title="Guard against empty baskets", author="ben", commits=("k1",),
        body="An empty basket broke the payment page.", opened="-68 20:10", labels=(("hotfix", "-68 20:11"),),
        reviews=(_approved(111, "-68 20:30", "alice"),),
        landing="merge", landed="m9", brought=("k1",), merged="-68 20:40", merged_by="alice",
    ),
    PullRequestSpec(
        number=10, branch="dark-mode", title="Dark mode", author="alice", commits=("d1", "d2"), opened="-60 15:00",
        reviews=(_approved(112, "-59 09:00", "chloe"),),
        landing="squash", landed="s10", merged="-59 10:00", merged_by="alice",
    ),
    PullRequestSpec(
        number=11, branch="revert-10-dark-mode", title='Revert "Dark mode"', author="chloe", commits=("x1",),
        body="Reverts acme/shop#10", opened="-58 09:10", reviews=(_approved(113, "-58 09:40", "alice"),),
        landing="merge", landed="m11", brought=("x1",), merged="-58 10:00", merged_by="chloe",
    ),
    PullRequestSpec(
        number=12, branch="suggestions", title="Suggest products", author="chloe", commits=("p1", "p2"),
        opened="-29 12:00", labels=(("feature", "-29 12:05"),), reviews=(_approved(114, "-28 10:00", "ben"),),
        landing="squash", landed="s12", merged="-28 11:00", merged_by="chloe",
    ),
    PullRequestSpec(
        number=13, branch="tidy-basket", title="Tidy the basket", author="alice", commits=("t1o", "t2o"),
        opened="-26 11:00", reviews=(_approved(115, "-26 15:00", "chloe"),),
        landing="rebase", landed="t2", brought=("t1",), merged="-25 09:00", merged_by="chloe", branch_kept=True,
    ),
    PullRequestSpec(
        number=14, branch="invoices", title="Pay by invoice", author="ben", commits=("v1", "v2"), opened="-14 11:00",
        reviews=(_approved(116, "-13 09:00", "alice"),),
        landing="merge", landed="m14", brought=("v1", "v2"), merged="-13 10:00", merged_by="alice",
    ),
    PullRequestSpec(
        number=15, branch="page-cache", title="Faster product pages", author="alice", commits=("q1", "q2", "q3"),
        opened="-3 11:00", reviews=(_approved(117, "-2 10:00", "ben"),),
        landing="squash", landed="s15", merged="-2 11:00", merged_by="alice",
    ),
    PullRequestSpec(
        number=16, branch="new-logo", title="Try a new logo", author="chloe", commits=("z1",), opened="-1 11:00", draft=True
    ),
)  # fmt: skip

SHOP = RepositorySpec(
    host="github.com",
    path="acme/shop",
    number=70_010,
    people=PEOPLE,
    commits=COMMITS,
    pull_requests=PULL_REQUESTS,
    tags=(TagSpec(name="v1.6.0", commit="m14", at="-13 10:30", tagger="alice"),),
    line=(
        "c0", "c1", "c2", "m1", "s2", "s3", "r1", "r2", "r3", "c3", "c4", "s5", "m6",
        "s7", "s8", "m9", "s10", "m11", "c5", "s12", "t1", "t2", "m14", "c6", "s15",
    ),
    pull_ref="refs/pull/{number}/head",
)
