"""Waiting for one's turn on the calling thread, where so many requests are on their way as may be.

Owns: the blocking wait. Must not know: connections.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from openai_realtime.transports import lanes

if TYPE_CHECKING:
    from openai_realtime.core.deadline import Deadline, Timeout


def sync_turns() -> threading.Semaphore:
    """Return one process's turns."""
    return threading.Semaphore(lanes.MAX_CONNECTIONS)


def take_sync_turn(turns: threading.Semaphore, limits: Timeout, deadline: Deadline) -> None:
    """Wait for a turn, within the limits; raises `APITimeoutError` when none comes."""
    if not turns.acquire(timeout=deadline.cut(limits.pool)):
        raise lanes.pool_timeout()
