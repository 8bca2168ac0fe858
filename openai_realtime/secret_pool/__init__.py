"""Secrets minted ahead of their users: `client.secret_pool(…)`, then `pool.acquire()`.

Owns: the public names. Must not know: how many to hold, who is served first, when to try again
(`secret_pool/inventory.py` decides).
"""

from openai_realtime.secret_pool.async_pool import SecretPool
from openai_realtime.secret_pool.inventory import PoolStats
from openai_realtime.secret_pool.sync_pool import SyncSecretPool

__all__ = ["PoolStats", "SecretPool", "SyncSecretPool"]
