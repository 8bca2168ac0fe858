"""What the tests of the route share: handlers that wait, the route, and deliveries to it."""

from __future__ import annotations

import asyncio
import http.client
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio
import pytest

from openai_realtime import RealtimeCallIncoming, WebhookVerifier
from openai_realtime.webhooks import on_call_incoming
from webhooks.deliveries import NOW, SECRET, encoded, signed

if TYPE_CHECKING:
    from starlette.routing import Route

PATH = "/webhooks/openai"
BODY = encoded()
KINDS = ["thread", "async"]


class Handler:
    """Begins, waits until it may end, and then succeeds or fails."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.has_begun = threading.Event()
        self.may_end = threading.Event()
        self.has_ended = threading.Event()
        self.succeeded = 0
        self.cancelled = 0
        self.fails = False

    def end(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.may_end.set()

    def in_thread(self, event: RealtimeCallIncoming) -> None:
        self.begun.append(event.call_id)
        self.has_begun.set()
        assert self.may_end.wait(30)
        self._finish()

    async def asynchronous(self, event: RealtimeCallIncoming) -> None:
        self.begun.append(event.call_id)
        self.has_begun.set()
        try:
            with anyio.fail_after(30):
                while not self.may_end.is_set():
                    await anyio.sleep(0.005)
        except BaseException:
            self.cancelled += 1
            raise
        self._finish()

    def _finish(self) -> None:
        self.has_ended.set()
        if self.fails:
            raise LookupError("my own")
        self.succeeded += 1

    def of(self, kind: str) -> Callable[[RealtimeCallIncoming], object]:
        return self.in_thread if kind == "thread" else self.asynchronous


def route(
    handler: Callable[[RealtimeCallIncoming], object],
    store: Any = None,
    handle: Any = "before_response",
    **options: Any,
) -> Route:
    verifier = WebhookVerifier(SECRET, replay_store=store, clock=lambda: NOW)
    return on_call_incoming(handler, verifier=verifier, handle=handle, **options)


def deliver(address: str) -> tuple[int, str | None]:
    """Return status and Retry-After."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    try:
        connection.request("POST", PATH, BODY, signed(BODY))
        response = connection.getresponse()
        response.read()
    finally:
        connection.close()
    return response.status, response.headers["Retry-After"]


class Delivery:
    """A delivery to the route's ASGI application; to send its response can fail or wait.

    The body comes in `chunks`. Without any it does not come, or the sender `disconnects`.
    """

    def __init__(self, app: Route, *chunks: bytes, method: str = "POST") -> None:
        self._app = app
        self._chunks = list(chunks)
        self._headers = signed(b"".join(chunks))
        self._method = method
        self.messages: list[Any] = []
        self.error: Exception | None = None
        self.disconnects = False
        self.may_send = anyio.Event()
        self.may_send.set()
        self.is_sending = anyio.Event()

    async def run(self) -> None:
        headers = [(name.encode(), value.encode()) for name, value in self._headers.items()]
        scope = {"type": "http", "method": self._method, "path": PATH, "headers": headers}
        await self._app.app(scope, self._receive, self._send)

    @property
    def response(self) -> tuple[int, str | None, str]:
        """Status, Retry-After and body."""
        start, body = self.messages
        headers = dict(start["headers"])
        retry_after = headers.get(b"retry-after")
        return (
            start["status"],
            None if retry_after is None else retry_after.decode(),
            body["body"].decode(),
        )

    async def status(self) -> int:
        await self.run()
        return int(self.messages[0]["status"])

    async def _receive(self) -> Any:
        if self.disconnects:
            return {"type": "http.disconnect"}
        if not self._chunks:
            await anyio.sleep_forever()
        chunk = self._chunks.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(self._chunks)}

    async def _send(self, message: Any) -> None:
        self.is_sending.set()
        await self.may_send.wait()
        if self.error is not None:
            raise self.error
        self.messages.append(message)


async def cancelled_by_scope(run: Callable[[], Any], meanwhile: Callable[[], Any]) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await meanwhile()
        group.cancel_scope.cancel()


async def cancelled_by_asyncio(run: Callable[[], Any], meanwhile: Callable[[], Any]) -> None:
    task = asyncio.create_task(run())
    await meanwhile()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


CANCELLATIONS = [
    pytest.param("asyncio", cancelled_by_scope, id="asyncio-scope"),
    pytest.param("asyncio", cancelled_by_asyncio, id="asyncio-task.cancel()"),
    pytest.param("trio", cancelled_by_scope, id="trio"),
]
