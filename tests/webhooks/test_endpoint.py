"""The endpoint called as an ASGI app: cancellations, responses that cannot be sent, and each case."""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from openai_realtime import ConfigurationError, WebhookInProgressError
from openai_realtime.webhooks import MemoryReplayStore, on_call_incoming
from webhooks.calls import BODY, CANCELLATIONS, KINDS, Delivery, Handler, route
from webhooks.deliveries import NOW, encoded


async def until(event: threading.Event) -> None:
    while not event.is_set():
        await anyio.sleep(0.005)


def run(backend: str, body: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        with anyio.fail_after(30):
            await body()

    anyio.run(bounded, backend=backend)


@pytest.mark.parametrize("handle", ["before_response", "after_response"])
@pytest.mark.parametrize(("backend", "cancelled"), CANCELLATIONS)
def test_after_a_cancelled_async_handler_the_next_delivery_is_handled(
    handler: Handler, backend: str, cancelled: Any, handle: str
) -> None:
    app = route(handler.asynchronous, handle=handle)

    async def body() -> None:
        await cancelled(Delivery(app, BODY).run, lambda: until(handler.has_begun))
        assert handler.cancelled == 1
        handler.end()
        assert await Delivery(app, BODY).status() == 200
        assert handler.succeeded == 1

    run(backend, body)


@pytest.mark.parametrize("handle", ["before_response", "after_response"])
@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize(("backend", "cancelled"), CANCELLATIONS)
def test_a_handler_in_a_thread_decides_the_outcome_even_if_its_request_was_cancelled(
    handler: Handler, backend: str, cancelled: Any, fails: bool, handle: str
) -> None:
    app = route(handler.in_thread, handle=handle)
    meanwhile = 503 if handle == "before_response" else 200

    async def end_it_after_the_cancellation() -> None:
        await until(handler.has_begun)

        def end() -> None:
            assert has_delivered.wait(30)
            handler.end(fails=fails)

        threading.Thread(target=end).start()

    has_delivered = threading.Event()

    async def body() -> None:
        async def deliver_again() -> None:
            await until(handler.has_begun)
            await anyio.sleep(
                0.05
            )  # the cancellation comes first; else the same holds all the more
            assert await Delivery(app, BODY).status() == meanwhile
            has_delivered.set()

        async with anyio.create_task_group() as group:
            group.start_soon(deliver_again)
            await cancelled(Delivery(app, BODY).run, end_it_after_the_cancellation)
        assert len(handler.begun) == 1
        handler.end()
        assert await Delivery(app, BODY).status() == 200
        assert (len(handler.begun), handler.succeeded) == ((2, 1) if fails else (1, 1))

    run(backend, body)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_response_that_cannot_be_sent_is_200_when_it_is_delivered_again(
    handler: Handler, backend: str, kind: str
) -> None:
    app = route(handler.of(kind))
    handler.end()

    async def body() -> None:
        lost = Delivery(app, BODY)
        lost.error = OSError("the provider is gone")
        with pytest.raises(OSError, match="gone"):
            await lost.run()
        assert await Delivery(app, BODY).status() == 200
        assert len(handler.begun) == 1

    run(backend, body)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_after_the_response_a_failed_handler_runs_again_with_another_delivery(
    handler: Handler, backend: str
) -> None:
    app = route(handler.asynchronous, handle="after_response")

    async def body() -> None:
        handler.end(fails=True)
        for error in (None, OSError("the provider is gone")):
            delivery = Delivery(app, BODY)
            delivery.error = error
            if error is None:
                assert await delivery.status() == 200
            else:
                with pytest.raises(OSError, match="gone"):
                    await delivery.run()
        handler.end()
        assert await Delivery(app, BODY).status() == 200
        assert await Delivery(app, BODY).status() == 200
        assert (len(handler.begun), handler.succeeded) == (3, 1)

    run(backend, body)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_after_the_response_a_copy_is_503_until_the_response_is_sent(
    handler: Handler, backend: str
) -> None:
    """A process that died there would have handled nothing, and said nothing."""
    app = route(handler.asynchronous, handle="after_response")

    async def body() -> None:
        first = Delivery(app, BODY)
        first.may_send = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(first.run)
            await first.is_sending.wait()
            assert await Delivery(app, BODY).status() == 503
            assert handler.begun == []
            first.may_send.set()
            await until(handler.has_begun)
            assert await Delivery(app, BODY).status() == 200
            handler.end()
        assert (len(handler.begun), handler.succeeded) == (1, 1)

    run(backend, body)


def test_a_claim_only_store_claims_once(handler: Handler) -> None:
    class ClaimOnly:
        def __init__(self) -> None:
            self.claimed: set[str] = set()

        async def claim(self, webhook_id: str, seconds: int, /) -> bool:
            assert seconds == 72 * 3600
            is_first = webhook_id not in self.claimed
            self.claimed.add(webhook_id)
            return is_first

    app = route(handler.asynchronous, ClaimOnly())

    async def body() -> None:
        handler.end(fails=True)
        assert await Delivery(app, BODY).status() == 500
        assert await Delivery(app, BODY).status() == 200
        assert len(handler.begun) == 1

    run("asyncio", body)


class Broken:
    def claim(self, *_: object) -> str:
        raise ConnectionError("redis is away")


class Busy(MemoryReplayStore):
    def claim(self, webhook_id: str, _seconds: int, /) -> str | None:
        raise WebhookInProgressError("It is being handled", webhook_id=webhook_id)


class Done(MemoryReplayStore):
    def claim(self, _webhook_id: str, _seconds: int, /) -> str | None:
        return None


OTHER = encoded({"id": "evt_1", "created_at": NOW, "type": "batch.completed", "data": {}})
LARGEST = 256 * 1024
TRY_AGAIN = (503, "5", '{"error":"Try again"}')
UNVERIFIED = (400, None, '{"error":"The webhook could not be verified"}')
CASES = [
    pytest.param([BODY], MemoryReplayStore, (200, None, ""), None, "", id="a call"),
    pytest.param(
        [OTHER],
        Broken,
        (200, None, ""),
        logging.DEBUG,
        "A webhook of type batch.completed is not an incoming call here: ignored",
        id="another event, for which the store is not called",
    ),
    pytest.param(
        [BODY],
        Done,
        (200, None, ""),
        logging.INFO,
        "The webhook was handled before: respond with 200, and do nothing (webhook-id wh_1)",
        id="handled before",
    ),
    pytest.param(
        [BODY],
        Busy,
        TRY_AGAIN,
        logging.INFO,
        "It is being handled (webhook-id wh_1)",
        id="being handled",
    ),
    pytest.param(
        [BODY],
        Broken,
        TRY_AGAIN,
        logging.ERROR,
        "A webhook could not be checked: most likely its replay store failed",
        id="a store that fails",
    ),
    pytest.param(
        [b"[]"],
        Broken,
        UNVERIFIED,
        logging.WARNING,
        "The webhook is refused: its body is not a JSON object (webhook-id wh_1)",
        id="no object",
    ),
    pytest.param(
        [BODY + b" " * (LARGEST - len(BODY))],
        MemoryReplayStore,
        (200, None, ""),
        None,
        "",
        id="the largest body",
    ),
    pytest.param(
        [BODY + b" " * (LARGEST - len(BODY)), b" "],
        Broken,
        (413, None, '{"error":"The body is too large"}'),
        None,
        "",
        id="a larger body",
    ),
    pytest.param(
        [],
        Broken,
        (408, None, '{"error":"The body did not arrive in time"}'),
        None,
        "",
        id="no body in time",
    ),
]


@pytest.mark.parametrize(("chunks", "make", "response", "level", "message"), CASES)
@pytest.mark.parametrize("handle", ["before_response", "after_response"])
def test_each_case_has_its_response_and_log_line(
    handler: Handler,
    caplog: pytest.LogCaptureFixture,
    chunks: list[bytes],
    make: Callable[[], Any],
    response: tuple[int, str | None, str],
    level: int | None,
    message: str,
    handle: str,
) -> None:
    handler.end()
    delivery = Delivery(
        route(handler.asynchronous, make(), handle=handle, body_timeout=30 if chunks else 0.01),
        *chunks,
    )
    with caplog.at_level(logging.DEBUG, "openai_realtime"):
        run("asyncio", delivery.run)
    assert delivery.response == response
    found = [
        (record.levelno, record.getMessage())
        for record in caplog.records
        if record.name == "openai_realtime"
    ]
    assert found == ([] if level is None else [(level, message)])


@pytest.mark.parametrize("kind", KINDS)
def test_a_failed_handler_has_its_response_and_log_line(
    handler: Handler, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    handler.end(fails=True)
    delivery = Delivery(route(handler.of(kind)), BODY)
    run("asyncio", delivery.run)
    assert delivery.response == (500, None, '{"error":"The webhook could not be handled"}')
    [record] = caplog.records
    message = "The handler of incoming calls failed at call rtc_u0_1 (webhook-id wh_1)"
    assert (record.levelno, record.getMessage()) == (logging.ERROR, message)
    assert "LookupError: my own" in (record.exc_text or "")


def test_another_method_is_405_with_an_allow_header(handler: Handler) -> None:
    delivery = Delivery(route(handler.asynchronous), BODY, method="PUT")
    run("asyncio", delivery.run)
    assert delivery.response == (405, None, '{"error":"Webhooks are sent with POST"}')
    assert dict(delivery.messages[0]["headers"])[b"allow"] == b"POST"


def test_the_claim_holds_for_the_claim_timeout_of_the_route(handler: Handler) -> None:
    claimed: list[int] = []

    class Recorded(MemoryReplayStore):
        def claim(self, webhook_id: str, seconds: int, /) -> str | None:
            claimed.append(seconds)
            return super().claim(webhook_id, seconds)

    handler.end()
    for options in ({}, {"claim_timeout": 7}):
        run("asyncio", Delivery(route(handler.asynchronous, Recorded(), **options), BODY).run)
    assert claimed == [60, 7]


def test_the_defaults_are_the_documented_ones() -> None:
    parameters = inspect.signature(on_call_incoming).parameters
    defaults = {name: parameters[name].default for name in parameters}
    assert defaults == {
        "handler": inspect.Parameter.empty,
        "api": "realtime",
        "on_sideband": None,
        "client": None,
        "verifier": None,
        "path": "/webhooks/openai",
        "handle": "after_response",
        "claim_timeout": 60,
        "body_timeout": 10,
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"handle": "later"},
            "handle is unusable: it must be one of after_response, before_response",
        ),
        ({"claim_timeout": 0}, "claim_timeout is unusable: it must be 1 to 86400 seconds"),
    ],
)
def test_unusable_options_are_refused_when_the_route_is_made(
    handler: Handler, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        route(handler.in_thread, **options)
