"""`openai-realtime mock`: a realtime server on this machine, for trying things out.

Owns: what is printed about it, and how it stops. Must not know: what the server answers.
"""

from __future__ import annotations

import shlex
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from openai_realtime.cli import choices, output
from openai_realtime.cli.choices import MockProviderName
from openai_realtime.cli.failures import ListenError
from openai_realtime.credentials import check_header_value

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

    from openai_realtime.cli.logging_server import LoggingServer
    from openai_realtime.testing.profiles import MockDialect, ProviderName

# Waiting without an end cannot be interrupted on Windows.
_POLL_SECONDS = 0.5


def mock(
    *,
    port: Annotated[
        int,
        typer.Option(
            metavar="NUMBER", min=0, max=65535, help="The port to listen on; 0 takes a free one."
        ),
    ] = 0,
    api_key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="The only key to accept; never a real one. Default: one that is printed.",
        ),
    ] = None,
    provider: Annotated[
        MockProviderName | None,
        typer.Option(
            metavar="NAME",
            help="Whom to play: openai, azure, azure-preview, xai, litellm, bifrost, compatible (a "
            "flat-only server) or keyless (one that takes any key). Default: nobody in particular.",
        ),
    ] = None,
    dialect: Annotated[
        choices.MockDialectName | None,
        typer.Option(
            metavar="DIALECT",
            help="What to take: beta (flat), ga (nested) or both. Default: what the provider takes, "
            "else both.",
        ),
    ] = None,
) -> None:
    """Run a mock realtime server on this machine until Ctrl-C or SIGTERM."""
    if api_key is not None:
        check_header_value("--api-key", api_key)
    with (
        _stopped_by_sigterm() as stopping,
        _listening(
            port=port,
            api_key=api_key,
            provider=choices.profile_name(provider),
            dialect=dialect.value if dialect else None,
        ) as server,
    ):
        output.write(_introduction(server, provider))
        while not stopping.wait(_POLL_SECONDS):
            pass


@contextmanager
def _listening(
    *,
    port: int,
    api_key: str | None,
    provider: ProviderName | None,
    dialect: MockDialect | None,
) -> Generator[LoggingServer]:
    from openai_realtime.cli.logging_server import LoggingServer  # noqa: PLC0415 - heavy, for this command alone
    from openai_realtime.testing import MOCK_API_KEY  # noqa: PLC0415 - the same

    try:
        server = LoggingServer(
            port=port, api_key=api_key or MOCK_API_KEY, provider=provider, dialect=dialect
        )
    except OSError as error:
        raise ListenError(port, error.strerror or str(error)) from None
    with server:
        yield server


@contextmanager
def _stopped_by_sigterm() -> Generator[threading.Event]:
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield stopping
    finally:
        signal.signal(signal.SIGTERM, before)


def _introduction(server: LoggingServer, provider: MockProviderName | None) -> str:
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


def _line_to_paste(server: LoggingServer, provider: MockProviderName | None) -> str:
    url = urlsplit(server.base_url)
    endpoint = f"--endpoint {url.scheme}://{url.netloc}"
    base_url = f"--base-url {server.base_url}"
    key = f"{server.provider.key_variable}={shlex.quote(server.api_key)}"
    options = {
        MockProviderName.AZURE: endpoint,
        MockProviderName.AZURE_PREVIEW: f"{endpoint} --deployment {server.provider.deployment}",
        MockProviderName.XAI: base_url,
        MockProviderName.LITELLM: f"{base_url} --model gpt-realtime",
    }
    if provider is None or provider not in options:
        return f"OPENAI_BASE_URL={server.base_url} {key} openai-realtime mint"
    return f"{key} openai-realtime mint --provider {provider} {options[provider]}"
