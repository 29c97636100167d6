"""Receipts into the inbox, inside a transaction that is already open."""

import json
from collections.abc import Sequence
from typing import Protocol

from bot.store import Appended, Receipt, StoreValueError, Value, Writer

SEQUENCE = "inbox"
"""The sequence of `inbox.id`; for `Writer.allocate` too."""


class CountingWriter(Writer, Protocol):
    """A writer that tells how many rows a statement changed."""

    def count(self, query: str, /, **params: Value) -> int:
        """Run a named statement; how many rows it changed."""
        ...


def append_receipts(writer: CountingWriter, receipts: Sequence[Receipt]) -> list[Appended | StoreValueError]:
    """Append each receipt or find the known one; a receipt that no engine can keep spares the others."""
    first = number = next(iter(writer.fetch("next_in_sequence", int, name=SEQUENCE)), 1)
    results: list[Appended | StoreValueError] = []
    for receipt in receipts:
        try:
            appended = append_receipt(writer, number, receipt)
        except StoreValueError as error:
            results.append(error)
            continue
        number += not appended.known
        results.append(appended)
    if number > first:
        writer.execute("advance_sequence", name=SEQUENCE, next=number)
    return results


def append_receipt(writer: CountingWriter, number: int, receipt: Receipt) -> Appended:
    """One receipt under this number, unless its key is known; a known failed or dead one is due again."""
    added = writer.count(
        "append_receipt",
        id=number,
        source=receipt.source,
        key=receipt.key,
        event=receipt.event,
        received_at=receipt.received_at,
        headers=json.dumps(dict(receipt.headers), sort_keys=True),
        body=receipt.body,
    )
    if added:
        return Appended(id=number, known=False)
    ((known, state),) = writer.fetch("find_receipt", _pair, source=receipt.source, key=receipt.key)
    if state in {"failed", "dead"}:
        writer.execute("revive_receipt", id=known, now=receipt.received_at, body=receipt.body)
    return Appended(id=known, known=True)


def _pair(known: int, state: str) -> tuple[int, str]:
    return known, state
