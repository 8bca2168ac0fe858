from __future__ import annotations

import asyncio
import functools
import threading
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import HTTPException

from mint.service import PATH, app_for, ask, browser
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


def answer(value: object) -> Any:
    return lambda _: value


@pytest.mark.parametrize(
    "authorize",
    [
        asynchronously,
        functools.partial(asynchronously),
        Callable(),
        answer("ann"),
        in_two_steps,
    ],
)
def test_authorize_may_be_written_either_way(provider: MockRealtimeServer, authorize: Any) -> None:
    with browser(app_for(provider, authorize=authorize)) as page:
        assert ask(page).status_code == 200


def test_a_plain_function_does_not_block_the_loop(provider: MockRealtimeServer) -> None:
    def authorize(request: Request) -> str:
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        return "ann"

    with browser(app_for(provider, authorize=authorize)) as page:
        assert ask(page).status_code == 200


def test_authorize_has_a_time_limit(
    provider: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain function goes on in its thread, and nobody waits for it."""
    monkeypatch.setattr(authorization, "_SECONDS", 0.05)
    released = threading.Event()

    async def never(request: Request) -> str:
        await asyncio.Event().wait()
        raise AssertionError

    try:
        for authorize in (never, lambda _: str(released.wait(60))):
            with browser(app_for(provider, authorize=authorize)) as page:
                told = ask(page)
            assert (told.status_code, told.json()["error"]) == (503, "authorization_unavailable")
    finally:
        released.set()
    assert provider.requests == []


def refuse(error: Exception) -> Any:
    async def authorize(request: Request) -> str:
        raise error

    return authorize


@pytest.mark.parametrize(
    ("authorize", "status", "code"),
    [
        (answer(None), 401, "unauthorized"),
        (answer(""), 401, "unauthorized"),
        (refuse(Refused()), 401, "unauthorized"),
        (refuse(Refused(403)), 403, "forbidden"),
        (refuse(HTTPException(401, "why, told to nobody")), 401, "unauthorized"),
        (refuse(HTTPException(403, "why, told to nobody")), 403, "forbidden"),
        (refuse(HTTPException(402, "why, told to nobody")), 402, "forbidden"),
        (refuse(HTTPException(503, "why, told to nobody")), 503, "forbidden"),
        (refuse(HTTPException(303, "why, told to nobody")), 401, "unauthorized"),
        (refuse(HTTPException(700, "why, told to nobody")), 401, "unauthorized"),
        # What it must not return, and what it must not raise.
        (answer(True), 500, "internal_error"),
        (answer(42), 500, "internal_error"),
        (answer({"id": "ann"}), 500, "internal_error"),
        (refuse(ValueError("why, told to nobody")), 500, "internal_error"),
        (refuse(KeyError("why, told to nobody")), 500, "internal_error"),
    ],
)
def test_whatever_names_no_principal_is_a_no(
    provider: MockRealtimeServer, authorize: Any, status: int, code: str
) -> None:
    with browser(app_for(provider, authorize=authorize)) as page:
        told = ask(page)
    assert (told.status_code, told.json()["error"]) == (status, code)
    assert "why" not in told.text
    assert provider.requests == []


@pytest.mark.parametrize(
    ("value", "sent"), [(7, "7"), ("7\r\nX-Debug: 1", None), ("日", None), ("é", None)]
)
def test_a_header_that_cannot_be_sent_is_left_out(
    provider: MockRealtimeServer, value: Any, sent: str | None
) -> None:
    refused = HTTPException(429, headers={"Retry-After": value})
    with browser(app_for(provider, authorize=refuse(refused))) as page:
        told = ask(page)
    assert (told.status_code, told.headers.get("retry-after")) == (429, sent)


def test_a_challenge_is_passed_on_and_nothing_else(provider: MockRealtimeServer) -> None:
    headers = {"WWW-Authenticate": "Bearer", "Retry-After": "7", "X-Debug": "secret"}
    with browser(app_for(provider, authorize=refuse(HTTPException(401, headers=headers)))) as page:
        told = ask(page)
    assert told.headers["www-authenticate"] == "Bearer"
    assert told.headers["retry-after"] == "7"
    assert "x-debug" not in told.headers


@pytest.mark.parametrize("way", ["body", "json"])
def test_authorize_may_read_the_body_and_no_more_than_4_kib(
    provider: MockRealtimeServer, way: str
) -> None:
    read: list[object] = []

    async def authorize(request: Request) -> str:
        read.append(await getattr(request, way)())
        return "ann"

    with browser(app_for(provider, authorize=authorize, allow={"voice": ["verse"]})) as page:
        assert ask(page, json={"voice": "verse"}).status_code == 200
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
def test_the_address_is_what_trusted_proxies_saw(
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


def test_a_server_on_a_unix_socket_tells_no_address(provider: MockRealtimeServer) -> None:
    def authorize(request: Request) -> str:
        assert request.client is None
        return "ann"

    with browser(app_for(provider, authorize=authorize), client=None) as page:
        assert ask(page).status_code == 200
