"""Splits a method's keyword arguments into parameters and options, and makes the request."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple, cast
from urllib.parse import parse_qsl, urlencode

from openai_realtime.core.exchange import NO_HINTS
from openai_realtime.core.request_additions import (
    VALUE_RULE,
    Additions,
    checked_headers,
    checked_query,
    encoded_headers,
    is_header_value,
)
from openai_realtime.core.retirements import RetirementNotices, find_retirements
from openai_realtime.core.wire import Request
from openai_realtime.errors import (
    NOT_GIVEN_MESSAGE,
    ConfigurationError,
    ParameterError,
    RetiringWarning,
    not_given_in,
    wrapper_hint,
)
from openai_realtime.resources.parameters import encode_json
from openai_realtime.transports.exceptions import THIS_PACKAGE
from openai_realtime.types.base import RequestOptions

if TYPE_CHECKING:
    from openai_realtime.configuration import Configuration
    from openai_realtime.core.deadline import Timeout
    from openai_realtime.core.wire import Header
    from openai_realtime.dialects import JsonObject

_OPTIONS = frozenset(RequestOptions.__annotations__)

_MAX_IDLE_SECONDS = 1.0
_MAX_SAFETY_IDENTIFIER = 64
_SAFETY_IDENTIFIER = b"OpenAI-Safety-Identifier"
NOTICES: Final = RetirementNotices(lambda: datetime.now(UTC).date())


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
        options = {name: params[name] for name in _OPTIONS if params.get(name) is not None}
        if (name := not_given_in(options)) is not None:
            message = f"{name} {NOT_GIVEN_MESSAGE}"
            raise ParameterError(message, param=name)
        parameters = {name: params[name] for name in params if name not in _OPTIONS}
        return cls(configuration, parameters, cast("RequestOptions", options))

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
        with _errors_name("timeout"):
            return self.configuration.timeout.with_total(self.options["timeout"])

    def get(self, url: str) -> Request:
        """Return a GET request; raises `ParameterError` when an option is wrong.

        No option replaces what the query of `url` says: it may name a call.
        """
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

    def post_parameters(self, url: str, parameters: JsonObject) -> Request:
        """Return a POST request with `parameters` as JSON, or without a body if there are none."""
        if not parameters:
            return self.post(url, b"", None)
        return self.post(url, encode_json(parameters), b"application/json")

    def _request(
        self, method: str, url: str, body: bytes, content_type: bytes | None, accept: bytes
    ) -> Request:
        framing: tuple[Header, ...] = ((b"Accept", accept),)
        if content_type is not None:
            framing = (*framing, (b"Content-Type", content_type))
        headers, query = self.configuration.headers + framing, self.configuration.query
        extra_query: Additions = {}
        if self.options:
            headers = self._with_extra(headers)
            with _errors_name("extra_query"):
                extra_query = checked_query("extra_query", self.options.get("extra_query", {}))
        if query or extra_query:
            url = _with_query(url, query, extra_query, keeps_own=method == "GET")
        loopback_only = self.configuration.provider.loopback_only
        return Request(method, url, headers, body, loopback_only=loopback_only)

    def retired_hints(
        self, body: JsonObject, flat_endpoint: str | None = None
    ) -> Mapping[int | str, str]:
        """Warn once of each name in `body` that OpenAI shuts down soon, or has shut down.

        `flat_endpoint` is the endpoint of a request that is sent in the flat shape only. Returns
        hints for errors, by status or code: what replaces the names that are already shut down. Only
        requests to OpenAI itself are checked, because other servers have names of their own.
        """
        provider = self.configuration.provider
        if not provider.is_openai:
            return NO_HINTS
        flat_path = "" if flat_endpoint is None else provider.paths[flat_endpoint]
        if not (named := find_retirements(body, flat_path)):
            return NO_HINTS
        messages, hints = NOTICES.check(named)
        for message in messages:
            warnings.warn(message, RetiringWarning, stacklevel=level_of_caller())
        return hints

    def _with_extra(self, client_headers: tuple[Header, ...]) -> tuple[Header, ...]:
        """Return the headers with the call's own, which replace those of the same name."""
        headers: dict[bytes, Header | None] = {
            name.lower(): (name, value) for name, value in client_headers
        }
        with _errors_name("extra_headers"):
            extra = checked_headers(
                "extra_headers",
                self.options.get("extra_headers", {}),
                self.configuration.provider.key_header,
            )
        headers.update(encoded_headers(extra))
        if "safety_identifier" in self.options:
            identifier = safety_identifier(self.options["safety_identifier"]).encode("ascii")
            headers[_SAFETY_IDENTIFIER.lower()] = (_SAFETY_IDENTIFIER, identifier)
        return tuple(header for header in headers.values() if header is not None)


@contextmanager
def _errors_name(parameter: str) -> Generator[None]:
    """Turn a `ConfigurationError` into a `ParameterError` for `parameter`."""
    try:
        yield
    except ConfigurationError as error:
        raise ParameterError(str(error), param=parameter) from None


def level_of_caller() -> int:
    """Return the `stacklevel` at which a warning points to the first line outside this package."""
    level, frame = 0, inspect.currentframe()
    while frame is not None and frame.f_code.co_filename.startswith(THIS_PACKAGE):
        level, frame = level + 1, frame.f_back
    return level


def _with_query(url: str, query: Additions, extra_query: Additions, *, keeps_own: bool) -> str:
    """Return the URL with the client's query, its own, and the call's: the last of a name counts."""
    path, _, text = url.partition("?")
    own = dict(parse_qsl(text, keep_blank_values=True))
    merged = {**own, **query, **own, **extra_query, **(own if keeps_own else {})}
    encoded = urlencode({name: value for name, value in merged.items() if value is not None})
    return f"{path}?{encoded}" if encoded else path


def require_fresh_connection(request: Request) -> Request:
    """Return the request for a connection that was used less than a second ago.

    A server may have closed an older one: that is for requests that cannot be sent twice.
    """
    return replace(request, max_idle=_MAX_IDLE_SECONDS)


def safety_identifier(identifier: object) -> str:
    """Return a checked safety identifier; raises `ParameterError`."""
    problem = VALUE_RULE
    if isinstance(identifier, str) and is_header_value(identifier):
        if 0 < len(identifier) <= _MAX_SAFETY_IDENTIFIER:
            return identifier
        problem = "must be 1 to 64 characters"
    message = f"safety_identifier {problem}{wrapper_hint(identifier)}"
    raise ParameterError(message, param="safety_identifier")
