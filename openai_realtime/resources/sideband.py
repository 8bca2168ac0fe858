"""The sideband of a running call: a WebSocket over which a server sends events and receives them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from socket import SHUT_RDWR
from typing import TYPE_CHECKING, Final, Generic, Self, TypeVar, cast

from openai_realtime.core.exchange import Call
from openai_realtime.errors import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    NotFoundError,
)
from openai_realtime.resources.sideband_protocol import encode_event
from openai_realtime.resources.sideband_session import SidebandSession, not_sent
from openai_realtime.resources.tool_runner import DEFAULT_TIMEOUT, ToolRunner, Tools
from openai_realtime.transports.drivers import AsyncDriver, SyncDriver
from openai_realtime.transports.websocket import UpgradedResponse, WebSocketConnection
from openai_realtime.types.sideband import (
    SidebandEvent,
    SidebandUsage,
)

if TYPE_CHECKING:
    from openai_realtime.configuration import Configuration
    from openai_realtime.resources.sideband_protocol import SidebandProtocol
    from openai_realtime.transports.loop_engine import LoopConnection
    from openai_realtime.transports.sockets import SocketConnection
    from openai_realtime.transports.sync_engine import SyncConnection

PING_SECONDS: Final = 20.0
"""After this time without any bytes a ping is sent, and after as much again the connection is lost."""
_SEND_SECONDS = 10.0
_CLOSE_SECONDS = 1.0


D = TypeVar("D")
S = TypeVar("S", bound="SocketConnection")


class _BaseSideband(Generic[D, S]):
    """The base of both sidebands: its driver, its session, and its connection while it has one."""

    def __init__(
        self,
        driver: D,
        configuration: Configuration,
        call: Call[UpgradedResponse],
        protocol: SidebandProtocol,
    ) -> None:
        self._driver = driver
        self._session = SidebandSession(call, configuration, protocol)
        self._socket: S | None = None

    @property
    def usage(self) -> SidebandUsage:
        """What the call has used, as far as the iterated events say."""
        return self._session.usage

    def _close(self) -> None:
        socket, self._socket = self._socket, None
        self._session.is_closed = True
        if socket is not None and not self._session.is_inherited:
            socket.close()

    def _drop(self, lost: S) -> None:
        """Close a lost connection, and decide whether it is opened again."""
        self._socket = None
        lost.close()
        self._session.lost()


class AsyncSideband(_BaseSideband[AsyncDriver, "LoopConnection"]):
    """A running call's sideband: `async with client.calls.connect(call_id) as sideband`.

    `async for event in sideband` yields events until the call ends; `await sideband.send({…})` sends
    one. One task may iterate while others send. A connection that is lost is opened again while the
    call lives; then the iterator yields a `Reconnected` event. It carries text only, no audio.
    """

    async def __aenter__(self) -> Self:
        self._session.begin()
        try:
            await self._connect()
        except BaseException:
            self._close()
            raise
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        socket = self._socket
        try:
            if socket is not None and not self._session.is_inherited:
                with suppress(APIConnectionError):
                    await socket.write_out(_websocket(socket).send_close, _CLOSE_SECONDS)
        finally:
            self._close()

    def __aiter__(self) -> AsyncIterator[SidebandEvent]:
        return self

    async def __anext__(self) -> SidebandEvent:
        session = self._session
        with session.iterating():
            while (event := session.next_event()) is None:
                if session.has_ended:
                    raise StopAsyncIteration
                socket = self._socket
                if socket is None:
                    await self._reconnect()
                elif _websocket(socket).close_code is None:
                    await self._receive(socket)
                else:
                    self._drop(socket)
            return event

    async def send(self, event: Mapping[str, object]) -> None:
        """Send an event, such as `{"type": "response.create"}`.

        Raises `ParameterError` for anything but a mapping with a type, and `APIConnectionError` when
        the connection is lost: no event is sent twice.
        """
        socket = self._session.checked(self._socket)
        text = encode_event(event)
        with _lost_if_late(socket):
            await socket.write_out(lambda: _text_frame(socket, text), _SEND_SECONDS)

    async def greet(self, instructions: str) -> None:
        """Make the model speak first, by `instructions`, such as `"Greet the caller by name."`."""
        await self.send(self._session.protocol.greeting(instructions))

    async def run_tools(
        self,
        tools: Tools,
        *,
        timeout: float = DEFAULT_TIMEOUT,  # noqa: ASYNC109 - of each function, and the model is told
        on_event: Callable[[SidebandEvent], object] | None = None,
    ) -> None:
        """Answer the model's function calls with Python functions, until the call ends.

            tools = {"find_table": FunctionTool.from_function(find_table)}
            await sideband.run_tools(tools)

        An `async def` runs in this event loop, any other function on a thread. Arguments are
        validated by the function's annotations. The model gets the result as text or JSON; of an
        error only that the function failed, or the message of a `ToolError`. A function that takes
        longer than `timeout` seconds (10) counts as failed. `on_event` gets every event; it may be
        async. Raises what `on_event` raises, and what iterating raises.
        """
        runner = ToolRunner(self._session.protocol, tools, timeout)
        await runner.answer_all(self, self.send, on_event)

    async def _receive(self, socket: LoopConnection) -> None:
        with _lost_on_error(socket):
            try:
                await socket.receive(PING_SECONDS)
            except APITimeoutError:
                await socket.write_out(lambda: _ping(socket), _SEND_SECONDS)

    async def _reconnect(self) -> None:
        """Open the connection again, unless the call has ended meanwhile."""
        await self._driver.sleep(self._session.delay)
        try:
            await self._connect()
        except NotFoundError:
            self._session.has_ended = True

    async def _connect(self) -> None:
        while True:
            try:
                response = await self._driver.run(self._session.call)
            except APIError as error:
                await self._driver.sleep(self._session.delay_after(error))
            else:
                socket = self._socket = cast("LoopConnection", response.connection)
                self._session.connected(_websocket(socket))
                with _lost_on_error(socket):
                    await socket.write_out(_websocket(socket).reply, _SEND_SECONDS)
                return


class Sideband(_BaseSideband[SyncDriver, "SyncConnection"]):
    """A running call's sideband: `with client.calls.connect(call_id) as sideband`.

    `for event in sideband` yields events until the call ends; `sideband.send({…})` sends one. One
    thread may iterate while others send. A connection that is lost is opened again while the call
    lives; then the iterator yields a `Reconnected` event. It carries text only, no audio.
    """

    def __enter__(self) -> Self:
        self._session.begin()
        try:
            self._connect()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_exc_info: object) -> None:
        socket = self._socket
        try:
            if socket is not None and not self._session.is_inherited:
                with suppress(APIConnectionError):
                    socket.write_out(_websocket(socket).send_close, _CLOSE_SECONDS)
        finally:
            self._close()

    def __iter__(self) -> Iterator[SidebandEvent]:
        return self

    def __next__(self) -> SidebandEvent:
        session = self._session
        with session.iterating():
            while (event := session.next_event()) is None:
                if session.has_ended:
                    raise StopIteration
                socket = self._socket
                if socket is None:
                    self._reconnect()
                elif _websocket(socket).close_code is None:
                    self._receive(socket)
                else:
                    self._drop(socket)
            return event

    def send(self, event: Mapping[str, object]) -> None:
        """Send an event, such as `{"type": "response.create"}`.

        Raises `ParameterError` for anything but a mapping with a type, and `APIConnectionError` when
        the connection is lost: no event is sent twice.
        """
        socket = self._session.checked(self._socket)
        text = encode_event(event)
        with _lost_if_late(socket):
            socket.write_out(lambda: _text_frame(socket, text), _SEND_SECONDS)

    def greet(self, instructions: str) -> None:
        """Make the model speak first, by `instructions`, such as `"Greet the caller by name."`."""
        self.send(self._session.protocol.greeting(instructions))

    def run_tools(
        self,
        tools: Tools,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        on_event: Callable[[SidebandEvent], object] | None = None,
    ) -> None:
        """Answer the model's function calls with Python functions, until the call ends.

            tools = {"find_table": FunctionTool.from_function(find_table)}
            sideband.run_tools(tools)

        Each function runs on a thread, an `async def` in an event loop of its own. Arguments are
        validated by the function's annotations. The model gets the result as text or JSON; of an
        error only that the function failed, or the message of a `ToolError`. A function that takes
        longer than `timeout` seconds (10) counts as failed. `on_event` gets every event. Raises what
        `on_event` raises, and what iterating raises.
        """
        ToolRunner(self._session.protocol, tools, timeout).answer_all_on_threads(
            self, self.send, on_event
        )

    def _receive(self, socket: SyncConnection) -> None:
        with _lost_on_error(socket):
            try:
                socket.receive(PING_SECONDS)
            except APITimeoutError:
                socket.write_out(lambda: _ping(socket), _SEND_SECONDS)

    def _reconnect(self) -> None:
        """Open the connection again, unless the call has ended meanwhile."""
        time.sleep(self._session.delay)
        try:
            self._connect()
        except NotFoundError:
            self._session.has_ended = True

    def _connect(self) -> None:
        while True:
            try:
                response = self._driver.run(self._session.call)
            except APIError as error:
                time.sleep(self._session.delay_after(error))
            else:
                socket = self._socket = cast("SyncConnection", response.connection)
                self._session.connected(_websocket(socket))
                with _lost_on_error(socket):
                    socket.write_out(_websocket(socket).reply, _SEND_SECONDS)
                return


def _websocket(socket: SocketConnection) -> WebSocketConnection:
    return cast("WebSocketConnection", socket.connection)


def _text_frame(socket: SocketConnection, text: str) -> bytes:
    return _websocket(socket).send_text(text) or not_sent()


def _ping(socket: SocketConnection) -> bytes:
    """Return a ping to send after `PING_SECONDS` of silence; the second silence loses it."""
    connection = _websocket(socket)
    if connection.awaits_pong:
        connection.lose()
    return connection.ping()


@contextmanager
def _lost_on_error(socket: SocketConnection) -> Generator[None]:
    """Lose the connection when reading or a response to the server fails."""
    try:
        yield
    except APIConnectionError:
        _websocket(socket).lose()


@contextmanager
def _lost_if_late(socket: SocketConnection) -> Generator[None]:
    """Lose the connection when it does not take an event in time, which must not be sent later."""
    try:
        yield
    except APITimeoutError:
        _websocket(socket).lose()
        with suppress(OSError):
            socket.socket.shutdown(SHUT_RDWR)  # it wakes the task or thread that reads
        raise
