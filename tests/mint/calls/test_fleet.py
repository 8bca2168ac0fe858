"""Two services that share a Redis: each ends what the other began, also while Redis fails."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import trio

from mint.calls.service import begin, begun, broker_for, caller, hung_up, metrics, offers, running
from mint.redis_process import RedisProcess
from mint.service import until
from openai_realtime import ConfigurationError
from openai_realtime.mint import CallEvent
from openai_realtime.mint.broker import broker as broker_module
from openai_realtime.testing import MockRealtimeServer, MockResponse

pytestmark = pytest.mark.redis


@contextmanager
def two(
    provider: MockRealtimeServer, redis: RedisProcess, **options: Any
) -> Iterator[tuple[Any, Any, list[CallEvent], list[CallEvent]]]:
    """Give clients of two services, and what each `on_call` was told."""
    told: tuple[list[CallEvent], list[CallEvent]] = ([], [])
    with (
        caller(provider, storage=redis.url, on_call=told[0].append, **options) as one,
        caller(provider, storage=redis.url, on_call=told[1].append, **options) as other,
    ):
        yield one, other, *told


def test_one_service_ends_what_the_other_began(
    provider: MockRealtimeServer, redis: RedisProcess
) -> None:
    with two(provider, redis, max_duration=900) as (one, other, told_one, told_other):
        location = begun(one)
        assert begin(other).json()["error"] == "too_many_calls"
        (call,) = running(other, "ann")
        assert 890 < call.seconds_left <= 900
        assert other.delete(location, headers={"x-user": "bob"}).status_code == 403
        assert other.delete(location).status_code == 204
        assert hung_up(provider) == [call.call_id]
        until(lambda: len(told_other) == 1)
        (event,) = told_other
        assert (event.type, event.reason, event.principal) == ("ended", "page", None)
        assert event.pseudonym == told_one[0].pseudonym
        assert [event.type for event in told_one] == ["began"]
        assert metrics(other)['ended_total{reason="page"}'] == 1
        until(lambda: metrics(one)["running"] == 0)
        begun(other)
        keys = " ".join(key.decode() for key in redis.command("KEYS", "*"))
        assert location.rpartition("/")[2] not in keys
        assert "ann" not in keys


def test_calls_outlive_their_service_but_not_their_time(
    provider: MockRealtimeServer, redis: RedisProcess
) -> None:
    told: list[CallEvent] = []
    with caller(provider, storage=redis.url, on_call=told.append) as other:
        with caller(provider, storage=redis.url, max_duration=2) as one:
            begun(one)
        assert hung_up(provider) == []
        until(lambda: len(told) == 1, 10)
        assert told[0].reason == "max_duration"
        assert told[0].duration is not None
        assert 2 <= told[0].duration < 7
        assert len(hung_up(provider)) == 1
        assert running(other) == []


def test_while_redis_is_away_no_call_begins_and_those_that_run_end_in_time(
    provider: MockRealtimeServer, redis: RedisProcess
) -> None:
    with two(provider, redis, max_duration=2) as (one, other, told_one, told_other):
        locations = [begun(one, user) for user in ("ann", "bob")]
        provider.respond_next(MockResponse(201, body=b"v=0", headers={"location": "/x/rtc_lost"}))
        redis.kill()
        refused = begin(other, "cid")
        assert (refused.status_code, refused.json()["error"]) == (503, "limiter_unavailable")
        assert offers(provider) == 2
        provider.forget_script()
        # Its own service knows the call, and hangs up; the other one cannot find it.
        assert one.delete(locations[0]).status_code == 204
        assert len(hung_up(provider)) == 1
        assert other.delete(locations[1], headers={"x-user": "bob"}).status_code == 503
        assert one.post(f"{locations[1]}/heartbeat").status_code == 403
        heartbeat = one.post(f"{locations[1]}/heartbeat", headers={"x-user": "bob"})
        assert heartbeat.status_code == 503
        until(lambda: len(hung_up(provider)) == 2, 5)
        # Nothing is told until it is certain who tells.
        assert [event.type for event in told_one] == ["began", "began"]
        redis.start()
        until(lambda: len(told_one) + len(told_other) == 4)
        ended = [event for event in [*told_one, *told_other] if event.type == "ended"]
        assert {event.reason for event in ended} == {"page", "max_duration"}
        assert len({event.call_id for event in ended}) == 2
        begun(other, "cid")


def test_a_call_that_cannot_be_recorded_is_hung_up_and_has_no_answer(
    provider: MockRealtimeServer, redis: RedisProcess, caplog: pytest.LogCaptureFixture
) -> None:
    with caller(provider, storage=redis.url) as page:
        late = {"location": "/v1/realtime/calls/rtc_late"}
        provider.respond_next(MockResponse(201, body=b"v=0\r\n", headers=late, delay=0.5))

        def stop() -> None:
            until(lambda: offers(provider) == 1)
            redis.signal(signal.SIGSTOP)

        stopping = threading.Thread(target=stop)
        stopping.start()
        response = begin(page)
        stopping.join()
        assert (response.status_code, response.json()["error"]) == (503, "call_not_recorded")
        assert "v=0" not in response.text
        until(lambda: hung_up(provider) == ["rtc_late"])
        until(lambda: "The registry of calls is unusable" in caplog.text)
        redis.signal(signal.SIGCONT)
        until(lambda: metrics(page).get('ended_total{reason="not_recorded"}') == 1)
        begun(page)


def test_a_service_that_is_stopped_during_a_trade(
    provider: MockRealtimeServer, redis: RedisProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its event loop is blocked: the reservation ends, and the late 201 is hung up."""
    monkeypatch.setattr(broker_module, "RESERVATION_GRACE", -29.0)
    with two(provider, redis) as (one, other, told_one, told_other):
        late = {"location": "/v1/realtime/calls/rtc_late"}
        provider.respond_next(MockResponse(201, body=b"v=0\r\n", headers=late, delay=5))
        response = begin(one)
        assert (response.status_code, response.json()["error"]) == (503, "call_not_recorded")
        until(lambda: hung_up(provider) == ["rtc_late"])
        orphans = [metrics(client)["possible_orphans_total"] for client in (one, other)]
        assert sum(orphans) == 1
        assert told_one == told_other == []


def test_a_page_that_is_silent_is_noticed_by_either_service(
    provider: MockRealtimeServer, redis: RedisProcess
) -> None:
    with two(provider, redis, heartbeat=2) as (one, other, told_one, told_other):
        location = begun(one)
        end = time.monotonic() + 3
        while time.monotonic() < end:
            assert other.post(f"{location}/heartbeat").status_code == 204
            time.sleep(0.1)
        assert [event.type for event in told_one] == ["began"]
        until(lambda: len(told_one) + len(told_other) == 2)
        assert {event.reason for event in [*told_one, *told_other]} == {None, "silent"}


def test_redis_needs_asyncio(provider: MockRealtimeServer) -> None:
    app = broker_for(provider, storage="redis://127.0.0.1:1/0")

    async def start() -> None:
        with pytest.raises(ConfigurationError, match="Redis works with asyncio only"):
            async with app.router.lifespan_context(app):
                pass
        with pytest.raises(ConfigurationError, match="Redis works with asyncio only"):
            await app.state.calls.running()

    trio.run(start)
