"""The mock's behaviour behind respx, without any socket.

Owns: how the behaviour is put behind respx. Must not know: what a session is. Needs `respx`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openai_realtime.core.wire import Headers
from openai_realtime.errors import ConfigurationError
from openai_realtime.testing.messages import RecordedRequest
from openai_realtime.testing.mock_backend import MockRealtime
from openai_realtime.testing.profiles import profile

if TYPE_CHECKING:
    import httpx
    import respx


class RealtimeRoutes(MockRealtime):
    """A respx route that answers as a realtime server does, whichever endpoint is called.

    `requests` has what arrived, `respond_next` scripts what comes next (an answer's `drop` is a
    connection error here, its `delay` is not waited for), and `route` is respx's own route.
    """

    route: respx.Route


def mock_realtime(
    router: respx.Router | None = None,
    *,
    base_url: str = "https://api.openai.com/v1",
    api_key: str | None = None,
) -> RealtimeRoutes:
    """Add a route to `router` (default: respx's global one) for everything under `/realtime/`.

    `api_key` is the one key accepted; None, the default, accepts any. Call it under `respx.mock`:

        with respx.mock:
            realtime = mock_realtime()
            ...
            assert realtime.requests[0].json == {...}
    """
    import httpx  # noqa: PLC0415 - only tests need these two

    try:
        import respx  # noqa: PLC0415
    except ImportError:
        message = "mock_realtime needs respx: pip install respx"
        raise ConfigurationError(message) from None

    realtime = RealtimeRoutes(profile("both", None), api_key=api_key)
    root = httpx.URL(base_url).path.rstrip("/")

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode("ascii").removeprefix(root)
        headers = Headers.of_raw(request.headers.raw)
        given = realtime.answer(
            RecordedRequest(request.method, f"/v1{path}", headers, request.content)
        )
        if given.drop != "no":
            message = "The mock hung up"
            raise httpx.ReadError(message)
        return httpx.Response(
            given.status,
            headers={"content-type": "application/json", **given.headers},
            content=given.content(),
        )

    routes = respx.mock if router is None else router
    url = f"{base_url.rstrip('/')}/realtime/"
    realtime.route = routes.route(url__startswith=url).mock(side_effect=answer)
    return realtime
