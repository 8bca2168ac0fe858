"""Mints counted in Redis, for a fleet: one atomic step, on Redis' own clock."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from openai_realtime.errors import ConfigurationError
from openai_realtime.mint.windows import Rate, Rates

if TYPE_CHECKING:
    from redis.commands.core import AsyncScript

_SECONDS = 2.0
"""The longest that a step may take. In the same network it takes a millisecond."""
_CONNECTIONS = 8
"""How many steps run at once, and so how many connections Redis sees from a process."""
# The braces keep all keys in one slot, where a proxy spreads the slots over several servers.
_PREFIX = "{openai_realtime:mint}:"
_MICROSECONDS = 1_000_000

# KEYS holds one key for each counter, ARGV[1] the counters as JSON. Returns one wait in microseconds
# for each counter; when all are 0, each counter has counted. A further kind of counter is a function
# beside `moving_windows`. Times are whole microseconds, which Lua's numbers hold exactly.
_STEP = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local function moving_windows(key, counter)
  local function count(events)
    for _ = 1, events do
      redis.call('LPUSH', key, string.format('%.0f', now))
    end
    redis.call('LTRIM', key, 0, counter.needed - 1)
    redis.call('PEXPIRE', key, counter.lifetime)
  end

  local newest = redis.call('LINDEX', key, 0)
  if newest and tonumber(newest) > now then
    -- Redis' clock was set back. Events of the future would refuse all until the clock is there.
    local events = redis.call('LLEN', key)
    redis.call('DEL', key)
    count(events)
  end

  local wait = 0
  for _, rate in ipairs(counter.rates) do
    local event = redis.call('LINDEX', key, rate[1] - 1)
    if event then wait = math.max(wait, event + rate[2] - now) end
  end
  return wait, count
end

local waits, counts, is_allowed = {}, {}, true
for number, counter in ipairs(cjson.decode(ARGV[1])) do
  waits[number], counts[number] = moving_windows(KEYS[number], counter)
  is_allowed = is_allowed and waits[number] == 0
end
if is_allowed then
  for _, count in ipairs(counts) do count(1) end
end
return waits
"""


@dataclass(frozen=True, slots=True)
class _Connections:
    """What one event loop has of its own."""

    client: Redis
    step: AsyncScript
    slots: asyncio.Semaphore
    watch: AsyncGenerator[None]


class RedisStorage:
    """Counts the mints of all processes that share a Redis (5 or newer) or Valkey, and limits.

    Each event loop has connections of its own, closed by `aclose` or when the loop ends.
    """

    def __init__(self, url: str, limits: Rates, global_limits: Rates) -> None:
        self._url = url.replace("redis+unix://", "unix://", 1)
        # Fails now on what is wrong in the URL, its query included. It does not connect.
        self._client().connection_pool.make_connection()  # type: ignore[no-untyped-call]  # redis-py types no more
        self._counters = json.dumps([_counter(limits), _counter(global_limits)])
        self._readiness = json.dumps([_counter((Rate(1000, 1),))])
        self._connections: dict[asyncio.AbstractEventLoop, _Connections] = {}

    async def open(self) -> None:
        """Raise `ConfigurationError` where there is no asyncio."""
        _event_loop()

    async def hit(self, principal: str) -> Sequence[float]:
        """Count one mint if nothing stands in its way; return the seconds of wait, or 0, for each limit.

        Raises `TimeoutError` after 2 seconds, `ConfigurationError` where there is no asyncio, and
        what redis-py raises. The mint may then have been counted.
        """
        keys = [f"{_PREFIX}principal:{principal}", f"{_PREFIX}everybody"]
        waits = await self._step(keys, self._counters)
        return [wait / _MICROSECONDS for wait in waits]

    async def check(self) -> None:
        """Take the step on a key of its own; raises as `hit` does."""
        await self._step([f"{_PREFIX}readiness"], self._readiness)

    async def aclose(self) -> None:
        """Close this event loop's connections. Repeatable."""
        own = self._connections.get(_event_loop()) if self._connections else None
        if own is not None:
            await own.watch.aclose()

    async def _step(self, keys: list[str], counters: str) -> list[int]:
        own = await self._connected()
        async with asyncio.timeout(_SECONDS), own.slots:
            # redis-py types a script's result as None.
            step = cast("Awaitable[list[int]]", own.step(keys=keys, args=[counters]))
            return await step

    async def _connected(self) -> _Connections:
        event_loop = _event_loop()
        own = self._connections.get(event_loop)
        if own is None:
            client = self._client()
            own = self._connections[event_loop] = _Connections(
                client,
                client.register_script(_STEP),
                asyncio.Semaphore(_CONNECTIONS),
                self._until_the_loop_ends(event_loop, client),
            )
            await anext(own.watch)
        return own

    async def _until_the_loop_ends(
        self, event_loop: asyncio.AbstractEventLoop, client: Redis
    ) -> AsyncGenerator[None]:
        """Close the connections while it is possible: an event loop closes its generators first."""
        try:
            yield
        finally:
            del self._connections[event_loop]
            await client.aclose()

    def _client(self) -> Redis:
        return Redis.from_url(  # pyright: ignore[reportUnknownMemberType] - it leaves its options untyped
            self._url,
            socket_timeout=_SECONDS / 4,
            socket_connect_timeout=_SECONDS / 4,
            # Once more at once: the first fails on a connection that a restarted Redis has closed.
            retry=Retry(NoBackoff(), 1),
        )


def _event_loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        message = "storage: Redis needs asyncio, which redis-py is made for: on trio use memory://"
        raise ConfigurationError(message) from None


def _counter(rates: Rates) -> dict[str, object]:
    return {
        "rates": [[rate.limit, rate.seconds * _MICROSECONDS] for rate in rates],
        "needed": max(rate.limit for rate in rates),
        "lifetime": max(rate.seconds for rate in rates) * 1000,
    }
