"""Which idle connection is used next, and when one is given up."""

import math

from openai_realtime.transports.lanes import KEEP_ALIVE_SECONDS, Lanes


def test_last_in_first_out_by_origin() -> None:
    lanes: Lanes[str] = Lanes(lambda: 0.0)
    assert lanes.take("a", math.inf) is None
    for lane in ("old", "new"):
        assert lanes.keep("a", lane) is None
    lanes.keep("b", "other")
    taken = [lanes.take("a", math.inf) for _ in range(3)]
    assert taken == ["new", "old", None]
    assert lanes.take("b", math.inf) == "other"


def test_what_idles_too_long_is_handed_back_to_be_closed() -> None:
    now = [0.0]
    lanes: Lanes[str] = Lanes(lambda: now[0])
    lanes.keep("a", "first")
    now[0] = KEEP_ALIVE_SECONDS
    assert lanes.keep("a", "second") is None
    now[0] += 0.1
    assert lanes.keep("a", "third") == "first"
    assert sorted(lanes.drain()) == ["second", "third"]
    assert lanes.drain() == []


def test_one_origin_can_be_drained_alone() -> None:
    lanes: Lanes[str] = Lanes(lambda: 0.0)
    lanes.keep("a", "one")
    lanes.keep("b", "two")
    assert lanes.drain("a") == ["one"]
    assert lanes.drain("unknown") == []
    assert lanes.drain() == ["two"]


def test_some_requests_want_a_connection_that_is_surely_alive() -> None:
    now = [0.0]
    lanes: Lanes[str] = Lanes(lambda: now[0])
    lanes.keep("a", "lane")
    now[0] = 1.1
    assert lanes.take("a", 1.0) is None
    assert lanes.take("a", math.inf) == "lane"
    lanes.keep("a", "lane")
    assert lanes.take("a", 1.0) == "lane"
