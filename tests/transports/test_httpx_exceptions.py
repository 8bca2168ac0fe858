"""Each exception of httpx's and the error that it becomes, by one table of types."""

import asyncio
import contextlib
import socket
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h2.exceptions
import h11
import httpcore
import httpcore2
import httpx
import httpx2
import pytest

from openai_realtime import APIConnectionError, APITimeoutError, CertificateError, RealtimeError
from openai_realtime.transports.exceptions import MEANINGS, translate, translated

LIBRARIES = pytest.mark.parametrize(
    "library", [httpcore, httpcore2, httpx, httpx2], ids=lambda module: module.__name__
)
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
    ("TimeoutException", "receive", True, True, True),
    ("ReadError", "receive", False, True, True),
    ("NetworkError", "receive", False, True, True),
    ("RemoteProtocolError", "receive", False, True, True),
]


def meaning_of(error: BaseException, *, has_head: bool = False) -> APIConnectionError:
    found = translate(error, has_head=has_head)
    assert found is not None
    return found


@LIBRARIES
@pytest.mark.parametrize(("name", "phase", "timeout", "acted", "retryable"), TABLE)
def test_the_table(
    library: Any, name: str, phase: str, timeout: bool, acted: bool, retryable: bool
) -> None:
    error = meaning_of(getattr(library, name)("what the server sent"))
    assert isinstance(error, APITimeoutError) is timeout
    assert (error.phase, error.possibly_acted, error.retryable) == (phase, acted, retryable)
    assert "what the server sent" not in str(error)


@pytest.mark.parametrize("library", [httpx, httpx2], ids=lambda module: module.__name__)
def test_every_request_error_has_a_meaning(library: Any) -> None:
    def descendants(kind: type[Exception]) -> set[type[Exception]]:
        children: list[type[Exception]] = kind.__subclasses__()
        return {kind}.union(*(descendants(child) for child in children))

    kinds = descendants(library.RequestError)
    assert len(kinds) > 15
    for kind in kinds:
        assert meaning_of(kind("x")).phase
    assert meaning_of(library.DecodingError("x")).retryable is False
    assert meaning_of(library.TransportError("x")).retryable is True
    assert meaning_of(library.InvalidURL("x")).phase == "connect"


def test_a_subclass_of_the_users_own_means_the_same() -> None:
    class Mine(httpx.ConnectTimeout):
        pass

    error = meaning_of(Mine("x"))
    assert (type(error), error.phase) == (APITimeoutError, "connect")


def test_classes_are_looked_up_where_they_are_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    error = httpx.ConnectError("x")
    for package in ("httpx", "httpcore", "httpx2", "httpcore2"):
        monkeypatch.setitem(sys.modules, package, None)
    assert translate(error, has_head=False) is None


def behind(cause: BaseException, error: BaseException | None = None) -> BaseException:
    error = error or httpcore.ConnectError("")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "cause", [h11.RemoteProtocolError("x"), h2.exceptions.ProtocolError("x"), OSError("x"), None]
)
@pytest.mark.parametrize("has_head", [False, True])
def test_malformed_or_lost(cause: BaseException | None, has_head: bool) -> None:
    """A parser's exception before the head has come is about bytes; all else is a lost connection."""
    error = httpx.RemoteProtocolError("x")
    if cause is not None:
        error.__cause__ = behind(cause, httpcore.RemoteProtocolError("x"))
    is_malformed = isinstance(cause, h11.RemoteProtocolError | h2.exceptions.ProtocolError)
    found = meaning_of(error, has_head=has_head)
    assert found.retryable is not (is_malformed and not has_head)
    assert ("was lost" in found.message) is found.retryable


CERTIFICATE = ssl.SSLCertVerificationError(1, "x")
CERTIFICATE.verify_message = "self-signed certificate"
CERTIFICATE.reason = "CERTIFICATE_VERIFY_FAILED"
WRONG_VERSION = ssl.SSLError(1, "x")
WRONG_VERSION.reason = "WRONG_VERSION_NUMBER"
REFUSED = ConnectionRefusedError(111, "in whatever language")


@pytest.mark.parametrize(
    ("cause", "kind", "retryable", "message"),
    [
        (CERTIFICATE, CertificateError, False, "not trusted: self-signed certificate"),
        (ExceptionGroup("x", [OSError(), CERTIFICATE]), CertificateError, False, "not trusted"),
        (socket.gaierror(socket.EAI_NONAME, "no name"), APIConnectionError, False, "no name"),
        (socket.gaierror(socket.EAI_AGAIN, "again"), APIConnectionError, True, "again"),
        (WRONG_VERSION, APIConnectionError, False, "TLS handshake failed: wrong version number"),
        (ssl.SSLError(1, "not OpenSSL's"), APIConnectionError, True, "Could not connect"),
        (ssl.SSLEOFError(8, "eof"), APIConnectionError, True, "Could not connect"),
        (REFUSED, APIConnectionError, True, "Could not connect: Connection refused"),
        (ExceptionGroup("x", [REFUSED]), APIConnectionError, True, "connect: Connection refused"),
    ],
)
def test_why_it_could_not_connect(
    cause: BaseException, kind: type[APIConnectionError], retryable: bool, message: str
) -> None:
    error = meaning_of(behind(cause))
    assert type(error) is kind
    assert error.retryable is retryable
    assert message in error.message


@pytest.mark.parametrize("name", ["RemoteProtocolError", "LocalProtocolError", "ProxyError"])
def test_what_may_quote_is_withheld(name: str) -> None:
    cause = ValueError("illegal status line: b'ek_0123456789'")
    with pytest.raises(APIConnectionError) as caught, translated():
        raise getattr(httpx, name)(str(cause)) from cause
    origins = (caught.value, caught.value.__cause__, cause)
    assert all("0123456789" not in f"{origin} {origin!r}" for origin in origins)


def test_tls_that_fails_later_on() -> None:
    error = meaning_of(behind(WRONG_VERSION, httpx.ReadError("x")))
    assert "TLS failed: wrong version number" in error.message
    assert (error.phase, error.possibly_acted) == ("receive", True)


def test_circles_of_causes_end() -> None:
    first, second = httpcore.ConnectError("a"), OSError("b")
    first.__cause__, second.__context__ = second, first
    assert meaning_of(first).phase


@pytest.mark.parametrize(
    ("error", "kind"), [(OSError("x"), APIConnectionError), (TimeoutError(), APITimeoutError)]
)
def test_what_a_transport_lets_through(error: OSError, kind: type[APIConnectionError]) -> None:
    found = meaning_of(error)
    assert (type(found), found.phase, found.possibly_acted) == (kind, "receive", True)


@contextlib.contextmanager
def _through_libraries(handler: Any, request: httpx.Request) -> Iterator[None]:
    httpx.MockTransport(handler).handle_request(request)
    yield


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), asyncio.CancelledError()])
def test_another_exception_keeps_the_frames_of_the_users_code(error: BaseException) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise error

    request = httpx.Request("GET", "https://h.example", headers={"authorization": "Bearer sk-x"})
    with pytest.raises(type(error)) as caught, translated():
        contextlib.ExitStack().enter_context(_through_libraries(handler, request))
    assert caught.value is error
    frames = []
    traceback = caught.value.__traceback__
    while traceback is not None:
        frames.append(traceback.tb_frame.f_code)
        traceback = traceback.tb_next
    assert {Path(code.co_filename).name for code in frames} == {Path(__file__).name}
    assert frames[-1].co_name == "handler"


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


def test_base_classes_come_last() -> None:
    """The first class that fits counts: none may stand before a class that is below it."""
    names = list(MEANINGS)
    for library in (httpx, httpcore):
        kinds = [getattr(library, name) for name in names if hasattr(library, name)]
        for place, kind in enumerate(kinds):
            assert not any(issubclass(later, kind) for later in kinds[place + 1 :]), kind
