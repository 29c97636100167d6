"""What both engines do for those who use them."""

from bot.store import Receipt, Store


def receipt(key: str, at: int = 1, body: bytes = b"{}") -> Receipt:
    return Receipt(source="github", key=key, event="push", received_at=at, headers={"X-GitHub-Event": "push"}, body=body)


async def test_a_receipt_is_kept_once(store: Store) -> None:
    first = await store.append(receipt("a"))
    again = await store.append(receipt("a"))
    other = await store.append(receipt("b"))
    assert (first.known, again.known, other.known) == (False, True, False)
    assert first.id == again.id < other.id
    rows = await store.read_async(lambda reader: reader.fetch("due_deliveries", lambda *row: row, now=1, n=10))
    assert [(row[0], row[1], row[5]) for row in rows] == [(first.id, "github", b"{}"), (other.id, "github", b"{}")]
