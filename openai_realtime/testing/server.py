"""The mock backend as a loopback HTTP/1.1 server with real sockets."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from email.utils import formatdate
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import TYPE_CHECKING, Any, Self, cast
from urllib.parse import urlsplit

import h11

from openai_realtime.core.wire import Headers
from openai_realtime.errors import ConfigurationError
from openai_realtime.providers import Provider
from openai_realtime.testing.mock_backend import MOCK_API_KEY, MockBackend
from openai_realtime.testing.mock_identity import TOKEN_PATH
from openai_realtime.testing.mock_sideband import MockSideband, SidebandResponse
from openai_realtime.testing.profiles import (
    MockDialect,
    MockResponse,
    ProviderName,
    RecordedRequest,
    error_response,
    find_profile,
)

if TYPE_CHECKING:
    from openai_realtime.testing.webrtc import WebRtcPeers

_LOOPBACK = "127.0.0.1"
_CLOSE_SECONDS = 5.0
_CLOSE_SIDEBANDS_SECONDS = 2.0
_RESET_DELAY_SECONDS = 0.05
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_LINGER_SECONDS = 1.0
_READ_BYTES = 64 * 1024
_CONTINUE = h11.InformationalResponse(status_code=100, headers=[])
_WITHOUT_BODY = {101, 204, 304}
_MAX_SIDEBANDS = 1000


class MockRealtimeServer(MockBackend):
    """A loopback server that mints sessions like a realtime server, in both dialects.

        with MockRealtimeServer() as server:
            client = SyncRealtimeSessionsClient(base_url=server.base_url, api_key=server.api_key)

    It checks the key and the parameters, fills in the defaults, and mints a new secret for every
    call. `requests` holds the received requests; `respond_next` scripts the next responses. Start
    it with `with`, or with `start()` and `stop()`.

    `port` 0, the default, takes a free port. `api_key` is the only accepted key; None accepts any
    key. `dialect` limits it to the flat ("beta") or the nested ("ga") endpoints (default: both, or
    the provider's). `provider` simulates a provider with its quirks; then create the client with
    `RealtimeSessionsClient(provider=server.provider, api_key=server.api_key)`.

    With `webrtc=True` the server is a real WebRTC peer for the calls of both APIs: it echoes audio
    and sends events on the data channel `oai-events`. Without it, the SDP answer is a placeholder.

    `calls` holds the calls, by phone and WebRTC. Sidebands may join those that are accepted (this
    needs `websockets`, in the extra `sideband`); up to 1,000 at once. A sideband of GPT-Live receives
    `session.usage.updated` every `usage_interval` seconds (default: 15, as at OpenAI).

    Raises `ConfigurationError` for an unknown provider, and for `webrtc=True` without aiortc;
    raises `OSError` when the port is not free.
    """

    def __init__(  # noqa: PLR0913 - options, by name
        self,
        *,
        api_key: str | None = MOCK_API_KEY,
        port: int = 0,
        dialect: MockDialect | None = None,
        provider: ProviderName | None = None,
        webrtc: bool = False,
        usage_interval: float = 15,
    ) -> None:
        profile = find_profile(dialect, provider)
        self._webrtc = _webrtc_peers() if webrtc else None
        self._http = _HttpServer((_LOOPBACK, port), self)
        super().__init__(
            profile, api_key=api_key, peers=self._webrtc, usage_interval=usage_interval
        )
        self.api_key: str = api_key or MOCK_API_KEY
        """A key that the server accepts."""
        self._thread: threading.Thread | None = None

    @property
    def provider(self) -> Provider:
        """The provider to pass to a client, so that it uses the mock like the real provider."""
        return self._profile.at(self.metadata_url)

    @property
    def base_url(self) -> str:
        """The base URL to pass to a client, such as `http://127.0.0.1:49152/v1`."""
        return self.provider.base_url

    @property
    def token_url(self) -> str:
        """The token endpoint to pass to `workload_identity`; `identity` scripts its responses."""
        return f"{self.metadata_url}{TOKEN_PATH}"

    @property
    def metadata_url(self) -> str:
        """The `endpoint` to pass to `AzureManagedIdentity` and `GcpMetadata`."""
        return f"http://{_LOOPBACK}:{self._http.server_address[1]}"

    def hang_up(self) -> None:
        """Close every connection, idle or in use, and continue to listen."""
        self._http.hang_up()

    def start(self) -> Self:
        """Start to serve on another thread. Raises `RuntimeError` if it was stopped before."""
        if self._http.stopping.is_set():
            message = "This server was stopped: make a new one"
            raise RuntimeError(message)
        if self._webrtc is not None:
            self._webrtc.start()
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """End every call, close every connection and free the port. May be called again."""
        if self._thread is not None:
            self._http.shutdown()
            self._thread.join()
            self._thread = None
        self._http.stopping.set()
        self.end_calls()
        self._http.wait_for_sidebands()
        self._http.hang_up()
        self._http.server_close()
        if self._webrtc is not None:
            self._webrtc.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _webrtc_peers() -> WebRtcPeers:
    try:
        from openai_realtime.testing.webrtc import WebRtcPeers  # noqa: PLC0415 - needs aiortc
    except ModuleNotFoundError as error:
        message = f"webrtc=True needs {error.name}: pip install aiortc"
        raise ConfigurationError(message) from None
    return WebRtcPeers()


class _HttpServer(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, address: tuple[str, int], mock: MockRealtimeServer) -> None:
        super().__init__(address, _Handler)
        self.mock = mock
        self.stopping = threading.Event()
        self._sidebands = 0
        self._open: set[socket.socket] = set()
        self._changed = threading.Condition()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        with self._changed:
            self._open.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._changed:
                self._open.discard(request)
                self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing: a test may close its connection at any time."""

    @contextmanager
    def counted_sideband(self) -> Generator[bool]:
        """Count a sideband, and yield whether there may be another one."""
        with self._changed:
            may_begin = self._sidebands < _MAX_SIDEBANDS
            self._sidebands += may_begin
        try:
            yield may_begin
        finally:
            with self._changed:
                self._sidebands -= may_begin
                self._changed.notify_all()

    def wait_for_sidebands(self) -> None:
        """Wait for the sidebands to close, after their calls have ended."""
        with self._changed:
            self._changed.wait_for(lambda: not self._sidebands, _CLOSE_SIDEBANDS_SECONDS)

    def hang_up(self) -> None:
        with self._changed:
            for connection in self._open:
                with suppress(OSError):  # the client closed it already
                    connection.shutdown(socket.SHUT_RDWR)
            self._changed.wait_for(lambda: not self._open, _CLOSE_SECONDS)


class _Handler(BaseRequestHandler):
    """Serves one connection. h11 reads the requests; a scripted response may be any bytes."""

    request: socket.socket

    def handle(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        received, is_open = b"", True
        while is_open:
            reader = h11.Connection(h11.SERVER)
            if received:  # h11 takes no bytes for the connection's end
                reader.receive_data(received)
            try:
                request = self._read_request(reader)
            except h11.RemoteProtocolError as error:
                self._send(error_response(error.error_status_hint, str(error)), closes=True)
                return
            received = reader.trailing_data[0]
            is_open = request is not None and self._exchange(
                request, received, closes=reader.their_state is not h11.DONE
            )

    def finish(self) -> None:
        """Read what the client still sends: bytes that are not read would reset the connection."""
        with suppress(OSError):
            self.request.shutdown(socket.SHUT_WR)
            self.request.settimeout(_LINGER_SECONDS)
            while self.request.recv(_READ_BYTES):
                pass

    def _read_request(self, reader: h11.Connection) -> RecordedRequest | None:
        """Return the next request; None if the client closed the connection."""
        head = self._next_event(reader)
        if not isinstance(head, h11.Request):
            return None
        headers = Headers.of_raw(head.headers)
        if {"content-length", "transfer-encoding"} <= headers.keys():
            message = "Content-Length and Transfer-Encoding exclude each other"
            raise h11.RemoteProtocolError(message)
        body: list[bytes] = []
        while isinstance(event := self._next_event(reader), h11.Data):
            body.append(event.data)
        target = head.target.decode("ascii")
        if not target.startswith("/"):  # as a client sends it to a proxy
            target = urlsplit(target)._replace(scheme="", netloc="").geturl()
        port = self.client_address[1]
        return RecordedRequest(head.method.decode("ascii"), target, headers, b"".join(body), port)

    def _next_event(self, reader: h11.Connection) -> object:
        while (event := reader.next_event()) is h11.NEED_DATA:
            if reader.they_are_waiting_for_100_continue:
                self.request.sendall(reader.send(_CONTINUE) or b"")
            reader.receive_data(self.request.recv(_READ_BYTES))
        return event

    def _exchange(self, request: RecordedRequest, received: bytes, *, closes: bool) -> bool:
        """Respond to a request, and return whether the connection stays open for another one."""
        server = cast("_HttpServer", self.server)
        stopping = server.stopping
        response = server.mock.respond(request)
        if response.delay and stopping.wait(response.delay):
            return False
        if isinstance(response, SidebandResponse):
            self._serve_sideband(response, received)
            return False
        if response.drop == "before":
            self._reset()
        else:
            self._send(response, closes=closes, is_head=request.method == "HEAD")
        if response.drop == "during":
            # A reset discards bytes that the client has received but not read.
            stopping.wait(_RESET_DELAY_SECONDS)
            self._reset()
        is_last = closes or Headers(response.headers).get("connection") == "close"
        return not is_last and response.drop == "no"

    def _serve_sideband(self, response: SidebandResponse, received: bytes) -> None:
        sideband = MockSideband(self.request)
        with cast("_HttpServer", self.server).counted_sideband() as may_begin:
            if not may_begin:
                message = f"The mock has at most {_MAX_SIDEBANDS} sidebands"
                self._send(error_response(429, message, code="rate_limit_exceeded"), closes=True)
            # It hears what happens from the response on.
            elif not response.call.join(sideband, is_sideband=True):
                self._send(response.refusal, closes=True)
            else:
                self._send(response, closes=False)
                sideband.serve(response.call, received)

    def _send(self, response: MockResponse, *, closes: bool, is_head: bool = False) -> None:
        content = response.content()
        headers = {"Date": formatdate(usegmt=True)}
        if response.status not in _WITHOUT_BODY:
            headers |= {"Content-Type": "application/json", "Content-Length": str(len(content))}
        if closes:
            headers["Connection"] = "close"
        headers |= {name.title(): value for name, value in response.headers.items()}
        lines = [f"{name}: {value}" for name, value in headers.items()]
        status_line = f"HTTP/1.1 {response.status} {http.client.responses.get(response.status, '')}"
        head = "\r\n".join([status_line, *lines, "", ""]).encode("latin-1")
        if is_head or response.status in _WITHOUT_BODY:
            content = b""
        sent = content[: len(content) // 2] if response.drop == "during" else content
        # Headers and body are sent in one write: a second write would wait for the first one's ACK.
        self.request.sendall(head + sent)

    def _reset(self) -> None:
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        # Detached, so that the standard library does not send a FIN first.
        socket.close(self.request.detach())
