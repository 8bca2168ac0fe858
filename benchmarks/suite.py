"""Runs each measure on each peer in several interleaved rounds, and keeps the medians."""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.measures import WrongSecretError
from benchmarks.messages import SECRET
from benchmarks.peers import Peer, Target
from benchmarks.servers import ANYWHERE, LAST, Servers, started

Results = dict[str, dict[str, dict[str, float]]]
"""Figures, by measure, then by peer."""


class Size(NamedTuple):
    """How much of everything; times in seconds."""

    name: str
    rounds: int
    seconds: float
    """Of a measure of throughput, unless it has `mints` before."""
    mints: int
    starts: int
    sparse_mints: int
    pause: float
    burst: int
    burst_concurrency: int
    burst_seconds: float
    memory: int
    is_smoke_test: bool = False
    """Only check that it runs: all measures of a peer in one process, two peers at a time."""


FULL = Size("full", 3, 1.5, 1_000_000, 7, 8, 6.0, 5000, 1000, 25.0, 10_000)
QUICK = Size("quick", 1, 1.0, 1_000_000, 3, 2, 6.0, 2000, 400, 10.0, 4000)
HANDFUL = Size("handful", 1, 5.0, 4, 1, 1, 0.01, 4, 4, 5.0, 8, is_smoke_test=True)

_IN_ROUNDS = ("throughput", "TLS", "trio", "sync")
_WITH_PROC = ("memory", "memory over TLS") if Path("/proc/self/status").exists() else ()
MEASURES = (*_IN_ROUNDS, "burst", *_WITH_PROC, "sparse", "cold start")


class Job(NamedTuple):
    """One measure of one peer; a worker gets all but the name, as JSON."""

    name: str
    measure: str
    target: Target
    arguments: dict[str, Any]


def jobs(measure: str, size: Size, servers: Servers, offset: float) -> list[Job]:
    """Return what a process does for a measure; `offset` keeps sparse mints apart."""
    _, near, near_over_tls, slow, distant = servers
    amount = {"mints": size.mints, "seconds": size.seconds}
    many = {"concurrency": 64, **amount}
    burst = {"mints": size.burst, "seconds": size.burst_seconds}
    rare = {"mints": size.sparse_mints, "pause": size.pause, "offset": offset}
    return {
        "throughput": [
            Job(f"{n} at a time", "steady", near, {"concurrency": n, **amount})
            for n in (1, 64, 512)
        ],
        "TLS": [Job("64 at a time, TLS", "steady", near_over_tls, many)],
        "trio": [Job("64 at a time, trio", "steady", near, {"library": "trio", **many})],
        "sync": [Job("1 at a time, sync", "steady_without_async", near, amount)],
        "burst": [Job("burst", "burst", slow, {"concurrency": size.burst_concurrency, **burst})],
        "memory": [Job("memory", "memory", near, {"concurrency": 8, "mints": size.memory})],
        "memory over TLS": [
            Job(
                "memory, 512 at a time, TLS",
                "memory",
                near_over_tls,
                {"concurrency": 512, "mints": size.memory // 4},
            )
        ],
        "sparse": [Job("sparse", "sparse", distant, rare)],
    }[measure]


# Variables that production does not have. (pip compiles what it installs, so a checkout must be
# compiled too, and not again in each process.)
_DROPPED = ("OPENAI_", "COV", "SSL_", "PYTHONDONTWRITEBYTECODE")


def _environment(authority: str = "") -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_DROPPED)}
    return {**kept, "SSL_CERT_FILE": authority} if authority else kept


class Suite:
    """One run over the installed peers."""

    def __init__(
        self, size: Size, peers: tuple[Peer, ...], servers: Servers, log: Callable[[str], None]
    ) -> None:
        self.size = size
        self.peers = peers
        self.servers = servers
        self.log = log
        self.failed: list[str] = []
        """Measures that a peer did not finish, each with the peer's name."""
        self._processor = ANYWHERE if size.is_smoke_test else LAST
        self._found: dict[str, dict[str, list[dict[str, float]]]] = {}

    def results(self) -> Results:
        """Return each figure's median over the rounds so far."""
        return {
            name: {
                peer.name: {key: statistics.median(r[key] for r in rounds) for key in rounds[0]}
                for peer in self.peers
                if (rounds := found.get(peer.name))
            }
            for name, found in self._found.items()
        }

    def run(self, measures: tuple[str, ...]) -> None:
        """Measure."""
        at_once = 2 if self.size.is_smoke_test else 1
        if "cold start" in measures:
            for _ in range(self.size.starts):
                self._each(self._start_cold, "cold start", at_once)
        others = tuple(measure for measure in measures if measure != "cold start")
        groups = [others] if self.size.is_smoke_test else [(measure,) for measure in others]
        for group in groups:
            # The other measures are long or steady enough for one round.
            for _ in range(self.size.rounds if {*_IN_ROUNDS} & {*group} else 1):
                # Sparse mints of several peers fit beside each other.
                self._each(
                    partial(self._work, group),
                    ", ".join(group),
                    len(self.peers) if group == ("sparse",) else at_once,
                )

    def _each(self, action: Callable[[Peer], None], what: str, at_once: int) -> None:
        def one(peer: Peer) -> None:
            self.log(f"{what}: {peer.name}")
            action(peer)

        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(one, self.peers))

    def _keep(self, name: str, peer: Peer, result: dict[str, float]) -> None:
        self._found.setdefault(name, {}).setdefault(peer.name, []).append(result)

    def _work(self, group: tuple[str, ...], peer: Peer) -> None:
        offset = self.size.pause * self.peers.index(peer) / len(self.peers)
        possible = [one for one in group if one in peer.also or one not in {"sync", "trio"}]
        selected = [job for one in possible for job in jobs(one, self.size, self.servers, offset)]
        if not selected:
            return
        command = [sys.executable, "-m", "benchmarks.worker", peer.file, peer.without]
        command.append(json.dumps([job[1:] for job in selected]))
        environment = _environment(max(job.target.authority for job in selected))
        with started(command, self._processor, environment) as process:
            printed = process.stdout.read()
        if process.returncode:
            self.failed.append(f"{', '.join(group)}: {peer.name}")
            return
        for job, result in zip(selected, json.loads(printed), strict=True):
            self._keep(job.name, peer, result)

    def _start_cold(self, peer: Peer) -> None:
        command = [sys.executable, "-m", "benchmarks.cold_start", peer.file, peer.without]
        began = time.perf_counter()
        with started(
            [*command, self.servers.near.base_url], self._processor, _environment()
        ) as process:
            line: Any = process.stdout.readline()
            took = (time.perf_counter() - began) * 1e3
        secret, _, import_ms = line.partition(" ")
        if secret != SECRET:
            message = f"cold start: {peer.name} minted {line!r}"
            raise WrongSecretError(message)
        self._keep("cold start", peer, {"first_secret_ms": took, "import_ms": float(import_ms)})
