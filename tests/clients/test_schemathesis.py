"""schemathesis over `/openapi.yaml`: no request of any shape is a server's error, and every answer is as described."""

import os
from pathlib import Path

import pytest

from tests.clients.programs import PYTHON, SCRIPTS, run
from tests.support.server import API_KEY, Served

pytestmark = pytest.mark.xdist_group("clients: schemathesis")

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance"


def check(house: Served, where: Path, *how: str, timeout: float) -> None:
    """Run it with a key of all scopes."""
    keys = {"DD-API-KEY": API_KEY, "DD-APPLICATION-KEY": API_KEY, "Authorization": f"Bearer {API_KEY}"}
    headers = [word for name, value in keys.items() for word in ("-H", f"{name}: {value}")]
    done = run(
        [
            str(PYTHON.with_name("schemathesis")), "--no-color", "run", f"https://127.0.0.1:{house.port}/openapi.yaml",
            "--tls-verify", str(house.authority), "--checks", CHECKS, "--continue-on-failure", "--suppress-health-check", "all",
            "--generation-database", "none", "--warnings", "off", *headers, *how,
        ],
        {"HOME": str(where), "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(SCRIPTS)}, cwd=where, timeout=timeout,
    )  # fmt: skip
    assert "Tested: " in done.output
    assert done.status == 0, done.output
    assert house.process is not None and house.process.poll() is None
    assert '"level": "error"' not in house.log(), house.log()


@pytest.mark.endure
def test_no_request_is_a_servers_error(house: Served, tmp_path: Path) -> None:
    """Every boundary of every parameter, and drawn requests: the same few each time, or for minutes others (the output has the seed)."""
    if not os.environ.get("ENDURE"):
        check(house, tmp_path, "--phases", "coverage,fuzzing", "-n", "8", "--seed", "1", timeout=400)
        return
    seconds = 60 * int(os.environ.get("MINUTES", "10"))
    how = ("--phases", "coverage,fuzzing,stateful", "-n", "200", "--max-time", str(seconds))
    check(house, tmp_path, *how, timeout=seconds + 900)
