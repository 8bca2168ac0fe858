"""Splits a method's keyword arguments into parameters and options, and makes the request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import parse_qsl, urlencode

from openai_realtime.core.wire import Request
from openai_realtime.errors import ConfigurationError, ParameterError
from openai_realtime.types.base import RequestOptions

if TYPE_CHECKING:
    from openai_realtime.configuration import Configuration
    from openai_realtime.core.deadline import Timeout
    from openai_realtime.core.wire import Header

_OPTIONS = frozenset(RequestOptions.__annotations__)

# Only the client sets these: another value would change the destination or the framing.
_RESERVED_HEADERS = frozenset(
    {
        "accept-encoding",
        "api-key",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", re.ASCII)  # a token, RFC 9110 §5.6.2
_HEADER_VALUE = re.compile(r"[!-~]+(?:[ \t]+[!-~]+)*|", re.ASCII)
_MAX_SAFETY_IDENTIFIER = 64


class CallArguments(NamedTuple):
    """The keyword arguments of one call, split into parameters and options."""

    configuration: Configuration
    parameters: Mapping[str, object]
    options: RequestOptions

    @classmethod
    def split(cls, configuration: Configuration, params: Mapping[str, object]) -> CallArguments:
        """Split a method's keyword arguments; options that are None are left out."""
        if _OPTIONS.isdisjoint(params):
            return cls(configuration, params, {})
        return cls(
            configuration,
            {name: params[name] for name in params if name not in _OPTIONS},
            cast(
                "RequestOptions",
                {name: params[name] for name in _OPTIONS if params.get(name) is not None},
            ),
        )

    @property
    def extra_body(self) -> object:
        """The object that is merged into the JSON body, or None."""
        return self.options.get("extra_body")

    @property
    def is_strict(self) -> bool:
        """Whether a parameter that the server's dialect does not have is an error."""
        return bool(self.options.get("strict", self.configuration.strict))

    @property
    def timeout(self) -> Timeout:
        """The call's time limits; raises `ParameterError` when they are unusable."""
        if "timeout" not in self.options:
            return self.configuration.timeout
        try:
            return self.configuration.timeout.with_total(self.options["timeout"])
        except ConfigurationError as error:
            raise ParameterError(str(error), param="timeout") from None

    def get(self, url: str) -> Request:
        """Return a GET request; raises `ParameterError` when an option is wrong."""
        return self._request("GET", url, b"", None, b"application/json")

    def post(
        self,
        url: str,
        body: bytes,
        content_type: bytes | None,
        accept: bytes = b"application/json",
    ) -> Request:
        """Return a POST request with `body`; raises `ParameterError` when an option is wrong."""
        return self._request("POST", url, body, content_type, accept)

    def _request(
        self, method: str, url: str, body: bytes, content_type: bytes | None, accept: bytes
    ) -> Request:
        framing: tuple[Header, ...] = ((b"Accept", accept),)
        if content_type is not None:
            framing = (*framing, (b"Content-Type", content_type))
        headers = self.configuration.headers + framing
        if self.options:
            headers = self._with_extra(headers)
            url = _with_query(url, self.options.get("extra_query"))
        loopback_only = self.configuration.provider.loopback_only
        return Request(method, url, headers, body, loopback_only=loopback_only)

    def _with_extra(self, client_headers: tuple[Header, ...]) -> tuple[Header, ...]:
        scheme = self.configuration.provider.auth
        reserved = _RESERVED_HEADERS | ({scheme.header.lower()} if scheme else set[str]())
        # The caller's header replaces the client's header of the same name.
        headers = {name.lower(): (name, value) for name, value in client_headers}
        for name, value in _extra_headers({**self.options}, reserved):
            headers[name.lower()] = (name, value)
        return tuple(headers.values())


def _with_query(url: str, extra_query: object) -> str:
    if extra_query is None:
        return url
    query = ""
    if isinstance(extra_query, Mapping):
        extra = cast("Mapping[object, object]", extra_query)
        if all(isinstance(text, str) for pair in extra.items() for text in pair):
            with suppress(UnicodeEncodeError):
                query = urlencode(cast("Mapping[str, str]", extra))
    if extra_query and not query:
        message = "extra_query must be a mapping of names to texts"
        raise ParameterError(message, param="extra_query")
    path, _, own = url.partition("?")
    pairs = [pair for pair in parse_qsl(own) if pair[0] not in cast("dict[str, str]", extra_query)]
    return "?".join(filter(None, [path, "&".join(filter(None, [urlencode(pairs), query]))]))


def _extra_headers(options: Mapping[str, object], reserved: frozenset[str]) -> tuple[Header, ...]:
    headers: list[Header] = []
    extra = options.get("extra_headers", {})
    if not isinstance(extra, Mapping):
        message = "extra_headers must be a mapping of header names to values"
        raise ParameterError(message, param="extra_headers")
    for name, value in cast("Mapping[object, object]", extra).items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            message = "extra_headers: a header's name is not valid"
            raise ParameterError(message, param="extra_headers")
        if name.lower() in reserved:
            message = f"extra_headers: {name} is set by the client and cannot be replaced"
            raise ParameterError(message, param="extra_headers")
        headers.append((name.encode("ascii"), _header_value(f"extra_headers: {name}", value)))
    if "safety_identifier" in options:
        identifier = _header_value("safety_identifier", options["safety_identifier"])
        if not 0 < len(identifier) <= _MAX_SAFETY_IDENTIFIER:
            message = "safety_identifier must be 1 to 64 characters"
            raise ParameterError(message, param="safety_identifier")
        headers.append((b"OpenAI-Safety-Identifier", identifier))
    return tuple(headers)


def _header_value(what: str, value: object) -> bytes:
    if isinstance(value, str) and _HEADER_VALUE.fullmatch(value):
        return value.encode("ascii")
    message = f"{what} must be visible ASCII text, without line breaks or spaces at its ends"
    raise ParameterError(message, param=what.partition(":")[0])
