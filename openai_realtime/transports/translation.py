"""Turns an engine's exceptions into ours, by one table.

Owns: what each of httpcore's and httpx's exceptions means for a retry. Must not know: requests.

Exceptions are known by their class names, which httpcore, httpx and httpx2 share: so no engine is
imported here, and what a test mocks (`respx` raises httpx's) means what the real one means.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, cast

from openai_realtime.errors import (
    APIConnectionError,
    APITimeoutError,
    CertificateError,
    RealtimeError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from openai_realtime.errors import Phase


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an engine's exception says: where it stopped, and whether another try makes sense."""

    told: str
    phase: Phase
    possibly_acted: bool
    retryable: bool = True
    kind: type[APIConnectionError] = APIConnectionError


LOST = Meaning("The connection was lost before the whole answer arrived", "receive", True)
MALFORMED = Meaning("The server's answer is not valid HTTP", "receive", True, retryable=False)

# The first name found in the exception's class hierarchy counts.
MEANINGS: dict[str, Meaning] = {
    "PoolTimeout": Meaning(
        "No connection became free in time", "pool", False, retryable=False, kind=APITimeoutError
    ),
    "ConnectTimeout": Meaning("Could not connect in time", "connect", False, kind=APITimeoutError),
    "ConnectError": Meaning("Could not connect", "connect", False),
    "ProxyError": Meaning("The proxy refused the connection", "connect", False, retryable=False),
    "WriteTimeout": Meaning(
        "The request could not be sent in time", "send", True, kind=APITimeoutError
    ),
    "WriteError": Meaning("The request could not be sent", "send", True),
    "ReadTimeout": Meaning(
        "The answer did not arrive in time", "receive", True, kind=APITimeoutError
    ),
    "ReadError": LOST,
    "CloseError": LOST,
    "RemoteProtocolError": MALFORMED,
    "LocalProtocolError": Meaning("The request is not valid HTTP", "send", False, retryable=False),
    "UnsupportedProtocol": Meaning("The URL cannot be called", "connect", False, retryable=False),
    "TimeoutError": Meaning(
        "The answer did not arrive in time", "receive", True, kind=APITimeoutError
    ),
    "OSError": LOST,
}

# A RemoteProtocolError is also how httpcore and h11 tell that the peer hung up.
_HUNG_UP = ("Server disconnected", "peer closed connection")
# getaddrinfo's answers that will be the same next time: no such name.
_NO_SUCH_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
# TLS failures that are only a connection lost during the handshake.
_TLS_CUT_SHORT = (
    ssl.SSLEOFError,
    ssl.SSLZeroReturnError,
    ssl.SSLSyscallError,
    ssl.SSLWantReadError,
    ssl.SSLWantWriteError,
)
# What an engine may say of a malformed answer; any other text quotes what the server sent.
_SAFE_TEXTS = frozenset(
    {
        "it does not begin with HTTP/1",
        "more than 10 interim responses",
        "more than 64 KiB of headers",
    }
)
_WITHHELD = "details withheld: they quote what the server sent"


class translated:  # noqa: N801 - reads as a verb: `with translated():`
    """A `with` block whose engine exceptions leave it as `APIConnectionError`s.

    The engine's exception stays as the cause, with its type and message but without its frames,
    whose locals hold headers.
    """

    __slots__ = ("_translate", "may_be_stale", "was_stale")

    def __init__(
        self, translator: Callable[[BaseException], APIConnectionError | None] | None = None
    ) -> None:
        self._translate = translator or translate
        self.may_be_stale: bool = False
        """Whether an idle connection is in use whose server may have closed it meanwhile."""
        self.was_stale: bool = False
        """Whether that is what the exception was."""

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
        translation = self._translate(error)
        forget_frames(error)
        if translation is not None:
            self.was_stale = translation.stale = (
                self.may_be_stale
                and translation.retryable
                and not isinstance(translation, APITimeoutError)
            )
            raise translation from error


def translate(error: BaseException) -> APIConnectionError | None:
    """Return what an engine's exception means, or None when it is not an engine's."""
    names = (MEANINGS.get(ancestor.__name__) for ancestor in type(error).__mro__)
    meaning = next((found for found in names if found is not None), None)
    if meaning is None:
        return None
    text = str(error)
    if meaning is MALFORMED and text.startswith(_HUNG_UP):
        meaning = LOST
    elif meaning is MALFORMED and text not in _SAFE_TEXTS:
        text = ""
        for origin in _origins(error):
            origin.args = (_WITHHELD,)
    is_timeout = meaning.kind is APITimeoutError
    if (
        meaning.phase == "connect"
        and not is_timeout
        and (told := _why_unconnected(error)) is not None
    ):
        return told
    return meaning.kind(
        f"{meaning.told}: {text}" if text else meaning.told,
        phase=meaning.phase,
        possibly_acted=meaning.possibly_acted,
        retryable=meaning.retryable,
    )


def _why_unconnected(error: BaseException) -> APIConnectionError | None:
    """Return the error that names the reason behind a failed connection, where it is a known one."""
    for origin in _origins(error):
        if isinstance(origin, ssl.SSLCertVerificationError):
            return CertificateError(
                f"The server's TLS certificate is not trusted: {origin.verify_message}",
                phase="connect",
                hint="For a company's own authority set SSL_CERT_FILE to its certificate",
            )
        if isinstance(origin, socket.gaierror):
            return APIConnectionError(
                f"The host's name could not be resolved: {origin.strerror}",
                phase="connect",
                retryable=origin.errno not in _NO_SUCH_NAME,
                hint="Check base_url and this machine's name resolution",
            )
        if isinstance(origin, ssl.SSLError) and not isinstance(origin, _TLS_CUT_SHORT):
            return APIConnectionError(
                f"The TLS handshake failed: {origin.strerror}",
                phase="connect",
                hint="Check that base_url's port speaks TLS 1.2 or newer",
            )
    return None


def forget_frames(error: BaseException) -> None:
    """Drop the tracebacks of an exception and of all that led to it."""
    for origin in _origins(error):
        origin.__traceback__ = None


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
