"""From a command's connection options to a client, real or mocked.

Owns: which key is used, the mock in place of a server. Must not know: what is asked.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

import openai_realtime
from openai_realtime.cli import connection_options as options
from openai_realtime.cli.address import Address
from openai_realtime.cli.choices import profile_name
from openai_realtime.cli.inputs import read_api_key
from openai_realtime.cli.parameter_paths import spelled
from openai_realtime.errors import ParameterError

if TYPE_CHECKING:
    from collections.abc import Generator

    from openai_realtime import SyncRealtimeSessionsClient
    from openai_realtime.configuration import ClientOptions, SyncClientOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection(Address):
    """The connection options as they were given; None is the client's default."""

    api_key_file: options.ApiKeyFile = None
    timeout: options.Timeout = None
    max_retries: options.MaxRetries = None
    mock: options.Mock = False

    @contextmanager
    def client(self, **more: Unpack[ClientOptions]) -> Generator[SyncRealtimeSessionsClient]:
        """Open the client: the same one whether the server is real or a mock."""
        with self.settings() as settings:
            options: SyncClientOptions = {**settings, **more}
            with openai_realtime.SyncRealtimeSessionsClient(**options) as client:
                yield client

    @contextmanager
    def settings(self, *, webrtc: bool = False) -> Generator[SyncClientOptions]:
        """Yield a client's settings, while the server they lead to is there.

        `webrtc`: a mock takes the calls that are begun, too.
        """
        with self._mock_server(webrtc=webrtc) if self.mock else self._real_server() as server:
            yield {**server, **self._limits()}

    def _limits(self) -> ClientOptions:
        limits: ClientOptions = {}
        if self.timeout is not None:
            limits["timeout"] = self.timeout
        if self.max_retries is not None:
            limits["max_retries"] = self.max_retries
        return limits

    @contextmanager
    def _real_server(self) -> Generator[SyncClientOptions]:
        provider = self.resolve()
        variable = "OPENAI_API_KEY" if provider is None else provider.key_variable
        server: SyncClientOptions = {"api_key": read_api_key(self.api_key_file, variable)}
        if provider is None:
            yield {**server, "base_url": self.base_url, "allow_http": self.allow_http}
        else:
            yield {**server, "provider": provider}

    @contextmanager
    def _mock_server(self, *, webrtc: bool) -> Generator[SyncClientOptions]:
        # Permission to use plain http is not a server.
        given = [name for name in self.given() if name != "allow_http"]
        if self.api_key_file is not None:
            given.append("api_key_file")
        if given:
            unwanted = ", no ".join(map(spelled, given))
            message = f"--mock brings its own server and key: no {unwanted}"
            raise ParameterError(message)
        from openai_realtime.testing import MockRealtimeServer  # noqa: PLC0415 - --mock alone needs it

        with MockRealtimeServer(provider=profile_name(self.provider), webrtc=webrtc) as server:
            yield {"api_key": server.api_key, "provider": server.provider}
