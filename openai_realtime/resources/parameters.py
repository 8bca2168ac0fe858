"""From keyword arguments to a request: checked, encoded, or refused before a byte is sent.

Owns: the split between options and parameters, and how a wrong one is told. Must not know: any
endpoint's parameters, nor answers.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_type_hints
from urllib.parse import urlencode

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, PydanticSerializationError, to_json

from openai_realtime.core.deadline import Timeout
from openai_realtime.core.wire import Call, Request
from openai_realtime.errors import ConfigurationError, ParameterError
from openai_realtime.types.options import RequestOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from openai_realtime.configuration import Configuration
    from openai_realtime.core.meta import ResponseMeta
    from openai_realtime.core.wire import Header, Response

T = TypeVar("T")

_OPTIONS = frozenset(RequestOptions.__annotations__)

# Set by the client or the engine alone: another value would change who is asked, or the framing.
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

# pydantic puts the names of union members into an error's path; these are no field names.
_UNION_MEMBER = re.compile(r"[A-Z]\w*|.*[\[(-].*|str|int|float|bool|dict|none", re.DOTALL)


_MEMBERS: TypeAdapter[dict[str, object]] = TypeAdapter(dict[str, object])


class Parameters:
    """The parameters of one endpoint: their TypedDict, whose validator is built on first use."""

    def __init__(self, typed_dict: type) -> None:
        self._typed_dict = typed_dict

    @cached_property
    def _adapter(self) -> TypeAdapter[dict[str, object]]:
        return TypeAdapter(cast("type[dict[str, object]]", self._typed_dict))

    def encode(self, parameters: Mapping[str, object], extra_body: object = None) -> bytes:
        """Return `parameters` as JSON, `extra_body` merged over them; raises `ParameterError`."""
        checked = self._checked(parameters)
        if extra_body is None:
            return self._adapter.dump_json(checked)
        try:
            members = _MEMBERS.validate_python(extra_body)
            return to_json(merge_json(self._adapter.dump_python(checked, mode="json"), members))
        except (ValidationError, PydanticSerializationError):
            pass
        message = "extra_body must be a mapping of names to JSON values"
        raise ParameterError(message, param="extra_body")

    def _checked(self, parameters: Mapping[str, object]) -> dict[str, object]:
        try:
            return self._adapter.validate_python(parameters)
        except ValidationError as error:
            problems = error.errors(include_url=False)
        # Raised out here: the validation error's input is the caller's data, kept out of the chain.
        raise _parameter_error(problems, get_type_hints(self._typed_dict))


def build_call(  # noqa: PLR0913, PLR0917 - an endpoint in one line
    configuration: Configuration,
    operation: str,
    path: str,
    params: Mapping[str, Any],
    parameters: Parameters,
    parse: Callable[[Response, ResponseMeta], T],
) -> Call[T]:
    """Return the call that posts `params` to `path`; raises `ParameterError` on a wrong one."""
    options = cast("RequestOptions", {n: params[n] for n in _OPTIONS & params.keys()})
    body = {name: params[name] for name in params if name not in _OPTIONS}
    return Call(
        operation=operation,
        request=Request(
            method="POST",
            url=_url(configuration.provider.url(path), options.get("extra_query")),
            headers=configuration.headers + _extra_headers({**options}),
            body=parameters.encode(body, options.get("extra_body")),
        ),
        parse=parse,
        timeout=_timeout(configuration, options),
    )


def merge_json(value: object, extra: object) -> object:
    """Return `extra` laid over `value`: objects are merged member by member, all else replaced."""
    if not isinstance(value, Mapping) or not isinstance(extra, Mapping):
        return extra
    merged: dict[object, object] = {**value}
    for name, member in cast("Mapping[object, object]", extra).items():
        merged[name] = merge_json(merged[name], member) if name in merged else member
    return merged


def _timeout(configuration: Configuration, options: RequestOptions) -> Timeout:
    if "timeout" not in options:
        return configuration.timeout
    try:
        return configuration.timeout.overridden(options["timeout"])
    except ConfigurationError as error:
        raise ParameterError(str(error), param="timeout") from None


def _url(url: str, extra_query: Mapping[str, str] | None) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(extra_query)}" if extra_query else url


def _extra_headers(options: Mapping[str, object]) -> tuple[Header, ...]:
    headers: list[Header] = []
    extra = options.get("extra_headers", {})
    if not isinstance(extra, Mapping):
        message = "extra_headers must be a mapping of header names to values"
        raise ParameterError(message, param="extra_headers")
    for name, value in cast("Mapping[object, object]", extra).items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            message = "extra_headers: a header's name is not valid"
            raise ParameterError(message, param="extra_headers")
        if name.lower() in _RESERVED_HEADERS:
            message = f"extra_headers: {name} is set by the client and cannot be overridden"
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


def _parameter_error(problems: list[ErrorDetails], known: Mapping[str, object]) -> ParameterError:
    """Return one error that tells every problem once, each by its field."""
    fields: dict[object, list[tuple[tuple[str, ...], str]]] = {}
    for problem in problems:
        path = _path(problem)
        fields.setdefault(path[0] if path else "", []).append((path, _told(problem, known)))
    sentences: dict[str, list[str]] = {}
    for tried in fields.values():
        # Where a value could have been several things, the one that got deepest was meant.
        deepest = max(len(path) for path, _ in tried)
        for path, text in tried:
            if len(path) == deepest and text not in sentences.setdefault(".".join(path), []):
                sentences[".".join(path)].append(text)
    text = "; ".join(f"{path} {', or '.join(told)}" for path, told in sentences.items())
    return ParameterError(text, param=next(iter(sentences)))


def _path(problem: ErrorDetails) -> tuple[str, ...]:
    location = problem["loc"]
    named = problem["type"] in {"extra_forbidden", "missing"}
    return tuple(
        str(step)
        for index, step in enumerate(location)
        if isinstance(step, int)
        or not _UNION_MEMBER.fullmatch(step)
        or (named and index == len(location) - 1)
    )


def _told(problem: ErrorDetails, known: Mapping[str, object]) -> str:
    if problem["type"] == "extra_forbidden":
        meant = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
        guess = f": did you mean {meant[0]}?" if meant and len(problem["loc"]) == 1 else ""
        return f"is not a known parameter{guess} (extra_body sends what the SDK does not know)"
    if problem["type"] == "missing":
        return "is required"
    if problem["input"] is None:
        return "cannot be None: leave it out for the server's default"
    return problem["msg"].replace("Input should be", "must be")
