"""`client.sessions`: mint a realtime session with its ephemeral client secret.

Owns: the flat sessions endpoint. Must not know: transports.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Unpack

from openai_realtime.resources.parameters import Parameters, build_call
from openai_realtime.resources.reading import read_minted
from openai_realtime.types.session import RealtimeSessionCreateResponse, SessionParameters

if TYPE_CHECKING:
    from openai_realtime.configuration import Configuration
    from openai_realtime.core.wire import Call
    from openai_realtime.transports.drivers import AsyncDriver, SyncDriver
    from openai_realtime.types.session import SessionCreateParams

PATH = "/realtime/sessions"
PARAMETERS = Parameters(SessionParameters)
_read = partial(read_minted, model=RealtimeSessionCreateResponse)


def create_call(
    configuration: Configuration, params: SessionCreateParams
) -> Call[RealtimeSessionCreateResponse]:
    """Return the call behind `sessions.create`."""
    return build_call(configuration, "sessions.create", PATH, params, PARAMETERS, _read)


class AsyncSessions:
    """`client.sessions` of the async client."""

    def __init__(self, driver: AsyncDriver, configuration: Configuration) -> None:
        self._driver = driver
        self._configuration = configuration

    async def create(self, **params: Unpack[SessionCreateParams]) -> RealtimeSessionCreateResponse:
        """Mint a realtime session: `POST {base_url}/realtime/sessions`.

        Takes the session's parameters (`SessionCreateParams` documents each) and the per-call
        options `timeout`, `safety_identifier`, `extra_headers`, `extra_query`, `extra_body`.
        Returns the session; `client_secret.value` is what the browser or phone gets.

        Raises `ParameterError` before anything is sent when a parameter is wrong, else an
        `APIError`: `APIStatusError` by status, `APIConnectionError`, `APITimeoutError`, or
        `APIResponseValidationError` when the server's success holds no usable secret.
        """
        return await self._driver.run(create_call(self._configuration, params))


class Sessions:
    """`client.sessions` of the sync client."""

    def __init__(self, driver: SyncDriver, configuration: Configuration) -> None:
        self._driver = driver
        self._configuration = configuration

    def create(self, **params: Unpack[SessionCreateParams]) -> RealtimeSessionCreateResponse:
        """Mint a realtime session: as `AsyncSessions.create`, blocking."""
        return self._driver.run(create_call(self._configuration, params))
