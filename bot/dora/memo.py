"""A memo bounded by weight, so that remembering answers never costs more than it is worth."""

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BoundedMemo(Generic[K, V]):
    """Remembers the newest answers; the oldest leave first when the sum of weights passes `limit`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._weight = 0
        self._known: dict[K, tuple[V, int]] = {}

    def get(self, key: K) -> V | None:
        """The remembered answer."""
        known = self._known.get(key)
        return None if known is None else known[0]

    def put(self, key: K, value: V, *, weight: int) -> V:
        """Remember `value` unless it alone is too heavy; returns it."""
        if weight > self._limit or key in self._known:
            return value
        self._known[key] = (value, weight)
        self._weight += weight
        while self._weight > self._limit:
            self._weight -= self._known.pop(next(iter(self._known)))[1]
        return value
