"""The official SDK with its extra `aiohttp`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

from openai import DefaultAioHttpClient

from benchmarks.peers import Target, official_sdk


def open_async(target: Target) -> AbstractAsyncContextManager[Callable[[], Awaitable[str]]]:
    """Yield what mints one secret."""
    return official_sdk.open_async(target, DefaultAioHttpClient())
