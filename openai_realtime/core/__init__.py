"""Everything that decides, and nothing that does: sans-I/O, shared by the sync and async client.

Imports neither httpx nor anyio, never sleeps, never reads a clock it was not given.
"""

from typing import TYPE_CHECKING

from openai_realtime.lazy_imports import lazy_names

if TYPE_CHECKING:
    from openai_realtime.core.events import Listener

__all__ = ["Listener"]

if not TYPE_CHECKING:  # pragma: no branch
    __getattr__ = lazy_names(__name__, {"core.events": __all__})
