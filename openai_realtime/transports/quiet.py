"""Keeps what servers send out of httpcore's debug log while a call of ours is on its way.

Owns: what another library may log of our traffic. Must not know: calls or engines.

httpcore writes every response header at DEBUG, and quotes what it cannot parse. A server that echoes
a key, or puts a secret where a header should be, would put it into the log.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING, Self

from openai_realtime.transports.translation import translated

if TYPE_CHECKING:
    from types import TracebackType

_in_a_call: ContextVar[bool] = ContextVar("openai_realtime.in_a_call", default=False)
"""Whether what is logged now is about a call of ours."""


class quietly(translated):  # noqa: N801 - reads as an adverb: `with quietly():`
    """A `with` block that asks httpcore: quiet, and its exceptions translated."""

    __slots__ = ("_token",)

    def __enter__(self) -> Self:
        self._token = _in_a_call.set(True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _in_a_call.reset(self._token)
        super().__exit__(kind, error, traceback)


def _is_not_ours(_record: logging.LogRecord) -> bool:
    return not _in_a_call.get()


for _name in ("httpcore.http11", "httpcore.http2", "httpcore.proxy"):
    logging.getLogger(_name).addFilter(_is_not_ours)
