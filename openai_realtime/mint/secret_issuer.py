"""Where secrets come from: the pool when it has one that fits, else a fresh one.

Owns: what the service needs of a pool, and what the browser is told. Must not know: limits, HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from openai_realtime.core.peer_text import MAX_NAME_CHARACTERS
from openai_realtime.errors import ConfigurationError
from openai_realtime.mint.access_log import described, logger
from openai_realtime.mint.pool_opener import PoolOpener
from openai_realtime.resources.sessions import CREATE
from openai_realtime.secret_pool import SecretPool
from openai_realtime.types.nested_session import ClientSecretCreateResponse
from openai_realtime.types.options import RequestOptions

if TYPE_CHECKING:
    from openai_realtime.client import RealtimeSessionsClient
    from openai_realtime.core.meta import ResponseMeta
    from openai_realtime.mint.choices import Choice
    from openai_realtime.mint.sessions import SessionPlan
    from openai_realtime.types.client_secret import ClientSecret

_MIN_TTL = 30.0
_PER_CALL = RequestOptions.__annotations__.keys()


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


def check_pool(pool: SecretSource | None, plan: SessionPlan) -> None:
    """Raise `ConfigurationError` when a `SecretPool` holds anything but what the plan mints."""
    if not isinstance(pool, SecretPool):
        return  # none, or a pool of the user's own, of which nothing is known
    if plan.is_nested:
        message = "pool: a SecretPool mints with sessions.create: write session flat, without type"
        raise ConfigurationError(message)
    params: Mapping[str, object] = pool._params  # noqa: SLF001 - of the same package
    given = {name: value for name, value in params.items() if name not in _PER_CALL}
    pooled = CREATE.parameters.validate(given, params.get("extra_body"))
    pooled.pop("client_secret", None)  # it says how long the secrets live
    both = plan.session.keys() | pooled.keys()
    nothing = object()
    differing = sorted(
        name for name in both if plan.session.get(name, nothing) != pooled.get(name, nothing)
    )
    if differing:
        message = (
            f"pool: its sessions differ from session in {', '.join(differing)}: "
            "make both with the same parameters"
        )
        raise ConfigurationError(message)
    seconds = pool._lifetime  # noqa: SLF001 - of the same package
    if seconds != plan.lifetime:
        message = (
            f"pool: its secrets live {seconds:g} s, and lifetime is {plan.lifetime}: pass "
            f"lifetime={seconds:g}, or make the pool with "
            f'client_secret={{"expires_after": {{"seconds": {plan.lifetime}}}}}'
        )
        raise ConfigurationError(message)


class SecretIssuer:
    """Gives secrets for one session plan."""

    def __init__(
        self, client: RealtimeSessionsClient, plan: SessionPlan, pool: SecretSource | None
    ) -> None:
        self._client = client
        self._plan = plan
        self._pool = pool
        self._opener = PoolOpener(pool) if isinstance(pool, SecretPool) else None

    async def open(self) -> None:
        """Open the pool, if it is a `SecretPool` that was not opened."""
        if self._opener is not None:
            await self._opener.open()

    async def aclose(self) -> None:
        """Close the pool, if it was opened here."""
        if self._opener is not None:
            await self._opener.aclose()

    async def secret(
        self, chosen: Mapping[str, Choice], safety_identifier: str | None
    ) -> PooledAnswer:
        """Return a secret for one person; raises what the client raises."""
        # What lies in the pool is the session without anybody's choices.
        if self._pool is not None and not chosen:
            try:
                await self.open()
                return await self._pool.acquire(min_ttl=min(_MIN_TTL, self._plan.lifetime / 2))
            except Exception as error:  # noqa: BLE001 - whatever ails the pool, a fresh secret can be had
                logger.warning("The pool gave no secret, minting one: %s", described(error))
        return await self._plan.mint(self._client, chosen, safety_identifier)

    def model_of(self, answer: PooledAnswer) -> str | None:
        """Return the model that a secret is for, as the server names it; None: it does not say."""
        session = answer.session if isinstance(answer, ClientSecretCreateResponse) else answer
        model = getattr(session, "model", None)
        if not isinstance(model, str):
            return self._plan.model
        return answer.meta.sanitizer.text(model, MAX_NAME_CHARACTERS)
