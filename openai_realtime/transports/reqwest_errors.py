"""Turns pyreqwest's exceptions into ours: by their class, and by the causes that Rust names.

Owns: what each means for a retry, and how much of it may be told. Must not know: requests.

pyreqwest's class alone does not say where a call stopped: a `ConnectTimeoutError` may have waited for
an answer. Its causes do; what they do not prove is taken for a request that may have been acted on.
They also quote the URL with its query, and what the server sent: so nothing of them is repeated.
"""

from __future__ import annotations

from dataclasses import replace

# Imported before any call: while Ctrl-C is pending, importing it would take the process down.
from pyreqwest.exceptions import DetailedPyreqwestError

from openai_realtime.errors import APIConnectionError, CertificateError
from openai_realtime.transports.translation import LOST, MALFORMED, MEANINGS, Meaning

# What hyper calls the step that failed.
_CONNECTING = "client error (Connect)"

# A connection that ended; anything else that goes wrong with an answer is a malformed one.
_ENDED = (
    "connection closed before message completed",
    "connection error",
    "connection reset",
    "broken pipe",
    "end of file before message length reached",
    "unexpected eof",
    "client error (canceled)",
    "channel closed",
    "connection was not ready",
    "without sending tls close_notify",
)
# Of these, those that tell that no byte of the answer was understood.
_UNANSWERED = (
    "connection closed before message completed",
    "connection reset",
    "broken pipe",
    "client error (canceled)",
    "without sending tls close_notify",
)

# What is raised once an answer's head has come.
_WHILE_READING = frozenset({"ReadError", "DecodeError", "BodyDecodeError"})

_WRONG_CREDENTIALS = "proxy auth"
_PROXY = ("tunnel error", "socks", "proxy auth")
_CERTIFICATE = "invalid peer certificate"
# What rustls says of a certificate, and how OpenSSL's users know it.
_CERTIFICATES = {
    "unknownissuer": "it was issued by an unknown authority",
    "expired": "it has expired",
    "not valid for name": "it is for another host",
    "notvalidforname": "it is for another host",
    "causedasendentity": "it is an authority's own",
}
# rustls: the peer speaks no TLS, or none that is new enough. A handshake that is only cut short says
# nothing of the sort, and is worth another try.
_HANDSHAKE = (
    "received fatal alert",
    "received corrupt message",
    "peer is incompatible",
    "peer misbehaved",
)
_NAMES = "dns error"
_TRY_NAMES_AGAIN = "temporary failure"

_WITHHELD = "details withheld: they quote what was sent and received"


def translate(error: BaseException) -> APIConnectionError | None:
    """Return what a pyreqwest exception means, or None when it is none; it forgets what it quotes."""
    if not isinstance(error, DetailedPyreqwestError):
        return None
    causes = _causes(error)
    _withhold(error)
    if _CONNECTING in causes and type(error).__name__ == "ConnectError":
        return _unconnected(" ".join(causes).lower())
    meaning = _meaning(type(error).__name__, causes)
    return meaning.kind(
        meaning.told,
        phase=meaning.phase,
        possibly_acted=meaning.possibly_acted,
        retryable=meaning.retryable,
    )


def is_unanswered(error: BaseException) -> bool:
    """Return whether a connection ended before any answer, as one that had gone stale does."""
    causes = _causes(error)
    if _CONNECTING in causes or type(error).__name__ in _WHILE_READING:
        return False
    told = " ".join(causes).lower()
    return any(sign in told for sign in _UNANSWERED)


def _meaning(name: str, causes: list[str]) -> Meaning:
    told = " ".join(causes).lower()
    if name.endswith("TimeoutError"):
        waiting = "ConnectTimeout" if _CONNECTING in causes else "ReadTimeout"
        return MEANINGS["WriteTimeout" if name == "WriteTimeoutError" else waiting]
    if name == "BuilderError":
        return MEANINGS["UnsupportedProtocol"]
    return LOST if any(sign in told for sign in _ENDED) else MALFORMED


def _unconnected(told: str) -> APIConnectionError:
    """Return the error that names the reason behind a failed connection, where it is a known one."""
    if _CERTIFICATE in told:
        why = next(
            (words for sign, words in _CERTIFICATES.items() if sign in told), "it is not valid"
        )
        return CertificateError(
            f"The server's TLS certificate is not trusted: {why}",
            phase="connect",
            hint="For a company's own authority set SSL_CERT_FILE to its certificate",
        )
    if _NAMES in told:
        return APIConnectionError(
            "The host's name could not be resolved",
            phase="connect",
            retryable=_TRY_NAMES_AGAIN in told,
            hint="Check base_url and this machine's name resolution",
        )
    if any(sign in told for sign in _PROXY):
        meaning = MEANINGS["ProxyError"]
        if _WRONG_CREDENTIALS in told:
            meaning = replace(meaning, told=f"{meaning.told}: 407, it wants other credentials")
    elif any(sign in told for sign in _HANDSHAKE):
        return APIConnectionError(
            "The TLS handshake failed",
            phase="connect",
            hint="Check that base_url's port speaks TLS 1.2 or newer",
        )
    else:
        meaning = MEANINGS["ConnectError"]
    return APIConnectionError(meaning.told, phase="connect", retryable=meaning.retryable)


def _causes(error: BaseException) -> list[str]:
    if not isinstance(error, DetailedPyreqwestError):
        return []
    return [cause["message"] for cause in error.details["causes"] or ()]


def _withhold(error: DetailedPyreqwestError) -> None:
    """Forget what the exception quotes: it stays as the cause of ours, and is printed with it."""
    error.message = _WITHHELD
    error.args = (_WITHHELD,)
    error.details = {"causes": None}
