"""Tunnels by tables: the replies of a proxy, in any pieces, and their results."""

from __future__ import annotations

import ssl
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_realtime.errors import APIConnectionError
from openai_realtime.transports.connection import Connection
from openai_realtime.transports.proxies import Origin, Proxy
from openai_realtime.transports.tls import TlsLayer
from openai_realtime.transports.tunnels import ConnectTunnel, SocksTunnel
from transports.local_variables import recorded_local_variables
from transports.outcomes import cuts, receive

KIB = 1024
ORIGIN = Origin("https", "api.example.com", 443)
OPEN = b"HTTP/1.1 200 OK\r\n\r\n"
HTTP = Proxy("http", "proxy.example", 3128)
SOCKS = Proxy("socks5", "proxy.example", 1080)
LOGIN = Proxy.parse("socks5://user:p%40ss@proxy.example")
REFUSED = "The proxy {} refused the connection: "
HTTP_REFUSED = REFUSED.format("http://proxy.example:3128")
SOCKS_REFUSED = REFUSED.format("socks5://proxy.example:1080")
HINT = "Put the proxy's user name and password into its URL"
CONTEXT = ssl.create_default_context()


class Above(TlsLayer):
    """The layer above a tunnel: notes what comes through it."""

    def __init__(self) -> None:
        super().__init__(CONTEXT, "api.example.com")
        self.came = b""

    def receive(self, data: bytes | bytearray) -> tuple[bytes, bytes]:
        self.came += data
        return b"", b""


def negotiate(tunnel: ConnectTunnel | SocksTunnel, *pieces: bytes) -> list[bytes]:
    """Return what is sent: at first, and after each piece; what came through is `behind(tunnel)`."""
    above = Above()
    connection = Connection([tunnel, above])
    sent = [connection.start()]
    sent += [receive(connection, piece) for piece in pieces]
    if tunnel.is_open:
        assert sent[-1].startswith(b"\x16\x03\x01") or above.came
    assert not connection.is_closed
    return [*sent, above.came]


def refusal(tunnel: ConnectTunnel | SocksTunnel, *pieces: bytes) -> APIConnectionError:
    """Return the error that the pieces come to, which ends the connection."""
    connection = Connection([tunnel, Above()])
    connection.start()
    with pytest.raises(APIConnectionError) as caught:
        receive_all(connection, pieces)
    assert caught.value.phase == "connect"
    assert not caught.value.retryable
    assert not caught.value.possibly_acted
    assert not tunnel.is_open
    assert connection.is_closed
    assert connection.close() == b""
    return caught.value


def receive_all(connection: Connection, pieces: tuple[bytes, ...]) -> None:
    for piece in pieces:
        receive(connection, piece)


CONNECTS = {
    "a name": (HTTP, ORIGIN, b"api.example.com:443", b""),
    "a port": (HTTP, Origin("https", "example.com", 8443), b"example.com:8443", b""),
    "IPv4": (HTTP, Origin("https", "192.0.2.1", 443), b"192.0.2.1:443", b""),
    "IPv6": (HTTP, Origin("https", "2001:db8::1", 443), b"[2001:db8::1]:443", b""),
    "a login": (
        Proxy.parse("http://user:pass@proxy.example"),
        ORIGIN,
        b"api.example.com:443",
        b64encode(b"user:pass"),
    ),
    "a login in UTF-8": (
        Proxy.parse("http://us%C3%A9r:p%E2%82%ACss@proxy.example"),
        ORIGIN,
        b"api.example.com:443",
        b64encode("usér:p€ss".encode()),
    ),
    "a login without a password": (
        Proxy.parse("http://user@proxy.example"),
        ORIGIN,
        b"api.example.com:443",
        b64encode(b"user:"),
    ),
    "a long login": (
        Proxy.parse(f"http://{'u' * 300}:{'p' * 300}@proxy.example"),
        ORIGIN,
        b"api.example.com:443",
        b64encode(b"u" * 300 + b":" + b"p" * 300),
    ),
    "a login of line ends": (
        Proxy.parse("http://u%0D%0AX:%0D%0A@proxy.example"),
        ORIGIN,
        b"api.example.com:443",
        b64encode(b"u\r\nX:\r\n"),
    ),
}


@pytest.mark.parametrize("row", CONNECTS.values(), ids=CONNECTS)
def test_the_connect_request(row: tuple[Proxy, Origin, bytes, bytes]) -> None:
    proxy, origin, target, login = row
    sent = ConnectTunnel(origin, proxy).start()
    authorization = b"Proxy-Authorization: Basic %b\r\n" % login if login else b""
    assert sent == (b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (target, target, authorization))


EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
OPENING = {
    "200": OPEN,
    "another reason": b"HTTP/1.1 200 Connection established\r\n\r\n",
    "no reason": b"HTTP/1.1 200\r\n\r\n",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\nProxy-Agent: x\r\n\r\n",
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "299": b"HTTP/1.1 299 X\r\n\r\n",
    "a length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    "no number for a length": b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n",
    "an encoding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "an unknown encoding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "both lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "close": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
    "an interim response": b"HTTP/1.1 100 Continue\r\n\r\n" + OPEN,
    "10 interim responses": EARLY * 10 + OPEN,
    "64 KiB": b"HTTP/1.1 200 OK\r\nX: " + b"x" * (64 * KIB - 24) + b"\r\n\r\n",
}


@pytest.mark.parametrize("reply", OPENING.values(), ids=OPENING)
@pytest.mark.parametrize("behind", [b"", b"\x16\x03\x03", b"HTTP/1.1 200 OK\r\n\r\n", b"0\r\n\r\n"])
def test_an_http_proxy_that_opens(reply: bytes, behind: bytes) -> None:
    """What comes behind its response's head is the tunnel's, whatever the headers say."""
    data = reply + behind
    for pieces in cuts(data) if len(data) < 1000 else [(data,), (data[:9], data[9:])]:
        tunnel = ConnectTunnel(ORIGIN, HTTP)
        *_, came = negotiate(tunnel, *pieces)
        assert tunnel.is_open
        assert came == behind


def test_an_http_proxy_that_does_not_reply_yet() -> None:
    for size in range(len(OPEN)):
        tunnel = ConnectTunnel(ORIGIN, HTTP)
        negotiate(tunnel, OPEN[:size])
        assert not tunnel.is_open
        connection = Connection([tunnel, Above()])
        with pytest.raises(APIConnectionError, match="closed before it was established"):
            connection.receive_eof()


LONG_BODY = b"Content-Length: 9999999\r\n\r\n" + b"x" * 100_000
REFUSING: dict[str, tuple[bytes, str, str | None]] = {
    "407": (
        b'HTTP/1.1 407 X\r\nProxy-Authenticate: Basic realm="sk-x"\r\n' + LONG_BODY,
        "407 Proxy Authentication Required",
        HINT,
    ),
    "403": (b"HTTP/1.1 403 Because I say so\r\n" + LONG_BODY, "403 Forbidden", None),
    "502": (b"HTTP/1.1 502 sk-x\r\n\r\n", "502 Bad Gateway", None),
    "302": (b"HTTP/1.1 302 X\r\nLocation: https://x\r\n\r\n", "302 Found", None),
    "400 of HTTP/1.0": (b"HTTP/1.0 400 X\r\n\r\n<html>", "400 Bad Request", None),
    "599": (b"HTTP/1.1 599 X\r\n\r\n", "599", None),
    "a body in chunks": (
        b"HTTP/1.1 503 X\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "503 Service Unavailable",
        None,
    ),
    "101": (b"HTTP/1.1 101 X\r\n\r\n", "valid HTTP: it switches to a protocol", None),
    "600": (b"HTTP/1.1 600 X\r\n\r\n", "valid HTTP: its status line or a header", None),
    "malformed": (b"HTTP/1.1 200 OK\r\nX\r\n\r\n", "valid HTTP: its status line or a", None),
    "folded": (b"HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n", "valid HTTP: its status line", None),
    "bare line feeds": (b"HTTP/1.1 200 OK\n\n", "valid HTTP: a line of its headers", None),
    "no HTTP": (b"SSH-2.0-x\r\n", "valid HTTP: it does not begin with HTTP/1", None),
    "SOCKS": (b"\x05\x00", "valid HTTP: it does not begin with HTTP/1", None),
    "TLS": (b"\x15\x03\x01\x00\x02\x02\x46", "valid HTTP: it does not begin", None),
    "11 interim responses": (EARLY * 11, "valid HTTP: more than 10 interim", None),
    "over 64 KiB": (
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * (64 * KIB),
        "valid HTTP: more than 64 KiB of headers",
        None,
    ),
    "over 1,000 lines": (
        b"HTTP/1.1 200 OK\r\n" + b"X:\r\n" * 999 + b"\r\n",
        "valid HTTP: more than 1,000 lines of headers",
        None,
    ),
}


@pytest.mark.parametrize("row", REFUSING.values(), ids=REFUSING)
def test_an_http_proxy_that_refuses(row: tuple[bytes, str, str | None]) -> None:
    """Its own words are not shown, and the body is not waited for."""
    data, why, hint = row
    for pieces in cuts(data) if len(data) < 1000 else [(data,), (data[:9], data[9:])]:
        error = refusal(ConnectTunnel(ORIGIN, HTTP), *pieces)
        assert error.message.startswith(HTTP_REFUSED)
        assert why in error.message
        assert error.hint == hint
        assert "sk-x" not in str(error)


def test_no_error_of_a_proxy_shows_its_login() -> None:
    proxy = Proxy.parse("http://user:hunter2@proxy.example")
    for data, _, _ in REFUSING.values():
        assert "hunter2" not in str(refusal(ConnectTunnel(ORIGIN, proxy), data))


COMMAND = b"\x05\x01\x00\x03\x0fapi.example.com\x01\xbb"
IPV4 = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x01\xbb"
IPV6 = b"\x05\x00\x00\x04" + bytes(16) + b"\x00\x00"
DOMAIN = b"\x05\x00\x00\x03\x05proxy\x00\x00"
NO_DOMAIN = b"\x05\x00\x00\x03\x00\x00\x00"
LONG_DOMAIN = b"\x05\x00\x00\x03\x7f" + b"x" * 127 + b"\x00\x00"


@pytest.mark.parametrize("reply", [IPV4, IPV6, DOMAIN, NO_DOMAIN, LONG_DOMAIN])
@pytest.mark.parametrize("behind", [b"", b"\x16\x03\x03", IPV4])
def test_a_socks_proxy_that_opens(reply: bytes, behind: bytes) -> None:
    data = reply + behind
    for pieces in cuts(data):
        tunnel = SocksTunnel(ORIGIN, SOCKS)
        sent = negotiate(tunnel, b"\x05", b"\x00", *pieces)
        assert sent[:3] == [b"\x05\x01\x00", b"", COMMAND]
        assert tunnel.is_open
        assert sent[-1] == behind


@pytest.mark.parametrize("reply", [IPV4, IPV6, DOMAIN])
def test_a_socks_proxy_with_a_login(reply: bytes) -> None:
    for pieces in cuts(reply):
        tunnel = SocksTunnel(ORIGIN, LOGIN)
        sent = negotiate(tunnel, b"\x05\x02", b"\x01", b"\x00", *pieces)
        assert sent[:4] == [b"\x05\x01\x02", b"\x01\x04user\x04p@ss", b"", COMMAND]
        assert tunnel.is_open


SOCKS_ORIGINS = {
    "192.0.2.1": b"\x01\xc0\x00\x02\x01",
    "2001:db8::1": b"\x04\x20\x01\x0d\xb8" + bytes(11) + b"\x01",
    "x" * 255: b"\x03\xff" + b"x" * 255,
}


@pytest.mark.parametrize(("host", "address"), SOCKS_ORIGINS.items())
def test_the_origin_that_a_socks_proxy_is_asked_for(host: str, address: bytes) -> None:
    tunnel = SocksTunnel(Origin("https", host, 8443), SOCKS)
    sent = negotiate(tunnel, b"\x05\x00")
    assert sent[1] == b"\x05\x01\x00" + address + b"\x20\xfb"


@pytest.mark.parametrize(
    ("origin", "proxy"),
    [
        (Origin("https", "x" * 256, 443), SOCKS),
        (ORIGIN, Proxy.parse(f"socks5://{'u' * 256}:p@proxy.example")),
        (ORIGIN, Proxy.parse(f"socks5://u:{'p' * 256}@proxy.example")),
        (ORIGIN, Proxy.parse(f"socks5://u:{'%C3%A9' * 128}@proxy.example")),
    ],
)
def test_what_socks_has_no_room_for(origin: Origin, proxy: Proxy) -> None:
    with pytest.raises(APIConnectionError, match="255 bytes at most") as caught:
        SocksTunnel(origin, proxy).start()
    assert (caught.value.phase, caught.value.retryable) == ("connect", False)
    assert "pppp" not in str(caught.value)
    assert caught.value.hint == "Reach the origin through an HTTP proxy"


NOT_SOCKS = "its reply is not SOCKS 5"
OTHER_WAY = "it requires another login method"
BAD_LOGIN = "it does not accept the user name and password"
TOO_EARLY = "it replied before the request"
CODES = {
    1: "general server failure",
    2: "connection not allowed by ruleset",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "ttl expired",
    7: "command not supported",
    8: "address type not supported",
}
SOCKS_REFUSING: dict[str, tuple[Proxy, bytes, str, str | None]] = {
    **{
        why: (SOCKS, b"\x05\x00|\x05%c\x00\x01\0\0\0\0\0\0" % code, why, None)
        for code, why in CODES.items()
    },
    "unknown code": (SOCKS, b"\x05\x00|\x05\x5b\x00\x01\0\0\0\0\0\0", NOT_SOCKS, None),
    "unknown address type": (SOCKS, b"\x05\x00|\x05\x00\x00\x02\0\0\0\0\0\0", NOT_SOCKS, None),
    "domain not in UTF-8": (SOCKS, b"\x05\x00|\x05\x00\x00\x03\x01\xff\0\0", NOT_SOCKS, None),
    "other version at the end": (SOCKS, b"\x05\x00|\x04\x00\x00\x01", NOT_SOCKS, None),
    "SOCKS 4": (SOCKS, b"\x00\x5a\0\0\0\0\0\0", NOT_SOCKS, None),
    "HTTP": (SOCKS, b"HTTP/1.1 400 Bad Request\r\n\r\n", NOT_SOCKS, None),
    "zeros": (SOCKS, bytes(20), NOT_SOCKS, None),
    "unknown method": (SOCKS, b"\x05\x77", NOT_SOCKS, None),
    "no method": (SOCKS, b"\x05\xff", OTHER_WAY, HINT),
    "GSSAPI": (SOCKS, b"\x05\x01", OTHER_WAY, HINT),
    "login wanted": (SOCKS, b"\x05\x02", OTHER_WAY, HINT),
    "login not wanted": (LOGIN, b"\x05\x00", OTHER_WAY, HINT),
    "login refused": (LOGIN, b"\x05\x02|\x01\x01", BAD_LOGIN, HINT),
    "login of another version": (LOGIN, b"\x05\x02|\x05\x00", NOT_SOCKS, None),
    "the last reply at once": (SOCKS, b"\x05\x00" + IPV4, TOO_EARLY, None),
    "the login's reply at once": (LOGIN, b"\x05\x02\x01\x00", TOO_EARLY, None),
    "the last reply with the login's": (LOGIN, b"\x05\x02|\x01\x00" + IPV4, TOO_EARLY, None),
}


@pytest.mark.parametrize("row", SOCKS_REFUSING.values(), ids=SOCKS_REFUSING)
def test_a_socks_proxy_that_refuses(row: tuple[Proxy, bytes, str, str | None]) -> None:
    """The replies are divided by bars, where the next one comes after the next request."""
    proxy, data, why, hint = row
    *before, last = data.split(b"|")
    for pieces in [(last,)] if why == TOO_EARLY else cuts(last):
        error = refusal(SocksTunnel(ORIGIN, proxy), *before, *pieces)
        assert error.message == SOCKS_REFUSED + why
        assert error.hint == hint


def test_a_socks_proxy_that_does_not_reply_yet() -> None:
    for size in range(len(LONG_DOMAIN)):
        tunnel = SocksTunnel(ORIGIN, SOCKS)
        negotiate(tunnel, b"\x05\x00", *([LONG_DOMAIN[:size]] if size else []))
        assert not tunnel.is_open


@given(st.lists(st.binary(max_size=30), max_size=4), st.booleans())
def test_any_bytes_of_a_proxy(pieces: list[bytes], is_socks: bool) -> None:
    """Nothing but `APIConnectionError` is raised: anything else would end the test."""
    for proxy in (LOGIN, SOCKS) if is_socks else (HTTP,):
        for beginning in (b"", b"\x05\x00", b"\x05\x02", b"HTTP/1.1 200 OK\r\n"):
            tunnel = (SocksTunnel if is_socks else ConnectTunnel)(ORIGIN, proxy)
            connection = Connection([tunnel, Above()])
            connection.start()
            try:
                receive_all(connection, (beginning, *pieces))
                connection.receive_eof()
            except APIConnectionError as error:
                assert error.phase == "connect"  # noqa: PT017 - most bytes raise, and some do not


@pytest.mark.parametrize(
    ("tunnel", "replies"),
    [
        (ConnectTunnel(ORIGIN, Proxy.parse("http://user:hunter2@proxy.example")), [OPEN]),
        (
            SocksTunnel(ORIGIN, Proxy.parse("socks5://user:hunter2@proxy.example")),
            [b"\x05\x02", b"\x01\x00", IPV4],
        ),
    ],
)
def test_no_local_variable_holds_the_login(
    tunnel: ConnectTunnel | SocksTunnel, replies: list[bytes]
) -> None:
    with recorded_local_variables() as seen:
        tunnel.start()
        for reply in replies:
            tunnel.receive(reply)
    assert tunnel.is_open
    login = b64encode(b"user:hunter2").decode()
    assert [line for line in seen if "hunter2" in line or login in line] == []
