"""Ready-made respx routes: the mock's behaviour without any socket.

Owns: how the behaviour is put behind respx. Must not know: what a session is. Needs `respx`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from openai_realtime.core.wire import Headers
from openai_realtime.testing.behaviour import Behaviour, RecordedRequest

if TYPE_CHECKING:
    import httpx
    import respx


@dataclass(frozen=True, slots=True)
class RealtimeRoutes:
    """The routes, to assert on (`routes.sessions.called`) or to mock otherwise."""

    sessions: respx.Route
    transcription_sessions: respx.Route


def mock_realtime(
    router: respx.Router | None = None,
    *,
    base_url: str = "https://api.openai.com/v1",
    api_key: str | None = None,
) -> RealtimeRoutes:
    """Add routes to `router` (default: respx's global one) that answer as a realtime server does.

    `api_key` is the one key accepted; None, the default, accepts any. Call it under `respx.mock`:

        with respx.mock:
            routes = mock_realtime()
            ...
    """
    import httpx  # noqa: PLC0415 - only tests need these two
    import respx  # noqa: PLC0415

    behaviour = Behaviour(api_key=api_key)

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode("ascii").removeprefix(
            httpx.URL(base_url).path.rstrip("/")
        )
        recorded = RecordedRequest(
            request.method, f"/v1{path}", Headers(request.headers.raw), request.content
        )
        given = behaviour.answer(recorded)
        return httpx.Response(
            given.status,
            headers={"content-type": "application/json", **given.headers},
            content=given.content(),
        )

    routes = respx.mock if router is None else router
    url = base_url.rstrip("/")
    return RealtimeRoutes(
        sessions=routes.post(f"{url}/realtime/sessions").mock(side_effect=answer),
        transcription_sessions=routes.post(f"{url}/realtime/transcription_sessions").mock(
            side_effect=answer
        ),
    )
