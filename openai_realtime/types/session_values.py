"""Values that sessions of both shapes have: models, what is included, how many tokens.

Owns: their types. Must not know: sessions.
"""

from typing import TYPE_CHECKING, Annotated, Literal

from openai_realtime.types.constraints import Between, Expect

if TYPE_CHECKING:
    RealtimeModel = (
        Literal[
            "gpt-4o-mini-realtime-preview",
            "gpt-4o-mini-realtime-preview-2024-12-17",
            "gpt-4o-realtime-preview",
            "gpt-4o-realtime-preview-2024-10-01",
            "gpt-4o-realtime-preview-2024-12-17",
            "gpt-4o-realtime-preview-2025-06-03",
            "gpt-realtime",
            "gpt-realtime-1.5",
            "gpt-realtime-2",
            "gpt-realtime-2.1",
            "gpt-realtime-2.1-mini",
            "gpt-realtime-2025-08-28",
            "gpt-realtime-mini",
            "gpt-realtime-mini-2025-10-06",
            "gpt-realtime-mini-2025-12-15",
        ]
        | str
    )
    Include = Literal["item.input_audio_transcription.logprobs"] | str
else:  # Open at run time: a union of literals and str would only be a slower str.
    RealtimeModel = Include = str

MaxTokens = Annotated[
    Annotated[int, Between(1, 4096)] | Literal["inf"],
    Expect('a whole number from 1 to 4096, or "inf"'),
]
