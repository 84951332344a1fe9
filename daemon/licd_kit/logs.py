"""Structured logs on stderr: JSON in containers, readable on a terminal. Secrets are never given to them."""

import logging
import sys
import traceback
from collections import Counter
from typing import Literal, TextIO

import structlog

from licd_kit.printable import escaped
from licd_kit.rate_limit import RateLimit

LIBRARY_LINES = 20
"""Lines that a library may write at once, and then one a second (R36): what strangers send makes some of them write."""
_OWN = ("licd", "node_client")
"""How the names of licd's own loggers begin."""


class LibraryLines(logging.Filter):
    """Lets licd's own records pass, and so many of each library's; the next that passes says how many did not."""

    def __init__(self) -> None:
        super().__init__()
        self._limit = RateLimit(per_second=1, burst=LIBRARY_LINES)
        self._left_out: Counter[str] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter`."""
        if record.name.startswith(_OWN):
            return True
        library = record.name.partition(".")[0]
        if self._limit.take(library):
            self._left_out[library] += 1
            return False
        if left_out := self._left_out.pop(library, 0):
            record.msg = f"{record.getMessage()} ({left_out} more lines of {library} were left out before this one)"
            record.args = ()
        return True


def configure(log_format: Literal["json", "text"], own: str = "") -> None:
    """Set logging up for the whole process; libraries' own records go the same way.

    Args:
        log_format: How a record is written.
        own: The logger from whose descendants records of the level INFO are kept, such as `licd_vendor`; of all others
            only warnings are. "": INFO from everywhere.
    """
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_traceback)
    )
    tail: list[structlog.types.Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    tail.append(structlog.processors.format_exc_info if log_format == "json" else _printable)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[*tail, renderer]))
    handler.addFilter(LibraryLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger(own).setLevel(logging.INFO)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def _printable(_: object, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """JSON escapes what steers a terminal; here it is done before the colours are added."""
    return {key: escaped(value) if isinstance(value, str) else value for key, value in event.items()}


def _traceback(stream: TextIO, error: structlog.types.ExcInfo) -> None:
    """Without the values of variables: they may be secrets."""
    stream.write("\n" + escaped("".join(traceback.format_exception(*error)), kept="\n"))
