"""Packs that a client uploads: indexed in a quarantine under hard limits, looked through, and only then adopted.

Rules:
- What a pack says of itself (size, number of objects, checksum) is checked before git sees it.
- Git indexes each pack alone, so a delta without its base is refused, in whatever order packs come.
- A pack holds commits and trees; file contents never enter.
- Nothing is in the home repository before its pack passed. Nothing there is ever pruned: uploaded packs exist nowhere else.
"""

import contextlib
import hashlib
import os
import re
import shutil
from binascii import unhexlify
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import NamedTuple, Self

from bot.dora.commits import Sha
from bot.git.environment import HARMLESS
from bot.git.errors import GitError
from bot.git.limited import Budget, FailedError, OverLimitError
from bot.git.log import PLAINLY, LogEntry, parse_log

LARGEST_PACK = 24 * 2**20
"""Bytes; clients cut packs at 3 MiB, but one object may be larger."""
MOST_OBJECTS = 400_000
LARGEST_OBJECT = 32 * 2**20
"""Bytes of a commit or tree, inflated: a folder of about 800,000 files."""
MOST_GAPS = 200
"""Commits of one push whose changed paths are looked for one by one because a tree is missing."""

_HASHES = {20: "sha1", 32: "sha256"}
_MISSING = ("gitattributesMissing", "gitmodulesMissing")
"""Checks of file contents, which are never here; index-pack makes them after all others."""
_FAULT = re.compile(r"\b(" + "|".join(HARMLESS) + r")\b")
_LENIENT = {f"fsck.{fault}": "ignore" for fault in (*HARMLESS, *_MISSING)}
_INDEXING = {"pack.threads": "1", "core.deltaBaseCacheLimit": "32m", "core.bigFileThreshold": "64m"}
_BROKEN_OBJECT, _BROKEN_PACK = 1, 4
"""Of the exit status of `git fsck`; that objects are missing, which is 2, is no fault here."""


class PackRefusedError(GitError):
    """A pack that is not taken in; its text is a sentence for people."""

    slug = "pack_refused"


class Survey(NamedTuple):
    """What a quarantine holds."""

    objects: int
    commits: list[Sha]


class Changes(NamedTuple):
    """Files with the log of commits, to be read with `parse_log`, and the commits whose trees are not all there."""

    files: list[Path]
    failed: list[Sha]


def pack_id(pack: bytes) -> bytes:
    """What names a pack: not its own checksum, which a damaged one has too."""
    return hashlib.blake2b(pack, digest_size=20).digest()


def check_pack(pack: bytes, *, sha_size: int) -> None:
    """Raises PackRefusedError for what is no whole pack of bearable size."""
    if len(pack) < 12 + sha_size or pack[:4] != b"PACK" or pack[4:8] not in (b"\0\0\0\2", b"\0\0\0\3"):
        raise PackRefusedError("This is no git pack.")
    if len(pack) > LARGEST_PACK:
        raise PackRefusedError(f"The pack is larger than {LARGEST_PACK:,} bytes.")
    count = int.from_bytes(pack[8:12])
    if not 0 < count <= MOST_OBJECTS:
        raise PackRefusedError(f"The pack says that it holds {count:,} objects; 1 to {MOST_OBJECTS:,} are taken.")
    if hashlib.new(_HASHES[sha_size], pack[:-sha_size], usedforsecurity=False).digest() != pack[-sha_size:]:
        raise PackRefusedError("The pack is cut off or damaged: its checksum is wrong.")


class Home:
    """Where adopted packs lie: a bare repository without file contents and without a remote."""

    def __init__(self, path: Path, *, sha_size: int = 20) -> None:
        self.path, self.sha_size = path.absolute(), sha_size
        self.packs = self.path / "objects" / "pack"

    def make(self, budget: Budget) -> None:
        """Make it unless it is there."""
        if not (self.path / "HEAD").exists():
            make_repository(self.path, budget, sha_size=self.sha_size)

    def holds(self, id: bytes) -> bool:
        """Whether a pack was adopted here."""
        return (self.packs / f"pack-{id.hex()}.idx").exists()

    def keep(self, tips: Iterable[Sha], boundary: Collection[Sha], budget: Budget) -> None:
        """Name commits by refs, and tell git which commits stand without all their parents."""
        for tip in tips:
            budget.run(self.path, "update-ref", f"refs/uploads/{tip.hex()}", tip.hex())
        new = self.path / f"shallow.{os.getpid()}"
        new.write_text("".join(f"{sha.hex()}\n" for sha in sorted(boundary)), "ascii")
        new.replace(self.path / "shallow")

    def merged(self, budget: Budget, packs: Iterable[bytes]) -> bytes:
        """All that these packs hold, as one pack."""
        objects: set[bytes] = set()
        for pack in packs:
            with (self.packs / f"pack-{pack.hex()}.idx").open("rb") as index:
                said = budget.run(self.path, "show-index", stdin=index.read())
            objects.update(line.split()[1] for line in said.splitlines())
        asked = b"".join(name + b"\n" for name in sorted(objects))
        return budget.run(
            self.path, "pack-objects", "--quiet", "--stdout", "--threads=1", "--window=10", stdin=asked, config=_INDEXING
        )

    def drop(self, id: bytes) -> None:
        """Remove a pack whose objects are in another one."""
        for file in self.packs.glob(f"pack-{id.hex()}.*"):
            file.unlink(missing_ok=True)


def make_repository(path: Path, budget: Budget, *, sha_size: int) -> None:
    """An empty bare repository."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    budget.run(
        path, "init", "--quiet", "--bare", "--template=", "--initial-branch=main", f"--object-format={_HASHES[sha_size]}", "."
    )


class Quarantine:
    """A repository for packs that nobody looked at yet; leaving it removes what was not adopted, and the logs."""

    def __init__(self, home: Home, budget: Budget) -> None:
        self.home, self.budget = home, budget
        home.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = Path(mkdtemp(prefix="tmp-", dir=home.path.parent))
        self.packs = self.path / "objects" / "pack"
        self._added: list[bytes] = []

    def __enter__(self) -> Self:
        self.make()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def make(self) -> None:
        """Make the repository."""
        make_repository(self.path, self.budget, sha_size=self.home.sha_size)
        self.packs.mkdir(parents=True, exist_ok=True)

    def close(self) -> None:
        """Remove all of it."""
        shutil.rmtree(self.path, ignore_errors=True)

    # Packs ------------------------------------------------------------------------------------------------------------

    def add(self, pack: bytes) -> None:
        """Index a pack. Raises PackRefusedError, with the quarantine as it was before."""
        check_pack(pack, sha_size=self.home.sha_size)
        id = pack_id(pack)
        file = self.packs / f"pack-{id.hex()}.pack"
        file.write_bytes(pack)
        try:
            self._index(file)
            self.survey()
        except OverLimitError as error:
            self._remove(id)
            raise PackRefusedError(f"It takes more to read than a pack may: {error}.") from error
        except FailedError as error:
            self._remove(id)
            raise PackRefusedError(f"Git refuses it: {error.said}") from error
        except PackRefusedError:
            self._remove(id)
            raise
        self._added.append(id)

    def link(self, id: bytes) -> None:
        """Have a pack of the home repository here too."""
        for file in self.home.packs.glob(f"pack-{id.hex()}.*"):
            with contextlib.suppress(FileExistsError):
                os.link(file, self.packs / file.name)

    def _remove(self, id: bytes) -> None:
        for file in (*self.packs.glob(f"pack-{id.hex()}.*"), *self.packs.glob("tmp_*"), *self.packs.glob(".tmp*")):
            file.unlink(missing_ok=True)

    def _index(self, file: Path) -> None:
        try:
            self.budget.run(self.path, "index-pack", "--fsck-objects", "--threads=1", str(file), config=_INDEXING)
        except FailedError as error:
            # Not every git that is in use lets index-pack be told which of its checks do not matter.
            if all(_is_of_contents(line) for line in error.lines):
                self.budget.run(self.path, "index-pack", "--threads=1", str(file), config=_INDEXING)
            elif any(map(_FAULT.search, error.lines)):
                self._index_leniently(file)
            else:
                raise

    def _index_leniently(self, file: Path) -> None:
        """Faults that no reader minds must not cost a history."""
        self.budget.run(self.path, "index-pack", "--threads=1", str(file), config=_INDEXING)
        asked = ("fsck", "--strict", "--no-dangling", "--no-reflogs", "--no-progress")
        try:
            # What it prints names every file whose contents are not here.
            self.budget.run(self.path, *asked, config=_LENIENT, into=Path(os.devnull))
        except FailedError as error:
            if error.code & (_BROKEN_OBJECT | _BROKEN_PACK):
                raise

    def survey(self) -> Survey:
        """What is here, before `join`. Raises PackRefusedError for what is neither commit nor tree, or too large."""
        listed = self.path / "objects.txt"
        form = "--batch-check=%(objecttype) %(objectsize) %(objectname)"
        self.budget.run(self.path, "cat-file", "--batch-all-objects", "--unordered", form, into=listed)
        commits, count = [], 0
        with listed.open("rb") as lines:
            for line in lines:
                kind, size, name = line.split()
                count += 1
                if kind not in (b"commit", b"tree"):
                    raise PackRefusedError(f"It holds a {kind.decode('ascii', 'replace')}: only commits and trees are taken.")
                if int(size) > LARGEST_OBJECT:
                    raise PackRefusedError(f"It holds an object of {int(size):,} bytes; at most {LARGEST_OBJECT:,} are taken.")
                if kind == b"commit":
                    commits.append(unhexlify(name))
        return Survey(count, sorted(commits))

    # The graph --------------------------------------------------------------------------------------------------------

    def join(self) -> None:
        """See the home repository's objects too, from now on."""
        self.home.make(self.budget)
        info = self.path / "objects" / "info"
        info.mkdir(exist_ok=True)
        (info / "alternates").write_bytes(os.fsencode(self.home.path / "objects") + b"\n")

    def parents(self, commits: Sequence[Sha]) -> dict[Sha, tuple[Sha, ...]]:
        """The parents of commits that are there, whether these are there or not."""
        if not commits:
            return {}
        said = self.budget.run(self.path, "log", "--no-walk=unsorted", "--stdin", "-s", "--format=%H %P", stdin=_lines(commits))
        rows = ([unhexlify(sha) for sha in line.split()] for line in said.splitlines())
        return {sha: tuple(parents) for sha, *parents in rows}

    def existing(self, commits: Collection[Sha]) -> set[Sha]:
        """Those of the commits that are there."""
        if not commits:
            return set()
        wanted = sorted(commits)
        said = self.budget.run(self.path, "cat-file", "--batch-check=%(objecttype)", stdin=_lines(wanted)).split(b"\n")
        return {sha for sha, line in zip(wanted, said, strict=False) if line == b"commit"}

    def is_closed(self, commits: Sequence[Sha]) -> bool:
        """Whether all trees of these commits are there."""
        listed = self.path / "closure.txt"
        self.budget.run(
            self.path, "rev-list", "--objects", "--no-object-names", "--no-walk=unsorted", "--filter=blob:none",
            "--missing=print", "--stdin", stdin=_lines(commits), into=listed,
        )  # fmt: skip
        with listed.open("rb") as lines:
            return not any(line.startswith(b"?") for line in lines)

    def changes(self, commits: Sequence[Sha]) -> Changes:
        """The log of these commits with changed paths; where a tree is missing the commit is left out. Raises OverLimitError."""
        files: list[Path] = []
        failed: list[Sha] = []
        rest = list(commits)
        while rest and len(failed) < MOST_GAPS:
            files.append(self.path / f"log-{len(files)}")
            try:
                self._log(rest, files[-1], "--name-only", "--diff-merges=off")
            except FailedError as error:
                if "unable to read tree" not in error.said:
                    raise
                with files[-1].open("rb") as stream:
                    done = sum(1 for _ in parse_log(stream))
                failed.append(rest[done])
                rest = rest[done + 1 :]
            else:
                rest = []
        return Changes(files, failed + rest)

    def heads(self, commits: Sequence[Sha]) -> Path:
        """A file with the log of these commits, without paths."""
        file = self.path / "heads"
        if commits:
            self._log(commits, file, "-s")
        else:
            # Asked for nothing, git logs HEAD.
            file.touch()
        return file

    def _log(self, commits: Sequence[Sha], into: Path, *options: str) -> None:
        self.budget.run(self.path, "log", "-z", "--no-walk=unsorted", "--stdin", *options, *PLAINLY, stdin=_lines(commits), into=into)

    def adopt(self) -> None:
        """Move the packs that were added to the home repository, where git sees each from the moment its index is there."""
        self.home.make(self.budget)
        self.home.packs.mkdir(parents=True, exist_ok=True)
        for id in self._added:
            files = sorted(self.packs.glob(f"pack-{id.hex()}.*"), key=lambda file: file.suffix == ".idx")
            for file in files:
                file.replace(self.home.packs / file.name)
        self._added = []


def _is_of_contents(line: str) -> bool:
    """Whether a complaint of index-pack is about contents that are missing, or its last word after such."""
    return any(check in line for check in _MISSING) or line == "fatal: fsck error in pack objects"


def _lines(commits: Iterable[Sha]) -> bytes:
    return b"".join(sha.hex().encode() + b"\n" for sha in commits)


def read_log(files: Iterable[Path]) -> Iterator[LogEntry]:
    """The commits in files of `Changes`."""
    for file in files:
        with file.open("rb") as stream:
            yield from parse_log(stream)
