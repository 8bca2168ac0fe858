"""The exchange driven by hand: no engine, a clock that stands still, a random that is given."""

import itertools
from collections.abc import Iterator

import pytest

from openai_realtime import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APITimeoutError,
    BadRequestError,
    ResponseMeta,
    RetryPolicy,
    Timeout,
)
from openai_realtime.core.call import Call
from openai_realtime.core.events import (
    AttemptFinished,
    AttemptSent,
    CallFinished,
    Event,
    RetryScheduled,
)
from openai_realtime.core.exchange import Exchange, RetryContext
from openai_realtime.core.retry import RetryBudget
from openai_realtime.core.wire import Headers, Request, Response
from openai_realtime.secrets import ApiKey, Authorization

KEY = Authorization(ApiKey("sk-secret-0123456789"), (b"Authorization", b"Bearer sk-secret"))
OK = Response(200, Headers({"x-request-id": "req_ok"}), b"fine")
BUSY = Response(503, Headers({"x-request-id": "req_busy"}), b"")
SLOW_DOWN = Response(429, Headers({"retry-after": "4"}), b"")
LOST = APIConnectionError("lost", phase="receive", retryable=True, possibly_acted=True)


def parse(response: Response, meta: ResponseMeta) -> tuple[bytes, ResponseMeta]:
    if response.body == b"bad":
        raise APIResponseValidationError("bad")
    return response.body, meta


class World:
    """A clock, a random, a budget, and everything that was told."""

    def __init__(
        self, *, total: float = 30.0, repeatable: bool = True, max_retries: int = 2
    ) -> None:
        self.now = 1000.0
        self.budget = RetryBudget()
        self.events: list[Event] = []
        self.delays: list[float] = []
        self.call = Call(
            operation="sessions.create",
            request=Request("POST", "https://h/v1/realtime/sessions?x=1", (), b"{}"),
            parse=parse,
            timeout=Timeout(total=total),
            repeatable=repeatable,
        )
        self.policy = RetryPolicy(max_retries=max_retries)

    def run(self, *outcomes: Response | BaseException) -> tuple[bytes, ResponseMeta]:
        script = iter(outcomes)
        try:
            return self.run_from(script)
        finally:
            assert next(script, None) is None, "fewer attempts than scripted"

    def run_from(self, script: Iterator[Response | BaseException]) -> tuple[bytes, ResponseMeta]:
        context = RetryContext(
            self.policy, self.budget, lambda: self.now, lambda: 0.5, self.events.append
        )
        exchange = Exchange(self.call, context)
        for attempt in exchange:
            self.delays.append(attempt.delay)
            self.now += attempt.delay
            with attempt:
                request = attempt.request(KEY)
                assert request.headers == (KEY.header,)
                self.now += 1.0
                outcome = next(script)
                if isinstance(outcome, BaseException):
                    raise outcome
                attempt.receive(outcome)
        return exchange.result()


def test_success_at_once() -> None:
    world = World()
    body, meta = world.run(OK)
    assert (body, meta.attempts, meta.elapsed, meta.possible_orphans) == (b"fine", 1, 1.0, 0)
    assert (meta.status, meta.request_id) == (200, "req_ok")
    assert world.events == [
        AttemptSent("sessions.create", "POST", "https://h/v1/realtime/sessions", 1),
        AttemptFinished("sessions.create", 1, 200, "req_ok", None),
        CallFinished("sessions.create", 1, 1.0, None),
    ]


def test_retries_wait_longer_each_time() -> None:
    world = World()
    _, meta = world.run(BUSY, LOST, OK)
    assert world.delays == [0.0, 0.25, 0.5]
    assert (meta.attempts, meta.elapsed, meta.possible_orphans) == (3, 3.75, 1)
    retries = [event for event in world.events if isinstance(event, RetryScheduled)]
    assert [(event.attempt, event.delay) for event in retries] == [(1, 0.25), (2, 0.5)]
    assert retries[1].reason is LOST


def test_retry_after_is_waited_for() -> None:
    world = World()
    world.run(SLOW_DOWN, OK)
    assert world.delays == [0.0, 4.0]


def test_the_last_error_is_the_one_raised() -> None:
    world = World()
    with pytest.raises(APIError, match="lost") as caught:
        world.run(BUSY, BUSY, LOST)
    error = caught.value
    assert isinstance(error, APIConnectionError)
    assert (error.attempts, error.possible_orphans) == (3, 0)
    assert (error.method, error.url) == ("POST", "https://h/v1/realtime/sessions")
    assert str(error) == "lost (POST https://h/v1/realtime/sessions, attempt 3)"


def test_a_final_error_is_raised_at_once() -> None:
    world = World()
    with pytest.raises(BadRequestError) as caught:
        world.run(Response(400, Headers(), b'{"error":"key sk-secret-0123456789"}'))
    assert "0123456789" not in str(caught.value)
    assert world.delays == [0.0]
    assert world.budget.tokens == 500


def test_an_unusable_success_is_final() -> None:
    with pytest.raises(APIResponseValidationError) as caught:
        World().run(Response(201, Headers({"x-request-id": "req_bad"}), b"bad"))
    error = caught.value
    assert (error.status_code, error.request_id, error.attempts) == (201, "req_bad", 1)
    assert error.headers["x-request-id"] == "req_bad"


def test_a_retry_that_cannot_start_in_time_is_not_waited_for() -> None:
    world = World(total=5.0)
    with pytest.raises(APIError) as caught:
        world.run(SLOW_DOWN)
    assert (caught.value.attempts, caught.value.retry_after) == (1, 4.0)
    assert world.now == 1001.0


def test_a_timeout_at_the_deadline_is_the_deadlines() -> None:
    world = World(total=1.0)
    silent = APITimeoutError("silent", phase="receive", retryable=True, possibly_acted=True)
    with pytest.raises(APITimeoutError, match=r"within 1 s") as caught:
        world.run(silent)
    assert (caught.value.phase, caught.value.retryable) == ("total", False)


def test_a_timeout_before_the_deadline_is_its_own() -> None:
    silent = APITimeoutError("silent", phase="connect", retryable=True)
    with pytest.raises(APITimeoutError, match="silent") as caught:
        World(max_retries=0).run(silent)
    assert caught.value.phase == "connect"


@pytest.mark.parametrize("is_sent", [None, False, True])
def test_an_abandoned_attempt_is_the_deadlines(is_sent: bool | None) -> None:
    world = World()
    exchange = Exchange(
        world.call, RetryContext(world.policy, world.budget, lambda: 0.0, lambda: 0.0)
    )
    for attempt in exchange:
        with attempt:
            if is_sent is not None:
                attempt.request(None).progress.was_sent = is_sent
            attempt.deadline_passed()
    with pytest.raises(APITimeoutError) as caught:
        exchange.result()
    assert (caught.value.phase, caught.value.possibly_acted) == ("total", bool(is_sent))


def test_the_budget_is_spent_and_refunded() -> None:
    world = World()
    world.run(BUSY, OK)
    assert world.budget.tokens == 500  # spent 14, refunded 14
    with pytest.raises(APIError):
        world.run(SLOW_DOWN, BUSY, BUSY)
    assert world.budget.tokens == 500 - 5 - 14
    world.run(OK)
    assert world.budget.tokens == 500 - 5 - 14 + 1


def test_an_empty_budget_fails_with_the_real_error() -> None:
    world = World()
    while world.budget.withdraw(14):
        pass
    with pytest.raises(APIError, match="503"):
        world.run(BUSY)
    assert world.delays == [0.0]


def test_an_outage_is_not_multiplied() -> None:
    world = World()
    for _ in range(1000):
        with pytest.raises(APIError):
            world.run_from(itertools.repeat(BUSY))
    requests = sum(isinstance(event, AttemptSent) for event in world.events)
    assert 1000 < requests <= 1040


def test_actions_are_not_repeated_when_they_may_have_happened() -> None:
    world = World(repeatable=False)
    with pytest.raises(APIConnectionError):
        world.run(LOST)
    unsent = APIConnectionError("refused", phase="connect", retryable=True)
    World(repeatable=False).run(unsent, OK)


@pytest.mark.parametrize("exception", [KeyboardInterrupt(), ValueError("a fault in a callable")])
def test_other_exceptions_end_the_call(exception: BaseException) -> None:
    with pytest.raises(type(exception)):
        World().run(exception)


def test_the_error_carries_no_frames_of_the_attempt() -> None:
    with pytest.raises(APIConnectionError) as caught:
        World(max_retries=0).run(LOST)
    frames = " ".join(entry.name for entry in caught.traceback)
    assert "result" in frames
    assert "settle" not in frames
    assert "exit" not in frames
