"""Issues the service's secrets: from the pool if there is one, otherwise newly minted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from openai_realtime.background import Background
from openai_realtime.client import RealtimeSessionsClient
from openai_realtime.client_source import ClientSource
from openai_realtime.core.meta import ResponseMeta
from openai_realtime.core.peer_text import MAX_NAME_CHARACTERS
from openai_realtime.errors import ConfigurationError
from openai_realtime.logs import describe
from openai_realtime.mint.request_body import Choice
from openai_realtime.mint.session_plan import SessionPlan
from openai_realtime.mint.telemetry import logger
from openai_realtime.resources import sessions
from openai_realtime.secret_pool import SecretPool
from openai_realtime.types.base import RequestOptions
from openai_realtime.types.client_secret import ClientSecret
from openai_realtime.types.nested_session import ClientSecretCreateResponse

_MIN_TTL = 30.0
_REQUEST_OPTIONS = RequestOptions.__annotations__.keys()


class PooledResponse(Protocol):
    """A pool's response, which holds a secret."""

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

    async def acquire(self, *, min_ttl: float = 30) -> PooledResponse:
        """Return an unused secret that is valid for at least `min_ttl` seconds."""
        ...


def check_pool(pool: SecretSource | None, plan: SessionPlan) -> None:
    """Raise `ConfigurationError` if a `SecretPool` mints different sessions from the plan's."""
    if not isinstance(pool, SecretPool):
        return  # there is no pool, or it is the user's own, which cannot be checked
    if plan.is_nested:
        message = "pool: a SecretPool mints with sessions.create: write session flat, without type"
        raise ConfigurationError(message)
    params: Mapping[str, object] = pool._params  # noqa: SLF001 - of the same package
    session = {name: value for name, value in params.items() if name not in _REQUEST_OPTIONS}
    pooled = sessions.CREATE.parameters.validate(session, params.get("extra_body"))
    pooled.pop("client_secret", None)  # it sets the lifetime, which is compared below
    absent = object()
    differing = sorted(
        name
        for name in plan.session.keys() | pooled.keys()
        if plan.session.get(name, absent) != pooled.get(name, absent)
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
            f"pool: its secrets are valid for {seconds:g} s, and lifetime is {plan.lifetime}: pass "
            f"lifetime={seconds:g}, or make the pool with "
            f'client_secret={{"expires_after": {{"seconds": {plan.lifetime}}}}}'
        )
        raise ConfigurationError(message)


class SecretIssuer:
    """Issues secrets for one session plan."""

    def __init__(self, clients: ClientSource, plan: SessionPlan, pool: SecretSource | None) -> None:
        self._clients = clients
        self._plan = plan
        self._pool = pool
        self._background = Background(pool) if isinstance(pool, SecretPool) else None

    async def open(self) -> None:
        """Make the client, and open the pool if it is a `SecretPool` that was not opened."""
        self._clients.get()
        background, pool = self._background, self._pool
        if background is not None and isinstance(pool, SecretPool):
            if pool.was_opened and not background.was_started:
                return
            await background.open()

    async def aclose(self) -> None:
        """Close the pool if it was opened here, and the client if it was made here."""
        if self._background is not None:
            await self._background.aclose()
        await self._clients.aclose()

    async def secret(
        self, chosen: Mapping[str, Choice], safety_identifier: str | None
    ) -> PooledResponse:
        """Return a secret for one person; raises what the client raises."""
        # The pool's sessions have no choices in them.
        if self._pool is not None and not chosen:
            try:
                await self.open()
                return await self._pool.acquire(min_ttl=min(_MIN_TTL, self._plan.lifetime / 2))
            except Exception as error:  # noqa: BLE001 - whatever the cause, a new secret can be minted
                logger.warning("The pool returned no secret, so one is minted: %s", describe(error))
        return await self._plan.mint(self._clients.get(), chosen, safety_identifier)

    def connect_url(self) -> str:
        """Return the provider's calls endpoint; raises `ConfigurationError` if it has none."""
        return connect_url(self._clients.get())

    def model_of(self, response: PooledResponse) -> str | None:
        """Return the model of a secret, as the provider names it, or None if it is not named."""
        session = response.session if isinstance(response, ClientSecretCreateResponse) else response
        model = getattr(session, "model", None)
        if not isinstance(model, str):
            return self._plan.model
        return response.meta.sanitizer.text(model, MAX_NAME_CHARACTERS)


def connect_url(client: RealtimeSessionsClient) -> str:
    """Return the provider's calls endpoint; raises `ConfigurationError` if it has none."""
    try:
        return client.provider.connect_url()
    except ConfigurationError:
        message = f"connect_url is required: {client.provider.name} has no calls endpoint"
        raise ConfigurationError(message) from None
