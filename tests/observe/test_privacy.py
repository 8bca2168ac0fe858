"""What events and warnings of hooks do not show."""

from __future__ import annotations

import pytest

from openai_realtime import BadRequestError, SyncRealtimeSessionsClient
from openai_realtime.observe import Event
from openai_realtime.testing import MockRealtimeServer, MockResponse

BUSY = {"retry-after-ms": "1"}


@pytest.mark.parametrize("status", [400, 503])
def test_a_message_that_quotes_the_instructions_is_in_no_repr(
    realtime_server: MockRealtimeServer, status: int
) -> None:
    events: list[Event] = []
    quoting = {"error": {"message": "instructions: 'a secret plan' is no good"}}
    realtime_server.respond_next(
        MockResponse(status, quoting, headers=BUSY), MockResponse(400, quoting)
    )
    with (
        SyncRealtimeSessionsClient(on_event=events.append) as client,
        pytest.raises(BadRequestError, match="a secret plan"),
    ):
        client.sessions.create(instructions="a secret plan")
    assert "error=BadRequestError" in repr(events)
    assert "secret plan" not in repr(events)


def test_nor_is_what_a_credential_callable_says(realtime_server: MockRealtimeServer) -> None:
    events: list[Event] = []

    def key() -> str:
        message = "the vault said hidden"
        raise RuntimeError(message)

    with (
        SyncRealtimeSessionsClient(api_key=key, on_event=events.append) as client,
        pytest.raises(RuntimeError, match="hidden"),
    ):
        client.sessions.create()
    assert "error=RuntimeError" in repr(events)
    assert "hidden" not in repr(events)


def test_copies_do_not_warn_of_the_same_fault_again(
    realtime_server: MockRealtimeServer, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(event: Event) -> None:
        raise ValueError(type(event))

    with SyncRealtimeSessionsClient(on_event=fail) as client:
        for _ in range(3):
            client.with_options(timeout=5).sessions.create()
    assert len([entry for entry in caplog.records if entry.name == "openai_realtime"]) == 1
