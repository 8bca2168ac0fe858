"""Where secrets come from: the pool when it has one that fits, else a fresh one.

Owns: what the service needs of a pool, and what the browser is told. Must not know: limits, HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from openai_realtime.mint.access_log import logger
from openai_realtime.types.nested_session import ClientSecretCreateResponse

if TYPE_CHECKING:
    from openai_realtime.client import RealtimeSessionsClient
    from openai_realtime.core.meta import ResponseMeta
    from openai_realtime.mint.choices import Choice
    from openai_realtime.mint.sessions import SessionPlan
    from openai_realtime.types.client_secret import ClientSecret

_MIN_TTL = 30.0


class PooledAnswer(Protocol):
    """What a pool gives: an answer with a secret in it."""

    @property
    def client_secret(self) -> ClientSecret:
        """The secret."""
        ...

    @property
    def meta(self) -> ResponseMeta:
        """How it was minted."""
        ...


class SecretSource(Protocol):
    """A pool of secrets that were minted beforehand."""

    async def acquire(self, *, min_ttl: float = 30) -> PooledAnswer:
        """Return a secret that lives for `min_ttl` seconds at least, and belongs to nobody yet."""
        ...


class Mint:
    """Gives secrets for one session plan."""

    def __init__(
        self, client: RealtimeSessionsClient, plan: SessionPlan, pool: SecretSource | None
    ) -> None:
        self._client = client
        self._plan = plan
        self._pool = pool

    async def secret(
        self, chosen: Mapping[str, Choice], safety_identifier: str | None
    ) -> PooledAnswer:
        """Return a secret for one person; raises what the client raises."""
        # What lies in the pool is the session without anybody's choices.
        if self._pool is not None and not chosen:
            try:
                return await self._pool.acquire(min_ttl=min(_MIN_TTL, self._plan.lifetime / 2))
            except Exception as error:  # noqa: BLE001 - whatever ails the pool, a fresh secret can be had
                logger.warning("The pool gave no secret (%s): minting one", type(error).__name__)
        return await self._plan.mint(self._client, chosen, safety_identifier)

    def model_of(self, answer: PooledAnswer) -> str | None:
        """Return the model that a secret is for, as the server names it; None: it does not say."""
        session = answer.session if isinstance(answer, ClientSecretCreateResponse) else answer
        model = getattr(session, "model", None)
        return model if isinstance(model, str) else self._plan.model
