"""CORS: the web pages that may use the endpoint, by an exact list of origins.

An origin is the scheme, host and port of a web page (`https://app.example`), of an app in a web
view (`capacitor://localhost`) or of a browser extension (`chrome-extension://…`). It is compared as
a whole, character by character: no wildcard, no suffix, no "null". A request without `Origin` is not
from a web page (browsers send it with every POST) but from a native app, a server or curl.
`authorize` decides whether it gets a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from openai_realtime.errors import ConfigurationError
from openai_realtime.mint.errors import ORIGIN, EndpointError, method_not_allowed

if TYPE_CHECKING:
    from starlette.datastructures import Headers

# Browsers write the hosts of http and https in lower case. An app's own scheme, such as
# safari-web-extension, keeps the case of what follows it.
_WEB_HOST = re.compile(r"[a-z0-9._-]+|\[[0-9a-f:.]+\]", re.ASCII)
_APP_HOST = re.compile(r"[A-Za-z0-9._~-]+", re.ASCII)
_ORIGIN = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>[^/?#@:\[\]]+|\[[^/?#@\]]+\])(?::(?P<port>[0-9]{1,5}))?",
    re.ASCII,
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_PORT = 65535
# The origin of a page at such a URL is "null", or that of the page that opened it.
_NOT_ORIGINS = frozenset({"about", "blob", "data", "file", "javascript", "ws", "wss"})
_PREFLIGHT_SECONDS = "600"
EXPOSED: Final = "Retry-After, X-Request-Id"
"""The headers of a response that allowed pages can read."""


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

    def response_headers(self, headers: Headers, exposed: str = EXPOSED) -> dict[str, str]:
        """Return the headers of every response; only allowed pages can read a response.

        `exposed` lists the headers that they can read.
        """
        origins = headers.getlist("origin")
        response = {"Vary": "Origin"}
        if len(origins) == 1 and origins[0] in self.allowed:
            response["Access-Control-Allow-Origin"] = origins[0]
            response["Access-Control-Expose-Headers"] = exposed
            if self.credentials:
                response["Access-Control-Allow-Credentials"] = "true"
        return response

    def preflight_headers(self, headers: Headers, method: str = "POST") -> dict[str, str]:
        """Return the additional headers of a preflight's response.

        Raises `EndpointError` when the page or the method is not allowed.

        The headers are always the same: they allow `method`, with JSON and a token.
        """
        self.check(headers)
        if headers.get("origin") is None or headers.get("access-control-request-method") != method:
            raise method_not_allowed(method)
        return {
            "Access-Control-Allow-Methods": method,
            "Access-Control-Allow-Headers": "Authorization, Content-Type",
            "Access-Control-Max-Age": _PREFLIGHT_SECONDS,
        }


def _check(origin: object) -> None:
    rule = _broken_rule(origin)
    if rule is not None:
        message = f"origins: {origin!r} is unusable: it must {rule}"
        raise ConfigurationError(message)


def _broken_rule(origin: object) -> str | None:
    if not isinstance(origin, str):
        return "be text"
    if "*" in origin or origin == "null":
        return "be one origin, because this would allow every page: list each origin"
    parts = _ORIGIN.fullmatch(origin)
    is_web = parts is not None and parts["scheme"] in _DEFAULT_PORTS
    host = _WEB_HOST if is_web else _APP_HOST
    if parts is None or not host.fullmatch(parts["host"]):
        return (
            "be written like https://app.example, http://localhost:3000 or "
            "capacitor://localhost, in lower case, without a path or a slash at its end"
        )
    if parts["scheme"] in _NOT_ORIGINS:
        return f"begin with another scheme, because no browser sends {parts['scheme']}:"
    return _broken_port_rule(parts["scheme"], parts["port"])


def _broken_port_rule(scheme: str, port: str | None) -> str | None:
    if port is None:
        return None
    if port.startswith("0") or int(port) > _MAX_PORT:
        return f"have a port from 1 to {_MAX_PORT}"
    if int(port) == _DEFAULT_PORTS.get(scheme):
        return "have no port here, because browsers leave the default port out"
    return None
