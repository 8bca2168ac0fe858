"""The other end of a call for real: WebRTC peers on this machine, made of aiortc.

Owns: peers, their thread and event loop. Must not know: HTTP, secrets, what is said on a call
(`conversation.py` does). Imports aiortc, a development package: only a mock that is told to be a
peer imports this file.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, TypeVar, cast

from aiortc import (
    AudioStreamTrack,
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)

from openai_realtime.core.strict_json import decode_json
from openai_realtime.errors import ParameterError
from openai_realtime.testing.conversation import Conversation

if TYPE_CHECKING:
    from aiortc import RTCDataChannel
    from av.frame import Frame

    from openai_realtime.dialects import JsonObject

T = TypeVar("T")

CHANNEL = "oai-events"
"""The data channel's name."""
_FRAMES_OF_A_SECOND = 50
_SECONDS_PER_EVENT = 0.03
_PATIENCE_SECONDS = 10.0


class WebRtcPeers:
    """Answers SDP offers with peers that echo audio and talk on the data channel `oai-events`."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._peers: dict[str, _Peer] = {}

    def start(self) -> None:
        """Begin to answer, on a thread of its own."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def answer(self, call_id: str, offer: str, session: JsonObject) -> str:
        """Return the SDP answer of a new peer. Raises `ParameterError` for an unusable offer."""
        return self._run(self._answer(call_id, offer, session))

    def hang_up(self, call_id: str) -> None:
        """End a call, if there is one of this id."""
        self._run(self._hang_up(call_id))

    def close(self) -> None:
        """End every call, and the thread. Repeatable."""
        if self._loop is None or self._thread is None:
            return
        self._run(self._hang_up(*self._peers))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._loop = self._thread = None

    async def _answer(self, call_id: str, offer: str, session: JsonObject) -> str:
        peer = _Peer(session, lambda: self._peers.pop(call_id, None))
        try:
            answer = await peer.answer(offer)
        except Exception as error:
            await peer.close()
            # aiortc's parser raises whatever it stumbles over.
            message = "The SDP offer cannot be answered"
            raise ParameterError(message, param="sdp") from error
        self._peers[call_id] = peer
        return answer

    async def _hang_up(self, *call_ids: str) -> None:
        for call_id in call_ids:
            if call_id in self._peers:
                await self._peers[call_id].close()

    def _run(self, work: Coroutine[object, object, T]) -> T:
        loop = cast("asyncio.AbstractEventLoop", self._loop)
        return asyncio.run_coroutine_threadsafe(work, loop).result(_PATIENCE_SECONDS)


class _Peer:
    """One call's end. Lives on the event loop."""

    def __init__(self, session: JsonObject, gone: Callable[[], object]) -> None:
        # No servers: aiortc's default asks a public one for this machine's address.
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._conversation = Conversation(session)
        self._to_say: asyncio.Queue[Iterator[JsonObject]] = asyncio.Queue()
        self._speaking: asyncio.Task[None] | None = None
        self._gone = gone
        self._connection.on("datachannel", self._accept_channel)
        self._connection.on("track", self._echo)
        self._connection.on("connectionstatechange", self._notice)

    async def answer(self, offer: str) -> str:
        await self._connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        if self._connection.sctp is None and not self._connection.getTransceivers():
            message = "neither audio nor a data channel is offered"
            raise ValueError(message)
        await self._connection.setLocalDescription(await self._connection.createAnswer())
        return self._connection.localDescription.sdp

    async def close(self) -> None:
        self._gone()
        if self._speaking is not None:
            self._speaking.cancel()
            await asyncio.wait([self._speaking])
        await self._connection.close()

    async def _notice(self) -> None:
        if self._connection.connectionState in {"failed", "closed"}:
            await self.close()

    def _accept_channel(self, channel: RTCDataChannel) -> None:
        if channel.label == CHANNEL:
            channel.on("message", self._receive)
            self._speaking = asyncio.ensure_future(self._speak(channel))

    def _receive(self, message: str | bytes) -> None:
        try:
            event = decode_json(message.encode() if isinstance(message, str) else message)
        except ValueError:
            event = None
        self._to_say.put_nowait(self._conversation.answer(event if isinstance(event, dict) else {}))

    def _echo(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio":
            self._connection.addTrack(_Echo(cast("AudioStreamTrack", track), self._hear))

    def _hear(self) -> None:
        self._to_say.put_nowait(self._conversation.hear())

    async def _speak(self, channel: RTCDataChannel) -> None:
        events = self._conversation.begin()
        while True:
            for event in events:
                channel.send(json.dumps(event))
                await asyncio.sleep(_SECONDS_PER_EVENT)
            events = await self._to_say.get()


class _Echo(AudioStreamTrack):
    """Plays what another track hears, and tells when that has been going on for a second."""

    def __init__(self, source: AudioStreamTrack, heard: Callable[[], None]) -> None:
        super().__init__()
        self._source = source
        self._heard = heard
        self._frames = 0

    async def recv(self) -> Frame:
        frame = await self._source.recv()
        self._frames += 1
        if self._frames == _FRAMES_OF_A_SECOND:
            self._heard()
        return frame
