"""The base classes of the resources: the driver that runs their calls, and the client's settings."""

from __future__ import annotations

from openai_realtime.configuration import Configuration
from openai_realtime.transports.base import AsyncDriver, SyncDriver


class AsyncResource:
    """A resource of the async client."""

    def __init__(self, driver: AsyncDriver, configuration: Configuration) -> None:
        self._driver = driver
        self._configuration = configuration


class SyncResource:
    """A resource of the sync client."""

    def __init__(self, driver: SyncDriver, configuration: Configuration) -> None:
        self._driver = driver
        self._configuration = configuration
