"""The sideband of a running call: a WebSocket over which a server sends events and receives them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import suppress
from random import random
from typing import TYPE_CHECKING, Final, NoReturn, Self, TypeVar, cast

from openai_realtime.core.exchange import Call
from openai_realtime.core.retry import backoff
from openai_realtime.errors import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    ClientClosedError,
    NotFoundError,
)
from openai_realtime.logs import logger
from openai_realtime.resources.sideband_protocol import encode_event
from openai_realtime.resources.tool_runner import DEFAULT_TIMEOUT, ToolRunner, Tools
from openai_realtime.transports.websocket import (
    NORMAL_CLOSURE,
    UpgradedResponse,
    WebSocketConnection,
    with_new_key,
)
from openai_realtime.types.sideband import (
    RECONNECTED,
    Reconnected,
    SidebandEvent,
    SidebandUsage,
    read_event,
)

if TYPE_CHECKING:
    from openai_realtime.configuration import Configuration
    from openai_realtime.resources.sideband_protocol import SidebandProtocol
    from openai_realtime.transports.base import AsyncDriver, SyncDriver
    from openai_realtime.transports.loop_engine import LoopConnection
    from openai_realtime.transports.sockets import SocketConnection
    from openai_realtime.transports.sync_engine import SyncConnection

SETTLE_SECONDS: Final = 5.0
"""How long a 404 of the first handshake is tried again: the call may not be set up yet."""
RECONNECT_SECONDS: Final = 30.0
"""How long a lost connection is opened again before its error is raised."""
PING_SECONDS: Final = 20.0
"""After this time without any bytes a ping is sent, and after as much again the connection is lost."""
_SEND_SECONDS = 10.0
_CLOSE_SECONDS = 1.0


S = TypeVar("S", bound="SocketConnection")


class _Session:
    """What both sidebands share: what to send next, what to read, and what a lost connection means."""

    def __init__(
        self, call: Call[UpgradedResponse], configuration: Configuration, protocol: SidebandProtocol
    ) -> None:
        self._call = call
        self._policy = configuration.retry
        self._began = time.monotonic()
        self._attempts = 0
        self._lost_at: float | None = None
        self._received_at = self._began
        self._added: deque[SidebandEvent] = deque()
        self.connection: WebSocketConnection | None = None
        self.protocol = protocol
        self.usage = SidebandUsage()

    def handshake(self) -> Call[UpgradedResponse]:
        """Return the call that opens the connection; each has a key of its own (RFC 6455)."""
        return self._call._replace(request=with_new_key(self._call.request))

    def connected(self, connection: WebSocketConnection) -> None:
        """Take a new connection; after a lost one, add the event that says so."""
        if self._lost_at is not None:
            missed = time.monotonic() - self._received_at
            self._added.append(Reconnected(type=RECONNECTED, seconds_missed=missed))
        self._lost_at, self._attempts = None, 0
        self.connection = connection

    def delay_after(self, error: APIError) -> float:
        """Return the seconds until the next handshake; raises `error` if there is none."""
        now = time.monotonic()
        is_first = self._lost_at is None
        limit = SETTLE_SECONDS if is_first else RECONNECT_SECONDS
        since = self._began if self._lost_at is None else self._lost_at
        is_temporary = isinstance(error, NotFoundError) if is_first else error.retryable
        if not is_temporary or now - since >= limit:
            raise error
        self._attempts += 1
        return max(0.1, min(backoff(self._attempts, self._policy, random), limit / 4))

    def next_event(self) -> SidebandEvent | None:
        """Return the next event, or None if one must be waited for."""
        if self._added:
            return self._added.popleft()
        connection = self.connection
        while connection is not None and (message := connection.next_message()) is not None:
            self._received_at = time.monotonic()
            event = read_event(message)
            if event is not None:
                self.usage = self.protocol.count(event, self.usage)
                return event
            logger.warning("A message of the sideband is not an event: it is ignored")
        return None

    @property
    def has_ended(self) -> bool:
        """Whether the call has ended: the server closed the connection normally."""
        return self.connection is not None and self.connection.close_code == NORMAL_CLOSURE

    def lost(self) -> None:
        """Record that the connection is lost."""
        self._lost_at = time.monotonic()
        self._attempts = 0

    def checked(self, socket: S | None) -> S:
        """Return the open connection; raises `ClientClosedError` before it was ever opened."""
        if socket is not None:
            return socket
        if self.connection is not None:
            _not_sent()
        message = "The sideband is not open: use it inside its `with` block"
        raise ClientClosedError(message)

    def ping(self, connection: WebSocketConnection) -> bytes:
        """Return a ping to send after `PING_SECONDS` of silence; the second silence loses it."""
        if connection.awaits_pong:
            connection.lose()
        return connection.ping()


class AsyncSideband:
    """A running call's sideband: `async with client.calls.connect(call_id) as sideband`.

    `async for event in sideband` yields events until the call ends; `await sideband.send({…})` sends
    one. One task may iterate while others send. A connection that is lost is opened again while the
    call lives; then the iterator yields a `Reconnected` event. It carries text only, no audio.
    """

    def __init__(
        self,
        driver: AsyncDriver,
        configuration: Configuration,
        call: Call[UpgradedResponse],
        protocol: SidebandProtocol,
    ) -> None:
        self._driver = driver
        self._session = _Session(call, configuration, protocol)
        self._socket: LoopConnection | None = None

    async def __aenter__(self) -> Self:
        await self._connect()
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            try:
                with suppress(APIConnectionError):
                    await socket.write_out(_websocket(socket).send_close(), _CLOSE_SECONDS)
            finally:
                socket.close()

    def __aiter__(self) -> AsyncIterator[SidebandEvent]:
        return self

    async def __anext__(self) -> SidebandEvent:
        while (event := self._session.next_event()) is None:
            socket = self._session.checked(self._socket)
            connection = _websocket(socket)
            if connection.close_code is None:
                await self._receive(socket, connection)
            else:
                self._socket = None
                socket.close()
                if self._session.has_ended or not await self._reconnects():
                    raise StopAsyncIteration
        return event

    async def send(self, event: Mapping[str, object]) -> None:
        """Send an event, such as `{"type": "response.create"}`.

        Raises `ParameterError` for anything but a mapping with a type, and `APIConnectionError` when
        the connection is lost: no event is sent twice.
        """
        socket = self._session.checked(self._socket)
        await socket.write_out(_text_frame(socket, event), _SEND_SECONDS)

    async def greet(self, instructions: str) -> None:
        """Make the model speak first, by `instructions`, such as `"Greet the caller by name."`."""
        await self.send(self._session.protocol.greeting(instructions))

    @property
    def usage(self) -> SidebandUsage:
        """What the call has used, as far as the iterated events say."""
        return self._session.usage

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

    async def _receive(self, socket: LoopConnection, connection: WebSocketConnection) -> None:
        try:
            await socket.receive(PING_SECONDS)
        except APITimeoutError:
            await socket.write_out(self._session.ping(connection), _SEND_SECONDS)
        except APIConnectionError:
            connection.lose()

    async def _reconnects(self) -> bool:
        """Open the connection again; return False if the call has ended meanwhile."""
        self._session.lost()
        with suppress(NotFoundError):
            await self._connect()
            return True
        return False

    async def _connect(self) -> None:
        while True:
            try:
                response = await self._driver.run(self._session.handshake())
            except APIError as error:
                await self._driver.sleep(self._session.delay_after(error))
            else:
                socket = self._socket = cast("LoopConnection", response.connection)
                self._session.connected(_websocket(socket))
                if reply := _websocket(socket).reply():
                    await socket.write_out(reply, _SEND_SECONDS)
                return


class Sideband:
    """A running call's sideband: `with client.calls.connect(call_id) as sideband`.

    `for event in sideband` yields events until the call ends; `sideband.send({…})` sends one. One
    thread may iterate while others send. A connection that is lost is opened again while the call
    lives; then the iterator yields a `Reconnected` event. It carries text only, no audio.
    """

    def __init__(
        self,
        driver: SyncDriver,
        configuration: Configuration,
        call: Call[UpgradedResponse],
        protocol: SidebandProtocol,
    ) -> None:
        self._driver = driver
        self._session = _Session(call, configuration, protocol)
        self._socket: SyncConnection | None = None

    def __enter__(self) -> Self:
        self._connect()
        return self

    def __exit__(self, *_exc_info: object) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            try:
                with suppress(APIConnectionError):
                    socket.write_out(_websocket(socket).send_close(), _CLOSE_SECONDS)
            finally:
                socket.close()

    def __iter__(self) -> Iterator[SidebandEvent]:
        return self

    def __next__(self) -> SidebandEvent:
        while (event := self._session.next_event()) is None:
            socket = self._session.checked(self._socket)
            connection = _websocket(socket)
            if connection.close_code is None:
                self._receive(socket, connection)
            else:
                self._socket = None
                socket.close()
                if self._session.has_ended or not self._reconnects():
                    raise StopIteration
        return event

    def send(self, event: Mapping[str, object]) -> None:
        """Send an event, such as `{"type": "response.create"}`.

        Raises `ParameterError` for anything but a mapping with a type, and `APIConnectionError` when
        the connection is lost: no event is sent twice.
        """
        socket = self._session.checked(self._socket)
        with socket.lock:
            data = _text_frame(socket, event)
        socket.write_out(data, _SEND_SECONDS)

    def greet(self, instructions: str) -> None:
        """Make the model speak first, by `instructions`, such as `"Greet the caller by name."`."""
        self.send(self._session.protocol.greeting(instructions))

    @property
    def usage(self) -> SidebandUsage:
        """What the call has used, as far as the iterated events say."""
        return self._session.usage

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

    def _receive(self, socket: SyncConnection, connection: WebSocketConnection) -> None:
        try:
            socket.receive(PING_SECONDS)
        except APITimeoutError:
            socket.write_out(self._session.ping(connection), _SEND_SECONDS)
        except APIConnectionError:
            connection.lose()

    def _reconnects(self) -> bool:
        """Open the connection again; return False if the call has ended meanwhile."""
        self._session.lost()
        with suppress(NotFoundError):
            self._connect()
            return True
        return False

    def _connect(self) -> None:
        while True:
            try:
                response = self._driver.run(self._session.handshake())
            except APIError as error:
                time.sleep(self._session.delay_after(error))
            else:
                socket = self._socket = cast("SyncConnection", response.connection)
                self._session.connected(_websocket(socket))
                if reply := _websocket(socket).reply():
                    socket.write_out(reply, _SEND_SECONDS)
                return


def _websocket(socket: SocketConnection) -> WebSocketConnection:
    return cast("WebSocketConnection", socket.connection)


def _text_frame(socket: SocketConnection, event: Mapping[str, object]) -> bytes:
    text = encode_event(event)
    return _websocket(socket).send_text(text) or _not_sent()


def _not_sent() -> NoReturn:
    message = "The sideband's connection is lost or closed: the event was not sent"
    raise APIConnectionError(message, phase="send", retryable=True)
