"""One thing to ask of a server: the request, and all that follows from its answer.

Owns: what joins a request to its meaning. Must not know: engines, or how it is retried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from openai_realtime.core.deadline import Timeout
    from openai_realtime.core.meta import ResponseMeta
    from openai_realtime.core.wire import Request, Response
    from openai_realtime.errors import APIStatusError

T = TypeVar("T")


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
    not_found_hint: str | None = None
    """What to do about a 404, where that is not the base URL's fault."""
    fallback: Callable[[APIStatusError], Call[T] | None] | None = None
    """Returns the call to make instead after an error answer, or None to take the error as it is."""
