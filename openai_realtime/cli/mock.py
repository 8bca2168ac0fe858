"""The command `openai-realtime mock`: runs a mock realtime server on this machine."""

from __future__ import annotations

import importlib.util
import shlex
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from openai_realtime.cli import output
from openai_realtime.cli.failures import ListenError
from openai_realtime.cli.options import option, with_options
from openai_realtime.cli.provider_choice import ProviderName, profile_name
from openai_realtime.core.peer_text import sanitize_text
from openai_realtime.credentials import check_header_value

if TYPE_CHECKING:
    from collections.abc import Generator

    from openai_realtime.testing import MockRealtimeServer, MockResponse, RecordedRequest

MockProviderName = Literal[ProviderName, "bifrost", "compatible", "keyless"]

# Windows cannot interrupt a wait without a timeout.
_POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class MockOptions:
    """The options of the mock server."""

    port: int = option(
        None, "NUMBER", "The port to listen on; 0 takes a free one.", default=0, min=0, max=65535
    )
    api_key: str | None = option(
        None, "KEY", "The only key to accept; never a real one. Default: one that is printed."
    )
    provider: MockProviderName | None = option(
        None,
        "NAME",
        "The provider to imitate: openai, azure, azure-preview, xai, elevenlabs, litellm, bifrost, "
        "compatible (a flat-only server) or keyless (one that takes any key). Default: a server that "
        "takes both dialects.",
    )
    dialect: Literal["beta", "ga", "both"] | None = option(
        None,
        "DIALECT",
        "The requests to take: beta (flat), ga (nested) or both. Default: what the provider takes, "
        "else both.",
    )


@with_options
def mock(*, options: MockOptions) -> None:
    """Run a mock realtime server on this machine until Ctrl-C or SIGTERM.

    Example:
        openai-realtime mock --port 8001

    With aiortc installed it takes part in WebRTC calls too: it echoes audio and sends events.
    """
    from openai_realtime.testing import MOCK_API_KEY  # noqa: PLC0415 - slow to import

    if options.api_key is not None:
        check_header_value("--api-key", options.api_key)
    try:
        server = logging_server(
            port=options.port,
            api_key=options.api_key or MOCK_API_KEY,
            provider=profile_name(options.provider),
            dialect=options.dialect,
            webrtc=takes_calls(),
        )
    except OSError as error:
        raise ListenError(options.port, error) from None
    with _set_by_sigterm() as stopping, server:
        output.write(_introduction(server, options.provider))
        while not stopping.wait(_POLL_SECONDS):
            pass


def takes_calls() -> bool:
    """Return whether a mock server can take part in calls; if not, print what it needs."""
    if importlib.util.find_spec("aiortc") is not None:
        return True
    output.print_message(
        "hint", "the mock only mints; it takes part in calls after pip install aiortc"
    )
    return False


def logging_server(**settings: Any) -> MockRealtimeServer:
    """Return a mock server that writes each request to stderr, and records none.

    A line is `METHOD PATH STATUS`. The query is left out: it may hold a key.
    """
    from openai_realtime.testing import MockRealtimeServer  # noqa: PLC0415 - slow to import

    class LoggingServer(MockRealtimeServer):
        def respond(self, request: RecordedRequest) -> MockResponse:
            response = super().respond(request)
            self.requests.clear()
            path = request.path.partition("?")[0]
            output.write_stderr(f"{sanitize_text(f'{request.method} {path}')} {response.status}\n")
            return response

    return LoggingServer(**settings)


@contextmanager
def _set_by_sigterm() -> Generator[threading.Event]:
    """Yield an event that SIGTERM sets, instead of ending the process."""
    stopping = threading.Event()
    previous = signal.signal(signal.SIGTERM, lambda _number, _frame: stopping.set())
    try:
        yield stopping
    finally:
        signal.signal(signal.SIGTERM, previous)


def _introduction(server: MockRealtimeServer, provider: MockProviderName | None) -> str:
    return (
        f"Base URL  {server.base_url}\n"
        f"API key   {server.api_key}\n"
        "\n"
        "To mint a session here, paste this into another terminal:\n"
        "\n"
        f"  {_line_to_paste(server, provider)}\n"
        "\n"
        "Ctrl-C stops it. Requests:\n"
    )


def _line_to_paste(server: MockRealtimeServer, provider: MockProviderName | None) -> str:
    url = urlsplit(server.base_url)
    endpoint = f"--endpoint {url.scheme}://{url.netloc}"
    base_url = f"--base-url {server.base_url}"
    key = f"{server.provider.key_variable}={shlex.quote(server.api_key)}"
    options = {
        "azure": endpoint,
        "azure-preview": f"{endpoint} --deployment {server.provider.deployment}",
        "xai": base_url,
        "elevenlabs": base_url,
        "litellm": f"{base_url} --model gpt-realtime-2.1",
    }
    if provider is None or provider not in options:
        return f"OPENAI_BASE_URL={server.base_url} {key} openai-realtime mint"
    return f"{key} openai-realtime mint --provider {provider} {options[provider]}"
