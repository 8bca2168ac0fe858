"""A service with the routes of calls, as tests run it, and what the mock provider saw of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from starlette.testclient import TestClient

from mint.service import app_for, browser
from openai_realtime.testing import MockRealtimeServer, MockResponse

if TYPE_CHECKING:
    from starlette.applications import Starlette

OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
SDP = {"content-type": "application/sdp"}
MANY = "1000/minute"
HANG_UP_FAILS = MockResponse(503)
NO_CALL = MockResponse(404, json={"error": {"message": "no", "code": "call_id_not_found"}})


def broker_for(provider: MockRealtimeServer, **options: Any) -> Starlette:
    """Return a service with the routes of calls."""
    defaults = {"broker": True, "limits": MANY, "global_limits": MANY, "metrics": True}
    return app_for(provider, **{**defaults, **options})


@contextmanager
def caller(provider: MockRealtimeServer, **options: Any) -> Iterator[TestClient]:
    """Give a client of a service with the routes of calls; `backend` is asyncio or trio."""
    backend = options.pop("backend", "asyncio")
    with browser(broker_for(provider, **options), backend=backend) as client:
        yield client


def begin(client: TestClient, user: str = "ann", **more: Any) -> Any:
    """Send an offer."""
    headers = {**SDP, "x-user": user, **more.pop("headers", {})}
    return client.post("/calls", **{"content": OFFER, **more}, headers=headers)


def begun(client: TestClient, user: str = "ann") -> str:
    """Begin a call; return its address."""
    response = begin(client, user)
    assert response.status_code == 201, response.text
    location: str = response.headers["location"]
    return location


def running(client: TestClient, user: str | None = None) -> Any:
    """Return the running calls, as the server's own code sees them."""
    assert client.portal is not None
    return client.portal.call(client.app.state.calls.running, user)  # type: ignore[attr-defined]  # it is a Starlette


def offers(provider: MockRealtimeServer) -> int:
    paths = [request.path.partition("?")[0] for request in provider.requests]
    return sum(path.endswith("/calls") for path in paths)


def hung_up(provider: MockRealtimeServer) -> list[str]:
    """Return the provider's ids of the calls that it was asked to hang up, oldest first."""
    parts = [request.path.split("/") for request in provider.requests]
    return [part[-2] for part in parts if part[-1] == "hangup"]


def metrics(client: TestClient) -> Mapping[str, float]:
    """Return the metrics of calls, without the common prefix of their names."""
    prefix = "openai_realtime_calls_"
    lines = [line.removeprefix(prefix) for line in client.get("/metrics").text.splitlines()]
    pairs = [line.rpartition(" ") for line in lines if line[:1] not in {"#", "o", ""}]
    return {name: float(value) for name, _, value in pairs}
