"""Waiting for one's turn, where so many requests are on their way as may be.

Owns: the wait, async and blocking. Must not know: connections.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import anyio

from openai_realtime.transports.lanes import MAX_CONNECTIONS, pool_timeout

if TYPE_CHECKING:
    from openai_realtime.core.deadline import Deadline, Timeout


def async_turns() -> anyio.Semaphore:
    """Return one event loop's turns."""
    return anyio.Semaphore(MAX_CONNECTIONS, fast_acquire=True)


def sync_turns() -> threading.Semaphore:
    """Return one process's turns."""
    return threading.Semaphore(MAX_CONNECTIONS)


def takes_turn(turns: anyio.Semaphore) -> bool:
    """Take a turn if one is free; returns whether one was."""
    if turns.value == 0:
        return False
    turns.acquire_nowait()
    return True


async def wait_for_turn(turns: anyio.Semaphore, limits: Timeout, deadline: Deadline) -> None:
    """Wait for a turn, within the limits; raises `APITimeoutError` when none comes."""
    with anyio.move_on_after(deadline.cut(limits.pool)) as waiting:
        await turns.acquire()
    if waiting.cancelled_caught:
        raise pool_timeout()


def take_sync_turn(turns: threading.Semaphore, limits: Timeout, deadline: Deadline) -> None:
    """Wait for a turn, within the limits; raises `APITimeoutError` when none comes."""
    if not turns.acquire(timeout=deadline.cut(limits.pool)):
        raise pool_timeout()
