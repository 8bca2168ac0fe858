"""What went wrong on a connection, as the errors that callers see.

Operating system and TLS errors are told apart by type, `errno` and `SSLError.reason`, never by their
text. No message quotes what a server sent.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from typing import TYPE_CHECKING, Literal

from openai_realtime.errors import (
    APIConnectionError,
    APITimeoutError,
    CertificateError,
    ClientClosedError,
)

if TYPE_CHECKING:
    from openai_realtime.errors import Phase

# getaddrinfo's errors that come back the next time: there is no such name.
_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})
NO_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})
# TLS failures that say no more than that the connection ended.
_TLS_CUT_SHORT = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
# OpenSSL's names for the alerts of a server that asks for a client certificate and gets none.
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
    """Return the error of a response that is not HTTP/1.1, or is beyond our bounds."""
    return APIConnectionError(
        f"The server's response is not valid HTTP: {why}", phase="receive", possibly_acted=True
    )


def too_much(why: str) -> APIConnectionError:
    """Return the error of a response that is larger than anything useful."""
    return APIConnectionError(f"The server's response {why}", phase="receive", possibly_acted=True)


def lost(phase: Phase, cause: OSError | None = None) -> APIConnectionError:
    """Return the error of a connection that ended, or failed, in `phase`; raise it from `cause`."""
    _forget_frames(cause)
    why = "" if cause is None else f": {_reason(cause)}"
    if phase == "connect":
        message, hint = f"Could not connect{why}", None
        if cause is None:
            message = "Could not connect: the connection was closed before it was established"
        elif cause.errno in NO_DESCRIPTORS:
            hint = "Raise the limit of open files (ulimit -n), or close what is not needed"
        return APIConnectionError(message, phase=phase, retryable=True, hint=hint)
    return APIConnectionError(f"{_LOST}{why}", phase=phase, retryable=True, possibly_acted=True)


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
    """Return the error of a TLS handshake, or of TLS later on, that failed; raise it from `cause`."""
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
            "The server asks for a client certificate, and this client has none",
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
    """Return the error of a phase whose own time limit has passed."""
    return APITimeoutError(
        _TIMED_OUT[phase], phase=phase, retryable=True, possibly_acted=phase != "connect"
    )


def pool_timed_out(count: int) -> APITimeoutError:
    """Return the error of a call that waited too long for one of `count` request slots."""
    return APITimeoutError(
        f"No connection became free in time: {count} are busy",
        phase="pool",
        hint="Fewer calls at once, or more processes",
    )


def client_closed() -> ClientClosedError:
    """Return the error of a call that begins after its client was closed."""
    return ClientClosedError(
        "The client is closed: make another one, or keep it for as long as the process"
    )


def _reason(cause: OSError) -> str:
    if isinstance(cause, ssl.SSLError):
        return (cause.reason or type(cause).__name__).replace("_", " ").lower()
    return os.strerror(cause.errno) if cause.errno else type(cause).__name__


def _forget_frames(cause: OSError | None) -> None:
    """Drop the traceback: its frames' locals hold the request's headers."""
    if cause is not None:
        cause.__traceback__ = None
