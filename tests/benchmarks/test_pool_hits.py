"""The secret pool's benchmark runs, for a handful of acquires; its figures are for `python -m`."""

import pytest

from benchmarks.pool_hits import FLAVOURS, measure

pytestmark = pytest.mark.benchmark


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_hits_are_measured(flavour: str) -> None:
    figures = measure(flavour, rate=100, seconds=0.2, size=4)
    assert figures[flavour]["acquires"] == 20
    assert 0 < figures[flavour]["hit_p50_us"] <= figures[flavour]["hit_p99_us"]
    assert figures["empty loop"]["spin_of_20_p50_us"] >= 20
