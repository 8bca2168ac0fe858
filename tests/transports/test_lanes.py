"""Which idle connection is used next, and when one is given up."""

from openai_realtime.transports.lanes import KEEP_ALIVE_SECONDS, Lanes


def test_last_in_first_out_by_origin() -> None:
    lanes: Lanes[str] = Lanes(lambda: 0.0)
    assert lanes.take("a") is None
    for lane in ("old", "new"):
        assert lanes.keep("a", lane) is None
    lanes.keep("b", "other")
    assert [lanes.take("a"), lanes.take("a"), lanes.take("a")] == ["new", "old", None]
    assert lanes.take("b") == "other"


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
