"""The servers that the peers call, each in a process of its own.

Every server ends when its standard input closes, so it also ends when this process is killed.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.messages import PATH, RESPONSE_BODY
from benchmarks.peers import Target

ROOT = Path(__file__).parent.parent
ROUND_TRIP = 0.04
"""Of the distant server, in seconds."""
SLOW_RESPONSE = 0.3
"""Of the slow server, in seconds."""
FIRST, LAST, ANYWHERE = slice(1), slice(-1, None), slice(None)
"""The processors to run on: servers on the first, peers on the last."""


class Servers(NamedTuple):
    """Where the peers mint."""

    name: str
    """Of the near one."""
    near: Target
    """It responds at once."""
    near_over_tls: Target
    slow: Target
    distant: Target
    """Over TLS too."""


def processors() -> list[int]:
    """Return the processors that this process may use; an empty list where the system has no such call."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


@contextmanager
def started(
    command: list[str], processor: slice, environment: dict[str, str] | None = None
) -> Generator[Any]:
    """Start a process on these processors; end it afterwards."""
    allowed = processors()
    if allowed:
        # A process inherits it from the thread that starts it.
        os.sched_setaffinity(0, allowed[processor])
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
        )
    finally:
        if allowed:
            os.sched_setaffinity(0, allowed)
    with process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise
        process.stdin.close() if process.stdin else None


@contextmanager
def _module(name: str, *arguments: str) -> Generator[str]:
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    with started(command, FIRST) as process:
        yield process.stdout.readline().strip()


_NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log stderr crit;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_timeout 600; keepalive_requests 100000000;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    listen 127.0.0.1:{tls_port} ssl backlog=4096;
    ssl_certificate {certificate}; ssl_certificate_key {certificate}; ssl_protocols TLSv1.3;
    location = {path} {{ default_type application/json; return 200 '{body}'; }}
  }}
}}
"""
# The shell becomes nginx; its background process ends nginx when standard input closes.
_UNTIL_INPUT_CLOSES = 'exec 3<&0; (cat <&3; kill $$) & exec "$0" -p "$1" -c "$1/nginx.conf"'


@contextmanager
def _nginx(program: str, certificate: str) -> Generator[tuple[str, str]]:
    with (
        socket.create_server(("127.0.0.1", 0)) as free,
        socket.create_server(("127.0.0.1", 0)) as another,
    ):
        port, tls_port = free.getsockname()[1], another.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        text = _NGINX.format(
            folder=folder,
            port=port,
            tls_port=tls_port,
            certificate=certificate,
            path=PATH,
            body=RESPONSE_BODY.decode(),
        )
        Path(folder, "nginx.conf").write_text(text, "utf-8")
        with started(["sh", "-c", _UNTIL_INPUT_CLOSES, program, folder], FIRST):
            for _ in range(200):
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.02)
            yield str(port), str(tls_port)


@contextmanager
def _bundled(certificate: str) -> Generator[tuple[str, str]]:
    with (
        _module("loopback_server", "0") as port,
        _module("loopback_server", "0", certificate) as tls_port,
    ):
        yield port, tls_port


@contextmanager
def running() -> Generator[Servers]:
    """Run every server."""
    import trustme  # noqa: PLC0415 - the command's help needs no packages

    nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin")
    authority = trustme.CA()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        trusted, certificate = str(folder / "authority.pem"), str(folder / "server.pem")
        authority.cert_pem.write_to_path(trusted)
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(certificate)
        near = _nginx(nginx, certificate) if nginx else _bundled(certificate)
        near_port, tls_port = stack.enter_context(near)
        slow_port = stack.enter_context(_module("loopback_server", str(SLOW_RESPONSE)))
        far_port = stack.enter_context(_module("loopback_server", "0", certificate))
        proxy_port = stack.enter_context(_module("delaying_proxy", far_port, str(ROUND_TRIP)))
        yield Servers(
            "nginx" if nginx else "bundled server",
            Target(f"http://127.0.0.1:{near_port}/v1"),
            Target(f"https://localhost:{tls_port}/v1", trusted),
            Target(f"http://127.0.0.1:{slow_port}/v1"),
            Target(f"https://localhost:{proxy_port}/v1", trusted),
        )
