"""`datadog-ci dora deployment`, the real one: what it sends arrives, and what it is answered makes it say the truth."""

import contextlib
import socket
import sqlite3
import ssl
import threading
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import PREFIX
from tests.clients.programs import SITE, DatadogCi
from tests.support.gitrepo import git
from tests.support.server import API_KEY, Served, until

pytestmark = pytest.mark.xdist_group("clients: datadog-ci")

SHA = "66adc9350f2cc9b250b69abddab733dd55e1a588"
STARTED = "1795000000"
FINISHED = "1795000060"
TIMES = ("--started-at", STARTED, "--finished-at", FINISHED)
SECRET = "ghs_aSecretThatCiPutIntoTheRemote"


def of(server: Served, service: str) -> list[dict[str, Any]]:
    """The deployments of a service."""
    found: list[dict[str, Any]] = server.get(f"/api/v1/deployments?service={service}&from=1970-01-01")["data"]
    return found


def checkout(path: Path, remote: str) -> str:
    """A work tree with one commit and a remote; the commit's sha."""
    path.mkdir()
    git(path, "init", "-q", "-b", "main", ".")
    git(path, "remote", "add", "origin", remote)
    (path / "a.txt").write_text("a\n")
    git(path, "add", "a.txt")
    git(path, "-c", "user.name=Ann", "-c", "user.email=ann@example.org", "commit", "-q", "-m", "Begin")
    return git(path, "rev-parse", "HEAD").strip()


def test_everything_that_it_can_be_told(datadog_ci: DatadogCi) -> None:
    output = datadog_ci(
        "dora", "deployment", "--service", "told", "--env", "prod", *TIMES, "--version", "v1.12.07", "--team", "backend",
        "--custom-tags", "department:engineering", "--custom-tags", "app_type:backend",
        "--git-repository-url", "git@github.com:Organization/Example-Repository.git", "--git-commit-sha", SHA,
    ).good()  # fmt: skip
    assert "success" in output.lower()
    assert datadog_ci.proxy.asked == [f"api.{SITE}:443"], "one request, to the name that the site makes"
    (one,) = of(datadog_ci.server, "told")
    assert {name: one[name] for name in ("env", "version", "team", "repository", "commit_sha", "source")} == {
        "env": "prod", "version": "v1.12.07", "team": "backend", "repository": "github.com/organization/example-repository",
        "commit_sha": SHA, "source": "api",
    }  # fmt: skip
    assert {"department:engineering", "app_type:backend"} <= set(one["tags"])
    assert (one["started_at"], one["finished_at"]) == ("2026-11-18T11:06:40Z", "2026-11-18T11:07:40Z")


def test_git_data_is_inferred_and_its_credentials_are_cut(datadog_ci: DatadogCi, tmp_path: Path) -> None:
    server = datadog_ci.server
    sha = checkout(tmp_path / "shop", f"https://x-access-token:{SECRET}@github.com/acme/shop.git")
    datadog_ci("dora", "deployment", "--service", "inferred", *TIMES, cwd=tmp_path / "shop").good()
    (one,) = of(server, "inferred")
    assert (one["repository"], one["commit_sha"]) == ("github.com/acme/shop", sha)
    seen = {name: server.ask("GET", name, Authorization=f"Bearer {API_KEY}").body for name in (
        f"/api/v1/deployments/{one['id']}", f"/deployments/{one['id']}", "/api/v1/deliveries", "/api/v1/repositories", "/metrics",
    )}  # fmt: skip
    folders = (server.folder, Path(server.url.removeprefix("sqlite:///")).parent)
    seen |= {str(path): path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}
    assert any(b"github.com/acme/shop" in body for path, body in seen.items() if "test.db" in path), "looked at nothing"
    assert [place for place, body in seen.items() if SECRET.encode() in body or b"x-access-token" in body] == []


def test_without_git(datadog_ci: DatadogCi, tmp_path: Path) -> None:
    checkout(tmp_path / "shop", "https://github.com/acme/shop.git")
    datadog_ci("dora", "deployment", "--service", "no-git", *TIMES, "--skip-git", "--version", "1", cwd=tmp_path / "shop").good()
    until(lambda: of(datadog_ci.server, "no-git")[0]["not_computed"] == "no_git", seconds=20)
    (one,) = of(datadog_ci.server, "no-git")
    assert (one["repository"], one["commit_sha"], one["env"]) == (None, None, None)


def test_service_and_env_by_variables(datadog_ci: DatadogCi) -> None:
    begun = int(time.time())
    datadog_ci("dora", "deployment", "--started-at", STARTED, "--skip-git", DD_SERVICE="by-variable", DD_ENV="Staging").good()
    (one,) = of(datadog_ci.server, "by-variable")
    assert one["env"] == "Staging"
    finished = time.strptime(one["finished_at"][:19], "%Y-%m-%dT%H:%M:%S")
    assert abs(time.mktime(finished) - time.mktime(time.gmtime(begun))) < 60, "finished when it was sent"


@pytest.mark.parametrize("started", ["1795000000", "2026-11-18T11:06:40Z", "2026-11-18T12:06:40+01:00"])
def test_instants_in_every_form(datadog_ci: DatadogCi, started: str) -> None:
    datadog_ci("dora", "deployment", "--service", "forms", "--started-at", started, "--finished-at", FINISHED, "--skip-git").good()
    assert {one["started_at"] for one in of(datadog_ci.server, "forms")} == {"2026-11-18T11:06:40Z"}
    assert len(of(datadog_ci.server, "forms")) == 1, "every form is the same deployment"


def test_a_site_with_a_path(datadog_ci: DatadogCi) -> None:
    """The client keeps what follows the site's name; one host can serve several."""
    datadog_ci("dora", "deployment", "--service", "below", *TIMES, "--skip-git", DD_SITE=f"{SITE}{PREFIX}").good()
    assert len(of(datadog_ci.server, "below")) == 1
    assert '"route": "/team/api/v2/dora/deployment"' in (datadog_ci.server.folder / "log").read_text()


def test_it_tries_again_after_a_503(datadog_ci: DatadogCi) -> None:
    """Somebody else holds the store's lock longer than a writer waits."""
    server = datadog_ci.server
    store = sqlite3.connect(server.url.removeprefix("sqlite:///"), isolation_level=None, timeout=5, check_same_thread=False)
    store.execute("BEGIN IMMEDIATE")

    def let_go() -> None:
        try:
            until(lambda: '"status": 503' in (server.folder / "log").read_text(), seconds=60)
        finally:
            store.execute("ROLLBACK")

    holder = threading.Thread(target=let_go)
    holder.start()
    try:
        done = datadog_ci("dora", "deployment", "--service", "again", *TIMES, "--skip-git")
    finally:
        holder.join()
        store.close()
    assert "503" in done.good(), "it was refused at first"
    assert len(of(server, "again")) == 1


@pytest.mark.parametrize("key", ["wrong-key-that-nobody-knows", "ä" * 20])
def test_a_wrong_key_fails_the_job(datadog_ci: DatadogCi, key: str) -> None:
    done = datadog_ci("dora", "deployment", "--service", "unauthorised", *TIMES, "--skip-git", DD_API_KEY=key)
    assert done.status == 1, done.output
    assert of(datadog_ci.server, "unauthorised") == []


def test_a_mistake_fails_the_job_and_is_named(datadog_ci: DatadogCi) -> None:
    done = datadog_ci(
        "dora", "deployment", "--service", "mistaken", *TIMES,
        "--git-repository-url", "https://github.com/acme/shop", "--git-commit-sha", "xyz",
    )  # fmt: skip
    assert done.status == 1, done.output
    assert "commit_sha" in done.output and "400" in done.output
    assert done.seconds < 30, "it does not try again"
    many = [word for n in range(101) for word in ("--custom-tags", f"n:{n}")]
    assert datadog_ci("dora", "deployment", "--service", "mistaken", *TIMES, "--skip-git", *many).status == 1
    tag = datadog_ci("dora", "deployment", "--service", "mistaken", *TIMES, "--skip-git", "--custom-tags", "colonless")
    assert tag.status == 1, tag.output
    assert of(datadog_ci.server, "mistaken") == []


def test_what_it_refuses_itself_does_not_arrive(datadog_ci: DatadogCi) -> None:
    assert datadog_ci("dora", "deployment", *TIMES, "--skip-git").status == 1, "no service"
    assert datadog_ci("dora", "deployment", "--service", "x", "--started-at", FINISHED, "--finished-at", STARTED).status == 1
    assert datadog_ci("dora", "deployment", "--service", "x", "--started-at", "yesterday").status == 1
    assert datadog_ci.proxy.asked == []


def test_a_dry_run_sends_nothing(datadog_ci: DatadogCi) -> None:
    datadog_ci("dora", "deployment", "--service", "dry", *TIMES, "--skip-git", "--dry-run").good()
    assert datadog_ci.proxy.asked == []


def test_nobody_else_trusts_the_certificate(house: Served) -> None:
    """Otherwise these tests would show nothing of TLS."""
    strange = ssl.create_default_context()
    with pytest.raises(ssl.SSLCertVerificationError), socket.create_connection(("127.0.0.1", house.port)) as plain:
        strange.wrap_socket(plain, server_hostname="127.0.0.1")
    with pytest.raises((OSError, HTTPException)), contextlib.closing(HTTPConnection("127.0.0.1", house.port, timeout=5)) as spoken:
        spoken.request("GET", "/healthz")
        spoken.getresponse()
