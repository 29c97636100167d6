"""What is logged of requests that are no HTTP: that they came, never their bytes, in which a key may stand."""

import logging

from aiohttp.http import HttpProcessingError

LOGGER = logging.getLogger("rollforward.malformed")


class _WithoutBytes(logging.Filter):
    """Keeps the kind of the mistake; what aiohttp says of it repeats what was sent."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            record.msg, record.args, record.exc_info = f"malformed request: {type(error).__name__}", (), None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


LOGGER.addFilter(_WithoutBytes())
