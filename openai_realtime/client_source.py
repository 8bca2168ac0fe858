"""The client of a mint service: passed in, or made by a factory when it is first needed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeAlias

from openai_realtime.client import RealtimeSessionsClient
from openai_realtime.errors import ConfigurationError

ClientOrFactory: TypeAlias = RealtimeSessionsClient | Callable[[], RealtimeSessionsClient]
"""A client, or a callable that makes one, such as the class itself."""


class ClientSource:
    """Returns the service's client. Safe to share between threads."""

    def __init__(self, source: ClientOrFactory) -> None:
        given: object = source
        if not isinstance(given, RealtimeSessionsClient) and not callable(given):
            message = (
                "client must be a RealtimeSessionsClient (async), or a callable that makes one, "
                "such as the class itself"
            )
            raise ConfigurationError(message)
        self._source = source
        self._made: RealtimeSessionsClient | None = None
        self._lock = threading.Lock()

    @property
    def passed(self) -> RealtimeSessionsClient | None:
        """The client, if it was passed in; None if a factory makes it."""
        return self._source if isinstance(self._source, RealtimeSessionsClient) else None

    def get(self) -> RealtimeSessionsClient:
        """Return the client, which the first call makes.

        Raises what the factory raises: `ConfigurationError` when there is no API key.
        """
        if isinstance(self._source, RealtimeSessionsClient):
            return self._source
        with self._lock:
            if self._made is None:
                self._made = _checked(self._source())
            return self._made

    async def aclose(self) -> None:
        """Close the client that the factory made; the next `get` makes another one."""
        with self._lock:
            made, self._made = self._made, None
        if made is not None:
            await made.aclose()


def _checked(made: object) -> RealtimeSessionsClient:
    if isinstance(made, RealtimeSessionsClient):
        return made
    message = f"client: the callable returned a {type(made).__name__}, not a RealtimeSessionsClient"
    raise ConfigurationError(message)
