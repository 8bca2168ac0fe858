"""The steps behind every `create`, seen from outside."""

from __future__ import annotations

import asyncio
import importlib
import json
import warnings
from pathlib import Path
from typing import Any

import pytest

from openai_realtime import (
    ConfigurationError,
    DroppedParameterWarning,
    NotFoundError,
    ParameterError,
    RealtimeSessionsClient,
    SyncRealtimeSessionsClient,
)
from openai_realtime.configuration import Configuration
from openai_realtime.core.exchange import Call
from openai_realtime.mint import mint_endpoint
from openai_realtime.providers import xai
from openai_realtime.resources import client_secrets, sessions
from openai_realtime.resources.create_operation import create_call
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


SIXTY = {"anchor": "created_at", "seconds": 60}
LIFETIMES: list[tuple[dict[str, Any], Any]] = [
    ({}, SIXTY),
    ({"client_secret": {}}, SIXTY),
    ({"client_secret": {"expires_after": {"anchor": "created_at"}}}, SIXTY),
    (
        {"client_secret": {"expires_after": {"seconds": 300}}},
        {"anchor": "created_at", "seconds": 300},
    ),
    ({"extra_body": {"client_secret": None}}, SIXTY),
    ({"extra_body": {"client_secret": {"expires_after": 5, "expires_at": 5}}}, 5),
]


@pytest.mark.parametrize("resource", ["sessions", "transcription_sessions"])
@pytest.mark.parametrize("dialect", ["auto", "ga"])
@pytest.mark.parametrize(("params", "sent"), LIFETIMES)
def test_a_flat_call_asks_for_the_flat_lifetime_in_the_nested_shape(
    resource: str, dialect: Any, params: dict[str, Any], sent: Any
) -> None:
    """The nested shape's own default is 600 seconds."""
    configuration = Configuration.resolve({"api_key": "sk-x", "dialect": dialect})
    module = importlib.import_module(f"openai_realtime.resources.{resource}")
    call: Call[Any] = create_call(configuration, module.CREATE, params)
    if call.fallback is not None:
        retired = NotFoundError("x", status_code=404)
        other = call.fallback(retired)
        assert other is not None
        assert b'"expires_after":{"anchor"' not in call.request.body or "client_secret" in params
        call = other
    assert json.loads(call.request.body)["expires_after"] == sent


@pytest.mark.parametrize("dialect", ["auto", "ga"])
def test_a_nested_call_leaves_the_default_to_the_server(dialect: Any) -> None:
    configuration = Configuration.resolve({"api_key": "sk-x", "dialect": dialect})
    for params in ({}, {"session": {"type": "realtime"}}):
        call = create_call(configuration, client_secrets.CREATE, params)
        assert b"expires_after" not in call.request.body


def test_a_lifetime_that_the_provider_does_not_allow() -> None:
    configuration = Configuration.resolve({"api_key": "xai-x", "provider": xai()})
    for operation, params in (
        (sessions.CREATE, {"client_secret": {"expires_after": {"seconds": 3601}}}),
        (client_secrets.CREATE, {"expires_after": {"seconds": 3601}}),
    ):
        call: Any = operation
        with pytest.raises(ParameterError, match="at most 3600 at xAI") as caught:
            create_call(configuration, call, params)
        assert caught.value.param == "expires_after.seconds"
    create_call(configuration, client_secrets.CREATE, {"expires_after": {"seconds": 3600}})
    with SyncRealtimeSessionsClient(provider=xai(), api_key="xai-x") as client:
        pool = client.secret_pool(min_ttl=3000)
        assert pool._params["client_secret"]["expires_after"]["seconds"] == 3600
    needs: Any = {"authorize": str, "origins": (), "session": {}}
    service = RealtimeSessionsClient(provider=xai(), api_key="xai-x")
    with pytest.raises(ConfigurationError, match="it must be 10 to 3600 seconds"):
        mint_endpoint(service, **needs, connect_url="wss://x.example", lifetime=7200)
