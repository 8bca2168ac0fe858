"""The endpoint for WSGI: the same rules as under ASGI, `authorize` on the request's thread, and forks."""

from __future__ import annotations

import asyncio
import http.client
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIApplication, WSGIEnvironment
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import anyio
import pytest

from mint.service import PAGE, SESSION
from openai_realtime import ConfigurationError, RealtimeSessionsClient
from openai_realtime.mint import Refused, wsgi, wsgi_endpoint
from openai_realtime.mint.wsgi import ThreadWork
from openai_realtime.testing import MockRealtimeServer

JSON = {"CONTENT_TYPE": "application/json", "HTTP_X_USER": "ann"}


def user_header(environ: WSGIEnvironment) -> str | None:
    return environ.get("HTTP_X_USER")


def app_for(provider: MockRealtimeServer, **options: Any) -> WSGIApplication:
    def make() -> RealtimeSessionsClient:
        return RealtimeSessionsClient(provider=provider.provider, api_key=provider.api_key)

    defaults: dict[str, Any] = {"session": SESSION, "authorize": user_header, "origins": [PAGE]}
    return wsgi_endpoint(make, **{**defaults, **options})


def ask(
    app: WSGIApplication, body: bytes = b"{}", **environ: object
) -> tuple[int, dict[str, str], Any]:
    """Send one request; return its status, headers and body. wsgiref checks PEP 3333."""
    given: dict[str, Any] = {
        "REQUEST_METHOD": "POST",
        "CONTENT_LENGTH": str(len(body)),
        "QUERY_STRING": "",
        "REMOTE_ADDR": "192.0.2.7",
        **JSON,
        **environ,
    }
    setup_testing_defaults(given)
    given = {name: value for name, value in given.items() if value is not None}
    given["wsgi.input"] = io.BytesIO(body)
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], *_: object) -> Any:
        started.extend((int(status[:3]), {name.lower(): value for name, value in headers}))

    # wsgiref refuses an environment with a header that a client sent with an underscore.
    is_valid = given.keys().isdisjoint({"HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH"})
    response = (validator(app) if is_valid else app)(given, start_response)
    content = b"".join(response)
    if is_valid:
        response.close()  # type: ignore[attr-defined]  # wsgiref's validator has it
    status, headers = started
    return status, headers, json.loads(content) if content else None


@pytest.mark.parametrize(
    ("environ", "body", "status"),
    [
        ({}, b"{}", 200),
        ({"HTTP_ORIGIN": PAGE}, b"{}", 200),
        ({"HTTP_ORIGIN": "https://evil.example"}, b"{}", 403),
        ({"HTTP_ORIGIN": f"{PAGE},{PAGE}"}, b"{}", 403),
        ({"CONTENT_TYPE": "text/plain"}, b"{}", 415),
        ({"CONTENT_TYPE": None}, b"{}", 415),
        # A client's header `Content_Type` is not the header Content-Type.
        ({"CONTENT_TYPE": None, "HTTP_CONTENT_TYPE": "application/json"}, b"{}", 415),
        ({"CONTENT_TYPE": "text/plain", "HTTP_CONTENT_TYPE": "application/json"}, b"{}", 415),
        ({"HTTP_CONTENT_TYPE": "text/plain", "HTTP_CONTENT_LENGTH": "999999"}, b"{}", 200),
        ({"HTTP_X_USER": None}, b"{}", 401),
        ({}, b'{"voice": "verse"}', 400),
        ({}, b"{", 400),
        ({}, b'{"a": "' + b"x" * 5000 + b'"}', 413),
        ({"CONTENT_LENGTH": None, "wsgi.input_terminated": True}, b"{}", 200),
        ({"CONTENT_LENGTH": None, "wsgi.input_terminated": True}, b" " * 5000, 413),
        ({"CONTENT_LENGTH": ""}, b"{}", 400),
        ({"CONTENT_LENGTH": "9" * 20}, b"{}", 400),
        ({"REQUEST_METHOD": "GET"}, b"", 405),
    ],
)
def test_the_rules_are_those_of_the_endpoint(
    provider: MockRealtimeServer, environ: dict[str, Any], body: bytes, status: int
) -> None:
    found, headers, content = ask(app_for(provider), body, **environ)
    assert found == status
    assert headers["cache-control"] == "no-store"
    assert ("value" in content) is (status == 200)
    assert len(provider.requests) == (status == 200)


def test_a_preflight_and_its_request(provider: MockRealtimeServer) -> None:
    app = app_for(provider)
    asked = {
        "REQUEST_METHOD": "OPTIONS",
        "HTTP_ORIGIN": PAGE,
        "HTTP_ACCESS_CONTROL_REQUEST_METHOD": "POST",
    }
    status, headers, content = ask(app, b"", CONTENT_TYPE=None, **asked)
    assert (status, content) == (204, None)
    assert headers["access-control-allow-origin"] == PAGE
    assert ask(app, HTTP_ORIGIN=PAGE)[1]["access-control-allow-origin"] == PAGE


def test_the_limits_are_those_of_the_endpoint(provider: MockRealtimeServer) -> None:
    app = app_for(provider, limits="2/minute")
    assert [ask(app)[0] for _ in range(3)] == [200, 200, 429]
    assert ask(app, HTTP_X_USER="bob")[0] == 200


def test_the_address_is_the_peers_unless_a_proxy_is_trusted(
    provider: MockRealtimeServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "openai_realtime.mint")
    ask(app_for(provider), HTTP_X_FORWARDED_FOR="198.51.100.1")
    ask(app_for(provider, trusted_proxies=1), HTTP_X_FORWARDED_FOR="198.51.100.1")
    ask(app_for(provider), REMOTE_ADDR="")
    entries = [record for record in caplog.records if record.name == "openai_realtime.mint"]
    addresses = [getattr(entry, "client_address", None) for entry in entries]
    assert addresses == ["192.0.2.7", "198.51.100.1", None]


def test_authorize_runs_on_the_thread_of_the_request(provider: MockRealtimeServer) -> None:
    threads: list[int] = []

    def authorize(_: WSGIEnvironment) -> str:
        threads.append(threading.get_ident())
        return "ann"

    assert ask(app_for(provider, authorize=authorize))[0] == 200
    assert threads == [threading.get_ident()]


@pytest.mark.parametrize(
    ("error", "status"), [(Refused(403), 403), (ValueError("broken"), 500), (Refused(), 401)]
)
def test_what_authorize_raises(provider: MockRealtimeServer, error: Exception, status: int) -> None:
    def authorize(_: WSGIEnvironment) -> str:
        raise error

    found, _, content = ask(app_for(provider, authorize=authorize))
    assert found == status
    assert "broken" not in str(content)


def test_an_authorize_that_takes_too_long(
    provider: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(_: WSGIEnvironment) -> str:
        time.sleep(0.5)
        return "ann"

    monkeypatch.setattr("openai_realtime.mint.authorization._SECONDS", 0.05)
    app = app_for(provider, authorize=slow)
    assert ask(app)[0] == 503
    assert provider.requests == []


def test_an_authorize_that_is_called_too_late() -> None:
    work, response = ThreadWork("the request"), Future[str]()
    calls: list[object] = []

    async def order() -> None:
        with anyio.move_on_after(0.01):
            await work.run_on_thread(calls.append)

    anyio.run(order)
    threading.Timer(0.05, response.set_result, ["refused"]).start()
    loop = asyncio.new_event_loop()
    assert work.wait(response, loop) == "refused"
    loop.close()
    assert calls == []


def test_many_threads_at_once(provider: MockRealtimeServer) -> None:
    app = app_for(provider, limits="100/minute")
    values: list[str] = []
    threads = [
        threading.Thread(target=lambda: values.append(ask(app)[2]["value"])) for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(set(values)) == 20


def test_an_unusable_option_is_an_error_at_once() -> None:
    options: Any = {"session": SESSION, "limits": "?"}
    with pytest.raises(ConfigurationError, match="limits is unusable"):
        wsgi_endpoint(RealtimeSessionsClient, authorize=user_header, **options)


PROGRAM = """
import json, os, sys
from mint.service import SESSION
from openai_realtime import RealtimeSessionsClient
from openai_realtime.mint import wsgi_endpoint

made = []

def make():
    made.append(os.getpid())
    return RealtimeSessionsClient()

secret = wsgi_endpoint(make, session=SESSION, authorize=lambda environ: "ann", limits="99/minute")

def app(environ, start_response):
    def start(status, headers):
        start_response(status, [*headers, ("X-Process", f"{os.getpid()} {made[-1]} {len(made)}")])
    return secret(environ, start)
"""
TESTS = str(Path(__file__).parents[1])


@contextmanager
def gunicorn(provider: MockRealtimeServer, folder: Path) -> Iterator[tuple[int, Callable[[], str]]]:
    """Run the program under gunicorn, which imports it before it forks; give its port and log."""
    folder.joinpath("application.py").write_text(PROGRAM)
    log = folder / "log"
    environment = {
        **os.environ,
        "OPENAI_API_KEY": provider.api_key,
        "OPENAI_BASE_URL": provider.base_url,
        "PYTHONPATH": TESTS,
        "PYTHONWARNINGS": "error",
    }
    command = [
        *(sys.executable, "-m", "gunicorn", "--preload", "--workers", "2", "--threads", "2"),
        *("--bind", "127.0.0.1:0", "--chdir", str(folder), "application:app"),
    ]
    with log.open("w") as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=output, start_new_session=True
        )
        try:
            end = time.monotonic() + 60
            while "Listening at: http://127.0.0.1:" not in log.read_text():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.05)
            yield int(log.read_text().split("http://127.0.0.1:")[1].split()[0]), log.read_text
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.mark.skipif(sys.platform == "win32", reason="gunicorn needs Unix")
def test_each_worker_that_forks_after_the_import_makes_its_own_client(
    provider: MockRealtimeServer, tmp_path: Path
) -> None:
    processes: dict[str, int] = {}
    values: list[str] = []
    with gunicorn(provider, tmp_path) as (port, log):
        end = time.monotonic() + 30
        while len(processes) < 2 and time.monotonic() < end:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/", b"{}", headers)
            response = connection.getresponse()
            values.append(json.loads(response.read()).get("value", ""))
            assert response.status in {200, 429}, log()
            own, maker, count = response.headers["X-Process"].split()
            assert (own, count) == (maker, "1"), "each process makes one client"
            processes[own] = processes.get(own, 0) + 1
            connection.close()
    assert len(processes) == 2
    values = [value for value in values if value]
    assert len(set(values)) == len(values)
    assert "Traceback" not in log()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_of_a_process_that_has_served_requests(provider: MockRealtimeServer) -> None:
    program = f"""
import os
os.environ["OPENAI_BASE_URL"] = {provider.base_url!r}
os.environ["OPENAI_API_KEY"] = {provider.api_key!r}
from mint.test_wsgi import ask, JSON
{PROGRAM}
assert ask(secret)[0] == 200
if (idle := os.fork()) == 0:
    sys.exit()  # it has served nothing, and closes nothing of its parent's
assert os.waitpid(idle, 0)[1] == 0
child = os.fork()
status = ask(secret)[0]
if child == 0:
    print("child", status, len(made), flush=True)
    sys.exit()
assert os.waitpid(child, 0)[1] == 0
print("parent", status, len(made))
"""
    environment = {**os.environ, "PYTHONPATH": TESTS}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "child 200 2\nparent 200 1\n"


def test_a_blocked_event_loop_does_not_keep_the_request(
    provider: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(wsgi, "_BLOCKED_SECONDS", 0.3)
    is_blocking, may_go_on = threading.Event(), threading.Event()

    async def api_key() -> str:
        if is_blocking.is_set():
            may_go_on.wait(20)  # a mistake: it blocks the event loop
        await anyio.sleep(0.8)  # slow, but the event loop runs
        return provider.api_key

    def make() -> RealtimeSessionsClient:
        return RealtimeSessionsClient(provider=provider.provider, api_key=api_key)

    options: dict[str, Any] = {"session": SESSION, "authorize": user_header}
    app = wsgi_endpoint(make, **options)
    assert ask(app)[0] == 200
    is_blocking.set()
    began = time.monotonic()
    status, headers, content = ask(app)
    assert time.monotonic() - began < 15
    assert (status, content["error"], headers["retry-after"]) == (503, "blocked", "0")
    assert "something blocks it" in caplog.text
    is_blocking.clear()
    may_go_on.set()
    assert ask(app)[0] == 200


def test_a_process_ends_although_its_event_loop_hangs(provider: MockRealtimeServer) -> None:
    program = """
import sys, time
from openai_realtime import RealtimeSessionsClient
from openai_realtime.mint import wsgi, wsgi_endpoint
wsgi._CLOSE_SECONDS = 0.2
app = wsgi_endpoint(RealtimeSessionsClient, session={}, authorize=lambda _: "ann", origins=["*"])
endpoint = next(each.cell_contents for each in app.__closure__)
endpoint._started().call_soon_threadsafe(time.sleep, 30)
"""
    began = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", program.replace('origins=["*"]', f"origins=[{PAGE!r}]")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert time.monotonic() - began < 25


def test_without_django_it_says_what_to_install() -> None:
    program = """
import sys
sys.modules["django"] = None
import openai_realtime.mint
try:
    from openai_realtime.mint import django_view
except ModuleNotFoundError as error:
    print(error)
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "django_view needs django: pip install django\n"


DJANGO = """
import asyncio, sys
from django.conf import settings
settings.configure(ALLOWED_HOSTS=["testserver"], ROOT_URLCONF=__name__, SECRET_KEY="x")
import django
django.setup()
from django.test import AsyncClient, Client
from django.urls import path
from mint.service import PAGE, SESSION
from openai_realtime import RealtimeSessionsClient
from openai_realtime.mint import django_view

def user(request):
    assert request.path == "/secret"
    return request.headers.get("X-User")

view = django_view(RealtimeSessionsClient, session=SESSION, authorize=user, origins=[PAGE])
urlpatterns = [path("secret", view)]
json = {"content_type": "application/json"}
page = Client(headers={"X-User": "ann", "Origin": PAGE}, enforce_csrf_checks=True)
response = page.post("/secret", {}, **json)
print("WSGI", response.status_code, response.headers["Access-Control-Allow-Origin"])
print("signed out", Client().post("/secret", {}, **json).status_code)
print("large", page.post("/secret", {"a": "x" * 9000}, **json).status_code)
headers = {"X-User": "ann", "Origin": PAGE}
print("ASGI", asyncio.run(AsyncClient().post("/secret", {}, headers=headers, **json)).status_code)
"""


def test_the_view_of_django_under_wsgi_and_asgi(provider: MockRealtimeServer) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": TESTS,
        "OPENAI_BASE_URL": provider.base_url,
        "OPENAI_API_KEY": provider.api_key,
    }
    command = [sys.executable, "-c", DJANGO]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"WSGI 200 {PAGE}\nsigned out 401\nlarge 413\nASGI 200\n"
