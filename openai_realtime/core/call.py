"""One thing to ask of a server: the request, and all that follows from its response."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from openai_realtime.core.deadline import Timeout
    from openai_realtime.core.meta import ResponseMeta
    from openai_realtime.core.wire import Request, Response
    from openai_realtime.errors import APIStatusError

T = TypeVar("T")
NO_HINTS: Mapping[int | str, str] = MappingProxyType({})


class Call(NamedTuple, Generic[T]):
    """One thing to ask of the server: the request, how its answer is read, how it may be retried."""

    operation: str
    """The public method's name, such as `sessions.create`."""
    request: Request
    parse: Callable[[Response, ResponseMeta], T]
    """Turns a 2xx response into the answer, or raises `APIResponseValidationError`."""
    timeout: Timeout
    repeatable: bool = True
    """Whether acting twice does no harm. Minting is: an orphaned secret expires by itself."""
    hints: Mapping[int | str, str] = NO_HINTS
    """What to do about an error of this code or status, where that is not the usual."""
    fallback: Callable[[APIStatusError], Call[T] | None] | None = None
    """Returns the call to make instead after an error answer, or None to take the error as it is."""
