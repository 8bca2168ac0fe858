"""The secret pool's benchmark runs, for a handful of acquires; its figures are for `python -m`."""

import pytest

from benchmarks.pool_hits import BACKENDS, measure

pytestmark = pytest.mark.benchmark


@pytest.mark.parametrize("backend", BACKENDS)
def test_hits_are_measured(backend: str) -> None:
    figures = measure(backend, rate=100, seconds=0.2, size=4)
    assert figures[backend]["acquires"] == 20
    assert 0 < figures[backend]["hit_p50_us"] <= figures[backend]["hit_p99_us"]
    assert figures["empty loop"]["spin_of_20_p50_us"] >= 20
