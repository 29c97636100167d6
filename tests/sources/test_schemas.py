"""The vendored schemas are the published ones, with their licence beside them."""

import hashlib
import json
from pathlib import Path

import jsonschema
import pytest

import bot.sources

SCHEMAS = Path(bot.sources.__file__).parent / "schemas"


def test_the_vendored_files_are_unchanged() -> None:
    listed = dict(reversed(line.split()) for line in (SCHEMAS / "datadog" / "SHA256SUMS").read_text().splitlines())
    folder = SCHEMAS / "datadog"
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert set(listed) == there - {"NOTICE", "SHA256SUMS"}
    found = {name: hashlib.sha256((SCHEMAS / "datadog" / name).read_bytes()).hexdigest() for name in listed}
    assert found == listed


def test_licence_and_notice_stand_beside_them() -> None:
    assert "Apache License" in (SCHEMAS / "datadog" / "LICENSE").read_text()
    notice = (SCHEMAS / "datadog" / "NOTICE").read_text()
    assert "https://github.com/DataDog/schema" in notice
    assert "Apache License, Version 2.0" in notice


@pytest.mark.parametrize("schema", sorted(SCHEMAS.rglob("*.json")), ids=lambda path: path.name)
def test_every_schema_is_one(schema: Path) -> None:
    jsonschema.Draft7Validator.check_schema(json.loads(schema.read_text()))
