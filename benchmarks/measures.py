"""The measures of one peer, which run in a process of its own. Every mint's secret is checked."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.messages import SECRET

Mint = Callable[[], Awaitable[str]]
Work = Callable[[], Awaitable[None]]
Result = dict[str, float]

MILLISECONDS = 1e3


class WrongSecretError(Exception):
    """A peer returned something else than the server's secret."""


def _check(secret: str) -> None:
    if secret != SECRET:
        raise WrongSecretError


class _Watch:
    """The wall time, and the CPU time of all threads of this process, since its creation."""

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


async def _gather(work: Work, count: int) -> None:
    await asyncio.gather(*(work() for _ in range(count)))


async def _gather_on_trio(work: Work, count: int) -> None:
    import trio  # noqa: PLC0415 - its memory would be measured where it is not used

    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(work)


async def _mint_many(
    mint: Mint,
    concurrency: int,
    mints: int,
    seconds: float,
    gather: Callable[[Work, int], Awaitable[None]] = _gather,
) -> list[float]:
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

    await gather(work, concurrency)
    return latencies


async def steady(
    mint: Mint, concurrency: int, mints: int, seconds: float, library: str = "asyncio"
) -> Result:
    """Throughput, CPU time and latency on asyncio or trio, once all connections are open."""
    gather = _gather_on_trio if library == "trio" else _gather
    await _mint_many(mint, concurrency, min(concurrency, mints), seconds, gather)
    watch = _Watch()
    return watch.result(await _mint_many(mint, concurrency, mints, seconds, gather))


def steady_without_async(mint: Callable[[], str], mints: int, seconds: float) -> Result:
    """As `steady`, one blocking mint after the other."""
    _check(mint())
    latencies: list[float] = []
    end = time.perf_counter() + seconds
    watch = _Watch()
    while len(latencies) < mints and (started := time.perf_counter()) < end:
        _check(mint())
        latencies.append(time.perf_counter() - started)
    return watch.result(latencies)


async def burst(mint: Mint, concurrency: int, mints: int, seconds: float) -> Result:
    """As `steady`, but the connections are opened during the measurement."""
    watch = _Watch()
    result = watch.result(await _mint_many(mint, concurrency, mints, seconds))
    return {**result, "is_cut_short": result["mints"] < mints}


async def sparse(mint: Mint, mints: int, pause: float, offset: float) -> Result:
    """One mint every `pause` seconds; the first, which opens the connection, has its own figure."""
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


async def memory(mint: Mint, concurrency: int, mints: int) -> Result:
    """The peak memory after `mints`, and the growth for each 1,000 mints of their second half."""
    await _mint_many(mint, concurrency, mints // 2, 600)
    half = _resident_kib("VmRSS")
    await _mint_many(mint, concurrency, mints // 2, 600)
    return {
        "peak_mib": _resident_kib("VmHWM") / 1024,
        "slope_kib_per_1000": (_resident_kib("VmRSS") - half) / (mints // 2) * 1000,
    }
