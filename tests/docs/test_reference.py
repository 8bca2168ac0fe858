"""The tables of the reference that are written by hand name what the package has."""

from __future__ import annotations

import re
from typing import get_args

from markdown_blocks import ROOT
from starlette.testclient import TestClient

from openai_realtime import RealtimeSessionsClient
from openai_realtime.environment import CLIENT_VARIABLES, ServerVariable
from openai_realtime.mint import errors, mint_app
from openai_realtime.mint.broker.events import CallMetrics


def rows(page: str) -> set[str]:
    """Return every name in code in the tables of a page of the reference."""
    text = (ROOT / "docs" / "reference" / f"{page}.md").read_text(encoding="utf-8")
    return {
        name
        for line in text.splitlines()
        if line.startswith("|")
        for name in re.findall(r"`([^`]+)`", line)
    }


def test_every_environment_variable_is_listed() -> None:
    assert {*CLIENT_VARIABLES, *get_args(ServerVariable)} <= rows("settings")


def test_every_error_of_the_mint_service_is_listed_with_its_status() -> None:
    text = (ROOT / "docs" / "reference" / "mint.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| (\d+) \| `(\w+)` \|", text, re.MULTILINE))
    codes = [code for code in vars(errors).values() if isinstance(code, errors.ErrorCode)]
    codes.append(errors.method_not_allowed("POST").code)
    assert {(str(code.status), code.name) for code in codes} == listed


def test_every_metric_of_the_mint_service_is_listed() -> None:
    app = mint_app(
        RealtimeSessionsClient(api_key="sk-1"),
        session={"model": "gpt-realtime-2.1"},
        authorize=lambda _: None,
        metrics=True,
        broker=True,
        close_client=True,
    )
    with TestClient(app) as client:
        text = client.get("/metrics").text
    shown = {
        name.removesuffix("_bucket") for name in re.findall(r"^# TYPE (\w+)", text, re.MULTILINE)
    }
    assert len(shown) == 5  # the others have no value yet
    assert {*CallMetrics.NAMES, *shown} <= rows("mint")


def test_every_metric_of_open_telemetry_is_listed() -> None:
    source = (ROOT / "openai_realtime" / "otel.py").read_text(encoding="utf-8")
    made = re.findall(r'create_\w+\(\s*"([\w.]+)"', source)
    assert len(made) == 6
    assert set(made) <= rows("events")
