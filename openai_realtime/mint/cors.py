"""CORS: the web pages that may use the endpoint, by an exact list of origins.

An origin is compared as a whole, character by character: no wildcard, no suffix, no "null". A
request without `Origin` is not from a web page (browsers send it with every POST) but from a native
app, a server or curl. `authorize` decides whether it gets a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from openai_realtime.errors import ConfigurationError
from openai_realtime.mint.errors import METHOD, ORIGIN, EndpointError

if TYPE_CHECKING:
    from starlette.datastructures import Headers

_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_PREFLIGHT_SECONDS = "600"


@dataclass(frozen=True, slots=True)
class CorsPolicy:
    """The allowed origins, and the response headers that follow from them."""

    allowed: frozenset[str]
    credentials: bool = False
    """Whether pages of these origins may send cookies."""

    @classmethod
    def of(cls, origins: Iterable[str], *, credentials: bool) -> CorsPolicy:
        """Return the policy; raises `ConfigurationError` on an origin that no browser sends."""
        if isinstance(origins, str):
            message = "origins must be a list of texts, such as ['https://app.example']"
            raise ConfigurationError(message)
        allowed = frozenset(origins)
        for origin in allowed:
            _check(origin)
        return cls(allowed, credentials)

    def check(self, headers: Headers) -> None:
        """Raise `EndpointError` when the request is from a page that is not allowed."""
        origins = headers.getlist("origin")
        if origins and (len(origins) > 1 or origins[0] not in self.allowed):
            raise EndpointError(ORIGIN)

    def response_headers(self, headers: Headers) -> dict[str, str]:
        """Return the headers of every response; only allowed pages can read a response."""
        origins = headers.getlist("origin")
        response = {"Vary": "Origin"}
        if len(origins) == 1 and origins[0] in self.allowed:
            response["Access-Control-Allow-Origin"] = origins[0]
            response["Access-Control-Expose-Headers"] = "Retry-After, X-Request-Id"
            if self.credentials:
                response["Access-Control-Allow-Credentials"] = "true"
        return response

    def preflight_headers(self, headers: Headers) -> dict[str, str]:
        """Return the additional headers of a preflight's response.

        Raises `EndpointError` when the page or the method is not allowed.

        The headers are always the same: they allow POST, with JSON and a token.
        """
        self.check(headers)
        if headers.get("origin") is None or headers.get("access-control-request-method") != "POST":
            raise EndpointError(METHOD, headers={"Allow": "POST"})
        return {
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": "Authorization, Content-Type",
            "Access-Control-Max-Age": _PREFLIGHT_SECONDS,
        }


def _check(origin: object) -> None:
    problem: str | None = None
    if not isinstance(origin, str):
        problem = "it is not a text"
    elif "*" in origin or origin == "null":
        problem = "it would allow every page: list each origin"
    elif not _ORIGIN.fullmatch(origin):
        problem = (
            "it must be written like https://app.example or http://localhost:3000, in lower case, "
            "without a path or a slash at its end"
        )
    else:
        parts = urlsplit(origin)
        if parts.port is not None and parts.port == _DEFAULT_PORTS[parts.scheme]:
            problem = "browsers leave the default port out"
    if problem is not None:
        message = f"origins: {origin!r} is unusable: {problem}"
        raise ConfigurationError(message)
