"""The mint endpoint: it checks a request, cheapest check first, and mints a secret.

method → origin → content type → authorize → body → choices → limits → mint
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from typing_extensions import override

from openai_realtime.asgi import BoundedReceive
from openai_realtime.errors import RealtimeError
from openai_realtime.mint.errors import (
    LIMITER_DOWN,
    NO_SECRETS,
    EndpointError,
    endpoint_error_for,
)
from openai_realtime.mint.http_endpoint import Endpoint, EndpointSettings, cancel_on_disconnect
from openai_realtime.mint.limiter import Limiter, LimiterUnavailableError
from openai_realtime.mint.request_body import (
    BODY_SECONDS,
    MAX_BODY_BYTES,
    Choice,
    Choices,
    check_content_type,
    check_length,
    read_object,
)
from openai_realtime.mint.secret_issuer import SecretIssuer

if TYPE_CHECKING:
    from starlette.requests import Request

    from openai_realtime.mint.telemetry import AccessEntry


class MintEndpoint(Endpoint):
    """An ASGI app that responds to `POST` with a client secret, at any path.

    Made by `mint_endpoint`.
    """

    def __init__(  # noqa: PLR0913 - one argument for each check
        self,
        settings: EndpointSettings,
        *,
        choices: Choices,
        limiter: Limiter,
        issuer: SecretIssuer,
        connect_url: str | None,
        sends_safety_identifier: bool,
    ) -> None:
        super().__init__(settings)
        self.limiter: Limiter = limiter
        """Counts the mints of each principal."""
        self._choices = choices
        self._issuer = issuer
        self._connect_url = connect_url
        self._sends_safety_identifier = sends_safety_identifier

    async def open(self) -> None:
        """Make the client and open the `SecretPool`, which the first request would do otherwise.

        Raises what the client's factory raises, and `ConfigurationError` for Redis on trio, which
        cannot work.
        """
        await self.limiter.open()
        await self._issuer.open()

    async def aclose(self) -> None:
        """Close what it made: the client of a factory, the pool if it opened it, Redis connections.

        It does not close a client that was passed in. It may be called again.
        """
        await self._issuer.aclose()
        await self.limiter.aclose()

    @override
    async def _process(self, request: Request, entry: AccessEntry) -> Response:
        check_content_type(request.headers)
        receive = BoundedReceive(request.receive, max_bytes=MAX_BODY_BYTES, seconds=BODY_SECONDS)
        bounded = self._with_client(request, receive, entry)
        pseudonym = self._pseudonyms.of(await self._authorizer.principal(bounded))
        entry.principal = pseudonym
        check_length(request.headers, MAX_BODY_BYTES)
        chosen = self._choices.validate(await read_object(bounded))
        secret = await cancel_on_disconnect(receive, lambda: self._mint(pseudonym, chosen, entry))
        entry.outcome = "minted"
        return JSONResponse(secret)

    async def _mint(
        self, pseudonym: str, chosen: Mapping[str, Choice], entry: AccessEntry
    ) -> dict[str, object]:
        try:
            exceeded = await self.limiter.hit(pseudonym)
        except LimiterUnavailableError as error:
            entry.error = str(error)
            raise EndpointError(LIMITER_DOWN, retry_after=1) from None
        if exceeded is not None:
            raise EndpointError(exceeded.code, retry_after=exceeded.retry_after)
        try:
            response = await self._issuer.secret(
                chosen, pseudonym if self._sends_safety_identifier else None
            )
        except RealtimeError as error:
            entry.failed(error)
            raise endpoint_error_for(error) from None
        entry.succeeded(response.meta)
        secret = response.client_secret
        return {
            "value": secret.value,
            "expires_at": secret.expires_at or None,
            "connect_url": self._connect_url or self._issuer.connect_url(),
            "model": self._issuer.model_of(response),
        }


class NoSecretEndpoint(Endpoint):
    """Stands in the place of `MintEndpoint` where there are no secrets, and says so."""

    @override
    async def _process(self, request: Request, entry: AccessEntry) -> Response:
        raise EndpointError(NO_SECRETS)
