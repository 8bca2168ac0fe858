"""Work that is cancelled when the client disconnects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import anyio
from starlette.requests import ClientDisconnect

if TYPE_CHECKING:
    from openai_realtime.asgi import BodyReceive

T = TypeVar("T")


async def cancel_on_disconnect(receive: BodyReceive, work: Callable[[], Awaitable[T]]) -> T:
    """Return what `work` returns; cancel it and raise `ClientDisconnect` if the client disconnects.

    The request's body must have been read: after it, `receive` returns only when that happens.
    """
    results: list[T] = []
    failures: list[Exception] = []
    watching = anyio.CancelScope()

    async def watch() -> None:
        with watching:
            await receive()
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        try:
            results.append(await work())
        except Exception as error:  # noqa: BLE001 - raised below: the group would wrap it
            failures.append(error)
        watching.cancel()
    if failures:
        raise failures[0]
    if not results:
        raise ClientDisconnect
    return results[0]
