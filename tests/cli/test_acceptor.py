"""The connections of `serve`, on real sockets: which ones are closed, when, and in which order."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from openai_realtime.cli import acceptor, service
from openai_realtime.cli.acceptor import Connection, ConnectionAcceptor, connection_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from starlette.types import Message, Receive, Scope, Send

Address = tuple[str, int]
HALF = b"POST /read HTTP/1.1\r\nHost: x\r\nX-Half: "
GET = b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
LARGE = 32 << 20
LONG = 60.0
"""Seconds: longer than any test."""


class App:
    """Responds by path: at once, when `may_end` is set, after it has read the body, or with 32 MiB."""

    def __init__(self) -> None:
        self.may_end = threading.Event()
        self.began = threading.Semaphore(0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for stage in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{stage}.complete"})
            return
        self.began.release()
        while scope["path"] == "/wait" and not self.may_end.is_set():
            await asyncio.sleep(0.005)
        message: Message = {"more_body": scope["path"] == "/read"}
        while message.get("more_body"):
            message = await receive()
        body = bytes(LARGE) if scope["path"] == "/large" else b"ok"
        length = str(len(body)).encode()
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]}
        )
        # In two parts: for the second, uvicorn waits until the client has read much of the first.
        await send({"type": "http.response.body", "body": body[:-1], "more_body": True})
        await send({"type": "http.response.body", "body": body[-1:]})
        if scope["path"] == "/late":
            await asyncio.sleep(0.05)


@contextmanager
def serving(
    app: App, limit: int, *, head: float = LONG, transfer: float = LONG, grace: float = 0.0
) -> Generator[Address]:
    """Serve `app` as the command does, with other limits."""
    with pytest.MonkeyPatch.context() as patch, socket.create_server(("127.0.0.1", 0)) as listening:
        patch.setattr(acceptor, "HEAD_SECONDS", head)
        patch.setattr(acceptor, "TRANSFER_SECONDS", transfer)
        patch.setattr(acceptor, "_GRACE_SECONDS", grace)
        patch.setattr(acceptor, "_CHECK_SECONDS", 0.02)
        patch.setattr(service, "connection_limit", lambda: limit)
        address = listening.getsockname()
        server = service._Server(app, listening, introduction="")  # type: ignore[arg-type]  # any app
        running = threading.Thread(target=asyncio.run, args=(server.serve(sockets=[]),))
        running.start()
        try:
            yield address
        finally:
            app.may_end.set()
            server.should_exit = True
            running.join(20)
            assert not running.is_alive()


@contextmanager
def connected(address: Address, *sent: bytes) -> Generator[socket.socket]:
    with socket.create_connection(address, timeout=60) as connection:
        for piece in sent:
            connection.sendall(piece)
        yield connection


def is_closed(connection: socket.socket, seconds: float) -> bool:
    """Return whether the server closes a connection within a time, without a response."""
    connection.settimeout(seconds)
    try:
        assert connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        pass
    return True


def response(connection: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"\r\n\r\nok"):
        piece = connection.recv(65_536)
        assert piece, received
        received += piece
    return received


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "the condition did not become true"
        time.sleep(0.01)


@pytest.fixture
def app() -> App:
    return App()


def test_a_connection_without_a_complete_head_in_time_is_closed(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        serving(app, 100, head=0.3) as address,
        connected(address, GET % b"wait") as handled,
        connected(address) as silent,
        connected(address, HALF) as half,
        connected(address, GET % b"") as second,
    ):
        response(second)
        second.sendall(HALF)
        dripping = threading.Event()

        def drip() -> None:
            while not dripping.wait(0.05):
                try:
                    half.sendall(b"x")
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        assert is_closed(silent, 20)
        assert is_closed(half, 20)
        assert is_closed(second, 20)
        dripping.set()
        thread.join()
        # A connection whose request is handled is as old, and stays open.
        app.may_end.set()
        response(handled)
    lines = [each.getMessage() for each in caplog.records if "Connections" in each.getMessage()]
    # The next line would have come 10 s later.
    assert len(lines) == 1
    assert "had no complete request head in time. 100 may be open at once" in lines[0]


def test_at_the_limit_the_oldest_silent_connection_makes_room(app: App) -> None:
    with serving(app, 3) as address, ExitStack() as stack:
        silent = [stack.enter_context(connected(address)) for _ in range(3)]
        for index in range(3):
            response(stack.enter_context(connected(address, GET % b"")))
            assert is_closed(silent[index], 20)
            assert not any(is_closed(each, 0.02) for each in silent[index + 1 :])


@pytest.mark.parametrize(("grace", "closed"), [(0.0, "silent"), (LONG, "sending")])
def test_one_without_a_head_is_closed_before_one_that_sends_a_body_unless_it_is_new(
    app: App, grace: float, closed: str
) -> None:
    with serving(app, 2, grace=grace) as address, connected(address, POST) as sending:
        assert app.began.acquire(timeout=60)
        with connected(address) as silent, connected(address, GET % b"") as honest:
            response(honest)
            kept, gone = (sending, silent) if closed == "silent" else (silent, sending)
            assert is_closed(gone, 20)
            assert not is_closed(kept, 0.05)


def test_a_body_in_parts_is_read_to_its_end(app: App) -> None:
    with serving(app, 1) as address, connected(address, POST, b"1234") as sending:
        assert app.began.acquire(timeout=60)
        assert not is_closed(sending, 0.05)
        sending.settimeout(20)
        sending.sendall(b"56789")
        response(sending)


def bytes_until_closed(connection: socket.socket) -> int:
    count = 0
    try:
        while piece := connection.recv(1 << 20):
            count += len(piece)
    except ConnectionResetError:
        pass
    return count


def test_a_client_that_does_not_read_is_closed_after_a_time(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(app, 9, transfer=0.3) as address, connected(address, GET % b"large") as idle:
        wait_until(lambda: "did not end a transfer in time" in caplog.text)
        assert bytes_until_closed(idle) < LARGE


def test_a_client_that_does_not_read_makes_room(app: App) -> None:
    with serving(app, 1) as address, connected(address, GET % b"large") as idle:
        assert app.began.acquire(timeout=60)
        with connected(address, GET % b"") as honest:
            response(honest)
        assert bytes_until_closed(idle) < LARGE


def test_a_client_that_reads_gets_everything(app: App) -> None:
    with serving(app, 1, transfer=5) as address, connected(address, GET % b"large") as reading:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += reading.recv(1)
        received = 0
        while received < LARGE:
            piece = reading.recv(1 << 20)
            assert piece
            received += len(piece)
        # It is without a head again, and makes room.
        with connected(address, GET % b"") as honest:
            response(honest)
            assert is_closed(reading, 20)


def test_requests_that_are_handled_are_not_closed_and_new_ones_wait(app: App) -> None:
    with (
        serving(app, 2) as address,
        connected(address, GET % b"wait") as first,
        connected(address, GET % b"wait") as second,
    ):
        assert app.began.acquire(timeout=60)
        assert app.began.acquire(timeout=60)
        with connected(address, GET % b"") as third, connected(address, GET % b"") as fourth:
            response(third)  # one connection more than the limit is accepted
            app.may_end.set()
            for connection in (first, second, fourth):
                response(connection)


def test_a_request_behind_another_one_counts_too(app: App) -> None:
    with (
        serving(app, 9, head=0.2) as address,
        connected(address, GET % b"late" + GET % b"wait") as pipelining,
    ):
        response(pipelining)
        assert not is_closed(pipelining, 1)
        app.may_end.set()
        pipelining.settimeout(20)
        response(pipelining)


WITHOUT_DESCRIPTORS = """
import asyncio, resource, socket, sys
sys.path[:0] = ["tests"]
from cli.test_acceptor import App
from openai_realtime.cli import acceptor, service
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
service.connection_limit = lambda: 1000
acceptor._CHECK_SECONDS = 0.1
service.log_to_stderr("text")
listening = socket.create_server(("127.0.0.1", 0), backlog=100)
server = service._Server(App(), listening, introduction=f"{listening.getsockname()[1]}\\n")
with service._stopped_by_signals(server):
    asyncio.run(server.serve(sockets=[]))
"""


def test_without_descriptors_it_goes_on_serving(app: App) -> None:
    pytest.importorskip("resource")
    process = subprocess.Popen(
        [sys.executable, "-c", WITHOUT_DESCRIPTORS],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process, ExitStack() as stack:
        try:
            assert process.stdout is not None
            address = ("127.0.0.1", int(process.stdout.readline()))
            for _ in range(60):
                stack.enter_context(connected(address))
            for _ in range(3):
                with connected(address, GET % b"") as honest:
                    response(honest)
            time.sleep(0.5)  # until the line is written
            process.terminate()
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert "could not be accepted (Too many open files)" in errors
    assert errors.count("\n") == 1


def test_a_socket_that_cannot_be_used_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    never: Any = None

    async def body() -> None:
        accepting = ConnectionAcceptor(never, 1)
        accepting._descriptors = 1
        closed = socket.socket()
        closed.close()
        await accepting._connect(Connection(accepting, asyncio.Protocol()), closed)
        assert accepting._descriptors == 0
        accepting._report.write()

    asyncio.run(body())
    assert "1 could not be accepted (Bad file descriptor)" in caplog.text


def test_a_connection_that_is_lost_is_not_kept() -> None:
    """Its request may begin later, because another task handles it."""
    never: Any = None

    async def body() -> None:
        accepting = ConnectionAcceptor(never, 1)
        accepting._descriptors = 1
        connection = Connection(accepting, asyncio.Protocol())
        connection.connection_made(asyncio.Transport())
        connection.connection_lost(None)
        accepting.transfer_began(connection)
        accepting._wait_for_head(connection)
        assert not accepting._close_oldest()

    asyncio.run(body())


@pytest.mark.parametrize(
    ("descriptors", "connections"),
    [(None, 2000), (1_048_576, 2000), (4064, 2000), (4062, 1999), (1024, 480), (256, 96), (20, 8)],
)
def test_the_limit(
    descriptors: int | None, connections: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource = pytest.importorskip("resource")
    limit = resource.RLIM_INFINITY if descriptors is None else descriptors
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, resource.RLIM_INFINITY))
    assert connection_limit() == connections


def test_the_limit_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    assert connection_limit() == 2000
