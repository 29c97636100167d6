"""A real history on disk, unpacked once; `../shared` lies beside the project."""

import gzip
import shutil
from pathlib import Path

import pytest

from tests.support.gitrepo import git

SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def real_history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare repository of about 20,000 commits without file contents. Read it only."""
    path = tmp_path_factory.mktemp("real") / "real.git"
    git(path.parent, "init", "-q", "--bare", "-b", "main", str(path))
    pack = path / "objects" / "pack" / "history.pack"
    shutil.copyfile(SHARED / "history.pack", pack)
    git(path, "index-pack", str(pack))
    # Thousands of refs, each a file of its own, would take longer than all the rest.
    refs = sorted(gzip.decompress((SHARED / "history.refs.gz").read_bytes()).decode().splitlines(), key=lambda line: line.split()[1])
    (path / "packed-refs").write_text("# pack-refs with: sorted \n" + "".join(f"{line}\n" for line in refs))
    return path
