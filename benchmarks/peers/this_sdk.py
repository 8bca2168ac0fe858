"""This SDK, on either engine."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from benchmarks.answers import PARAMETERS
from benchmarks.peers import Target
from openai_realtime import RealtimeSessionsClient, SyncRealtimeSessionsClient


def _options(target: Target) -> dict[str, Any]:
    # The authority comes from SSL_CERT_FILE.
    return {"api_key": "sk-benchmark", "base_url": target.base_url, "transport": target.variant}


@asynccontextmanager
async def open_async(target: Target) -> AsyncGenerator[Callable[[], Awaitable[str]]]:
    """Yield what mints one secret."""
    async with RealtimeSessionsClient(**_options(target)) as client:
        parameters: dict[str, Any] = PARAMETERS

        async def mint() -> str:
            return (await client.client_secrets.create(**parameters)).value

        yield mint


@contextmanager
def open_sync(target: Target) -> Generator[Callable[[], str]]:
    """Yield what mints one secret."""
    with SyncRealtimeSessionsClient(**_options(target)) as client:
        parameters: dict[str, Any] = PARAMETERS

        def mint() -> str:
            return client.client_secrets.create(**parameters).value

        yield mint
