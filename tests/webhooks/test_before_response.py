"""The route with `handle="before_response"`, and what both ways do when something goes wrong."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
import redis
from fastapi import FastAPI
from mint.redis_process import RedisProcess
from starlette.applications import Starlette
from starlette.types import ASGIApp

from openai_realtime import ConfigurationError, RealtimeCallIncoming, WebhookVerifier
from openai_realtime.webhooks import MemoryReplayStore, RedisReplayStore, on_call_incoming
from webhooks.deliveries import NOW, SECRET, encoded, signed

if TYPE_CHECKING:
    from starlette.routing import Route

Serve = Callable[[ASGIApp], str]
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


@pytest.fixture
def handler() -> Iterator[Handler]:
    own = Handler()
    yield own
    own.may_end.set()  # a test that failed leaves no thread behind


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


# --- On a real server ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("framework", [Starlette, FastAPI])
def test_the_response_says_how_the_handler_ended(
    serve: Serve, handler: Handler, framework: Any, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = framework()
    app.router.routes.append(route(handler.of(kind)))
    address = serve(app)
    handler.end(fails=True)
    assert deliver(address) == (500, None)
    assert "failed at call rtc_u0_1 (webhook-id wh_1)" in caplog.text
    handler.end()
    assert deliver(address) == (200, None)
    assert handler.succeeded == 1
    assert deliver(address) == (200, None)
    assert len(handler.begun) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_delivery_meanwhile_is_told_to_come_again(
    serve: Serve, handler: Handler, kind: str
) -> None:
    address = serve(Starlette(routes=[route(handler.of(kind))]))
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(deliver, address)
        try:
            assert handler.has_begun.wait(30)
            assert deliver(address) == (503, "5")
            assert not first.done()
        finally:
            handler.end()
        assert first.result(30) == (200, None)
    assert deliver(address) == (200, None)
    assert len(handler.begun) == 1


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_provider_that_hangs_up_meanwhile_finds_it_done_or_free_later(
    serve: Serve, handler: Handler, kind: str, fails: bool
) -> None:
    """As when its own time-out is over before the handler is."""
    address = serve(Starlette(routes=[route(handler.of(kind))]))
    host, port = urlsplit(address).netloc.split(":")
    head = "".join(f"{name}: {value}\r\n" for name, value in signed(BODY).items())
    with socket.create_connection((host, int(port)), timeout=30) as provider:
        provider.sendall(
            f"POST {PATH} HTTP/1.1\r\nHost: x\r\n{head}Content-Length: {len(BODY)}\r\n\r\n".encode()
        )
        provider.sendall(BODY)
        assert handler.has_begun.wait(30)
    assert deliver(address) == (503, "5")
    handler.end(fails=fails)
    assert handler.has_ended.wait(30)
    while (told := deliver(address)) == (503, "5"):  # it is being confirmed or released
        pass
    assert told == ((500, None) if fails else (200, None))
    assert (len(handler.begun), handler.succeeded) == ((2, 0) if fails else (1, 1))


@pytest.mark.redis
@pytest.mark.parametrize("fails", [False, True])
def test_a_redis_that_dies_while_the_handler_runs_does_not_change_the_response(
    serve: Serve, tmp_path: Path, fails: bool, caplog: pytest.LogCaptureFixture
) -> None:
    process = RedisProcess(tmp_path)
    process.start()
    client = redis.Redis.from_url(process.url)

    def handle(_event: RealtimeCallIncoming) -> None:
        process.kill()
        if fails:
            raise LookupError("my own")

    address = serve(Starlette(routes=[route(handle, RedisReplayStore(client))]))
    try:
        assert deliver(address) == ((500, None) if fails else (200, None))
        assert "failed to confirm or release the webhook wh_1" in caplog.text
        assert deliver(address) == (503, "5")  # nobody can say whether it was handled
        process.start()
        assert deliver(address) == (503, "5")  # the claim of before, until it expires
        assert 0 < client.ttl("openai_realtime:webhook:wh_1") <= 60
    finally:
        client.close()
        process.kill()


# --- By hand: what a server does at a bad moment ---------------------------------------------


class Delivery:
    """A delivery to an ASGI application; sending its response can fail or wait."""

    def __init__(self, app: Route) -> None:
        self._app = app
        self.messages: list[Any] = []
        self.error: Exception | None = None
        self.may_send = anyio.Event()
        self.may_send.set()
        self.is_sending = anyio.Event()

    async def run(self) -> None:
        headers = [(name.encode(), value.encode()) for name, value in signed(BODY).items()]
        scope = {"type": "http", "method": "POST", "path": PATH, "headers": headers}
        await self._app.app(scope, self._receive, self._send)

    async def status(self) -> int:
        await self.run()
        return int(self.messages[0]["status"])

    async def _receive(self) -> Any:
        return {"type": "http.request", "body": BODY}

    async def _send(self, message: Any) -> None:
        self.is_sending.set()
        await self.may_send.wait()
        if self.error is not None:
            raise self.error
        self.messages.append(message)


async def until(event: threading.Event) -> None:
    while not event.is_set():
        await anyio.sleep(0.005)


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


def run(backend: str, body: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        with anyio.fail_after(30):
            await body()

    anyio.run(bounded, backend=backend)


@pytest.mark.parametrize("handle", ["before_response", "after_response"])
@pytest.mark.parametrize(("backend", "cancelled"), CANCELLATIONS)
def test_a_cancelled_async_handler_is_free_for_the_next_delivery(
    handler: Handler, backend: str, cancelled: Any, handle: str
) -> None:
    app = route(handler.asynchronous, handle=handle)

    async def body() -> None:
        await cancelled(Delivery(app).run, lambda: until(handler.has_begun))
        assert handler.cancelled == 1
        handler.end()
        assert await Delivery(app).status() == 200
        assert handler.succeeded == 1

    run(backend, body)


@pytest.mark.parametrize("handle", ["before_response", "after_response"])
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize(("backend", "cancelled"), CANCELLATIONS)
def test_a_handler_in_a_thread_counts_by_its_end_though_its_request_was_cancelled(
    handler: Handler, backend: str, cancelled: Any, fails: bool, handle: str
) -> None:
    app = route(handler.in_thread, handle=handle)
    meanwhile = 503 if handle == "before_response" else 200

    async def end_it_after_the_cancellation() -> None:
        await until(handler.has_begun)

        def end() -> None:
            assert asked.wait(30)
            handler.end(fails=fails)

        threading.Thread(target=end).start()

    asked = threading.Event()

    async def body() -> None:
        async def ask() -> None:
            await until(handler.has_begun)
            await anyio.sleep(
                0.05
            )  # the cancellation comes first; else the same holds all the more
            assert await Delivery(app).status() == meanwhile
            asked.set()

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await cancelled(Delivery(app).run, end_it_after_the_cancellation)
        assert len(handler.begun) == 1
        handler.end()
        assert await Delivery(app).status() == 200
        assert (len(handler.begun), handler.succeeded) == ((2, 1) if fails else (1, 1))

    run(backend, body)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_response_that_cannot_be_sent_is_200_when_it_is_delivered_again(
    handler: Handler, backend: str, kind: str
) -> None:
    app = route(handler.of(kind))
    handler.end()

    async def body() -> None:
        lost = Delivery(app)
        lost.error = OSError("the provider is gone")
        with pytest.raises(OSError, match="gone"):
            await lost.run()
        assert await Delivery(app).status() == 200
        assert len(handler.begun) == 1

    run(backend, body)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_after_the_response_a_handler_that_failed_is_run_if_it_is_delivered_again_all_the_same(
    handler: Handler, backend: str
) -> None:
    app = route(handler.asynchronous, handle="after_response")

    async def body() -> None:
        handler.end(fails=True)
        for error in (None, OSError("the provider is gone")):
            delivery = Delivery(app)
            delivery.error = error
            if error is None:
                assert await delivery.status() == 200
            else:
                with pytest.raises(OSError, match="gone"):
                    await delivery.run()
        handler.end()
        assert await Delivery(app).status() == 200
        assert await Delivery(app).status() == 200
        assert (len(handler.begun), handler.succeeded) == (3, 1)

    run(backend, body)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_after_the_response_a_copy_is_told_to_come_again_until_the_response_is_sent(
    handler: Handler, backend: str
) -> None:
    """A process that died there would have handled nothing, and said nothing."""
    app = route(handler.asynchronous, handle="after_response")

    async def body() -> None:
        first = Delivery(app)
        first.may_send = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(first.run)
            await first.is_sending.wait()
            assert await Delivery(app).status() == 503
            assert handler.begun == []
            first.may_send.set()
            await until(handler.has_begun)
            assert await Delivery(app).status() == 200
            handler.end()
        assert (len(handler.begun), handler.succeeded) == (1, 1)

    run(backend, body)


def test_a_store_that_only_claims_is_asked_once(handler: Handler) -> None:
    class ClaimOnly:
        def __init__(self) -> None:
            self.claimed: set[str] = set()

        async def claim(self, webhook_id: str, seconds: int, /) -> bool:
            assert seconds == 72 * 3600
            is_first = webhook_id not in self.claimed
            self.claimed.add(webhook_id)
            return is_first

    app = route(handler.asynchronous, ClaimOnly())

    async def body() -> None:
        handler.end(fails=True)
        assert await Delivery(app).status() == 500
        assert await Delivery(app).status() == 200
        assert len(handler.begun) == 1

    run("asyncio", body)


def test_an_event_that_is_no_call_claims_nothing(handler: Handler) -> None:
    store = MemoryReplayStore()
    body = encoded({"id": "evt_1", "created_at": NOW, "type": "batch.completed", "data": {}})
    app = route(handler.asynchronous, store)

    async def receive() -> Any:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        assert message.get("status", 200) == 200

    async def deliver_it() -> None:
        headers = [(name.encode(), value.encode()) for name, value in signed(body).items()]
        scope = {"type": "http", "method": "POST", "path": PATH, "headers": headers}
        await app.app(scope, receive, send)

    run("asyncio", deliver_it)
    assert len(store) == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"handle": "later"}, "handle is unusable: it is one of after_response, before_response"),
        ({"claim_timeout": 0}, "claim_timeout is unusable: it is in seconds, from 1 to 86400"),
    ],
)
def test_unusable_options_are_told_when_the_route_is_made(
    handler: Handler, options: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigurationError, match=told):
        route(handler.in_thread, **options)
