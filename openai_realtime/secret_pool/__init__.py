"""Pools of sessions that are minted in advance: `client.secret_pool(…)`, then `pool.acquire()`."""

from typing import TYPE_CHECKING

from openai_realtime.lazy_imports import lazy_names

if TYPE_CHECKING:
    from openai_realtime.secret_pool.async_pool import SecretPool
    from openai_realtime.secret_pool.inventory import PoolStats
    from openai_realtime.secret_pool.sync_pool import SyncSecretPool
    from openai_realtime.types.session import SecretPoolParams

__all__ = ["PoolStats", "SecretPool", "SecretPoolParams", "SyncSecretPool"]

if not TYPE_CHECKING:  # pragma: no branch
    __getattr__ = lazy_names(
        __name__,
        {
            "secret_pool.async_pool": ("SecretPool",),
            "secret_pool.inventory": ("PoolStats",),
            "secret_pool.sync_pool": ("SyncSecretPool",),
            "types.session": ("SecretPoolParams",),
        },
    )
