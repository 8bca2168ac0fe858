"""Which engine a client gets: by its options, or as the environment says.

Owns: `transport`, `http2`, and which options go together. Must not know: how anything is sent. An
engine is imported when it is chosen.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

from openai_realtime.errors import ConfigurationError
from openai_realtime.transports.proxies import ProxyRules

if TYPE_CHECKING:
    from openai_realtime.configuration import AnyClientOptions
    from openai_realtime.transports.drivers import AsyncEngine, SyncEngine
    from openai_realtime.transports.injected import AsyncHttpClient, SyncHttpClient

_VARIABLE = "OPENAI_REALTIME_TRANSPORT"
_TRANSPORTS = ("httpx", "reqwest")


def async_engine(options: AnyClientOptions, http_client: AsyncHttpClient | None) -> AsyncEngine:
    """Return the async client's engine; raises `ConfigurationError` where there is none such."""
    if http_client is not None:
        _check_client_is_alone(options)
        from openai_realtime.transports.injected import InjectedAsyncEngine  # noqa: PLC0415 - chosen

        return InjectedAsyncEngine(http_client)
    rules = _proxy_rules(options)
    if _is_fast(options):
        from openai_realtime.transports.reqwest import AsyncReqwestEngine  # noqa: PLC0415 - chosen

        return AsyncReqwestEngine(rules, http2=options.get("http2", False))
    from openai_realtime.transports.lane_engine import AsyncLaneEngine  # noqa: PLC0415 - chosen

    return AsyncLaneEngine(rules)


def sync_engine(options: AnyClientOptions, http_client: SyncHttpClient | None) -> SyncEngine:
    """Return the sync client's engine; raises `ConfigurationError` where there is none such."""
    if http_client is not None:
        _check_client_is_alone(options)
        from openai_realtime.transports.injected import InjectedSyncEngine  # noqa: PLC0415 - chosen

        return InjectedSyncEngine(http_client)
    rules = _proxy_rules(options)
    if _is_fast(options):
        from openai_realtime.transports.reqwest import SyncReqwestEngine  # noqa: PLC0415 - chosen

        return SyncReqwestEngine(rules, http2=options.get("http2", False))
    from openai_realtime.transports.blocking_lane_engine import SyncLaneEngine  # noqa: PLC0415 - chosen

    return SyncLaneEngine(rules)


def _is_fast(options: AnyClientOptions) -> bool:
    """Return whether pyreqwest is asked for; raises `ConfigurationError` when it cannot be had."""
    argument = options.get("transport")
    transport = argument or os.environ.get(_VARIABLE) or "httpx"
    if transport not in _TRANSPORTS:
        where = "transport" if argument else _VARIABLE
        message = f"{where} is unusable: it is httpx or reqwest"
        raise ConfigurationError(message)
    if transport == "reqwest" and find_spec("pyreqwest") is None:
        message = "transport=\"reqwest\" needs a package: pip install 'openai-realtime[fast]'"
        raise ConfigurationError(message)
    if transport == "httpx" and options.get("http2"):
        message = 'http2=True needs transport="reqwest"'
        raise ConfigurationError(message)
    return transport == "reqwest"


def _check_client_is_alone(options: AnyClientOptions) -> None:
    for name, its in (("proxy", "proxies"), ("transport", "transport"), ("http2", "HTTP versions")):
        if options.get(name):
            message = (
                f"pass {name}=… or http_client=…, not both: a client of your own has its own {its}"
            )
            raise ConfigurationError(message)


def _proxy_rules(options: AnyClientOptions) -> ProxyRules:
    return ProxyRules.of(options.get("proxy"), trust_env=options.get("trust_env", True))
