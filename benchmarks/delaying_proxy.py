"""A distant network: `python -m benchmarks.delaying_proxy PORT ROUND_TRIP_SECONDS` delays all bytes.

Half of the round trip passes each way, and one passes before a connection is open, as in TCP. It
prints its own port, and ends when its standard input closes.
"""

from __future__ import annotations

import asyncio
import sys

from benchmarks.loopback_server import until_standard_input_closes


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float, not_before: float
) -> None:
    event_loop = asyncio.get_running_loop()
    data = b"-"
    while data:
        try:
            data = await reader.read(65536)
        except ConnectionError:
            data = b""
        # Timers fire in the order of their times, so the bytes stay in order.
        due = max(event_loop.time(), not_before) + delay
        if data:
            event_loop.call_at(due, writer.write, data)
        else:
            event_loop.call_at(due, writer.close)


async def serve(port: int, round_trip: float) -> None:
    """Serve until standard input closes."""
    event_loop = asyncio.get_running_loop()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened = event_loop.time() + round_trip
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(
            _pass_on(reader, far_writer, round_trip / 2, opened),
            _pass_on(far_reader, writer, round_trip / 2, opened),
        )

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await until_standard_input_closes()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
