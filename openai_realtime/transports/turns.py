"""Waiting for one's turn, where so many requests are on their way as may be.

Owns: the wait, async and blocking. Must not know: connections.
"""

from __future__ import annotations

import threading

import anyio

from openai_realtime.transports.lanes import MAX_CONNECTIONS, pool_timeout


def async_turns() -> anyio.Semaphore:
    """Return one event loop's turns."""
    return anyio.Semaphore(MAX_CONNECTIONS, fast_acquire=True)


def sync_turns() -> threading.Semaphore:
    """Return one process's turns."""
    return threading.Semaphore(MAX_CONNECTIONS)


async def take_turn(turns: anyio.Semaphore, seconds: float) -> None:
    """Wait for a turn; raises `APITimeoutError` when none comes."""
    try:
        turns.acquire_nowait()
    except anyio.WouldBlock:
        with anyio.move_on_after(seconds) as waiting:
            await turns.acquire()
        if waiting.cancelled_caught:
            raise pool_timeout() from None


def take_sync_turn(turns: threading.Semaphore, seconds: float) -> None:
    """Wait for a turn; raises `APITimeoutError` when none comes."""
    if not turns.acquire(timeout=seconds):
        raise pool_timeout()
