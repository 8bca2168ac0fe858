"""Translates failures of connections and of httpx into the errors that callers see.

Rules for this file: errors are distinguished by type, `errno` and `SSLError.reason`, never by their
text. No message quotes what a server sent. Only public classes of httpx and httpcore are used, and
only if the library is already imported.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
import sys
from collections.abc import Callable
from contextlib import ContextDecorator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, cast

from openai_realtime.errors import (
    APIConnectionError,
    APITimeoutError,
    CertificateError,
    ClientClosedError,
    RealtimeError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openai_realtime.errors import Phase

# getaddrinfo's errors that a retry does not change: the name does not exist.
_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})
NO_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})
"""The `errno` values of an `OSError` when no file descriptor is free."""
_MORE_DESCRIPTORS = "Raise the limit of open files (ulimit -n), or close files that are not needed"
# TLS failures that mean only that the connection ended.
_TLS_CUT_SHORT = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
# OpenSSL's names for the alert of a server that requires a client certificate and received none.
_CLIENT_CERTIFICATE_WANTED = frozenset(
    {"TLSV13_ALERT_CERTIFICATE_REQUIRED", "TLSV1_ALERT_CERTIFICATE_REQUIRED"}
)

_LOST = "The connection was lost before the whole response arrived"
_TIMED_OUT: dict[Phase, str] = {
    "connect": "Could not connect in time",
    "send": "The request could not be sent in time",
    "receive": "The response did not arrive in time",
}


def not_http(why: str) -> APIConnectionError:
    """Return the error of a response that is not HTTP/1.1, or exceeds the limits in `http1.py`."""
    return APIConnectionError(
        f"The server's response is not valid HTTP: {why}", phase="receive", possibly_acted=True
    )


def too_much(why: str) -> APIConnectionError:
    """Return the error of a response that is too large; `why` ends the message."""
    return APIConnectionError(f"The server's response {why}", phase="receive", possibly_acted=True)


def lost(phase: Phase, cause: OSError | None = None) -> APIConnectionError:
    """Return the error of a connection that ended, or failed, in `phase`; raise it from `cause`."""
    _forget_frames(cause)
    why = "" if cause is None else f": {_reason(cause)}"
    hint = _MORE_DESCRIPTORS if cause is not None and cause.errno in NO_DESCRIPTORS else None
    if phase == "connect":
        message = f"Could not connect{why}"
        if cause is None:
            message = "Could not connect: the connection was closed before it was established"
        return APIConnectionError(message, phase=phase, retryable=True, hint=hint)
    return APIConnectionError(
        f"{_LOST}{why}", phase=phase, retryable=True, possibly_acted=True, hint=hint
    )


class _DescriptorsNeeded(ContextDecorator):
    """A `with` block, or a function, that imports or opens something.

    It replaces the `OSError` of a process without free file descriptors by `APIConnectionError`.
    """

    def __init__(self, phase: Literal["connect", "receive"]) -> None:
        self._phase: Phase = phase

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, OSError) and error.errno in NO_DESCRIPTORS:
            raise lost(self._phase, error) from error


DESCRIPTORS_TO_CONNECT = _DescriptorsNeeded("connect")
"""For code that runs before a request is sent."""
DESCRIPTORS_TO_RECEIVE = _DescriptorsNeeded("receive")
"""For code that runs after a response has come: the server may have acted."""


def not_resolved(cause: OSError) -> APIConnectionError:
    """Return the error of a host whose name has no address; raise it from `cause`."""
    _forget_frames(cause)
    return APIConnectionError(
        f"The host's name could not be resolved: {cause.strerror or type(cause).__name__}",
        phase="connect",
        retryable=cause.errno not in _NO_SUCH_NAME,
        hint="Check base_url and this machine's name resolution",
    )


def tls_failed(cause: ssl.SSLError, phase: Literal["connect", "receive"]) -> APIConnectionError:
    """Return the error of a failure of TLS, in the handshake or later; raise it from `cause`."""
    _forget_frames(cause)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return CertificateError(
            f"The server's TLS certificate is not trusted: {cause.verify_message}",
            phase="connect",
            hint="For a company's own authority set SSL_CERT_FILE to its certificate",
        )
    if isinstance(cause, _TLS_CUT_SHORT):
        return lost(phase)
    if cause.reason in _CLIENT_CERTIFICATE_WANTED:
        return APIConnectionError(
            "The server requires a client certificate, and this client has none",
            phase=phase,
            possibly_acted=False,
            hint="Call it through a proxy that has one, or pass http_client= with a TLS context "
            "that loads it",
        )
    if phase == "connect":
        return APIConnectionError(
            f"The TLS handshake failed: {_reason(cause)}",
            phase="connect",
            hint="Check that base_url's port speaks TLS 1.2 or newer",
        )
    return APIConnectionError(
        f"TLS failed: {_reason(cause)}", phase=phase, possibly_acted=True, retryable=True
    )


def timed_out(phase: Phase) -> APITimeoutError:
    """Return the error of a phase that has exceeded its own time limit."""
    return APITimeoutError(
        _TIMED_OUT[phase], phase=phase, retryable=True, possibly_acted=phase != "connect"
    )


def pool_timed_out(count: int) -> APITimeoutError:
    """Return the error of a call that waited too long for one of `count` request slots."""
    return APITimeoutError(
        f"No connection became free in time: {count} are busy",
        phase="pool",
        hint="Make fewer calls at once, or use more processes",
    )


def client_closed() -> ClientClosedError:
    """Return the error of a call that begins after its client was closed."""
    return ClientClosedError(
        "The client is closed: make a new one, or keep one open for the whole process"
    )


def _reason(cause: OSError) -> str:
    if isinstance(cause, ssl.SSLError):
        return (cause.reason or type(cause).__name__).replace("_", " ").lower()
    return os.strerror(cause.errno) if cause.errno else type(cause).__name__


def _forget_frames(cause: OSError | None) -> None:
    """Drop the traceback: its frames' locals hold the request's headers."""
    if cause is not None:
        cause.__traceback__ = None


_LIBRARIES = ("httpx", "httpcore", "httpx2", "httpcore2")
# Exceptions of httpcore's parsers. As the cause of httpcore's own, they mean a malformed response.
_PARSERS = {"h11": "RemoteProtocolError", "h2.exceptions": "ProtocolError"}
_WITHHELD = "details withheld: they may quote what was sent or received"


class translated:  # noqa: N801 - reads as a verb: `with translated():`
    """A `with` block that turns httpx's exceptions into `APIConnectionError`s.

    The library's exception becomes the cause, without frames. Any other exception passes through
    and keeps only the frames of the user's own code.
    """

    __slots__ = ("has_head",)

    def __init__(self) -> None:
        self.has_head: bool = False
        """Whether the response's head has been read."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
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
    """Return the error for an exception of httpx or of the system, or None for any other."""
    name = next((name for name in MEANINGS if isinstance(error, _classes(name))), None)
    if name is None:
        return None
    if name == "RemoteProtocolError" and (has_head or not _is_the_parsers(error)):
        # httpcore raises the same class when the server closes the connection: before the head,
        # then without a parser's exception as the cause; or within the body, then with one.
        translation = _lost(None)
    else:
        translation = MEANINGS[name](_system_error(error))
    if name in _QUOTING:
        for origin in _origins(error):
            origin.args = (_WITHHELD,)
    return translation


def _classes(name: str) -> tuple[type, ...]:
    candidates = [getattr(sys.modules.get(library), name, None) for library in _LIBRARIES]
    return (*[kind for kind in candidates if isinstance(kind, type)], *_BUILT_IN.get(name, ()))


def _is_the_parsers(error: BaseException) -> bool:
    candidates = [getattr(sys.modules.get(module), name, None) for module, name in _PARSERS.items()]
    known = tuple(kind for kind in candidates if isinstance(kind, type))
    return any(isinstance(origin, known) for origin in _origins(error))


def _system_error(error: BaseException) -> OSError | None:
    """Return the error of TLS, else of the name's look-up, else of the operating system."""
    errors = [origin for origin in _origins(error) if isinstance(origin, OSError)]
    # An `SSLError` that OpenSSL did not raise has no `reason`.
    tls = [each for each in errors if isinstance(each, ssl.SSLError) and hasattr(each, "reason")]
    names = [each for each in errors if isinstance(each, socket.gaierror)]
    others = [
        each
        for each in errors
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


# The first class that matches an exception counts, so base classes come last.
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
# Built-in exceptions that a custom transport may raise, by the class that they count as.
_BUILT_IN: dict[str, tuple[type[Exception], ...]] = {
    "TimeoutException": (TimeoutError,),
    "TransportError": (OSError,),
}


def _origins(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and all that it is linked to: causes, contexts, members of groups."""
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
THIS_PACKAGE = str(Path(__file__).parents[1])
"""The directory of this package, with which the file names of its frames begin."""


class MalformedResponseError(Exception):
    """A response is not valid HTTP/1.1 (RFC 9112). The message quotes nothing of the response."""


def _of_the_users_code(traceback: TracebackType | None) -> TracebackType | None:
    """Return a traceback without the frames of installed packages and of the standard library.

    The frames of an application or of a mock's handler stay: they show its author the line that
    failed.
    """
    entries: list[TracebackType] = []
    while traceback is not None:
        filename = traceback.tb_frame.f_code.co_filename
        is_of_a_library = filename.startswith((_STANDARD_LIBRARY, THIS_PACKAGE, "<"))
        if not is_of_a_library and _INSTALLED.isdisjoint(Path(filename).parts):
            entries.append(traceback)
        traceback = traceback.tb_next
    result: TracebackType | None = None
    for entry in reversed(entries):
        result = TracebackType(result, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return result
