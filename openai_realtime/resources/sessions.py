"""`client.sessions`: mints a realtime session with its ephemeral client secret."""

from __future__ import annotations

from typing import Unpack

from openai_realtime.dialects import JsonObject, flat_response, nested_request
from openai_realtime.resources import parameter_errors
from openai_realtime.resources.create_operation import CreateOperation, Draft, create_call
from openai_realtime.resources.parameters import Parameters
from openai_realtime.resources.resource import AsyncResource, SyncResource, takes
from openai_realtime.types.session import (
    RealtimeSessionCreateResponse,
    SessionCreateParams,
    SessionParameters,
)


def _translate(flat: JsonObject) -> Draft:
    return Draft("client_secrets", "ga", *nested_request(flat, "realtime"))


CREATE = CreateOperation(
    name="sessions.create",
    endpoint="sessions",
    dialect="beta",
    parameters=Parameters(SessionParameters, parameter_errors.SESSIONS),
    model=RealtimeSessionCreateResponse,
    parse_shape=flat_response,
    translate=_translate,
    other_endpoints=frozenset({"client_secrets"}),
)


class AsyncSessions(AsyncResource):
    """`client.sessions` of the async client."""

    @takes(SessionCreateParams)
    async def create(
        self, /, **params: Unpack[SessionCreateParams]
    ) -> RealtimeSessionCreateResponse:
        """Mint a realtime session: `POST {base_url}/realtime/sessions`.

        The parameters are those of the session, which `SessionCreateParams` documents, and options.
        Returns the session; give its `client_secret.value` to the browser or phone. If the server
        accepts only the nested shape, the request is sent in that shape to
        `/realtime/client_secrets`; the return type is the same.

        A secret lives for 60 seconds unless `client_secret` sets another lifetime, in either shape
        (`client_secrets.create` has a default of 600).

        The options are `timeout` (seconds for the whole call, or a `Timeout`), `safety_identifier`,
        `strict`, `extra_headers`, `extra_query` and `extra_body`.

        Raises `ParameterError` before anything is sent when a parameter is wrong, and otherwise an
        `APIError`: an `APIStatusError` by the response's status, `APITimeoutError` or another
        `APIConnectionError` when there is no response, `APIResponseValidationError` when a 2xx
        response has no usable secret.
        """
        return await self._driver.run(create_call(self._configuration, CREATE, params))


class Sessions(SyncResource):
    """`client.sessions` of the sync client."""

    @takes(SessionCreateParams)
    def create(self, /, **params: Unpack[SessionCreateParams]) -> RealtimeSessionCreateResponse:
        """Mint a realtime session: `POST {base_url}/realtime/sessions`.

        The parameters are those of the session, which `SessionCreateParams` documents, and options.
        Returns the session; give its `client_secret.value` to the browser or phone. If the server
        accepts only the nested shape, the request is sent in that shape to
        `/realtime/client_secrets`; the return type is the same.

        A secret lives for 60 seconds unless `client_secret` sets another lifetime, in either shape
        (`client_secrets.create` has a default of 600).

        The options are `timeout` (seconds for the whole call, or a `Timeout`), `safety_identifier`,
        `strict`, `extra_headers`, `extra_query` and `extra_body`.

        Raises `ParameterError` before anything is sent when a parameter is wrong, and otherwise an
        `APIError`: an `APIStatusError` by the response's status, `APITimeoutError` or another
        `APIConnectionError` when there is no response, `APIResponseValidationError` when a 2xx
        response has no usable secret.
        """
        return self._driver.run(create_call(self._configuration, CREATE, params))
