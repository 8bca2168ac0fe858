"""Keeps what servers send out of httpcore's debug log while a call of ours is on its way.

Owns: what another library may log of our traffic. Must not know: calls or engines.

httpcore writes every response header at DEBUG, and quotes what it cannot parse. A server that echoes
a key, or puts a secret where a header should be, would put it into the log.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar

in_a_call: ContextVar[bool] = ContextVar("openai_realtime.in_a_call", default=False)
"""Whether what is logged now is about a call of ours."""


def _is_not_ours(_record: logging.LogRecord) -> bool:
    return not in_a_call.get()


for _name in ("httpcore.http11", "httpcore.http2", "httpcore.proxy"):
    logging.getLogger(_name).addFilter(_is_not_ours)
