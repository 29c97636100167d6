"""One release that several sources saw is one deployment, whatever the order of arrival."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from bot.dora.deployments import Deployment, Series
from bot.dora.instants import MINUTE
from bot.dora.releases import NEAR, Releases, find_releases

SERIES = Series(service="shop", env="prod")
C, D = b"c" * 20, b"d" * 20


def seen(source: str, start: float, end: float | None = None, *, sha: bytes | None = C, version: str = "", id: str = "") -> Deployment:
    """A deployment from minute to minute."""
    end = start if end is None else end
    return Deployment(
        id=id or f"{source}@{start:g}", series=SERIES, version=version, repository="github.com/acme/shop" if sha else "",
        commit_sha=sha, started_at=int(start * MINUTE), finished_at=int(end * MINUTE), source=source, received_at=int(end * MINUTE),
    )


def found(*deployments: Deployment) -> dict[str, list[str]]:
    """What counts, with what was merged into it."""
    return {one.deployment.id: [other.id for other in one.merged] for one in find_releases(deployments).releases}


def test_sources_that_saw_the_same_release_are_one() -> None:
    assert found(seen("apm", 10), seen("api", 5, 20), seen("github", 4, 6)) == {"api@5": ["github@4", "apm@10"]}


def test_the_most_trusted_counts_with_its_own_instants() -> None:
    order = ["api", "github", "gitlab", "webhook", "tags", "apm"]
    for at, first in enumerate(order):
        late = [seen(source, 100 - place, 100) for place, source in enumerate(order[at:])]
        (release,) = find_releases(late[::-1]).releases
        assert (release.deployment.source, release.deployment.started_at) == (first, 100 * MINUTE)
        assert [one.source for one in release.merged] == order[at + 1 :]


def test_near_is_thirty_minutes_from_end_to_start() -> None:
    assert found(seen("api", 0, 5), seen("apm", 35)) == {"api@0": ["apm@35"]}
    assert len(found(seen("api", 0, 5), seen("apm", 35.001))) == 2
    assert found(seen("apm", 0), seen("api", 30, 60)) == {"api@30": ["apm@0"]}
    assert len(found(seen("apm", 0), seen("api", 30.001, 60))) == 2
    assert found(seen("api", 0, 600), seen("apm", 300)) == {"api@0": ["apm@300"]}, "however long it took"


def test_a_sha_decides_where_both_have_one_else_the_version() -> None:
    assert len(found(seen("api", 0, sha=C, version="7"), seen("github", 1, sha=D, version="7"))) == 2
    assert len(found(seen("api", 0, sha=C, version="7"), seen("github", 1, sha=C, version="8"))) == 1
    assert len(found(seen("api", 0, sha=None, version="7"), seen("github", 1, sha=D, version="7"))) == 1
    assert len(found(seen("api", 0, sha=None, version="7"), seen("github", 1, sha=D, version="8"))) == 2
    assert len(found(seen("api", 0, sha=None), seen("github", 1, sha=None))) == 2, "nobody says what was deployed"


def test_two_of_one_source_are_never_one() -> None:
    assert len(found(seen("api", 0, 5), seen("api", 3, 6), seen("api", 3, 6, id="twin"))) == 3
    assert found(seen("api", 0), seen("api", 20), seen("apm", 21)) == {"api@0": [], "api@20": ["apm@21"]}, "the nearer one"
    assert found(seen("api", 0), seen("apm", 5), seen("apm", 9)) == {"api@0": ["apm@5"], "apm@9": []}


def test_a_release_may_be_a_chain() -> None:
    assert found(seen("api", 0), seen("github", 20), seen("apm", 40)) == {"api@0": ["github@20", "apm@40"]}
    assert found(seen("api", 40), seen("github", 20), seen("apm", 0)) == {"api@40": ["github@20", "apm@0"]}
    assert len(found(seen("api", 0), seen("github", 20), seen("apm", 51))) == 2


def test_a_chain_never_joins_two_shas() -> None:
    middle = seen("github", 10, sha=None, version="7")
    assert found(seen("api", 0, sha=C, version="7"), middle, seen("apm", 15, sha=D, version="7")) == {
        "api@0": ["github@10"], "apm@15": [],
    }  # fmt: skip


def test_what_it_lacks_is_taken_from_the_next_that_has_it() -> None:
    bare = seen("api", 0, sha=None, version="7")
    (release,) = find_releases([seen("apm", 2, version="7"), seen("github", 9, sha=None, version="7"), bare]).releases
    assert release.deployment == bare._replace(
        commit_sha=C, repository="github.com/acme/shop", received_at=2 * MINUTE
    ), "its commit is known since telemetry told it"
    (named,) = find_releases([seen("api", 0), seen("apm", 1, version="7"), seen("tags", 1, version="8")]).releases
    assert (named.deployment.version, named.deployment.commit_sha) == ("8", C)


SEEN = st.builds(
    seen, st.sampled_from(["api", "github", "webhook", "apm"]), st.integers(0, 12).map(lambda at: at * 10.0),
    sha=st.sampled_from([None, C, D]), version=st.sampled_from(["", "7", "8"]),
)  # fmt: skip


def many(deployments: list[Deployment]) -> list[Deployment]:
    """With ids of their own, some of them long."""
    return [
        one._replace(id=f"{at:02}-{one.id}", finished_at=one.started_at + (at % 3) * 15 * MINUTE)
        for at, one in enumerate(deployments)
    ]


@given(st.lists(SEEN, max_size=12).map(many), st.randoms())
def test_the_order_of_arrival_does_not_matter(deployments: list[Deployment], chance: Random) -> None:
    shuffled = deployments.copy()
    chance.shuffle(shuffled)
    releases = find_releases(shuffled).releases
    assert sorted(releases, key=str) == sorted(find_releases(deployments).releases, key=str)
    members = [one.id for release in releases for one in (release.deployment, *release.merged)]
    assert sorted(members) == sorted(one.id for one in deployments), "everybody is in one release, once"
    for release in releases:
        sources = [one.source for one in (release.deployment, *release.merged)]
        assert len(set(sources)) == len(sources)
        shas = {one.commit_sha for one in (release.deployment, *release.merged)} - {None}
        assert len(shas) <= 1


@given(st.lists(SEEN, min_size=1, max_size=14).map(many), st.data())
def test_nothing_before_its_reach_differs(deployments: list[Deployment], data: st.DataObject) -> None:
    """What comes or goes changes nothing of those that finished before what a derivation from there asks again."""
    at = data.draw(st.integers(0, len(deployments) - 1))
    one, rest = deployments[at], deployments[:at] + deployments[at + 1 :]
    marked = min(one.started_at, one.finished_at) - NEAR
    with_it, without = find_releases(deployments), find_releases(rest)
    for old, new in ((with_it, without), (without, with_it)):
        reach = new.reach(marked)
        before = {each.id for each in rest if each.finished_at < reach}
        assert {id: state for id, state in states(old).items() if id in before} == {
            id: state for id, state in states(new).items() if id in before
        }


def states(found: Releases) -> dict[str, object]:
    """What is stored of each deployment: which one stands for it, else what it took over."""
    counting: dict[str, object] = {one.deployment.id: one.deployment for one in found.releases}
    return counting | {member.id: one.deployment.id for one in found.releases for member in one.merged}


def test_the_far_end_of_a_chain_is_reached() -> None:
    first, middle, last = seen("api", 45), seen("github", 20), seen("apm", 0)
    assert states(find_releases([first, middle, last]))[last.id] == first.id
    left = find_releases([middle, last])
    assert states(left)[last.id] == middle.id
    assert left.reach(first.started_at - NEAR) == last.finished_at
