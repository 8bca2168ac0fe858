"""Both clients against the loopback server, on asyncio, on trio and in plain threads."""

import copy
import gc
import pickle
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from backends import ON_BOTH_PARSERS, Backend

from openai_realtime import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APITimeoutError,
    AuthenticationError,
    ClientClosedError,
    ConfigurationError,
    InternalServerError,
    ParameterError,
    RateLimitError,
    RealtimeSessionsClient,
    RedirectError,
    RetryPolicy,
    SyncRealtimeSessionsClient,
    Timeout,
)
from openai_realtime.testing import MockRealtimeServer, MockResponse

BACKENDS = ON_BOTH_PARSERS
QUICK = RetryPolicy(base_delay=0.001)
EVERY_PARAMETER: dict[str, Any] = {
    "model": "gpt-realtime-2.1",
    "modalities": ["text", "audio"],
    "instructions": "Be brief.",
    "voice": "verse",
    "input_audio_format": "g711_ulaw",
    "output_audio_format": "g711_alaw",
    "input_audio_transcription": {"model": "gpt-transcribe", "language": "en", "prompt": "names"},
    "input_audio_noise_reduction": {"type": "near_field"},
    "turn_detection": {
        "type": "semantic_vad",
        "eagerness": "low",
        "create_response": False,
        "interrupt_response": True,
    },
    "speed": 1.25,
    "temperature": 0.7,
    "max_response_output_tokens": 200,
    "tools": [
        {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}}
    ],
    "tool_choice": {"type": "function", "name": "f"},
    "tracing": {"workflow_name": "w", "group_id": "g", "metadata": {"a": 1}},
    "truncation": {
        "type": "retention_ratio",
        "retention_ratio": 0.8,
        "token_limits": {"post_instructions": 5000},
    },
    "prompt": {"id": "pmpt_1", "version": None, "variables": {"name": "Ada"}},
    "include": ["item.input_audio_transcription.logprobs"],
    "client_secret": {"expires_after": {"anchor": "created_at", "seconds": 120}},
}


def test_every_parameter_arrives_and_comes_back(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    async def body() -> None:
        async with backend.client() as client:
            session = await client.sessions.create(**EVERY_PARAMETER)
        assert realtime_server.requests[0].json == EVERY_PARAMETER
        assert realtime_server.requests[0].path == "/v1/realtime/sessions"
        returned = session.model_dump(exclude_unset=True)
        for name, value in EVERY_PARAMETER.items():
            if name != "client_secret":
                assert returned[name] == value, name
        assert session.client_secret.value.startswith("ek_")
        assert 118 < (session.client_secret.seconds_left or 0) <= 120
        assert (session.meta.status, session.meta.attempts) == (200, 1)
        assert session.meta.request_id == "req_mock_1"
        assert 0 < session.meta.elapsed < 10

    backend.run(body)


def test_null_is_sent_and_absence_is_not(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    async def body() -> None:
        async with backend.client() as client:
            off: dict[str, Any] = dict.fromkeys(
                [
                    "turn_detection",
                    "input_audio_transcription",
                    "input_audio_noise_reduction",
                    "tracing",
                    "prompt",
                ]
            )
            session = await client.sessions.create(**off)
            assert realtime_server.requests[0].json == off
            assert session.turn_detection is None
            session = await client.sessions.create()
            assert realtime_server.requests[1].json == {}
            assert session.turn_detection is not None
            assert session.turn_detection.threshold == 0.5

    backend.run(body)


def test_transcription_sessions(backend: Backend, realtime_server: MockRealtimeServer) -> None:
    async def body() -> None:
        async with backend.client() as client:
            session = await client.transcription_sessions.create(
                input_audio_transcription={"model": "gpt-transcribe", "language": "en"},
                input_audio_format="pcm16",
                input_audio_noise_reduction={"type": "far_field"},
                turn_detection=None,
                include=["item.input_audio_transcription.logprobs"],
                client_secret={"expires_after": {"seconds": 30}},
            )
            assert session.object == "realtime.transcription_session"
            assert session.input_audio_transcription is not None
            assert session.input_audio_transcription.model == "gpt-transcribe"
            assert 28 < (session.client_secret.seconds_left or 0) <= 30
            sent = realtime_server.requests[0]
            assert sent.path == "/v1/realtime/transcription_sessions"
            assert isinstance(sent.json, dict)
            # The server's own spelling, on this endpoint alone.
            assert sent.json["client_secret"] == {"expires_at": {"seconds": 30}}
            await client.transcription_sessions.create(
                client_secret={"expires_at": {"seconds": 40}}
            )
            with pytest.raises(ParameterError, match="seconds must be a whole number from 10"):
                await client.transcription_sessions.create(
                    client_secret={"expires_after": {"seconds": 5}}
                )
        assert len(realtime_server.requests) == 2

    backend.run(body)


def test_the_request_is_what_the_settings_say(
    backend: Backend, realtime_server: MockRealtimeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-env")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-env")

    async def body() -> None:
        async with backend.client(project="proj-argument") as client:
            await client.sessions.create(
                safety_identifier="hash-1",
                extra_headers={"X-Trace": "a b"},
                extra_query={"trace": "2025 04"},
                extra_body={"speed": 1.0, "brand_new": {"a": 1}, "voice": "verse"},
                voice="marin",
            )
        request = realtime_server.requests[0]
        assert request.path == "/v1/realtime/sessions?trace=2025+04"
        assert request.json == {"voice": "verse", "speed": 1.0, "brand_new": {"a": 1}}
        headers = dict(request.headers)
        assert headers.pop("host") == realtime_server.base_url.split("/")[2]
        assert headers.pop("user-agent").startswith("openai-realtime/")
        assert headers == {
            "authorization": f"Bearer {realtime_server.api_key}",
            "accept": "application/json",
            "accept-encoding": "identity",
            "content-type": "application/json",
            "content-length": str(len(request.body)),
            "openai-organization": "org-env",
            "openai-project": "proj-argument",
            "openai-safety-identifier": "hash-1",
            "x-trace": "a b",
        }

    backend.run(body)


def test_a_callable_key_is_called_for_every_attempt(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    keys: list[str] = []

    def rotate() -> str:
        keys.append(f"sk-rotated-{len(keys)}")
        return keys[-1] if len(keys) < 3 else realtime_server.api_key

    async def rotate_async() -> str:
        await anyio.lowlevel.checkpoint()
        return rotate()

    async def body() -> None:
        source = rotate if backend.is_sync else rotate_async
        realtime_server.respond_next(MockResponse(503), MockResponse(503))
        async with backend.client(api_key=source, retry=QUICK) as client:
            await client.sessions.create()
        sent = [request.headers["authorization"] for request in realtime_server.requests]
        assert sent == [
            "Bearer sk-rotated-0",
            "Bearer sk-rotated-1",
            f"Bearer {realtime_server.api_key}",
        ]

    backend.run(body)


def test_a_plain_callable_serves_the_async_client_too(realtime_server: MockRealtimeServer) -> None:
    async def body() -> None:
        async with RealtimeSessionsClient(api_key=lambda: realtime_server.api_key) as client:
            await client.sessions.create()

    anyio.run(body)


def test_a_key_callables_exception_is_raised_unchanged(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    def broken() -> str:
        raise LookupError("vault is sealed")

    def unusable() -> str:
        return "sk-line\n"

    async def body() -> None:
        async with backend.client(api_key=broken) as client:
            with pytest.raises(LookupError, match="vault is sealed"):
                await client.sessions.create()
        async with backend.client(api_key=unusable) as client:
            with pytest.raises(ConfigurationError) as caught:
                await client.sessions.create()
            assert "sk-line" not in str(caught.value)
        assert realtime_server.requests == []

    backend.run(body)


def test_the_sync_client_refuses_an_async_key(realtime_server: MockRealtimeServer) -> None:
    async def key() -> str:
        raise AssertionError

    with (
        SyncRealtimeSessionsClient(api_key=key) as client,  # type: ignore[arg-type]  # wrong on purpose
        pytest.raises(ConfigurationError, match="async callable"),
    ):
        client.sessions.create()

    class Later:
        def __await__(self) -> Any:
            raise AssertionError

    with (
        SyncRealtimeSessionsClient(api_key=Later) as client,  # type: ignore[arg-type]  # wrong on purpose
        pytest.raises(ConfigurationError, match="async callable"),
    ):
        client.sessions.create()
    gc.collect()  # no coroutine was left behind unawaited: which would be a warning, and so an error


def test_retries_and_their_meta(backend: Backend, realtime_server: MockRealtimeServer) -> None:
    async def body() -> None:
        async with backend.client(retry=QUICK) as client:
            realtime_server.respond_next(MockResponse(500), MockResponse(drop="before"))
            session = await client.sessions.create()
            assert (session.meta.attempts, session.meta.possible_orphans) == (3, 2)
            realtime_server.respond_next(*[MockResponse(503)] * 3)
            with pytest.raises(InternalServerError) as caught:
                await client.sessions.create()
            assert caught.value.attempts == 3
        async with backend.client(max_retries=0) as client:
            realtime_server.respond_next(MockResponse(503))
            with pytest.raises(InternalServerError):
                await client.sessions.create()
        assert len(realtime_server.requests) == 7

    backend.run(body)


def test_retry_after_is_honoured_and_exposed(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    async def body() -> None:
        async with backend.client(retry=QUICK) as client:
            realtime_server.respond_next(MockResponse(429, headers={"retry-after-ms": "120"}))
            started = time.monotonic()
            await client.sessions.create()
            assert time.monotonic() - started >= 0.12
            realtime_server.respond_next(MockResponse(429, headers={"retry-after": "61"}))
            started = time.monotonic()
            with pytest.raises(RateLimitError) as caught:
                await client.sessions.create()
            assert caught.value.retry_after == 61
            assert time.monotonic() - started < 5

    backend.run(body)


@pytest.mark.parametrize(
    ("response", "kind", "message"),
    [
        (
            MockResponse(body=b"<html><title>Sign in</title>"),
            APIResponseValidationError,
            "not JSON",
        ),
        (MockResponse(body=b""), APIResponseValidationError, "body is empty"),
        (MockResponse(json=[]), APIResponseValidationError, "JSON array"),
        (MockResponse(json=None), APIResponseValidationError, "JSON null"),
        (MockResponse(json={}), APIResponseValidationError, "client_secret is missing"),
        (MockResponse(json={"client_secret": None}), APIResponseValidationError, "not an object"),
        (MockResponse(json={"client_secret": {"value": ""}}), APIResponseValidationError, "empty"),
        (
            MockResponse(json={"client_secret": {"value": None}}),
            APIResponseValidationError,
            "not text",
        ),
        (MockResponse(json={"error": {"message": "no"}}), APIResponseValidationError, "no"),
        (MockResponse(302, headers={"location": "http://127.0.0.1:1/"}), RedirectError, "302"),
        (MockResponse(401, json={"error": "who?"}), AuthenticationError, r"401: who\?"),
        (MockResponse(drop="during", json={"a": "b" * 99}), APIConnectionError, "lost"),
        (MockResponse(json={"a": "b" * 2_000_000}), APIConnectionError, "larger than 1 MiB"),
    ],
)
def test_every_failure_is_typed_and_the_next_call_works(
    backend: Backend,
    realtime_server: MockRealtimeServer,
    response: MockResponse,
    kind: type[APIError],
    message: str,
) -> None:
    async def body() -> None:
        async with backend.client(max_retries=0) as client:
            realtime_server.respond_next(response)
            with pytest.raises(kind, match=message) as caught:
                await client.sessions.create()
            assert caught.value.attempts == 1
            assert caught.value.url == f"{realtime_server.base_url}/realtime/sessions"
            assert (await client.sessions.create()).client_secret.value
        assert len(realtime_server.requests) == 2

    backend.run(body)


@pytest.mark.parametrize(
    ("timeout", "phase", "message"),
    [(0.2, "total", "within 0.2 s"), (Timeout(read=0.2), "receive", "did not arrive in time")],
)
def test_time_limits(
    backend: Backend,
    realtime_server: MockRealtimeServer,
    timeout: float | Timeout,
    phase: str,
    message: str,
) -> None:
    async def body() -> None:
        async with backend.client(max_retries=0) as client:
            realtime_server.respond_next(MockResponse(delay=30))
            started = time.monotonic()
            with pytest.raises(APITimeoutError, match=message) as caught:
                await client.sessions.create(timeout=timeout)
            assert 0.15 < time.monotonic() - started < 15
            assert caught.value.phase == phase
            assert (await client.sessions.create()).meta.attempts == 1

    backend.run(body)


def test_a_port_without_a_server(backend: Backend) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    async def body() -> None:
        options = {"base_url": f"http://127.0.0.1:{port}/v1", "api_key": "sk-x", "retry": QUICK}
        async with backend.client(**options) as client:
            with pytest.raises(APIConnectionError, match="Could not connect") as caught:
                await client.sessions.create()
        assert (caught.value.phase, caught.value.attempts) == ("connect", 3)
        assert not caught.value.possibly_acted
        assert caught.value.__cause__ is not None
        assert caught.value.__cause__.__traceback__ is None

    backend.run(body)


def test_one_connection_serves_call_after_call(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    async def body() -> None:
        async with backend.client() as client:
            for _ in range(5):
                await client.sessions.create()
            copy_of_client = client.with_options(timeout=5, project="other")
            async with copy_of_client:
                await copy_of_client.sessions.create()
            await client.sessions.create()  # closing the copy closed nothing
        assert len({request.connection for request in realtime_server.requests}) == 1
        assert realtime_server.requests[5].headers["openai-project"] == "other"
        assert "openai-project" not in realtime_server.requests[6].headers

    backend.run(body)


def test_a_connection_that_failed_is_not_used_again(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    async def body() -> None:
        async with backend.client(max_retries=0) as client:
            await client.sessions.create()
            realtime_server.respond_next(MockResponse(500))
            with pytest.raises(InternalServerError):
                await client.sessions.create()
            await client.sessions.create()
        first, second, third = (request.connection for request in realtime_server.requests)
        assert first == second
        assert second != third

    backend.run(body)


def test_an_idle_connection_that_the_server_closed_is_replaced(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    async def body() -> None:
        async with backend.client(max_retries=0) as client:
            realtime_server.respond_next(
                MockResponse(
                    json={"client_secret": {"value": "ek_1"}}, headers={"connection": "close"}
                )
            )
            await client.sessions.create()
            await client.sessions.create()
            realtime_server.hang_up()
            await anyio.sleep(0.05)
            session = await client.sessions.create()
            assert session.meta.attempts == 1
        assert len({request.connection for request in realtime_server.requests}) == 3

    backend.run(body)


def test_a_closed_client_raises(backend: Backend, realtime_server: MockRealtimeServer) -> None:
    async def body() -> None:
        client = backend.client()
        copy = client.with_options(timeout=1)
        await client.sessions.create()
        was_closed = [client.is_closed, copy.is_closed]
        await client.aclose()
        await client.aclose()
        with pytest.raises(ClientClosedError):
            await client.sessions.create()
        with pytest.raises(ClientClosedError):
            await copy.sessions.create()
        was_closed += [client.is_closed, copy.is_closed]
        assert was_closed == [False, False, True, True]
        unused = backend.client()
        await unused.aclose()

    backend.run(body)


def test_closing_during_a_call_lets_it_finish(
    backend: Backend, realtime_server: MockRealtimeServer
) -> None:
    async def body() -> None:
        client = backend.client()
        realtime_server.respond_next(
            MockResponse(json={"client_secret": {"value": "ek_1"}}, delay=0.1)
        )
        if backend.is_sync:
            with ThreadPoolExecutor(1) as pool:
                call = pool.submit(client.wrapped.sessions.create)  # type: ignore[attr-defined]  # the sync client inside
                await _until(lambda: len(realtime_server.requests) == 1)
                await client.aclose()
                assert call.result().client_secret.value == "ek_1"
        else:
            async with anyio.create_task_group() as group:
                group.start_soon(client.sessions.create)
                await _until(lambda: len(realtime_server.requests) == 1)
                await client.aclose()

    backend.run(body)


async def _until(condition: Any) -> None:
    with anyio.fail_after(30):
        while not condition():
            await anyio.sleep(0.005)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_many_at_once_get_a_secret_each(backend: str, realtime_server: MockRealtimeServer) -> None:
    secrets: set[str] = set()

    async def mint(client: RealtimeSessionsClient) -> None:
        secrets.add((await client.sessions.create()).client_secret.value)

    async def body() -> None:
        async with RealtimeSessionsClient() as client, anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(mint, client)

    anyio.run(body, backend=backend)
    assert len(secrets) == 50


def test_threads_share_a_sync_client(realtime_server: MockRealtimeServer) -> None:
    with SyncRealtimeSessionsClient() as client, ThreadPoolExecutor(16) as pool:
        sessions = list(pool.map(lambda _: client.sessions.create(), range(100)))
    assert len({session.client_secret.value for session in sessions}) == 100
    assert len({request.connection for request in realtime_server.requests}) <= 16


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("moment", [0.0, 0.02, 0.08])
def test_cancellation_leaves_the_client_usable(
    backend: str, moment: float, realtime_server: MockRealtimeServer
) -> None:
    async def body() -> None:
        async with RealtimeSessionsClient() as client:
            await client.sessions.create()
            realtime_server.respond_next(MockResponse(delay=30))
            started = time.monotonic()
            with anyio.move_on_after(moment) as scope:
                await client.sessions.create()
            assert scope.cancelled_caught
            assert time.monotonic() - started < 15
            await anyio.sleep(0.01)
            if len(realtime_server.requests) == 1:
                realtime_server.forget_script()  # cancelled before anything was sent
            assert (await client.sessions.create()).meta.attempts == 1

    anyio.run(body, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_cancellation_at_every_await(backend: str, realtime_server: MockRealtimeServer) -> None:
    """Cancel at the n-th suspension point, for every n until the call completes."""

    async def body() -> None:
        async with RealtimeSessionsClient() as client:
            for reuse in (False, True):
                step, finished = 0, False
                while not finished:
                    finished = await _cancelled_at(step, client)
                    session = await client.sessions.create()
                    assert session.meta.attempts == 1
                    step += 1
                    if not reuse:
                        await Backend(backend).close_idle(client)
                assert step > (1 if reuse else 3)

    anyio.run(body, backend=backend)


async def _cancelled_at(step: int, client: RealtimeSessionsClient) -> bool:
    """Cancel a call after it has been suspended `step` times; returns whether it was faster."""
    with anyio.CancelScope() as scope:
        coroutine = client.sessions.create()
        await _CancelAfter(coroutine, step, scope)
        return True
    return False


class _CancelAfter:
    """Drives a coroutine by hand and cancels the scope when it is suspended for the n-th time."""

    def __init__(self, coroutine: Any, step: int, scope: anyio.CancelScope) -> None:
        self._coroutine = coroutine
        self._step = step
        self._scope = scope

    def __await__(self) -> Any:
        result: Any = None
        error: BaseException | None = None
        count = 0
        while True:
            try:
                waiting = (
                    self._coroutine.send(result) if error is None else self._coroutine.throw(error)
                )
            except StopIteration as stop:
                return stop.value
            if count == self._step:
                self._scope.cancel()
            count += 1
            result, error = None, None
            try:
                result = yield waiting
            except BaseException as thrown:  # noqa: BLE001 - handed on to the coroutine
                error = thrown


def test_the_sync_deadline_holds_against_a_drip(realtime_server: MockRealtimeServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                try:
                    while True:
                        connection.sendall(b" ")
                        time.sleep(0.02)
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with SyncRealtimeSessionsClient(base_url=base_url, timeout=0.3) as client:
            started = time.monotonic()
            with pytest.raises(APITimeoutError, match="within 0.3 s"):
                client.sessions.create()
            assert time.monotonic() - started < 10  # the body would take 20 s
        thread.join()


@pytest.mark.parametrize("kind", [RealtimeSessionsClient, SyncRealtimeSessionsClient])
def test_a_client_shows_and_pickles_no_key(
    kind: type[RealtimeSessionsClient | SyncRealtimeSessionsClient],
) -> None:
    client = kind(api_key="sk-secret-0123456789")
    assert repr(client) == f"{kind.__name__}(base_url='https://api.openai.com/v1')"
    assert "0123456789" not in repr(vars(client)) + repr(client._configuration)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(client)
    with pytest.raises(TypeError, match="cannot be pickled"):
        copy.copy(client)


def test_no_secret_in_any_log(
    backend: Backend, realtime_server: MockRealtimeServer, all_logs: pytest.LogCaptureFixture
) -> None:
    async def body() -> str:
        async with backend.client(retry=QUICK) as client:
            realtime_server.respond_next(MockResponse(503), MockResponse(drop="before"))
            session = await client.sessions.create(instructions="Whisper.")
            logging_of_model = f"{session!r} {session}"
            assert session.client_secret.value not in logging_of_model
            realtime_server.respond_next(MockResponse(401))
            with pytest.raises(AuthenticationError):
                await client.sessions.create()
            return session.client_secret.value

    secret = backend.run(body)
    ours = [record.getMessage() for record in all_logs.records if record.name == "openai_realtime"]
    assert "sessions.create: attempt 1: 503 (request id None)" in ours
    assert "sessions.create: attempt 2: APIConnectionError (request id None)" in ours
    assert any(line.startswith("sessions.create: attempt 1 failed with Internal") for line in ours)
    assert any(line.startswith("sessions.create: done after 3 attempts") for line in ours)
    assert any("AuthenticationError after 1 attempts" in line for line in ours)
    for record in all_logs.records:
        shown = f"{record.getMessage()} {record.args!r}"
        assert secret not in shown
        assert realtime_server.api_key not in shown
        assert "Whisper" not in shown
