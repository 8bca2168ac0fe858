"""All access to the network: one file for each engine, and the drivers that run an exchange."""

from typing import TYPE_CHECKING

from openai_realtime.lazy_imports import lazy_names

if TYPE_CHECKING:
    from openai_realtime.transports.httpx_client import (
        AsyncHttpClient,
        AsyncHttpTransport,
        SyncHttpClient,
        SyncHttpTransport,
    )

__all__ = ["AsyncHttpClient", "AsyncHttpTransport", "SyncHttpClient", "SyncHttpTransport"]

if not TYPE_CHECKING:  # pragma: no branch
    __getattr__ = lazy_names(__name__, {"transports.httpx_client": __all__})
