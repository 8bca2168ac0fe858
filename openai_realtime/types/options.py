"""The options that every call takes beside its parameters."""

from collections.abc import Mapping

from typing_extensions import TypedDict  # pydantic needs this one below Python 3.12

from openai_realtime.core.deadline import Timeout


class RequestOptions(TypedDict, total=False):
    """Per-call options, inherited by every params dict. None of them is a parameter of the session."""

    timeout: float | Timeout
    """Seconds for this call in all, or a `Timeout`. Default: the client's."""
    safety_identifier: str
    """A stable, pseudonymous id of the person who will speak (a hash, never an e-mail address), at
    most 64 visible ASCII characters; sent as the `OpenAI-Safety-Identifier` header."""
    strict: bool
    """Whether a parameter that the server's dialect cannot carry is an error. Default: the client's,
    where it is dropped, named in `meta.dropped`, and warned of once."""
    extra_headers: Mapping[str, str]
    """More request headers. `Authorization`, `Host` and framing headers are refused."""
    extra_query: Mapping[str, str]
    """More query parameters for the URL."""
    extra_body: Mapping[str, object]
    """Members merged over the request's JSON, objects member by member: the way to fields that
    this version does not know."""
