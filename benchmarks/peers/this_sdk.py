"""This SDK: over httptools where that can be imported, else over h11."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from benchmarks.messages import PARAMETERS
from benchmarks.peers import Target
from openai_realtime import RealtimeSessionsClient, SyncRealtimeSessionsClient

_PARAMETERS: dict[str, Any] = PARAMETERS


# The authority comes from SSL_CERT_FILE.
@asynccontextmanager
async def open_async(target: Target) -> AsyncGenerator[Callable[[], Awaitable[str]]]:
    """Yield what mints one secret."""
    async with RealtimeSessionsClient(api_key="sk-benchmark", base_url=target.base_url) as client:

        async def mint() -> str:
            return (await client.client_secrets.create(**_PARAMETERS)).value

        yield mint


@contextmanager
def open_sync(target: Target) -> Generator[Callable[[], str]]:
    """Yield what mints one secret."""
    with SyncRealtimeSessionsClient(api_key="sk-benchmark", base_url=target.base_url) as client:

        def mint() -> str:
            return client.client_secrets.create(**_PARAMETERS).value

        yield mint
