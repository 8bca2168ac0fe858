"""The stock over a clock that only the tests move: whatever happens in whatever order."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from openai_realtime.core.demand import DEMAND_SECONDS, Demand
from openai_realtime.core.exchange import RetryContext
from openai_realtime.core.retry import RetryBudget, RetryPolicy
from openai_realtime.core.stock import Limits, Stock, Waiter
from openai_realtime.errors import (
    APIResponseValidationError,
    AuthenticationError,
    ClientClosedError,
    InternalServerError,
)

TOO_SHORT = APIResponseValidationError("too short")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass(eq=False)
class Thing:
    expires: float


def make(
    *, policy: RetryPolicy | None = None, budget: RetryBudget | None = None, **limits: float
) -> tuple[Stock[Thing], Clock]:
    clock = Clock()
    context = RetryContext(policy or RetryPolicy(), budget or RetryBudget(), clock, lambda: 1.0)
    merged = {"min_size": 1, "max_size": 4, "concurrency": 8, "min_ttl": 30.0, **limits}
    return Stock(Limits(**merged), context), clock  # type: ignore[arg-type]  # whole where it must be


def fill(stock: Stock[Thing], clock: Clock, seconds: float = 600.0) -> None:
    for ticket in stock.begin():
        stock.made(ticket, Thing(clock.now + seconds), seconds, TOO_SHORT)


def waiting(stock: Stock[Thing], min_ttl: float = 30.0) -> Waiter[Thing]:
    assert stock.take(min_ttl) is None
    waiter = Waiter[Thing](min_ttl, lambda: None)
    stock.wait(waiter)
    return waiter


def failure(**facts: float) -> InternalServerError:
    return InternalServerError("down", retryable=True, **facts)  # type: ignore[arg-type]  # retry_after


class Secrets(RuleBasedStateMachine):
    """Users that come, wait and give up; mints that succeed, fail or are cancelled; time."""

    @initialize(
        max_size=st.integers(1, 6), min_size=st.integers(0, 6), concurrency=st.integers(1, 5)
    )
    def begin(self, max_size: int, min_size: int, concurrency: int) -> None:
        self.stock, self.clock = make(
            max_size=max_size,
            min_size=min(min_size, max_size),
            concurrency=concurrency,
            budget=RetryBudget(60),
        )
        self.tickets: list[float] = []
        self.line: list[Waiter[Thing]] = []
        self.given: set[Thing] = set()
        self.made: set[Thing] = set()

    def give(self, thing: Thing, min_ttl: float) -> None:
        assert thing.expires > self.clock.now, "expired"
        assert thing.expires - self.clock.now >= min_ttl - 1e-6, "lives too short"
        assert thing not in self.given, "given twice"
        self.given.add(thing)

    def settle(self) -> None:
        """Whoever is served is served before everybody behind him who asks for as little."""
        for index, waiter in enumerate(self.line):
            if waiter.served is not None:
                ahead = [other for other in self.line[:index] if not other.is_settled]
                assert all(other.min_ttl > waiter.min_ttl for other in ahead)
        for waiter in [waiter for waiter in self.line if waiter.is_settled]:
            self.line.remove(waiter)
            thing = self.stock.collect(waiter)
            if thing is not None:
                self.give(thing, waiter.min_ttl)
            else:
                assert waiter.error is not None
            self.stock.leave(waiter)

    @rule(min_ttl=st.sampled_from([0.0, 10.0, 30.0, 200.0]))
    def acquire(self, min_ttl: float) -> None:
        thing = self.stock.take(min_ttl)
        if thing is not None:
            self.give(thing, min_ttl)
            return
        waiter = Waiter[Thing](min_ttl, lambda: None)
        self.stock.wait(waiter)
        self.line.append(waiter)
        self.settle()

    @precondition(lambda self: self.line)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        waiter = data.draw(st.sampled_from(self.line))
        self.line.remove(waiter)
        self.stock.leave(waiter)

    @rule()
    def refill(self) -> None:
        self.tickets += self.stock.begin()

    @precondition(lambda self: self.tickets)
    @rule(seconds=st.sampled_from([0.0, 5.0, 31.0, 60.0, 600.0]), cancel=st.booleans())
    def mint(self, seconds: float, cancel: bool) -> None:
        served_line = [waiter for waiter in self.line if not waiter.is_settled]
        thing = Thing(self.clock.now + seconds)
        self.made.add(thing)
        self.stock.made(self.tickets.pop(0), thing, seconds, TOO_SHORT)
        served = [waiter for waiter in served_line if waiter.served is not None]
        assert len(served) <= 1
        if served and cancel:
            # Cancelled in the very moment of being served: it goes to the next, or back.
            self.line.remove(served[0])
            self.stock.leave(served[0])
        self.settle()

    @precondition(lambda self: self.tickets)
    @rule(final=st.booleans())
    def fail(self, final: bool) -> None:
        error = AuthenticationError("no") if final else failure()
        self.stock.failed(self.tickets.pop(0), error)
        assert self.stock.begin() == [], "no back-off"
        self.settle()
        assert not (final and self.line)

    @precondition(lambda self: self.tickets)
    @rule()
    def cancel_mint(self) -> None:
        self.tickets.pop()
        self.stock.abandoned()

    @rule(seconds=st.sampled_from([0.1, 1.0, 7.0, 20.0, 300.0]))
    def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def upstream_works(self) -> None:
        """From whatever it has come to, it converges, and nobody waits any more."""
        for _ in range(60):
            for ticket in [*self.tickets, *self.stock.begin()]:
                thing = Thing(self.clock.now + 600)
                self.made.add(thing)
                self.stock.made(ticket, thing, 600, TOO_SHORT)
                self.settle()
            self.tickets.clear()
            level = self.stock.level()
            if level.ready >= level.wanted and not self.stock.begin():
                break
            self.clock.now += min(self.stock.next_wake(), 0.5)
        else:
            raise AssertionError(level)
        assert self.line == []
        assert self.stock.current_error is None

    @invariant()
    def holds_what_it_may(self) -> None:
        if not hasattr(self, "stock"):
            return
        level, limits = self.stock.level(), self.stock.limits
        assert 0 <= level.ready <= limits.max_size
        assert limits.min_size <= level.wanted <= limits.max_size
        assert level.minting == len(self.tickets) <= limits.concurrency
        assert level.minted == len(self.made)
        assert level.waiting == len(self.line)
        assert self.stock.next_wake() > 0


Secrets.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestSecrets = Secrets.TestCase


def test_the_one_that_expires_soonest_of_those_that_will_do_is_given() -> None:
    stock, clock = make()
    tickets = stock.begin()
    assert len(tickets) == 4
    for ticket, seconds in zip(tickets, [500, 100, 300, 40], strict=True):
        stock.made(ticket, Thing(clock.now + seconds), seconds, TOO_SHORT)
    lives = [thing.expires - clock.now for ttl in (200, 0, 60) if (thing := stock.take(ttl))]
    assert lives == [300, 40, 100]


def test_it_begins_full_and_an_idle_one_shrinks_to_its_least() -> None:
    stock, clock = make(max_size=8, min_size=2)
    fill(stock, clock)
    assert stock.level().ready == 8
    made = 8
    for _ in range(2000):
        clock.now += stock.next_wake()
        tickets = stock.begin()
        made += len(tickets)
        for ticket in tickets:
            stock.made(ticket, Thing(clock.now + 600), 600, TOO_SHORT)
        assert stock.level().ready >= 2, "replaced before they expire"
        if clock.now > 1000 + 3 * 600:
            break
    level = stock.level()
    assert (level.wanted, level.minted) == (2, made)
    assert made == 8 + 2 * 4  # every 560 s: 600, less the 30 it must live and 10 to mint in
    clock.now += 41
    assert stock.begin() == []
    assert (stock.level().ready, stock.level().expired) == (2, made - 2)


def test_a_rush_raises_the_level_and_its_end_lowers_it() -> None:
    stock, clock = make(max_size=20, min_size=1)
    clock.now += 600
    assert stock.level().wanted == 1
    for _ in range(15):
        fill(stock, clock)
        assert stock.take(30) is not None
    assert stock.level().wanted == 15
    wake = stock.next_wake()
    clock.now += wake - 0.01
    assert stock.level().wanted == 15
    clock.now += 0.02
    assert stock.level().wanted == 14


def test_one_at_the_end_of_its_use_gives_way_to_its_replacement() -> None:
    stock, clock = make(max_size=2, min_size=2)
    fill(stock, clock, seconds=100)
    clock.now += 61
    level = stock.level()
    assert level.ready == 2
    tickets = stock.begin()
    assert len(tickets) == 2
    for ticket in tickets:
        stock.made(ticket, Thing(clock.now + 600), 600, TOO_SHORT)
    assert (stock.level().ready, stock.level().expired) == (2, 2)
    thing = stock.take(0)
    assert thing is not None
    assert thing.expires == clock.now + 600


def test_full_jitter_then_one_try_at_a_time_until_one_succeeds() -> None:
    budget = RetryBudget()
    stock, clock = make(budget=budget, min_size=4)
    waiter = waiting(stock)
    for ticket in stock.begin():
        stock.failed(ticket, failure())  # one trouble, however many felt it
    for expected in (0.5, 1.0, 2.0, 4.0, 8.0, 8.0):
        assert stock.level().backing_off == pytest.approx(expected)
        assert stock.next_wake() == pytest.approx(expected)
        assert stock.begin() == []
        clock.now += expected
        (ticket,) = stock.begin()
        assert stock.begin() == []
        stock.failed(ticket, failure())
    assert not waiter.is_settled
    assert budget.tokens == 500 - 7 * 14
    clock.now += 8
    (ticket,) = stock.begin()
    stock.made(ticket, Thing(clock.now + 600), 600, TOO_SHORT)
    assert stock.collect(waiter) is not None
    assert budget.tokens == 500
    assert len(stock.begin()) == 4


def test_an_empty_budget_slows_the_tries_down() -> None:
    stock, _ = make(budget=RetryBudget(0), policy=RetryPolicy(base_delay=0.001))
    stock.failed(stock.begin()[0], failure())
    assert stock.level().backing_off == 8


def test_retry_after_is_kept_to_up_to_the_policys_most() -> None:
    stock, _ = make()
    stock.failed(stock.begin()[0], failure(retry_after=20.0))
    assert stock.level().backing_off == 20
    stock, _ = make()
    stock.failed(stock.begin()[0], failure(retry_after=9000.0))
    assert stock.level().backing_off == 60


def test_what_waiting_does_not_help_against_is_told_at_once() -> None:
    stock, clock = make()
    waiter = waiting(stock)
    error = AuthenticationError("no")
    ticket = stock.begin()[0]
    stock.failed(ticket, error)
    assert waiter.error is error
    assert waiting(stock).error is error
    clock.now += 8
    assert not waiting(stock).is_settled


def test_secrets_that_live_too_short_are_a_failure_and_mint_no_storm() -> None:
    stock, clock = make()
    early, content = waiting(stock, 30), waiting(stock, 5)
    ticket = stock.begin()[0]
    stock.made(ticket, Thing(clock.now + 20), 20, TOO_SHORT)
    assert early.error is TOO_SHORT
    assert stock.collect(content) is not None
    assert stock.level().last_error is TOO_SHORT
    assert stock.begin() == []
    assert stock.level().backing_off == 8


def test_closing_tells_everybody_and_keeps_nothing() -> None:
    stock, clock = make(max_size=1)
    fill(stock, clock)
    waiter = waiting(stock, 900)
    ticket = stock.begin()[0]
    closed = ClientClosedError("closed")
    stock.close(closed)
    stock.close(ClientClosedError("again"))
    assert waiter.error is closed
    with pytest.raises(ClientClosedError, match="^closed$"):
        stock.take(0)
    stock.made(ticket, Thing(clock.now + 600), 600, TOO_SHORT)
    assert (stock.level().ready, stock.level().minting, stock.begin()) == (0, 0, [])
    assert stock.is_closed


def test_an_expired_one_is_not_given_to_whoever_asks_for_nothing() -> None:
    stock, clock = make(max_size=1)
    fill(stock, clock)
    clock.now += 600
    assert stock.take(0) is None


def test_demand_fades() -> None:
    demand = Demand(8.0, 0.0)
    assert demand.count(DEMAND_SECONDS) == pytest.approx(8 / math.e)
    demand.note(DEMAND_SECONDS)
    assert demand.count(DEMAND_SECONDS) == pytest.approx(8 / math.e + 1)
    assert demand.seconds_until(9.0, DEMAND_SECONDS) == 0.0
    wait = demand.seconds_until(1.0, DEMAND_SECONDS)
    assert demand.count(DEMAND_SECONDS + wait) == pytest.approx(1.0)
