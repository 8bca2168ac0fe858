"""The mint service as a process: its socket, uvicorn, signals, the introduction, and the log."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, cast

import anyio
import uvicorn
from typing_extensions import override

from openai_realtime import RealtimeSessionsClient
from openai_realtime.cli import output
from openai_realtime.cli.acceptor import ConnectionAcceptor, connection_limit
from openai_realtime.cli.auth import is_loopback
from openai_realtime.cli.failures import ListenError
from openai_realtime.cli.options import LogFormat
from openai_realtime.core.peer_text import visible
from openai_realtime.mint import mint_app
from openai_realtime.mint.page import page_routes
from openai_realtime.mint.telemetry import AccessEntry, logger

if TYPE_CHECKING:
    from types import FrameType

    from starlette.applications import Starlette

    from openai_realtime.configuration import SyncClientOptions
    from openai_realtime.mint import ServiceOptions

_SHUTDOWN_SECONDS = 5
_ANY_ADDRESS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared with, not bound
_LOG_FIELDS = [field.name for field in fields(AccessEntry)]


@dataclass(frozen=True, slots=True)
class ListeningSocket:
    """A listening socket, and the host for which it was opened."""

    socket: socket.socket
    host: str

    @property
    def port(self) -> int:
        """The port; if 0 was requested, the free port that the system chose."""
        return int(self.socket.getsockname()[1])

    @property
    def url(self) -> str:
        """The service's URL for a browser on this machine."""
        return self._at("127.0.0.1" if self.host in _ANY_ADDRESS else self.host)

    def origins(self) -> list[str]:
        """Return the origins of the service's own page, for a browser on this machine."""
        origins = {self.url}
        if self.host in _ANY_ADDRESS or is_loopback(self.host):
            origins |= {self._at("127.0.0.1"), self._at("localhost")}
        return sorted(origins)

    def _at(self, host: str) -> str:
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


@contextmanager
def listen(host: str, port: int) -> Generator[ListeningSocket]:
    """Open the socket, and close it at the end of the block; raises `ListenError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        opened = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise ListenError(port, error) from None
    with opened:
        yield ListeningSocket(opened, host)


def run(
    listening: ListeningSocket,
    client: SyncClientOptions,
    options: ServiceOptions,
    *,
    has_page: bool,
    log: LogFormat,
) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    log_to_stderr(log)

    async def serve() -> None:
        async with RealtimeSessionsClient(**client) as opened:
            app = _app(listening, opened, options, has_page=has_page)
            introduction = _introduction(listening, options, has_page=has_page)
            server = _Server(app, listening.socket, introduction=introduction)
            with _stopped_by_signals(server):
                await server.serve(sockets=[])

    anyio.run(serve)


def _app(
    listening: ListeningSocket,
    client: RealtimeSessionsClient,
    options: ServiceOptions,
    *,
    has_page: bool,
) -> Starlette:
    if not has_page:
        return mint_app(client, **options)
    origins = [*options.get("origins", ()), *listening.origins()]
    with_page: ServiceOptions = {**options, "origins": origins}
    app = mint_app(client, **with_page)
    connect_url = options.get("connect_url") or client.provider.connect_url()
    app.router.routes.extend(page_routes(connect_url))
    return app


class _Server(uvicorn.Server):
    """uvicorn, but `ConnectionAcceptor` accepts its connections, and it prints an introduction."""

    def __init__(self, app: Starlette, listening: socket.socket, *, introduction: str) -> None:
        self._acceptor = ConnectionAcceptor(app, connection_limit())
        super().__init__(
            uvicorn.Config(
                self._acceptor,
                access_log=False,  # the service writes its own
                http="h11",  # which limits a request's head to 16 KiB
                log_config=None,
                # The service reads X-Forwarded-For itself, as far as `trusted_proxies` allows.
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
                ws="none",
            )
        )
        self._listening = listening
        self._introduction = introduction

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        output.write(self._introduction)

    @override
    async def main_loop(self) -> None:
        with self._listening:
            async with asyncio.TaskGroup() as group:
                accepting = group.create_task(
                    self._acceptor.accept(self._listening, self._protocol)
                )
                await super().main_loop()
                accepting.cancel()

    def _protocol(self) -> asyncio.Protocol:
        # uvicorn does the same for its own listening sockets.
        protocol = cast("Callable[..., asyncio.Protocol]", self.config.http_protocol_class)
        return protocol(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )


@contextmanager
def _stopped_by_signals(server: _Server) -> Generator[None]:
    """Stop the server on SIGINT and SIGTERM, with exit code 0.

    Without this, uvicorn raises the signal again after it has stopped.
    """

    def stop(_number: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _introduction(listening: ListeningSocket, options: ServiceOptions, *, has_page: bool) -> str:
    url = listening.url
    lines = [f"Listening  {url}", f"Secrets    POST {url}/client-secret"]
    lines.append(f"Health     {url}/healthz, {url}/readyz")
    if options.get("metrics"):
        lines.append(f"Metrics    {url}/metrics")
    if has_page:
        lines.append(f"Page       {url}/")
    return "\n".join([*lines, "", "Ctrl-C stops it. Requests:", ""])


def log_to_stderr(form: LogFormat) -> None:
    """Write a line for every request to stderr, and the warnings of all loggers."""
    handler = logging.StreamHandler()
    handler.setFormatter(
        _JsonFormatter()
        if form == "json"
        else _TextFormatter("%(asctime)s %(levelname)s %(message)s")
    )
    logging.getLogger().addHandler(handler)
    logger.setLevel(logging.INFO)


class _TextFormatter(logging.Formatter):
    @override
    def formatMessage(self, record: logging.LogRecord) -> str:
        return output.one_line(super().formatMessage(record))

    @override
    def formatException(self, ei: Any) -> str:
        # Indented, because an exception may quote a request that looks like a line of the log.
        lines = super().formatException(ei).split("\n")
        return "\n".join(f"  {visible(line)}" for line in lines)


class _JsonFormatter(logging.Formatter):
    @override
    def format(self, record: logging.LogRecord) -> str:
        members: dict[str, object] = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **{name: getattr(record, name) for name in _LOG_FIELDS if hasattr(record, name)},
        }
        if record.exc_info:
            members["traceback"] = self.formatException(record.exc_info)
        return json.dumps(members)
