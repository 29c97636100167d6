"""The demo's data folder: base date, secrets (0600) and the ids the first play got."""

import json
import os
import secrets
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from bot.demo.deliveries import Secrets
from bot.demo.organisation import DemoError

SECRETS = {"github": "github-webhook-secret", "gitlab": "gitlab-webhook-secret", "api_key": "api-key"}


def base_date(folder: Path) -> date:
    """The day of the first play; written down then. Taken an hour ago, so that day 0's first hour has passed."""
    note = folder / "base-date"
    if not note.exists():
        folder.mkdir(parents=True, exist_ok=True)
        note.write_text((datetime.now(UTC) - timedelta(hours=1)).date().isoformat() + "\n", encoding="utf-8")
    try:
        return date.fromisoformat(note.read_text(encoding="utf-8").strip())
    except ValueError as error:
        raise DemoError(f"{note} holds no date: {error}") from error


def secret_file(folder: Path, name: str) -> Path:
    """The file of a secret, made on first use, readable by its owner alone."""
    path = folder / "secrets" / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(24) + "\n")
    return path


def own_secrets(folder: Path) -> Secrets:
    """The secrets the demo made for itself."""
    values = {field: read_secret(secret_file(folder, name)) for field, name in SECRETS.items()}
    return Secrets(**values)


def read_secret(path: Path) -> str:
    """The secret in a file; of a list the first."""
    try:
        value = path.read_text(encoding="utf-8").strip().partition(",")[0].strip()
    except OSError as error:
        raise DemoError(f"{path}: {error.strerror}") from error
    if not value:
        raise DemoError(f"{path} is empty")
    return value


def given_secret(environ: Mapping[str, str], name: str, path: Path | None) -> str:
    """A secret from the file on the command line, else NAME_FILE, else NAME; never from an argument."""
    if path is None and environ.get(f"{name}_FILE"):
        path = Path(environ[f"{name}_FILE"])
    value = read_secret(path) if path is not None else environ.get(name, "").partition(",")[0].strip()
    if not value:
        raise DemoError(f"no {name}: give a file, or set {name} or {name}_FILE")
    return value


def compare_with_first_play(folder: Path, server: str, ids: Mapping[str, str]) -> None:
    """The same deployment or failure has the same id in every play; raises DemoError if not. The first play is written down."""
    note = folder / "deployment-ids.json"
    if not note.exists():
        note.write_text(json.dumps(ids, indent=1) + "\n", encoding="utf-8")
        return
    first = json.loads(note.read_text(encoding="utf-8"))
    changed = [f"  {name}: {first.get(name)} at first, now {id} ({server})" for name, id in ids.items() if first.get(name, id) != id]
    if changed:
        raise DemoError("\n".join(["what was sent again got another id:", *changed]))
