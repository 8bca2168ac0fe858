from __future__ import annotations

import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openai_realtime import ConfigurationError
from openai_realtime.mint.limiter import MovingWindows, Rate, parse_rates

PRINCIPALS = 100_000
PER_SECOND = 1_000


@pytest.mark.parametrize(
    ("text", "rates"),
    [
        ("5/minute; 3/10 seconds", (Rate(5, 60), Rate(3, 10))),
        ("1/second", (Rate(1, 1),)),
        (" 7 / 2 hours ;1/days", (Rate(7, 7200), Rate(1, 86_400))),
        ("1000000/31 day", (Rate(1_000_000, 2_678_400),)),
    ],
)
def test_rates_are_parsed(text: str, rates: tuple[Rate, ...]) -> None:
    assert parse_rates("limits", text) == rates


@pytest.mark.parametrize(
    "text",
    [
        "",
        ";",
        "5/minute;",
        "5",
        "5/",
        "/minute",
        "0/minute",
        "5/0 seconds",
        "-5/minute",
        "5/fortnight",
        "1000001/minute",
        "5/32 days",
        "\N{ARABIC-INDIC DIGIT FIVE}/minute",
        "5 per minute",
        5,
        None,
    ],
)
def test_unusable_rates_are_refused(text: object) -> None:
    with pytest.raises(
        ConfigurationError, match='limits is unusable: it must be written like "5/min'
    ):
        parse_rates("limits", text)


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 9)), min_size=1, max_size=3),
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=60),
)
def test_no_window_ever_holds_more_than_its_limit(
    rates: list[tuple[int, int]], requests: list[tuple[str, int]]
) -> None:
    """Held against what the limit means, counted anew each time from every event there was."""
    windows = MovingWindows(tuple(Rate(*rate) for rate in rates), max_keys=10)
    events: dict[str, list[float]] = {}
    now = 0.0
    for key, seconds in requests:
        now += seconds
        own = events.setdefault(key, [])
        full = [
            own[-limit] + length - now
            for limit, length in rates
            if sum(event > now - length for event in own) >= limit
        ]
        assert windows.wait(key, now) == max(full, default=0)
        if not full:
            windows.count(key, now)
            own.append(now)


def test_wait_counts_nothing() -> None:
    windows = MovingWindows((Rate(1, 10),), max_keys=10)
    assert [windows.wait("ann", 0) for _ in range(3)] == [0, 0, 0]
    assert len(windows) == 0


def test_expired_keys_are_deleted() -> None:
    windows = MovingWindows((Rate(5, 60), Rate(3, 10)), max_keys=1_000)
    for number in range(100):
        windows.count(f"user{number}", 0)
    windows.count("ann", 59.9)
    assert len(windows) == 101
    # Each that comes makes room for itself and takes one who has left along.
    for number in range(100):
        windows.count(f"new{number}", 60 + number / 1000)
    assert len(windows) == 101
    assert windows.wait("user0", 60.1) == 0


def test_beyond_max_keys_the_key_with_the_oldest_last_event_is_deleted() -> None:
    windows = MovingWindows((Rate(1, 60),), max_keys=3)
    for second, name in enumerate(["ann", "bob", "cid", "ann", "dan"]):
        windows.count(name, second)
        assert len(windows) <= 3
    assert [windows.wait(name, 5) > 0 for name in ("ann", "bob", "cid", "dan")] == [
        True,
        False,
        True,
        True,
    ]


def test_the_memory_of_a_key_is_bounded_by_its_limit() -> None:
    windows = MovingWindows((Rate(5, 60),), max_keys=10)
    for second in range(10_000):
        windows.count("ann", second)
    assert len(windows._events["ann"]) <= 10


def mint(windows: MovingWindows, all_principals: MovingWindows, first: int, count: int) -> None:
    """Mint at 1,000 a second, as one principal after the other."""
    for number in range(first, first + count):
        now = number / PER_SECOND
        principal = f"{number % PRINCIPALS:064x}"
        if not (windows.wait(principal, now) or all_principals.wait("", now)):
            windows.count(principal, now)
            all_principals.count("", now)


@pytest.mark.parametrize("limits", ["5/minute; 3/10 seconds", "5/10 minutes"])
def test_100_000_principals_at_1_000_a_second_cost_no_more_than_100(limits: str) -> None:
    """By the first limits principals expire all the time; by the second all of them are held."""

    def made() -> tuple[MovingWindows, MovingWindows]:
        rates = parse_rates("limits", limits)
        return MovingWindows(rates, 200_000), MovingWindows((Rate(100_000, 60),), 1)

    def seconds(windows: MovingWindows, all_principals: MovingWindows, first: int) -> float:
        """Return the least CPU time of ten: what else the machine does is not counted."""
        took = []
        for start in range(first, first + 20_000, 2_000):
            began = time.process_time()
            mint(windows, all_principals, start, 2_000)
            took.append(time.process_time() - began)
        return min(took)

    few = made()
    mint(*few, 0, 100)
    many = made()
    mint(*many, 0, PRINCIPALS)
    control = seconds(*few, 100)
    assert seconds(*many, PRINCIPALS) < 4 * control


def test_memory_is_flat_once_the_windows_are_full() -> None:
    windows = MovingWindows(parse_rates("limits", "5/10 seconds; 3/2 seconds"), 200_000)
    all_principals = MovingWindows((Rate(20_000, 10),), 1)
    mints = 10 * PER_SECOND
    sizes = []
    tracemalloc.start()
    try:
        for first in range(0, 5 * mints, mints):
            mint(windows, all_principals, first, mints)
            sizes.append(tracemalloc.get_traced_memory()[0])
            assert len(windows) <= mints + 1
    finally:
        tracemalloc.stop()
    # The first ten seconds fill the windows; the array for all has doubled after thirty.
    assert sizes[-1] < 1.3 * sizes[1]
    assert sizes[-1] < 1.1 * sizes[-2]
