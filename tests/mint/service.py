"""The mint service as tests run it: in the process of the test, or under uvicorn on a real socket."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.testclient import TestClient

from openai_realtime import RealtimeSessionsClient, RetryPolicy
from openai_realtime.mint import mint_app
from openai_realtime.testing import MockRealtimeServer

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.types import ASGIApp

PAGE = "https://app.example"
SESSION = {"model": "gpt-realtime-2.1", "voice": "verse"}
PATH = "/client-secret"


def user_header(request: Request) -> str | None:
    """Return the principal in a header."""
    return request.headers.get("x-user")


def app_for(provider: MockRealtimeServer, **options: Any) -> Starlette:
    """Return a service that mints at `provider`, with a client of its own."""
    client = RealtimeSessionsClient(
        provider=provider.provider,
        **{
            "api_key": provider.api_key,
            "retry": RetryPolicy(base_delay=0.001),
            **options.pop("client", {}),
        },
    )
    defaults: dict[str, Any] = {
        "session": SESSION,
        "authorize": user_header,
        "origins": [PAGE],
        "close_client": True,
    }
    return mint_app(client, **{**defaults, **options})


@contextmanager
def browser(app: Starlette, user: str = "ann", **options: Any) -> Iterator[TestClient]:
    """Give a client of an app in this process, with `user` as its principal."""
    with TestClient(app, headers={"x-user": user}, **options) as page:
        yield page


def until(is_so: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until `is_so()`; fail when that takes too long."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it is not so in time"
        time.sleep(0.002)


def request_secret(
    page: TestClient, headers: Mapping[str, str] | None = None, json: object = None
) -> Any:
    """Request a secret."""
    return page.post(PATH, json={} if json is None else json, headers=headers)


@contextmanager
def serving(app: ASGIApp, **options: Any) -> Iterator[tuple[str, int]]:
    """Serve an app with uvicorn on a free port; give its host and port."""
    defaults: dict[str, Any] = {
        "port": 0,
        "log_config": None,
        "proxy_headers": False,
        "timeout_graceful_shutdown": 1,
    }
    server = uvicorn.Server(uvicorn.Config(app, **{**defaults, **options}))
    started = threading.Event()
    begin = server.startup

    async def startup(*args: Any, **kwargs: Any) -> None:
        await begin(*args, **kwargs)
        started.set()

    server.startup = startup  # type: ignore[method-assign]  # uvicorn has no other sign of it
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert started.wait(10)
        host, port = server.servers[0].sockets[0].getsockname()[:2]
        yield host, port
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()
