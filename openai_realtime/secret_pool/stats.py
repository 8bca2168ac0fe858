"""What a secret pool says of itself.

Owns: the figures and their meaning. Must not know: how they come about.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PoolStats:
    """What a pool holds and wants at one moment, and has been through since it began."""

    ready: int
    """Secrets that live for at least the pool's `min_ttl`."""
    wanted: int
    """How many it wants to have ready; 0 when it is closed."""
    minting: int
    """Mints that are going on."""
    waiting: int
    """Callers that wait."""
    hits: int
    """Acquires that were served at once."""
    misses: int
    """Acquires that were not."""
    minted: int
    """Secrets that arrived."""
    unused: int
    """Secrets that expired, made room for fresh ones, or were there when it closed."""
    failures: int
    """Mints that failed, their retries included."""
    backing_off: float
    """Seconds until the next try, while minting fails; else 0."""
    last_error: Exception | None = field(repr=False)
    """What failed last, even if it works again: it may quote what the server said."""
