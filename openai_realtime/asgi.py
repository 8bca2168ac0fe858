"""Reads the bodies of ASGI requests within limits, and closes connections with an unread body.

Rule for this file: every loop of this package over an ASGI `receive` is here, and each of them
waits between two calls: `receive` may return at once each time, even after the end of the body.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from typing_extensions import override

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PAUSE = 0.01
_LONGEST_PAUSE = 1.0
_LINGER_SECONDS = 1.0
_LINGER_BYTES = 65_536


class BodyLimitError(Exception):
    """A request's body is too large (`status` is 413) or too slow (408)."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the request's body exceeds its bounds: {status}")
        self.status = status


class BodyReceive:
    """An ASGI `receive` that records whether the body is complete.

    After the end of the body, it waits until the client disconnects, and returns `http.disconnect`.
    """

    def __init__(self, receive: Receive) -> None:
        self.is_complete: bool = False
        """Whether nothing more can be read: the body has ended, or the client has disconnected."""
        self._receive = receive

    async def __call__(self) -> Message:
        """Return the next message."""
        if self.is_complete:
            return await self._disconnect()
        message = await self._receive()
        self.is_complete = not message.get("more_body", False)
        return message

    async def _disconnect(self) -> Message:
        pause = _PAUSE
        while (message := await self._receive())["type"] != "http.disconnect":
            await anyio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
        return message


class BoundedReceive(BodyReceive):
    """A `BodyReceive` that raises `BodyLimitError` if the body is too large or too slow.

    `max_bytes` limits the bytes that arrive, whatever Content-Length says. `seconds` limits the
    time from the first call to the end of the body.
    """

    def __init__(self, receive: Receive, *, max_bytes: int, seconds: float) -> None:
        super().__init__(receive)
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._bytes = 0
        self._deadline: float | None = None

    @override
    async def __call__(self) -> Message:
        """Return the next message; raises `BodyLimitError`."""
        if self.is_complete:
            return await super().__call__()
        if self._deadline is None:
            self._deadline = anyio.current_time() + self._seconds
        with anyio.CancelScope(deadline=self._deadline):
            message = await super().__call__()
            if not self.is_complete:
                # If `receive` never waits, this lets other tasks run and the deadline expire.
                await anyio.sleep(0 if message.get("body") else _PAUSE)
            self._bytes += len(message.get("body", b""))
            if self._bytes > self._max_bytes:
                raise BodyLimitError(413)
            return message
        raise BodyLimitError(408)


class LingeringClose:
    """ASGI middleware that closes the connection if the response is sent before the body was read.

    Without it, a server reads the rest of the body for as long as the client sends data. The
    response gets `Connection: close` (RFC 9112, section 9.6), and the client has up to 1 s to read
    it before the server closes the connection. In this time, at most 64 KiB of the body are read:
    closing a connection with unread data resets it, and then the client may lose the response.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or not has_body(scope) or _is_multiplexed(scope):
            await self._app(scope, receive, send)
            return
        body = BodyReceive(receive)
        lingers = False

        async def send_closing(message: Message) -> None:
            nonlocal lingers
            if message["type"] == "http.response.start" and not body.is_complete:
                headers = list(message.get("headers", ()))
                # In a mounted app, a second middleware of this class may have added the header.
                lingers = all(name.lower() != b"connection" for name, _ in headers)
                if lingers:
                    message = {**message, "headers": [*headers, (b"connection", b"close")]}
            elif (
                lingers
                and message["type"] == "http.response.body"
                and not message.get("more_body", False)
            ):
                await send({**message, "more_body": True})
                await _linger(body)
                message = {"type": "http.response.body", "body": b""}
            await send(message)

        await self._app(scope, body, send_closing)


def replay_body(body: bytes) -> Receive:
    """Return a `receive` that returns `body`, which was read before, and then waits forever."""
    messages: list[Message] = [{"type": "http.request", "body": body}]

    async def receive() -> Message:
        if not messages:
            await anyio.sleep_forever()
        return messages.pop()

    return receive


async def read_body(receive: BodyReceive) -> bytes:
    """Return the whole body; empty if the client disconnects before its end.

    Raises what `receive` raises.
    """
    chunks: list[bytes] = []
    while not receive.is_complete:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        chunks.append(message.get("body", b""))
    return b"".join(chunks)


def has_body(scope: Scope) -> bool:
    """Return whether a request's headers announce a body (RFC 9112, section 6.3)."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0 "))
        for name, value in scope["headers"]
    )


def _is_multiplexed(scope: Scope) -> bool:
    """Return whether the connection carries several requests at once, as in HTTP/2 and HTTP/3."""
    return not str(scope.get("http_version", "1.1")).startswith("1")


async def _linger(body: BodyReceive) -> None:
    end = anyio.current_time() + _LINGER_SECONDS
    bounded = BoundedReceive(body, max_bytes=_LINGER_BYTES, seconds=_LINGER_SECONDS)
    try:
        await read_body(bounded)
    except BodyLimitError:
        await anyio.sleep_until(end)
