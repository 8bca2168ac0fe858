"""The mint service as a process: its socket, uvicorn, signals, the introduction, and the log."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import urlsplit

import anyio
import typer
import uvicorn
from typing_extensions import override

from openai_realtime import RealtimeSessionsClient
from openai_realtime.cli import output
from openai_realtime.cli.acceptor import ConnectionAcceptor, connection_limit
from openai_realtime.cli.auth import is_loopback
from openai_realtime.cli.failures import INTERRUPTED, ListenError
from openai_realtime.cli.options import LogFormat
from openai_realtime.cli.parameters import nested, overlay
from openai_realtime.core.peer_text import visible
from openai_realtime.mint import mint_app
from openai_realtime.mint.limiter import storage_problem
from openai_realtime.mint.options import chosen_api, has_broker
from openai_realtime.mint.page import DEFAULT_TRANSCRIPTION_MODEL, PageSettings, page_routes
from openai_realtime.mint.telemetry import AccessEntry, logger

if TYPE_CHECKING:
    from types import FrameType

    from starlette.applications import Starlette

    from openai_realtime.configuration import SyncClientOptions
    from openai_realtime.dialects import JsonObject, SessionAPI
    from openai_realtime.mint import ServiceOptions
    from openai_realtime.providers import Provider
    from openai_realtime.types.session import SessionParameters

_SHUTDOWN_SECONDS = 5
_ANY_ADDRESS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared with, not bound
_LAST_LINES = "\nCtrl-C stops it. Requests:\n"
_OPENAI_HOSTS = ".api.openai.com"
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


@dataclass(frozen=True, slots=True)
class PageOptions:
    """What the command's options say about the page."""

    asks_for_token: bool
    """Whether a person has to know a token."""
    mock: Literal["none", "calls", "no-calls"]
    """Whether the provider is the mock server, and whether that takes part in calls."""

    def session(self, session: Mapping[str, object], provider: Provider) -> dict[str, object]:
        """Return the Realtime session with input transcription, unless `session` decides that itself.

        Other providers than OpenAI may not know the model, so their sessions stay as they are.
        """
        host = urlsplit(provider.base_url).hostname
        if self.mock == "none" and not f".{host}".endswith(_OPENAI_HOSTS):
            return dict(session)
        default = nested(f"{_transcription_name(session)}.model", DEFAULT_TRANSCRIPTION_MODEL)
        return cast("dict[str, object]", overlay(default, session))

    def settings(
        self,
        session: Mapping[str, object],
        connect_url: str,
        *,
        has_broker: bool = False,
        api: SessionAPI = "realtime",
    ) -> PageSettings:
        """Return the page's settings for a session."""
        value: object = session
        for name in [*_transcription_name(session).split("."), "model"]:
            value = cast("JsonObject", value).get(name) if isinstance(value, dict) else None
        model = value if isinstance(value, str) else None
        return PageSettings(connect_url, self.asks_for_token, self.mock, has_broker, model, api)


def _transcription_name(session: Mapping[str, object]) -> str:
    return "audio.input.transcription" if "type" in session else "input_audio_transcription"


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
    page: PageOptions | None,
    log: LogFormat,
) -> None:
    """Serve until Ctrl-C or SIGTERM, with a page unless `page` is None.

    Raises typer's `Exit` unless SIGTERM has stopped it.
    """
    log_to_stderr(log)

    async def serve() -> int:
        async with RealtimeSessionsClient(**client) as opened:
            introduction = _introduction(listening, options)
            if page is None:
                app = mint_app(opened, **options)
            else:
                app, settings = _app_with_page(listening, opened, options, page)
                introduction += _page_introduction(listening, settings)
            introduction += _LAST_LINES
            if problem := await storage_problem(options.get("storage", "memory://")):
                message = f"no secret is minted until --storage can be reached: {problem}"
                output.print_message("warning", output.one_line(message))
            server = _Server(app, listening.socket, introduction=introduction)
            with _stopped_by_signals(server):
                await server.serve(sockets=[])
            return server.exit_code

    if exit_code := anyio.run(serve):
        raise typer.Exit(exit_code)


def _app_with_page(
    listening: ListeningSocket,
    client: RealtimeSessionsClient,
    options: ServiceOptions,
    page: PageOptions,
) -> tuple[Starlette, PageSettings]:
    session, api = cast("JsonObject", options["session"]), chosen_api(options)
    if api == "realtime":
        session = cast("JsonObject", page.session(session, client.provider))
    connect_url = options.get("connect_url") or client.provider.connect_url()
    settings = page.settings(session, connect_url, has_broker=has_broker(options), api=api)
    with_page: ServiceOptions = {
        **options,
        "session": cast("SessionParameters", session),
        "origins": [*options.get("origins", ()), *listening.origins()],
    }
    app = mint_app(client, **with_page)
    app.router.routes.extend(page_routes(settings))
    return app, settings


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
        self.exit_code: int = 0
        self._listening = listening
        self._introduction = introduction

    def stop(self, exit_code: int) -> None:
        """Stop after the requests that are being handled."""
        self.exit_code, self.should_exit = exit_code, True

    @override
    async def main_loop(self) -> None:
        with self._listening:
            try:
                output.write(self._introduction)
            except typer.Exit as closed:  # raised further, it would skip the shutdown
                self.stop(closed.exit_code)
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
    """Stop the server on SIGINT, with its exit code, and on SIGTERM, with exit code 0.

    Without this, uvicorn raises the signal again after it has stopped.
    """

    def stop(number: int, _frame: FrameType | None) -> None:
        server.stop(INTERRUPTED if number == signal.SIGINT else 0)

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _introduction(listening: ListeningSocket, options: ServiceOptions) -> str:
    url = listening.url
    lines = [f"Listening  {url}"]
    if chosen_api(options) == "realtime":
        lines.append(f"Secrets    POST {url}/client-secret")
    if has_broker(options):
        lines.append(f"Calls      POST {url}/calls")
    lines.append(f"Health     {url}/healthz, {url}/readyz")
    if options.get("metrics"):
        lines.append(f"Metrics    {url}/metrics")
    return "\n".join([*lines, ""])


def _page_introduction(listening: ListeningSocket, page: PageSettings) -> str:
    line = f"Page       {listening.url}/\n"
    if page.mock == "none" and page.transcription_model is not None:
        line += (
            f"Transcript {page.transcription_model} transcribes what the person says, which the "
            f"provider bills in addition to the session{page.transcription_price}; "
            "--transcription-model none switches it off\n"
        )
    return line


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
