"""`client.transcription_sessions`: mints a transcription session with its ephemeral client secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack, cast

from openai_realtime.dialects import JsonObject, flat_response, nested_request
from openai_realtime.resources import parameter_errors
from openai_realtime.resources.create_operation import CreateOperation, Draft, create_call
from openai_realtime.resources.parameters import Parameters
from openai_realtime.resources.resource import AsyncResource, SyncResource, takes
from openai_realtime.types.session import (
    RealtimeTranscriptionSessionCreateResponse,
    TranscriptionSessionCreateParams,
    TranscriptionSessionParameters,
)


def _normalized(params: Mapping[str, object]) -> Mapping[str, object]:
    """Return `params` with the secret's lifetime under this endpoint's own name."""
    secret = params.get("client_secret")
    if not isinstance(secret, dict) or "expires_after" not in secret:
        return params
    others = cast("dict[str, object]", secret).copy()
    return {**params, "client_secret": {"expires_at": others.pop("expires_after"), **others}}


def _translate(flat: JsonObject) -> Draft:
    return Draft("client_secrets", "ga", *nested_request(flat, "transcription"))


CREATE = CreateOperation(
    name="transcription_sessions.create",
    endpoint="transcription_sessions",
    dialect="beta",
    parameters=Parameters(TranscriptionSessionParameters, parameter_errors.TRANSCRIPTION_SESSIONS),
    model=RealtimeTranscriptionSessionCreateResponse,
    parse_shape=flat_response,
    normalize=_normalized,
    translate=_translate,
    other_endpoints=frozenset({"client_secrets"}),
)


class AsyncTranscriptionSessions(AsyncResource):
    """`client.transcription_sessions` of the async client."""

    @takes(TranscriptionSessionCreateParams)
    async def create(
        self, /, **params: Unpack[TranscriptionSessionCreateParams]
    ) -> RealtimeTranscriptionSessionCreateResponse:
        """Mint a transcription session: `POST {base_url}/realtime/transcription_sessions`.

        The parameters are those of the session, which `TranscriptionSessionCreateParams` documents,
        and options. Returns the session; give its `client_secret.value` to the browser or phone. If
        the server accepts only the nested shape, the request is sent in that shape to
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


class TranscriptionSessions(SyncResource):
    """`client.transcription_sessions` of the sync client."""

    @takes(TranscriptionSessionCreateParams)
    def create(
        self, /, **params: Unpack[TranscriptionSessionCreateParams]
    ) -> RealtimeTranscriptionSessionCreateResponse:
        """Mint a transcription session: `POST {base_url}/realtime/transcription_sessions`.

        The parameters are those of the session, which `TranscriptionSessionCreateParams` documents,
        and options. Returns the session; give its `client_secret.value` to the browser or phone. If
        the server accepts only the nested shape, the request is sent in that shape to
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
