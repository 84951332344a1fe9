"""Structured logs on stderr: JSON in containers, readable on a terminal. Secrets are never given to them."""

import logging
import sys
import traceback
from typing import Literal, TextIO

import structlog

from licd_kit.printable import escaped


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
