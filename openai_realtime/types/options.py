"""The options of every call, in addition to its parameters."""

from collections.abc import Mapping

from typing_extensions import TypedDict  # pydantic needs this one below Python 3.12

from openai_realtime.core.deadline import Timeout


class RequestOptions(TypedDict, total=False):
    """Options of one call. Every `…Params` TypedDict inherits them."""

    timeout: float | Timeout
    """Seconds for the whole call, or a `Timeout`. Default: the client's."""
    safety_identifier: str
    """A stable, pseudonymous id of the person who will speak (a hash, never an e-mail address), at
    most 64 visible ASCII characters; sent as the `OpenAI-Safety-Identifier` header."""
    strict: bool
    """Whether a parameter that the server's dialect does not have raises `ParameterError`. Default:
    the client's setting, see `ClientOptions.strict`."""
    extra_headers: Mapping[str, str]
    """Additional request headers. `Authorization`, `Host` and framing headers are errors."""
    extra_query: Mapping[str, str]
    """Additional query parameters of the URL."""
    extra_body: Mapping[str, object]
    """Members that are merged into the request's JSON, nested objects included. Use it for fields
    that this version does not know."""
