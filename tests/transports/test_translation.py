"""What every engine exception means, by one table; nothing but the exception itself stays."""

import asyncio
import socket
import ssl
from typing import Any

import httpcore
import httpx
import httpx2
import pytest

from openai_realtime import (
    APIConnectionError,
    APITimeoutError,
    CertificateError,
    RealtimeError,
)
from openai_realtime.transports.translation import MEANINGS, translate, translated

TABLE = [
    # exception, phase, a timeout, possibly acted, retryable
    ("PoolTimeout", "pool", True, False, False),
    ("ConnectTimeout", "connect", True, False, True),
    ("ConnectError", "connect", False, False, True),
    ("ProxyError", "connect", False, False, False),
    ("UnsupportedProtocol", "connect", False, False, False),
    ("WriteTimeout", "send", True, True, True),
    ("WriteError", "send", False, True, True),
    ("LocalProtocolError", "send", False, False, False),
    ("ReadTimeout", "receive", True, True, True),
    ("ReadError", "receive", False, True, True),
    ("RemoteProtocolError", "receive", False, True, False),
]


@pytest.mark.parametrize("library", [httpcore, httpx, httpx2], ids=lambda module: module.__name__)
@pytest.mark.parametrize(("name", "phase", "timeout", "acted", "retryable"), TABLE)
def test_the_table(
    library: Any, name: str, phase: str, timeout: bool, acted: bool, retryable: bool
) -> None:
    error = translate(getattr(library, name)("why"))
    assert error is not None
    assert isinstance(error, APITimeoutError) is timeout
    assert (error.phase, error.possibly_acted, error.retryable) == (phase, acted, retryable)
    told = MEANINGS[name].told
    # What is malformed is quoted by httpcore's text, and may hold a secret.
    assert error.message == (told if name == "RemoteProtocolError" else f"{told}: why")


def test_every_request_error_of_httpx_is_known() -> None:
    def descendants(kind: type[Exception]) -> set[type[Exception]]:
        children: list[type[Exception]] = kind.__subclasses__()
        return {kind}.union(*(descendants(child) for child in children))

    abstract = {
        "DecodingError",
        "NetworkError",
        "ProtocolError",
        "RequestError",
        "TimeoutException",
        "TooManyRedirects",
        "TransportError",
    }
    names = {kind.__name__ for kind in descendants(httpx.RequestError)}
    assert names - abstract <= MEANINGS.keys()


@pytest.mark.parametrize(
    "text",
    [
        "Server disconnected without sending a response.",
        "peer closed connection without sending complete message body (incomplete chunked read)",
    ],
)
def test_a_peer_that_hung_up_is_a_lost_connection(text: str) -> None:
    error = translate(httpcore.RemoteProtocolError(text))
    assert error is not None
    assert error.retryable
    assert "connection was lost" in error.message


def behind(cause: BaseException, error: BaseException | None = None) -> BaseException:
    error = error or httpcore.ConnectError("")
    error.__cause__ = cause
    return error


CERTIFICATE = ssl.SSLCertVerificationError(1, "x")
CERTIFICATE.verify_message = "self-signed certificate"


@pytest.mark.parametrize(
    ("cause", "kind", "retryable", "told"),
    [
        (CERTIFICATE, CertificateError, False, "not trusted: self-signed certificate"),
        (ExceptionGroup("x", [OSError(), CERTIFICATE]), CertificateError, False, "not trusted"),
        (socket.gaierror(socket.EAI_NONAME, "no name"), APIConnectionError, False, "no name"),
        (socket.gaierror(socket.EAI_AGAIN, "again"), APIConnectionError, True, "again"),
        (ssl.SSLError(1, "WRONG_VERSION"), APIConnectionError, False, "TLS handshake failed"),
        (ssl.SSLEOFError(8, "eof"), APIConnectionError, True, "Could not connect"),
        (OSError(111, "refused"), APIConnectionError, True, "Could not connect"),
    ],
)
def test_why_it_could_not_connect(
    cause: BaseException, kind: type[APIConnectionError], retryable: bool, told: str
) -> None:
    error = translate(behind(cause))
    assert type(error) is kind
    assert error.retryable is retryable
    assert told in error.message


def test_what_an_engine_quotes_of_an_answer_is_withheld() -> None:
    cause = ValueError("illegal status line: b'ek_0123456789'")
    with pytest.raises(APIConnectionError) as caught, translated():
        raise httpcore.RemoteProtocolError(str(cause)) from cause
    origins = (caught.value, caught.value.__cause__, cause)
    assert all("0123456789" not in f"{origin} {origin!r}" for origin in origins)
    ours = translate(httpcore.RemoteProtocolError("more than 10 interim responses"))
    assert ours is not None
    assert "10 interim" in ours.message


def test_circles_of_causes_end() -> None:
    first, second = httpcore.ConnectError("a"), OSError("b")
    first.__cause__, second.__context__ = second, first
    assert translate(first) is not None


@pytest.mark.parametrize(
    ("error", "phase"), [(OSError("x"), "receive"), (TimeoutError(), "receive")]
)
def test_what_an_engine_lets_through(error: OSError, phase: str) -> None:
    translation = translate(error)
    assert translation is not None
    assert translation.phase == phase


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), asyncio.CancelledError()])
def test_what_is_no_engines_passes_untouched(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, translated():
        raise error
    assert caught.value is error


def test_our_own_errors_pass_untouched() -> None:
    ours = RealtimeError("x")
    with pytest.raises(RealtimeError) as caught, translated():
        raise ours
    assert caught.value is ours


def test_the_cause_stays_without_its_frames() -> None:
    def engine(secret_header: str) -> None:
        try:
            raise OSError("low", secret_header[:0])
        except OSError as error:
            raise httpcore.ReadError("high") from error

    with pytest.raises(APIConnectionError) as caught, translated():
        engine("Bearer sk-0123456789")
    cause = caught.value.__cause__
    assert isinstance(cause, httpcore.ReadError)
    assert str(cause) == "high"
    for origin in (cause, cause.__cause__):
        assert origin is not None
        assert origin.__traceback__ is None
