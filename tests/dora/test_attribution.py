"""Which deployments stand near a failure: examples on a day counted in minutes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.dora.attribution import Basis, Deployed, Failing, Level, Mended, Part, attribute
from bot.dora.instants import MINUTE

OLD, NEW = b"\x01" * 20, b"\x02" * 20


def deployed(id, at, *, env="prod", service="shop", version="", sha=None, failed=False, mended=None):
    """A deployment that finished at a minute of the day; `mended`: when its remediation, called `fix`, finished."""
    return Deployed(
        id=id, service=service, env=env, version=version, commit_sha=sha, finished_at=at * MINUTE,
        failed=failed or mended is not None, mended=None if mended is None else Mended(id="fix", finished_at=mended * MINUTE),
    )  # fmt: skip


def failing(start, end=None, *, services=("shop",), envs=("prod",), version="", sha=None, of_team=False):
    return Failing(
        id="f", source="api", services=frozenset(services), envs=frozenset(envs), version=version, commit_sha=sha,
        started_at=start * MINUTE, finished_at=None if end is None else end * MINUTE, of_team=of_team,
    )  # fmt: skip


def near(failure, *deployments):
    """(level, deployment) of each link, in order."""
    return [(str(link.level), link.deployment and link.deployment.id) for link in attribute(failure, deployments)]


NOTHING = [("none", None)]
FAILED = deployed("v2", 100, mended=200)


@pytest.mark.parametrize(
    ("failure", "deployments", "expected"),
    [
        # The hour before, its edges included; the latest alone; nearer is not surer.
        (failing(160), [deployed("v1", 100)], [("just_before", "v1")]),
        (failing(161), [deployed("v1", 100)], NOTHING),
        (failing(100), [deployed("v1", 100)], [("just_before", "v1")]),
        (failing(99), [deployed("v1", 100)], NOTHING),
        (failing(120), [deployed("v1", 100), deployed("v2", 119)], [("just_before", "v2")]),
        # The failure lasted when the remediation came, or had ended at most 30 minutes before.
        (failing(150, 200), [FAILED], [("mended", "v2")]),
        (failing(150), [FAILED], [("mended", "v2")]),
        (failing(150, 170), [FAILED], [("mended", "v2")]),
        (failing(150, 169), [FAILED], [("just_before", "v2")]),
        (failing(200), [FAILED], [("mended", "v2")]),
        (failing(201), [FAILED], NOTHING),
        (failing(90, 250), [FAILED], NOTHING),  # it hurt before the deployment
        (failing(150, 210), [deployed("v2", 100, failed=True)], [("just_before", "v2")]),  # nothing has mended it
        # Several deployments that one remediation mended; what did not fail is not suspected beside them.
        (failing(150, 210), [FAILED, deployed("v3", 110, mended=200), deployed("v4", 140)], [("mended", "v3"), ("mended", "v2")]),
        # Named: by commit, else by version; the latest that had finished, else the earliest; nothing else in that series.
        (failing(9999, sha=OLD), [deployed("v1", 1, sha=OLD), deployed("v2", 9990, sha=NEW)], [("named", "v1")]),
        (failing(50, sha=OLD), [deployed("v1", 1, sha=OLD), deployed("again", 49, sha=OLD)], [("named", "again")]),
        (failing(50, sha=OLD), [deployed("v2", 70, sha=OLD), deployed("v3", 60, sha=OLD)], [("named", "v3")]),
        (failing(50, sha=OLD, version="2"), [deployed("v1", 1, sha=OLD), deployed("v2", 40, version="2")], [("named", "v1")]),
        (failing(50, sha=NEW, version="2"), [deployed("v1", 1, sha=OLD), deployed("v2", 40, version="2")], [("named", "v2")]),
        (failing(150, 200, version="1"), [FAILED, deployed("v1", 1, version="1")], [("named", "v1")]),
        # Services and envs: each series by itself; no env asks for all.
        (failing(110), [deployed("a", 100, service="cart"), deployed("b", 100, env="qa"), deployed("c", 100, env="")], NOTHING),
        (failing(110, envs=()), [deployed("b", 99, env="qa"), deployed("c", 100, env="")], [("just_before", "c"), ("just_before", "b")]),
        (
            failing(150, 190, services=("shop", "cart")),
            [deployed("a", 149, service="cart"), FAILED],
            [("mended", "v2"), ("just_before", "a")],
        ),
        (failing(110, services=()), [deployed("v1", 100)], NOTHING),
    ],
)
def test_the_strongest_level_of_each_series(failure, deployments, expected):
    assert near(failure, *deployments) == near(failure, *reversed(deployments)) == expected


def test_every_link_says_what_it_rests_on():
    (link,) = attribute(failing(150, 190), [FAILED])
    assert (link.level, link.basis, link.distance) == (Level.MENDED, Basis.REMEDIATION, 50 * MINUTE)
    assert (link.level.confidence, link.same_event) == ("likely", True)
    assert link.evidence == (
        Part(words="The deployment finished", at=100 * MINUTE),
        Part(words="The failure began", at=150 * MINUTE),
        Part(words="after the deployment had finished", distance=50 * MINUTE),
        Part(words="The failure ended", at=190 * MINUTE),
        Part(words="The deployment failed; the one that mended it finished", at=200 * MINUTE),
        Part(words="after the failure had ended", distance=10 * MINUTE),
    )
    (named,) = attribute(failing(50, version="2", of_team=True), [deployed("v2", 70, version="2")])
    assert named.distance == -20 * MINUTE
    assert Part(words="before the deployment finished", distance=20 * MINUTE) in named.evidence
    (lasting,) = attribute(failing(150, 230), [FAILED])
    assert lasting.evidence[-1] == Part(words="before the failure ended", distance=30 * MINUTE)
    assert [part.words for part in named.evidence[:2]] == [
        "The failure names a team alone, whose only service is shop.", "The failure names the version that was deployed, 2.",
    ]  # fmt: skip
    (none,) = attribute(failing(50), [])
    assert (none.level.confidence, none.basis, none.same_event) == ("none", Basis.NOTHING_NEAR, False)


@pytest.mark.parametrize(
    ("one", "failure", "same"),
    [
        (deployed("v2", 100, version="2", mended=500), failing(150, 160, version="2"), True),
        (deployed("v2", 100, version="2"), failing(150, 160, version="2"), False),
        (deployed("v2", 100, mended=500), failing(150, 160), False),  # merely just before
    ],
)
def test_the_same_event_is_a_change_failure_that_is_named_or_was_mended_meanwhile(one, failure, same):
    (link,) = attribute(failure, [one])
    assert link.same_event is same


@given(
    st.lists(
        st.builds(
            deployed, st.uuids().map(str), st.integers(0, 200), env=st.sampled_from(["prod", "qa", ""]),
            service=st.sampled_from(["shop", "cart"]), version=st.sampled_from(["", "1", "2"]),
            sha=st.sampled_from([None, OLD, NEW]), failed=st.booleans(), mended=st.none() | st.integers(0, 300),
        ),
        max_size=12,
    ),
    st.builds(failing, st.integers(0, 200), st.none(), version=st.sampled_from(["", "1"]), sha=st.sampled_from([None, OLD])),
    st.randoms(),
)  # fmt: skip
def test_any_order_gives_the_same_and_one_series_has_one_level(deployments, failure, random):
    links = attribute(failure, deployments)
    random.shuffle(deployments)
    assert attribute(failure, deployments) == links
    levels = {}
    for link in links:
        assert link.evidence
        if link.deployment is not None:
            levels.setdefault((link.deployment.service, link.deployment.env), set()).add(link.level)
            assert link.deployment.service == "shop" and link.deployment.env == "prod"
    assert all(len(found) == 1 for found in levels.values())
    assert len(links) == 1 or all(link.level is not Level.NONE for link in links)
