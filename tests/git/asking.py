"""What tests ask git and the product about a repository."""

from pathlib import Path

from bot import git


def entries(path: Path, **tips: object) -> dict[str, git.LogEntry]:
    include = tips.pop("include", None) or {tip.sha for tip in git.list_refs(path)}
    return {entry.sha.hex(): entry for entry in git.log(path, include=include, **tips)}  # type: ignore[arg-type]


def heads(path: Path) -> dict[str, str]:
    return {tip.name: tip.sha.hex() for tip in git.list_refs(path)}


def children_running_in(folder: Path) -> list[str]:
    """Processes whose working directory is `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder:
                found.append((process / "cmdline").read_bytes().decode())
        except OSError:
            continue
    return found


def snapshot(folder: Path) -> dict[str, int]:
    """All files below a folder and their sizes."""
    return {str(path): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
