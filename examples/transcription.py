"""Mint a client secret for a session that only transcribes speech.

    OPENAI_API_KEY=sk-… python examples/transcription.py
    python examples/transcription.py --mock    # no key, no network

Prints the secret, which is valid for two minutes.
"""

from __future__ import annotations

import os
import sys

import anyio

from openai_realtime import RealtimeSessionsClient
from openai_realtime.testing import MockRealtimeServer


async def main() -> None:
    """Mint one secret for a transcription session."""
    async with RealtimeSessionsClient() as client:
        session = await client.transcription_sessions.create(
            input_audio_format="pcm16",
            input_audio_transcription={"model": "gpt-transcribe", "language": "en"},
            input_audio_noise_reduction={"type": "near_field"},
            turn_detection={"type": "server_vad", "silence_duration_ms": 700},
            client_secret={"expires_after": {"anchor": "created_at", "seconds": 120}},
        )
    print(f"secret:     {session.client_secret.value}")
    print(f"good for:   {session.client_secret.seconds_left:.0f} s")
    if session.input_audio_transcription:
        print(f"model:      {session.input_audio_transcription.model}")


if __name__ == "__main__":
    if "--mock" in sys.argv:
        with MockRealtimeServer() as server:
            os.environ["OPENAI_BASE_URL"] = server.base_url
            os.environ["OPENAI_API_KEY"] = server.api_key
            anyio.run(main)
    else:
        anyio.run(main)
