from __future__ import annotations

import asyncio
import functools
import threading
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import HTTPException

from mint.service import PATH, app_for, browser, request_secret
from openai_realtime.mint import Refused, authorization
from openai_realtime.testing import MockRealtimeServer

if TYPE_CHECKING:
    from starlette.requests import Request


async def asynchronously(_: Request) -> str:
    return "ann"


class Callable:
    async def __call__(self, _: Request) -> str:
        return "ann"


def in_two_steps(request: Request) -> Any:
    return asynchronously(request)


def returning(value: object) -> Any:
    return lambda _: value


@pytest.mark.parametrize(
    "authorize",
    [
        asynchronously,
        functools.partial(asynchronously),
        Callable(),
        returning("ann"),
        in_two_steps,
    ],
)
def test_authorize_may_be_sync_or_async(provider: MockRealtimeServer, authorize: Any) -> None:
    with browser(app_for(provider, authorize=authorize)) as page:
        assert request_secret(page).status_code == 200


def test_a_plain_function_does_not_block_the_loop(provider: MockRealtimeServer) -> None:
    def authorize(request: Request) -> str:
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        return "ann"

    with browser(app_for(provider, authorize=authorize)) as page:
        assert request_secret(page).status_code == 200


def test_authorize_has_a_time_limit(
    provider: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain function continues in its thread, but the request does not wait for it."""
    monkeypatch.setattr(authorization, "_SECONDS", 0.05)
    released = threading.Event()

    async def never(request: Request) -> str:
        await asyncio.Event().wait()
        raise AssertionError

    try:
        for authorize in (never, lambda _: str(released.wait(60))):
            with browser(app_for(provider, authorize=authorize)) as page:
                response = request_secret(page)
            error = response.json()["error"]
            assert (response.status_code, error) == (503, "authorization_unavailable")
    finally:
        released.set()
    assert provider.requests == []


def raising(error: Exception) -> Any:
    async def authorize(request: Request) -> str:
        raise error

    return authorize


@pytest.mark.parametrize(
    ("authorize", "status", "code"),
    [
        (returning(None), 401, "unauthorized"),
        (returning(""), 401, "unauthorized"),
        (raising(Refused()), 401, "unauthorized"),
        (raising(Refused(403)), 403, "forbidden"),
        (raising(HTTPException(401, "why: a detail for no client")), 401, "unauthorized"),
        (raising(HTTPException(403, "why: a detail for no client")), 403, "forbidden"),
        (raising(HTTPException(402, "why: a detail for no client")), 402, "forbidden"),
        (raising(HTTPException(503, "why: a detail for no client")), 503, "forbidden"),
        (raising(HTTPException(303, "why: a detail for no client")), 401, "unauthorized"),
        (raising(HTTPException(700, "why: a detail for no client")), 401, "unauthorized"),
        # What it must not return, and what it must not raise.
        (returning(True), 500, "internal_error"),
        (returning(42), 500, "internal_error"),
        (returning({"id": "ann"}), 500, "internal_error"),
        (raising(ValueError("why: a detail for no client")), 500, "internal_error"),
        (raising(KeyError("why: a detail for no client")), 500, "internal_error"),
    ],
)
def test_a_request_without_a_principal_is_refused(
    provider: MockRealtimeServer, authorize: Any, status: int, code: str
) -> None:
    with browser(app_for(provider, authorize=authorize)) as page:
        response = request_secret(page)
    assert (response.status_code, response.json()["error"]) == (status, code)
    assert "why" not in response.text
    assert provider.requests == []


@pytest.mark.parametrize(
    ("value", "sent"), [(7, "7"), ("7\r\nX-Debug: 1", None), ("日", None), ("é", None)]
)
def test_a_header_that_cannot_be_sent_is_left_out(
    provider: MockRealtimeServer, value: Any, sent: str | None
) -> None:
    error = HTTPException(429, headers={"Retry-After": value})
    with browser(app_for(provider, authorize=raising(error))) as page:
        response = request_secret(page)
    assert (response.status_code, response.headers.get("retry-after")) == (429, sent)


def test_what_authorize_must_return_is_logged(
    provider: MockRealtimeServer, caplog: pytest.LogCaptureFixture
) -> None:
    with browser(app_for(provider, authorize=returning(True))) as page:
        request_secret(page)
    assert "TypeError: authorize must return a str or None, not bool" in caplog.text


def test_only_the_challenge_headers_of_an_exception_are_sent(provider: MockRealtimeServer) -> None:
    headers = {"WWW-Authenticate": "Bearer", "Retry-After": "7", "X-Debug": "secret"}
    with browser(app_for(provider, authorize=raising(HTTPException(401, headers=headers)))) as page:
        response = request_secret(page)
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.headers["retry-after"] == "7"
    assert "x-debug" not in response.headers


@pytest.mark.parametrize("way", ["body", "json"])
def test_authorize_may_read_the_body_up_to_4_kib(provider: MockRealtimeServer, way: str) -> None:
    read: list[object] = []

    async def authorize(request: Request) -> str:
        read.append(await getattr(request, way)())
        return "ann"

    with browser(app_for(provider, authorize=authorize, allow={"voice": ["verse"]})) as page:
        assert request_secret(page, json={"voice": "verse"}).status_code == 200
        json = {"content-type": "application/json"}
        assert page.post(PATH, content=b" " * 5000, headers=json).status_code == 413
    assert len(read) == 1


# --- Where a request comes from --------------------------------------------------------------

PEER = "192.0.2.1"


@pytest.mark.parametrize(
    ("trusted", "forwarded", "address"),
    [
        (0, ["203.0.113.5"], PEER),
        (1, [], PEER),
        (1, ["203.0.113.5"], "203.0.113.5"),
        (1, ["6.6.6.6, 203.0.113.5"], "203.0.113.5"),
        (1, ["6.6.6.6", "203.0.113.5"], "203.0.113.5"),
        (1, ["6.6.6.6,203.0.113.5:4711"], "203.0.113.5"),
        (1, ["[2001:db8::1]:4711"], "2001:db8::1"),
        (1, ["2001:DB8::1"], "2001:db8::1"),
        (1, ["6.6.6.6, unknown"], PEER),
        (1, ["6.6.6.6, "], PEER),
        (1, ["2001:db8::1%evil\x1b[31m"], PEER),
        (1, ["[2001:db8::1%evil text]:4711"], PEER),
        (2, ["6.6.6.6, 203.0.113.5, 10.0.0.1"], "203.0.113.5"),
        (2, ["203.0.113.5"], PEER),
    ],
)
def test_the_client_address_is_the_one_that_trusted_proxies_wrote(
    provider: MockRealtimeServer, trusted: int, forwarded: list[str], address: str
) -> None:
    seen: list[str] = []

    def authorize(request: Request) -> str:
        assert request.client is not None
        seen.append(request.client.host)
        return request.client.host

    app = app_for(provider, authorize=authorize, trusted_proxies=trusted)
    headers = [("x-forwarded-for", entry) for entry in forwarded]
    with browser(app, client=(PEER, 50000)) as page:
        assert page.post(PATH, json={}, headers=headers).status_code == 200
    assert seen == [address]


def test_a_server_on_a_unix_socket_has_no_client_address(provider: MockRealtimeServer) -> None:
    def authorize(request: Request) -> str:
        assert request.client is None
        return "ann"

    with browser(app_for(provider, authorize=authorize), client=None) as page:
        assert request_secret(page).status_code == 200
