"""The decisions of a call (retries, deadlines, errors) without I/O; both clients share them.

Rule for this package: it imports neither httpx nor anyio, does not sleep, and reads no clock except
the one that its caller passes.
"""

from typing import TYPE_CHECKING

from openai_realtime.lazy_imports import lazy_names

if TYPE_CHECKING:
    from openai_realtime.core.events import Listener

__all__ = ["Listener"]

if not TYPE_CHECKING:  # pragma: no branch
    __getattr__ = lazy_names(__name__, {"core.events": __all__})
