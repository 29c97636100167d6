"""The sample organisation, built once: tests only read it."""

from datetime import date
from pathlib import Path

import pytest

from bot.demo.organisation import Organisation, build_organisation

BASE = date(2026, 11, 21)


@pytest.fixture(scope="session")
def organisation(tmp_path_factory: pytest.TempPathFactory) -> Organisation:
    return build_organisation(Path(tmp_path_factory.mktemp("organisation")), BASE)
