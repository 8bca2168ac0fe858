"""Checks, without minting, whether the service could mint now, and which part fails if not.

A result is reused for a second, so that many requests do not cause many connections.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

import anyio

from openai_realtime.client import RealtimeSessionsClient
from openai_realtime.client_source import ClientSource
from openai_realtime.errors import RealtimeError
from openai_realtime.logs import describe
from openai_realtime.mint.limiter import LimiterUnavailableError
from openai_realtime.mint.telemetry import logger
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
"""The states of a service that could mint."""
_CONNECT_SECONDS = 3.0
_CACHE_SECONDS = 1.0
_NOT_CHECKED = "not checked"


def is_ready(states: Mapping[str, str]) -> bool:
    """Return whether the service could mint; `states` is the result of `Readiness.check`."""
    return all(states[name] in {state, _NOT_CHECKED} for name, state in READY.items())


class Readiness:
    """Checks every part that each mint needs."""

    def __init__(self, clients: ClientSource, limiter: Limiter) -> None:
        self._clients = clients
        self._limiter = limiter
        self._lock = anyio.Lock()
        self._states: Mapping[str, str] = {}
        self._checked_at = float("-inf")

    async def check(self) -> Mapping[str, str]:
        """Return the state of each part: `is_ready` says whether the service could mint.

        `client` is "open", "closed", or "not made" when its factory fails; `descriptors` (the process' file descriptors) "available" or
        "exhausted"; `limiter` "usable" or "unusable"; `provider` "reachable", "unreachable" or "not
        checked". The provider is not checked when no file descriptor is free, and when the client
        sends through the user's `http_client` or `transport`. Raises nothing.
        """
        async with self._lock:
            if time.monotonic() - self._checked_at > _CACHE_SECONDS:
                self._states = await self._check_parts()
                self._checked_at = time.monotonic()
            return self._states

    async def _check_parts(self) -> Mapping[str, str]:
        states = dict(READY)
        client = self._client()
        if client is None:
            states["client"] = "not made"
        elif client.is_closed:
            states["client"] = "closed"
        if not await self._is_limiter_usable():
            states["limiter"] = "unusable"
        if not _is_descriptor_available():
            states["descriptors"] = "exhausted"
            states["provider"] = _NOT_CHECKED
        elif client is None or _uses_httpx(client):
            states["provider"] = _NOT_CHECKED
        elif not await is_provider_reachable(client):
            states["provider"] = "unreachable"
        return states

    def _client(self) -> RealtimeSessionsClient | None:
        try:
            return self._clients.get()
        except Exception as error:  # noqa: BLE001 - whatever the cause, there is no client
            logger.warning("The client cannot be made: %s", describe(error))
            return None

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
        logger.warning("No file descriptor is free for a connection: %s", error.strerror)
        return False
    return True


def _uses_httpx(client: RealtimeSessionsClient) -> bool:
    """Return whether the client sends through the user's `http_client` or `transport`."""
    return isinstance(client._connections, AsyncHttpxEngine)  # noqa: SLF001 - of the same package


async def is_provider_reachable(client: RealtimeSessionsClient) -> bool:
    """Return whether the provider accepts a connection within 3 seconds. Nothing is sent on it.

    The connection is new, with the client's proxies and TLS settings: an idle one may be broken
    without notice.
    """
    try:
        with anyio.fail_after(_CONNECT_SECONDS):
            options = cast("AsyncClientOptions", client._configuration.options)  # noqa: SLF001 - of the same package
            async with RealtimeSessionsClient(**options) as probe:
                await probe.warm_up()
    except (RealtimeError, OSError) as error:  # a TimeoutError is an OSError
        logger.warning("%s is not reachable: %s", client.base_url, describe(error))
        return False
    return True
