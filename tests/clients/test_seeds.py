"""Every command and body that the original's set-up pages show, as it stands there; only the host is another.

`seeds/` holds the blocks of those pages unchanged. The pages' fragments of definitions are completed by the lines that the pages
leave out: the schema's version and the service's name.
"""

import os
import re
import time
from pathlib import Path
from typing import Any

import pytest

from tests.clients.programs import DATADOG_CI, SITE, DatadogCi, Done, run
from tests.clients.test_git_upload import clone, history
from tests.support.gitrepo import git
from tests.support.pagerduty import event
from tests.support.server import API_KEY, Served, until

pytestmark = pytest.mark.xdist_group("clients: seeds")

SEEDS = Path(__file__).parent / "seeds"
SHA = "66adc9350f2cc9b250b69abddab733dd55e1a588"
INSTANTS = ("2023-08-31T14:26:14Z", "2023-08-31T14:26:24Z")
URL = "https://github.com/organization/example-repository"
COMPLETED = "schema-version: v2.2\ndd-service: shopist\n"


def seed(name: str) -> str:
    """A block of the pages."""
    return (SEEDS / name).read_text()


def shell(datadog_ci: DatadogCi, script: str, **told: str) -> Done:
    """Run a block in a shell, its placeholders filled in, with the names that it asks for leading here."""
    script = script.replace("<DD_SITE>", SITE).replace("<DD_API_KEY>", API_KEY)
    environment = datadog_ci.environment() | {"CURL_CA_BUNDLE": str(datadog_ci.server.authority)} | told
    environment["PATH"] = f"{DATADOG_CI.parent}:{os.environ['PATH']}"
    # Only what the script itself says names the site and the key.
    del environment["DD_SITE"]
    return run(["/bin/bash", "-e", "-c", script], environment, cwd=datadog_ci.home)


def deployed(server: Served, version: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.get("/api/v1/deployments?service=shopist&env=prod&from=2020-01-01&limit=1000")["data"]
    return [one for one in found if one["version"] == version]


def test_the_deployment_by_curl(datadog_ci: DatadogCi) -> None:
    output = shell(datadog_ci, seed("deployment.sh")).good()
    assert '"type": "dora_deployment"' in output, output
    (one,) = [one for one in deployed(datadog_ci.server, "v1.12.07") if one["finished_at"] == INSTANTS[1]]
    assert one["id"] in output
    assert (one["started_at"], one["team"], one["repository"]) == (INSTANTS[0], "backend", "github.com/organization/example-repository")
    assert one["commit_sha"] == SHA and {"department:engineering", "app_type:backend"} <= set(one["tags"])


def test_the_failure_by_curl(datadog_ci: DatadogCi) -> None:
    output = shell(datadog_ci, seed("failure.sh")).good()
    assert '"type": "dora_failure"' in output, output
    found = datadog_ci.server.get("/api/v1/failures?service=shopist&from=2020-01-01")["data"]
    (one,) = [one for one in found if one["id"] in output]
    assert (one["services"], one["team"], one["env"], one["severity"]) == (["shopist"], "shopist-devs", "prod", "High")
    assert (one["started_at"], one["finished_at"], one["time_to_restore"]) == (*INSTANTS, 10)
    assert one["name"] == "Web server is down failing all requests"


def test_pagerduty_as_its_table_says(house: Served, tmp_path: Path) -> None:
    """The webhook with the URL, the events and the headers of the page; curl plays PagerDuty, under the intake's name."""
    table = seed("pagerduty.html")
    target = re.search(r"<code>(https://webhook-intake.*?)</code>", table)
    assert target is not None
    events = re.findall(r"-<code>(incident\.[a-z_.]+)</code>", table)
    names = re.findall(r"<code>(DD-API-KEY|dd_env)</code>", table)
    assert (len(events), names) == (11, ["DD-API-KEY", "dd_env"])
    script = [f"cd {tmp_path}"]
    for minute, type in enumerate(events):
        (tmp_path / f"{minute}.json").write_bytes(event(type, minute))
        url = re.sub(r"\{\{.*?\}\}", SITE, target[1])
        script.append(
            f"curl -sS -w '%{{http_code}}\\n' --connect-to ::127.0.0.1:{house.port} -H 'X-Webhook-Id: seed-{minute}' "
            f"-H 'DD-API-KEY: {API_KEY}' -H 'dd_env: prod' -H 'Content-Type: application/json' --data-binary @{minute}.json {url}"
        )
    done = run(["/bin/bash", "-e", "-c", "\n".join(script)], {**os.environ, "CURL_CA_BUNDLE": str(house.authority)}, cwd=tmp_path)
    assert re.findall(r"\d{3}$", done.good(), re.MULTILINE) == ["202"] * 11

    def look() -> bool:
        told = house.get("/api/v1/deliveries?source=pagerduty")["data"]
        return sorted((one["event"], one["state"]) for one in told) == sorted((type, "done") for type in events)

    assert until(look, seconds=60, pause=0.2)
    (one,) = house.get("/api/v1/failures?source=pagerduty&from=2020-01-01")["data"]
    assert (one["id"], one["env"], one["services"], one["team"], one["severity"]) == (
        "Q0STORY1", "prod", ["Checkout API"], "Payments", "P2",
    )  # fmt: skip


def test_the_deployment_by_command(datadog_ci: DatadogCi) -> None:
    script = datadog_ci.home / "your-deploy-script.sh"
    script.write_text("#!/bin/sh\nexit 0\n")
    script.chmod(0o755)
    begun = int(time.time())
    shell(datadog_ci, seed("command.sh"), DD_API_KEY="overridden-by-the-script").good()
    (one,) = [one for one in deployed(datadog_ci.server, "v1.12.07") if one["finished_at"] != INSTANTS[1]]
    assert (one["repository"], one["commit_sha"]) == ("github.com/organization/example-repository", SHA)
    assert {"department:engineering", "app_type:backend"} <= set(one["tags"])
    assert one["started_at"] >= time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(begun))


def test_the_words_of_an_upload(datadog_ci: DatadogCi, tmp_path: Path) -> None:
    """The page shows what a good run prints: numbers apart it is still so, but today's client says `Uploaded`."""
    history(tmp_path / "shop", int(time.time()) - 48 * 3600, 4)
    checkout = clone(tmp_path / "shop")
    git(checkout, "remote", "set-url", "origin", "git@github.com:organization/example-repository.git")
    output = datadog_ci("git-metadata", "upload", cwd=checkout).good()
    for line in seed("upload.txt").replace("Handled", "Uploaded").replace("  ", " ").splitlines():
        pattern = re.sub(r"[0-9a-f]{40}", "[0-9a-f]{40}", re.escape(line))
        pattern = re.sub(r"180", r"\\d+", re.sub(r"0\\\.077", r"[0-9.]+", pattern))
        assert re.search(pattern, output), (pattern, output)


@pytest.mark.parametrize(
    ("names", "repository", "expected"),
    [
        (["every-path.yaml"], "github.com/organization/example-repository", ["**", "src/apps/shopist/**", "src/libs/utils/**"]),
        (["patterns.yaml"], "github.com/organization/example-repository", ["src/apps/shopist/**", "src/libs/utils/**"]),
        (["link-github.yaml"], "github.com/organization/example-repository", ["src/apps/shopist/**"]),
        (["link-gitlab.yaml"], "gitlab.com/organization/example-repository", ["src/apps/shopist/**"]),
        (["link-github.yaml", "patterns.yaml"], "github.com/organization/example-repository", ["src/apps/shopist/**", "src/libs/utils/**"]),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
@pytest.mark.parametrize("way", ["file", "api"])
def test_the_definitions(house: Served, way: str, names: list[str], repository: str, expected: list[str], tmp_path: Path) -> None:
    """By file and by API, a definition of each fragment selects the paths that the page promises."""
    service, text = "shopist", COMPLETED + "".join(seed(name) for name in names)
    if way == "file":
        # Files of one service would contradict each other; by API the newest stands.
        service = f"seed-{'-'.join(name.split('.')[0] for name in names)}"
        text = text.replace("dd-service: shopist", f"dd-service: {service}").replace("name: shopist", f"name: {service}")
        path = house.folder / "definitions" / f"{service}.yaml"
        path.write_text(text)
        done = house.run("validate", str(path))
        assert done.returncode == 0, done.stdout + done.stderr
    else:
        answer = house.ask("POST", "/api/v2/services/definitions", text.encode(), DD_API_KEY=API_KEY, DD_APPLICATION_KEY=API_KEY)
        assert answer.status == 200, answer
    house.deploy(
        service=service, started_at=1795000000, finished_at=1795000060,
        git={"commit_sha": SHA, "repository_url": f"https://{repository}"},
    )  # fmt: skip

    def look() -> bool:
        answer = house.ask("GET", f"/api/v1/services/{service}/paths", Authorization=f"Bearer {API_KEY}")
        shown = answer.json()["repositories"] if answer.status == 200 else []
        return expected in [one["patterns"] for one in shown if one["repository"] == repository]

    assert until(look, seconds=60, pause=0.2)
