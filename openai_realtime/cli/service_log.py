"""What a running service writes on stderr: a line a request, as text or as JSON.

Owns: the lines' form. Must not know: what is told.
"""

from __future__ import annotations

import json
import logging
from dataclasses import fields
from typing import TYPE_CHECKING

from typing_extensions import override

from openai_realtime.cli.choices import LogFormat
from openai_realtime.cli.output import one_line
from openai_realtime.core.peer_text import visible
from openai_realtime.mint.access_log import AccessEntry, logger

if TYPE_CHECKING:
    from logging import LogRecord
    from types import TracebackType

    _ExceptionInfo = (
        tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    )

_FACTS = [field.name for field in fields(AccessEntry)]


class _TextFormatter(logging.Formatter):
    @override
    def formatMessage(self, record: LogRecord) -> str:
        return one_line(super().formatMessage(record))

    @override
    def formatException(self, ei: _ExceptionInfo) -> str:
        # Indented: the exception may quote a request, and a line of that is none of the log's.
        lines = super().formatException(ei).split("\n")
        return "\n".join(f"  {visible(line)}" for line in lines)


class _JsonFormatter(logging.Formatter):
    @override
    def format(self, record: LogRecord) -> str:
        told: dict[str, object] = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **{name: getattr(record, name) for name in _FACTS if hasattr(record, name)},
        }
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)
        return json.dumps(told)


def tell_on_stderr(form: LogFormat) -> None:
    """Write every request on stderr, and what else there is to warn of."""
    handler = logging.StreamHandler()
    handler.setFormatter(
        _JsonFormatter()
        if form is LogFormat.JSON
        else _TextFormatter("%(asctime)s %(levelname)s %(message)s")
    )
    logging.getLogger().addHandler(handler)
    logger.setLevel(logging.INFO)
