"""Real WebRTC peers for the mock: they echo audio and send realtime events. Needs aiortc.

Only a mock server with `webrtc=True` imports this file, because aiortc is an optional package.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar, cast

from aiortc import (
    AudioStreamTrack,
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)

from openai_realtime.errors import ParameterError
from openai_realtime.testing.conversation import SPEECH_RESPONSE, TRANSCRIPT

if TYPE_CHECKING:
    from aiortc import RTCDataChannel
    from av.frame import Frame

    from openai_realtime.dialects import JsonObject
    from openai_realtime.testing.data_channel import Permissions
    from openai_realtime.testing.mock_calls import MockCall

T = TypeVar("T")

CHANNEL = "oai-events"
"""The data channel's name."""
_FRAMES_PER_SECOND = 50
_SECONDS_PER_EVENT = 0.03
_TIMEOUT_SECONDS = 10.0
_MAX_WAITING_EVENTS = 1000
_FLUSH_ROUNDS = 30


class WebRtcPeers:
    """Answers SDP offers with peers that echo audio and send events on the channel `oai-events`."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._peers: set[_Peer] = set()

    def start(self) -> None:
        """Start the peers' event loop on another thread."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def answer(self, call: MockCall, offer: str, permissions: Permissions, dcid: int | None) -> str:
        """Return the SDP answer of a new peer, which joins the call.

        `dcid` is the id of a data channel that was negotiated beforehand. Raises `ParameterError` for
        an unusable offer.
        """
        return self._run(self._answer(call, offer, permissions, dcid))

    def close(self) -> None:
        """End every connection and the thread. May be called again."""
        if self._loop is None or self._thread is None:
            return
        self._run(self._close_peers())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._loop = self._thread = None

    async def _answer(
        self, call: MockCall, offer: str, permissions: Permissions, dcid: int | None
    ) -> str:
        peer = _Peer(call, permissions, self._peers.discard)
        try:
            answer = await peer.answer(offer, dcid)
        except Exception as error:
            # aiortc's SDP parser raises many kinds of exceptions.
            await peer.shut_down()
            message = "The SDP offer cannot be answered"
            raise ParameterError(message, param="sdp") from error
        self._peers.add(peer)
        return answer

    async def _close_peers(self) -> None:
        for peer in list(self._peers):
            await peer.shut_down()

    def _run(self, coroutine: Coroutine[object, object, T]) -> T:
        loop = cast("asyncio.AbstractEventLoop", self._loop)
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(_TIMEOUT_SECONDS)


class _Peer:
    """The mock's end of one call. It runs on the peers' event loop, except for `send` and `close`."""

    def __init__(
        self, call: MockCall, permissions: Permissions, on_close: Callable[[_Peer], object]
    ) -> None:
        self.permissions = permissions
        self._call = call
        self._on_close = on_close
        self._loop = asyncio.get_running_loop()
        # No ICE servers: aiortc's default is a public STUN server.
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._outgoing: deque[JsonObject] = deque(maxlen=_MAX_WAITING_EVENTS)
        self._changed = asyncio.Event()
        self._is_closing = self._is_over = False
        self._sender: asyncio.Task[None] | None = None
        self._connection.on("datachannel", self._accept_channel)
        self._connection.on("track", self._echo)
        self._connection.on("connectionstatechange", self._end_if_lost)

    async def answer(self, offer: str, dcid: int | None) -> str:
        await self._connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        if self._connection.sctp is None and not self._connection.getTransceivers():
            message = "the offer has neither audio nor a data channel"
            raise ValueError(message)
        if dcid is not None:
            channel = self._connection.createDataChannel(CHANNEL, negotiated=True, id=dcid)
            channel.on("open", lambda: self._accept_channel(channel))
        await self._connection.setLocalDescription(await self._connection.createAnswer())
        self._call.join(self, is_sideband=False)
        return self._connection.localDescription.sdp

    def send(self, event: JsonObject) -> None:
        """Send an event when the channel is open. Returns at once."""
        self._outgoing.append(event)
        self._wake()

    def close(self) -> None:
        """Close the connection after the events that were sent. Returns at once."""
        self._is_closing = True
        self._wake()
        self._call_soon(self._shut_down_without_channel)

    async def shut_down(self) -> None:
        """Close the connection now."""
        self._is_over = True
        self._on_close(self)
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.wait([self._sender])
        await self._connection.close()

    def _wake(self) -> None:
        self._call_soon(self._changed.set)

    def _call_soon(self, callback: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop is closed: the server has stopped
            self._loop.call_soon_threadsafe(callback)

    def _shut_down_without_channel(self) -> None:
        if self._sender is None:
            self._closing = asyncio.ensure_future(self.shut_down())

    async def _end_if_lost(self) -> None:
        if self._connection.connectionState in {"failed", "closed"} and not self._is_over:
            self._call.hang_up()
            await self.shut_down()

    def _accept_channel(self, channel: RTCDataChannel) -> None:
        if channel.label == CHANNEL:
            channel.on("message", self._receive)
            self._sender = asyncio.ensure_future(self._send_events(channel))

    def _receive(self, message: str | bytes) -> None:
        self._call.receive(message, self)

    def _echo(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio":
            source = cast("AudioStreamTrack", track)
            self._connection.addTrack(_EchoTrack(source, self._on_speech))

    def _on_speech(self) -> None:
        self._call.respond_to_speech(TRANSCRIPT, SPEECH_RESPONSE)

    async def _send_events(self, channel: RTCDataChannel) -> None:
        while self._outgoing or not self._is_closing:
            if not self._outgoing:
                await self._changed.wait()
                self._changed.clear()
                continue
            channel.send(json.dumps(self._outgoing.popleft()))
            if not self._is_closing:
                await asyncio.sleep(_SECONDS_PER_EVENT)
        await _until_sent(channel)
        self._is_over = True
        self._on_close(self)
        await self._connection.close()


async def _until_sent(channel: RTCDataChannel) -> None:
    """Wait until the other side has what was sent, within limits: closing would lose it."""
    rounds = _FLUSH_ROUNDS
    while channel.bufferedAmount and rounds:
        rounds -= 1
        await asyncio.sleep(_SECONDS_PER_EVENT)
    await asyncio.sleep(_SECONDS_PER_EVENT)


class _EchoTrack(AudioStreamTrack):
    """Plays the audio of another track, and calls `on_speech` after one second of it."""

    def __init__(self, source: AudioStreamTrack, on_speech: Callable[[], None]) -> None:
        super().__init__()
        self._source = source
        self._on_speech = on_speech
        self._frames = 0

    async def recv(self) -> Frame:
        frame = await self._source.recv()
        self._frames += 1
        if self._frames == _FRAMES_PER_SECOND:
            self._on_speech()
        return frame
