"""What is measured of one peer, inside a fresh process of its own.

Owns: the timed loops; every mint's secret is checked. Must not know: other peers, rounds, tables.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.answers import SECRET

AsyncMint = Callable[[], Awaitable[str]]
Result = dict[str, float]

MILLISECONDS = 1e3


class WrongSecretError(Exception):
    """A peer returned something else than the server's secret."""


def _check(secret: str) -> None:
    if secret != SECRET:
        raise WrongSecretError


class _Watch:
    """Wall time and this process's CPU time, of all its threads, from its making on."""

    def __init__(self) -> None:
        gc.collect()
        self._processor, self._wall = time.process_time(), time.perf_counter()

    def result(self, latencies: list[float]) -> Result:
        wall, used = time.perf_counter() - self._wall, time.process_time() - self._processor
        latencies.sort()
        mints = len(latencies)
        return {
            "mints": mints,
            "wall_s": wall,
            "mints_per_s": mints / wall,
            "wall_us_per_mint": wall / mints * 1e6,
            "cpu_us_per_mint": used / mints * 1e6,
            "p50_ms": latencies[mints // 2] * MILLISECONDS,
            "p99_ms": latencies[min(mints - 1, mints * 99 // 100)] * MILLISECONDS,
        }


async def _mint_many(mint: AsyncMint, in_flight: int, mints: int, seconds: float) -> list[float]:
    """Mint until there are `mints` or the time is up; return every latency in seconds."""
    latencies: list[float] = []
    end = time.perf_counter() + seconds
    left = mints

    async def work() -> None:
        nonlocal left
        while left > 0 and (started := time.perf_counter()) < end:
            left -= 1
            _check(await mint())
            latencies.append(time.perf_counter() - started)

    await asyncio.gather(*(work() for _ in range(in_flight)))
    return latencies


async def steady(mint: AsyncMint, in_flight: int, mints: int, seconds: float) -> Result:
    """Throughput, CPU time and latency, once all connections are open."""
    await _mint_many(mint, in_flight, min(in_flight, mints), seconds)
    watch = _Watch()
    return watch.result(await _mint_many(mint, in_flight, mints, seconds))


async def burst(mint: AsyncMint, in_flight: int, mints: int, seconds: float) -> Result:
    """The same from nothing: the connections are opened under way."""
    watch = _Watch()
    result = watch.result(await _mint_many(mint, in_flight, mints, seconds))
    return {**result, "is_cut_short": result["mints"] < mints}


def threaded(mint: Callable[[], str], threads: int, mints: int, seconds: float) -> Result:
    """As `steady`, with blocking mints."""
    latencies: list[float] = []

    def work(count: int) -> None:
        end = time.perf_counter() + seconds
        for _ in range(count):
            if (started := time.perf_counter()) > end:
                return
            _check(mint())
            latencies.append(time.perf_counter() - started)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, [1] * threads))
        latencies.clear()
        watch = _Watch()
        list(pool.map(work, [-(-mints // threads)] * threads))
        return watch.result(latencies)


async def sparse(mint: AsyncMint, mints: int, pause: float, offset: float) -> Result:
    """One mint every `pause` seconds; the first, which opens the connection, is told apart."""
    latencies: list[float] = []
    for number in range(mints + 1):
        await asyncio.sleep(pause if number else offset)
        latencies += await _mint_many(mint, 1, 1, 600)
    first, *later = (latency * MILLISECONDS for latency in latencies)
    return {"first_ms": first, "median_ms": sorted(later)[len(later) // 2]}


def _resident_kib(field: str) -> float:
    # Not getrusage: its peak is inherited from the parent process.
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith(field):
            return float(line.split()[1])
    return 0.0


async def memory(mint: AsyncMint, in_flight: int, mints: int) -> Result:
    """Peak memory after `mints`, and what each 1,000 of their second half added."""
    await _mint_many(mint, in_flight, mints // 2, 600)
    half = _resident_kib("VmRSS")
    await _mint_many(mint, in_flight, mints // 2, 600)
    return {
        "peak_mib": _resident_kib("VmHWM") / 1024,
        "slope_kib_per_1000": (_resident_kib("VmRSS") - half) / (mints // 2) * 1000,
    }
