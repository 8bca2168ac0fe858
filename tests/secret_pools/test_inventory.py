"""The inventory over a clock that only the tests move: whatever happens in whatever order."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from openai_realtime.core.exchange import RetryContext
from openai_realtime.core.retry import RetryBudget, RetryPolicy
from openai_realtime.errors import (
    APIResponseValidationError,
    AuthenticationError,
    ClientClosedError,
    InternalServerError,
    RateLimitError,
)
from openai_realtime.secret_pool.inventory import (
    DEMAND_SECONDS,
    DemandEstimate,
    Limits,
    SecretInventory,
    Waiter,
)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass(eq=False)
class Item:
    expires: float


def make(
    *, policy: RetryPolicy | None = None, budget: RetryBudget | None = None, **limits: float
) -> tuple[SecretInventory[Item], Clock]:
    clock = Clock()
    context = RetryContext(policy or RetryPolicy(), budget or RetryBudget(), clock, lambda: 1.0)
    merged = {"min_size": 1, "max_size": 4, "concurrency": 8, "min_ttl": 30.0, **limits}
    return SecretInventory(Limits(**merged), context), clock  # type: ignore[arg-type]  # whole where it must be


def fill(inventory: SecretInventory[Item], clock: Clock, seconds: float = 600.0) -> int:
    count = inventory.reserve()
    for _ in range(count):
        inventory.mint_succeeded(Item(clock.now + seconds), seconds)
    return count


def waiting(inventory: SecretInventory[Item], min_ttl: float = 30.0) -> Waiter[Item]:
    assert inventory.take(min_ttl) is None
    return inventory.wait(min_ttl, lambda: None)


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
        self.inventory = SecretInventory[Item](limits, context)
        self.minting = 0
        self.waiters: list[Waiter[Item]] = []
        self.wakes: dict[Waiter[Item], list[bool]] = {}
        self.given: set[Item] = set()
        self.made = 0

    def give(self, item: Item, min_ttl: float) -> None:
        assert item.expires > self.clock.now, "expired"
        assert item.expires - self.clock.now >= min_ttl - 1e-6, "lives too short"
        assert item not in self.given, "given twice"
        self.given.add(item)

    def settle(self) -> None:
        """An item goes to the first waiter that it lives long enough for."""
        for index, waiter in enumerate(self.waiters):
            if waiter.entry is not None:
                ahead = [each for each in self.waiters[:index] if not each.entry and not each.error]
                assert all(other.min_ttl > waiter.min_ttl for other in ahead)
        for waiter in [each for each in self.waiters if each.entry or each.error]:
            assert self.wakes[waiter] == [True], "woken once"
            self.waiters.remove(waiter)
            item = self.inventory.collect(waiter)
            assert (item is None) is (waiter.error is not None)
            if item is not None:
                self.give(item, waiter.min_ttl)
            self.inventory.leave(waiter)

    def mint_one(self, seconds: float) -> None:
        before = self.inventory.stats().minted
        self.inventory.mint_succeeded(Item(self.clock.now + seconds), seconds)
        self.made += self.inventory.stats().minted - before
        self.minting -= 1

    @rule(min_ttl=st.sampled_from([0.0, 10.0, 30.0, 200.0]))
    def acquire(self, min_ttl: float) -> None:
        item = self.inventory.take(min_ttl)
        if item is not None:
            self.give(item, min_ttl)
            return
        wakes: list[bool] = []
        waiter = self.inventory.wait(min_ttl, lambda: wakes.append(True))
        self.wakes[waiter] = wakes
        self.waiters.append(waiter)
        self.settle()

    @precondition(lambda self: self.waiters)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        waiter = data.draw(st.sampled_from(self.waiters))
        self.waiters.remove(waiter)
        self.inventory.leave(waiter)

    @rule()
    def refill(self) -> None:
        self.minting += self.inventory.reserve()
        assert self.inventory.reserve() == 0, "what is begun is not begun again"

    @precondition(lambda self: self.minting)
    @rule(seconds=st.sampled_from([0.0, 5.0, 31.0, 60.0, 600.0]), cancel=st.booleans())
    def mint(self, seconds: float, cancel: bool) -> None:
        self.mint_one(seconds)
        served = [waiter for waiter in self.waiters if waiter.entry is not None]
        assert len(served) <= 1
        if served and cancel:
            # Cancelled in the very moment of being served: it goes to the next, or back.
            self.waiters.remove(served[0])
            self.inventory.leave(served[0])
        self.settle()

    @precondition(lambda self: self.minting)
    @rule(final=st.booleans())
    def fail(self, final: bool) -> None:
        error = AuthenticationError("no") if final else failure()
        self.minting -= 1
        self.inventory.mint_failed(error)
        assert self.inventory.reserve() == 0, "no back-off"
        assert self.inventory.stats().backing_off > 0
        self.settle()
        assert not (final and self.waiters)

    @precondition(lambda self: self.minting)
    @rule()
    def cancel_mint(self) -> None:
        self.minting -= 1
        self.inventory.mint_cancelled()

    @rule(seconds=st.sampled_from([0.1, 1.0, 7.0, 20.0, 300.0]))
    def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def sleep(self) -> None:
        self.clock.now += self.inventory.next_wake()

    @rule()
    def upstream_works(self) -> None:
        """From any state the pool fills up, and no waiter is left."""
        for _ in range(60):
            self.minting += (begun := self.inventory.reserve())
            if not self.minting and not begun and not self.inventory.stats().backing_off:
                break
            while self.minting:
                self.mint_one(600)
                self.settle()
            self.clock.now += min(self.inventory.next_wake(), 0.5)
        stats = self.inventory.stats()
        assert stats.ready >= stats.wanted
        assert self.waiters == []

    @rule()
    def close(self) -> None:
        """Waiters get an error and items are dropped, also those that arrive later."""
        self.inventory.close(ClientClosedError("closed"))
        self.settle()
        assert self.waiters == []
        while self.minting:
            self.mint_one(600)
        assert self.inventory.take(0) is None
        assert self.inventory.wait(0, lambda: None).error is not None
        self.holds_what_it_may()
        assert (
            self.inventory.stats().ready,
            self.inventory.stats().wanted,
            self.inventory.reserve(),
        ) == (
            0,
            0,
            0,
        )
        self.begin(self.inventory.limits, 1.0)

    @invariant()
    def holds_what_it_may(self) -> None:
        if not hasattr(self, "inventory"):
            return
        stats, limits = self.inventory.stats(), self.inventory.limits
        assert 0 <= stats.ready <= len(self.inventory._entries) <= limits.max_size
        assert limits.min_size * (not self.inventory.is_closed) <= stats.wanted <= limits.max_size
        assert stats.minting == self.minting <= limits.concurrency
        assert stats.waiting == len(self.waiters)
        assert stats.minted == self.made
        assert stats.minted == len(self.given) + stats.unused + len(self.inventory._entries), (
            "none is lost"
        )
        assert 0 <= self.budget.tokens <= 60
        assert 0 < self.inventory.next_wake() <= 5


Secrets.TestCase.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)
TestSecrets = Secrets.TestCase


def test_the_one_that_expires_soonest_of_those_that_will_do_is_given() -> None:
    inventory, clock = make()
    assert inventory.reserve() == 4
    for seconds in (500, 100, 300, 40):
        inventory.mint_succeeded(Item(clock.now + seconds), seconds)
    lifetimes = [item.expires - clock.now for ttl in (200, 0, 60) if (item := inventory.take(ttl))]
    assert lifetimes == [300, 40, 100]


def test_it_begins_full_and_an_idle_one_shrinks_to_its_least() -> None:
    inventory, clock = make(max_size=8, min_size=2)
    fill(inventory, clock)
    assert inventory.stats().ready == 8
    made = 8
    for _ in range(2000):
        clock.now += inventory.next_wake()
        made += fill(inventory, clock)
        assert inventory.stats().ready >= 2, "replaced before they expire"
        if clock.now > 1000 + 3 * 600:
            break
    level = inventory.stats()
    assert (level.wanted, level.minted) == (2, made)
    assert made == 8 + 2 * 3  # every 560 s: 600, less the 30 it must live and 10 to mint in
    clock.now += 41
    assert inventory.reserve() == 0
    assert (inventory.stats().ready, inventory.stats().unused) == (2, made - 2)


def test_a_rush_raises_the_level_and_its_end_lowers_it() -> None:
    inventory, clock = make(max_size=20, min_size=1)
    clock.now += 600
    assert inventory.stats().wanted == 1
    for _ in range(15):
        fill(inventory, clock)
        assert inventory.take(30) is not None
    assert inventory.stats().wanted == 15
    clock.now += 5
    assert inventory.stats().wanted == 13
    assert inventory.next_wake() == 5, "it is looked at while it fades"


def test_one_at_the_end_of_its_use_gives_way_to_its_replacement() -> None:
    inventory, clock = make(max_size=2, min_size=2)
    fill(inventory, clock, seconds=100)
    clock.now += 61
    level = inventory.stats()
    assert level.ready == 2
    assert fill(inventory, clock) == 2
    assert (inventory.stats().ready, inventory.stats().unused) == (2, 2)
    item = inventory.take(0)
    assert item is not None
    assert item.expires == clock.now + 600


def test_full_jitter_then_one_try_at_a_time_until_one_succeeds() -> None:
    budget = RetryBudget()
    inventory, clock = make(budget=budget, min_size=4)
    waiter = waiting(inventory)
    for _ in range(inventory.reserve()):
        inventory.mint_failed(failure())  # one failure, however many mints it ended
    for expected in (0.5, 1.0, 2.0, 4.0, 8.0, 8.0):
        assert inventory.stats().backing_off == pytest.approx(expected)
        assert inventory.next_wake() == pytest.approx(min(5, expected))
        assert inventory.reserve() == 0
        clock.now += expected
        assert inventory.reserve() == 1
        assert inventory.reserve() == 0
        inventory.mint_failed(failure())
    assert (waiter.entry, waiter.error) == (None, None)
    assert budget.tokens == 500 - 7 * 14
    clock.now += 8
    assert fill(inventory, clock) == 1
    assert inventory.collect(waiter) is not None
    assert budget.tokens == 500
    assert inventory.reserve() == 4


def test_a_success_gives_back_only_what_the_tries_cost() -> None:
    budget = RetryBudget()
    budget.withdraw(100)
    inventory, clock = make(budget=budget)
    fill(inventory, clock)
    assert budget.tokens == 400
    assert inventory.stats().last_error is None


def test_an_empty_budget_slows_the_tries_down() -> None:
    inventory, _ = make(budget=RetryBudget(0), policy=RetryPolicy(base_delay=0.001))
    inventory.reserve()
    inventory.mint_failed(failure())
    assert inventory.stats().backing_off == 8


def test_retry_after_is_kept_to_up_to_the_policys_most() -> None:
    inventory, _ = make()
    inventory.reserve()
    inventory.mint_failed(failure(retry_after=20.0))
    assert waiting(inventory).error is None, "a later try may help"
    assert inventory.stats().backing_off == 20
    inventory, _ = make()
    inventory.reserve()
    inventory.mint_failed(failure(retry_after=9000.0))
    assert inventory.stats().backing_off == 60


def test_what_waiting_does_not_help_against_is_told_at_once() -> None:
    inventory, clock = make()
    waiter = waiting(inventory)
    error = AuthenticationError("no")
    inventory.reserve()
    inventory.mint_failed(error)
    assert waiter.error is error
    assert waiting(inventory).error is error
    clock.now += 8
    assert waiting(inventory).error is None


def test_secrets_that_have_expired_point_to_a_clock() -> None:
    inventory, clock = make()
    waiter = waiting(inventory, 5)
    fill(inventory, clock, seconds=-1)
    assert isinstance(waiter.error, APIResponseValidationError)
    assert "have expired before they arrive" in str(waiter.error)
    assert "clock" in str(waiter.error)


def test_secrets_that_live_too_short_are_a_failure_and_mint_no_storm() -> None:
    inventory, clock = make()
    waiter = waiting(inventory, 5)
    fill(inventory, clock, seconds=30.9)
    assert isinstance(waiter.error, APIResponseValidationError)
    assert "live for 31 s only" in str(waiter.error)
    assert waiter.error.hint == (
        "Lower min_ttl=, or raise client_secret.expires_after if the server respects it"
    )
    assert isinstance(inventory.stats().last_error, APIResponseValidationError)
    assert (inventory.stats().ready, inventory.stats().minted, inventory.reserve()) == (0, 0, 0)
    assert inventory.stats().backing_off == 8


def test_whoever_asks_for_more_than_the_server_grants_is_told_and_served_nothing() -> None:
    inventory, clock = make(concurrency=1)
    greedy, content = waiting(inventory, 200), waiting(inventory, 30)
    assert fill(inventory, clock, seconds=100) == 1
    assert isinstance(greedy.error, APIResponseValidationError)
    assert inventory.collect(content) is not None
    assert inventory.error is None


def test_a_late_failure_after_the_rest_is_followed_by_another_rest() -> None:
    inventory, clock = make()
    assert inventory.reserve() == 4
    inventory.mint_failed(failure())
    clock.now += 0.6
    assert inventory.reserve() == 0, "no try while others go on"
    inventory.mint_failed(failure())
    assert inventory.stats().backing_off == pytest.approx(1.0)
    inventory.mint_succeeded(Item(clock.now + 600), 600)
    assert inventory.stats().backing_off == 0
    assert inventory.reserve() == 2


def test_closing_tells_everybody_and_keeps_nothing() -> None:
    inventory, clock = make(max_size=1)
    fill(inventory, clock)
    waiter = waiting(inventory, 900)
    assert inventory.reserve() == 1
    closed = ClientClosedError("closed")
    inventory.close(closed)
    inventory.close(ClientClosedError("again"))
    assert waiter.error is closed
    assert waiting(inventory).error is closed
    inventory.mint_succeeded(Item(clock.now + 600), 600)
    stats = inventory.stats()
    assert (stats.ready, stats.wanted, stats.minting, inventory.reserve()) == (0, 0, 0, 0)
    assert (stats.minted, stats.unused, stats.misses) == (2, 2, 1)
    assert inventory.is_closed


def test_an_expired_one_is_not_given_to_whoever_asks_for_nothing() -> None:
    inventory, clock = make(max_size=1)
    fill(inventory, clock)
    clock.now += 600
    assert inventory.take(0) is None


def test_demand_fades() -> None:
    demand = DemandEstimate(8.0, 0.0)
    assert demand.count(DEMAND_SECONDS) == pytest.approx(8 / math.e)
    demand.note(DEMAND_SECONDS)
    assert demand.count(DEMAND_SECONDS) == pytest.approx(8 / math.e + 1)


def test_the_figures_count_everything_that_happened() -> None:
    inventory, clock = make(max_size=3)
    fill(inventory, clock)
    assert [inventory.take(30) is None for _ in range(5)] == [False] * 3 + [True] * 2
    for _ in range(inventory.reserve()):
        inventory.mint_failed(failure())
    stats = inventory.stats()
    assert (stats.hits, stats.misses, stats.minted, stats.failures) == (3, 2, 3, 3)


def test_what_lives_for_less_than_min_ttl_is_not_ready() -> None:
    inventory, clock = make(max_size=2)
    fill(inventory, clock)
    clock.now += 570
    assert inventory.stats().ready == 2
    clock.now += 1
    assert inventory.stats().ready == 0


def test_what_expires_at_this_moment_is_passed_over_however_many_there_are() -> None:
    inventory, clock = make(max_size=3)
    assert inventory.reserve() == 3
    for seconds in (600, 600, 900):
        inventory.mint_succeeded(Item(clock.now + seconds), seconds)
    clock.now += 600
    item = inventory.take(0)
    assert item is not None
    assert item.expires == clock.now + 300


def test_what_expired_with_a_waiter_who_left_is_not_given_to_the_next() -> None:
    inventory, clock = make(max_size=1, concurrency=1)
    first = waiting(inventory)
    fill(inventory, clock)
    assert first.entry is not None
    clock.now += 600
    second = waiting(inventory, 0)
    inventory.leave(first)
    assert second.entry is None


def test_a_lifetime_as_long_as_was_asked_for_will_do() -> None:
    inventory, clock = make(concurrency=1)
    first, second = waiting(inventory, 100), waiting(inventory, 100)
    fill(inventory, clock, seconds=100)
    assert inventory.collect(first) is not None
    assert second.error is None
    fill(inventory, clock, seconds=100)
    assert inventory.collect(second) is not None


def test_a_second_of_use_is_enough() -> None:
    inventory, clock = make(max_size=1)
    assert fill(inventory, clock, seconds=31) == 1
    assert (inventory.stats().ready, inventory.stats().failures) == (1, 0)


@pytest.mark.parametrize(("seconds", "due"), [(600, 560), (70, 30), (50, 15)])
def test_a_successor_is_made_10_s_or_a_quarter_of_the_use_before_its_end(
    seconds: float, due: float
) -> None:
    inventory, clock = make(min_size=2, max_size=2)
    fill(inventory, clock, seconds)
    clock.now += due - 2
    assert (inventory.reserve(), inventory.next_wake()) == (0, 2)
    clock.now += 2
    assert inventory.reserve() == 2


def test_what_expires_while_minting_fails_is_cleared_away_in_time() -> None:
    inventory, clock = make(max_size=1, policy=RetryPolicy(base_delay=4))
    fill(inventory, clock)
    clock.now += 599
    assert inventory.reserve() == 1
    inventory.mint_failed(failure())
    assert (inventory.stats().backing_off, inventory.next_wake()) == (4, 1)


def test_a_try_after_a_rate_limit_costs_the_budget_less() -> None:
    budget = RetryBudget()
    inventory, _ = make(budget=budget)
    inventory.reserve()
    inventory.mint_failed(RateLimitError("slow down", retryable=True))
    assert budget.tokens == 500 - 5
