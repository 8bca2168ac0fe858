"""From a command's connection options to a client, real or mocked.

Owns: which server is called, and with which key. Must not know: what is asked of it.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import openai_realtime
from openai_realtime.cli.inputs import read_api_key
from openai_realtime.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Generator

    from openai_realtime import SyncRealtimeSessionsClient
    from openai_realtime.configuration import ClientOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """The connection options as they were given; None is the client's default."""

    api_key_file: str | None
    base_url: str | None
    allow_http: bool
    timeout: float | None
    max_retries: int | None
    mock: bool

    @contextmanager
    def client(self) -> Generator[SyncRealtimeSessionsClient]:
        """Open the client: the same one whether the server is real or a mock."""
        options: ClientOptions = {"base_url": self.base_url, "allow_http": self.allow_http}
        if self.timeout is not None:
            options["timeout"] = self.timeout
        if self.max_retries is not None:
            options["max_retries"] = self.max_retries
        with self._mock_server(options) if self.mock else self._real_server(options):  # noqa: SIM117 - one server, one client
            with openai_realtime.SyncRealtimeSessionsClient(**options) as client:
                yield client

    @contextmanager
    def _real_server(self, options: ClientOptions) -> Generator[None]:
        options["api_key"] = read_api_key(self.api_key_file)
        yield

    @contextmanager
    def _mock_server(self, options: ClientOptions) -> Generator[None]:
        if self.base_url is not None or self.api_key_file is not None:
            message = "--mock brings its own server and key: no --base-url, no --api-key-file"
            raise ParameterError(message)
        from openai_realtime.testing import MockRealtimeServer  # noqa: PLC0415 - --mock alone needs it

        with MockRealtimeServer() as server:
            options["base_url"] = server.base_url
            options["api_key"] = server.api_key
            yield
