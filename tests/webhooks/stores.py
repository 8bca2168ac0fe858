"""What the tests of the replay stores share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

CLAIMED = 3600
CONFIRMED = 72 * 3600


class Awaited:
    """An async store, called from the tests' thread."""

    def __init__(self, store: Any, call: Callable[..., Any]) -> None:
        self.claim = lambda *arguments: call(store.claim, *arguments)
        self.confirm = lambda *arguments: call(store.confirm, *arguments)
        self.release = lambda *arguments: call(store.release, *arguments)
