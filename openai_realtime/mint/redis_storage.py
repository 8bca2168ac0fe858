"""Counts mints in Redis for several processes, by one atomic script and Redis' own clock."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from openai_realtime.errors import ConfigurationError

if TYPE_CHECKING:
    from redis.commands.core import AsyncScript

_SECONDS = 2.0
"""How long one run of the script may take. In a local network it takes about a millisecond."""
_CONNECTIONS = 8
"""How many runs are under way at most, and so how many connections a process has to Redis."""
# The braces keep all keys in one hash slot, as a Redis cluster requires of one script.
PREFIX: Final = "{openai_realtime:mint}:"
MICROSECONDS: Final = 1_000_000
_Rates: TypeAlias = Sequence[tuple[int, int]]
"""Pairs of a limit and its seconds, as in `limiter.Rate`."""

# The beginning of a script: a function that returns the wait for a counter in microseconds, and a
# function that counts events. Times are whole microseconds, which Lua's numbers hold exactly.
MOVING_WINDOWS: Final = """
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
    -- Redis' clock was set back. Events in the future would refuse all mints until that time.
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
"""
# KEYS has one key for each counter, ARGV[1] the counters as JSON. Returns for each counter the wait
# in microseconds; when all are 0, each counter has counted one event.
_SCRIPT = (
    MOVING_WINDOWS
    + """
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
)


@dataclass(frozen=True, slots=True)
class _Connections:
    """The connections of one event loop."""

    client: Redis
    slots: asyncio.Semaphore
    closing: AsyncGenerator[None]
    scripts: dict[str, AsyncScript] = field(default_factory=dict[str, "AsyncScript"])


class RedisConnections:
    """Runs scripts in the same Redis (5 or newer) or Valkey.

    Each event loop has its own connections. `aclose` or the end of the loop closes them.
    """

    def __init__(self, url: str) -> None:
        self._url = url.replace("redis+unix://", "unix://", 1)
        # Raises when the URL or its query is wrong. It does not connect.
        self._client().connection_pool.make_connection()  # type: ignore[no-untyped-call]  # redis-py does not type it
        self._connections: dict[asyncio.AbstractEventLoop, _Connections] = {}

    async def open(self) -> None:
        """Raise `ConfigurationError` on trio."""
        _event_loop()

    async def run(self, script: str, keys: list[str], *arguments: str) -> object:
        """Return what a script returns.

        Raises `ConfigurationError` on trio, `TimeoutError` after 2 seconds, and what redis-py
        raises: after these two, the script may have run.
        """
        connections = await self._connected()
        if script not in connections.scripts:
            connections.scripts[script] = connections.client.register_script(script)
        async with asyncio.timeout(_SECONDS), connections.slots:
            # redis-py types a script's result as None.
            run = connections.scripts[script](keys=keys, args=arguments)
            return await cast("Awaitable[object]", run)

    async def aclose(self) -> None:
        """Close this event loop's connections. May be called again."""
        connections = self._connections.get(_event_loop()) if self._connections else None
        if connections is not None:
            await connections.closing.aclose()

    async def _connected(self) -> _Connections:
        event_loop = _event_loop()
        connections = self._connections.get(event_loop)
        if connections is None:
            client = self._client()
            connections = self._connections[event_loop] = _Connections(
                client, asyncio.Semaphore(_CONNECTIONS), self._close_with(event_loop, client)
            )
            await anext(connections.closing)
        return connections

    async def _close_with(
        self, event_loop: asyncio.AbstractEventLoop, client: Redis
    ) -> AsyncGenerator[None]:
        """Close the connections with the event loop, which closes its generators before it ends."""
        try:
            yield
        finally:
            del self._connections[event_loop]
            await client.aclose()

    def _client(self) -> Redis:
        return Redis.from_url(  # pyright: ignore[reportUnknownMemberType] - redis-py leaves its options untyped
            self._url,
            socket_timeout=_SECONDS / 4,
            socket_connect_timeout=_SECONDS / 4,
            # Retry at once: the first try fails on a connection that a restarted Redis has closed.
            retry=Retry(NoBackoff(), 1),
        )


class RedisStorage:
    """Counts the mints of all processes that use the same Redis."""

    def __init__(self, url: str, limits: _Rates, global_limits: _Rates) -> None:
        self.connections: RedisConnections = RedisConnections(url)
        self.counters: str = json.dumps([_counter(limits), _counter(global_limits)])
        """The rates of each principal and those of all, as the script takes them."""
        self._readiness = json.dumps([_counter([(1000, 1)])])

    async def open(self) -> None:
        """Raise `ConfigurationError` on trio."""
        await self.connections.open()

    async def hit(self, principal: str) -> Sequence[float]:
        """Return the seconds to wait for the principal's limits, and for the limits for all.

        When both are 0, the mint is counted. Raises what `RedisConnections.run` raises.
        """
        waits = await self._run(rate_keys(principal), self.counters)
        return [wait / MICROSECONDS for wait in waits]

    async def check(self) -> None:
        """Run the script on a key that only this check uses; raises what `hit` raises."""
        await self._run([f"{PREFIX}readiness"], self._readiness)

    async def aclose(self) -> None:
        """Close this event loop's connections. May be called again."""
        await self.connections.aclose()

    async def _run(self, keys: list[str], counters: str) -> list[int]:
        return cast("list[int]", await self.connections.run(_SCRIPT, keys, counters))


def rate_keys(principal: str) -> list[str]:
    """Return the keys of the counters: the principal's, and the one of all."""
    return [f"{PREFIX}principal:{principal}", f"{PREFIX}everybody"]


def _event_loop() -> asyncio.AbstractEventLoop:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        message = "storage: Redis works with asyncio only: on trio use memory://"
        raise ConfigurationError(message) from None


def _counter(rates: _Rates) -> dict[str, object]:
    return {
        "rates": [[limit, seconds * MICROSECONDS] for limit, seconds in rates],
        "needed": max(limit for limit, _ in rates),
        "lifetime": max(seconds for _, seconds in rates) * 1000,
    }
