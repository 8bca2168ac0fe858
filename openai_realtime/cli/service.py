"""The mint service as a process: a socket, uvicorn, signals, and what is printed when it listens."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import anyio
import uvicorn
from typing_extensions import override

from openai_realtime import RealtimeSessionsClient
from openai_realtime.cli import output
from openai_realtime.cli.acceptor import ConnectionAcceptor, connection_limit
from openai_realtime.cli.auth import is_loopback
from openai_realtime.cli.failures import ListenError
from openai_realtime.cli.service_log import tell_on_stderr
from openai_realtime.mint import mint_app
from openai_realtime.mint.page import page_routes

if TYPE_CHECKING:
    from types import FrameType

    from starlette.applications import Starlette

    from openai_realtime.cli.choices import LogFormat
    from openai_realtime.configuration import SyncClientOptions
    from openai_realtime.mint import ServiceOptions

_SECONDS_TO_FINISH = 5
_EVERYWHERE = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - told apart, not bound


@dataclass(frozen=True, slots=True)
class Listener:
    """Where the service listens."""

    socket: socket.socket
    host: str

    @property
    def port(self) -> int:
        """The real port, where 0 was asked for."""
        return int(self.socket.getsockname()[1])

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it."""
        return self._at("127.0.0.1" if self.host in _EVERYWHERE else self.host)

    def origins(self) -> list[str]:
        """Return the origins that a page from here has, for a browser on this machine."""
        names = {self.url}
        if self.host in _EVERYWHERE or is_loopback(self.host):
            names |= {self._at("127.0.0.1"), self._at("localhost")}
        return sorted(names)

    def _at(self, host: str) -> str:
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


@contextmanager
def listening(host: str, port: int) -> Generator[Listener]:
    """Open the socket; raises `ListenError` when that cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        opened = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise ListenError(port, error.strerror or str(error)) from None
    with opened:
        yield Listener(opened, host)


def run(
    listener: Listener,
    client: SyncClientOptions,
    options: ServiceOptions,
    *,
    has_page: bool,
    log: LogFormat,
) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    tell_on_stderr(log)

    async def serve() -> None:
        async with RealtimeSessionsClient(**client) as opened:
            app = _app(listener, opened, options, has_page=has_page)
            server = _Server(
                app,
                listener.socket,
                introduction=_introduction(listener, options, has_page=has_page),
            )
            with _ended_by_signals(server):
                await server.serve(sockets=[])

    anyio.run(serve)


def _app(
    listener: Listener, client: RealtimeSessionsClient, options: ServiceOptions, *, has_page: bool
) -> Starlette:
    if not has_page:
        return mint_app(client, **options)
    origins = [*options.get("origins", ()), *listener.origins()]
    with_page: ServiceOptions = {**options, "origins": origins}
    app = mint_app(client, **with_page)
    connect_url = options.get("connect_url") or client.provider.url("calls")
    app.router.routes.extend(page_routes(connect_url))
    return app


class _Server(uvicorn.Server):
    """uvicorn, with a listener of ours, and which says where it listens once it does."""

    def __init__(self, app: Starlette, listening: socket.socket, *, introduction: str) -> None:
        self._listener = ConnectionAcceptor(app, connection_limit())
        super().__init__(
            uvicorn.Config(
                self._listener,
                access_log=False,  # the service writes its own
                http="h11",  # which bounds a request's head: 16 KiB
                log_config=None,
                # The service looks at X-Forwarded-For itself, and only when told how far.
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=_SECONDS_TO_FINISH,
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
                    self._listener.accept(self._listening, self._protocol)
                )
                await super().main_loop()
                accepting.cancel()

    def _protocol(self) -> asyncio.Protocol:
        # Made as uvicorn makes it for the sockets that it listens on itself.
        protocol = cast("Callable[..., asyncio.Protocol]", self.config.http_protocol_class)
        return protocol(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )


@contextmanager
def _ended_by_signals(server: _Server) -> Generator[None]:
    """Take a signal as the wish to end, and as no failure: uvicorn repeats it when it has ended."""

    def end(_number: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _introduction(listener: Listener, options: ServiceOptions, *, has_page: bool) -> str:
    lines = [f"Listening  {listener.url}", f"Secrets    POST {listener.url}/client-secret"]
    lines.append(f"Health     {listener.url}/healthz, {listener.url}/readyz")
    if options.get("metrics"):
        lines.append(f"Metrics    {listener.url}/metrics")
    if has_page:
        lines.append(f"Page       {listener.url}/")
    return "\n".join([*lines, "", "Ctrl-C stops it. Requests:", ""])
