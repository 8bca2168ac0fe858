"""`client.client_secrets`: mint a client secret in the nested ("ga") shape.

Owns: what `client_secrets.create` takes, answers, and becomes on a flat-only server. Must not know:
transports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from openai_realtime.dialects import JsonObject, flat_request, nested_response
from openai_realtime.resources import parameter_hints
from openai_realtime.resources.create_operation import CreateOperation, Draft, create_call
from openai_realtime.resources.parameters import Parameters
from openai_realtime.types.nested_session import ClientSecretCreateResponse, ClientSecretParameters

if TYPE_CHECKING:
    from openai_realtime.configuration import Configuration
    from openai_realtime.transports.base import AsyncDriver, SyncDriver
    from openai_realtime.types.nested_session import ClientSecretCreateParams


def _translate(nested: JsonObject) -> Draft:
    flat, kind = flat_request(nested)
    return Draft("sessions" if kind == "realtime" else "transcription_sessions", "beta", *flat)


CREATE = CreateOperation(
    name="client_secrets.create",
    endpoint="client_secrets",
    dialect="ga",
    parameters=Parameters(ClientSecretParameters, parameter_hints.CLIENT_SECRETS),
    model=ClientSecretCreateResponse,
    parse_shape=nested_response,
    translate=_translate,
    other_endpoints=frozenset({"sessions", "transcription_sessions"}),
)


class AsyncClientSecrets:
    """`client.client_secrets` of the async client."""

    def __init__(self, driver: AsyncDriver, configuration: Configuration) -> None:
        self._driver = driver
        self._configuration = configuration

    async def create(
        self, /, **params: Unpack[ClientSecretCreateParams]
    ) -> ClientSecretCreateResponse:
        """Mint a client secret: `POST {base_url}/realtime/client_secrets`.

        Takes `expires_after` and `session` (`ClientSecretCreateParams` documents both); options and
        errors are those of `sessions.create`. Returns the secret (`value`, `expires_at`) and the
        session it opens. A server that takes only the flat shape is asked in that shape.
        """
        return await self._driver.run(create_call(self._configuration, CREATE, params))


class ClientSecrets:
    """`client.client_secrets` of the sync client."""

    def __init__(self, driver: SyncDriver, configuration: Configuration) -> None:
        self._driver = driver
        self._configuration = configuration

    def create(self, /, **params: Unpack[ClientSecretCreateParams]) -> ClientSecretCreateResponse:
        """Mint a client secret: as `AsyncClientSecrets.create`, blocking."""
        return self._driver.run(create_call(self._configuration, CREATE, params))
