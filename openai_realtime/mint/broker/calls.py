"""The calls of a service, for the server's own code: `app.state.calls`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openai_realtime.mint.authorization import Pseudonyms
from openai_realtime.mint.broker.broker import Broker
from openai_realtime.mint.broker.events import RunningCall, running_call

if TYPE_CHECKING:
    from openai_realtime.mint.broker.life import CallRecord


class Calls:
    """The calls of this process, and, with Redis, of all processes.

    Each method raises `RegistryUnavailableError` within 2 seconds when Redis does not work.
    """

    def __init__(self, broker: Broker, pseudonyms: Pseudonyms) -> None:
        self._broker = broker
        self._pseudonyms = pseudonyms

    async def running(self, principal: str | None = None) -> list[RunningCall]:
        """Return the calls of a principal that run, oldest first; None: of all principals."""
        return [running_call(call) for call in await self._of(principal) if call.provider_id]

    async def hang_up(self, principal: str) -> int:
        """Hang up the calls of a principal; return how many there were.

        It waits until they are hung up, 3 seconds at most. One that cannot be hung up now is hung
        up later. A call whose offer is being traded ends with its trade.
        """
        return await self._hang_up(await self._of(principal))

    async def hang_up_all(self) -> int:
        """Hang up the calls of all principals, as `hang_up` does."""
        return await self._hang_up(await self._of(None))

    async def _of(self, principal: str | None) -> list[CallRecord]:
        await self._broker.open()
        pseudonym = None if principal is None else self._pseudonyms.of(principal)
        return await self._broker.registry.running(pseudonym)

    async def _hang_up(self, calls: list[CallRecord]) -> int:
        return await self._broker.hang_up([call.id for call in calls], "server")
