"""The web page on which a person talks with the model: its static files and their headers.

    app = mint_app(client, …)
    app.router.routes.extend(page_routes(PageSettings(connect_url)))

The page gets its secret from `./client-secret` and then sends its SDP offer to `connect_url`. If the
service begins the calls, it sends its offer to `./calls` instead, and gets no secret.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request

    from openai_realtime.dialects import SessionAPI

_TYPES: Final = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_INDEX: Final = "index.html"
_POLICY: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
}
_HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), display-capture=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

DEFAULT_TRANSCRIPTION_MODEL: Final = "gpt-transcribe"
"""The model that transcribes what the person says, unless the session has another."""
# OpenAI's price on 2026-11-26: https://developers.openai.com/api/docs/models/gpt-transcribe.
_PRICE: Final = ": $0.0045 a minute of speech at OpenAI"


@dataclass(frozen=True, slots=True)
class PageSettings:
    """What the page knows before a call."""

    connect_url: str
    """Where the page sends its SDP offer. Its security policy allows connections to that host and
    to this service only."""
    asks_for_token: bool = False
    """Whether it asks for an access token before the first call. Without it, it asks for one when
    the service has refused the person. Default: no."""
    mock: Literal["none", "calls", "no-calls"] = "none"
    """Whether the provider is the mock server, and whether that takes part in calls."""
    has_broker: bool = False
    """Whether the service begins the calls: the page then sends its SDP offer to `./calls`, sends
    heartbeats, and hangs up there. Default: no."""
    transcription_model: str | None = None
    """The model that transcribes what the person says, or None: the session has none."""
    api: SessionAPI = "realtime"
    """The API of the calls. GPT-Live needs `has_broker`, and transcribes by itself."""

    @property
    def transcription_price(self) -> str:
        """What the transcription costs, as the end of a sentence; empty if it is not known."""
        return _PRICE if self.transcription_model == DEFAULT_TRANSCRIPTION_MODEL else ""


def page_routes(settings: PageSettings) -> list[Route]:
    """Return the page's routes: `/`, and its files below `/page/`."""
    policy = _content_security_policy(None if settings.has_broker else settings.connect_url)
    headers = {**_HEADERS, "Content-Security-Policy": policy}
    page = _index(settings)

    async def index(_: Request) -> Response:
        return Response(page, 200, {**headers, "Content-Type": _TYPES["html"]})

    async def asset(request: Request) -> Response:
        return _file_response(str(request.path_params["name"]), headers)

    return [
        Route("/", index, methods=["GET"]),
        Route("/page/{name}", asset, methods=["GET"]),
    ]


def _content_security_policy(connect_url: str | None) -> str:
    """Return the policy; `connect_url` is None if the page connects to its own service only."""
    policy = {**_POLICY, "connect-src": "'self'"}
    if connect_url is not None:
        parts = urlsplit(connect_url)
        policy["connect-src"] += f" {parts.scheme}://{parts.netloc}"
    return "; ".join(f"{name} {value}" for name, value in policy.items())


def _index(settings: PageSettings) -> str:
    model = settings.transcription_model
    return Template(_assets()[_INDEX].decode()).substitute(
        access="token" if settings.asks_for_token else "open",
        mock=settings.mock,
        broker="on" if settings.has_broker else "off",
        api=settings.api,
        transcription="off" if model is None else "on",
        transcription_model=html.escape(model or ""),
        biller="The provider" if settings.mock == "none" else "A real provider",
        price=settings.transcription_price,
    )


def _file_response(name: str, headers: dict[str, str]) -> Response:
    content = _assets().get(name)
    if content is None or name == _INDEX:
        return Response("Not found", 404, headers, "text/plain")
    return Response(content, 200, {**headers, "Content-Type": _TYPES[name.rpartition(".")[2]]})


@cache
def _assets() -> dict[str, bytes]:
    """Return all files by name. A request's path is never used as a path in the file system."""
    return {file.name: file.read_bytes() for file in files(__name__).joinpath("assets").iterdir()}
