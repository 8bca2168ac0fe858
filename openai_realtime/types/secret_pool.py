"""What a secret pool is made with.

Owns: the pool's own settings. Must not know: how they are used, or any session parameter.
"""

from openai_realtime.types.session import SessionCreateParams


class SecretPoolParams(SessionCreateParams, total=False):
    """The keyword arguments of `secret_pool`: those of `sessions.create`, and the pool's own."""

    size: int
    """The most secrets that it holds, 1–1000. Default 8. It begins with so many, and then holds as
    many as were acquired in the last 30 seconds or so."""
    min_size: int
    """The fewest that it holds when nobody comes, 0 to `size`. Default 1."""
    min_ttl: float
    """How many seconds a secret must still live to count as ready, 0–7000; it is replaced before it
    does not. `acquire` asks for as many unless told otherwise. Default 30."""
    concurrency: int
    """How many mints may run at once, 1–100. Default 8."""
    name: str
    """What events, metrics and errors call the pool: one name a pool. Default `sessions`, then
    `sessions-2` and so on: in this process, no other pool without a name has it."""
