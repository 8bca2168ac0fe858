"""The steps behind every `create`, seen from outside."""

from __future__ import annotations

import asyncio
import warnings
from pathlib import Path

import pytest

from openai_realtime import (
    DroppedParameterWarning,
    RealtimeSessionsClient,
    SyncRealtimeSessionsClient,
)
from openai_realtime.testing import MockRealtimeServer


@pytest.mark.parametrize("dialect", ["auto", "ga"])
@pytest.mark.parametrize("is_sync", [True, False])
def test_a_warning_of_a_dropped_parameter_points_at_the_callers_line(
    dialect: str, is_sync: bool
) -> None:
    """At once where the dialect is known, and after the first request where the server says so."""

    async def create(base_url: str, api_key: str) -> None:
        async with RealtimeSessionsClient(
            base_url=base_url,
            api_key=api_key,
            dialect=dialect,  # type: ignore[arg-type]  # from a table
        ) as client:
            await client.sessions.create(temperature=0.7)  # the caller's line

    def create_sync(base_url: str, api_key: str) -> None:
        with SyncRealtimeSessionsClient(
            base_url=base_url,
            api_key=api_key,
            dialect=dialect,  # type: ignore[arg-type]  # from a table
        ) as client:
            client.sessions.create(temperature=0.7)  # the caller's line

    with (
        MockRealtimeServer(dialect="ga") as server,
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        if is_sync:
            create_sync(server.base_url, server.api_key)
        else:
            asyncio.run(create(server.base_url, server.api_key))
    (warning,) = (each for each in caught if each.category is DroppedParameterWarning)
    assert warning.filename == __file__
    line = Path(__file__).read_text("utf-8").splitlines()[warning.lineno - 1]
    assert line.strip().endswith(".sessions.create(temperature=0.7)  # the caller's line")
