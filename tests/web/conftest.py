"""What several tests of the web floor share."""

import io
import logging
from collections.abc import Iterator

import pytest
import structlog

from bot.log import configure_logging
from tests.web.doors import API_KEY, GITHUB_SECRET


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Logs as a server without a terminal writes them."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging(stream=stream, secrets=[API_KEY.encode(), GITHUB_SECRET.encode()])
    yield stream
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
