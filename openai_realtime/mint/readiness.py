"""Whether the service could mint now: the provider and the limiter answer. Nothing is minted.

Owns: `/readyz`'s checks. Must not know: HTTP. An answer is kept for a second, so that whoever asks
cannot make the service knock at the provider's door more often.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import anyio

from openai_realtime.client import RealtimeSessionsClient
from openai_realtime.errors import RealtimeError
from openai_realtime.mint.access_log import logger
from openai_realtime.transports.injected import InjectedAsyncEngine

if TYPE_CHECKING:
    from openai_realtime.configuration import AsyncClientOptions
    from openai_realtime.mint.limiter import Limiter

_SECONDS = 3.0
_KEPT_SECONDS = 1.0
_PORTS = {"http": 80, "https": 443}


class Readiness:
    """Asks the provider's host and the limiter."""

    def __init__(self, client: RealtimeSessionsClient, limiter: Limiter) -> None:
        self._client = client
        self._limiter = limiter
        self._asking = anyio.Lock()
        self._found: dict[str, bool] = {}
        self._found_at = float("-inf")

    async def check(self) -> dict[str, bool]:
        """Return what is reachable: `provider` and `limiter`. Raises nothing."""
        async with self._asking:
            if time.monotonic() - self._found_at > _KEPT_SECONDS:
                self._found = {
                    "provider": await is_provider_reachable(self._client),
                    "limiter": await self._limiter.is_reachable(),
                }
                self._found_at = time.monotonic()
            return self._found


async def is_provider_reachable(client: RealtimeSessionsClient) -> bool:
    """Return whether the provider takes a connection within 3 seconds. Nothing is sent on it.

    The connection is a new one, made as the client makes its own (proxies, TLS); a kept one may be
    dead without anybody knowing. Where the client sends through an `http_client` of the user's, it
    is a plain one to the host.
    """
    try:
        with anyio.fail_after(_SECONDS):
            if isinstance(client._connections, InjectedAsyncEngine):  # noqa: SLF001 - of the same package
                await _connect(client.base_url)
            else:
                options = cast("AsyncClientOptions", client._configuration.options)  # noqa: SLF001
                async with RealtimeSessionsClient(**options) as probe:
                    await probe.warm_up()
    except (RealtimeError, OSError) as error:  # a TimeoutError is an OSError
        logger.warning("%s is not reachable: %s", client.base_url, type(error).__name__)
        return False
    return True


async def _connect(base_url: str) -> None:
    parts = urlsplit(base_url)
    stream = await anyio.connect_tcp(str(parts.hostname), parts.port or _PORTS[parts.scheme])
    await stream.aclose()
