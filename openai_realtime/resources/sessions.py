"""`client.sessions`: mint a realtime session with its ephemeral client secret.

Owns: what `sessions.create` takes, answers, and becomes on a nested-only server. Must not know:
transports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from openai_realtime.dialects import JsonObject, flat_response, nested_request
from openai_realtime.resources import parameter_hints
from openai_realtime.resources.create_operation import CreateOperation, Draft, create_call
from openai_realtime.resources.parameters import Parameters
from openai_realtime.types.session import RealtimeSessionCreateResponse, SessionParameters

if TYPE_CHECKING:
    from openai_realtime.configuration import Configuration
    from openai_realtime.transports.base import AsyncDriver, SyncDriver
    from openai_realtime.types.session import SessionCreateParams


def _translate(flat: JsonObject) -> Draft:
    return Draft("client_secrets", "ga", *nested_request(flat, "realtime"))


CREATE = CreateOperation(
    name="sessions.create",
    endpoint="sessions",
    dialect="beta",
    parameters=Parameters(SessionParameters, parameter_hints.SESSIONS),
    model=RealtimeSessionCreateResponse,
    parse_shape=flat_response,
    translate=_translate,
    other_endpoints=frozenset({"client_secrets"}),
)


class AsyncSessions:
    """`client.sessions` of the async client."""

    def __init__(self, driver: AsyncDriver, configuration: Configuration) -> None:
        self._driver = driver
        self._configuration = configuration

    async def create(
        self, /, **params: Unpack[SessionCreateParams]
    ) -> RealtimeSessionCreateResponse:
        """Mint a realtime session: `POST {base_url}/realtime/sessions`.

        Takes the session's parameters (`SessionCreateParams` documents each) and the per-call
        options `timeout`, `safety_identifier`, `strict`, `extra_headers`, `extra_query`,
        `extra_body`. Returns the session; `client_secret.value` is what the browser or phone gets.
        A server that takes only the nested shape is asked in that shape, at
        `/realtime/client_secrets`; the answer is the same.

        Raises `ParameterError` before anything is sent when a parameter is wrong, else an
        `APIError`: `APIStatusError` by status, `APIConnectionError`, `APITimeoutError`, or
        `APIResponseValidationError` when the server's success holds no usable secret.
        """
        return await self._driver.run(create_call(self._configuration, CREATE, params))


class Sessions:
    """`client.sessions` of the sync client."""

    def __init__(self, driver: SyncDriver, configuration: Configuration) -> None:
        self._driver = driver
        self._configuration = configuration

    def create(self, /, **params: Unpack[SessionCreateParams]) -> RealtimeSessionCreateResponse:
        """Mint a realtime session: as `AsyncSessions.create`, blocking."""
        return self._driver.run(create_call(self._configuration, CREATE, params))
