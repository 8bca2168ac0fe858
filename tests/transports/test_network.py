"""One write a request, the deadline on every blocking operation, names resolved in time."""

import socket
import ssl
import struct
import threading
import time
from contextlib import suppress
from typing import Any

import httpcore
import pytest

from openai_realtime.core.deadline import Deadline
from openai_realtime.core.head import MAX_HEAD_BYTES
from openai_realtime.transports.blocking_network import SyncLaneNetwork
from openai_realtime.transports.network import AsyncLaneNetwork


def network(seconds: float = 10.0) -> SyncLaneNetwork:
    return SyncLaneNetwork(Deadline.after(seconds, time.monotonic), watched_layer=0)


def test_nothing_is_begun_when_the_time_is_over() -> None:
    with pytest.raises(httpcore.ConnectTimeout):
        network(0.0).connect_tcp("127.0.0.1", 1, timeout=5)


def test_every_operation_is_cut_to_what_is_left() -> None:
    now = [0.0]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        lane = SyncLaneNetwork(Deadline(at=10.0, clock=lambda: now[0]), watched_layer=0)
        stream = lane.connect_tcp("127.0.0.1", listener.getsockname()[1], timeout=None)
        stream.write(b"x", timeout=5)
        now[0] = 9.99
        with pytest.raises(httpcore.ReadTimeout):
            stream.read(1, timeout=5)
        stream.write(b"x", timeout=5)
        now[0] = 10.0
        with pytest.raises(httpcore.WriteTimeout):
            stream.read(1, timeout=5)
        stream.close()


def test_headers_and_body_go_out_in_one_piece() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stream = network().connect_tcp("127.0.0.1", listener.getsockname()[1])
        peer, _ = listener.accept()
        with peer:
            stream.write(b"head")
            stream.write(b"body")
            peer.setblocking(False)
            with pytest.raises(BlockingIOError):
                peer.recv(100)
            peer.settimeout(5)
            peer.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            assert stream.read(100) == b"HTTP/1.1 200 OK\r\n\r\n"
            assert peer.recv(100) == b"headbody"
        stream.close()


def test_a_head_that_is_too_long_is_no_answer() -> None:
    lane = network()
    lane.watch(b"HTTP/1.1 200 OK\r\n", layer=0)
    lane.watch(b"x" * MAX_HEAD_BYTES, layer=1)  # a proxy's TLS: not what is read here
    with pytest.raises(httpcore.RemoteProtocolError):
        lane.watch(b"x" * MAX_HEAD_BYTES, layer=0)


def test_a_peer_that_reads_nothing_costs_no_more_than_the_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stream = network(0.3).connect_tcp("127.0.0.1", listener.getsockname()[1])
        peer, _ = listener.accept()
        with peer:
            stream.write(b"x" * 50_000_000)
            started = time.monotonic()
            with pytest.raises(httpcore.WriteTimeout):
                stream.read(1, timeout=5)
            assert time.monotonic() - started < 1
        stream.close()


def test_an_answer_sent_before_the_whole_request_was_read_is_read() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stream = network().connect_tcp("127.0.0.1", listener.getsockname()[1])
        peer, _ = listener.accept()
        peer.sendall(b"HTTP/1.1 413 Too Large")
        peer.shutdown(socket.SHUT_RD)
        stream.write(b"x")
        assert stream.read(8, timeout=5) == b"HTTP/1.1"
        peer.close()
        stream.close()


def test_a_request_to_a_peer_that_is_gone_fails_when_its_answer_is_read() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stream = network().connect_tcp("127.0.0.1", listener.getsockname()[1])
        peer, _ = listener.accept()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        time.sleep(0.05)
        stream.write(b"x")
        answered = b""
        with suppress(httpcore.ReadError):
            answered = stream.read(1, timeout=5)
        assert answered == b""
        stream.close()


def answers(*addresses: str) -> Any:
    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        found = addresses if host == "somewhere.example" else [host]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    return getaddrinfo


def test_the_next_address_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        monkeypatch.setattr(socket, "getaddrinfo", answers("127.0.0.99", "127.0.0.1"))
        network().connect_tcp("somewhere.example", port, timeout=5).close()
    monkeypatch.setattr(socket, "getaddrinfo", answers("127.0.0.99", "127.0.0.98"))
    with pytest.raises(httpcore.ConnectError):
        network().connect_tcp("somewhere.example", port, timeout=5)


def test_a_slow_resolver_costs_no_more_than_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def slow(*_: Any, **__: Any) -> list[Any]:
        released.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    started = time.monotonic()
    with pytest.raises(httpcore.ConnectTimeout, match="not resolved in time"):
        network(0.2).connect_tcp("somewhere.example", 80, timeout=5)
    assert time.monotonic() - started < 0.45
    released.set()


def test_a_name_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", absent)
    with pytest.raises(httpcore.ConnectError, match="not known") as caught:
        network().connect_tcp("somewhere.example", 80)
    assert isinstance(caught.value.__cause__, socket.gaierror)


@pytest.mark.parametrize(
    ("behind", "holds_more"),
    [(ssl.SSLWantReadError(), False), (ssl.SSLError("damaged"), True), (b"x", True)],
)
def test_what_tls_holds_behind_an_answer(behind: ssl.SSLError | bytes, holds_more: bool) -> None:
    class Decrypting:
        def read(self, _count: int) -> bytes:
            if isinstance(behind, ssl.SSLError):
                raise behind
            return behind

    lane = AsyncLaneNetwork(watched_layer=1)
    assert not lane.holds_more()
    lane.tls.append(Decrypting())  # type: ignore[arg-type]  # as much of an SSLObject as is asked of it
    assert lane.holds_more() is holds_more
