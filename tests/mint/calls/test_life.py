"""A call's life, by tables and with a clock that the test sets."""

from __future__ import annotations

import math
from typing import Any

import pytest

from openai_realtime.mint.broker.life import CallRecord, CallTable, EndReason

NOW = 1000.0


def reserved(call_id: str = "a", deadline: float = NOW + 35) -> CallRecord:
    return CallRecord(call_id, "ann", deadline)


def running(call_id: str = "a", began: float = NOW, **options: Any) -> CallRecord:
    call = reserved(call_id)
    defaults = {"max_duration": 900.0, "provider_maximum": 3600.0, "heartbeat": None}
    call.begin(f"rtc_{call_id}", began, **{**defaults, **options})
    return call


def test_the_phases_and_when_each_is_due() -> None:
    call = reserved()
    assert (call.phase, call.due) == ("reserved", NOW + 35)
    call.begin("rtc_1", NOW, max_duration=900, provider_maximum=3600, heartbeat=90)
    assert (call.phase, call.due) == ("running", NOW + 90)
    call.beat(NOW + 85)
    assert call.due == NOW + 175
    call.beat(NOW + 850)
    assert call.due == NOW + 900
    assert call.ask_to_end("page", NOW + 5)
    assert (call.phase, call.due) == ("ending", NOW + 5)


@pytest.mark.parametrize(
    ("call", "now", "reason"),
    [
        (reserved(), NOW + 35, "possible_orphan"),
        (running(), NOW + 900, "max_duration"),
        (running(heartbeat=90), NOW + 90, "silent"),
        (running(heartbeat=900), NOW + 900, "max_duration"),
    ],
    ids=["reserved", "its time is over", "its page is silent", "both"],
)
def test_why_a_call_ends_when_it_is_due(call: CallRecord, now: float, reason: EndReason) -> None:
    assert call.due == now
    call.expire(now)
    assert call.reason == reason


def test_the_first_reason_stays() -> None:
    call = running()
    assert call.ask_to_end("page", NOW)
    assert not call.ask_to_end("server", NOW + 1)
    call.expire(NOW + 900)
    assert (call.reason, call.due) == ("page", NOW)


def test_a_call_that_is_asked_to_end_during_its_trade_ends_after_it() -> None:
    call = reserved()
    assert call.ask_to_end("replaced", NOW)
    assert (call.phase, call.due) == ("reserved", NOW + 35)
    call.begin("rtc_1", NOW + 3, max_duration=900, provider_maximum=3600, heartbeat=None)
    assert (call.phase, call.due, call.reason) == ("ending", NOW + 3, "replaced")


@pytest.mark.parametrize(
    ("age", "outcome", "failures", "retry_after", "next_in"),
    [
        # It is over.
        (0, "hung_up", 0, None, None),
        (10, "not_found", 0, None, None),
        (900, "not_found", 7, None, None),
        (3600, "failed", 9, None, None),
        # It may not be set up yet: again at the latest when it must be.
        (0, "not_found", 0, None, 1),
        (3, "not_found", 2, None, 4),
        (7, "not_found", 3, None, 3),
        (9.9, "not_found", 0, None, 0.1),
        # The provider fails.
        (900, "failed", 0, None, 1),
        (900, "failed", 1, None, 2),
        (900, "failed", 4, None, 16),
        (900, "failed", 5, None, 30),
        (900, "failed", 5000, None, 30),
        (900, "failed", 0, 7, 7),
        (900, "failed", 0, 3000, 30),
        (900, "failed", 3, 1, 8),
        # One last attempt when the provider itself has ended it.
        (3590, "failed", 9, None, 10),
    ],
)
def test_what_follows_an_attempt_to_hang_up(
    age: float, outcome: Any, failures: int, retry_after: float | None, next_in: float | None
) -> None:
    call = running()
    call.ask_to_end("server", NOW)
    call.attempts, call.next_attempt = failures, math.inf
    has_ended = call.has_ended(outcome, NOW + age, retry_after)
    assert has_ended is (next_in is None)
    if next_in is None:
        assert call.ended == NOW + age
    else:
        assert call.due == pytest.approx(NOW + age + next_in)
        assert call.attempts == failures + 1
    # A call that the provider does not know does not keep its principal from the next one.
    assert call.has_slot is (outcome != "not_found")


def test_a_gpt_live_session_lasts_longer() -> None:
    call = running(max_duration=7200.0, provider_maximum=7200.0)
    assert call.due == NOW + 7200
    call.ask_to_end("server", NOW + 3600)
    assert not call.has_ended("failed", NOW + 3600, None)
    assert call.has_ended("failed", NOW + 7200, None)


def test_a_404_is_final_for_a_call_whose_sideband_was_open() -> None:
    """The provider has certainly set it up, so that there is nothing to wait for."""
    call = running()
    call.is_set_up = True
    assert call.ask_to_end("peer_left", NOW + 1)
    assert call.has_ended("not_found", NOW + 1, None)
    assert call.ended == NOW + 1


def test_the_waits_add_up_to_the_time_in_which_a_call_must_be_set_up() -> None:
    call, now = running(), NOW + 0.5
    call.ask_to_end("page", now)
    times = []
    while not call.has_ended("not_found", now, None):
        times.append(now - NOW)
        now = call.due
    assert times == [0.5, 1.5, 3.5, 7.5]
    assert now - NOW == 10


def test_a_table_gives_each_call_when_it_is_due() -> None:
    table = CallTable()
    assert (table.next_due(), table.take_due(NOW)) == (math.inf, [])
    late, early = running("late"), running("early", heartbeat=10)
    table.add(late)
    table.add(early)
    assert (len(table), list(table), table.next_due()) == (2, [late, early], NOW + 10)
    early.beat(NOW + 5)
    # The entry is too early by now: nothing is due, and it is put back.
    assert table.take_due(NOW + 10) == []
    assert table.next_due() == NOW + 15
    table.forgive_silence(NOW + 10)
    assert table.take_due(NOW + 15) == []
    assert table.take_due(NOW + 20) == [early]
    assert table.take_due(NOW + 20) == []
    assert table.remove("early")
    assert not table.remove("early")
    assert table.get("early") is None
    # Asked to end, it is due earlier than it was.
    late.ask_to_end("page", NOW + 30)
    table.add(late)
    assert table.take_due(NOW + 30) == [late]
    assert table.take_due(NOW + 1000) == []


def test_a_table_forgets_calls_that_ended_early() -> None:
    table = CallTable()
    for number in range(1000):
        call = running(str(number))
        table.add(call)
        table.remove(call.id)
    assert len(table._due) < 100
    table.add(running("last"))
    assert [call.id for call in table.take_due(NOW + 900)] == ["last"]
