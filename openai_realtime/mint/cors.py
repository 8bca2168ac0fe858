"""Which web pages may ask: an exact list of origins, and the CORS headers that follow from it.

Owns: the `Origin` header and every `Access-Control-*` one. Must not know: principals, bodies.

An origin is compared as a whole, character by character: no wildcard, no suffix, no "null". A
request without one is no page's (browsers send it with every POST), but a native app's, a
server's or curl's; whether it gets a secret is `authorize`'s business.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from openai_realtime.errors import ConfigurationError
from openai_realtime.mint.endpoint_errors import METHOD, ORIGIN, EndpointError

if TYPE_CHECKING:
    from starlette.datastructures import Headers

_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", re.ASCII)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_PREFLIGHT_SECONDS = "600"


@dataclass(frozen=True, slots=True)
class Origins:
    """The origins that may ask."""

    allowed: frozenset[str]
    credentials: bool = False
    """Whether pages of other origins may send cookies along."""

    @classmethod
    def of(cls, origins: Iterable[str], *, credentials: bool) -> Origins:
        """Return the checked list; raises `ConfigurationError` on what no browser would send."""
        if isinstance(origins, str):
            message = "origins is a list of texts, such as ['https://app.example']"
            raise ConfigurationError(message)
        allowed = frozenset(origins)
        for origin in allowed:
            _check(origin)
        return cls(allowed, credentials)

    def check(self, headers: Headers) -> None:
        """Raise `EndpointError` when a page asks that is not on the list."""
        given = headers.getlist("origin")
        if given and (len(given) > 1 or given[0] not in self.allowed):
            raise EndpointError(ORIGIN)

    def answer_headers(self, headers: Headers) -> dict[str, str]:
        """Return what every answer carries; pages that are not on the list can read none of it."""
        given = headers.getlist("origin")
        answer = {"Vary": "Origin"}
        if len(given) == 1 and given[0] in self.allowed:
            answer["Access-Control-Allow-Origin"] = given[0]
            answer["Access-Control-Expose-Headers"] = "Retry-After, X-Request-Id"
            if self.credentials:
                answer["Access-Control-Allow-Credentials"] = "true"
        return answer

    def preflight_headers(self, headers: Headers) -> dict[str, str]:
        """Return what a preflight's answer carries besides; raises `EndpointError`.

        The answer does not depend on what is asked for: POST, with JSON and a token of the app's.
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
        problem = "every page could ask; name each origin"
    elif not _ORIGIN.fullmatch(origin):
        problem = "it is written like https://app.example or http://localhost:3000, in lower case, with nothing after it"
    else:
        parts = urlsplit(origin)
        if parts.port is not None and parts.port == _DEFAULT_PORTS[parts.scheme]:
            problem = "browsers leave the default port out"
    if problem is not None:
        message = f"origins: {origin!r} is unusable: {problem}"
        raise ConfigurationError(message)
