"""What a hostile server, a cancellation, a fork or a second task does to a sideband."""

from __future__ import annotations

import json
import logging
import logging.config
import math
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import anyio
import pydantic
import pytest
from authorities import new_authority
from backends import Backend
from transports.local_variables import recorded_local_variables

from openai_realtime import (
    APIConnectionError,
    APITimeoutError,
    ClientClosedError,
    ParameterError,
    RealtimeError,
)
from openai_realtime.resources import sideband as sidebands
from openai_realtime.resources import sideband_session, tool_runner
from openai_realtime.transports import tls
from openai_realtime.transports.connection import Connection
from openai_realtime.transports.websocket import MAX_WAITING_MESSAGES, WebSocketConnection
from openai_realtime.types.tools import FunctionTool
from sideband.peer import (
    PING,
    PONG,
    TEXT,
    Peer,
    Script,
    ScriptedServer,
    closing,
    frame,
    join,
    text,
)

BACKENDS = [Backend("asyncio"), Backend("trio"), Backend("sync")]
ASYNC = ["asyncio", "trio"]
KEY = "sk-sideband-0123456789abcdef"


def run(
    backend: Backend,
    scripts: Sequence[Script],
    body: Callable[[Any], Any],
    context: ssl.SSLContext | None = None,
    **options: Any,
) -> list[Peer]:
    """Run `body` with a sideband, and return the server's connections."""

    async def connected() -> None:
        with anyio.fail_after(30):
            client = backend.client(base_url=server.base_url, api_key=KEY, max_retries=0, **options)
            async with client, join(backend, client) as sideband:
                await body(sideband)

    with ScriptedServer(scripts, context) as server:
        backend.run(connected)
    return server.peers


async def read_all(sideband: Any) -> list[str]:
    return [event.type async for event in sideband]


@pytest.fixture
def secure(monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    authority = new_authority()
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    monkeypatch.setattr(tls, "trusted_context", lambda: trusted)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


def test_a_ping_over_tls_gets_its_pong(backend: Backend, secure: ssl.SSLContext) -> None:
    received: list[tuple[int, bytes]] = []

    def script(peer: Peer) -> None:
        peer.accept(text(type="first"))
        frames = peer.frames()
        received.append(next(frames))  # so that the ping does not come with the handshake
        peer.send(frame(PING, b"p"))
        received.append(next(frames))
        peer.send(text(type="last") + closing(1000))

    async def body(sideband: Any) -> None:
        await sideband.send({"type": "begin"})
        assert await read_all(sideband) == ["first", "last"]

    run(backend, [script], body, secure)
    assert received == [(TEXT, b'{"type":"begin"}'), (PONG, b"p")]


def test_a_thread_that_sends_while_another_receives_over_tls(secure: ssl.SSLContext) -> None:
    count = 300
    received: list[int] = []

    def script(peer: Peer) -> None:
        peer.accept()
        for opcode, _ in peer.frames():
            if opcode == TEXT:
                received.append(opcode)
                peer.send(frame(PING, b"p"))
                if len(received) == 2 * count:
                    peer.send(closing(1000))

    async def body(sideband: Any) -> None:
        def send_many() -> None:
            for _ in range(count):
                sideband.wrapped.send({"type": "a", "payload": "x" * 2000})

        threads = [threading.Thread(target=send_many) for _ in range(2)]
        for thread in threads:
            thread.start()
        assert await read_all(sideband) == []  # a record out of order would end the connection
        for thread in threads:
            thread.join()

    assert len(run(Backend("sync"), [script], body, secure)) == 1
    assert len(received) == 2 * count


@pytest.mark.parametrize("rest", [b"", text(type="session.created")], ids=["nothing", "an event"])
def test_a_server_that_accepts_and_closes_at_once(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, rest: bytes
) -> None:
    monkeypatch.setattr(sideband_session, "RECONNECT_SECONDS", 0.5)

    def script(peer: Peer) -> None:
        peer.accept(rest + closing(1011, "no capacity\n"))

    async def body(sideband: Any) -> None:
        with pytest.raises(APIConnectionError, match=r"at once: code 1011 no capacity\\n"):
            await read_all(sideband)

    # At once, then after at least 0.1 s each.
    assert len(run(backend, [script] * 1000, body)) <= 7


def test_a_connection_that_lasts_is_opened_again_at_once(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sideband_session, "LASTING_SECONDS", 0.0)

    def script(peer: Peer) -> None:
        peer.accept(closing(1011))

    async def body(sideband: Any) -> None:
        assert await read_all(sideband) == ["sideband.reconnected"] * 30

    assert len(run(backend, [script] * 31, body)) == 32


def test_a_server_that_says_when_to_come_again(backend: Backend) -> None:
    scripts: list[Script] = [
        lambda peer: peer.accept(closing(1011)),
        lambda peer: peer.refuse(503, more="Retry-After: 1\r\n"),
    ]

    async def body(sideband: Any) -> None:
        began = time.monotonic()
        assert await read_all(sideband) == []
        assert time.monotonic() - began >= 1

    assert len(run(backend, scripts, body)) == 3


def test_each_handshake_has_a_key_of_its_own(backend: Backend) -> None:
    async def body() -> None:
        client = backend.client(base_url=server.base_url, api_key=KEY)
        async with client, join(backend, client) as sideband:
            assert await read_all(sideband) == []

    refused: Script = lambda peer: peer.refuse(503, more="Retry-After-Ms: 1\r\n")  # noqa: E731
    with ScriptedServer([refused, lambda peer: peer.accept(closing(1000))]) as server:
        backend.run(body)
    first, second = (peer.headers["sec-websocket-key"] for peer in server.peers)
    assert first != second


def test_an_ended_sideband_stays_ended(backend: Backend) -> None:
    sent: list[Any] = []

    async def body(sideband: Any) -> None:
        assert await read_all(sideband) == []
        assert await read_all(sideband) == []
        with pytest.raises(APIConnectionError, match="not sent"):
            await sideband.send({"type": "a"})
        sent.append(sideband)

    run(backend, [lambda peer: peer.accept(closing(1000))], body)

    async def after() -> None:
        with pytest.raises(ClientClosedError, match="not open"):
            await read_all(sent[0])
        with pytest.raises(ClientClosedError, match="opened once"):
            await sent[0].__aenter__()

    backend.run(after)


def silent(peer: Peer) -> None:
    peer.accept()
    for _ in peer.frames():
        pass


@pytest.mark.parametrize("name", ASYNC)
def test_two_tasks_that_iterate(name: str) -> None:
    async def body(sideband: Any) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(anext, sideband)
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(RuntimeError, match="is iterating"):
                await anext(sideband)
            group.cancel_scope.cancel()

    run(Backend(name), [silent], body)


@pytest.mark.parametrize("name", ASYNC)
def test_a_block_that_ends_while_a_task_iterates(name: str) -> None:
    async def body() -> None:
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                client: Any = Backend(name).client(base_url=server.base_url, api_key=KEY)
                async with client, client.calls.connect("rtc_1") as sideband:
                    group.start_soon(iterate, sideband)
                    await anyio.wait_all_tasks_blocked()

    async def iterate(sideband: Any) -> None:
        with pytest.raises(RealtimeError):
            await anext(sideband)
        ended.append(True)

    ended: list[bool] = []
    with ScriptedServer([silent]) as server:
        Backend(name).run(body)
    assert ended


@pytest.mark.parametrize("name", ASYNC)
def test_a_cancelled_wait_can_be_continued(name: str) -> None:
    """Also one that was opening a lost connection again."""

    def slow(peer: Peer) -> None:
        time.sleep(0.3)
        peer.accept(text(type="a") + closing(1000))

    async def body(sideband: Any) -> None:
        kinds: list[str] = []
        end = time.monotonic() + 20
        while time.monotonic() < end:
            with anyio.move_on_after(0.05), suppress(StopAsyncIteration):
                while True:
                    kinds.append((await anext(sideband)).type)
            if sideband_ended(sideband):
                break
        assert kinds in (["sideband.reconnected", "a"], [])

    def sideband_ended(_: Any) -> bool:
        return len(accepted) > 1 and time.monotonic() > accepted[-1] + 0.5

    accepted: list[float] = []

    def counted(script: Script) -> Script:
        def run_it(peer: Peer) -> None:
            accepted.append(time.monotonic())
            script(peer)

        return run_it

    run(Backend(name), [counted(lambda peer: peer.accept(closing(1011))), counted(slow)], body)


@pytest.mark.parametrize("name", ASYNC)
def test_a_cancellation_anywhere_leaves_no_socket(name: str) -> None:
    def script(peer: Peer) -> None:
        time.sleep(0.004)
        peer.accept(frame(PING, b"p") + text(type="a"))
        time.sleep(0.004)
        peer.send(closing(1011))

    async def use(client: Any) -> None:
        async with client.calls.connect("rtc_1") as sideband:
            async for _ in sideband:
                with suppress(APIConnectionError):  # the server may have closed it meanwhile
                    await sideband.send({"type": "b"})

    async def body() -> None:
        async with Backend(name).client(
            base_url=server.base_url, api_key=KEY, max_retries=0
        ) as client:
            for number in range(60):
                with anyio.move_on_after(number * 0.0005):
                    await use(client)
            await anyio.sleep(0.01)
            ours = [peer for peer in server.peers if not has_left(peer)]
            assert ours == []

    def has_left(peer: Peer) -> bool:
        with suppress(OSError):
            peer.socket.settimeout(2)
            while peer.socket.recv(65_536):
                pass
        return peer.socket.fileno() < 0 or not isinstance(probe(peer), TimeoutError)

    def probe(peer: Peer) -> OSError | None:
        try:
            peer.socket.recv(1)
        except OSError as error:
            return error
        return None

    with ScriptedServer([script] * 1000) as server:
        Backend(name).run(body)
    assert len(server.peers) > 20


@pytest.mark.parametrize("name", ASYNC)
def test_a_handshake_that_cannot_be_finished_closes_its_socket(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    async def body() -> None:
        async with Backend(name).client(base_url=server.base_url, api_key=KEY) as client:
            with pytest.raises(KeyboardInterrupt):
                await client.calls.connect("rtc_1").__aenter__()
            end = time.monotonic() + 10
            while not ended.is_set() and time.monotonic() < end:
                await anyio.sleep(0.01)
            assert ended.is_set()

    def script(peer: Peer) -> None:
        silent(peer)
        ended.set()

    ended = threading.Event()
    monkeypatch.setattr(WebSocketConnection, "reply", fail)
    with ScriptedServer([script]) as server:
        Backend(name).run(body)


@pytest.mark.filterwarnings("ignore:.* is multi-threaded:DeprecationWarning")  # since Python 3.12
def test_a_fork_does_not_end_its_parents_sideband() -> None:
    opcodes: list[int] = []

    def script(peer: Peer) -> None:
        peer.accept()
        for opcode, _ in peer.frames():
            opcodes.append(opcode)
            if opcode == TEXT:
                peer.send(text(type="a") + closing(1000))

    async def body(sideband: Any) -> None:
        child = os.fork()
        if child == 0:  # pragma: no cover - it is not measured
            code = 1
            with suppress(BaseException):
                try:
                    sideband.wrapped.send({"type": "from the child"})
                except ClientClosedError:
                    sideband.wrapped.__exit__()
                    code = 0
            os._exit(code)
        _, status = os.waitpid(child, 0)  # noqa: ASYNC222 - it ends at once
        assert status == 0
        await sideband.send({"type": "from the parent"})
        assert await read_all(sideband) == ["a"]

    run(Backend("sync"), [script], body)
    assert opcodes[0] == TEXT


def test_a_client_that_is_closed_before_its_sideband(backend: Backend) -> None:
    def script(peer: Peer) -> None:
        peer.accept()
        next(peer.frames())
        peer.send(text(type="a") + closing(1011))

    async def body() -> None:
        client = backend.client(base_url=server.base_url, api_key=KEY)
        async with client, join(backend, client) as sideband:
            await client.aclose()
            await sideband.send({"type": "b"})
            assert (await anext(sideband)).type == "a"
            with pytest.raises(ClientClosedError):
                await anext(sideband)

    with ScriptedServer([script]) as server:
        backend.run(body)


def test_a_server_that_reads_only_after_it_has_sent(backend: Backend) -> None:
    """Sending and receiving do not wait for each other."""
    megabytes = 20

    def script(peer: Peer) -> None:
        peer.accept()
        for number in range(megabytes):
            peer.send(text(type=f"e{number}", payload="x" * 1_000_000))
        peer.discard(8_000_000)
        peer.send(closing(1000))
        peer.discard(8_000_000)

    async def body(sideband: Any) -> None:
        event = {"type": "a", "payload": "y" * 8_000_000}
        if backend.is_sync:
            sender = threading.Thread(target=sideband.wrapped.send, args=(event,))
            sender.start()
            kinds = await read_all(sideband)
            sender.join()
        else:
            async with anyio.create_task_group() as group:
                group.start_soon(sideband.send, event)
                kinds = await read_all(sideband)
        assert kinds == [f"e{number}" for number in range(megabytes)]

    assert len(run(backend, [script], body)) == 1


def test_an_event_that_is_not_taken_in_time_is_not_sent_later(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sidebands, "_SEND_SECONDS", 0.2)
    may_read = threading.Event()

    def script(peer: Peer) -> None:
        peer.accept()
        may_read.wait(20)

    async def body(sideband: Any) -> None:
        with pytest.raises(APITimeoutError):
            await sideband.send({"type": "a", "payload": "y" * 20_000_000})
        with pytest.raises(APIConnectionError, match="not sent"):
            await sideband.send({"type": "b"})
        may_read.set()
        assert await read_all(sideband) == []  # the call has ended meanwhile

    assert len(run(backend, [script], body)) == 2


def websocket() -> WebSocketConnection:
    connection = WebSocketConnection(Connection())
    connection.switch()
    return connection


@pytest.mark.parametrize(
    "data",
    [
        frame(PING) * 8000,
        frame(PONG) * 8000,
        frame(TEXT, fin=False) + frame(0, fin=False) * 8000,
    ],
    ids=["pings", "pongs", "empty fragments"],
)
def test_a_flood_is_parsed_in_slices(data: bytes) -> None:
    connection = websocket()
    slices = 1
    connection.receive(data)
    while connection.is_backlogged:
        slices += 1
        connection.receive(b"")
    assert slices >= 8
    assert connection.close_code is None


def test_no_more_messages_wait_than_may() -> None:
    connection = websocket()
    count = 8 * MAX_WAITING_MESSAGES
    connection.receive(frame(TEXT, b"{}") * count)
    received = 0
    while connection.is_backlogged or not connection.is_busy:
        if connection.is_backlogged:
            connection.receive(b"")
        waiting = 0
        while connection.is_full or (not connection.is_backlogged and not connection.is_busy):
            while connection.next_message() is not None:
                waiting += 1
        assert waiting <= MAX_WAITING_MESSAGES + 512  # what 1,024 bytes may hold
        received += waiting
    assert received == count


def test_pings_get_no_response_while_nothing_is_taken() -> None:
    connection = websocket()
    connection.is_congested = True
    assert connection.receive(frame(PING, b"p") * 1000) == b""
    connection.is_congested = False
    assert connection.receive(frame(PING, b"p"))
    connection.is_congested = True
    assert connection.receive(closing(1000))  # the close frame is sent all the same


def test_messages_before_the_end_are_kept() -> None:
    for end in (WebSocketConnection.receive_eof, WebSocketConnection.lose):
        connection = websocket()
        connection.receive(frame(PING) * 4000 + frame(TEXT, b"{}"))
        end(connection)
        assert connection.next_message() == "{}"
        assert connection.close_code == 1006


def test_a_server_that_pings_and_does_not_read(backend: Backend) -> None:
    stop = threading.Event()

    def script(peer: Peer) -> None:
        # So that the kernel keeps few of the pongs.
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        peer.accept()
        pings = frame(PING, b"x" * 125) * 5000
        for _ in range(10):  # 6 MB, and as many pongs
            peer.send(pings)
        peer.send(text(type="a"))
        stop.wait(20)

    async def body(sideband: Any) -> None:
        assert (await anext(sideband)).type == "a"
        unsent = (sideband.wrapped if backend.is_sync else sideband)._socket.unsent
        assert (unsent if isinstance(unsent, int) else len(unsent)) < 1_000_000
        stop.set()

    run(backend, [script], body)


def function(**functions: Callable[..., Any]) -> dict[str, FunctionTool]:
    for name, each in functions.items():
        each.__name__ = name
        each.__doc__ = "Do it."
    return {name: FunctionTool.from_function(each) for name, each in functions.items()}


def results_of(
    backend: Backend, tools: dict[str, FunctionTool], *calls: tuple[str, str], twice: bool = False
) -> list[tuple[str, str]]:
    """Return the outputs that the model gets, with their call ids."""
    output = [
        {"type": "function_call", "call_id": call_id, "name": name, "arguments": "{}"}
        for call_id, name in calls
    ]
    outputs: list[tuple[str, str]] = []

    def script(peer: Peer) -> None:
        peer.accept(text(type="response.done", response={"output": output}) * (1 + twice))
        for opcode, payload in peer.frames():
            event = json.loads(payload) if opcode == TEXT else {}
            if event.get("type") == "response.create":
                break
            if item := event.get("item"):
                outputs.append((item["call_id"], item["output"]))
        peer.send(closing(1000))

    async def body(sideband: Any) -> None:
        await sideband.run_tools(tools, timeout=25)

    run(backend, [script], body)
    return outputs


class Row(pydantic.BaseModel):
    """A row of the application's own database."""

    password: int


def test_results_that_are_not_json(backend: Backend) -> None:
    def surrogate() -> str:
        return "\ud800"

    def numbers() -> list[float]:
        return [math.nan, math.inf, 1.5]

    def own_error() -> object:
        return Row.model_validate({"password": "hunter2"})

    tools = function(surrogate=surrogate, numbers=numbers, own_error=own_error)
    assert results_of(backend, tools, *((name, name) for name in tools)) == [
        ("surrogate", '{"error":"surrogate failed"}'),
        ("numbers", '["NaN","Infinity",1.5]'),
        ("own_error", '{"error":"own_error failed"}'),
    ]


def test_a_call_runs_once(backend: Backend) -> None:
    ran: list[str] = []

    def book() -> str:
        ran.append("booked")
        return "booked"

    tools = function(book=book)
    found = results_of(backend, tools, ("c", "book"), ("c", "book"), ("d", "book"), twice=True)
    assert found == [("c", "booked"), ("d", "booked")]
    assert len(ran) == 2


def test_calls_are_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool_runner, "_REMEMBERED_CALLS", 2)
    tools = function(f=lambda: "done")
    calls = [("a", "f"), ("b", "f"), ("c", "f")]
    assert len(results_of(Backend("asyncio"), tools, *calls)) == 3


def test_many_calls_at_once(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []
    is_refused = threading.Event()
    too_many = tool_runner._too_many

    def refused() -> Exception:
        is_refused.set()
        return too_many()

    def f() -> str:
        threads.append(threading.active_count())
        is_refused.wait(20)
        return "done"

    async def g() -> str:
        while not is_refused.is_set():
            await anyio.sleep(0.01)
        return "done"

    monkeypatch.setattr(tool_runner, "_too_many", refused)
    before = threading.active_count()
    # The tasks begin before any thread, and leave some of the 64 to the threads.
    calls = [(f"c{number}", "g" if number < 40 else "f") for number in range(600)]
    found = results_of(backend, function(f=f, g=g), *calls)
    assert [call_id for call_id, _ in found] == [call_id for call_id, _ in calls]
    assert "done" in {output for _, output in found}
    assert '{"error":"64 functions are running: try again later"}' in {o for _, o in found}
    assert max(threads) - before <= 200


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf, None])
def test_an_unusable_timeout(backend: Backend, seconds: Any) -> None:
    async def body(sideband: Any) -> None:
        with pytest.raises(ParameterError, match="timeout"):
            await sideband.run_tools(function(f=lambda: ""), timeout=seconds)

    run(backend, [silent], body)


def test_numbers_without_limit(backend: Backend) -> None:
    number = int("1" + "0" * 400)
    usages = [
        text(type="response.done", response={"usage": {"input_tokens": number}}),
        text(
            type="conversation.item.input_audio_transcription.completed", usage={"seconds": number}
        ),
    ]

    async def body(sideband: Any) -> None:
        assert len(await read_all(sideband)) == 2
        assert (sideband.wrapped if backend.is_sync else sideband).usage.input_tokens == 0

    run(backend, [lambda peer: peer.accept(b"".join(usages) + closing(1000))], body)


def test_no_log_shows_what_is_said(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
    caplog.set_level(logging.DEBUG)

    def script(peer: Peer) -> None:
        peer.accept()
        next(peer.frames())
        peer.send(text(type="said", text="private") + frame(TEXT, b"nonsense") * 50)
        peer.send(closing(1000))

    async def body(sideband: Any) -> None:
        await sideband.greet("private")
        assert await read_all(sideband) == ["said"]

    run(backend, [script], body)
    assert "private" not in caplog.text
    assert KEY not in caplog.text
    assert caplog.text.count("is not an event") == 1


def test_no_local_variable_holds_the_key(backend: Backend) -> None:
    lines: list[str] = []

    async def body() -> None:
        client = backend.client(base_url=server.base_url, api_key=KEY, max_retries=0)
        async with client:
            with recorded_local_variables() as seen:
                async with join(backend, client) as sideband:
                    await sideband.send({"type": "a"})
                    assert await read_all(sideband) == ["a"]
            lines.extend(seen)

    def script(peer: Peer) -> None:
        peer.accept(text(type="a") + frame(PING))
        next(peer.frames())

    with ScriptedServer([script]) as server:
        backend.run(body)
    found = {line.partition(":")[0] for line in lines if KEY in line}
    assert (
        found
        & {
            "with_new_key",
            "upgraded",
            "is_accepted",
            "_upgrade",
            "_connect",
            "handshake_call",
            "begin",
        }
        == set()
    )
    assert len(lines) > 100
