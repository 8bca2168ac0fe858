"""Whether the service could mint now, and what is in the way by name. Nothing is minted.

What was found is kept for a second, so that a caller cannot make the service connect more often.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

import anyio

from openai_realtime.client import RealtimeSessionsClient
from openai_realtime.errors import RealtimeError
from openai_realtime.mint.access_log import described, logger
from openai_realtime.mint.limiter import LimiterUnavailableError
from openai_realtime.transports.httpx_client import AsyncHttpxEngine

if TYPE_CHECKING:
    from openai_realtime.configuration import AsyncClientOptions
    from openai_realtime.mint.limiter import Limiter

READY: Final[Mapping[str, str]] = {
    "client": "open",
    "descriptors": "available",
    "limiter": "usable",
    "provider": "reachable",
}
"""What `Readiness.check` returns when the service could mint."""
_NOT_ASKED = "not asked"
_SECONDS = 3.0
_KEPT_SECONDS = 1.0


def is_ready(found: Mapping[str, str]) -> bool:
    """Return whether nothing that `Readiness.check` has found is in the way of minting."""
    return all(found[name] in {state, _NOT_ASKED} for name, state in READY.items())


class Readiness:
    """Looks at everything without which every mint fails."""

    def __init__(self, client: RealtimeSessionsClient, limiter: Limiter) -> None:
        self._client = client
        self._limiter = limiter
        self._asking = anyio.Lock()
        self._found: Mapping[str, str] = {}
        self._found_at = float("-inf")

    async def check(self) -> Mapping[str, str]:
        """Return the state of each part: `is_ready` says whether the service could mint. Raises nothing.

        `client` is open or closed, `descriptors` (the process' file descriptors) available or
        exhausted, `limiter` usable or unusable, `provider` reachable, unreachable, or not asked: when
        no descriptor is left to ask with, and where the client sends through an `http_client` or
        `transport` of the user's, which alone knows the way.
        """
        async with self._asking:
            if time.monotonic() - self._found_at > _KEPT_SECONDS:
                self._found = await self._look()
                self._found_at = time.monotonic()
            return self._found

    async def _look(self) -> Mapping[str, str]:
        found = dict(READY)
        if self._client.is_closed:
            found["client"] = "closed"
        if not await self._is_limiter_usable():
            found["limiter"] = "unusable"
        if not _is_descriptor_available():
            found["descriptors"] = "exhausted"
            found["provider"] = _NOT_ASKED
        elif _sends_through_the_users(self._client):
            found["provider"] = _NOT_ASKED
        elif not await is_provider_reachable(self._client):
            found["provider"] = "unreachable"
        return found

    async def _is_limiter_usable(self) -> bool:
        try:
            await self._limiter.check()
        except LimiterUnavailableError as error:
            logger.warning("The limiter is unusable: %s", error)
            return False
        return True


def _is_descriptor_available() -> bool:
    try:
        socket.socket().close()
    except OSError as error:
        logger.warning("No file descriptor is left for a connection: %s", error.strerror)
        return False
    return True


def _sends_through_the_users(client: RealtimeSessionsClient) -> bool:
    return isinstance(client._connections, AsyncHttpxEngine)  # noqa: SLF001 - of the same package


async def is_provider_reachable(client: RealtimeSessionsClient) -> bool:
    """Return whether the provider takes a connection within 3 seconds. Nothing is sent on it.

    The connection is a new one, made as the client makes its own (proxies, TLS); a kept one may be
    dead without anybody knowing.
    """
    try:
        with anyio.fail_after(_SECONDS):
            options = cast("AsyncClientOptions", client._configuration.options)  # noqa: SLF001 - of the same package
            async with RealtimeSessionsClient(**options) as probe:
                await probe.warm_up()
    except (RealtimeError, OSError) as error:  # a TimeoutError is an OSError
        logger.warning("%s is not reachable: %s", client.base_url, described(error))
        return False
    return True
