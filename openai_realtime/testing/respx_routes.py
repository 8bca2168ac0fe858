"""The mock backend behind respx, without a socket. Needs `respx`."""

from __future__ import annotations

import httpx

from openai_realtime.core.wire import Headers
from openai_realtime.identity import OPENAI_TOKEN_URL
from openai_realtime.lazy_imports import missing_package
from openai_realtime.testing.mock_backend import MockBackend
from openai_realtime.testing.profiles import RecordedRequest, find_profile

try:
    import respx
    from respx.patterns import M
except ModuleNotFoundError as _error:
    raise missing_package(_error, "mock_realtime", {"respx"}) from None


class RealtimeRoutes(MockBackend):
    """A respx route that responds like a realtime server, at every endpoint.

    `requests` holds the received requests, `respond_next` scripts responses, and `route` is respx's
    own route. A response with `drop` raises a connection error here; `delay` has no effect.
    """

    route: respx.Route
    """respx's own route: its `calls`, and what else respx records."""


def mock_realtime(
    router: respx.Router | None = None,
    *,
    base_url: str = "https://api.openai.com/v1",
    api_key: str | None = None,
) -> RealtimeRoutes:
    """Add a route to `router` (default: respx's global one) for everything under `/realtime/` and `/live/`.

    `api_key` is the only accepted key; None, the default, accepts any key. The route plays OpenAI's
    token endpoint too (`identity`), for clients with a workload identity. Call it under `respx.mock`:

        with respx.mock:
            realtime = mock_realtime()
            ...
            assert realtime.requests[0].json == {...}
    """
    realtime = RealtimeRoutes(find_profile("both", None), api_key=api_key)
    root = httpx.URL(base_url).path.rstrip("/")

    def respond(request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode("ascii")
        if request.url != OPENAI_TOKEN_URL:
            path = f"/v1{path.removeprefix(root)}"
        headers = Headers.of_raw(request.headers.raw)
        recorded = RecordedRequest(request.method, path, headers, request.content)
        response = realtime.respond(recorded)
        if response.drop != "no":
            message = "The mock closed the connection"
            raise httpx.ReadError(message)
        return httpx.Response(
            response.status,
            headers={"content-type": "application/json", **response.headers},
            content=response.content(),
        )

    routes = respx.mock if router is None else router
    url = base_url.rstrip("/")
    pattern = M(url=OPENAI_TOKEN_URL)
    for endpoint in ("realtime", "live"):
        pattern |= M(url__startswith=f"{url}/{endpoint}/")
    realtime.route = routes.route(pattern).mock(side_effect=respond)
    return realtime
