"""What an exception of httpx's or httpcore's means for a call: told by its type, never by its text.

The classes are the libraries' public ones, looked up where a library is imported already. Their text
is not repeated: it may quote what the server sent.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

from openai_realtime.errors import APIConnectionError, APITimeoutError, RealtimeError
from openai_realtime.transports.exceptions import (
    lost,
    not_http,
    not_resolved,
    timed_out,
    tls_failed,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_LIBRARIES = ("httpx", "httpcore", "httpx2", "httpcore2")
# Exceptions of the parsers below httpcore: behind its own, they say that the response is malformed.
_PARSERS = {"h11": "RemoteProtocolError", "h2.exceptions": "ProtocolError"}
_WITHHELD = "details withheld: they may quote what was sent or received"


class translated:  # noqa: N801 - reads as a verb: `with translated():`
    """A `with` block whose exceptions of httpx's leave it as `APIConnectionError`s.

    The library's exception stays as the cause, without frames. Another exception passes unchanged,
    with those of its frames that are of the user's own code.
    """

    __slots__ = ("has_head",)

    def __init__(self) -> None:
        self.has_head: bool = False
        """Whether the response's head has been read."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None or isinstance(error, RealtimeError):
            return
        translation = translate(error, has_head=self.has_head)
        for origin in _origins(error):
            # The locals of a library's frames hold headers.
            frames = _of_the_users_code(origin.__traceback__) if translation is None else None
            origin.__traceback__ = frames
        if translation is not None:
            raise translation from error


def translate(error: BaseException, *, has_head: bool) -> APIConnectionError | None:
    """Return what an exception means, or None when it is neither httpx's nor the system's."""
    name = next((name for name in MEANINGS if isinstance(error, _classes(name))), None)
    if name is None:
        return None
    if name == "RemoteProtocolError" and (has_head or not _is_the_parsers(error)):
        # The same class says that the server hung up: without a parser's exception behind it before
        # the head has come, and with one where the body ends early.
        translation = _lost(None)
    else:
        translation = MEANINGS[name](_system_error(error))
    if name in _QUOTING:
        for origin in _origins(error):
            origin.args = (_WITHHELD,)
    return translation


def _classes(name: str) -> tuple[type, ...]:
    found = [getattr(sys.modules.get(library), name, None) for library in _LIBRARIES]
    return (*[kind for kind in found if isinstance(kind, type)], *_BUILT_IN.get(name, ()))


def _is_the_parsers(error: BaseException) -> bool:
    found = [getattr(sys.modules.get(module), name, None) for module, name in _PARSERS.items()]
    known = tuple(kind for kind in found if isinstance(kind, type))
    return any(isinstance(origin, known) for origin in _origins(error))


def _system_error(error: BaseException) -> OSError | None:
    """Return what TLS, the look-up of the host's name, or else the operating system said."""
    found = [origin for origin in _origins(error) if isinstance(origin, OSError)]
    # An SSLError that OpenSSL did not raise has no reason.
    tls = [each for each in found if isinstance(each, ssl.SSLError) and hasattr(each, "reason")]
    names = [each for each in found if isinstance(each, socket.gaierror)]
    others = [
        each
        for each in found
        if not isinstance(each, ssl.SSLError) and each.errno in errno.errorcode
    ]
    return next(iter(tls + names + others[::-1]), None)


def _not_connected(cause: OSError | None) -> APIConnectionError:
    if cause is None:
        return APIConnectionError("Could not connect", phase="connect", retryable=True)
    if isinstance(cause, socket.gaierror):
        return not_resolved(cause)
    return (
        tls_failed(cause, "connect") if isinstance(cause, ssl.SSLError) else lost("connect", cause)
    )


def _lost(cause: OSError | None) -> APIConnectionError:
    return (
        tls_failed(cause, "receive") if isinstance(cause, ssl.SSLError) else lost("receive", cause)
    )


def _no_url(_: OSError | None) -> APIConnectionError:
    return APIConnectionError("The URL cannot be called", phase="connect")


# The first class that an exception is an instance of counts: base classes come last.
MEANINGS: dict[str, Callable[[OSError | None], APIConnectionError]] = {
    "PoolTimeout": lambda _: APITimeoutError("No connection became free in time", phase="pool"),
    "ConnectTimeout": lambda _: timed_out("connect"),
    "WriteTimeout": lambda _: timed_out("send"),
    "TimeoutException": lambda _: timed_out("receive"),
    "ConnectError": _not_connected,
    "WriteError": lambda cause: lost("send", cause),
    "NetworkError": _lost,
    "ProxyError": lambda _: APIConnectionError("The proxy refused the connection", phase="connect"),
    "UnsupportedProtocol": _no_url,
    "InvalidURL": _no_url,
    "LocalProtocolError": lambda _: APIConnectionError(
        "The request is not valid HTTP", phase="send"
    ),
    "RemoteProtocolError": lambda _: not_http("it cannot be parsed"),
    "TransportError": _lost,
    "RequestError": lambda _: APIConnectionError(
        "The response could not be read", phase="receive", possibly_acted=True
    ),
}
_QUOTING = frozenset(
    {
        "InvalidURL",
        "LocalProtocolError",
        "ProxyError",
        "RemoteProtocolError",
        "RequestError",
        "UnsupportedProtocol",
    }
)
# What a transport that is not httpx's may raise, and what it then means.
_BUILT_IN: dict[str, tuple[type[Exception], ...]] = {
    "TimeoutException": (TimeoutError,),
    "TransportError": (OSError,),
}


def _origins(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and everything behind it: causes, contexts, members of groups."""
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        origin = pending.pop()
        if origin is None or id(origin) in seen:
            continue
        seen.add(id(origin))
        yield origin
        pending += [origin.__cause__, origin.__context__]
        if isinstance(origin, BaseExceptionGroup):
            pending += cast("BaseExceptionGroup[BaseException]", origin).exceptions


_STANDARD_LIBRARY = str(Path(os.__file__).parent)
_INSTALLED = frozenset({"site-packages", "dist-packages"})
_THIS_PACKAGE = str(Path(__file__).parents[1])


def _of_the_users_code(traceback: TracebackType | None) -> TracebackType | None:
    """Return a traceback without the frames of installed packages and of the standard library.

    What is left is of a mock's handler, or of an application, whose author looks for the line that
    failed.
    """
    kept: list[TracebackType] = []
    while traceback is not None:
        filename = traceback.tb_frame.f_code.co_filename
        is_of_a_library = filename.startswith((_STANDARD_LIBRARY, _THIS_PACKAGE, "<"))
        if not is_of_a_library and _INSTALLED.isdisjoint(Path(filename).parts):
            kept.append(traceback)
        traceback = traceback.tb_next
    rest: TracebackType | None = None
    for entry in reversed(kept):
        rest = TracebackType(rest, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return rest
