"""When the person's turn is over: voice activity detection.

Owns: turn detection, as a parameter and as an answer. Must not know: sessions.
"""

from typing import Annotated, Literal

from typing_extensions import TypedDict

from openai_realtime.types.answer import WireModel
from openai_realtime.types.constraints import Between


class TurnDetectionParam(TypedDict, total=False):
    """How the server hears that the person has finished. None instead of it: the client says."""

    type: Literal["server_vad", "semantic_vad"]
    """`server_vad` goes by volume (default), `semantic_vad` by what was said."""
    threshold: Annotated[float, Between(0, 1)]
    """server_vad: how loud speech must be, 0–1. Default 0.5; higher suits noisy rooms."""
    prefix_padding_ms: Annotated[int, Between(0)]
    """server_vad: audio kept from before speech began, in milliseconds. Default 300."""
    silence_duration_ms: Annotated[int, Between(0)]
    """server_vad: silence that ends a turn, in milliseconds. Default 500."""
    idle_timeout_ms: Annotated[int, Between(5000, 30000)] | None
    """server_vad: silence after which the model speaks up, 5000–30000 ms. Default: never."""
    eagerness: Literal["low", "medium", "high", "auto"]
    """semantic_vad: how soon the model answers; waits at most 8, 4 or 2 s. Default `auto`."""
    create_response: bool
    """Whether a response starts by itself when a turn ends. Default true."""
    interrupt_response: bool
    """Whether the person's speech cuts a running response short. Default true."""


class TurnDetection(WireModel):
    """How the server hears that the person has finished."""

    type: Literal["server_vad", "semantic_vad"] | str | None = None
    """`server_vad` goes by volume, `semantic_vad` by what was said."""
    threshold: float | None = None
    """server_vad: how loud speech must be, 0–1."""
    prefix_padding_ms: int | None = None
    """server_vad: audio kept from before speech began, in milliseconds."""
    silence_duration_ms: int | None = None
    """server_vad: silence that ends a turn, in milliseconds."""
    idle_timeout_ms: int | None = None
    """server_vad: silence after which the model speaks up, in milliseconds."""
    eagerness: Literal["low", "medium", "high", "auto"] | str | None = None
    """semantic_vad: how soon the model answers."""
    create_response: bool | None = None
    """Whether a response starts by itself when a turn ends."""
    interrupt_response: bool | None = None
    """Whether the person's speech cuts a running response short."""
