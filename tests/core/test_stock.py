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


def fill(stock: Stock[Thing], clock: Clock, seconds: float = 600.0) -> int:
    count = stock.begin()
    for _ in range(count):
        stock.made(Thing(clock.now + seconds), seconds)
    return count


def waiting(stock: Stock[Thing], min_ttl: float = 30.0) -> Waiter[Thing]:
    assert stock.take(min_ttl) is None
    return stock.wait(min_ttl, lambda: None)


def failure(**facts: float) -> InternalServerError:
    return InternalServerError("down", retryable=True, **facts)  # type: ignore[arg-type]  # retry_after


class Secrets(RuleBasedStateMachine):
    """Users that come, wait and give up; mints that succeed, fail or are cancelled; time."""

    @initialize(
        max_size=st.integers(1, 6),
        min_size=st.integers(0, 6),
        concurrency=st.integers(1, 5),
        jitter=st.sampled_from([0.0, 0.3, 1.0]),
    )
    def open(self, max_size: int, min_size: int, concurrency: int, jitter: float) -> None:
        self.begin(Limits(min(min_size, max_size), max_size, concurrency, min_ttl=30.0), jitter)

    def begin(self, limits: Limits, jitter: float) -> None:
        self.clock = Clock()
        self.budget = RetryBudget(60)
        context = RetryContext(RetryPolicy(), self.budget, self.clock, lambda: jitter)
        self.stock = Stock[Thing](limits, context)
        self.making = 0
        self.line: list[Waiter[Thing]] = []
        self.wakes: dict[Waiter[Thing], list[bool]] = {}
        self.given: set[Thing] = set()
        self.made = 0

    def give(self, thing: Thing, min_ttl: float) -> None:
        assert thing.expires > self.clock.now, "expired"
        assert thing.expires - self.clock.now >= min_ttl - 1e-6, "lives too short"
        assert thing not in self.given, "given twice"
        self.given.add(thing)

    def settle(self) -> None:
        """Whoever is served is served before everybody behind him who asks for as little."""
        for index, waiter in enumerate(self.line):
            if waiter.served is not None:
                ahead = [each for each in self.line[:index] if not each.served and not each.error]
                assert all(other.min_ttl > waiter.min_ttl for other in ahead)
        for waiter in [each for each in self.line if each.served or each.error]:
            assert self.wakes[waiter] == [True], "woken once"
            self.line.remove(waiter)
            thing = self.stock.collect(waiter)
            assert (thing is None) is (waiter.error is not None)
            if thing is not None:
                self.give(thing, waiter.min_ttl)
            self.stock.leave(waiter)

    def mint_one(self, seconds: float) -> None:
        before = self.stock.stats().minted
        self.stock.made(Thing(self.clock.now + seconds), seconds)
        self.made += self.stock.stats().minted - before
        self.making -= 1

    @rule(min_ttl=st.sampled_from([0.0, 10.0, 30.0, 200.0]))
    def acquire(self, min_ttl: float) -> None:
        thing = self.stock.take(min_ttl)
        if thing is not None:
            self.give(thing, min_ttl)
            return
        wakes: list[bool] = []
        waiter = self.stock.wait(min_ttl, lambda: wakes.append(True))
        self.wakes[waiter] = wakes
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
        self.making += self.stock.begin()
        assert self.stock.begin() == 0, "what is begun is not begun again"

    @precondition(lambda self: self.making)
    @rule(seconds=st.sampled_from([0.0, 5.0, 31.0, 60.0, 600.0]), cancel=st.booleans())
    def mint(self, seconds: float, cancel: bool) -> None:
        self.mint_one(seconds)
        served = [waiter for waiter in self.line if waiter.served is not None]
        assert len(served) <= 1
        if served and cancel:
            # Cancelled in the very moment of being served: it goes to the next, or back.
            self.line.remove(served[0])
            self.stock.leave(served[0])
        self.settle()

    @precondition(lambda self: self.making)
    @rule(final=st.booleans())
    def fail(self, final: bool) -> None:
        error = AuthenticationError("no") if final else failure()
        self.making -= 1
        self.stock.failed(error)
        assert self.stock.begin() == 0, "no back-off"
        assert self.stock.stats().backing_off > 0
        self.settle()
        assert not (final and self.line)

    @precondition(lambda self: self.making)
    @rule()
    def cancel_mint(self) -> None:
        self.making -= 1
        self.stock.abandoned()

    @rule(seconds=st.sampled_from([0.1, 1.0, 7.0, 20.0, 300.0]))
    def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def sleep(self) -> None:
        self.clock.now += self.stock.next_wake()

    @rule()
    def upstream_works(self) -> None:
        """From whatever it has come to, it converges, nobody waits any more, and it is at rest."""
        for _ in range(60):
            self.making += (begun := self.stock.begin())
            if not self.making and not begun and not self.stock.stats().backing_off:
                break
            while self.making:
                self.mint_one(600)
                self.settle()
            self.clock.now += min(self.stock.next_wake(), 0.5)
        stats = self.stock.stats()
        assert stats.ready >= stats.wanted
        assert self.line == []

    @rule()
    def close(self) -> None:
        """Everything is told and given up; what arrives later is given to nobody."""
        self.stock.close(ClientClosedError("closed"))
        self.settle()
        assert self.line == []
        while self.making:
            self.mint_one(600)
        assert self.stock.take(0) is None
        assert self.stock.wait(0, lambda: None).error is not None
        self.holds_what_it_may()
        assert (self.stock.stats().ready, self.stock.stats().wanted, self.stock.begin()) == (
            0,
            0,
            0,
        )
        self.begin(self.stock.limits, 1.0)

    @invariant()
    def holds_what_it_may(self) -> None:
        if not hasattr(self, "stock"):
            return
        stats, limits = self.stock.stats(), self.stock.limits
        assert 0 <= stats.ready <= len(self.stock._kept) <= limits.max_size
        assert limits.min_size * (not self.stock.is_closed) <= stats.wanted <= limits.max_size
        assert stats.minting == self.making <= limits.concurrency
        assert stats.waiting == len(self.line)
        assert stats.minted == self.made
        assert stats.minted == len(self.given) + stats.unused + len(self.stock._kept), (
            "none is lost"
        )
        assert 0 <= self.budget.tokens <= 60
        assert 0 < self.stock.next_wake() <= 5


Secrets.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestSecrets = Secrets.TestCase


def test_the_one_that_expires_soonest_of_those_that_will_do_is_given() -> None:
    stock, clock = make()
    assert stock.begin() == 4
    for seconds in (500, 100, 300, 40):
        stock.made(Thing(clock.now + seconds), seconds)
    lives = [thing.expires - clock.now for ttl in (200, 0, 60) if (thing := stock.take(ttl))]
    assert lives == [300, 40, 100]


def test_it_begins_full_and_an_idle_one_shrinks_to_its_least() -> None:
    stock, clock = make(max_size=8, min_size=2)
    fill(stock, clock)
    assert stock.stats().ready == 8
    made = 8
    for _ in range(2000):
        clock.now += stock.next_wake()
        made += fill(stock, clock)
        assert stock.stats().ready >= 2, "replaced before they expire"
        if clock.now > 1000 + 3 * 600:
            break
    level = stock.stats()
    assert (level.wanted, level.minted) == (2, made)
    assert made == 8 + 2 * 3  # every 560 s: 600, less the 30 it must live and 10 to mint in
    clock.now += 41
    assert stock.begin() == 0
    assert (stock.stats().ready, stock.stats().unused) == (2, made - 2)


def test_a_rush_raises_the_level_and_its_end_lowers_it() -> None:
    stock, clock = make(max_size=20, min_size=1)
    clock.now += 600
    assert stock.stats().wanted == 1
    for _ in range(15):
        fill(stock, clock)
        assert stock.take(30) is not None
    assert stock.stats().wanted == 15
    clock.now += 5
    assert stock.stats().wanted == 13
    assert stock.next_wake() == 5, "it is looked at while it fades"


def test_one_at_the_end_of_its_use_gives_way_to_its_replacement() -> None:
    stock, clock = make(max_size=2, min_size=2)
    fill(stock, clock, seconds=100)
    clock.now += 61
    level = stock.stats()
    assert level.ready == 2
    assert fill(stock, clock) == 2
    assert (stock.stats().ready, stock.stats().unused) == (2, 2)
    thing = stock.take(0)
    assert thing is not None
    assert thing.expires == clock.now + 600


def test_full_jitter_then_one_try_at_a_time_until_one_succeeds() -> None:
    budget = RetryBudget()
    stock, clock = make(budget=budget, min_size=4)
    waiter = waiting(stock)
    for _ in range(stock.begin()):
        stock.failed(failure())  # one trouble, however many felt it
    for expected in (0.5, 1.0, 2.0, 4.0, 8.0, 8.0):
        assert stock.stats().backing_off == pytest.approx(expected)
        assert stock.next_wake() == pytest.approx(min(5, expected))
        assert stock.begin() == 0
        clock.now += expected
        assert stock.begin() == 1
        assert stock.begin() == 0
        stock.failed(failure())
    assert (waiter.served, waiter.error) == (None, None)
    assert budget.tokens == 500 - 7 * 14
    clock.now += 8
    assert fill(stock, clock) == 1
    assert stock.collect(waiter) is not None
    assert budget.tokens == 500
    assert stock.begin() == 4


def test_an_empty_budget_slows_the_tries_down() -> None:
    stock, _ = make(budget=RetryBudget(0), policy=RetryPolicy(base_delay=0.001))
    stock.begin()
    stock.failed(failure())
    assert stock.stats().backing_off == 8


def test_retry_after_is_kept_to_up_to_the_policys_most() -> None:
    stock, _ = make()
    stock.begin()
    stock.failed(failure(retry_after=20.0))
    assert stock.stats().backing_off == 20
    stock, _ = make()
    stock.begin()
    stock.failed(failure(retry_after=9000.0))
    assert stock.stats().backing_off == 60


def test_what_waiting_does_not_help_against_is_told_at_once() -> None:
    stock, clock = make()
    waiter = waiting(stock)
    error = AuthenticationError("no")
    stock.begin()
    stock.failed(error)
    assert waiter.error is error
    assert waiting(stock).error is error
    clock.now += 8
    assert waiting(stock).error is None


def test_secrets_that_live_too_short_are_a_failure_and_mint_no_storm() -> None:
    stock, clock = make()
    waiter = waiting(stock, 5)
    fill(stock, clock, seconds=30.9)
    assert isinstance(waiter.error, APIResponseValidationError)
    assert "live for 31 s only" in str(waiter.error)
    assert isinstance(stock.stats().last_error, APIResponseValidationError)
    assert (stock.stats().ready, stock.stats().minted, stock.begin()) == (0, 0, 0)
    assert stock.stats().backing_off == 8


def test_whoever_asks_for_more_than_the_server_grants_is_told_and_served_nothing() -> None:
    stock, clock = make(concurrency=1)
    greedy, content = waiting(stock, 200), waiting(stock, 30)
    assert fill(stock, clock, seconds=100) == 1
    assert isinstance(greedy.error, APIResponseValidationError)
    assert stock.collect(content) is not None
    assert stock.error is None


def test_a_late_failure_after_the_rest_is_followed_by_another_rest() -> None:
    stock, clock = make()
    assert stock.begin() == 4
    stock.failed(failure())
    clock.now += 0.6
    assert stock.begin() == 0, "no try while others go on"
    stock.failed(failure())
    assert stock.stats().backing_off == pytest.approx(1.0)
    stock.made(Thing(clock.now + 600), 600)
    assert stock.stats().backing_off == 0
    assert stock.begin() == 2


def test_closing_tells_everybody_and_keeps_nothing() -> None:
    stock, clock = make(max_size=1)
    fill(stock, clock)
    waiter = waiting(stock, 900)
    assert stock.begin() == 1
    closed = ClientClosedError("closed")
    stock.close(closed)
    stock.close(ClientClosedError("again"))
    assert waiter.error is closed
    assert waiting(stock).error is closed
    stock.made(Thing(clock.now + 600), 600)
    stats = stock.stats()
    assert (stats.ready, stats.wanted, stats.minting, stock.begin()) == (0, 0, 0, 0)
    assert (stats.minted, stats.unused, stats.misses) == (2, 2, 1)
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
