"""A mint service: the endpoint from which browsers and phones get a client secret (extra `mint`).

from openai_realtime import RealtimeSessionsClient
from openai_realtime.mint import mint_app

app = mint_app(
    RealtimeSessionsClient(),
    session={"model": "gpt-realtime", "voice": "verse"},
    authorize=signed_in_user,  # Request -> the principal, or None
    origins=["https://app.example"],
)
"""

_EXTRA = frozenset({"prometheus_client", "starlette"})

try:
    from openai_realtime.mint.app import mint_app, mint_endpoint
    from openai_realtime.mint.authorization import Authorize, Refused
    from openai_realtime.mint.endpoint import MintEndpoint
    from openai_realtime.mint.options import MintOptions, ServiceOptions
    from openai_realtime.mint.secret_issuer import PooledResponse, SecretSource
except ModuleNotFoundError as _error:
    if (_error.name or "").partition(".")[0] not in _EXTRA:
        raise
    _MESSAGE = (
        f"openai_realtime.mint needs {_error.name}: "
        "install it with pip install 'openai-realtime[mint]'"
    )
    raise ModuleNotFoundError(_MESSAGE, name=_error.name) from None

__all__ = [
    "Authorize",
    "MintEndpoint",
    "MintOptions",
    "PooledResponse",
    "Refused",
    "SecretSource",
    "ServiceOptions",
    "mint_app",
    "mint_endpoint",
]
