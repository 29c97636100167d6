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
    assert set(listed) == {"LICENSE", "v2.json", "v2.1.json", "v2.2.json"}
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
