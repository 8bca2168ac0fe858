"""S1, S3, S6 and S7: no key, secret or cookie goes where it does not belong.

The matrix hunts for keys in every error and log. Settings that are refused (S2, S4) are in
`tests/test_configuration.py`, proxies (S5) in `tests/transports/test_proxies.py`, masks of single
values in `tests/test_secrets.py`, ids in paths (S7) in `tests/test_calls.py`, and TLS (S8) in the
matrix and `tests/transports/test_engines.py`.
"""

from __future__ import annotations

import copy
import pickle
import signal
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from backends import ON_BOTH_PARSERS, Backend

from faults.bad_responses import API_KEY, LOCATION_SECRET, REDIRECTS
from faults.calling import assert_no_new_descriptors, client_of, mint, open_descriptors, wait_until
from faults.fault import Fault
from faults.leak_checks import assert_nowhere, shown_by, shown_by_logs
from faults.responses import answer, encoded, session
from openai_realtime import (
    APIError,
    APIStatusError,
    AuthenticationError,
    ParameterError,
    RedirectError,
    SyncRealtimeSessionsClient,
)

if TYPE_CHECKING:
    from faults.fault_server_dialogue import Dialogue
    from faults.server import FaultServer

BACKENDS = ON_BOTH_PARSERS
OFFER = "v=0\r\n"


def everything_in(value: Any) -> str:
    """Return a value with all that is inside it, as a careless log would show it."""
    if hasattr(value, "items"):
        return " ".join(f"{name}: {everything_in(member)}" for name, member in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return " ".join(everything_in(member) for member in value)
    return f"{value} {value!r}"


@pytest.mark.parametrize("status", REDIRECTS)
def test_s1_a_location_is_redacted(
    backend: Backend,
    plain: FaultServer,
    elsewhere: FaultServer,
    status: int,
    all_logs: pytest.LogCaptureFixture,
) -> None:
    """The server that redirects names a URL with a secret in it: the error must not pass it on."""

    async def body() -> list[APIError]:
        raised: list[APIError] = []
        async with client_of(backend, plain) as client:
            plain.play(f"status_{status}")
            for call in (client.sessions.create(), client.calls.create(sdp=OFFER)):
                with pytest.raises(RedirectError) as caught:
                    await call
                raised.append(caught.value)
        return raised

    for error in backend.run(body):
        assert error.attempts == 1
        assert_nowhere([LOCATION_SECRET], shown_by(error))
        assert_nowhere([LOCATION_SECRET], [("attributes", everything_in(vars(error)))])
    assert_nowhere([LOCATION_SECRET], shown_by_logs(all_logs))
    assert len(plain.requests) == 2
    assert elsewhere.records == []


OVERRIDES = [
    "Authorization",
    "authorization",
    "Host",
    "Content-Length",
    "Transfer-Encoding",
    "Connection",
    "Content-Type",
    "Cookie",
    "Expect",
    "Upgrade",
    "TE",
    "Proxy-Authorization",
]


def test_s3_headers_of_ours_cannot_be_overridden(backend: Backend, plain: FaultServer) -> None:
    async def body() -> None:
        async with client_of(backend, plain) as client:
            for name in OVERRIDES:
                with pytest.raises(ParameterError):
                    await client.sessions.create(extra_headers={name: "chunked"})
            for name, value in (("X-A", "b\r\nHost: c"), ("X-A\r\nHost", "b"), ("Host ", "b")):
                with pytest.raises(ParameterError):
                    await client.sessions.create(extra_headers={name: value})
            assert plain.records == []
            await mint(client, plain)

    backend.run(body)
    names = plain.requests[0].header_names
    assert len(names) == len(set(names))
    assert plain.requests[0].headers["authorization"] == f"Bearer {API_KEY}"
    assert plain.requests[0].headers["host"] == f"127.0.0.1:{plain.port}"


def echo_everywhere(talk: Dialogue) -> None:
    """Quote the key wherever an answer has room for it."""
    key = talk.request.headers["authorization"]
    body = encoded(
        {"error": {"message": key, "code": key, "param": key, "type": key, key: [key]}, key: key}
    )
    echo = answer(body, 401, ("X-Request-Id", key), ("X-Echo", key), (key.replace(" ", "-"), "x"))
    talk.send(echo.replace(b"Whatever", key.encode(), 1))


def test_s6_a_key_that_is_echoed(
    backend: Backend, plain: FaultServer, all_logs: pytest.LogCaptureFixture
) -> None:
    plain.play(Fault("echo", "request", echo_everywhere))

    async def body() -> AuthenticationError:
        async with client_of(backend, plain) as client:
            with pytest.raises(AuthenticationError) as caught:
                await client.sessions.create()
            return caught.value

    error = backend.run(body)
    assert_nowhere([API_KEY], shown_by(error))
    assert_nowhere([API_KEY], [("attributes", everything_in(vars(error)))])
    assert_nowhere([API_KEY], shown_by_logs(all_logs))


def test_s6_a_secret_that_is_echoed_in_a_success(
    backend: Backend, plain: FaultServer, all_logs: pytest.LogCaptureFixture
) -> None:
    """Only the fields that carry the secret have it: what is shown of the rest is masked or gone."""

    def play(talk: Dialogue) -> None:
        secret = talk.mint()
        talk.send(answer(session(secret), 200, ("X-Request-Id", secret), ("X-Echo", secret)))

    plain.play(Fault("echo", "request", play))

    async def body() -> Any:
        async with client_of(backend, plain) as client:
            return await mint(client, plain)

    minted = backend.run(body)
    assert_nowhere([*plain.given, API_KEY], [("repr", f"{minted!r} {minted} {minted.meta!r}")])
    assert_nowhere([*plain.given, API_KEY], shown_by_logs(all_logs))


def test_s6_copies_keep_the_mask_and_pickles_are_refused(
    backend: Backend, plain: FaultServer
) -> None:
    async def body() -> None:
        async with client_of(backend, plain) as client:
            minted = await mint(client, plain)
            own: Any = client.wrapped if backend.is_sync else client  # type: ignore[attr-defined]  # the sync client inside
            for secretive in (own, own.with_options(timeout=1), minted, minted.client_secret):
                for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
                    with pytest.raises(TypeError, match="cannot be pickled"):
                        pickle.dumps(secretive, protocol)
            for same in (copy.copy(minted), copy.deepcopy(minted), minted.model_copy(deep=True)):
                assert same == minted
                assert_nowhere(plain.given, [("a copy", f"{same!r} {same}")])
                assert same.client_secret.value == minted.client_secret.value
                assert type(same.client_secret.value) is type(minted.client_secret.value)

    backend.run(body)


HANGING = ["handshake_stalls", "request_is_not_read", "silence_after_the_request", "dripped_body"]


@pytest.mark.parametrize("backend_name", ["asyncio", "trio"])
@pytest.mark.parametrize("fault", HANGING)
def test_s6_a_cancellation_shows_no_key(backend_name: str, secure: FaultServer, fault: str) -> None:
    """What is cancelled leaves a traceback too, through frames that were just sending the key."""
    shown: list[str] = []
    params = {"instructions": "x" * (6_000_000 if fault == "request_is_not_read" else 1)}

    async def call(client: Any) -> None:
        try:
            await client.sessions.create(**params)
        except BaseException as error:
            told = traceback.TracebackException.from_exception(error, capture_locals=True)
            shown.extend(told.format())
            raise

    async def body() -> None:
        async with client_of(Backend(backend_name), secure) as client:
            secure.play(fault)
            async with anyio.create_task_group() as group:
                group.start_soon(call, client)
                while not secure.played:
                    await anyio.sleep(0.005)
                await anyio.sleep(0.02)
                group.cancel_scope.cancel()

    anyio.run(body, backend=backend_name)
    assert "Cancelled" in "".join(shown[-5:])
    assert_nowhere([API_KEY], [("traceback", "".join(shown))])


@pytest.mark.parametrize("fault", HANGING)
def test_s6_an_interrupt_shows_no_key_and_leaves_nothing_open(
    secure: FaultServer, fault: str
) -> None:
    """Control-C in the sync client: the traceback is the user's to read, and to send to somebody."""
    before = open_descriptors()
    params: Any = {"instructions": "x" * (6_000_000 if fault == "request_is_not_read" else 1)}
    main_thread = threading.main_thread().ident
    assert main_thread is not None

    def press() -> None:
        if wait_until(lambda: secure.played > 0):
            time.sleep(0.05)
            signal.pthread_kill(main_thread, signal.SIGINT)

    with SyncRealtimeSessionsClient(base_url=secure.base_url, api_key=API_KEY) as client:
        secure.play(fault)
        pressing = threading.Thread(target=press)
        pressing.start()
        with pytest.raises(KeyboardInterrupt) as caught:
            client.sessions.create(timeout=5, **params)
        pressing.join()
        secure.behave()
        client.sessions.create()
    assert_nowhere([API_KEY], shown_by(caught.value))
    secure.hang_up()
    assert_no_new_descriptors(before, secure)


def test_s7_no_cookie_is_kept(backend: Backend, plain: FaultServer) -> None:
    async def body() -> None:
        async with client_of(backend, plain) as client:
            plain.play("set_cookie", times=1)
            await mint(client, plain)
            await mint(client, plain)
            await client.with_options(timeout=5).sessions.create()

    backend.run(body)
    assert len(plain.requests) == 3
    assert all("cookie" not in request.headers for request in plain.requests)


@pytest.mark.parametrize(
    "call_id", ["../sessions", "a/b", "a?b", "a#b", "a b", "a\r\nX: y", "", "é", "a%2fb", "x" * 129]
)
def test_s7_ids_are_checked_before_they_enter_a_path(
    backend: Backend, plain: FaultServer, call_id: str
) -> None:
    async def body() -> None:
        async with client_of(backend, plain) as client:
            for action in (client.calls.hangup, client.calls.reject):
                with pytest.raises(ParameterError):
                    await action(call_id)

    backend.run(body)
    assert plain.records == []


def test_s6_status_errors_have_headers_to_look_at(backend: Backend, plain: FaultServer) -> None:
    """What is harmless stays: a mask that hid everything would prove nothing."""

    async def body() -> APIStatusError:
        async with client_of(backend, plain, max_retries=0) as client:
            plain.play("status_429_retry_soon")
            with pytest.raises(APIStatusError) as caught:
                await client.sessions.create()
            return caught.value

    error = backend.run(body)
    assert error.headers["retry-after"] == "0"
    assert "Incorrect API key" in str(error)
