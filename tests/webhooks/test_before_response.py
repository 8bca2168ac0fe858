"""The route with `handle="before_response"`, on a real uvicorn."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
from fastapi import FastAPI
from mint.redis_process import RedisProcess
from starlette.applications import Starlette
from starlette.types import ASGIApp

from openai_realtime import RealtimeCallIncoming
from openai_realtime.webhooks import RedisReplayStore
from webhooks.calls import BODY, KINDS, PATH, Handler, deliver, route
from webhooks.deliveries import signed

Serve = Callable[[ASGIApp], str]


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
def test_a_delivery_while_the_handler_runs_is_503(
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
def test_when_the_provider_disconnects_the_handler_still_decides_the_outcome(
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
    while (response := deliver(address)) == (503, "5"):  # it is being confirmed or released
        pass
    assert response == ((500, None) if fails else (200, None))
    assert (len(handler.begun), handler.succeeded) == ((2, 0) if fails else (1, 1))


@pytest.mark.redis
@pytest.mark.parametrize("fails", [False, True])
def test_redis_killed_while_the_handler_runs_does_not_change_the_response(
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
        assert deliver(address) == (503, "5")  # there is no way to know whether it was handled
        process.start()
        assert deliver(address) == (503, "5")  # the claim of before, until it expires
        assert 0 < client.ttl("openai_realtime:webhook:wh_1") <= 60
    finally:
        client.close()
        process.kill()
