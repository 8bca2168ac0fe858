"""`client.client_secrets`: mints a client secret in the nested ("ga") shape."""

from __future__ import annotations

from typing import Unpack

from openai_realtime.dialects import JsonObject, flat_request, nested_response
from openai_realtime.resources import parameter_errors
from openai_realtime.resources.create_operation import CreateOperation, Draft, create_call
from openai_realtime.resources.parameters import Parameters
from openai_realtime.resources.resource import AsyncResource, SyncResource, takes
from openai_realtime.types.nested_session import (
    ClientSecretCreateParams,
    ClientSecretCreateResponse,
    ClientSecretParameters,
)


def _translate(nested: JsonObject) -> Draft:
    flat, kind = flat_request(nested)
    return Draft("sessions" if kind == "realtime" else "transcription_sessions", "beta", *flat)


CREATE = CreateOperation(
    name="client_secrets.create",
    endpoint="client_secrets",
    dialect="ga",
    parameters=Parameters(ClientSecretParameters, parameter_errors.CLIENT_SECRETS),
    model=ClientSecretCreateResponse,
    parse_shape=nested_response,
    translate=_translate,
    other_endpoints=frozenset({"sessions", "transcription_sessions"}),
)


class AsyncClientSecrets(AsyncResource):
    """`client.client_secrets` of the async client."""

    @takes(ClientSecretCreateParams)
    async def create(
        self, /, **params: Unpack[ClientSecretCreateParams]
    ) -> ClientSecretCreateResponse:
        """Mint a client secret: `POST {base_url}/realtime/client_secrets`.

        The parameters are `session` and `expires_after`, which `ClientSecretCreateParams`
        documents, and options. Returns the secret (`value`, `expires_at`) and the `session` that it
        opens. If the server accepts only the flat shape, the request is sent in that shape; the
        return type is the same.

        A secret lives for 600 seconds unless `expires_after` sets another lifetime
        (`sessions.create` has a default of 60, and so have servers with only the flat shape).

        The options are `timeout` (seconds for the whole call, or a `Timeout`), `safety_identifier`,
        `strict`, `extra_headers`, `extra_query` and `extra_body`.

        Raises `ParameterError` before anything is sent when a parameter is wrong, and otherwise an
        `APIError`: an `APIStatusError` by the response's status, `APITimeoutError` or another
        `APIConnectionError` when there is no response, `APIResponseValidationError` when a 2xx
        response has no usable secret.
        """
        return await self._driver.run(create_call(self._configuration, CREATE, params))


class ClientSecrets(SyncResource):
    """`client.client_secrets` of the sync client."""

    @takes(ClientSecretCreateParams)
    def create(self, /, **params: Unpack[ClientSecretCreateParams]) -> ClientSecretCreateResponse:
        """Mint a client secret: `POST {base_url}/realtime/client_secrets`.

        The parameters are `session` and `expires_after`, which `ClientSecretCreateParams`
        documents, and options. Returns the secret (`value`, `expires_at`) and the `session` that it
        opens. If the server accepts only the flat shape, the request is sent in that shape; the
        return type is the same.

        A secret lives for 600 seconds unless `expires_after` sets another lifetime
        (`sessions.create` has a default of 60, and so have servers with only the flat shape).

        The options are `timeout` (seconds for the whole call, or a `Timeout`), `safety_identifier`,
        `strict`, `extra_headers`, `extra_query` and `extra_body`.

        Raises `ParameterError` before anything is sent when a parameter is wrong, and otherwise an
        `APIError`: an `APIStatusError` by the response's status, `APITimeoutError` or another
        `APIConnectionError` when there is no response, `APIResponseValidationError` when a 2xx
        response has no usable secret.
        """
        return self._driver.run(create_call(self._configuration, CREATE, params))
