"""Secrets minted ahead of their users: `client.secret_pool(…)`, then `pool.acquire()`.

Owns: the public names. Must not know: how many to hold, who is served first, when to try again
(`core/stock.py` decides).
"""

from openai_realtime.core.pool_stats import PoolStats
from openai_realtime.secret_pool.tasks import SecretPool
from openai_realtime.secret_pool.threads import SyncSecretPool

__all__ = ["PoolStats", "SecretPool", "SyncSecretPool"]
