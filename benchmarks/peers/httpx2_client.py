"""httpx2 as people use it: one client, its defaults, pydantic for the response."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx2

from benchmarks.messages import PARAMETERS
from benchmarks.peers import Target
from benchmarks.plain_model import ClientSecret

HEADERS = {"Authorization": "Bearer sk-benchmark"}


def _verify(target: Target) -> ssl.SSLContext | bool:
    return ssl.create_default_context(cafile=target.authority) if target.authority else True


@asynccontextmanager
async def open_async(target: Target) -> AsyncGenerator[Callable[[], Awaitable[str]]]:
    """Yield what mints one secret."""
    url = f"{target.base_url}/realtime/client_secrets"
    async with httpx2.AsyncClient(headers=HEADERS, timeout=None, verify=_verify(target)) as client:

        async def mint() -> str:
            response = await client.post(url, json=PARAMETERS)
            response.raise_for_status()
            return ClientSecret.model_validate_json(response.content).value

        yield mint
