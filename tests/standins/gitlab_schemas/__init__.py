"""GitLab's own descriptions of its answers, and `check`, which holds an answer against them (see README.md)."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from jsonschema import Draft7Validator
from jsonschema.validators import extend
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from bot.standins.forge import ContractBroken, Json

HERE = Path(__file__).parent
BASE = "https://gitlab.invalid/"
LATER: Mapping[str, frozenset[str]] = {
    "projects.json": frozenset({
        "topics", "readme_url", "visibility", "namespace", "empty_repo", "archived", "merge_method", "squash_option",
        "remove_source_branch_after_merge", "issues_enabled", "merge_requests_enabled",
    }),
    "project_hook.json": frozenset({"milestone_events", "resource_deploy_token_events"}),
    "system_hook.json": frozenset({
        "name", "description", "url_variables", "push_events_branch_filter", "branch_filter_strategy",
        "custom_webhook_template", "custom_headers",
    }),
    "notes.json": frozenset({"project_id", "internal", "imported", "imported_from"}),
    "tag.json": frozenset({"target", "protected"}),
    "issue.json": frozenset({"locked", "public_email"}),
}  # fmt: skip
"""What GitLab's present code (lib/api/entities) shows, and its older description of the answer does not know."""
SCHEMAS = {
    "/projects": "projects.json",
    "/groups/{id}/projects": "projects.json",
    "/projects/{id}": "projects.json",
    "/projects/{id}/hooks": "project_hook.json",
    "/projects/{id}/hooks/{hook_id}": "project_hook.json",
    "/hooks": "system_hook.json",
    "/hooks/{hook_id}": "system_hook.json",
    "/projects/{id}/merge_requests": "merge_request.json",
    "/projects/{id}/merge_requests/{iid}": "merge_request.json",
    "/projects/{id}/merge_requests/{iid}/notes": "notes.json",
    "/projects/{id}/merge_requests/{iid}/notes/{note_id}": "notes.json",
    "/projects/{id}/merge_requests/{iid}/commits": "commit/basic.json",
    "/projects/{id}/repository/commits": "commit/basic.json",
    "/projects/{id}/repository/commits/{sha}": "commit/detail.json",
    "/projects/{id}/repository/commits/{sha}/merge_requests": "merge_request.json",
    "/projects/{id}/repository/branches": "branch.json",
    "/projects/{id}/repository/branches/{name}": "branch.json",
    "/projects/{id}/repository/tags": "tag.json",
    "/projects/{id}/repository/tags/{name}": "tag.json",
    "/projects/{id}/deployments": "deployment.json",
    "/projects/{id}/deployments/{number}": "deployment.json",
    "/projects/{id}/issues": "issue.json",
    "/projects/{id}/issues/{number}": "issue.json",
    "/user": "user/basic.json",
}
"""Which description an answer has, by route; a list's items each."""

_usual = Draft7Validator.TYPE_CHECKER
_nullable_text = {
    name: lambda checker, value: value is None or _usual.is_type(value, "string") for name in ("date", "uri")
}
_Validator = extend(Draft7Validator, type_checker=_usual.redefine_many(_nullable_text))


def check(method: str, template: str, status: int, body: Json) -> None:
    """For a stand-in's `check`. Raises ContractBroken if the answer is not as GitLab describes it."""
    if status >= 400:
        if not isinstance(body, Mapping) or not ({"message", "error"} & body.keys()):
            raise ContractBroken(f"{status} without a reason: {body!r}")
        return
    name = SCHEMAS.get(template)
    if name is None:
        return
    items = body if isinstance(body, Sequence) and not isinstance(body, str) else [body]
    for item in items:
        for error in _validator(name).iter_errors(_without(item, LATER.get(name, frozenset()))):
            raise ContractBroken(f"{name}: {error.json_path}: {error.message}")


@cache
def _validator(name: str) -> Draft7Validator:
    whole = json.loads((HERE / name).read_text())
    ref = f"{BASE}{name}#/items" if whole["type"] == "array" else f"{BASE}{name}"
    return _Validator({"$ref": ref}, registry=Registry(retrieve=_read))


def _read(uri: str) -> Resource[object]:
    return Resource(contents=json.loads((HERE / uri.removeprefix(BASE)).read_text()), specification=DRAFT7)


def _without(body: Json, names: frozenset[str]) -> Json:
    if isinstance(body, Mapping):
        return {name: _without(value, names) for name, value in body.items() if name not in names}
    if isinstance(body, Sequence) and not isinstance(body, str):
        return [_without(item, names) for item in body]
    return body
