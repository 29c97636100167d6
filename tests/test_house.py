"""The house rules that a reader can check by looking, checked by looking."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LONGEST = 500


def _modules(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from (ROOT / folder).rglob("*.py")


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


@pytest.mark.parametrize("path", sorted(_modules("bot", "tests", "benchmarks")), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_short_and_say_what_they_are(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= LONGEST
    assert not text.strip() or ast.get_docstring(ast.parse(text)), "a module begins with what it is"


@pytest.mark.parametrize(
    ("module", "rooms"),
    [
        ("yaml", {"bot/guard.py"}),
        ("hmac.compare_digest", {"bot/guard.py"}),
        ("subprocess", {"bot/git", "bot/demo", "bot/standins"}),
        ("sqlite3", {"bot/store", "bot/cli/check.py"}),
        ("psycopg", {"bot/store"}),
    ],
)
def test_one_room_each(module: str, rooms: set[str]) -> None:
    """Hostile text is parsed, secrets are compared, git is called and SQL is spoken in one place each."""
    for path in _modules("bot"):
        where = str(path.relative_to(ROOT))
        imported = any(name == module or name.startswith(f"{module}.") for name in _imports(path))
        if imported or ("." in module and module in path.read_text()):
            assert any(where.startswith(room) for room in rooms), where


def test_the_ground_has_no_clock() -> None:
    for path in _modules("bot/dora"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                assert node.attr not in {"now", "utcnow", "today", "time_ns"}, path.name


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock", "tests/clients/requirements.lock"])
def test_lock_files_hold_hashes_and_no_addresses(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "--hash=sha256:" in text
    assert "://" not in text
