"""pyreqwest: one client, pydantic for the answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from pyreqwest.client import ClientBuilder, SyncClientBuilder

from benchmarks.answers import PARAMETERS
from benchmarks.peers import Target
from benchmarks.plain_model import ClientSecret

B = TypeVar("B", ClientBuilder, SyncClientBuilder)


def _set_up(builder: B, target: Target) -> B:
    builder = builder.default_headers({"Authorization": "Bearer sk-benchmark"})
    builder = builder.error_for_status(True)
    if target.authority:
        builder = builder.add_root_certificate_pem(Path(target.authority).read_bytes())
    return builder


@asynccontextmanager
async def open_async(target: Target) -> AsyncGenerator[Callable[[], Awaitable[str]]]:
    """Yield what mints one secret."""
    url = f"{target.base_url}/realtime/client_secrets"
    async with _set_up(ClientBuilder(), target).build() as client:

        async def mint() -> str:
            response = await client.post(url).body_json(PARAMETERS).build().send()
            return ClientSecret.model_validate_json((await response.bytes()).to_bytes()).value

        yield mint
