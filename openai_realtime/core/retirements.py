"""What OpenAI shuts down, when, and what replaces it; and which of that a request names."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from openai_realtime.core.error_responses import NO_ENDPOINT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from openai_realtime.core.strict_json import Json

NOTICE: Final = timedelta(days=180)
"""How long before its shutdown the use of a name is warned of."""
DEPRECATIONS: Final = "https://platform.openai.com/docs/deprecations"
"""The page with OpenAI's dates, the source of the rows (read on 2026-11-26)."""


class Retirement(NamedTuple):
    """A model, parameter or endpoint that OpenAI shuts down."""

    kind: Literal["model", "parameter", "endpoint"]
    name: str
    day: date
    """The day of the shutdown."""
    replacement: str
    source: str = DEPRECATIONS

    def is_over(self, today: date) -> bool:
        """Return whether the day of the shutdown has come."""
        return today >= self.day

    def describe(self, today: date) -> str:
        """Return one sentence: what is shut down, when, and what to use instead."""
        verb = "shut down" if self.is_over(today) else "shuts down"
        return (
            f"OpenAI {verb} the {self.kind} {self.name} on {self.day}: "
            f"use {self.replacement} instead ({self.source})"
        )


def _models(day: date, replacement: str, *names: str) -> list[Retirement]:
    return [Retirement("model", name, day, replacement) for name in names]


RETIREMENTS: Final[tuple[Retirement, ...]] = (
    *_models(
        date(2025, 10, 10),  # some copies of the page say December
        "gpt-realtime-2.1",
        "gpt-4o-realtime-preview-2024-10-01",
    ),
    *_models(
        date(2026, 5, 7),
        "gpt-realtime-2.1",
        "gpt-4o-realtime-preview",
        "gpt-4o-realtime-preview-2024-12-17",
        "gpt-4o-realtime-preview-2025-06-03",
    ),
    *_models(date(2026, 5, 7), "gpt-realtime-2.1-mini", "gpt-4o-mini-realtime-preview"),
    *_models(
        date(2026, 7, 23),
        "gpt-realtime-2.1-mini",
        "gpt-4o-mini-realtime-preview-2024-12-17",
        "gpt-realtime-mini-2025-10-06",
    ),
    *_models(date(2026, 7, 23), "gpt-audio-1.5", "gpt-audio-mini-2025-10-06"),
    *_models(
        date(2027, 1, 6),
        "gpt-realtime-2.1-mini",
        "gpt-4o-mini-tts",
        "gpt-4o-mini-tts-2025-12-15",
        "tts-1",
        "tts-1-hd",
    ),
    *_models(
        date(2027, 1, 20),
        "gpt-realtime-2.1",
        "gpt-4o-realtime",
        "gpt-realtime",
        "gpt-realtime-2025-08-28",
    ),
    *_models(
        date(2027, 1, 20),
        "gpt-realtime-2.1-mini",
        "gpt-4o-mini-realtime",
        "gpt-realtime-mini",
        "gpt-realtime-mini-2025-12-15",
    ),
    *_models(
        date(2027, 1, 20),
        "gpt-audio-1.5",
        "gpt-4o-audio",
        "gpt-4o-mini-audio",
        "gpt-audio",
        "gpt-audio-mini",
        "gpt-audio-mini-2025-12-15",
    ),
    *_models(date(2027, 1, 20), "gpt-transcribe", "gpt-4o-mini-transcribe-2025-03-20"),
    *_models(
        date(2027, 2, 26),
        "gpt-transcribe",
        "gpt-4o-mini-transcribe",
        "gpt-4o-mini-transcribe-2025-12-15",
        "gpt-4o-transcribe",
        "gpt-4o-transcribe-diarize",
        "whisper-1",
    ),
    Retirement("parameter", "prompt", date(2026, 11, 30), "instructions"),
    *(
        Retirement(
            "endpoint",
            f"/realtime/{name}",
            date(2026, 5, 12),
            '/realtime/client_secrets (dialect="auto" or "ga")',
        )
        for name in ("sessions", "transcription_sessions")
    ),
)
"""Every row, by date and replacement."""

_BY_NAME = {row.name: row for row in RETIREMENTS}
_PARAMETERS = [row.name for row in RETIREMENTS if row.kind == "parameter"]
_MODEL_PATHS = (
    ("model",),
    ("input_audio_transcription", "model"),
    ("audio", "input", "transcription", "model"),
)
# A server responds with one of these to a name that it no longer has.
_ERRORS: tuple[int | str, ...] = (400, 403, 404, 410, NO_ENDPOINT, "model_not_found")


def find_retirements(body: Mapping[str, Json], flat_path: str = "") -> list[Retirement]:
    """Return the rows that a request names, in the flat or the nested shape.

    `flat_path` is the endpoint's path if the request can be sent in the flat shape only.
    """
    found = [_BY_NAME[flat_path]] if flat_path in _BY_NAME else []
    for session in (body, body.get("session")):
        if isinstance(session, dict):
            names = [name for name in _PARAMETERS if session.get(name) is not None]
            names += [name for path in _MODEL_PATHS if isinstance(name := _at(session, path), str)]
            found += [_BY_NAME[name] for name in names if name in _BY_NAME]
    return found


def _at(value: Json, path: tuple[str, ...]) -> Json:
    for step in path:
        if not isinstance(value, dict):
            return None
        value = value.get(step)
    return value


class RetirementNotices:
    """What is said about the names in requests: a warning of each name once, and hints.

    A process has one.
    """

    __slots__ = ("_today", "_warned")

    def __init__(self, today: Callable[[], date]) -> None:
        self._today = today
        self._warned: dict[str, object] = {}

    def check(self, named: Iterable[Retirement]) -> tuple[list[str], Mapping[int | str, str]]:
        """Return the new warnings about `named`, and the hints by the status or code of an error."""
        today = self._today()
        near = [row for row in named if row.day - today <= NOTICE]
        added = object()  # `setdefault` is atomic: of several threads one warns
        new = [row for row in near if self._warned.setdefault(row.name, added) is added]
        over = "; ".join(row.describe(today) for row in near if row.is_over(today))
        return [row.describe(today) for row in new], dict.fromkeys(_ERRORS, over) if over else {}
