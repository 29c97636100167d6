"""Structured logs: for people on a terminal, JSON lines otherwise; no secrets, bodies, headers or query strings.

Rules: an event is a constant text, what varies are its fields. `redact` is the last line of defence, not a licence.
"""

import logging
import re
import sys
from collections.abc import Iterable
from typing import Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

HIDDEN: Final = "…"
_NAMES = re.compile(
    r"(?:^|_)(?:authorization|cookies?|credentials?|secrets?|passwords?|tokens?|signatures?|api_?keys?|private_?keys?|headers|"
    r"body|bodies|payload|query|query_string)$",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"(://)[^/@\s'\"]+@")
_QUERY = re.compile(r"(https?://[^\s?'\"]+)\?[^\s'\"]*")
_PARAMETER = re.compile(r"((?:api_?key|application_?key|token|secret|password|signature)=)[^&\s'\"]+", re.IGNORECASE)
_KEY = re.compile(r"\brf_[A-Za-z0-9_-]{8,}")
"""An API key, whoever made it."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Redact:
    """A processor that hides what has a telling name, looks like a credential, or is one of our secrets."""

    def __init__(self, secrets: Iterable[bytes] = ()) -> None:
        texts = sorted({secret.decode(errors="replace") for secret in secrets if secret}, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, texts))) if texts else None

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        """The event without what must not be seen."""
        return {name: HIDDEN if _NAMES.search(name) else self._clean(value) for name, value in event.items()}

    def _clean(self, value: object) -> object:
        if isinstance(value, bytes | bytearray | memoryview):
            return f"{len(value)} bytes"
        if isinstance(value, list | tuple | set | frozenset):
            return [self._clean(item) for item in value]
        if isinstance(value, dict):
            return {str(name): HIDDEN if _NAMES.search(str(name)) else self._clean(item) for name, item in value.items()}
        if value is None or isinstance(value, bool | int | float):
            return value
        return self._clean_text(str(value))

    def _clean_text(self, text: str) -> str:
        text = _KEY.sub(HIDDEN, _PARAMETER.sub(rf"\1{HIDDEN}", _QUERY.sub(r"\1", _USERINFO.sub(r"\1", text))))
        if self._secrets is not None:
            text = self._secrets.sub(HIDDEN, text)
        return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def configure_logging(*, stream: TextIO | None = None, secrets: Iterable[bytes] = (), level: int = logging.INFO) -> None:
    """Set up logs of this process, ours and the libraries', on `stream` (standard error); `secrets` never appear in them."""
    out = sys.stderr if stream is None else stream
    redact = Redact(secrets)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: Processor = (
        structlog.dev.ConsoleRenderer() if out.isatty() else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level, *shared, structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )  # fmt: skip
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact,
                render,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
