"""Whether the service could mint now: the provider and the limiter answer. Nothing is minted.

Owns: `/readyz`'s checks. Must not know: HTTP. An answer is kept for a second, so that whoever asks
cannot make the service knock at the provider's door more often.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio

from openai_realtime.mint.access_log import logger

if TYPE_CHECKING:
    from openai_realtime.client import RealtimeSessionsClient
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
                    "provider": await is_host_reachable(self._client.base_url),
                    "limiter": await self._limiter.is_reachable(),
                }
                self._found_at = time.monotonic()
            return self._found


async def is_host_reachable(base_url: str) -> bool:
    """Return whether the host of a URL takes a connection, within 3 seconds."""
    parts = urlsplit(base_url)
    host, port = str(parts.hostname), parts.port or _PORTS[parts.scheme]
    try:
        with anyio.fail_after(_SECONDS):
            stream = await anyio.connect_tcp(host, port)
        await stream.aclose()
    except OSError as error:  # TimeoutError is one
        logger.warning("%s:%d is not reachable: %s", host, port, type(error).__name__)
        return False
    return True
