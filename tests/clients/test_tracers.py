"""The real `ddtrace` and the real OpenTelemetry SDK: a version that their programs run under becomes a deployment."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.conftest import https_server
from tests.clients.programs import run_script
from tests.support.server import API_KEY, Served, served, until

pytestmark = pytest.mark.xdist_group("clients: tracers")

SHA = "66adc9350f2cc9b250b69abddab733dd55e1a588"
SECRET = "ghs_aSecretThatCiPutIntoTheRemote"
URL = f"https://x-access-token:{SECRET}@github.com/acme/shop.git"
DEFINED = (
    "dd-both", "dd-older", "dd-started", "dd-tags", "dd-defined",
    "otel-traces", "otel-metrics", "otel-logs", "otel-all", "otel-attributes", "otel-denied",
)  # fmt: skip


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server on plain HTTP, as tracers know their agent; they send no key."""
    folder = tmp_path_factory.mktemp("plain")
    with served(f"sqlite:///{folder}/test.db", folder, start=False) as server:
        prepare(server)
        server.start()
        yield server


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server on https."""
    folder = tmp_path_factory.mktemp("secure")
    with https_server(f"sqlite:///{folder}/test.db", folder) as server:
        prepare(server)
        yield server


def prepare(server: Served) -> None:
    """Define the services and select telemetry as a source of deployments."""
    folder = server.folder / "definitions"
    folder.mkdir(exist_ok=True)
    for name in DEFINED:
        (folder / f"{name}.yaml").write_text(f"schema-version: v2.2\ndd-service: {name}\nteam: backend\n")
    done = server.run("sources", "enable", "apm")
    assert done.returncode == 0, done.stdout + done.stderr


def versions(server: Served, service: str, *expected: str) -> list[dict[str, Any]]:
    """The service's deployments, as soon as these versions are among them."""

    def look() -> list[dict[str, Any]] | None:
        found: list[dict[str, Any]] = server.get(f"/api/v1/deployments?service={service}")["data"]
        return found if {one["version"] for one in found} >= set(expected) else None

    found = until(look, seconds=60, pause=0.2)
    assert sorted(one["version"] for one in found) == sorted(expected), "each version is deployed once"
    assert {one["source"] for one in found} == {"apm"}
    assert all(one["started_at"] == one["finished_at"] for one in found)
    return found


def trace(server: Served, service: str, version: str, **told: str) -> None:
    """Run a program under ddtrace."""
    environment = {
        "DD_TRACE_AGENT_URL": f"http://127.0.0.1:{server.port}", "DD_SERVICE": service, "DD_VERSION": version, "DD_ENV": "prod",
    }  # fmt: skip
    output = run_script("traced.py", "3", server=server, **environment | told).good()
    assert "dropping" not in output and "failed to send" not in output, output


def instrument(server: Served, service: str, version: str, signals: str, **told: str) -> None:
    """Run a program under the OpenTelemetry SDK."""
    attributes = {
        "service.name": service, "service.version": version, "deployment.environment.name": "prod",
        "vcs.repository.url.full": URL, "vcs.ref.head.revision": SHA,
    }  # fmt: skip
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"https://127.0.0.1:{server.port}", "OTEL_EXPORTER_OTLP_CERTIFICATE": str(server.authority),
        "OTEL_EXPORTER_OTLP_HEADERS": f"dd-api-key={API_KEY}", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_RESOURCE_ATTRIBUTES": ",".join(f"{name}={value}" for name, value in attributes.items()),
    }  # fmt: skip
    output = run_script("instrumented.py", signals, server=server, **environment | told).good()
    assert "Failed to export" not in output and "error" not in output.lower(), output


@pytest.mark.parametrize(("service", "version"), [("dd-both", ""), ("dd-older", "v0.4")])
def test_ddtrace(plain: Served, service: str, version: str) -> None:
    told = {"DD_GIT_REPOSITORY_URL": URL, "DD_GIT_COMMIT_SHA": SHA}
    protocol = {"DD_TRACE_API_VERSION": version} if version else {}
    trace(plain, service, "1.0", **told, **protocol)
    trace(plain, service, "1.0", **told, **protocol)
    trace(plain, service, "2.0", **told, **protocol)
    for one in versions(plain, service, "1.0", "2.0"):
        assert (one["env"], one["team"], one["repository"], one["commit_sha"]) == ("prod", "backend", "github.com/acme/shop", SHA)
    assert plain.get("/api/v1/deployments?service=shopist-db")["data"] == [], "a child's service has no version"


def test_ddtrace_starts_without_a_span(plain: Served) -> None:
    """`app-started` alone names service, env and version."""
    trace(plain, "dd-started", "1.0", DD_TRACE_ENABLED="false")
    (one,) = versions(plain, "dd-started", "1.0")
    assert (one["env"], one["commit_sha"]) == ("prod", None)


def test_ddtrace_with_git_in_its_tags(plain: Served) -> None:
    tags = f"git.commit.sha:{SHA},git.repository_url:{URL}"
    trace(plain, "dd-tags", "1.0", DD_TAGS=tags, DD_ENV="", DD_INSTRUMENTATION_TELEMETRY_ENABLED="false")
    (one,) = versions(plain, "dd-tags", "1.0")
    assert (one["env"], one["repository"], one["commit_sha"]) == (None, "github.com/acme/shop", SHA)


@pytest.mark.parametrize("signal", ["traces", "metrics", "logs"])
def test_each_signal_of_opentelemetry(secure: Served, signal: str) -> None:
    instrument(secure, f"otel-{signal}", "1.0", signal)
    instrument(secure, f"otel-{signal}", "2.0", signal, OTEL_EXPORTER_OTLP_COMPRESSION="none")
    for one in versions(secure, f"otel-{signal}", "1.0", "2.0"):
        assert (one["env"], one["team"], one["repository"], one["commit_sha"]) == ("prod", "backend", "github.com/acme/shop", SHA)


def test_older_names_of_attributes(secure: Served) -> None:
    attributes = f"service.name=otel-attributes,service.version=1,deployment.environment=prod,git.commit.sha={SHA},git.repository_url={URL}"
    instrument(secure, "", "", "traces", OTEL_RESOURCE_ATTRIBUTES=attributes)
    (one,) = versions(secure, "otel-attributes", "1")
    assert (one["env"], one["repository"], one["commit_sha"]) == ("prod", "github.com/acme/shop", SHA)


def test_a_wrong_key_is_refused(secure: Served) -> None:
    with pytest.raises(AssertionError, match=r"401|Unauthorized|Failed to export"):
        instrument(secure, "otel-denied", "1.0", "traces", OTEL_EXPORTER_OTLP_HEADERS="dd-api-key=a-key-that-nobody-knows")
    assert secure.get("/api/v1/deployments?service=otel-denied")["data"] == []


def test_undefined_services_are_no_deployments(plain: Served) -> None:
    """Only defined services are deployed by telemetry; defining one later makes it so."""
    trace(plain, "dd-undefined", "1.0")
    trace(plain, "dd-defined", "1.0")
    versions(plain, "dd-defined", "1.0")
    assert plain.get("/api/v1/deployments?service=dd-undefined")["data"] == []
    answer = plain.ask("POST", "/api/v2/services/definitions", b"schema-version: v2.2\ndd-service: dd-undefined\n", DD_API_KEY=API_KEY)
    assert answer.status == 200, answer
    versions(plain, "dd-undefined", "1.0")


def test_no_credential_is_kept(secure: Served) -> None:
    """OpenTelemetry sends the repository's address in full."""
    instrument(secure, "otel-all", "1.0", "traces,metrics,logs")
    versions(secure, "otel-all", "1.0")
    files = {path: path.read_bytes() for path in secure.folder.rglob("*") if path.is_file()}
    assert any(b"otel-all" in body for path, body in files.items() if "test.db" in path.name), "looked at nothing"
    assert [path for path, body in files.items() if SECRET.encode() in body] == []
