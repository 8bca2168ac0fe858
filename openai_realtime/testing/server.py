"""A realtime server on loopback: real sockets, real HTTP/1.1, no network and no key.

Owns: sockets and threads. Must not know: what a session is (`behaviour.py` does).
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self, cast

from openai_realtime.core.wire import Headers
from openai_realtime.errors import ConfigurationError
from openai_realtime.testing.messages import MockResponse, RecordedRequest
from openai_realtime.testing.mock_backend import MOCK_API_KEY, MockRealtime
from openai_realtime.testing.profiles import MockDialect, ProviderName, profile

if TYPE_CHECKING:
    from types import TracebackType

    from openai_realtime.providers import Provider
    from openai_realtime.testing.webrtc import WebRtcPeers

_LOOPBACK = "127.0.0.1"
_STOPPING_SECONDS = 5.0
_UNTIL_READ_SECONDS = 0.05
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class MockRealtimeServer(MockRealtime):
    """A loopback server that mints sessions as a realtime server does, in both dialects.

        with MockRealtimeServer() as server:
            client = SyncRealtimeSessionsClient(base_url=server.base_url, api_key=server.api_key)

    It checks the key and the parameters, fills in the defaults, and gives every call a secret of
    its own. `requests` has what arrived; `respond_next` scripts what comes next. Start it with
    `with`, or with `start()` and `stop()`. `port` 0, the default, takes a free one. `api_key` is
    the one key that it accepts; None accepts any. `dialect` limits it to the flat ("beta") or the
    nested ("ga") endpoints; `provider` makes it play a provider with its quirks, and then
    `client = RealtimeSessionsClient(provider=server.provider, api_key=server.api_key)` fits.

    `webrtc=True` makes it the other end of the calls that are begun with its secrets: a real WebRTC
    peer that echoes audio and talks on the data channel `oai-events`. Needs aiortc, and raises
    `ConfigurationError` without. Else the SDP answer is a placeholder.
    """

    def __init__(
        self,
        *,
        api_key: str | None = MOCK_API_KEY,
        port: int = 0,
        dialect: MockDialect | None = None,
        provider: ProviderName | None = None,
        webrtc: bool = False,
    ) -> None:
        played = profile(dialect, provider)
        self._webrtc = _webrtc_peers() if webrtc else None
        self._http = _HttpServer((_LOOPBACK, port), self)
        super().__init__(played, api_key=api_key, peers=self._webrtc)
        self.api_key: str = api_key or MOCK_API_KEY
        """A key that the server accepts."""
        self._thread: threading.Thread | None = None

    @property
    def provider(self) -> Provider:
        """What to pass as `provider`, to reach the mock the way the real one is reached."""
        return self._profile.at(f"http://{_LOOPBACK}:{self._http.server_port}")

    @property
    def base_url(self) -> str:
        """What to pass as `base_url`, such as `http://127.0.0.1:49152/v1`."""
        return self.provider.base_url

    def hang_up(self) -> None:
        """Close every connection, idle or in use, and go on listening."""
        self._http.hang_up()

    def start(self) -> Self:
        """Begin to answer, on a thread of its own. Once: a server that was stopped stays so."""
        if self._http.stopping.is_set():
            message = "This server was stopped: make another one"
            raise RuntimeError(message)
        if self._webrtc is not None:
            self._webrtc.start()
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Hang up on everybody and free the port. Repeatable."""
        if self._thread is not None:
            self._http.shutdown()
            self._thread.join()
            self._thread = None
        self._http.stopping.set()
        self._http.hang_up()
        self._http.server_close()
        if self._webrtc is not None:
            self._webrtc.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def _webrtc_peers() -> WebRtcPeers:
    try:
        from openai_realtime.testing.webrtc import WebRtcPeers  # noqa: PLC0415 - needs aiortc
    except ModuleNotFoundError as error:
        message = f"A mock that answers calls needs {error.name}: pip install aiortc"
        raise ConfigurationError(message) from None
    return WebRtcPeers()


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, address: tuple[str, int], mock: MockRealtimeServer) -> None:
        super().__init__(address, _Handler)
        self.mock = mock
        self.stopping = threading.Event()
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
        """Keep quiet: a client that hung up is a test's business, not stderr's."""

    def hang_up(self) -> None:
        with self._changed:
            for connection in self._open:
                with suppress(OSError):  # the client was faster
                    connection.shutdown(socket.SHUT_RDWR)
            self._changed.wait_for(lambda: not self._open, _STOPPING_SECONDS)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def parse_request(self) -> bool:
        """Take any method: which ones an endpoint allows is the behaviour's to say."""
        parsed = super().parse_request()
        if parsed:
            setattr(self, f"do_{self.command}", self._exchange)
        return parsed

    def _exchange(self) -> None:
        server = cast("_HttpServer", self.server)
        length = int(self.headers.get("content-length") or 0)
        request = RecordedRequest(
            self.command,
            self.path,
            Headers(dict(self.headers.items())),
            self.rfile.read(length),
            self.client_address[1],
        )
        answer = server.mock.answer(request)
        if answer.delay and server.stopping.wait(answer.delay):
            self.close_connection = True
            return
        if answer.drop == "before":
            self._reset()
            return
        content = answer.content()
        sent = content[: len(content) // 2] if answer.drop == "during" else content
        # One write for headers and body: two would wait for each other's acknowledgement.
        self.wfile.write(self._head(answer, len(content)) + sent)
        if answer.drop == "during":
            # A reset takes along what has arrived and was not read yet: let it be read first.
            server.stopping.wait(_UNTIL_READ_SECONDS)
            self._reset()

    def _head(self, answer: MockResponse, length: int) -> bytes:
        reason = self.responses.get(cast("Any", answer.status), ("",))[0]
        headers = {
            "Date": self.date_time_string(),
            "Content-Type": "application/json",
            "Content-Length": str(length),
        }
        given = {name.title(): value for name, value in answer.headers.items()}
        lines = [f"{name}: {value}" for name, value in {**headers, **given}.items()]
        status_line = f"HTTP/1.1 {answer.status} {reason}"
        return "\r\n".join([status_line, *lines, "", ""]).encode("latin-1")

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        # The standard library would say goodbye (FIN) before it closes; a reset does not.
        socket.close(self.connection.detach())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's own name
        """Keep quiet: `requests` is the record."""
