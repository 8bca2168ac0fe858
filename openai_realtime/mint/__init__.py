"""A mint service: client secrets for browsers and phones, or calls that it ends (extra `mint`).

    from openai_realtime import RealtimeSessionsClient
    from openai_realtime.mint import mint_app

    app = mint_app(
        RealtimeSessionsClient(),
        session={"model": "gpt-realtime-2.1", "voice": "verse"},
        authorize=signed_in_user,  # Request -> the principal, or None
        origins=["https://app.example"],
        max_duration=900,  # with it, the service begins calls too, and ends them
    )

`ServiceOptions` documents each option.
"""

from typing import TYPE_CHECKING

from openai_realtime.lazy_imports import lazy_names, missing_package

try:
    from openai_realtime.client_source import ClientOrFactory
    from openai_realtime.mint.app import CallEndpoint, call_endpoint, mint_app, mint_endpoint
    from openai_realtime.mint.authorization import Authorize, Refused
    from openai_realtime.mint.broker.calls import Calls
    from openai_realtime.mint.broker.events import CallEvent, OnCall, RunningCall
    from openai_realtime.mint.broker.registry import RegistryUnavailableError
    from openai_realtime.mint.endpoint import MintEndpoint
    from openai_realtime.mint.options import (
        CallOptions,
        EndpointOptions,
        MintOptions,
        ServiceOptions,
    )
    from openai_realtime.mint.secret_issuer import PooledResponse, SecretSource
    from openai_realtime.mint.wsgi import wsgi_endpoint
    from openai_realtime.on_sideband import OnSideband, ThreadSideband
except ModuleNotFoundError as _error:
    raise missing_package(
        _error, __name__, {"prometheus_client", "starlette"}, extra="mint"
    ) from None

if TYPE_CHECKING:
    from openai_realtime.mint.django_view import django_view
else:  # pragma: no branch
    __getattr__ = lazy_names(__name__, {"mint.django_view": ("django_view",)})

__all__ = [
    "Authorize",
    "CallEndpoint",
    "CallEvent",
    "CallOptions",
    "Calls",
    "ClientOrFactory",
    "EndpointOptions",
    "MintEndpoint",
    "MintOptions",
    "OnCall",
    "OnSideband",
    "PooledResponse",
    "Refused",
    "RegistryUnavailableError",
    "RunningCall",
    "SecretSource",
    "ServiceOptions",
    "ThreadSideband",
    "call_endpoint",
    "django_view",
    "mint_app",
    "mint_endpoint",
    "wsgi_endpoint",
]
