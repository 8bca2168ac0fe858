"""Mint ephemeral client secrets for OpenAI Realtime voice sessions.

    from openai_realtime import RealtimeSessionsClient

    async with RealtimeSessionsClient() as client:  # OPENAI_API_KEY
        session = await client.sessions.create(model="gpt-realtime-2.1", voice="verse")
        session.client_secret.value  # give this to the browser

Each public name is imported when it is first used, so that `import openai_realtime` is fast.
The types of parameters and responses are in `openai_realtime.types`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openai_realtime._version import __version__
from openai_realtime.lazy_imports import lazy_names

if TYPE_CHECKING:
    from openai_realtime.client import RealtimeSessionsClient, SyncRealtimeSessionsClient
    from openai_realtime.configuration import (
        AsyncClientOptions,
        ClientOptions,
        SyncClientOptions,
    )
    from openai_realtime.core.deadline import Timeout
    from openai_realtime.core.meta import RateLimits, ResponseMeta
    from openai_realtime.core.retry import RetryPolicy
    from openai_realtime.errors import (
        APIConnectionError,
        APIError,
        APIResponseValidationError,
        APIStatusError,
        APITimeoutError,
        AuthenticationError,
        BadRequestError,
        CertificateError,
        ClientClosedError,
        ConfigurationError,
        ConflictError,
        DroppedParameterWarning,
        InternalServerError,
        NotFoundError,
        ParameterError,
        PermissionDeniedError,
        RateLimitError,
        RealtimeError,
        RedirectError,
        RetiringWarning,
        ToolError,
        UnprocessableEntityError,
        WebhookInProgressError,
        WebhookReplayedError,
        WebhookVerificationError,
    )
    from openai_realtime.identity import WorkloadIdentity, workload_identity
    from openai_realtime.providers import AuthScheme, Provider
    from openai_realtime.secrets import EphemeralKey
    from openai_realtime.subject_tokens import (
        AzureManagedIdentity,
        GcpMetadata,
        SubjectTokenFile,
        SubjectTokenSource,
    )
    from openai_realtime.types.call import RealtimeCall
    from openai_realtime.types.client_secret import ClientSecret
    from openai_realtime.types.nested_session import (
        ClientSecretCreateParams,
        ClientSecretCreateResponse,
    )
    from openai_realtime.types.session import (
        RealtimeSessionCreateResponse,
        RealtimeTranscriptionSessionCreateResponse,
        SessionCreateParams,
        TranscriptionSessionCreateParams,
    )
    from openai_realtime.types.tools import FunctionTool
    from openai_realtime.types.translation import (
        TranslationClientSecretCreateParams,
        TranslationClientSecretCreateResponse,
    )
    from openai_realtime.types.webhook import RealtimeCallIncoming, WebhookEvent
    from openai_realtime.webhooks.verifier import WebhookVerifier

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIResponseValidationError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncClientOptions",
    "AuthScheme",
    "AuthenticationError",
    "AzureManagedIdentity",
    "BadRequestError",
    "CertificateError",
    "ClientClosedError",
    "ClientOptions",
    "ClientSecret",
    "ClientSecretCreateParams",
    "ClientSecretCreateResponse",
    "ConfigurationError",
    "ConflictError",
    "DroppedParameterWarning",
    "EphemeralKey",
    "FunctionTool",
    "GcpMetadata",
    "InternalServerError",
    "NotFoundError",
    "ParameterError",
    "PermissionDeniedError",
    "Provider",
    "RateLimitError",
    "RateLimits",
    "RealtimeCall",
    "RealtimeCallIncoming",
    "RealtimeError",
    "RealtimeSessionCreateResponse",
    "RealtimeSessionsClient",
    "RealtimeTranscriptionSessionCreateResponse",
    "RedirectError",
    "ResponseMeta",
    "RetiringWarning",
    "RetryPolicy",
    "SessionCreateParams",
    "SubjectTokenFile",
    "SubjectTokenSource",
    "SyncClientOptions",
    "SyncRealtimeSessionsClient",
    "Timeout",
    "ToolError",
    "TranscriptionSessionCreateParams",
    "TranslationClientSecretCreateParams",
    "TranslationClientSecretCreateResponse",
    "UnprocessableEntityError",
    "WebhookEvent",
    "WebhookInProgressError",
    "WebhookReplayedError",
    "WebhookVerificationError",
    "WebhookVerifier",
    "WorkloadIdentity",
    "__version__",
    "workload_identity",
]


def _hint_of(name: str) -> str:
    from openai_realtime.official_names import PACKAGE, official_hint  # noqa: PLC0415 - for errors

    return official_hint(PACKAGE, name)


# Hidden from type checkers: with it, they would accept every misspelt name.
if not TYPE_CHECKING:  # pragma: no branch
    _MODULES = {
        "client": ("RealtimeSessionsClient", "SyncRealtimeSessionsClient"),
        "configuration": ("AsyncClientOptions", "ClientOptions", "SyncClientOptions"),
        "core.deadline": ("Timeout",),
        "core.meta": ("RateLimits", "ResponseMeta"),
        "core.retry": ("RetryPolicy",),
        "identity": ("WorkloadIdentity", "workload_identity"),
        "subject_tokens": (
            "AzureManagedIdentity",
            "GcpMetadata",
            "SubjectTokenFile",
            "SubjectTokenSource",
        ),
        "secrets": ("EphemeralKey",),
        "providers": ("AuthScheme", "Provider"),
        "types.call": ("RealtimeCall",),
        "types.client_secret": ("ClientSecret",),
        "types.nested_session": ("ClientSecretCreateParams", "ClientSecretCreateResponse"),
        "types.session": (
            "RealtimeSessionCreateResponse",
            "RealtimeTranscriptionSessionCreateResponse",
            "SessionCreateParams",
            "TranscriptionSessionCreateParams",
        ),
        "types.tools": ("FunctionTool",),
        "types.translation": (
            "TranslationClientSecretCreateParams",
            "TranslationClientSecretCreateResponse",
        ),
        "types.webhook": ("RealtimeCallIncoming", "WebhookEvent"),
        "webhooks.verifier": ("WebhookVerifier",),
    }
    _OTHERS = {name for names in _MODULES.values() for name in names} | {"__version__"}
    __getattr__ = lazy_names(__name__, {**_MODULES, "errors": set(__all__) - _OTHERS}, _hint_of)


def __dir__() -> list[str]:
    return __all__
