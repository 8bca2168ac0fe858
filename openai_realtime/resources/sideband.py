"""The sideband of a running call: a WebSocket over which a server sends events and receives them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self, cast

from openai_realtime.errors import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    NotFoundError,
)
from openai_realtime.resources.sideband_protocol import checked_greeting, encode_event
from openai_realtime.resources.sideband_session import (
    BaseSideband,
    lost_if_late,
    lost_on_error,
    ping,
    text_frame,
    websocket,
)
from openai_realtime.resources.tool_runner import DEFAULT_TIMEOUT, ToolRunner, Tools
from openai_realtime.transports.drivers import AsyncDriver, SyncDriver
from openai_realtime.types.sideband import (
    SidebandEvent,
)

if TYPE_CHECKING:
    from openai_realtime.transports.loop_engine import LoopConnection
    from openai_realtime.transports.sync_engine import SyncConnection

PING_SECONDS: Final = 20.0
"""After this time without any bytes a ping is sent, and after as much again the connection is lost."""
_SEND_SECONDS = 10.0
_CLOSE_SECONDS = 1.0


class AsyncSideband(BaseSideband[AsyncDriver, "LoopConnection"]):
    """A running call's sideband: `async with client.calls.connect(call_id) as sideband`.

    `async for event in sideband` yields events until the call ends; `await sideband.send({…})` sends
    one. One task may iterate while others send. A connection that is lost is opened again while the
    call lives; then the iterator yields a `Reconnected` event, which says for how long events may be
    missing. It carries no audio: GPT-Live's audio events are left out.

    Iterate all the time, such as by `run_tools`: at most 1,000 events wait, and then the server has to.
    On trio, the server's pings get their pongs only while a task iterates; on asyncio, also meanwhile.
    """

    async def __aenter__(self) -> Self:
        self._session.begin()
        try:
            await self._connect()
        except BaseException:
            self._session.is_closed = True
            self._close()
            raise
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        self._session.note_end()
        try:
            await self._disconnect()
        finally:
            self._session.is_closed = True

    async def close(self, *, end_session: bool = False) -> None:
        """Close the sideband: its iteration ends, and the call goes on.

        With `end_session=True`, end the GPT-Live session before: `session.close` is sent, and
        `session.closed` is awaited, for 15 seconds at most, so that `usage` is final. Raises
        `ParameterError` for that in the Realtime API, whose calls end by `calls.hangup`, and
        `APIConnectionError` when the event cannot be sent.
        """
        try:
            if end_session:
                await self.send(self._session.protocol.ending())
                for seconds in self._session.waits_until_ended():
                    await self._wait_or_receive(seconds)
        finally:
            self._session.note_end()
            self._session.was_left = True
            await self._disconnect()

    async def _wait_or_receive(self, seconds: float) -> None:
        session = self._session
        if session.is_iterated:
            await self._driver.sleep(seconds)
            return
        with session.iterating():
            while session.next_event() is not None:
                pass
            if not session.has_ended:
                await self._advance(seconds)

    async def _disconnect(self) -> None:
        socket = self._socket
        try:
            if socket is not None and not self._session.is_inherited:
                with suppress(APIConnectionError):
                    await socket.write_out(websocket(socket).send_close, _CLOSE_SECONDS)
        finally:
            self._close()

    def __aiter__(self) -> AsyncIterator[SidebandEvent]:
        return self

    async def __anext__(self) -> SidebandEvent:
        session = self._session
        with session.iterating():
            while (event := session.next_event()) is None:
                if session.has_ended or session.was_left:
                    raise StopAsyncIteration
                await self._advance(PING_SECONDS)
            return event

    async def _advance(self, seconds: float) -> None:
        """Receive for `seconds`, or open a lost connection again."""
        socket = self._socket
        if socket is None:
            await self._reconnect()
        elif websocket(socket).close_code is None:
            await self._receive(socket, seconds)
        else:
            self._drop(socket)

    async def send(self, event: Mapping[str, object]) -> None:
        """Send an event, such as `{"type": "response.create"}`.

        Raises `ParameterError` for anything but a mapping with a type, and `APIConnectionError` when
        the connection is lost: no event is sent twice.
        """
        socket = self._session.checked(self._socket)
        text = encode_event(event)
        with lost_if_late(socket):
            await socket.write_out(lambda: text_frame(socket, text), _SEND_SECONDS)

    async def greet(self, instructions: str) -> None:
        """Make the model speak first, by `instructions`, such as `"Greet the caller by name."`.

        GPT-Live takes at most 500 tokens, and speaks when audio comes from the other side. Raises
        what `send` raises, and `ParameterError` for what is not a text.
        """
        await self.send(self._session.protocol.greeting(checked_greeting(instructions)))

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
        await runner.answer_all(self, self._send_when_open, on_event)

    async def _send_when_open(self, event: Mapping[str, object]) -> None:
        for seconds in self._session.waits_until_open():
            await self._driver.sleep(seconds)
        await self.send(event)

    async def _receive(self, socket: LoopConnection, seconds: float) -> None:
        with lost_on_error(socket):
            try:
                await socket.receive(seconds)
            except APITimeoutError:
                await socket.write_out(lambda: ping(socket), _SEND_SECONDS)

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
                self._session.connected(websocket(socket))
                with lost_on_error(socket):
                    await socket.write_out(websocket(socket).reply, _SEND_SECONDS)
                return


class Sideband(BaseSideband[SyncDriver, "SyncConnection"]):
    """A running call's sideband: `with client.calls.connect(call_id) as sideband`.

    `for event in sideband` yields events until the call ends; `sideband.send({…})` sends one. One
    thread may iterate while others send. A connection that is lost is opened again while the call
    lives; then the iterator yields a `Reconnected` event, which says for how long events may be
    missing. It carries no audio: GPT-Live's audio events are left out.

    Iterate all the time, such as by `run_tools`: at most 1,000 events wait, and then the server has to.
    The server's pings get their pongs only while a thread iterates.
    """

    def __enter__(self) -> Self:
        self._session.begin()
        try:
            self._connect()
        except BaseException:
            self._session.is_closed = True
            self._close()
            raise
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self._session.note_end()
        try:
            self._disconnect()
        finally:
            self._session.is_closed = True

    def close(self, *, end_session: bool = False) -> None:
        """Close the sideband: its iteration ends, and the call goes on.

        With `end_session=True`, end the GPT-Live session before: `session.close` is sent, and
        `session.closed` is awaited, for 15 seconds at most, so that `usage` is final. Raises
        `ParameterError` for that in the Realtime API, whose calls end by `calls.hangup`, and
        `APIConnectionError` when the event cannot be sent.
        """
        try:
            if end_session:
                self.send(self._session.protocol.ending())
                for seconds in self._session.waits_until_ended():
                    self._wait_or_receive(seconds)
        finally:
            self._session.note_end()
            self._session.was_left = True
            self._disconnect()

    def _wait_or_receive(self, seconds: float) -> None:
        session = self._session
        if session.is_iterated:
            time.sleep(seconds)
            return
        with session.iterating():
            while session.next_event() is not None:
                pass
            if not session.has_ended:
                self._advance(seconds)

    def _disconnect(self) -> None:
        socket = self._socket
        try:
            if socket is not None and not self._session.is_inherited:
                with suppress(APIConnectionError):
                    socket.write_out(websocket(socket).send_close, _CLOSE_SECONDS)
        finally:
            self._close()

    def __iter__(self) -> Iterator[SidebandEvent]:
        return self

    def __next__(self) -> SidebandEvent:
        session = self._session
        with session.iterating():
            while (event := session.next_event()) is None:
                if session.has_ended or session.was_left:
                    raise StopIteration
                self._advance(PING_SECONDS)
            return event

    def _advance(self, seconds: float) -> None:
        """Receive for `seconds`, or open a lost connection again."""
        socket = self._socket
        if socket is None:
            self._reconnect()
        elif websocket(socket).close_code is None:
            self._receive(socket, seconds)
        else:
            self._drop(socket)

    def send(self, event: Mapping[str, object]) -> None:
        """Send an event, such as `{"type": "response.create"}`.

        Raises `ParameterError` for anything but a mapping with a type, and `APIConnectionError` when
        the connection is lost: no event is sent twice.
        """
        socket = self._session.checked(self._socket)
        text = encode_event(event)
        with lost_if_late(socket):
            socket.write_out(lambda: text_frame(socket, text), _SEND_SECONDS)

    def greet(self, instructions: str) -> None:
        """Make the model speak first, by `instructions`, such as `"Greet the caller by name."`.

        GPT-Live takes at most 500 tokens, and speaks when audio comes from the other side. Raises
        what `send` raises, and `ParameterError` for what is not a text.
        """
        self.send(self._session.protocol.greeting(checked_greeting(instructions)))

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
            self, self._send_when_open, on_event
        )

    def _send_when_open(self, event: Mapping[str, object]) -> None:
        for seconds in self._session.waits_until_open():
            time.sleep(seconds)
        self.send(event)

    def _receive(self, socket: SyncConnection, seconds: float) -> None:
        with lost_on_error(socket):
            try:
                socket.receive(seconds)
            except APITimeoutError:
                socket.write_out(lambda: ping(socket), _SEND_SECONDS)

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
                self._session.connected(websocket(socket))
                with lost_on_error(socket):
                    socket.write_out(websocket(socket).reply, _SEND_SECONDS)
                return
