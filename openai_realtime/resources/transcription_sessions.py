"""`client.transcription_sessions`: mint a transcription session with its client secret.

Owns: what `transcription_sessions.create` takes, answers, and becomes on a nested-only server. Must
not know: transports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack, cast

from openai_realtime.dialects import JsonObject, flat_response, nested_request
from openai_realtime.resources import parameter_hints
from openai_realtime.resources.create_operation import CreateOperation, Draft, create_call
from openai_realtime.resources.parameters import Parameters
from openai_realtime.types.session import (
    RealtimeTranscriptionSessionCreateResponse,
    TranscriptionSessionParameters,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openai_realtime.configuration import Configuration
    from openai_realtime.transports.base import AsyncDriver, SyncDriver
    from openai_realtime.types.session import TranscriptionSessionCreateParams


def _normalized(params: Mapping[str, object]) -> dict[str, object]:
    """Return `params` with the secret's lifetime spelled as this endpoint's servers read it."""
    spelled = dict(params)
    secret = params.get("client_secret")
    if isinstance(secret, dict) and "expires_after" in secret:
        others = cast("dict[str, object]", secret).copy()
        spelled["client_secret"] = {"expires_at": others.pop("expires_after"), **others}
    return spelled


def _translate(flat: JsonObject) -> Draft:
    return Draft("client_secrets", "ga", *nested_request(flat, "transcription"))


CREATE = CreateOperation(
    name="transcription_sessions.create",
    endpoint="transcription_sessions",
    dialect="beta",
    parameters=Parameters(TranscriptionSessionParameters, parameter_hints.TRANSCRIPTION_SESSIONS),
    model=RealtimeTranscriptionSessionCreateResponse,
    parse_shape=flat_response,
    normalize=_normalized,
    translate=_translate,
    other_endpoints=frozenset({"client_secrets"}),
)


class AsyncTranscriptionSessions:
    """`client.transcription_sessions` of the async client."""

    def __init__(self, driver: AsyncDriver, configuration: Configuration) -> None:
        self._driver = driver
        self._configuration = configuration

    async def create(
        self, /, **params: Unpack[TranscriptionSessionCreateParams]
    ) -> RealtimeTranscriptionSessionCreateResponse:
        """Mint a transcription session: `POST {base_url}/realtime/transcription_sessions`.

        Takes `TranscriptionSessionCreateParams`; options, return and errors are those of
        `sessions.create`.
        """
        return await self._driver.run(create_call(self._configuration, CREATE, params))


class TranscriptionSessions:
    """`client.transcription_sessions` of the sync client."""

    def __init__(self, driver: SyncDriver, configuration: Configuration) -> None:
        self._driver = driver
        self._configuration = configuration

    def create(
        self, /, **params: Unpack[TranscriptionSessionCreateParams]
    ) -> RealtimeTranscriptionSessionCreateResponse:
        """Mint a transcription session: as `AsyncTranscriptionSessions.create`, blocking."""
        return self._driver.run(create_call(self._configuration, CREATE, params))
