"""The exchange driven by hand: no engine, a clock that stands still, a random that is given."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from openai_realtime import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    BadRequestError,
    NotFoundError,
    ParameterError,
    ResponseMeta,
    RetryPolicy,
    Timeout,
)
from openai_realtime.core.error_responses import NO_ENDPOINT
from openai_realtime.core.events import (
    AttemptFinished,
    AttemptSent,
    CallFinished,
    CallStarted,
    Event,
    PoolLevel,
    RetryScheduled,
)
from openai_realtime.core.exchange import Call, Exchange, RetryContext
from openai_realtime.core.retry import RetryBudget
from openai_realtime.core.wire import Headers, Request, Response
from openai_realtime.secrets import MASK, ApiKey, Authorization

OPERATION = "sessions.create"
URL = "https://h/v1/realtime/sessions"
FALLBACK_URL = "https://h/v1/realtime/client_secrets"

KEY = Authorization(ApiKey("opaque0123456789"), (b"api-key", b"opaque0123456789"))
OK = Response(200, Headers({"x-request-id": "req_ok"}), b"fine")
BUSY = Response(503, Headers({"x-request-id": "req_busy"}), b"")
SLOW_DOWN = Response(429, Headers({"retry-after": "4"}), b"")
NOT_THERE = Response(404, Headers(), b'{"error":"not there"}')
LOST = APIConnectionError("lost", phase="receive", retryable=True, possibly_acted=True)
STALE = APIConnectionError("stale", phase="receive", retryable=True, possibly_acted=True)
STALE.stale = True


def parse(response: Response, meta: ResponseMeta) -> tuple[bytes, ResponseMeta]:
    if response.body == b"bad":
        raise APIResponseValidationError("bad")
    return response.body, meta


class World:
    """A clock, a random, a budget, and every event."""

    def __init__(
        self,
        *,
        total: float = 30.0,
        repeatable: bool = True,
        max_retries: int = 2,
        key: Authorization | None = KEY,
    ) -> None:
        self.key = key
        self.now = 1000.0
        self.budget = RetryBudget()
        self.events: list[Event] = []
        self.calls: list[int] = []
        self.delays: list[float] = []
        self.call = Call(
            operation=OPERATION,
            request=Request("POST", f"{URL}?x=1", (), b"{}"),
            parse=parse,
            timeout=Timeout(total=total),
            repeatable=repeatable,
        )
        self.policy = RetryPolicy(max_retries=max_retries)

    def hear(self, event: Event) -> None:
        """Take an event; every call is number 1 to the tests."""
        assert not isinstance(event, PoolLevel)
        self.calls.append(event.call)
        self.events.append(replace(event, call=1))

    def context(self) -> RetryContext:
        return RetryContext(
            self.policy, self.budget, lambda: self.now, lambda: 0.5, lambda: self.hear
        )

    def run(self, *outcomes: Response | BaseException) -> tuple[bytes, ResponseMeta]:
        script = iter(outcomes)
        try:
            return self.run_from(script)
        finally:
            assert next(script, None) is None, "fewer attempts than scripted"

    def run_from(self, script: Iterator[Response | BaseException]) -> tuple[bytes, ResponseMeta]:
        exchange = Exchange(self.call, self.context())
        for attempt in itertools.islice(exchange, 10):  # a fault shall not go on for ever
            self.delays.append(attempt.delay)
            self.now += attempt.delay
            with attempt:
                request = attempt.request(self.key)
                assert request.headers == (() if self.key is None else (self.key.header,))
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
        CallStarted(1, OPERATION),
        AttemptSent(1, OPERATION, 1, "first", "POST", URL),
        AttemptFinished(1, OPERATION, 1, 1.0, 200, "req_ok", None),
        CallFinished(1, OPERATION, 1, 1.0, None, 500),
    ]


def test_retries_wait_longer_each_time() -> None:
    world = World()
    _, meta = world.run(BUSY, LOST, OK)
    assert world.delays == [0.0, 0.25, 0.5]
    assert (meta.attempts, meta.elapsed, meta.possible_orphans) == (3, 3.75, 1)
    busy = next(event.reason for event in world.events if isinstance(event, RetryScheduled))
    assert str(busy) == (
        f"503: The server gave no reason (POST {URL}, request id req_busy, attempt 1)"
    )
    assert world.events == [
        CallStarted(1, OPERATION),
        AttemptSent(1, OPERATION, 1, "first", "POST", URL),
        AttemptFinished(1, OPERATION, 1, 1.0, 503, "req_busy", busy),
        RetryScheduled(1, OPERATION, 1, 0.25, busy, 486),
        AttemptSent(1, OPERATION, 2, "retry", "POST", URL),
        AttemptFinished(1, OPERATION, 2, 1.0, None, None, LOST),
        RetryScheduled(1, OPERATION, 2, 0.5, LOST, 472),
        AttemptSent(1, OPERATION, 3, "retry", "POST", URL),
        AttemptFinished(1, OPERATION, 3, 1.0, 200, "req_ok", None),
        CallFinished(1, OPERATION, 3, 3.75, None, 486),
    ]


def test_what_else_ends_a_call_is_told_and_goes_on_up() -> None:
    world, cancelled = World(), KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        world.run(BUSY, cancelled)
    assert world.events[-2:] == [
        AttemptFinished(1, OPERATION, 2, 1.0, None, None, cancelled),
        CallFinished(1, OPERATION, 2, 2.25, cancelled, 486),
    ]


def test_so_is_what_ends_it_before_anything_is_sent() -> None:
    world = World()
    context = RetryContext(world.policy, world.budget, lambda: 0.0, lambda: 0.5, lambda: world.hear)
    faulty = ValueError("the credential callable's")
    with pytest.raises(ValueError, match="callable"):  # noqa: PT012 - the whole exchange is meant
        for attempt in Exchange(world.call, context):
            with attempt:
                raise faulty
    assert world.events == [
        CallStarted(1, OPERATION),
        CallFinished(1, OPERATION, 0, 0.0, faulty, 500),
    ]


def test_and_what_goes_wrong_while_an_answer_is_judged() -> None:
    world, wrong = World(), ParameterError("strict")

    def refuse(_: APIStatusError) -> Call[tuple[bytes, ResponseMeta]] | None:
        raise wrong

    world.call = world.call._replace(fallback=refuse)
    with pytest.raises(ParameterError):
        world.run(NOT_THERE)
    assert world.events[-1] == CallFinished(1, OPERATION, 1, 1.0, wrong, 500)


def test_what_ends_a_call_after_its_response_came_is_told_once() -> None:
    world, cancelled = World(), KeyboardInterrupt()
    exchange = Exchange(world.call, world.context())
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - the whole exchange is meant
        for attempt in exchange:
            with attempt:
                attempt.request(KEY)
                attempt.receive(OK)
                raise cancelled
    assert world.events[2:] == [
        AttemptFinished(1, OPERATION, 1, 0.0, None, None, cancelled),
        CallFinished(1, OPERATION, 1, 0.0, cancelled, 500),
    ]


def test_an_attempt_that_was_never_sent_does_not_finish() -> None:
    world, faulty = World(), ValueError("the credential callable's")
    exchange = Exchange(world.call, world.context())
    with pytest.raises(ValueError, match="callable"):  # noqa: PT012 - the whole exchange is meant
        for attempt in exchange:
            with attempt:
                if attempt.delay:
                    raise faulty
                attempt.request(KEY)
                attempt.receive(BUSY)
    assert [type(event) for event in world.events[3:]] == [RetryScheduled, CallFinished]


def test_the_events_of_a_call_have_its_number_and_no_other_calls() -> None:
    world = World()
    numbers: list[set[int]] = []
    for _ in range(2):
        world.calls.clear()
        world.run(BUSY, OK)
        numbers.append(set(world.calls))
    assert [len(each) for each in numbers] == [1, 1]
    assert numbers[0] != numbers[1]


def test_an_event_shows_an_errors_type_and_not_its_text() -> None:
    error = BadRequestError("what was sent")
    assert repr(AttemptFinished(1, OPERATION, 2, 0.5, 400, "req_1", error)) == (
        "AttemptFinished(call=1, operation='sessions.create', attempt=2, elapsed=0.5, status=400, "
        "request_id='req_1', error=BadRequestError)"
    )


def test_where_nobody_listens_nothing_is_told() -> None:
    world = World()
    exchange = Exchange(
        world.call, RetryContext(world.policy, world.budget, lambda: 0.0, lambda: 0.5)
    )
    for attempt in exchange:
        with attempt:
            attempt.request(None)
            attempt.receive(OK)
    assert exchange.result()[0] == b"fine"


def test_every_ambiguous_attempt_may_have_left_an_orphan() -> None:
    assert World().run(LOST, LOST, OK)[1].possible_orphans == 2


def test_a_server_may_want_no_credential() -> None:
    assert World(key=None).run(BUSY, OK)[0] == b"fine"


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
    assert (error.method, error.url) == ("POST", URL)
    assert str(error) == f"lost (POST {URL}, attempt 3)"
    assert world.events[-1] == CallFinished(1, OPERATION, 3, 3.75, error, 472)


def test_a_final_error_is_raised_at_once() -> None:
    world = World()
    with pytest.raises(BadRequestError) as caught:
        world.run(Response(400, Headers(), b'{"error":"key opaque0123456789"}'))
    assert caught.value.message == f"key {MASK}"
    assert world.delays == [0.0]
    assert world.budget.tokens == 500


def test_an_unusable_success_is_final() -> None:
    world = World()
    with pytest.raises(APIResponseValidationError) as caught:
        world.run(Response(201, Headers({"x-request-id": "req_bad"}), b"bad"))
    error = caught.value
    assert (error.status_code, error.request_id, error.attempts) == (201, "req_bad", 1)
    assert error.headers["x-request-id"] == "req_bad"
    assert world.events[2] == AttemptFinished(1, OPERATION, 1, 1.0, 201, "req_bad", error)


def test_a_retry_that_cannot_start_in_time_is_not_waited_for() -> None:
    world = World(total=5.0)
    with pytest.raises(APIError) as caught:
        world.run(SLOW_DOWN)
    assert (caught.value.attempts, caught.value.retry_after) == (1, 4.0)
    assert world.now == 1001.0


@pytest.mark.parametrize("acted", [True, False])
def test_a_timeout_at_the_deadline_is_the_deadlines(*, acted: bool) -> None:
    silent = APITimeoutError("silent", phase="receive", retryable=True, possibly_acted=acted)
    with pytest.raises(APITimeoutError) as caught:
        World(total=1.0).run(silent)
    error = caught.value
    assert (error.phase, error.retryable, error.possibly_acted) == ("total", False, acted)
    assert str(error) == (
        f"No response within 1 s, all attempts together (POST {URL}, attempt 1). "
        "Raise timeout=, or check whether the server is slow or unreachable"
    )


def test_nothing_is_sent_once_the_time_is_up() -> None:
    world = World(total=5.0)
    exchange = Exchange(world.call, world.context())
    for attempt in exchange:
        with attempt:
            world.now += 5.0  # a credential callable took so long
            attempt.request(KEY)
    with pytest.raises(APITimeoutError, match="within 5 s") as caught:
        exchange.result()
    error = caught.value
    assert (error.phase, error.possibly_acted, error.attempts) == ("total", False, 0)
    assert not any(isinstance(event, AttemptSent) for event in world.events)


def test_a_timeout_before_the_deadline_is_its_own() -> None:
    silent = APITimeoutError("silent", phase="connect", retryable=True)
    with pytest.raises(APITimeoutError, match="silent") as caught:
        World(total=1.5, max_retries=0).run(silent)
    assert caught.value.phase == "connect"


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


def test_a_stale_connection_gets_one_free_resend() -> None:
    world = World()
    world.budget.withdraw(100)
    _, meta = world.run(BUSY, STALE, OK)
    assert world.delays == [0.0, 0.25, 0.0]
    assert (meta.attempts, meta.possible_orphans) == (3, 1)
    assert world.budget.tokens == 400  # 14 for the one retry, given back
    assert [event.cause for event in world.events if isinstance(event, AttemptSent)] == [
        "first",
        "retry",
        "resend",
    ]
    assert sum(isinstance(event, RetryScheduled) for event in world.events) == 1


@pytest.mark.parametrize(
    ("outcomes", "delays", "orphans"),
    [
        ((STALE, STALE, OK), [0.0, 0.0, 0.25], 2),  # the second one is a retry like any other
        ((LOST, STALE, OK), [0.0, 0.25, 0.0], 2),
        ((STALE, LOST, BUSY, OK), [0.0, 0.0, 0.25, 0.5], 2),
    ],
)
def test_resends_beside_retries(
    outcomes: tuple[Response | APIError, ...], delays: list[float], orphans: int
) -> None:
    world = World()
    assert world.run(*outcomes)[1].possible_orphans == orphans
    assert world.delays == delays


@pytest.mark.parametrize(("repeatable", "total"), [(False, 30.0), (True, 1.0)])
def test_no_resend_of_an_action_or_after_the_deadline(*, repeatable: bool, total: float) -> None:
    with pytest.raises(APIConnectionError, match="stale") as caught:
        World(repeatable=repeatable, total=total).run(STALE)
    assert (caught.value.attempts, caught.value.possible_orphans) == (1, 0)


def with_fallback(*, max_retries: int = 2) -> World:
    """A world whose call goes over to another endpoint after a 404."""
    world = World(max_retries=max_retries)
    request = Request("POST", FALLBACK_URL, (), b"{}")
    other = world.call._replace(operation="other", request=request)

    def fallback(error: APIStatusError) -> Call[tuple[bytes, ResponseMeta]] | None:
        assert isinstance(error, APIStatusError)
        return other if isinstance(error, NotFoundError) else None

    world.call = world.call._replace(fallback=fallback)
    return world


def test_a_fallback_takes_over_at_once_and_costs_no_retry() -> None:
    world = with_fallback()
    world.run(BUSY, NOT_THERE, LOST, OK)
    assert world.delays == [0.0, 0.25, 0.0, 0.5]
    sent = [event for event in world.events if isinstance(event, AttemptSent)]
    assert sent == [
        AttemptSent(1, OPERATION, 1, "first", "POST", URL),
        AttemptSent(1, OPERATION, 2, "retry", "POST", URL),
        AttemptSent(1, OPERATION, 3, "fallback", "POST", FALLBACK_URL),
        AttemptSent(1, OPERATION, 4, "retry", "POST", FALLBACK_URL),
    ]


def test_a_fallback_is_for_answers_alone() -> None:
    world = with_fallback(max_retries=0)
    with pytest.raises(APIConnectionError, match="lost"):
        world.run(LOST)


def test_when_the_fallback_is_not_there_either() -> None:
    world = with_fallback()
    with pytest.raises(NotFoundError) as caught:
        world.run(NOT_THERE, Response(404, Headers(), b'{"error":"nor here"}'))
    assert str(caught.value) == (
        f"404: not there (POST {URL}, attempt 2). Neither the flat nor the nested endpoint exists: "
        "check base_url (it ends in /v1 at most providers)"
    )
    assert world.events[-1] == CallFinished(1, OPERATION, 2, 2.0, caught.value, 500)


def test_when_neither_is_there_the_calls_own_hint_stays() -> None:
    world = with_fallback()
    own = world.call._replace(hints={NO_ENDPOINT: "The model is gone"}, fallback=None)
    world.call = own._replace(fallback=lambda _: own)
    with pytest.raises(NotFoundError) as caught:
        world.run(NOT_THERE, NOT_THERE)
    assert caught.value.hint == "The model is gone"


NO_DEPLOYMENT = Response(
    404, Headers(), b'{"error":{"code":"DeploymentNotFound","message":"none"}}'
)


def test_a_404_with_a_code_of_its_own_gets_no_hint_about_absent_endpoints() -> None:
    for responses in ((NOT_THERE, NO_DEPLOYMENT), (NO_DEPLOYMENT, NOT_THERE)):
        with pytest.raises(NotFoundError) as caught:
            with_fallback().run(*responses)
        assert caught.value.code == "DeploymentNotFound"
        assert (caught.value.hint or "").startswith(
            "Check the model name (at Azure, the deployment"
        )


def test_the_fallbacks_own_error_is_the_one_raised() -> None:
    with pytest.raises(BadRequestError, match="no model") as caught:
        with_fallback().run(NOT_THERE, Response(400, Headers(), b"no model"))
    assert (caught.value.url, caught.value.hint) == (FALLBACK_URL, None)


@pytest.mark.parametrize(
    ("own", "status", "code", "hint"),
    [
        ({}, 404, "", "Check base_url (it ends in /v1 at most providers) and the model name"),
        ({404: "Check the call's id"}, 404, "", "Check the call's id"),
        ({404: "Check the call's id"}, 400, "", None),
        ({404: "id", "gone": "It is over"}, 404, "gone", "It is over"),
        ({404: "id", "gone": "It is over"}, 404, "here", "id"),
    ],
)
def test_a_call_may_know_better_what_an_error_means(
    own: dict[int | str, str], status: int, code: str, hint: str | None
) -> None:
    world = World()
    world.call = world.call._replace(hints=own)
    with pytest.raises(APIStatusError) as caught:
        world.run(Response(status, Headers(), json.dumps({"code": code}).encode()))
    assert caught.value.hint == hint


def test_an_engines_words_are_made_safe() -> None:
    """A proxy may quote the request in its reason phrase, and an engine may quote that."""
    said = f"The proxy refused: {KEY.token}\r\n\x1b[31mforged {'x' * 2000}"
    with pytest.raises(APIConnectionError) as caught:
        World().run(APIConnectionError(said, phase="connect"))
    error = caught.value
    assert error.message.startswith(rf"The proxy refused: {MASK}\r\n\x1b[31mforged xxx")
    assert error.args == (error.message,)
    assert len(error.message) == 1000
    assert error.message.isprintable()


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


NEXT_URL = "https://h/v1/realtime/calls"


def sequence(**settings: float) -> World:
    """Return a world whose call is two requests: minting, and an offer that is sent only once."""
    world = World(**settings)  # type: ignore[arg-type]  # from a test
    offer = world.call._replace(
        request=Request("POST", NEXT_URL, (), b"v=0"), repeatable=False, fallback=None
    )

    def mint(response: Response, meta: ResponseMeta) -> Call[tuple[bytes, ResponseMeta]]:
        if response.body == b"bad":
            raise APIResponseValidationError("bad")
        assert meta.status == 200
        return offer

    world.call = world.call._replace(parse=mint)
    return world


@pytest.mark.parametrize(
    ("outcomes", "attempts", "orphans", "causes", "tokens"),
    [
        ([OK, OK], 2, 0, ["first", "next"], 500),
        # Each request has its own count of retries: 2.
        ([BUSY, LOST, OK, OK], 4, 1, ["first", "retry", "retry", "next"], 487),
        ([STALE, OK, OK], 3, 1, ["first", "resend", "next"], 500),
        (
            [BUSY, BUSY, OK, SLOW_DOWN, SLOW_DOWN, OK],
            6,
            0,
            ["first", "retry", "retry", "next", "retry", "retry"],
            481,
        ),
    ],
)
def test_a_sequence_of_requests(
    outcomes: list[Response | BaseException],
    attempts: int,
    orphans: int,
    causes: list[str],
    tokens: int,
) -> None:
    world = sequence()
    body, meta = world.run(*outcomes)
    assert (body, meta.attempts, meta.possible_orphans) == (b"fine", attempts, orphans)
    sent = [event for event in world.events if isinstance(event, AttemptSent)]
    assert [event.cause for event in sent] == causes
    is_next = causes.index("next")
    assert [event.url for event in sent] == [URL] * is_next + [NEXT_URL] * (attempts - is_next)
    assert world.delays[is_next] == 0.0
    assert world.budget.tokens == tokens


@pytest.mark.parametrize(
    ("outcomes", "url", "attempts"),
    [
        ([NOT_THERE], URL, 1),
        ([Response(200, Headers(), b"bad")], URL, 1),
        ([OK, NOT_THERE], NEXT_URL, 2),
        ([OK, BUSY], NEXT_URL, 2),
        ([OK, LOST], NEXT_URL, 2),
        ([OK, STALE], NEXT_URL, 2),
    ],
)
def test_the_error_of_a_sequence_is_that_of_the_request_that_failed(
    outcomes: list[Response | BaseException], url: str, attempts: int
) -> None:
    with pytest.raises(APIError) as caught:
        sequence().run(*outcomes)
    assert (caught.value.url, caught.value.attempts) == (url, attempts)


def test_a_sequence_has_one_deadline() -> None:
    world = sequence(total=1.5)
    with pytest.raises(APITimeoutError) as caught:
        world.run(OK, APITimeoutError("x", phase="receive", retryable=True, possibly_acted=True))
    assert (caught.value.phase, caught.value.url) == ("total", NEXT_URL)
    late = sequence(total=1.0)
    with pytest.raises(APITimeoutError, match="within 1 s") as unsent:
        late.run(OK)
    assert (unsent.value.attempts, unsent.value.possibly_acted) == (1, False)
