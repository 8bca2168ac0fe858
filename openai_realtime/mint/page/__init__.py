"""The web page on which a person talks with the model: its static files and their headers.

    app = mint_app(client, …)
    app.router.routes.extend(page_routes(connect_url))

The page gets its secret from `./client-secret` and then sends its SDP offer to `connect_url`.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request

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


def page_routes(connect_url: str) -> list[Route]:
    """Return the page's routes: `/`, and its files below `/page/`.

    `connect_url` is where the page sends its SDP offer. The page's security policy allows
    connections to that host and to this service only.
    """
    headers = {**_HEADERS, "Content-Security-Policy": _content_security_policy(connect_url)}

    async def index(_: Request) -> Response:
        return _file_response(_INDEX, headers)

    async def asset(request: Request) -> Response:
        return _file_response(str(request.path_params["name"]), headers)

    return [
        Route("/", index, methods=["GET"]),
        Route("/page/{name}", asset, methods=["GET"]),
    ]


def _content_security_policy(connect_url: str) -> str:
    parts = urlsplit(connect_url)
    policy = {**_POLICY, "connect-src": f"'self' {parts.scheme}://{parts.netloc}"}
    return "; ".join(f"{name} {value}" for name, value in policy.items())


def _file_response(name: str, headers: dict[str, str]) -> Response:
    content = _assets().get(name)
    if content is None:
        return Response("Not found", 404, headers, "text/plain")
    return Response(content, 200, {**headers, "Content-Type": _TYPES[name.rpartition(".")[2]]})


@cache
def _assets() -> dict[str, bytes]:
    """Return all files by name. A request's path is never used as a path in the file system."""
    return {file.name: file.read_bytes() for file in files(__name__).joinpath("assets").iterdir()}
