"""Cuts GitHub's OpenAPI description down to what the fake GitHub answers: `python -m tests.standins.prune_github`.

It fetches the npm package @octokit/openapi (MIT), keeps the answers of the stand-in's routes with all they refer to,
and writes `github_openapi.json` beside this file.
"""

import json
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bot.standins.github.forge import ROUTES

PACKAGE = "@octokit/openapi@23.0.2"
MEMBER = "package/generated/api.github.com.json"
TARGET = Path(__file__).with_name("github_openapi.json")
PROSE = {"description", "example", "examples", "title", "externalDocs", "deprecated", "default", "discriminator"}
SCHEMAS = "#/components/schemas/"
SLIPS = {
    # Describes accounts that are users and enterprises at once; the single installation's schema has it right.
    ("GET /app/installations", "200"): {"type": "array", "items": {"$ref": f"{SCHEMAS}installation"}},
}


def fetch() -> dict[str, Any]:
    """The whole description, as published."""
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(
            ["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True, capture_output=True, text=True
        )
        with tarfile.open(Path(folder) / packed.stdout.split()[-1]) as archive:
            member = archive.extractfile(MEMBER)
            assert member is not None
            whole: dict[str, Any] = json.load(member)
    return whole


def pruned(whole: dict[str, Any]) -> dict[str, Any]:
    """By method and template the schema of each status (null: no body), and the schemas they refer to."""
    answers: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        described = whole["paths"][route.template][route.method.lower()]["responses"]
        name = f"{route.method} {route.template}"
        answers[name] = {
            status: SLIPS.get((name, status)) or _schema(whole, response)
            for status, response in sorted(described.items())
        }
    kept: dict[str, Any] = {}
    waiting = list(_references(answers))
    while waiting:
        name = waiting.pop()
        if name not in kept:
            kept[name] = _bare(whole["components"]["schemas"][name])
            waiting += _references(kept[name])
    return {
        "package": PACKAGE,
        "license": "MIT",
        "answers": answers,
        "components": {"schemas": dict(sorted(kept.items()))},
    }


def _schema(whole: dict[str, Any], response: dict[str, Any]) -> Any:
    if "$ref" in response:
        response = whole["components"]["responses"][response["$ref"].rpartition("/")[2]]
    content = response.get("content", {}).get("application/json", {})
    return _bare(content["schema"]) if "schema" in content else None


def _bare(schema: Any, *, named: bool = False) -> Any:
    """Without prose; `named`: the keys are names of properties, not words of the schema language."""
    if isinstance(schema, list):
        return [_bare(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _bare(value, named=key == "properties" and not named)
        for key, value in schema.items()
        if named or (key not in PROSE and not key.startswith("x-"))
    }


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(reference := schema.get("$ref"), str):
            yield reference.removeprefix(SCHEMAS)
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from _references(item)


if __name__ == "__main__":
    TARGET.write_text(json.dumps(pruned(fetch()), separators=(",", ":"), sort_keys=True) + "\n")
