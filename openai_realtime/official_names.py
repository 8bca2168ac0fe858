"""What the names of the official SDK (`openai`) are called here, for errors about unknown names.

Rule for this file: a hint changes the text of an error and nothing else, so that `hasattr`, `dir`,
`copy` and `pickle` see no such attribute.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Final


def _same(names: str, hint: str) -> dict[str, str]:
    """Return the same hint for each of `names`, which spaces separate."""
    return dict.fromkeys(names.split(), hint)


_META = "each response has its status, headers, request id and attempts in .meta"
_OPENAI_ONLY = "this package has the Realtime sessions API only: use the openai package for it"
_NO_CONNECTION = (
    "this package opens no voice connection: the browser or phone does, with the client secret"
)
_WEBHOOKS = "use openai_realtime.WebhookVerifier(secret).verify(body, headers)"
_AZURE = "pass provider=azure(endpoint) of openai_realtime.providers"
_SETTING = "settings are not attributes: with_options(…) returns a client with other ones"
_MERGES = "with_options() merges them, and None as a value removes one"

_RESOURCES: Final = {
    **_same("with_raw_response with_streaming_response", f"call create directly, {_META}"),
    **_same("connect", f"{_NO_CONNECTION}; client.calls.connect(call_id) joins its call"),
    **_same("list delete", _OPENAI_ONLY),
}

SETTINGS: Final[Mapping[str, str]] = {
    **_same("azure_endpoint", _AZURE),
    **_same(
        "azure_deployment api_version",
        "Azure's GA API needs neither: pass provider=azure(endpoint) of openai_realtime.providers and "
        "the deployment as model; the preview API is azure_preview(endpoint, deployment, api_version)",
    ),
    **_same(
        "azure_ad_token azure_ad_token_provider",
        'pass it as api_key, with provider=azure(endpoint, auth="token") of openai_realtime.providers',
    ),
    **_same("admin_api_key", _OPENAI_ONLY),
    **_same("data_residency", "pass provider=openai(region=…) of openai_realtime.providers"),
    **_same("webhook_secret", _WEBHOOKS),
    **_same("websocket_base_url", _NO_CONNECTION),
    **_same("set_default_headers", f"pass default_headers=…: {_MERGES}"),
    **_same("set_default_query", f"pass default_query=…: {_MERGES}"),
    **_same("proxies", "pass proxy=…"),
    **_same("workload_identity", "pass api_key=workload_identity(…)"),
}
"""The settings of `OpenAI`, `AzureOpenAI` and their `with_options()`."""

CLIENT: Final[Mapping[str, str]] = {
    **_same(
        "realtime beta",
        "its parts are attributes of the client: sessions, transcription_sessions, client_secrets, "
        "translations and calls",
    ),
    **_same("copy", "use with_options(…)"),
    **_same("close", "use `await client.aclose()`"),
    **_same("webhooks", _WEBHOOKS),
    **_same(
        "api_key admin_api_key organization project timeout max_retries default_headers "
        "default_query webhook_secret workload_identity custom_query websocket_base_url",
        _SETTING,
    ),
    **_same(
        "auth_headers custom_auth user_agent platform_headers qs get_api_list",
        "the client makes these by itself; default_headers=… adds headers to every request",
    ),
    **_same(
        "get post put patch delete request audio batches chat completions containers "
        "content_provenance_checks conversations decisions embeddings evals files fine_tuning images "
        "moderations responses safety skills uploads vector_stores videos admin",
        _OPENAI_ONLY,
    ),
    **_RESOURCES,
}
"""The attributes of a client."""

RESOURCE: Final[Mapping[str, str]] = {
    **_same("forks fork download_recording", _OPENAI_ONLY),
    **_RESOURCES,
}
"""The attributes of a client's resource."""

RESPONSE: Final[Mapping[str, str]] = {
    **_same("_request_id request_id", "it is meta.request_id"),
    **_same("to_dict", "use model_dump()"),
    **_same("to_json", "use model_dump_json()"),
    **_same("http_response headers status_code http_request", _META),
}
"""The attributes of a response, or of a raw response."""

CALL: Final[Mapping[str, str]] = {
    **_same("text content read json aread parse", "the SDP answer is in .sdp"),
    **_same(
        "response headers http_response", "the call's id is in .id, and the headers are in .meta"
    ),
    **_same("_request_id request_id", "it is meta.request_id"),
}
"""The attributes of what `calls.create` returns."""

ERROR: Final[Mapping[str, str]] = {
    **_same("response", "the error itself has status_code, headers, request_id and body"),
    **_same("request", "the error itself has method and url"),
    **_same("http_status", "it is status_code"),
    **_same("json_body http_body", "it is body"),
    **_same("user_message", "it is message"),
}
"""The attributes of an exception."""

PACKAGE: Final[Mapping[str, str]] = {
    **_same("AsyncOpenAI AsyncClient", "it is RealtimeSessionsClient"),
    **_same("OpenAI Client", "it is SyncRealtimeSessionsClient"),
    **_same(
        "AzureOpenAI AsyncAzureOpenAI",
        "it is a client with provider=azure(endpoint) of openai_realtime.providers",
    ),
    **_same("OpenAIError", "it is RealtimeError"),
    **_same("InvalidWebhookSignatureError", "it is WebhookVerificationError"),
    **_same("NOT_GIVEN NotGiven not_given Omit omit", "leave the parameter out"),
    **_same(
        "DefaultHttpxClient DefaultAsyncHttpxClient DefaultHttpx2Client DefaultAsyncHttpx2Client "
        "DefaultAioHttpClient",
        "the client has its own connections; http_client= takes one of httpx's",
    ),
    **_same(
        "DEFAULT_TIMEOUT DEFAULT_MAX_RETRIES DEFAULT_CONNECTION_LIMITS",
        "Timeout() and RetryPolicy() have the defaults",
    ),
    **_same("VERSION", "it is __version__"),
    **_same("api_key api_type api_version base_url organization project", "pass it to a client"),
}
"""The names of the package `openai`."""


def official_hint(names: Mapping[str, str], name: str) -> str:
    """Return `: ` and what `name` is called here, or an empty text."""
    return f": {names[name]}" if name in names else ""


class OfficialNames:
    """A base class whose objects say, for an attribute of the official SDK's, what it is here."""

    __slots__ = ()

    _official_names: ClassVar[Mapping[str, str]] = {}

    # Hidden from type checkers: with it, they would accept every misspelt attribute.
    if not TYPE_CHECKING:  # pragma: no branch

        def __getattr__(self, name: str) -> object:
            # Python calls it when the attribute was not found. pydantic has another one, for the
            # fields that it does not know; `__getattribute__` raises the original error again.
            inherited = getattr(super(), "__getattr__", super().__getattribute__)
            try:
                return inherited(name)
            except AttributeError as error:
                if name not in self._official_names:
                    raise
                message = f"{error}{official_hint(self._official_names, name)}"
            raise AttributeError(message)
