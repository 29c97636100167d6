"""GitHub's own schemas as a check of the stand-in: @octokit/openapi and @octokit/webhooks-schemas.

forge = GitHub(tmp_path, check=github_answer)
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator, ValidationError
from jsonschema.exceptions import best_match

from bot.standins.forge import Json

DESCRIPTION = Path(__file__).with_name("github_openapi.json")
PACKAGES = Path(__file__).parents[1] / "npm/node_modules/@octokit"
ANYWHERE = {"400", "401", "403", "404", "307", "301", "422"}
"""Statuses that GitHub documents for all routes at once: their body is a `basic-error`."""


def github_answer(method: str, template: str, status: int, body: Json) -> None:
    """Raises ValidationError unless GitHub describes such an answer of that route."""
    validator = _answer_validator(method, template, str(status))
    if validator is None:
        if body is not None:
            raise ValidationError("a body where there is none")
    elif (error := best_match(validator.iter_errors(body))) is not None:
        raise ValidationError(f"{error.json_path}: {error.message[:300]}")


def github_payload(event: str, payload: Mapping[str, Json]) -> None:
    """Raises ValidationError unless the payload is one of that event (and, if it has one, of its action)."""
    action = payload.get("action")
    name = f"{event}${action}" if isinstance(action, str) else f"{event}$event"
    error = best_match(_payload_validator(name).iter_errors(payload))
    if error is not None:
        raise ValidationError(f"{event} {action}: {error.json_path}: {error.message[:300]}")


@cache
def _description() -> dict[str, Any]:
    found: dict[str, Any] = _with_nulls(json.loads(DESCRIPTION.read_text()))
    return found


@cache
def _answer_validator(method: str, template: str, status: str) -> Draft7Validator | None:
    described = _description()["answers"][f"{method} {template}"]
    if status not in described and status not in ANYWHERE:
        raise ValidationError(f"{method} {template} never answers {status}")
    schema = described.get(status, {"$ref": "#/components/schemas/basic-error"})
    if schema is None:
        return None
    return Draft7Validator({"allOf": [schema], "components": _description()["components"]})


@cache
def _payload_validator(name: str) -> Draft7Validator:
    path = PACKAGES / "webhooks-schemas/schema.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: run `npm ci --prefix tests/npm` (.ci/services does)")
    definitions = json.loads(path.read_text())["definitions"]
    return Draft7Validator({"allOf": [{"$ref": f"#/definitions/{name}"}], "definitions": definitions})


def _with_nulls(schema: Any) -> Any:
    """OpenAPI 3.0's `nullable` in the words of JSON Schema."""
    if isinstance(schema, list):
        return [_with_nulls(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: _with_nulls(value) for key, value in schema.items() if key != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if schema.get("nullable") is True else plain
