"""The files that hold service definitions, and those of a folder as bytes."""

from pathlib import Path

from bot.dora.definitions import Problem
from bot.guard import MAX_YAML, scrub

SUFFIXES = (".yaml", ".yml")
FOLDER_NAME = "service_definitions"
MAX_FILES = 5000
REPOSITORY_FILES = tuple(f"{name}.datadog{suffix}" for name in ("entity", "service") for suffix in SUFFIXES)
"""Definition files at the root of a repository; each is read by itself."""


def definition_files(folder: Path) -> list[Path]:
    """The YAML files of a folder by name (those in its subfolders, and hidden ones, are not asked). Raises OSError."""
    found = [
        path for path in folder.iterdir() if path.suffix in SUFFIXES and not path.name.startswith(".") and path.is_file()
    ]
    return sorted(found, key=lambda path: path.name)


def defines(path: str) -> bool:
    """Whether a repository's path is a file of definitions or rules: in the folder of that name, or at the root."""
    folder, _, name = path.rpartition("/")
    if not folder:
        return name in REPOSITORY_FILES
    return folder == FOLDER_NAME and name.endswith(SUFFIXES) and not name.startswith(".")


def read_files(files: list[Path]) -> tuple[dict[Path, bytes], list[Problem]]:
    """The contents of files (cut off just beyond what is accepted), and those that cannot be read."""
    found: dict[Path, bytes] = {}
    problems = []
    for path in files[:MAX_FILES]:
        try:
            with path.open("rb") as file:
                found[path] = file.read(MAX_YAML + 1)
        except OSError as error:
            problems.append(unreadable(path, error.strerror or "not readable"))
    if len(files) > MAX_FILES:
        problems.append(unreadable(files[MAX_FILES], f"more than {MAX_FILES} files in one folder"))
    return found, problems


def unreadable(path: Path, why: str) -> Problem:
    """The problem of a file that cannot be read."""
    return Problem(file=file_name(path), line=1, column=1, severity="error", message=f"cannot be read: {why}")


def file_name(path: Path) -> str:
    """A path as it may be shown and stored, whatever bytes it holds."""
    return scrub(str(path))
