"""The route on a real uvicorn: it responds at once, then the handler runs, and never twice."""

from __future__ import annotations

import http.client
import json
import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from logging.handlers import QueueHandler
from queue import Queue, SimpleQueue
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.types import ASGIApp

from openai_realtime import ConfigurationError, RealtimeCallIncoming, WebhookVerifier
from openai_realtime.lazy_imports import install_command
from openai_realtime.testing import MOCK_WEBHOOK_SECRET, MockPhone, MockRealtimeServer
from openai_realtime.webhooks import MemoryReplayStore, on_call_incoming
from openai_realtime.webhooks.route import CallHandler
from webhooks.calls import Delivery
from webhooks.deliveries import CALL, NOW, SECRET, encoded

Serve = Callable[[ASGIApp], str]
PATH = "/webhooks/openai"


class Handler:
    """Counts the calls, and can be held."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.may_end = threading.Event()
        self.ended = threading.Event()

    def __call__(self, event: RealtimeCallIncoming) -> None:
        self.calls.append(event.call_id)
        assert self.may_end.wait(30)
        self.ended.set()

    async def awaited(self, event: RealtimeCallIncoming) -> None:
        await anyio.to_thread.run_sync(self, event)


def phone_of(server: MockRealtimeServer, address: str) -> MockPhone:
    return server.phone(webhook_url=address + PATH, secret=SECRET)


@pytest.fixture(autouse=True)
def secret_of_the_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_WEBHOOK_SECRET", SECRET)


def test_a_verifier_without_a_store_gets_one_in_a_copy(
    serve: Serve, realtime_server: MockRealtimeServer
) -> None:
    handled = Queue[str]()
    kept = MemoryReplayStore()
    for verifier in (WebhookVerifier(), WebhookVerifier(replay_store=kept)):
        route = on_call_incoming(lambda call: handled.put(call.call_id), verifier=verifier)
        phone = phone_of(realtime_server, serve(Starlette(routes=[route])))
        call = phone.ring()
        assert call.wait_for_delivery() == phone.deliver(call.webhook) == 200
        other = phone.ring()
        assert other.wait_for_delivery() == 200
        both = {handled.get(timeout=30), handled.get(timeout=30)}  # on threads: in any order
        assert both == {call.call_id, other.call_id}
        webhook = call.webhook
        if len(kept) == 0:
            assert verifier.verify(webhook.body, dict(webhook.headers)).webhook_id
    assert len(kept) == 2
    assert handled.empty()


@pytest.mark.parametrize("kind", ["sync", "async", "returns an awaitable"])
@pytest.mark.parametrize("framework", [Starlette, FastAPI])
def test_the_response_comes_before_the_handler_ends_and_a_replay_runs_nothing(
    serve: Serve, realtime_server: MockRealtimeServer, framework: Any, kind: str
) -> None:
    handler = Handler()
    handlers: dict[str, CallHandler] = {
        "sync": handler,
        "async": handler.awaited,
        "returns an awaitable": lambda event: handler.awaited(event),  # noqa: PLW0108 - so that it is no `async def`
    }
    app = framework()
    app.router.routes.append(on_call_incoming(handlers[kind]))
    phone = phone_of(realtime_server, serve(app))
    call = phone.ring()
    assert call.wait_for_delivery() == 200
    assert not handler.ended.is_set()
    assert phone.deliver(call.webhook) == 200
    handler.may_end.set()
    assert handler.ended.wait(30)
    assert phone.deliver(call.webhook) == 200
    assert handler.calls == [call.call_id]


def test_a_forgery_is_400_and_logged(
    serve: Serve, realtime_server: MockRealtimeServer, caplog: pytest.LogCaptureFixture
) -> None:
    handler = Handler()
    address = serve(Starlette(routes=[on_call_incoming(handler)]))
    phone = phone_of(realtime_server, address)
    with caplog.at_level(logging.DEBUG, "openai_realtime"):
        assert phone.deliver(phone.sign(CALL["data"]).tampered()) == 400
        assert phone.ring(age=600).wait_for_delivery() == 400
        assert phone.ring(age=-600).wait_for_delivery() == 400
        assert realtime_server.phone(webhook_url=address + PATH).ring().wait_for_delivery() == 400
        assert phone.deliver(phone.sign({"call_id": None})) == 400
        assert phone.deliver(phone.sign({}, type="batch.completed")) == 200
        assert phone.deliver(phone.sign({}, type="forged\n\x1b" + "x" * 10_000)) == 200
    assert handler.calls == []
    messages = [
        record.getMessage() for record in caplog.records if record.name == "openai_realtime"
    ]
    for words in (" s ago", "in the future", "none of its signatures", "call_id is missing"):
        assert any(words in text for text in messages)
    assert any("batch.completed is not an incoming call" in text for text in messages)
    assert any(r"forged\n\x1bxxx" in text for text in messages)
    assert all(text.isprintable() and len(text) < 500 for text in messages)
    assert MOCK_WEBHOOK_SECRET not in "".join(messages)


def test_the_response_gives_a_forger_no_details(serve: Serve) -> None:
    address = serve(Starlette(routes=[on_call_incoming(Handler())]))
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=5)
    connection.request("POST", PATH, encoded(), {})
    response = connection.getresponse()
    assert json.loads(response.read()) == {"error": "The webhook could not be verified"}
    connection.request("GET", PATH)
    response = connection.getresponse()
    response.read()
    assert response.status == 405
    connection.close()


@pytest.mark.parametrize(
    ("sent", "body_timeout", "status"),
    [
        (b"Content-Length: 9999999\r\n\r\n" + b"x" * 300_000, 10, b"413"),
        (b"Transfer-Encoding: chunked\r\n\r\n" + b"10000\r\n" + b"x" * 65536, 0.1, b"408"),
    ],
)
def test_a_body_is_bounded_in_size_and_time(
    serve: Serve, sent: bytes, body_timeout: float, status: bytes
) -> None:
    app = Starlette(routes=[on_call_incoming(Handler(), body_timeout=body_timeout)])
    host, port = urlsplit(serve(app)).netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(b"POST %b HTTP/1.1\r\nHost: x\r\n" % PATH.encode() + sent)
        assert connection.recv(12) == b"HTTP/1.1 " + status


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_sender_that_disconnects_before_its_body_is_400(backend: str) -> None:
    """Without a server, which would notice it at a time of its own."""
    delivery = Delivery(on_call_incoming(Handler()))
    delivery.disconnects = True
    assert anyio.run(delivery.status, backend=backend) == 400


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_response_that_cannot_be_sent_loses_no_call(backend: str) -> None:
    handler = Handler()
    handler.may_end.set()
    verifier = WebhookVerifier(SECRET, clock=lambda: NOW)
    delivery = Delivery(on_call_incoming(handler, verifier=verifier), encoded())
    delivery.error = OSError("the sender is gone")
    with pytest.raises(OSError, match="gone"):
        anyio.run(delivery.run, backend=backend)
    assert handler.calls == ["rtc_u0_1"]


@pytest.mark.parametrize("is_async", [True, False])
def test_a_failed_handler_is_logged_and_the_next_call_is_handled(
    serve: Serve, realtime_server: MockRealtimeServer, is_async: bool
) -> None:
    def fail(event: RealtimeCallIncoming) -> None:
        raise LookupError(f"my own at {event.call_id}")

    async def fail_async(event: RealtimeCallIncoming) -> None:
        fail(event)

    app = Starlette(routes=[on_call_incoming(fail_async if is_async else fail)])
    phone = phone_of(realtime_server, serve(app))
    logged: SimpleQueue[logging.LogRecord] = SimpleQueue()
    keeping = QueueHandler(logged)
    logging.getLogger("openai_realtime").addHandler(keeping)
    try:
        for _ in range(2):
            call = phone.ring()
            assert call.wait_for_delivery() == 200
            record = logged.get(timeout=5)
            assert record.levelname == "ERROR"
            assert f"failed at call {call.call_id}" in record.getMessage()
            assert f"my own at {call.call_id}" in record.getMessage()
    finally:
        logging.getLogger("openai_realtime").removeHandler(keeping)


def test_a_store_that_fails_is_503_and_nothing_runs(
    serve: Serve, realtime_server: MockRealtimeServer, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        async def claim(self, _webhook_id: str, _seconds: int, /) -> bool:
            raise ConnectionError("redis is away")

    handler = Handler()
    app = Starlette(
        routes=[on_call_incoming(handler, verifier=WebhookVerifier(replay_store=Broken()))]
    )
    assert phone_of(realtime_server, serve(app)).ring().wait_for_delivery() == 503
    assert handler.calls == []
    assert "replay store" in caplog.text


def test_without_starlette_it_says_what_to_install() -> None:
    program = """
import sys
sys.modules["starlette"] = None
import openai_realtime.webhooks
try:
    from openai_realtime.webhooks import on_call_incoming
except ModuleNotFoundError as error:
    print(error)
"""
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == f"on_call_incoming needs starlette: {install_command('mint')}\n"


def test_the_route_is_built_without_a_secret(
    realtime_server: MockRealtimeServer,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.delenv("OPENAI_WEBHOOK_SECRET")
    handler = Handler()
    handler.may_end.set()
    address = serve(Starlette(routes=[on_call_incoming(handler)]))
    assert phone_of(realtime_server, address).ring().wait_for_delivery() == 503
    assert "A webhook is refused with 503: No webhook secret" in caplog.text
    monkeypatch.setenv("OPENAI_WEBHOOK_SECRET", SECRET)
    assert phone_of(realtime_server, address).ring().wait_for_delivery() == 200
    assert handler.ended.wait(30)


def test_a_callable_makes_the_verifier_once(
    realtime_server: MockRealtimeServer, serve: Serve
) -> None:
    made: list[WebhookVerifier] = []

    def make() -> WebhookVerifier:
        made.append(WebhookVerifier(SECRET))
        return made[-1]

    handler = Handler()
    handler.may_end.set()
    address = serve(Starlette(routes=[on_call_incoming(handler, verifier=make)]))
    assert made == []
    for _ in range(2):
        assert phone_of(realtime_server, address).ring().wait_for_delivery() == 200
    assert len(made) == 1


def test_an_unusable_secret_is_an_error_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_WEBHOOK_SECRET", "whsec_short")
    with pytest.raises(ConfigurationError):
        on_call_incoming(Handler())
