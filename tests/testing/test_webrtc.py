"""The mock as the other end of a WebRTC call, with a real peer as the caller."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from aiortc import (
    AudioStreamTrack,
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from websockets.asyncio.client import ClientConnection, connect

from openai_realtime import (
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    NotFoundError,
    RealtimeSessionsClient,
)
from openai_realtime.testing import MockCall, MockRealtimeServer
from openai_realtime.testing.data_channel import Permissions

CLIENT_EVENTS = [
    {"type": "session.update", "session": {"instructions": "Be brief."}},
    {
        "type": "conversation.item.create",
        "item": {"type": "message", "content": [{"type": "input_text", "text": "How are you?"}]},
    },
    {"type": "response.create"},
    {"type": "response.create"},
    {"type": "input_audio_buffer.clear"},
    {"type": "unheard.of"},
]
IN_ORDER = [
    "response.created",
    "response.output_item.added",
    "response.content_part.added",
    "output_audio_buffer.started",
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "response.output_item.done",
    "output_audio_buffer.stopped",
    "response.done",
]
"""The events of one response that happen once."""


class Caller:
    """The WebRTC peer of an app."""

    def __init__(self, label: str = "oai-events", **channel: Any) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.channel: RTCDataChannel = self.connection.createDataChannel(label, **channel)
        self.events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.echo: asyncio.Future[MediaStreamTrack] = asyncio.get_running_loop().create_future()
        self.channel.on("message", lambda text: self.events.put_nowait(json.loads(text)))
        self.connection.on("track", self._hear)

    def _hear(self, track: MediaStreamTrack) -> None:
        if track.kind == "audio":
            self.echo.set_result(track)

    async def offer(self, *, audio: bool = True) -> str:
        if audio:
            self.connection.addTrack(AudioStreamTrack())
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return self.connection.localDescription.sdp

    async def accept(self, answer: str) -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def until(self, event_type: str) -> list[dict[str, Any]]:
        """Return the events up to the next one of a type, which is included."""
        seen: list[dict[str, Any]] = []
        while not seen or seen[-1]["type"] != event_type:
            seen.append(await asyncio.wait_for(self.events.get(), 10))
        return seen


@asynccontextmanager
async def calling(label: str = "oai-events", **channel: Any) -> AsyncGenerator[Caller]:
    caller = Caller(label, **channel)
    try:
        yield caller
    finally:
        await caller.connection.close()


async def client_with_secret(server: MockRealtimeServer, **params: Any) -> RealtimeSessionsClient:
    """Return a client that has a client secret in place of the API key, as a browser has."""
    async with RealtimeSessionsClient(base_url=server.base_url, api_key=server.api_key) as client:
        session = await client.sessions.create(**params)
    return RealtimeSessionsClient(
        base_url=server.base_url, api_key=session.client_secret.value, max_retries=0
    )


def test_audio_flows_both_ways_and_events_get_responses() -> None:
    async def call_server(server: MockRealtimeServer) -> None:
        async with await client_with_secret(server, voice="verse") as client, calling() as caller:
            call = await client.calls.create(sdp=await caller.offer())
            assert call.id is not None
            await caller.accept(call.sdp)
            (created,) = await caller.until("session.created")
            assert created["session"]["audio"]["output"]["voice"] == "verse"
            assert 3590 < created["session"]["expires_at"] - time.time() <= 3600
            assert "ek_" not in json.dumps(created)

            track = await asyncio.wait_for(caller.echo, 10)
            frames = [await asyncio.wait_for(track.recv(), 10) for _ in range(10)]
            assert {frame.time_base.denominator for frame in frames if frame.time_base} == {48000}
            stats = (await caller.connection.getStats()).values()
            (sent,) = [each for each in stats if each.type == "outbound-rtp"]
            assert sent.bytesSent > 0
            (received,) = [each for each in stats if each.type == "inbound-rtp"]
            assert received.packetsReceived >= 10

            heard = await caller.until("response.done")
            assert heard[0]["type"] == "input_audio_buffer.speech_started"
            assert not any("input_audio_transcription" in event["type"] for event in heard)
            for event in CLIENT_EVENTS:
                caller.channel.send(json.dumps(event))
            caller.channel.send("no JSON")
            (updated,) = await caller.until("session.updated")
            assert updated["session"]["instructions"] == "Be brief."
            for transcript in ("You said: How are you?", "Hello, I am the mock server."):
                events = await caller.until("response.done")
                assert [event["type"] for event in events if event["type"] in IN_ORDER] == IN_ORDER
                deltas = [event["delta"] for event in events if "delta" in event]
                assert "".join(deltas) == transcript
                assert events[-1]["response"]["output"][0]["content"][0]["transcript"] == transcript
            await caller.until("input_audio_buffer.cleared")
            for event_type in ("unheard.of", "None"):
                (refused,) = await caller.until("error")
                assert event_type in refused["error"]["message"]

            async with RealtimeSessionsClient(
                base_url=server.base_url, api_key=server.api_key
            ) as backend:
                await backend.calls.hangup(call.id)
                with pytest.raises(NotFoundError):  # it is over already
                    await backend.calls.hangup(call.id)
            while caller.connection.connectionState != "closed":
                await asyncio.sleep(0.01)

    with MockRealtimeServer(webrtc=True) as server:
        asyncio.run(call_server(server))


def test_speech_is_transcribed_if_the_session_says_so() -> None:
    async def call_server(server: MockRealtimeServer) -> None:
        transcription = {"model": "gpt-transcribe"}
        async with (
            await client_with_secret(server, input_audio_transcription=transcription) as client,
            calling() as caller,
        ):
            call = await client.calls.create(sdp=await caller.offer())
            await caller.accept(call.sdp)
            events = await caller.until("conversation.item.input_audio_transcription.completed")
            (item,) = [event["item"] for event in events if event["type"].endswith("item.done")]
            delta, completed = events[-2:]
            assert {delta["item_id"], completed["item_id"]} == {item["id"]}
            assert delta["delta"] == completed["transcript"] != ""
            assert completed["usage"] == {"type": "duration", "seconds": 1}
            assert item["role"] == "user"

    with MockRealtimeServer(webrtc=True) as server:
        asyncio.run(call_server(server))


def test_a_backend_may_begin_a_call_with_its_key_and_a_session() -> None:
    async def call_server(server: MockRealtimeServer) -> None:
        async with (
            RealtimeSessionsClient(base_url=server.base_url, api_key=server.api_key) as client,
            calling() as caller,
        ):
            call = await client.calls.create(
                sdp=await caller.offer(audio=False), session={"type": "realtime", "model": "mine"}
            )
            await caller.accept(call.sdp)
            (created,) = await caller.until("session.created")
            assert created["session"]["model"] == "mine"

    with MockRealtimeServer(webrtc=True) as server:
        asyncio.run(call_server(server))


def test_a_closed_peer_is_removed_and_other_channels_get_no_events() -> None:
    async def call_server(server: MockRealtimeServer) -> None:
        assert server._webrtc is not None
        async with await client_with_secret(server) as client, calling("chat") as caller:
            caller.connection.addTransceiver("video")
            call = await client.calls.create(sdp=await caller.offer())
            await caller.accept(call.sdp)
            while caller.channel.readyState != "open":
                await asyncio.sleep(0.01)
            caller.channel.send(json.dumps({"type": "response.create"}))
            assert len(server._webrtc._peers) == 1
        while server._webrtc._peers:
            await asyncio.sleep(0.01)
        assert caller.events.empty()

    with MockRealtimeServer(webrtc=True) as server:
        asyncio.run(asyncio.wait_for(call_server(server), 20))


@pytest.mark.parametrize("offer", ["v=0\r\n", "v=0\r\nm=audio x\r\n", "v=0"])
def test_an_offer_that_cannot_be_answered(offer: str) -> None:
    async def call_server(server: MockRealtimeServer) -> None:
        async with await client_with_secret(server) as client:
            with pytest.raises(BadRequestError, match="SDP offer cannot be answered"):
                await client.calls.create(sdp=offer)

    with MockRealtimeServer(webrtc=True) as server:
        asyncio.run(call_server(server))


def test_only_a_valid_secret_can_create_a_call() -> None:
    async def call_server(server: MockRealtimeServer) -> None:
        async with await client_with_secret(server) as client:
            assert (await client.calls.create(sdp="v=0")).id
            server.expire_secrets()
            with pytest.raises(AuthenticationError):
                await client.calls.create(sdp="v=0")
        made_up = RealtimeSessionsClient(base_url=server.base_url, api_key="ek_made_up")
        async with made_up as client:
            with pytest.raises(AuthenticationError):
                await client.calls.create(sdp="v=0")

    with MockRealtimeServer() as server:
        asyncio.run(call_server(server))


def test_a_page_of_any_origin_may_read_the_response(realtime_server: MockRealtimeServer) -> None:
    url = f"{realtime_server.base_url}/realtime/calls"
    page = {"origin": "https://app.example"}
    preflight = {"access-control-request-method": "POST"}
    allowed = httpx.options(url, headers={**page, **preflight})
    assert allowed.status_code == 204
    assert "authorization" in allowed.headers["access-control-allow-headers"]
    assert realtime_server.requests == []
    assert httpx.options(url, headers=preflight).status_code == 405
    refused = httpx.post(url, headers=page)
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "*"
    assert "location" in refused.headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in httpx.post(url).headers


async def live_session(
    server: MockRealtimeServer, caller: Caller, data_channel: Any = None, *, audio: bool = False
) -> MockCall:
    """Return a GPT-Live session that the caller has connected to."""
    session: Any = {"model": "gpt-live-1", "instructions": "Be kind."}
    if data_channel is not None:
        session["client"] = {"data_channel": data_channel}
    async with RealtimeSessionsClient(
        base_url=server.base_url, api_key=server.api_key, max_retries=0
    ) as app:
        created = await app.live.create(
            session=session,
            transport={"type": "webrtc", "sdp": await caller.offer(audio=audio)},
        )
    await caller.accept(created.transport.sdp)
    return server.call(created.session.id)


def joined(server: MockRealtimeServer, call: MockCall) -> connect:
    """Return a sideband of the call."""
    path = f"/realtime?call_id={call.call_id}"
    if call.session_id:
        path = f"/live/sessions/{call.session_id}/attach"
    url = server.base_url.replace("http", "ws") + path
    headers = {"authorization": f"Bearer {server.api_key}"}
    return connect(url, additional_headers=headers, proxy=None)


async def events_of(sideband: ClientConnection) -> list[dict[str, Any]]:
    """Return the events until the sideband is closed normally."""
    return [json.loads(message) async for message in sideband]


def test_live_speaks_over_the_data_channel_until_the_browser_closes_the_session() -> None:
    async def call_server(server: MockRealtimeServer) -> None:
        async with calling() as caller:
            call = await live_session(server, caller, audio=True)
            (started,) = await caller.until("session.started")
            assert started["session"]["instructions"] == "Be kind."
            assert "info" not in {event["type"] for event in [started]}
            await caller.until("session.input_transcript.delta")
            await caller.until("session.output_transcript.delta")
            async with joined(server, call) as sideband:
                greeting: Any = {"type": "session.instructions.append", "delegation_id": None}
                await sideband.send(json.dumps({**greeting, "content": "Greet the caller"}))
                await caller.until("session.instructions.appended")
                for event_type in ("session.start", "session.input_audio.append"):
                    caller.channel.send(json.dumps({"type": event_type, "event_id": "mine"}))
                    error = (await caller.until("error"))[-1]["error"]
                    assert (error["code"], error["client_event_id"]) == (
                        "event_not_allowed",
                        "mine",
                    )
                caller.channel.send(json.dumps({"type": "session.close"}))
                closed = (await caller.until("session.closed"))[-1]
                assert closed["reason"] == "close_requested"
                assert closed["usage"]["seconds"] >= 15
                assert (await events_of(sideband))[-1] == closed
            assert "I was told: Greet the caller" in [each.text for each in call.transcript]
            while caller.connection.connectionState != "closed":
                await asyncio.sleep(0.01)
            assert call.state == "hung_up"

    with MockRealtimeServer(webrtc=True) as server:
        asyncio.run(asyncio.wait_for(call_server(server), 30))


def test_a_restricted_data_channel_of_live() -> None:
    permissions = {
        "allowed_client_events": ["session.input_audio.mute"],
        "allowed_server_events": [
            {"type": "info"},
            {"type": "error"},
            {"type": "session.closed"},
            {"type": "response.event", "response_event": "response.completed"},
        ],
    }

    async def call_server(server: MockRealtimeServer) -> None:
        async with calling() as caller:
            call = await live_session(server, caller, permissions)
            (info,) = await caller.until("info")
            assert info["code"] == "data_channel_permissions"
            async with joined(server, call) as sideband:
                caller.channel.send(json.dumps({"type": "session.input_audio.mute"}))
                caller.channel.send(json.dumps({"type": "session.update", "session": {}}))
                (error,) = await caller.until("error")  # not session.input_audio.muted
                assert error["error"]["code"] == "event_not_allowed"
                while '"session.input_audio.muted"' not in str(await sideband.recv()):
                    pass  # a sideband is never restricted
                call.hang_up()
                (closed,) = await caller.until("session.closed")
                assert (await events_of(sideband))[-1]["reason"] == closed["reason"]

    with MockRealtimeServer(webrtc=True) as server:
        asyncio.run(asyncio.wait_for(call_server(server), 30))


def test_permissions_name_the_inner_events_of_responses() -> None:
    permissions = Permissions(server_events=[{"type": "response.event", "response_event": "a.b"}])
    for inner, is_allowed in (("a.b", True), ("a.c", False)):
        event: Any = {"type": "response.event", "event": {"type": inner}}
        assert permissions.allows_server_event(event) is is_allowed


@pytest.mark.parametrize("api", ["live", "realtime"])
def test_a_browser_that_leaves_ends_the_sideband(api: str) -> None:
    async def call_server(server: MockRealtimeServer) -> None:
        async with calling() as caller:
            if api == "live":
                call = await live_session(server, caller)
                await caller.until("session.started")
            else:
                async with await client_with_secret(server) as client:
                    created = await client.calls.create(sdp=await caller.offer(audio=False))
                await caller.accept(created.sdp)
                await caller.until("session.created")
                call = server.call(str(created.id))
            async with joined(server, call) as sideband:
                await caller.connection.close()
                reasons = [event.get("reason") for event in await events_of(sideband)]
        assert reasons[-1:] == (["connection_lost"] if api == "live" else [])
        assert call.state == "ended"

    with MockRealtimeServer(webrtc=True) as server:
        asyncio.run(asyncio.wait_for(call_server(server), 30))


def test_a_data_channel_that_was_negotiated_beforehand() -> None:
    async def call_server(server: MockRealtimeServer) -> None:
        async with calling(negotiated=True, id=7) as caller:
            offer = await caller.offer(audio=False)
            async with await client_with_secret(server) as client:
                call = await client.calls.create(sdp=offer, dcid=7)
            await caller.accept(call.sdp)
            await caller.until("session.created")

    with MockRealtimeServer(webrtc=True) as server:
        asyncio.run(asyncio.wait_for(call_server(server), 30))


def test_azures_filter_hides_the_session() -> None:
    async def call_server(server: MockRealtimeServer) -> None:
        client = RealtimeSessionsClient(provider=server.provider, api_key=server.api_key)
        async with client, calling() as caller:
            call = await client.calls.create(
                sdp=await caller.offer(audio=False), session={"type": "realtime", "model": "mine"}
            )
            await caller.accept(call.sdp)
            server.call(str(call.id)).model_says("Good evening")
            heard = await caller.until("output_audio_buffer.stopped")
            assert heard[0]["type"] == "conversation.item.added"

    with MockRealtimeServer(webrtc=True, provider="azure") as server:
        asyncio.run(asyncio.wait_for(call_server(server), 30))


def test_it_can_be_stopped_before_it_was_started() -> None:
    MockRealtimeServer(webrtc=True).stop()


def test_without_aiortc_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "openai_realtime.testing.webrtc", raising=False)
    monkeypatch.setitem(sys.modules, "aiortc", None)
    with pytest.raises(ConfigurationError, match="needs aiortc: pip install aiortc"):
        MockRealtimeServer(webrtc=True)
