"""The story: everything the forges and CI send, in the order it is sent."""

from dataclasses import dataclass

from bot.demo.deliveries import Delivery, iso, stable_sha
from bot.demo.failures import failure_calls
from bot.demo.github_events import github_events
from bot.demo.gitlab_events import gitlab_events
from bot.demo.history import Moment
from bot.demo.ledger import LEDGER
from bot.demo.organisation import Organisation
from bot.demo.shop import SHOP
from bot.standins.forge import Json

LATE = ("P3",)
"""Sent after everything else, though they happened in the middle."""
OWN_IDS = {"K5": "acme.catalog.2.3.0-prod", "T2": "gitlab:ledger:statements:1.2.0"}
CANARY = "hunter2-canary"
"""A password that a careless CI leaves in a repository URL; it must not come out of the server again."""
UNKNOWN = stable_sha("a commit that was never pushed")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentSpec:
    """A deployment as CI reports it; `commit` is a key, "?" a sha that exists nowhere, "" no git data."""

    key: str
    service: str
    env: str
    version: str
    commit: str
    started: Moment
    finished: Moment

    @property
    def repository(self) -> str:
        """The repository's id."""
        return LEDGER.id if self.service in {"ledger", "statements"} else SHOP.id


TABLE = """
P1  checkout   prod       v1.0.0     c1  -90 00:50 -90 01:00
P2  checkout   prod       v1.1.0     m1  -86 14:00 -86 14:10
P3  checkout   prod       v1.2.0     s5  -78 15:00 -78 15:20
P4  checkout   prod       v1.3.0     m6  -75 10:00 -75 10:10
P5  checkout   prod       v1.1.0     m1  -75 13:00 -75 13:05
P6  checkout   prod       v1.1.0     m1  -75 17:00 -75 17:05
P7  checkout   prod       v1.3.1     s7  -74 11:00 -74 11:10
P8  checkout   prod       v1.4.0     s8  -70 13:00 -70 13:15
P9  checkout   prod       v1.4.1     m9  -68 20:50 -68 21:00
P10 checkout   prod       v1.5.0     t2  -24 10:00 -24 10:10
P11 checkout   prod       v1.6.0     m14 -12 10:00 -12 10:10
P12 checkout   prod       v1.7.0     s15   0 00:40   0 00:50
S1  checkout   staging    v1.1.0     m1  -86 13:00 -86 13:05
S2  checkout   staging    v1.5.0     t2  -24 08:00 -24 08:05
S3  checkout   staging    v1.6.0-rc1 v2  -14 12:00 -14 12:05
S4  checkout   staging    v1.6.0     m14 -12 09:00 -12 09:05
K1  catalog    prod       2.0.0      c1  -89 14:00 -89 14:06
K2  catalog    prod       2.1.0      s3  -83 12:00 -83 12:10
K3  catalog    prod       2.2.0      c4  -80 13:00 -80 13:10
K4  catalog    prod       config-7   -   -70 09:00 -70 09:02
K5  catalog    prod       2.3.0      s12 -28 13:00 -28 13:10
K6  catalog    prod       2.4.0      s15  -1 09:00  -1 09:10
L1  catalog    staging    -          -   -50 12:00 -50 12:01
W1  web        prod       1          m1  -86 15:00 -86 15:04
W2  web        prod       2          c3  -81 10:00 -81 10:05
W3  web        prod       1          m1  -81 12:00 -81 12:03
W4  web        prod       2          c3  -81 15:00 -81 15:05
W5  web        prod       3          c4  -80 10:00 -80 10:05
W6  web        prod       4          s10 -59 11:00 -59 11:10
W7  web        prod       4.1        m11 -58 10:30 -58 10:40
W8  web        prod       5          s12 -28 15:00 -28 15:10
W9  web        prod       6          m14 -13 11:00 -13 11:10
N1  web        -          5.1        t2  -20 10:00 -20 10:05
N2  web        -          6          m14 -10 10:00 -10 10:05
U1  web        staging    4.2        c5  -30 09:00 -30 09:05
U2  web        staging    4.3        ?   -26 12:00 -26 12:05
U3  web        staging    6          m14 -12 12:00 -12 12:05
G1  ledger     production 1.0.0      l0  -84 10:00 -84 10:10
G2  ledger     production 1.1.0      b2  -74 10:00 -74 10:12
G3  ledger     production 1.2.0      mm3 -23 12:00 -23 12:10
G4  ledger     production 1.2.1      mm4 -21 11:00 -21 11:15
G5  ledger     production 1.3.0      l5   -7 09:00  -7 09:10
T1  statements production 1.1.0      b2  -70 10:00 -70 10:05
T2  statements production 1.2.0      mm3 -23 13:00 -23 13:05
T3  statements production 1.2.1      mm4 -21 12:00 -21 12:05
"""


def _parse(line: str) -> DeploymentSpec:
    key, service, env, version, commit, day, clock, end_day, end_clock = (
        "" if word == "-" else word for word in line.split()
    )
    return DeploymentSpec(
        key=key, service=service, env=env, version=version, commit=commit, started=f"{day} {clock}",
        finished=f"{end_day} {end_clock}",
    )  # fmt: skip


DEPLOYMENTS = tuple(_parse(line) for line in TABLE.strip().splitlines())


def story(organisation: Organisation) -> list[Delivery]:
    """Every delivery in the order it is sent: as things happened, then what comes late, then what comes twice."""
    calls = {spec.key: _call(organisation, spec) for spec in DEPLOYMENTS}
    events = [*github_events(organisation.shop), *gitlab_events(organisation.ledger)]
    events += [call for key, call in calls.items() if key not in LATE]
    events += failure_calls(organisation)
    events.sort(key=lambda delivery: (delivery.at, delivery.kind == "api", delivery.name))
    return [*events, *(calls[key] for key in LATE), *_repeats(organisation)]


def _call(organisation: Organisation, spec: DeploymentSpec) -> Delivery:
    attributes: dict[str, Json] = {
        "service": spec.service,
        "started_at": organisation.at(spec.started) * 10**9,
        "finished_at": organisation.at(spec.finished) * 10**9,
    }
    if spec.env:
        attributes["env"] = spec.env
    if spec.version:
        attributes["version"] = spec.version
    if spec.commit:
        attributes["git"] = {"commit_sha": deployed_sha(organisation, spec), "repository_url": _url(spec)}
    if spec.key in OWN_IDS:
        attributes["id"] = OWN_IDS[spec.key]
    if spec.key.startswith("P"):
        attributes["custom_tags"] = ["region:eu", "pipeline:main"]
    return _deployment(organisation, spec, spec.key, attributes)


def _repeats(organisation: Organisation) -> list[Delivery]:
    """P2 twice more: the URL in scp form and whole seconds, then capitals and milliseconds."""
    spec = next(spec for spec in DEPLOYMENTS if spec.key == "P2")
    sha, start, end = deployed_sha(organisation, spec), organisation.at(spec.started), organisation.at(spec.finished)
    tags: Json = ["region:eu", "pipeline:main"]
    return [
        _deployment(organisation, spec, "P2 again", {
            "service": "checkout", "env": "prod", "version": "v1.1.0", "started_at": start, "finished_at": end,
            "git": {"commit_sha": sha, "repository_url": "git@github.com:acme/shop.git"}, "custom_tags": tags,
        }),
        _deployment(organisation, spec, "P2 in capitals", {
            "service": "Checkout", "env": "PROD", "version": "v1.1.0", "started_at": start * 1000, "finished_at": end * 1000,
            "git": {"commit_sha": sha.upper(), "repository_url": "https://GitHub.com/Acme/Shop/"}, "custom_tags": tags,
        }),
    ]  # fmt: skip


def _deployment(organisation: Organisation, spec: DeploymentSpec, name: str, attributes: dict[str, Json]) -> Delivery:
    return Delivery(
        at=organisation.at(spec.finished), name=f"deployment {name}", path="/api/v2/dora/deployment", kind="api",
        event="deployment", payload={"data": {"attributes": attributes}}, base=organisation.base,
    )  # fmt: skip


def deployed_sha(organisation: Organisation, spec: DeploymentSpec) -> str:
    """The sha that CI sends."""
    return UNKNOWN if spec.commit == "?" else organisation.built(spec.repository).shas[spec.commit]


def _url(spec: DeploymentSpec) -> str:
    """CI knows a repository by many spellings."""
    host, _, path = spec.repository.partition("/")
    spellings = {
        "P11": f"https://ci-bot:{CANARY}@{host}/{path}.git",
        "K3": f"ssh://git@{host}/{path}.git",
        "G3": f"git@{host}:{path}.git",
        "W6": f"https://{host}/{path}",
    }
    return spellings.get(spec.key, f"https://{host}/{path}.git")


def describe(organisation: Organisation) -> str:
    """One line about the organisation, for people."""
    deliveries = story(organisation)
    calls = sum(delivery.event == "deployment" for delivery in deliveries)
    failures = sum(delivery.event == "failure" for delivery in deliveries)
    return (
        f"{len(deliveries) - calls - failures} webhooks, {calls} deployment calls and {failures} failure calls about two repositories, "
        f"{iso(deliveries[0].at)[:10]} to {iso(organisation.base)[:10]}"
    )
