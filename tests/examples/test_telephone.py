"""The telephone example from end to end on the mock: greeting, tools that fail or hang, a human."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from openai_realtime import RealtimeSessionsClient
from openai_realtime.testing import MOCK_WEBHOOK_SECRET, MockRealtimeServer

if TYPE_CHECKING:
    from openai_realtime.testing import MockPhone

APIS: list[Any] = ["realtime", "live"]


@contextmanager
def receptionist(
    mock: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch, **options: Any
) -> Iterator[MockPhone]:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "examples"))
    monkeypatch.setenv("OPENAI_WEBHOOK_SECRET", MOCK_WEBHOOK_SECRET)
    import telephone_receptionist as example  # noqa: PLC0415 - it is on the path only now

    client = RealtimeSessionsClient(base_url=mock.base_url, api_key=mock.api_key)
    noon = example.now().replace(hour=12)
    person = example.Receptionist(client, lambda: noon, **options)
    try:
        with example.serving(example.make_app(person, "both")) as address:
            yield mock.phone(webhook_url=f"{address}/webhooks/openai")
    finally:
        del sys.modules["telephone_receptionist"]


@pytest.mark.parametrize("api", APIS)
def test_the_caller_is_greeted_at_once_and_meets_a_human(
    realtime_server: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch, api: Any
) -> None:
    with receptionist(realtime_server, monkeypatch) as phone:
        call = phone.ring(api=api)
        accepted = call.wait_for_decision("accepted", timeout=20)
        greeting = call.wait_for_speech(timeout=20)
        # Beside a control: what a request takes on this machine now.
        began = time.monotonic()
        phone.ring(api=api).wait_for_decision("accepted", timeout=20)
        slowness = time.monotonic() - began
        assert greeting.seconds - accepted.seconds < max(1, 5 * slowness)
        assert "Lakeside Hotel" in greeting.text
        rooms = call.model_calls("free_rooms", {"day": "2026-05-04"})
        assert call.wait_for_output(rooms, timeout=20) == "3"
        call.model_calls("hand_over")
        referred = call.wait_for_decision("referred", timeout=20)
        assert referred.parameters == {"target_uri": "tel:+49301234567"}


def fail(day: str) -> int:
    raise ConnectionError(f"postgres://user:password@db: {day}")


def hang(day: str) -> int:
    time.sleep(3)
    return len(day)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    ("rooms", "day", "output"),
    [
        (fail, "2026-05-04", '{"error":"free_rooms failed"}'),
        (hang, "2026-05-04", '{"error":"free_rooms did not finish in time"}'),
        (None, "2027-01-01", '{"error":"The booking system knows only May 2026"}'),
    ],
    ids=["fails", "hangs", "says why"],
)
def test_a_tool_that_does_not_work(
    realtime_server: MockRealtimeServer,
    monkeypatch: pytest.MonkeyPatch,
    api: Any,
    rooms: Callable[[str], int] | None,
    day: str,
    output: str,
) -> None:
    options: dict[str, Any] = {} if rooms is None else {"rooms": rooms}
    with receptionist(realtime_server, monkeypatch, tool_timeout=0.5, **options) as phone:
        call = phone.ring(api=api)
        call.wait_for_speech(timeout=20)
        said = len(call.transcript)
        call_id = call.model_calls("free_rooms", {"day": day})
        assert call.wait_for_output(call_id, timeout=20) == output
        call.wait_for_event("response.create", timeout=20)
        end = time.monotonic() + 20
        while len(call.transcript) == said and time.monotonic() < end:
            time.sleep(0.005)
        assert output in call.transcript[-1].text, "the model goes on"
        call.hang_up()
