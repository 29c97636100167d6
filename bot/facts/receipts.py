"""Receipts of what needs no parsing any more: an API call is validated at the door, and its fact commits with its receipt."""

import json

from bot.store import Receipt, Writer


def allocate_receipt(writer: Writer) -> int:
    """The number of the next receipt: with `received_at` the order of API writes."""
    return writer.allocate("inbox", 1)


def record_receipt(writer: Writer, number: int, receipt: Receipt, *, ignored: str = "") -> None:
    """Record a receipt that is done the moment it commits, or `ignored` for a reason; in the transaction of its fact, after it."""
    writer.write_many(
        "inbox",
        [(
            number, receipt.source, receipt.key, receipt.event, receipt.received_at,
            json.dumps(dict(receipt.headers), sort_keys=True), receipt.body, "", "ignored" if ignored else "done", ignored, 1, receipt.received_at,
        )],
    )  # fmt: skip
