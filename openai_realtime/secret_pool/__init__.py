"""Client secrets minted ahead of their users: `client.secret_pool(…)`, then `pool.acquire()`."""

from openai_realtime.secret_pool.async_pool import SecretPool
from openai_realtime.secret_pool.inventory import PoolStats
from openai_realtime.secret_pool.sync_pool import SyncSecretPool

__all__ = ["PoolStats", "SecretPool", "SyncSecretPool"]
