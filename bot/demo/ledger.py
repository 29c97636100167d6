"""gitlab.example.com/platform/payments/core/ledger: three groups deep, the commits and merge requests of `docs/demo.md`."""

from bot.demo.history import CommitSpec, Moment, Person, PullRequestSpec, RepositorySpec, ReviewSpec, TagSpec

PEOPLE = {
    "dana": Person(login="dana", name="Dana Lindqvist", email="dana@acme.example", number=31),
    "emil": Person(login="emil", name="Emil Novák", email="emil@acme.example", number=32, zone="+0200"),
    "fatou": Person(login="fatou", name="Fatou Diop", email="fatou@acme.example", number=33),
}
PATH = "platform/payments/core/ledger"


def _commit(key: str, parent: str, at: Moment, author: str, subject: str, *changes: str, body: str = "") -> CommitSpec:
    return CommitSpec(
        key=key, parents=(parent,) if parent else (), at=at, author=author, subject=subject, changes=changes, body=body
    )


def _merge(key: str, first: str, second: str, at: Moment, by: str, branch: str, title: str, number: int) -> CommitSpec:
    """GitLab's merge commit, made in the name of whoever merges."""
    return CommitSpec(
        key=key, parents=(first, second), at=at, author=by, subject=f"Merge branch '{branch}' into 'main'",
        body=f"{title}\n\nSee merge request {PATH}!{number}",
    )  # fmt: skip


COMMITS = (
    _commit("l0", "", "-85 09:00", "dana", "Start the ledger", "README.md", "db/schema.sql", "reports/month.py", "src/ledger.py"),
    _commit("a1", "l0", "-83 10:00", "emil", "Add transfers", "src/transfer.py"),
    _commit("a2", "a1", "-82 11:00", "emil", "Test transfers", "tests/test_transfer.py"),
    _commit("a3", "a2", "-82 12:00", "emil", "Describe transfers", "docs/transfers.md"),
    CommitSpec(key="sq1", parents=("l0",), at="-81 11:00", author="emil", subject="Book transfers", squash="a3"),
    _merge("mm1", "l0", "sq1", "-81 11:00", "fatou", "book-transfers", "Book transfers", 1),
    _commit("b1", "mm1", "-76 10:00", "dana", "Index accounts by owner", "db/accounts.sql"),
    _commit("b2", "b1", "-75 11:00", "dana", "Use the account index", "src/accounts.py"),
    _commit("n1", "b2", "-25 10:00", "emil", "Close the month", "src/close.py"),
    _commit("n2", "n1", "-24 10:00", "emil", "Report the closed month", "reports/close.py"),
    _merge("mm3", "b2", "n2", "-23 11:00", "dana", "close-month", "Close the month", 3),
    _commit(
        "y1", "mm3", "-21 09:00", "emil", "Revert \"Merge branch 'close-month' into 'main'\"",
        "-reports/close.py", "-src/close.py", body="This reverts merge request !3",
    ),
    _merge("mm4", "mm3", "y1", "-21 10:00", "fatou", "revert-{mm3:.8}", 'Revert "Close the month"', 4),
    _commit("l5", "mm4", "-8 10:00", "fatou", "Round to cents", "src/round.py"),
)  # fmt: skip

PULL_REQUESTS = (
    PullRequestSpec(
        number=1, branch="book-transfers", title="Book transfers", author="emil", commits=("a1", "a2", "a3"),
        opened="-82 13:00", draft=True, flips=(("-82 14:00", True),),
        reviews=(ReviewSpec(id=201, at="-81 10:00", by="fatou", state="approved"),),
        landing="squash", landed="mm1", brought=("sq1",), merged="-81 11:00", merged_by="fatou",
    ),
    PullRequestSpec(
        number=2, branch="index-accounts", title="Index accounts", author="dana", commits=("b1", "b2"), opened="-75 12:00",
        reviews=(ReviewSpec(id=202, at="-74 08:00", by="fatou", state="approved"),),
        landing="fast-forward", landed="b2", brought=("b1",), merged="-74 09:00", merged_by="fatou",
    ),
    PullRequestSpec(
        number=3, branch="close-month", title="Close the month", author="emil", commits=("n1", "n2"), opened="-24 11:00",
        reviews=(ReviewSpec(id=203, at="-23 10:00", by="dana", state="approved"),),
        landing="merge", landed="mm3", brought=("n1", "n2"), merged="-23 11:00", merged_by="dana",
    ),
    PullRequestSpec(
        number=4, branch="revert-{mm3:.8}", title='Revert "Close the month"', author="emil", commits=("y1",),
        body="This reverts merge request !3", opened="-21 09:10",
        reviews=(ReviewSpec(id=204, at="-21 09:30", by="dana", state="approved"),),
        landing="merge", landed="mm4", brought=("y1",), merged="-21 10:00", merged_by="fatou",
    ),
)  # fmt: skip

LEDGER = RepositorySpec(
    host="gitlab.example.com",
    path=PATH,
    number=4_711,
    people=PEOPLE,
    commits=COMMITS,
    pull_requests=PULL_REQUESTS,
    tags=(TagSpec(name="1.0.0", commit="l0", at="-84 09:30"), TagSpec(name="1.1.0", commit="b2", at="-74 09:30", tagger="dana")),
    line=("l0", "mm1", "b1", "b2", "mm3", "mm4", "l5"),
    pull_ref="refs/merge-requests/{number}/head",
)
