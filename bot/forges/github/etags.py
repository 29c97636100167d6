"""Answers kept with their ETags: GitHub counts no question that it answers with "unchanged".

gidgethub asks with what is kept here; what is kept is bounded, and each credential sees its own part.
"""

from collections import OrderedDict
from collections.abc import Iterator, MutableMapping
from typing import Any

KEPT = 8 * 1024 * 1024
"""Bytes of answers in all; of one answer at most an eighth."""

Entry = tuple[str | None, str | None, Any, str | None]
"""As gidgethub has it: ETag, Last-Modified, body (here always text), the next page's address."""


class EtagCache:
    """Answers with their ETags: the most recently used, up to `KEPT` bytes, each credential's apart."""

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[str, str], Entry] = OrderedDict()
        self._size = 0

    def of(self, owner: str) -> "OwnerCache":
        """The part that this credential sees."""
        return OwnerCache(self, owner)

    def get(self, key: tuple[str, str]) -> Entry:
        """Raises KeyError."""
        self._entries.move_to_end(key)
        return self._entries[key]

    def put(self, key: tuple[str, str], entry: Entry) -> None:
        """Keep it, and let the longest unused go."""
        self.drop(key)
        size = _size(entry)
        if size > KEPT // 8:
            return
        self._entries[key] = entry
        self._size += size
        while self._size > KEPT:
            _, dropped = self._entries.popitem(last=False)
            self._size -= _size(dropped)

    def drop(self, key: tuple[str, str]) -> None:
        """Forget it."""
        if key in self._entries:
            self._size -= _size(self._entries.pop(key))

    def urls(self, owner: str) -> list[str]:
        """What is kept for a credential."""
        return [url for kept, url in self._entries if kept == owner]


class OwnerCache(MutableMapping[str, Entry]):
    """One credential's part of the cache, as gidgethub wants it."""

    def __init__(self, cache: EtagCache, owner: str) -> None:
        self._cache, self._owner = cache, owner

    def __getitem__(self, url: str) -> Entry:
        return self._cache.get((self._owner, url))

    def __setitem__(self, url: str, entry: Entry) -> None:
        self._cache.put((self._owner, url), entry)

    def __delitem__(self, url: str) -> None:
        self._cache.drop((self._owner, url))

    def __iter__(self) -> Iterator[str]:
        return iter(self._cache.urls(self._owner))

    def __len__(self) -> int:
        return len(self._cache.urls(self._owner))


def _size(entry: Entry) -> int:
    return len(entry[2] or "") + 512
