"""The local variables of the package's own frames, which a debugger or an error reporter reads."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any


@contextmanager
def recorded_local_variables() -> Iterator[list[str]]:
    """A `with` block that lists what each frame of the package held, line by line."""
    seen: list[str] = []

    def watch(frame: FrameType, _event: str, _argument: object) -> Any:
        if "openai_realtime" in frame.f_code.co_filename:
            with suppress(AttributeError):  # an object that has no attributes yet has no repr
                seen.append(f"{frame.f_code.co_name}: {frame.f_locals!r}")
        return watch

    before = sys.gettrace()
    sys.settrace(watch)
    try:
        yield seen
    finally:
        sys.settrace(before)
