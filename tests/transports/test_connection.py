"""A connection by tables, through every stack of layers, against a far end in memory."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import pytest

from openai_realtime.errors import APIConnectionError, CertificateError
from openai_realtime.transports.connection import Connection, encode_request
from openai_realtime.transports.tls import TlsLayer
from transports.far_end import (
    SECURE_STACKS,
    STACKS,
    FarEnd,
    FarTls,
    World,
    open_both,
    pieces_of,
    receive_all,
)
from transports.local_variables import recorded_local_variables
from transports.outcomes import KEY, REQUEST, receive

OK = b"HTTP/1.1 200 OK\r\n"
TWO = OK + b"Content-Length: 2\r\n\r\n{}"
TO_THE_END = OK + b"\r\n{}"
SENT = encode_request(REQUEST)
LOST = "The connection was lost before the whole response arrived"
NOT_ESTABLISHED = "Could not connect: the connection was closed before it was established"


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(params=["TLS 1.3", "TLS 1.2"])
def server(request: pytest.FixtureRequest, world: World) -> ssl.SSLContext:
    """The context of the server behind all layers."""
    context = world.new_server_context()
    if request.param == "TLS 1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def send(connection: Connection, far: FarEnd) -> None:
    """Send a request, and see that it arrives as it is."""
    far.received = b""
    assert far.receive(connection.send(REQUEST)) == b""
    assert far.received == SENT
    assert connection.is_busy
    assert not connection.has_begun


def assert_done(connection: Connection, *, is_reusable: bool) -> None:
    assert not connection.is_busy
    response = connection.response()
    assert (response.status, response.body) == (200, b"{}")
    assert connection.may_serve_again is is_reusable


def assert_idle(connection: Connection) -> None:
    assert not connection.has_begun
    assert connection.may_serve_again


@pytest.mark.parametrize("stack", STACKS)
def test_one_exchange_after_another(world: World, server: ssl.SSLContext, stack: str) -> None:
    connection, far = world.opened(stack, server)
    for _ in range(3):
        assert_idle(connection)
        send(connection, far)
        assert connection.receive(far.send(TWO)) == b""
        assert connection.has_begun
        assert_done(connection, is_reusable=True)


@pytest.mark.parametrize("stack", STACKS)
def test_a_response_cut_at_every_byte(world: World, server: ssl.SSLContext, stack: str) -> None:
    connection, far = world.opened(stack, server)
    position, size = 1, 1 << 20
    while position < size:
        send(connection, far)
        incoming = far.send(TWO)
        size = len(incoming)
        connection.receive(incoming[:position])
        assert connection.is_busy
        assert not connection.may_serve_again
        connection.receive(incoming[position:])
        assert_done(connection, is_reusable=True)
        position += 1


@pytest.mark.parametrize("stack", SECURE_STACKS)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 100, 517, 1024])
def test_opening_in_pieces(world: World, server: ssl.SSLContext, stack: str, size: int) -> None:
    connection, far = world.opened(stack, server, size)
    assert connection.may_serve_again
    send(connection, far)
    for piece in pieces_of(far.send(TWO), size):
        connection.receive(piece)
    assert_done(connection, is_reusable=True)


def whole_stream(world: World, stack: str, context: ssl.SSLContext, last: bytes) -> int:
    """Return how many bytes the far end sends until a response is complete."""
    connection, far = world.ends(stack, context)
    size, outgoing = 0, connection.start()
    while outgoing:
        incoming = far.receive(outgoing)
        size += len(incoming)
        outgoing = receive(connection, incoming)
    return size + len(far.send(last))


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("last", [TWO, TO_THE_END], ids=["length", "to the end"])
def test_an_end_at_every_byte(
    world: World, server: ssl.SSLContext, stack: str, last: bytes
) -> None:
    """Wherever the connection is cut: an error of the phase, and no response that is a part of one."""
    size = whole_stream(world, stack, server, last)
    step = 1 if stack == "plain" else 41
    for position in range(0, size - 20, step):
        connection, far = world.ends(stack, server)
        left = position
        with pytest.raises(APIConnectionError) as caught:
            cut_after(connection, far, left, last)
        error = caught.value
        if connection.is_open and connection.is_busy:
            assert (error.message, error.phase) == (LOST, "receive")
            assert error.possibly_acted
        else:
            assert (error.message, error.phase) == (NOT_ESTABLISHED, "connect")
            assert not error.possibly_acted
        assert error.retryable
        assert connection.is_closed
        assert not connection.may_serve_again
        connection.close()


def cut_after(connection: Connection, far: FarEnd, left: int, last: bytes) -> None:
    """Open, send and receive; end the connection after so many bytes of the far end's."""

    def deliver(incoming: bytes) -> bytes:
        nonlocal left
        outgoing = receive(connection, incoming[:left]) if left else b""
        if len(incoming) > left:
            connection.receive_eof()
            if connection.is_open and not connection.is_busy:
                connection.send(REQUEST)
        left -= len(incoming)
        return outgoing

    outgoing = connection.start()
    while outgoing:
        outgoing = deliver(far.receive(outgoing))
    far.receive(connection.send(REQUEST))
    deliver(far.send(last))


@pytest.mark.parametrize("stack", STACKS)
def test_half_closed_behind_a_response(world: World, stack: str) -> None:
    connection, far = world.opened(stack)
    send(connection, far)
    connection.receive(far.send(TWO))
    connection.receive_eof()
    assert_done(connection, is_reusable=False)
    assert connection.close() == b""


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("served", [0, 1])
@pytest.mark.parametrize("data", [b"x", TWO, b"\r\n"])
def test_bytes_while_idle(world: World, stack: str, served: int, data: bytes) -> None:
    """Also on a connection that was only opened: they are the response to nothing."""
    connection, far = world.opened(stack)
    for _ in range(served):
        send(connection, far)
        connection.receive(far.send(TWO))
        assert_done(connection, is_reusable=True)
    assert receive(connection, far.send(data)) == b""
    assert_cannot_send(connection)


def assert_cannot_send(connection: Connection, message: str = NOT_ESTABLISHED) -> None:
    assert connection.is_closed
    assert not connection.may_serve_again
    with pytest.raises(APIConnectionError) as caught:
        connection.send(REQUEST)
    assert message in caught.value.message
    assert (caught.value.phase, caught.value.possibly_acted) == ("connect", False)
    assert not connection.is_busy
    assert connection.close() == b""


@pytest.mark.parametrize("stack", STACKS)
def test_the_end_while_idle(world: World, stack: str) -> None:
    connection, _ = world.opened(stack)
    connection.receive_eof()
    assert_cannot_send(connection)


LAYERS = [("tls", 0), ("connect", 0), ("tls connect", 0), ("tls connect", 1), ("socks", 0)]


@pytest.mark.parametrize(("stack", "layer"), LAYERS)
def test_close_notify_while_idle(
    world: World, server: ssl.SSLContext, stack: str, layer: int
) -> None:
    connection, far = world.opened(stack, server)
    tls = far.tls[layer]
    assert receive(connection, far.from_tls(tls, tls.close_notify())) == b""
    assert_cannot_send(connection)


@pytest.mark.parametrize(("stack", "layer"), LAYERS)
def test_an_alert_while_idle(world: World, server: ssl.SSLContext, stack: str, layer: int) -> None:
    connection, far = world.opened(stack, server)
    tls = far.tls[layer]
    assert receive(connection, far.from_tls(tls, tls.fatal_alert())) == b""
    assert_cannot_send(connection, "The TLS handshake failed: ")


@pytest.mark.parametrize("stack", SECURE_STACKS)
def test_a_part_of_a_record_while_idle(world: World, server: ssl.SSLContext, stack: str) -> None:
    """A response that began before its request is not its response."""
    connection, far = world.opened(stack, server)
    incoming = far.send(TWO)
    for byte in pieces_of(incoming[:-1], 1):
        assert connection.receive(byte) == b""
        assert not connection.may_serve_again
    assert not connection.is_closed
    connection.receive(incoming[-1:])
    assert_cannot_send(connection)


@pytest.mark.parametrize("stack", SECURE_STACKS)
def test_a_part_of_a_record_behind_a_response(
    world: World, server: ssl.SSLContext, stack: str
) -> None:
    for size in range(1, 30, 4):
        connection, far = world.opened(stack, server)
        send(connection, far)
        connection.receive(far.send(TWO) + far.send(b"x")[:size])
        assert_done(connection, is_reusable=False)


@pytest.mark.parametrize("stack", STACKS)
def test_bytes_behind_a_response(world: World, server: ssl.SSLContext, stack: str) -> None:
    for behind in (b"x", b"\r\n", TWO):
        connection, far = world.opened(stack, server)
        send(connection, far)
        connection.receive(far.send(TWO + behind))
        assert_done(connection, is_reusable=False)
        connection, far = world.opened(stack, server)
        send(connection, far)
        connection.receive(far.send(TWO) + far.send(behind))
        assert_done(connection, is_reusable=False)
        connection, far = world.opened(stack, server)
        send(connection, far)
        connection.receive(far.send(TWO))
        connection.receive(far.send(behind))
        assert_done(connection, is_reusable=False)


@pytest.mark.parametrize(("stack", "layer"), LAYERS)
def test_an_alert_behind_a_response(
    world: World, server: ssl.SSLContext, stack: str, layer: int
) -> None:
    connection, far = world.opened(stack, server)
    send(connection, far)
    tls = far.tls[layer]
    connection.receive(far.send(TWO) + far.from_tls(tls, tls.fatal_alert()))
    assert_done(connection, is_reusable=False)


@pytest.mark.parametrize(("stack", "layer"), LAYERS)
def test_close_notify_behind_a_response(
    world: World, server: ssl.SSLContext, stack: str, layer: int
) -> None:
    connection, far = world.opened(stack, server)
    send(connection, far)
    tls = far.tls[layer]
    connection.receive(far.send(TWO) + far.from_tls(tls, tls.close_notify()))
    assert_done(connection, is_reusable=False)


@pytest.mark.parametrize(("stack", "layer"), LAYERS)
def test_an_alert_in_place_of_a_response(
    world: World, server: ssl.SSLContext, stack: str, layer: int
) -> None:
    for part in (b"", TWO[:20], TO_THE_END):
        connection, far = world.opened(stack, server)
        send(connection, far)
        tls = far.tls[layer]
        incoming = (far.send(part) if part else b"") + far.from_tls(tls, tls.fatal_alert())
        with pytest.raises(APIConnectionError, match="TLS failed") as caught:
            connection.receive(incoming)
        assert caught.value.phase == "receive"
        assert caught.value.possibly_acted
        assert connection.is_closed


def test_a_body_to_the_end_of_a_plain_connection(world: World) -> None:
    connection, far = world.opened("plain")
    send(connection, far)
    connection.receive(far.send(TO_THE_END))
    assert connection.is_busy
    connection.receive_eof()
    assert_done(connection, is_reusable=False)


@pytest.mark.parametrize("stack", SECURE_STACKS)
@pytest.mark.parametrize("apart", [True, False])
def test_a_body_to_the_end_of_tls(
    world: World, server: ssl.SSLContext, stack: str, apart: bool
) -> None:
    """The server's close_notify completes it, whatever becomes of the connection after that."""
    connection, far = world.opened(stack, server)
    send(connection, far)
    tls = far.tls[-1]
    incoming = [far.send(TO_THE_END), far.from_tls(tls, tls.close_notify())]
    for piece in incoming if apart else [b"".join(incoming)]:
        assert connection.is_busy
        connection.receive(piece)
    assert not connection.is_busy
    connection.receive_eof()
    assert_done(connection, is_reusable=False)


@pytest.mark.parametrize(
    ("stack", "layer"),
    [("tls", None), ("connect", None), ("tls connect", None), ("tls connect", 0)],
)
def test_a_body_to_the_end_of_tls_that_is_cut(
    world: World, server: ssl.SSLContext, stack: str, layer: int | None
) -> None:
    """A proxy's close_notify says nothing of the server's response."""
    connection, far = world.opened(stack, server)
    send(connection, far)
    connection.receive(far.send(TO_THE_END))
    end = b"" if layer is None else far.from_tls(far.tls[layer], far.tls[layer].close_notify())
    with pytest.raises(APIConnectionError, match=LOST):
        receive_and_end(connection, end)
    assert connection.is_closed


LONG = b"x" * 200_000


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("ends", ["apart", "at once", "cut"])
def test_the_end_behind_a_backlog(world: World, stack: str, ends: str) -> None:
    connection, far = world.opened(stack)
    send(connection, far)
    incoming = far.send(OK + b"\r\n" + LONG)
    notify = far.from_tls(far.tls[-1], far.tls[-1].close_notify()) if far.tls else b""
    if ends == "at once":
        connection.receive(incoming + notify)
    else:
        connection.receive(incoming)
    assert connection.is_backlogged
    assert connection.is_busy
    if ends == "apart" and notify:
        connection.receive(notify)
    connection.receive_eof()
    if ends == "cut" and notify:
        with pytest.raises(APIConnectionError, match=LOST):
            receive(connection, b"")
        return
    receive(connection, b"")
    assert connection.response().body == LONG
    assert not connection.may_serve_again


def test_a_cut_of_the_proxys_tls_behind_the_servers_close_notify(world: World) -> None:
    """With a backlog, what is known first counts."""
    connection, far = world.opened("tls connect")
    send(connection, far)
    outer, inner = far.tls
    incoming = far.send(OK + b"\r\n" + LONG) + far.from_tls(inner, inner.close_notify())
    connection.receive(incoming + far.from_tls(outer, outer.fatal_alert()))
    receive(connection, b"")
    assert connection.response().body == LONG


@pytest.mark.parametrize("stack", SECURE_STACKS)
def test_close_notify_where_idle(world: World, server: ssl.SSLContext, stack: str) -> None:
    connection, far = world.opened(stack, server)
    assert far.receive(connection.close()) == b""
    assert [tls.heard for tls in far.tls] == ["close_notify"] * len(far.tls)
    assert connection.close() == b""


def test_no_close_notify_without_tls(world: World) -> None:
    connection, _ = world.opened("plain")
    assert connection.close() == b""
    assert connection.is_closed


@pytest.mark.parametrize("stack", STACKS)
def test_no_close_notify_where_busy(world: World, stack: str) -> None:
    """A request that is given up is not ended politely: its response may still come."""
    connection, far = world.opened(stack)
    send(connection, far)
    connection.receive(far.send(TWO[:20]))
    assert connection.close() == b""
    assert not connection.may_serve_again


@pytest.mark.parametrize("stack", STACKS)
def test_no_close_notify_while_opening(world: World, stack: str) -> None:
    connection, _ = world.ends(stack)
    assert connection.close() == b""
    connection, far = world.ends(stack)
    incoming = far.receive(connection.start())
    connection.receive(incoming[:1])
    assert connection.close() == b""


BAD_CERTIFICATES = ["unknown authority", "other name", "expired"]
ALERTS = {"unknown authority": "UNKNOWN_CA", "other name": "BAD_CERT", "expired": "CERT"}


def bad_context(world: World, kind: str) -> ssl.SSLContext:
    if kind == "unknown authority":
        return World().server_context
    if kind == "other name":
        return world.new_server_context("example.org")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    past = datetime(2020, 1, 1, tzinfo=UTC)
    world.authority.issue_cert("localhost", not_before=past, not_after=past).configure_cert(context)
    return context


@pytest.mark.parametrize("stack", SECURE_STACKS)
@pytest.mark.parametrize("kind", BAD_CERTIFICATES)
def test_a_certificate_that_is_not_trusted(world: World, stack: str, kind: str) -> None:
    connection, far = world.ends(stack, bad_context(world, kind))
    with pytest.raises(CertificateError, match="certificate is not trusted") as caught:
        open_both(connection, far)
    assert caught.value.phase == "connect"
    assert not caught.value.retryable
    assert not caught.value.possibly_acted
    far.receive(connection.close())
    assert ALERTS[kind] in far.tls[-1].heard


def test_the_proxys_alert_behind_a_certificate_that_is_not_trusted(world: World) -> None:
    """What the server ought to hear cannot be sent any more, and is not sent as it is."""
    connection, far = world.ends("tls connect", bad_context(world, "other name"))
    outer, inner = far.tls
    incoming = far.receive(connection.start())
    while not inner.has_begun:
        incoming = far.receive(connection.receive(incoming))
    with pytest.raises(CertificateError):
        connection.receive(incoming + outer.fatal_alert())
    assert connection.close() == b""


@pytest.mark.parametrize("ending", [FarTls.fatal_alert, FarTls.close_notify])
def test_the_proxys_end_behind_its_tunnel(world: World, ending: Callable[[FarTls], bytes]) -> None:
    """Nothing more can be sent: the handshake with the server does not begin."""
    connection, far = world.ends("tls connect")
    (outer, _) = far.tls
    outgoing = connection.receive(far.receive(connection.start()))
    incoming = far.receive(outgoing)
    with pytest.raises(APIConnectionError) as caught:
        connection.receive(incoming + ending(outer))
    assert caught.value.phase == "connect"
    assert not caught.value.possibly_acted
    assert connection.close() == b""


CLIENT_CERTIFICATE = "The server requires a client certificate, and this client has none"


def receive_and_send(connection: Connection, pieces: Iterable[bytes]) -> None:
    receive_all(connection, pieces)
    connection.send(REQUEST)


@pytest.fixture
def demanding(world: World) -> ssl.SSLContext:
    context = world.new_server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    world.authority.configure_trust(context)
    return context


@pytest.mark.parametrize("stack", SECURE_STACKS)
@pytest.mark.parametrize("when", ["before the request", "behind it", "byte by byte"])
def test_a_server_that_asks_for_a_client_certificate(
    world: World, demanding: ssl.SSLContext, stack: str, when: str
) -> None:
    """In TLS 1.3 its alert comes when the connection is open for this end."""
    connection, far = world.ends(stack, demanding)
    outgoing = connection.start()
    while not connection.is_open:
        outgoing = receive(connection, far.receive(outgoing))
    if when != "before the request":
        outgoing += connection.send(REQUEST)
    pieces = pieces_of(far.receive(outgoing), 1 if when == "byte by byte" else 1 << 20)
    with pytest.raises(APIConnectionError, match=CLIENT_CERTIFICATE) as caught:
        receive_and_send(connection, pieces)
    assert not caught.value.retryable
    assert not caught.value.possibly_acted
    assert "http_client=" in str(caught.value.hint)
    assert far.received == b""


def test_a_tls_1_2_server_that_asks_for_a_client_certificate(
    world: World, demanding: ssl.SSLContext
) -> None:
    demanding.maximum_version = ssl.TLSVersion.TLSv1_2
    connection, far = world.ends("tls", demanding)
    with pytest.raises(APIConnectionError, match="The TLS handshake failed") as caught:
        open_both(connection, far)
    assert not caught.value.retryable


def test_a_proxy_that_asks_for_a_client_certificate(
    world: World, demanding: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world, "server_context", demanding)
    connection, far = world.ends("tls connect")
    with pytest.raises(APIConnectionError, match=CLIENT_CERTIFICATE) as caught:
        open_both(connection, far)
    assert (caught.value.phase, caught.value.retryable) == ("connect", False)


NOT_TLS = {
    "HTTP": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
    "zeros": bytes(100),
    "an alert": b"\x15\x03\x01\x00\x02\x02\x46",
}


@pytest.mark.parametrize("data", NOT_TLS.values(), ids=NOT_TLS)
def test_no_tls_where_it_is_spoken(world: World, data: bytes) -> None:
    for size in (1, 1 << 20):
        connection, _ = world.ends("tls")
        connection.start()
        with pytest.raises(APIConnectionError, match="The TLS handshake failed") as caught:
            receive_all(connection, pieces_of(data, size))
        assert (caught.value.phase, caught.value.retryable) == ("connect", False)
        assert "base_url" in str(caught.value.hint)


@pytest.mark.parametrize("host", ["", ".example", "a..b", "x" * 64, f"{'x' * 60}." * 5 + "com"])
def test_a_host_that_tls_cannot_name(world: World, host: str) -> None:
    with pytest.raises(APIConnectionError, match="The host name is not valid") as caught:
        TlsLayer(world.client_context, host)
    assert (caught.value.phase, caught.value.retryable) == ("connect", False)


def receive_and_end(connection: Connection, data: bytes) -> None:
    connection.receive(data)
    connection.receive_eof()


@pytest.mark.parametrize("stack", SECURE_STACKS)
def test_a_byte_that_was_changed_on_the_way(
    world: World, server: ssl.SSLContext, stack: str
) -> None:
    """It is found, wherever it is: no response is made of it."""
    connection, far = world.opened(stack, server)
    size = len(far.send(TWO))
    for position in range(0, size, 7):
        connection, far = world.opened(stack, server)
        send(connection, far)
        incoming = bytearray(far.send(TWO))
        incoming[position] ^= 1
        with pytest.raises(APIConnectionError) as caught:
            receive_and_end(connection, bytes(incoming))
        assert caught.value.phase == "receive"
        assert caught.value.possibly_acted
        assert connection.is_busy
        assert connection.is_closed


@pytest.mark.parametrize("stack", SECURE_STACKS)
def test_a_request_that_tls_does_not_take(world: World, stack: str) -> None:
    connection, _ = world.opened(stack)
    connection.layers[-1].close(with_close_notify=True)
    with pytest.raises(APIConnectionError, match="The TLS handshake failed") as caught:
        connection.send(REQUEST)
    assert (caught.value.phase, caught.value.possibly_acted) == ("connect", False)
    assert connection.is_closed
    assert not connection.has_begun


@pytest.mark.parametrize("stack", STACKS)
def test_no_local_variable_holds_the_key(world: World, stack: str) -> None:
    connection, far = world.opened(stack)
    with recorded_local_variables() as seen:
        outgoing = connection.send(REQUEST)
    far.receive(outgoing)
    assert KEY.encode() in far.received
    assert any(line.startswith("send" if stack == "plain" else "_wrapped") for line in seen)
    assert [line for line in seen if KEY in line] == []
