"""A mint service: the endpoint from which browsers and phones get a client secret (extra `mint`).

from openai_realtime import RealtimeSessionsClient
from openai_realtime.mint import mint_app

app = mint_app(
    RealtimeSessionsClient(),
    session={"model": "gpt-realtime-2.1", "voice": "verse"},
    authorize=signed_in_user,  # Request -> the principal, or None
    origins=["https://app.example"],
)
"""

from openai_realtime.lazy_imports import missing_package

try:
    from openai_realtime.mint.app import mint_app, mint_endpoint
    from openai_realtime.mint.authorization import Authorize, Refused
    from openai_realtime.mint.client_source import ClientOrFactory
    from openai_realtime.mint.endpoint import MintEndpoint
    from openai_realtime.mint.options import MintOptions, ServiceOptions
    from openai_realtime.mint.secret_issuer import PooledResponse, SecretSource
except ModuleNotFoundError as _error:
    raise missing_package(
        _error, __name__, {"prometheus_client", "starlette"}, "'openai-realtime[mint]'"
    ) from None

__all__ = [
    "Authorize",
    "ClientOrFactory",
    "MintEndpoint",
    "MintOptions",
    "PooledResponse",
    "Refused",
    "SecretSource",
    "ServiceOptions",
    "mint_app",
    "mint_endpoint",
]
