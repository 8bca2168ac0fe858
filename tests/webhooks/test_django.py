"""`verifier.handling(…)` in Django's views, sync and async, on a real uvicorn."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from openai_realtime import (
    WebhookInProgressError,
    WebhookReplayedError,
    WebhookVerificationError,
    WebhookVerifier,
)
from openai_realtime.webhooks import MemoryReplayStore
from webhooks.deliveries import NOW, SECRET, encoded, signed

BODY = encoded()


def status(error: WebhookVerificationError) -> int:
    if isinstance(error, WebhookReplayedError):
        return 200
    return 503 if isinstance(error, WebhookInProgressError) else 400


class Site:
    """The same webhook as a sync and as an async view; a test says what is done in it."""

    def __init__(self) -> None:
        self.verifier = WebhookVerifier(SECRET, replay_store=MemoryReplayStore(), clock=lambda: NOW)
        self.runs = 0
        self.has_begun = threading.Event()
        self.may_end = threading.Event()
        self.was_cancelled = threading.Event()
        self.fails = False

    def handle(self) -> None:
        self.runs += 1
        self.has_begun.set()
        assert self.may_end.wait(30)
        if self.fails:
            raise LookupError("my own")

    async def handle_async(self) -> None:
        self.runs += 1
        self.has_begun.set()
        try:
            while not self.may_end.is_set():
                await anyio.sleep(0.005)
        except BaseException:
            self.was_cancelled.set()
            raise
        if self.fails:
            raise LookupError("my own")


sites: list[Site] = []


def sync_view(request: HttpRequest) -> HttpResponse:
    site = sites[-1]
    try:
        with site.verifier.handling(request.body, request.headers):
            site.handle()
    except WebhookVerificationError as error:
        return HttpResponse(status=status(error))
    return HttpResponse()


async def async_view(request: HttpRequest) -> HttpResponse:
    site = sites[-1]
    try:
        async with site.verifier.handling(request.body, request.headers):
            await site.handle_async()
    except WebhookVerificationError as error:
        return HttpResponse(status=status(error))
    return HttpResponse()


urlpatterns = [path("sync", csrf_exempt(sync_view)), path("async", csrf_exempt(async_view))]


@pytest.fixture
def site() -> Iterator[Site]:
    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, LOGGING_CONFIG=None)
    sites.append(Site())
    yield sites[-1]
    sites.pop().may_end.set()


@pytest.fixture
def address(site: Site, serve: Callable[[Any], str]) -> str:
    return urlsplit(serve(ASGIHandler())).netloc


def deliver(address: str, view: str, body: bytes = BODY) -> int:
    connection = http.client.HTTPConnection(address, timeout=30)
    try:
        connection.request("POST", f"/{view}", body, signed(BODY))
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("view", ["sync", "async"])
def test_after_a_failed_view_the_next_delivery_is_handled_and_after_success_not(
    site: Site, address: str, view: str
) -> None:
    assert deliver(address, view, BODY + b" ") == 400
    site.may_end.set()
    site.fails = True
    assert deliver(address, view) == 500
    site.fails = False
    assert deliver(address, view) == 200
    assert site.runs == 2
    assert deliver(address, view) == 200
    assert site.runs == 2


@pytest.mark.parametrize("view", ["sync", "async"])
def test_a_delivery_while_the_view_runs_is_503(site: Site, address: str, view: str) -> None:
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(deliver, address, view)
        try:
            assert site.has_begun.wait(30)
            assert deliver(address, view) == 503
        finally:
            site.may_end.set()
        assert first.result(30) == 200
    assert deliver(address, view) == 200
    assert site.runs == 1


def test_after_a_cancelled_async_view_the_next_delivery_is_handled(
    site: Site, address: str
) -> None:
    """Django cancels it when the provider hangs up, because it waited long enough."""
    host, port = address.split(":")
    head = "".join(f"{name}: {value}\r\n" for name, value in signed(BODY).items())
    with socket.create_connection((host, int(port)), timeout=30) as provider:
        provider.sendall(
            f"POST /async HTTP/1.1\r\nHost: x\r\n{head}Content-Length: {len(BODY)}\r\n\r\n".encode()
            + BODY
        )
        assert site.has_begun.wait(30)
    assert site.was_cancelled.wait(30)
    site.may_end.set()
    assert deliver(address, "async") == 200
    assert site.runs == 2
