"""Real WebRTC peers for the mock: they echo audio and send realtime events. Needs aiortc.

Only a mock server with `webrtc=True` imports this file, because aiortc is an optional package.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
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
from openai_realtime.resources.parameters import merge_objects
from openai_realtime.testing.mock_sessions import as_object, new_id

if TYPE_CHECKING:
    from aiortc import RTCDataChannel
    from av.frame import Frame

    from openai_realtime.core.strict_json import Json
    from openai_realtime.dialects import JsonObject

T = TypeVar("T")

CHANNEL = "oai-events"
"""The data channel's name."""
_FRAMES_PER_SECOND = 50
_SECONDS_PER_EVENT = 0.03
_TIMEOUT_SECONDS = 10.0
_SPEECH_REPLY = "Hello, I hear you. I am the mock server, and this is your own voice."
_TRANSCRIPT = "One second of sound, which the mock does not understand."
_SESSION_SECONDS = 3600
_GREETING = "Hello, I am the mock server."


class WebRtcPeers:
    """Answers SDP offers with peers that echo audio and send events on the channel `oai-events`."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._peers: dict[str, _Peer] = {}

    def start(self) -> None:
        """Start the peers' event loop on another thread."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def answer(self, call_id: str, offer: str, session: JsonObject) -> str:
        """Return the SDP answer of a new peer. Raises `ParameterError` for an unusable offer."""
        return self._run(self._answer(call_id, offer, session))

    def hang_up(self, call_id: str) -> None:
        """End the call with this id, if there is one."""
        self._run(self._hang_up(call_id))

    def close(self) -> None:
        """End every call and the thread. May be called again."""
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
            # aiortc's SDP parser raises many kinds of exceptions.
            await peer.close()
            message = "The SDP offer cannot be answered"
            raise ParameterError(message, param="sdp") from error
        self._peers[call_id] = peer
        return answer

    async def _hang_up(self, *call_ids: str) -> None:
        for call_id in call_ids:
            if call_id in self._peers:
                await self._peers[call_id].close()

    def _run(self, coroutine: Coroutine[object, object, T]) -> T:
        loop = cast("asyncio.AbstractEventLoop", self._loop)
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(_TIMEOUT_SECONDS)


class _Peer:
    """The mock's end of one call. It runs on the peers' event loop."""

    def __init__(self, session: JsonObject, on_close: Callable[[], object]) -> None:
        # No ICE servers: aiortc's default is a public STUN server.
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._conversation = _Conversation(session)
        self._outgoing: asyncio.Queue[Iterator[JsonObject]] = asyncio.Queue()
        self._sender: asyncio.Task[None] | None = None
        self._on_close = on_close
        self._connection.on("datachannel", self._accept_channel)
        self._connection.on("track", self._echo)
        self._connection.on("connectionstatechange", self._close_if_ended)

    async def answer(self, offer: str) -> str:
        await self._connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        if self._connection.sctp is None and not self._connection.getTransceivers():
            message = "the offer has neither audio nor a data channel"
            raise ValueError(message)
        await self._connection.setLocalDescription(await self._connection.createAnswer())
        return self._connection.localDescription.sdp

    async def close(self) -> None:
        self._on_close()
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.wait([self._sender])
        await self._connection.close()

    async def _close_if_ended(self) -> None:
        if self._connection.connectionState in {"failed", "closed"}:
            await self.close()

    def _accept_channel(self, channel: RTCDataChannel) -> None:
        if channel.label == CHANNEL:
            channel.on("message", self._receive)
            self._sender = asyncio.ensure_future(self._send_events(channel))

    def _receive(self, message: str | bytes) -> None:
        try:
            event = decode_json(message.encode() if isinstance(message, str) else message)
        except ValueError:
            event = None
        self._outgoing.put_nowait(self._conversation.respond(as_object(event)))

    def _echo(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio":
            source = cast("AudioStreamTrack", track)
            self._connection.addTrack(_EchoTrack(source, self._on_speech))

    def _on_speech(self) -> None:
        self._outgoing.put_nowait(self._conversation.respond_to_speech())

    async def _send_events(self, channel: RTCDataChannel) -> None:
        events = self._conversation.begin()
        while True:
            for event in events:
                channel.send(json.dumps(event))
                await asyncio.sleep(_SECONDS_PER_EVENT)
            events = await self._outgoing.get()


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


class _Conversation:
    """One call's server events, in the shape of the nested ("GA") API.

    There is no model: the mock introduces itself, and repeats the text that it received.
    """

    def __init__(self, session: JsonObject) -> None:
        self._session = session
        self._last_item_id: str | None = None
        self._received_text = ""
        self._handlers: dict[str, Callable[[JsonObject], Iterator[JsonObject]]] = {
            "session.update": self._update_session,
            "conversation.item.create": self._create_item,
            "response.create": self._create_response,
            "input_audio_buffer.clear": self._clear_audio,
        }

    def begin(self) -> Iterator[JsonObject]:
        """Yield the events that begin a call."""
        expires_at = int(time.time()) + _SESSION_SECONDS
        self._session = {**self._session, "expires_at": expires_at}
        yield _event("session.created", session=self._session)

    def respond_to_speech(self) -> Iterator[JsonObject]:
        """Yield the events that follow the caller's first second of audio."""
        item_id = new_id("item")
        yield _event("input_audio_buffer.speech_started", item_id=item_id, audio_start_ms=0)
        yield _event("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=1000)
        yield _event("input_audio_buffer.committed", item_id=item_id)
        content: Json = [{"type": "input_audio", "transcript": None}]
        item: JsonObject = {"id": item_id, "type": "message", "role": "user", "content": content}
        yield from self._add_item(item)
        yield from self._transcribe(item_id)
        yield from self._speak(_SPEECH_REPLY)

    def _transcribe(self, item_id: str) -> Iterator[JsonObject]:
        """Yield the events of the input transcription, if the session has one."""
        audio_input = as_object(as_object(self._session.get("audio")).get("input"))
        if audio_input.get("transcription") is None:
            return
        part: JsonObject = {"item_id": item_id, "content_index": 0}
        name = "conversation.item.input_audio_transcription"
        yield _event(f"{name}.delta", **part, delta=_TRANSCRIPT)
        usage: JsonObject = {"type": "duration", "seconds": 1}
        yield _event(f"{name}.completed", **part, transcript=_TRANSCRIPT, usage=usage)

    def respond(self, event: JsonObject) -> Iterator[JsonObject]:
        """Yield the events that follow one of the client's."""
        handler = self._handlers.get(str(event.get("type")))
        yield from [_error(event)] if handler is None else handler(event)

    def _update_session(self, event: JsonObject) -> Iterator[JsonObject]:
        self._session = merge_objects(self._session, as_object(event.get("session")))
        yield _event("session.updated", session=self._session)

    def _create_item(self, event: JsonObject) -> Iterator[JsonObject]:
        item: JsonObject = {"id": new_id("item"), **as_object(event.get("item"))}
        contents = item.get("content")
        for content in contents if isinstance(contents, list) else []:
            self._received_text = str(as_object(content).get("text", ""))
        yield from self._add_item(item)

    def _create_response(self, _client_event: JsonObject) -> Iterator[JsonObject]:
        text, self._received_text = self._received_text, ""
        yield from self._speak(f"You said: {text}" if text else _GREETING)

    def _clear_audio(self, _client_event: JsonObject) -> Iterator[JsonObject]:
        yield _event("input_audio_buffer.cleared")

    def _add_item(self, item: JsonObject) -> Iterator[JsonObject]:
        previous, self._last_item_id = self._last_item_id, str(item["id"])
        yield _event("conversation.item.added", previous_item_id=previous, item=item)
        yield _event("conversation.item.done", previous_item_id=previous, item=item)

    def _speak(self, text: str) -> Iterator[JsonObject]:
        response: JsonObject = {"id": new_id("resp"), "object": "realtime.response"}
        item: JsonObject = {"id": new_id("item"), "type": "message", "role": "assistant"}
        of_item: JsonObject = {"response_id": response["id"], "output_index": 0}
        of_part: JsonObject = {**of_item, "item_id": item["id"], "content_index": 0}
        yield _event("response.created", response={**response, "status": "in_progress"})
        yield _event("response.output_item.added", **of_item, item={**item, "content": []})
        yield from self._add_item({**item, "content": []})
        yield _event("response.content_part.added", **of_part, part={"type": "audio"})
        yield _event("output_audio_buffer.started", response_id=response["id"])
        for word in text.replace(" ", " \0").split("\0"):
            yield _event("response.output_audio_transcript.delta", **of_part, delta=word)
        yield _event("response.output_audio.done", **of_part)
        yield _event("response.output_audio_transcript.done", **of_part, transcript=text)
        yield _event(
            "response.content_part.done", **of_part, part={"type": "audio", "transcript": text}
        )
        item["content"] = [{"type": "output_audio", "transcript": text}]
        item["status"] = "completed"
        yield _event("response.output_item.done", **of_item, item=item)
        yield _event("output_audio_buffer.stopped", response_id=response["id"])
        output: Json = [item]
        yield _event(
            "response.done", response={**response, "status": "completed", "output": output}
        )


def _event(event_type: str, **fields: Json) -> JsonObject:
    return {"type": event_type, "event_id": new_id("event"), **fields}


def _error(event: JsonObject) -> JsonObject:
    error: JsonObject = {
        "type": "invalid_request_error",
        "code": "invalid_value",
        "message": f"The mock does not support the event type {str(event.get('type'))[:80]!r}",
        "param": "type",
        "event_id": event.get("event_id"),
    }
    return _event("error", error=error)
