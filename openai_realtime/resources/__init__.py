"""The resources of a client: one file for each, with its async and its sync class side by side.

Each method runs a `Call`, which a pure function makes from the checked parameters. Each class is
imported when it is first used, because few programs use them all.
"""

from typing import TYPE_CHECKING

from openai_realtime.lazy_imports import lazy_names

if TYPE_CHECKING:
    from openai_realtime.resources.calls import AsyncCalls, Calls
    from openai_realtime.resources.client_secrets import AsyncClientSecrets, ClientSecrets
    from openai_realtime.resources.live import (
        AsyncLive,
        AsyncLiveSessions,
        AsyncLiveSidebands,
        Live,
        LiveSessions,
        LiveSidebands,
    )
    from openai_realtime.resources.models import AsyncModels, Models
    from openai_realtime.resources.sessions import AsyncSessions, Sessions
    from openai_realtime.resources.sideband import AsyncSideband, Sideband
    from openai_realtime.resources.transcription_sessions import (
        AsyncTranscriptionSessions,
        TranscriptionSessions,
    )
    from openai_realtime.resources.translations import AsyncTranslations, Translations

__all__ = [
    "AsyncCalls",
    "AsyncClientSecrets",
    "AsyncLive",
    "AsyncLiveSessions",
    "AsyncLiveSidebands",
    "AsyncModels",
    "AsyncSessions",
    "AsyncSideband",
    "AsyncTranscriptionSessions",
    "AsyncTranslations",
    "Calls",
    "ClientSecrets",
    "Live",
    "LiveSessions",
    "LiveSidebands",
    "Models",
    "Sessions",
    "Sideband",
    "TranscriptionSessions",
    "Translations",
]

if not TYPE_CHECKING:  # pragma: no branch
    __getattr__ = lazy_names(
        __name__,
        {
            "resources.calls": ("AsyncCalls", "Calls"),
            "resources.client_secrets": ("AsyncClientSecrets", "ClientSecrets"),
            "resources.live": (
                "AsyncLive",
                "AsyncLiveSessions",
                "AsyncLiveSidebands",
                "Live",
                "LiveSessions",
                "LiveSidebands",
            ),
            "resources.models": ("AsyncModels", "Models"),
            "resources.sessions": ("AsyncSessions", "Sessions"),
            "resources.sideband": ("AsyncSideband", "Sideband"),
            "resources.transcription_sessions": (
                "AsyncTranscriptionSessions",
                "TranscriptionSessions",
            ),
            "resources.translations": ("AsyncTranslations", "Translations"),
        },
    )
