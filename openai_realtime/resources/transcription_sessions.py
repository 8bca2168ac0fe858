"""`client.transcription_sessions`: mint a transcription session with its client secret.

Owns: the flat transcription endpoint. Must not know: transports.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Unpack, cast

from openai_realtime.resources.parameters import Parameters, build_call
from openai_realtime.resources.reading import read_minted
from openai_realtime.types.transcription_session import (
    RealtimeTranscriptionSessionCreateResponse,
    TranscriptionSessionParameters,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openai_realtime.configuration import Configuration
    from openai_realtime.core.wire import Call
    from openai_realtime.transports.drivers import AsyncDriver, SyncDriver
    from openai_realtime.types.transcription_session import TranscriptionSessionCreateParams

PATH = "/realtime/transcription_sessions"
PARAMETERS = Parameters(TranscriptionSessionParameters)
_read = partial(read_minted, model=RealtimeTranscriptionSessionCreateResponse)


def create_call(
    configuration: Configuration, params: TranscriptionSessionCreateParams
) -> Call[RealtimeTranscriptionSessionCreateResponse]:
    """Return the call behind `transcription_sessions.create`."""
    return build_call(
        configuration, "transcription_sessions.create", PATH, _as_spelled(params), PARAMETERS, _read
    )


def _as_spelled(params: Mapping[str, object]) -> dict[str, object]:
    """Return `params` with the secret's lifetime spelled as this endpoint's servers read it."""
    spelled = dict(params)
    secret = params.get("client_secret")
    if isinstance(secret, dict) and "expires_after" in secret:
        others = cast("dict[str, object]", secret).copy()
        spelled["client_secret"] = {"expires_at": others.pop("expires_after"), **others}
    return spelled


class AsyncTranscriptionSessions:
    """`client.transcription_sessions` of the async client."""

    def __init__(self, driver: AsyncDriver, configuration: Configuration) -> None:
        self._driver = driver
        self._configuration = configuration

    async def create(
        self, **params: Unpack[TranscriptionSessionCreateParams]
    ) -> RealtimeTranscriptionSessionCreateResponse:
        """Mint a transcription session: `POST {base_url}/realtime/transcription_sessions`.

        Takes `TranscriptionSessionCreateParams`; options, return and errors are those of
        `sessions.create`.
        """
        return await self._driver.run(create_call(self._configuration, params))


class TranscriptionSessions:
    """`client.transcription_sessions` of the sync client."""

    def __init__(self, driver: SyncDriver, configuration: Configuration) -> None:
        self._driver = driver
        self._configuration = configuration

    def create(
        self, **params: Unpack[TranscriptionSessionCreateParams]
    ) -> RealtimeTranscriptionSessionCreateResponse:
        """Mint a transcription session: as `AsyncTranscriptionSessions.create`, blocking."""
        return self._driver.run(create_call(self._configuration, params))
