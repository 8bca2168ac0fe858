"""What servers and networks do to a sideband, with one expectation for asyncio, trio and threads."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from authorities import new_authority
from backends import Backend

from openai_realtime import (
    APIConnectionError,
    APIResponseValidationError,
    APITimeoutError,
    AuthenticationError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    RealtimeError,
    RedirectError,
)
from openai_realtime.resources import sideband as sidebands
from openai_realtime.resources import sideband_session
from openai_realtime.transports import tls
from openai_realtime.transports.websocket import MAX_MESSAGE_BYTES
from sideband.peer import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Peer,
    Script,
    ScriptedServer,
    closing,
    frame,
    join,
    refuse_ended,
    text,
)

if TYPE_CHECKING:
    import trustme

BACKENDS = [Backend("asyncio"), Backend("trio"), Backend("sync"), Backend("asyncio", "h11")]
KEY = "sk-sideband-0123456789abcdef"


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sideband_session, "SETTLE_SECONDS", 0.3)
    monkeypatch.setattr(sideband_session, "RECONNECT_SECONDS", 2.0)


def sends(*data: bytes, then: Callable[[Peer], None] | None = None) -> Script:
    """Return a script that accepts, sends `data`, and then reads to the client's end."""

    def script(peer: Peer) -> None:
        peer.accept()
        for part in data:
            peer.send(part)
        if then is not None:
            next(peer.frames())  # the client has seen what was sent
            then(peer)
        else:
            for _ in peer.frames():
                pass

    return script


def hang_up(_: Peer) -> None:
    """End the connection at once."""


def be_silent(_: Peer) -> None:
    time.sleep(1.5)


def refuses(status: int, body: bytes = b"{}", more: str = "") -> Script:
    return lambda peer: peer.refuse(status, body, more=more)


def events_of(
    backend: Backend, server: ScriptedServer, **options: Any
) -> tuple[list[str], BaseException | None]:
    """Return the types of all events until the call ends, and the error that ended it."""
    kinds: list[str] = []
    errors: list[BaseException] = []

    async def body() -> None:
        with anyio.fail_after(30):
            async with backend.client(
                base_url=server.base_url, api_key=KEY, max_retries=0, **options
            ) as client:
                try:
                    async with join(backend, client) as sideband:
                        async for event in sideband:
                            kinds.append(event.type)
                            if event.type == "session.updated":
                                with suppress(APIConnectionError):
                                    await sideband.send({"type": "seen"})
                except RealtimeError as error:
                    errors.append(error)

    backend.run(body)
    for error in errors:
        assert KEY not in f"{error!r} {error}"
    return kinds, errors[0] if errors else None


ONE = text(type="session.updated")
ENDS: dict[str, tuple[Script, list[str], int, int | None]] = {
    # the script: the events, how many handshakes, the code of the client's own close frame
    "closed normally": (sends(ONE, closing(1000, "bye")), ["session.updated"], 1, 1000),
    "closed going away": (sends(ONE, closing(1001)), ["session.updated"], 2, 1001),
    "closed by an error": (sends(ONE, closing(1011, "x" * 100)), ["session.updated"], 2, 1011),
    "closed without a code": (sends(ONE, closing(None)), ["session.updated"], 2, None),
    "end of file": (sends(ONE, then=hang_up), ["session.updated"], 2, None),
    "reset": (sends(ONE, then=Peer.reset), ["session.updated"], 2, None),
    "half a frame": (sends(ONE, ONE[:-3], then=hang_up), ["session.updated"], 2, None),
    "half a head": (sends(ONE, b"\x81", then=hang_up), ["session.updated"], 2, None),
    "half a close": (
        sends(ONE, b"\x88\x02\x03", then=hang_up),
        ["session.updated"],
        2,
        None,
    ),
    "too large": (
        sends(ONE, frame(TEXT, b"", length=MAX_MESSAGE_BYTES + 1)),
        ["session.updated"],
        2,
        1009,
    ),
    "too large in parts": (
        sends(ONE, frame(TEXT, b"x" * 700_000, fin=False), frame(0, b"x" * 700_000)),
        ["session.updated"],
        2,
        1009,
    ),
    "a length of 2^63": (sends(ONE, b"\x81\x7f" + b"\xff" * 8), ["session.updated"], 2, 1009),
    "invalid UTF-8": (sends(ONE, frame(TEXT, b'{"type": "\xff"}')), ["session.updated"], 2, 1007),
    "a masked frame": (sends(ONE, b"\x81\x82\0\0\0\0{}"), ["session.updated"], 2, 1002),
    "a reserved bit": (sends(ONE, b"\xc1\x02{}"), ["session.updated"], 2, 1002),
    "an unknown opcode": (sends(ONE, b"\x83\x00"), ["session.updated"], 2, 1002),
    "a continuation of nothing": (sends(ONE, frame(0, b"{}")), ["session.updated"], 2, 1002),
    "a long ping": (sends(ONE, frame(PING, b"x" * 126)), ["session.updated"], 2, 1002),
    "a ping in parts": (sends(ONE, frame(PING, b"x", fin=False)), ["session.updated"], 2, 1002),
    "a bad close code": (
        sends(ONE, frame(CLOSE, struct.pack("!H", 999))),
        ["session.updated"],
        2,
        1002,
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_how_a_connection_ends(backend: Backend, name: str) -> None:
    script, kinds, handshakes, code = ENDS[name]
    codes: list[int] = []

    def recording(peer: Peer) -> None:
        usual = peer.frames

        def frames() -> Any:
            for opcode, payload in usual():
                if opcode == CLOSE and len(payload) >= 2:
                    codes.append(struct.unpack("!H", payload[:2])[0])
                yield opcode, payload

        peer.frames = frames  # type: ignore[method-assign]  # records what the script reads
        script(peer)

    with ScriptedServer([recording]) as server:
        found, error = events_of(backend, server)
        assert (found, error) == (kinds, None)
        assert len(server.peers) == handshakes
    if code is not None:
        assert codes == [code]


MESSAGES: dict[str, tuple[bytes, list[str]]] = {
    "in parts": (frame(TEXT, b'{"type"', fin=False) + frame(0, b"", fin=False) + frame(0, b': "a"}'), ["a"]),
    "parts with a ping between": (frame(TEXT, b'{"type"', fin=False) + frame(PING) + frame(0, b': "a"}'), ["a"]),
    "binary": (frame(BINARY, b'{"type": "a"}'), ["a"]),
    "not JSON": (frame(TEXT, b"nonsense") + text(type="a"), ["a"]),
    "not an object": (frame(TEXT, b"[1]") + text(type="a"), ["a"]),
    "no type": (text(no="type") + text(type=3) + text(type="b", event_id=3) + text(type="a"), ["a"]),
    "nested too deeply": (frame(TEXT, b'{"type":' + b"[" * 100_000) + text(type="a"), ["a"]),
    "an unsolicited pong": (frame(PONG, b"?") + text(type="a"), ["a"]),
    "unfit for its type": (text(type="response.done", response=3) + text(type="error", error="x"), ["response.done", "error"]),
    "after the close": (text(type="a") + closing(1000) + text(type="b"), ["a"]),
    "many": (b"".join(text(type=f"e{n}") for n in range(3000)) , [f"e{n}" for n in range(3000)]),
    "1 MiB": (text(type="a", x="y" * (MAX_MESSAGE_BYTES - 30)), ["a"]),
}  # fmt: skip


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("split", [False, True], ids=["with the handshake", "after it"])
def test_messages(backend: Backend, name: str, split: bool) -> None:
    data, kinds = MESSAGES[name]
    if b"\x88" not in data[-12:] and name != "after the close":
        data += closing(1000)

    def script(peer: Peer) -> None:
        peer.accept(b"" if split else data)
        if split:
            peer.send(data)
        for _ in peer.frames():
            pass

    with ScriptedServer([script]) as server:
        assert events_of(backend, server) == (kinds, None)


def test_a_byte_at_a_time(backend: Backend) -> None:
    data = text(type="a") + frame(PING, b"p") + text(type="b", x="é" * 200) + closing(1000)

    def script(peer: Peer) -> None:
        peer.accept()
        for position in range(len(data)):
            peer.send(data[position : position + 1])
            time.sleep(0.0002)
        pongs.extend(payload for opcode, payload in peer.frames() if opcode == PONG)

    pongs: list[bytes] = []
    with ScriptedServer([script]) as server:
        assert events_of(backend, server) == (["a", "b"], None)
    assert pongs == [b"p"]


def test_a_flood_of_pings_is_answered(backend: Backend) -> None:
    count = 5_000

    def script(peer: Peer) -> None:
        peer.accept()
        peer.send(frame(PING, b"") * count + text(type="a"))
        opcodes = [opcode for opcode, _ in peer.frames()]
        pongs.append(opcodes.count(PONG))

    pongs: list[int] = []
    with ScriptedServer([script]) as server:

        async def body() -> None:
            client = backend.client(base_url=server.base_url, api_key=KEY)
            async with client, join(backend, client) as sideband:
                assert (await anext(sideband)).type == "a"

        backend.run(body)
    # The last ones may be lost when the client leaves.
    assert pongs
    assert pongs[0] > 0


REFUSALS: dict[str, tuple[Script, type[Exception], str]] = {
    "401": (refuses(401, b'{"error": {"message": "bad key"}}'), AuthenticationError, "bad key"),
    "403": (refuses(403), PermissionDeniedError, "403"),
    "404": (refuse_ended, NotFoundError, "call not found"),
    "429": (refuses(429), RateLimitError, "429"),
    "500": (refuses(500), InternalServerError, "500"),
    "301": (refuses(301, more="Location: https://other.example/\r\n"), RedirectError, "301"),
    "200": (refuses(200), APIResponseValidationError, "did not switch"),
    "another key": (
        lambda peer: peer.accept(changes={"Sec-WebSocket-Accept": "dGhlIHNhbXBsZSBub25jZQ=="}),
        APIConnectionError,
        "WebSocket",
    ),
    "another protocol": (
        lambda peer: peer.accept(changes={"Upgrade": "h2c"}),
        APIConnectionError,
        "WebSocket",
    ),
    "no upgrade": (
        lambda peer: peer.accept(changes={"Connection": "close"}),
        APIConnectionError,
        "",
    ),
    "an extension": (
        lambda peer: peer.accept(changes={"Sec-WebSocket-Extensions": "permessage-deflate"}),
        APIConnectionError,
        "WebSocket",
    ),
    "a subprotocol": (
        lambda peer: peer.accept(changes={"Sec-WebSocket-Protocol": "realtime"}),
        APIConnectionError,
        "WebSocket",
    ),
    "nonsense": (lambda peer: peer.send(b"220 mail.example\r\n"), APIConnectionError, "HTTP"),
    "reset": (Peer.reset, APIConnectionError, ""),
    "end": (hang_up, APIConnectionError, ""),
    "silence": (be_silent, APITimeoutError, ""),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refused_handshake(backend: Backend, name: str) -> None:
    script, kind, message = REFUSALS[name]
    with ScriptedServer([script] * 20) as server:
        kinds, error = events_of(backend, server, timeout=0.5)
        assert kinds == []
        assert type(error) is kind
        assert message in str(error)
        if name != "404":
            assert len(server.peers) == 1


def test_a_call_that_is_not_set_up_yet(backend: Backend) -> None:
    with ScriptedServer([refuse_ended, sends(ONE, closing(1000))]) as server:
        assert events_of(backend, server) == (["session.updated"], None)
        assert len(server.peers) == 2


def test_a_lost_connection_is_opened_again(backend: Backend) -> None:
    scripts = [sends(ONE, then=Peer.reset), refuses(503), sends(ONE, closing(1000))]
    with ScriptedServer(scripts) as server:
        kinds, error = events_of(backend, server)
        assert (kinds, error) == (
            ["session.updated", "sideband.reconnected", "session.updated"],
            None,
        )
        requests = {peer.request.partition(b"Sec-WebSocket-Key")[0] for peer in server.peers}
        assert len(requests) == 1, "the same request, with a key of its own"
        keys = {peer.headers["sec-websocket-key"] for peer in server.peers}
        assert len(keys) == len(server.peers)


def test_a_connection_that_cannot_be_opened_again(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sideband_session, "RECONNECT_SECONDS", 0.3)
    with ScriptedServer([sends(ONE, then=Peer.reset), *[refuses(503)] * 20]) as server:
        kinds, error = events_of(backend, server)
        assert kinds == ["session.updated"]
        assert isinstance(error, InternalServerError)


def test_silence_is_a_lost_connection(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sidebands, "PING_SECONDS", 0.1)

    def script(peer: Peer) -> None:
        peer.accept(ONE)
        silent.extend(opcode for opcode, _ in peer.frames())

    silent: list[int] = []
    with ScriptedServer([script]) as server:
        assert events_of(backend, server) == (["session.updated"], None)
        assert len(server.peers) == 2
    assert PING in silent


def test_pongs_keep_a_silent_connection(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sidebands, "PING_SECONDS", 0.1)

    def script(peer: Peer) -> None:
        peer.accept()
        pings = 0
        for opcode, payload in peer.frames():
            if opcode == PING:
                pings += 1
                peer.send(frame(PONG, payload))
                if pings == 4:
                    peer.send(ONE + closing(1000))

    with ScriptedServer([script]) as server:
        assert events_of(backend, server) == (["session.updated"], None)
        assert len(server.peers) == 1


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    authority = new_authority()
    context = ssl.create_default_context()
    authority.configure_trust(context)
    monkeypatch.setattr(tls, "trusted_context", lambda: context)
    return authority


@pytest.mark.parametrize("cut", ["close_notify", "no close_notify", "reset", "garbage"])
def test_tls_that_is_cut(backend: Backend, authority: trustme.CA, cut: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)

    def then(peer: Peer) -> None:
        secure = peer.socket
        assert isinstance(secure, ssl.SSLSocket)
        if cut == "close_notify":
            secure.unwrap()
        elif cut == "reset":
            peer.reset()
        elif cut == "garbage":
            with socket_below(secure) as plain:
                plain.sendall(b"garbage" * 10)

    with ScriptedServer([sends(ONE, then=then)], context) as server:
        assert events_of(backend, server) == (["session.updated"], None)
        assert len(server.peers) == 2


def socket_below(secure: ssl.SSLSocket) -> Any:
    return socket.socket(fileno=os.dup(secure.fileno()))
