"""A list of tracked files is counted, and refused before it takes memory."""

import tracemalloc

import pytest

from bot.sources.fields import InvalidError
from bot.sources.uploads import count_files


def test_files_are_counted() -> None:
    assert count_files(b'{"version":1,"data":[{"files":["a","b,c"]},{"files":["d"]}]}') == 3


def test_too_many_are_refused_before_they_take_memory() -> None:
    body = b'{"data":[{"files":[' + b"1," * 8_000_000 + b"1]}]}"
    tracemalloc.start()
    try:
        with pytest.raises(InvalidError, match="more than"):
            count_files(body)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
