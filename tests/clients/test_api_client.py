"""`datadog-api-client`, the real one: every method of the DORA, incidents, service-definition and catalogue clients, on both engines."""

from collections.abc import Iterator

import pytest

from tests.clients.programs import run_script
from tests.engines import ENGINES, Cluster
from tests.support.server import Served

pytestmark = pytest.mark.xdist_group("clients: api client")


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """The name of the store's engine; one server per engine."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def store_of_module(engine: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of the store below the server."""
    if engine == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('store')}/test.db"
        return
    postgres: Cluster = request.getfixturevalue("cluster")
    name = postgres.take()
    yield postgres.url(name)
    postgres.give_back(name)


@pytest.mark.parametrize(
    "story",
    ["create_and_get", "list_them", "patch_by_id", "patch_by_version", "delete_it", "failures", "incident_alias", "ai_activity", "refusals"],
)
def test_the_dora_client(house: Served, story: str) -> None:
    run_script("dora.py", story, server=house).good()


def test_an_incident_is_a_failure(house: Served) -> None:
    """Reported, changed and resolved by the client: what it tells of time is the sum of its active states."""
    incident = run_script("incidents.py", "life", server=house).good().split()[-1]
    (one,) = house.get("/api/v1/failures?service=life-shop")["data"]
    assert (one["id"], one["source"], one["services"], one["severity"]) == (incident, "incidents", ["life-cart", "life-shop"], "SEV-1")
    assert one["state"] == "resolved" and 0 <= one["time_to_restore"] < 60


@pytest.mark.parametrize("story", ["list_and_search", "delete_it"])
def test_the_incidents_client(house: Served, story: str) -> None:
    run_script("incidents.py", story, server=house).good()


@pytest.mark.parametrize("story", ["objects", "text", "list_and_delete", "refusals"])
def test_the_service_definition_client(house: Served, story: str) -> None:
    run_script("definitions.py", story, server=house).good()


@pytest.mark.parametrize("story", ["objects", "text", "list_and_delete", "kinds", "relations", "preview", "refusals"])
def test_the_catalogue_client(house: Served, story: str) -> None:
    run_script("catalogue.py", story, server=house).good()
