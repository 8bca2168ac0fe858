"""Real TLS servers on loopback: key updates, tickets, and servers that require a client certificate."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
from tlslite.constants import KeyUpdateMessageType

from openai_realtime.errors import APIConnectionError
from openai_realtime.transports.connection import Connection
from openai_realtime.transports.tls import TlsLayer, trusted_context
from transports.outcomes import REQUEST, receive
from transports.server_dialogue import served

if TYPE_CHECKING:
    import trustme

pytestmark = pytest.mark.usefixtures("trusted")

PARTS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n",
    b"X-Part: 2\r\n\r\n{",
    b"    }",
]


class Client:
    """A connection on a socket that blocks."""

    def __init__(self, port: int) -> None:
        self.connection = Connection([TlsLayer(trusted_context(), "localhost")])
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)

    def open(self) -> None:
        self._socket.sendall(self.connection.start())
        while not self.connection.is_open:
            self.read()

    def close(self) -> None:
        with suppress(OSError):  # the server may have closed it
            self._socket.sendall(self.connection.close())
        self._socket.close()

    def send(self) -> None:
        self._socket.sendall(self.connection.send(REQUEST))

    def read(self) -> None:
        """Pass on what comes next, and send the reply."""
        data = self._socket.recv(65_536)
        if data:
            self._socket.sendall(receive(self.connection, data))
        else:
            self.connection.receive_eof()

    def read_response(self) -> None:
        while self.connection.is_busy:
            self.read()
        response = self.connection.response()
        assert (response.status, response.body) == (200, b"{    }")

    def assert_usable(self) -> None:
        assert not self.connection.is_closed
        assert self.connection.may_serve_again


@contextmanager
def opened(port: int) -> Iterator[Client]:
    with closing(Client(port)) as client:
        client.open()
        yield client


class OpenSslServer:
    """`openssl s_server` for one connection: what is typed there is sent, or is a command of one letter."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        line = b""
        while not line.startswith(b"ACCEPT"):
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line
        self.port = int(line.rpartition(b":")[2])

    def type(self, data: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(data)


@pytest.fixture
def openssl(authority: trustme.CA, tmp_path: Path) -> Callable[..., Any]:
    path = tmp_path / "server.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(path))

    @contextmanager
    def started(*options: str) -> Iterator[OpenSslServer]:
        program = shutil.which("openssl")
        if program is None:
            pytest.skip("there is no openssl")
        command = [program, "s_server", "-accept", "127.0.0.1:0", "-naccept", "1"]
        command += ["-cert", str(path), "-key", str(path), *options]
        with subprocess.Popen(
            command,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            try:
                yield OpenSslServer(process)
            finally:
                process.kill()

    return started


def test_tickets_and_key_updates_while_idle(openssl: Callable[..., Any]) -> None:
    # One ticket comes at once. Of two, the second may be read in the place of what a command sends,
    # and OpenSSL takes the lines that it then finds together for one command.
    with openssl("-num_tickets", "1") as server, opened(server.port) as client:
        client.read()
        for _ in range(2):
            for command in (b"k\n", b"K\n"):
                server.type(command)
                client.read()
                client.assert_usable()
            client.send()
            server.type(b"".join(PARTS))
            client.read_response()
            client.assert_usable()


@pytest.mark.parametrize("command", [b"k\n", b"K\n"])
def test_key_updates_within_a_response(openssl: Callable[..., Any], command: bytes) -> None:
    """They come between its parts: in the head, and in the body."""
    with openssl("-num_tickets", "0") as server, opened(server.port) as client:
        for _ in range(2):
            client.send()
            for part in PARTS[:-1]:
                server.type(part)
                client.read()
                server.type(command)
                client.read()
                assert client.connection.is_busy
            server.type(PARTS[-1])
            client.read_response()
            client.assert_usable()


def test_a_renegotiation_that_the_server_asks_for(openssl: Callable[..., Any]) -> None:
    """TLS 1.2 allows it; this client does not, and OpenSSL's server ends the connection then."""
    with openssl("-tls1_2") as server, opened(server.port) as client:
        server.type(b"R\n")
        client.read()
        client.assert_usable()
        client.read()
        assert client.connection.is_closed


@pytest.mark.parametrize("options", [("-tls1_3",), ("-tls1_2",)])
@pytest.mark.parametrize("sends", [True, False])
def test_a_client_certificate_that_is_wanted(
    openssl: Callable[..., Any], options: tuple[str, ...], sends: bool
) -> None:
    with openssl("-Verify", "1", *options) as server:
        with pytest.raises(APIConnectionError) as caught:
            call(server.port, sends=sends)
        assert not caught.value.retryable
        assert caught.value.possibly_acted is False
        if options == ("-tls1_3",):
            assert "requires a client certificate, and this client has none" in str(caught.value)
            assert "http_client=" in str(caught.value.hint)


def call(port: int, *, sends: bool) -> None:
    """Send a request at once, or when the server has spoken."""
    with opened(port) as client:
        if sends:
            client.send()
            client.read_response()
        while not client.connection.is_closed:
            client.read()
        client.send()


def test_a_client_certificate_that_is_only_asked_for(openssl: Callable[..., Any]) -> None:
    """None is sent, and the server goes on without."""
    with openssl("-verify", "1") as server, opened(server.port) as client:
        client.send()
        server.type(b"".join(PARTS))
        client.read_response()


@contextmanager
def tlslite_server(
    authority: trustme.CA, talk: Callable[[TLSConnection, HandshakeSettings], None]
) -> Iterator[int]:
    """Let `talk` respond on a connection of tlslite-ng's; yields the port."""
    issued = authority.issue_cert("localhost")
    chain = X509CertChain()
    chain.parsePemList("".join(pem.bytes().decode() for pem in issued.cert_chain_pems))
    key = parsePEMKey(issued.private_key_pem.bytes().decode(), private=True)
    settings = HandshakeSettings()
    settings.ticketKeys = [bytearray(32)]
    failed = ["it has ended too early"]
    done = threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.settimeout(10)
        try:
            tls = TLSConnection(connection)
            tls.handshakeServer(
                certChain=chain, privateKey=key, settings=settings, alpn=[bytearray(b"http/1.1")]
            )
            talk(tls, settings)
            failed.clear()
        finally:
            done.set()

    with served(serve) as port:
        yield port
        assert done.wait(10)
    assert failed == []


def send_ticket(tls: TLSConnection, settings: HandshakeSettings) -> None:
    for _ in tls._serverSendTickets(settings):
        pass


def update_keys(tls: TLSConnection, settings: HandshakeSettings) -> None:
    for _ in tls.send_keyupdate_request(KeyUpdateMessageType.update_requested):
        pass


def both(tls: TLSConnection, settings: HandshakeSettings) -> None:
    send_ticket(tls, settings)
    update_keys(tls, settings)


@pytest.mark.parametrize("between", [send_ticket, update_keys, both])
def test_tickets_and_key_updates_within_a_response(
    authority: trustme.CA, between: Callable[[TLSConnection, HandshakeSettings], None]
) -> None:
    def talk(tls: TLSConnection, settings: HandshakeSettings) -> None:
        for _ in range(2):
            assert tls.recv(65_536).startswith(b"POST ")
            for part in PARTS:
                between(tls, settings)
                tls.send(part)
            with suppress(OSError):  # the client may close as soon as it has its last response
                between(tls, settings)
        with suppress(OSError):
            tls.recv(1)  # until the client has read the last ticket

    with tlslite_server(authority, talk) as port, opened(port) as client:
        for _ in range(2):
            client.send()
            client.read_response()
            while not client.connection.may_serve_again:
                client.read()


def test_a_response_in_records_of_one_byte(authority: trustme.CA) -> None:
    def talk(tls: TLSConnection, settings: HandshakeSettings) -> None:
        tls.recv(65_536)
        for byte in b"".join(PARTS):
            tls.send(bytes([byte]))
        with suppress(OSError):
            tls.recv(1)  # until the client closes

    with tlslite_server(authority, talk) as port, opened(port) as client:
        client.send()
        client.read_response()
        client.assert_usable()
