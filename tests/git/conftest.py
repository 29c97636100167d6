"""A repository to read, and a mirror to fetch into."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot import git
from tests.support.gitrepo import GitRepo


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[GitRepo]:
    with GitRepo(tmp_path / "served" / "grp" / "sub" / "repo.git") as built:
        yield built


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    path = tmp_path / "mirrors" / "1.git"
    assert git.init_mirror(path)
    assert not git.init_mirror(path)
    return path
