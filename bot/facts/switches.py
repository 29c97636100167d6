"""What an operator turned on or off; off until somebody turned it on."""

from bot.store import Reader, Writer


def set_reports(writer: Writer, forge: str, *, on: bool) -> None:
    """Let the bot speak in that forge's pull requests, or not."""
    writer.write_many("meta", [(_reports(forge), "on" if on else "off")], on_conflict="replace")


def reports_enabled(reader: Reader, forge: str) -> bool:
    """Whether the bot may speak in that forge's pull requests."""
    return reader.fetch("switch", str, name=_reports(forge)) == ["on"]


def _reports(forge: str) -> str:
    return f"reports:{forge}"
