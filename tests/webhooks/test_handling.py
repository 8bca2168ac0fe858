"""`verifier.handling(…)`: done when its block succeeds; with every kind of store."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from openai_realtime import (
    ConfigurationError,
    WebhookInProgressError,
    WebhookReplayedError,
    WebhookVerificationError,
    WebhookVerifier,
)
from openai_realtime.webhooks import Handling, MemoryReplayStore
from openai_realtime.webhooks import handling as handling_module
from webhooks.calls import CANCELLATIONS, cancelled_by_scope
from webhooks.deliveries import NOW, SECRET, encoded, signed

BODY = encoded()
THREE_DAYS = 72 * 3600


class Awaited:
    """A store in memory that must be awaited."""

    def __init__(self) -> None:
        self.inner = MemoryReplayStore()

    async def claim(self, webhook_id: str, seconds: int, /) -> str | None:
        await anyio.lowlevel.checkpoint()
        return self.inner.claim(webhook_id, seconds)

    async def confirm(self, webhook_id: str, token: str, seconds: int, /) -> None:
        await anyio.lowlevel.checkpoint()
        self.inner.confirm(webhook_id, token, seconds)

    async def release(self, webhook_id: str, token: str, /) -> None:
        await anyio.lowlevel.checkpoint()
        self.inner.release(webhook_id, token)


class ClaimOnly:
    """As users wrote them before there was `confirm`."""

    def __init__(self) -> None:
        self.claims: dict[str, int] = {}

    def claim(self, webhook_id: str, seconds: int, /) -> bool:
        is_first = webhook_id not in self.claims
        self.claims[webhook_id] = seconds
        return is_first


def verifier(store: Any) -> WebhookVerifier:
    return WebhookVerifier(SECRET, replay_store=store, clock=lambda: NOW)


def handling(store: Any, **options: Any) -> Handling:
    return verifier(store).handling(BODY, signed(BODY), **options)


def use_sync(store: Any, body: Callable[[], None] = lambda: None) -> None:
    with handling(store) as event:
        assert event.webhook_id == "wh_1"
        body()


async def _use(store: Any, body: Callable[[], None]) -> None:
    async with handling(store) as event:
        assert event.webhook_id == "wh_1"
        body()


def use_asyncio(store: Any, body: Callable[[], None] = lambda: None) -> None:
    anyio.run(_use, store, body, backend="asyncio")


def use_trio(store: Any, body: Callable[[], None] = lambda: None) -> None:
    anyio.run(_use, store, body, backend="trio")


Use = Callable[..., None]
USES = [
    pytest.param(use_sync, MemoryReplayStore, id="with"),
    pytest.param(use_asyncio, MemoryReplayStore, id="async with, asyncio"),
    pytest.param(use_trio, MemoryReplayStore, id="async with, trio"),
    pytest.param(use_asyncio, Awaited, id="async with, asyncio, awaited store"),
    pytest.param(use_trio, Awaited, id="async with, trio, awaited store"),
]


def fail() -> None:
    raise LookupError("my own")


@pytest.mark.parametrize(("use", "make"), USES)
def test_it_is_done_when_the_block_succeeds_and_passes_again_when_it_fails(
    use: Use, make: Callable[[], Any]
) -> None:
    store = make()
    with pytest.raises(LookupError, match="my own"):
        use(store, fail)
    with pytest.raises(KeyboardInterrupt):
        use(store, lambda: (_ for _ in ()).throw(KeyboardInterrupt()))

    def copy() -> None:
        with pytest.raises(WebhookInProgressError, match="503"):
            use_sync(getattr(store, "inner", store))

    use(store, copy)
    with pytest.raises(WebhookReplayedError) as caught:
        use(store)
    assert str(caught.value) == (
        "The webhook was handled before: respond with 200, and do nothing (webhook-id wh_1)"
    )


@pytest.mark.parametrize("use", [use_sync, use_asyncio, use_trio])
def test_without_a_store_everything_passes(use: Use) -> None:
    use(None)
    use(None)


@pytest.mark.parametrize("use", [use_sync, use_asyncio, use_trio])
def test_a_store_that_only_claims_lets_each_webhook_through_once(use: Use) -> None:
    store = ClaimOnly()
    with pytest.raises(LookupError, match="my own"):
        use(store, fail)
    with pytest.raises(WebhookReplayedError):
        use(store)
    assert store.claims == {"wh_1": THREE_DAYS}


class Recorded(MemoryReplayStore):
    def __init__(self) -> None:
        super().__init__()
        self.steps: list[tuple[str, int]] = []

    def claim(self, webhook_id: str, seconds: int, /) -> str | None:
        self.steps.append(("claim", seconds))
        return super().claim(webhook_id, seconds)

    def confirm(self, webhook_id: str, token: str, seconds: int, /) -> None:
        self.steps.append(("confirm", seconds))
        super().confirm(webhook_id, token, seconds)


@pytest.mark.parametrize(
    ("options", "claimed"),
    [
        ({}, 60),
        ({"claim_timeout": 1}, 1),
        ({"claim_timeout": 1.5}, 2),
        ({"claim_timeout": 86400}, 86400),
    ],
)
def test_how_long_a_claim_holds_and_a_webhook_is_remembered(
    options: dict[str, float], claimed: int
) -> None:
    store = Recorded()
    with handling(store, **options):
        assert store.steps == [("claim", claimed)]
    assert store.steps[1:] == [("confirm", THREE_DAYS)]


def test_verify_is_done_before_it_returns() -> None:
    store = Recorded()
    assert verifier(store).verify(BODY, signed(BODY)).id
    assert store.steps == [("claim", 60), ("confirm", THREE_DAYS)]


@pytest.mark.parametrize("timeout", [0, 0.99, -1, 86400.5, float("nan"), float("inf")])
def test_a_claim_timeout_is_from_a_second_to_a_day(timeout: float) -> None:
    with pytest.raises(ConfigurationError, match="claim_timeout is unusable"):
        handling(None, claim_timeout=timeout)


def test_a_forgery_is_refused_before_the_block() -> None:
    with pytest.raises(WebhookVerificationError, match="none of its signatures"):
        verifier(None).handling(BODY + b" ", signed(BODY))


def test_a_store_that_must_be_awaited_needs_async_with() -> None:
    with pytest.raises(ConfigurationError) as caught:
        use_sync(Awaited())
    assert str(caught.value) == (
        "This replay_store must be awaited: use `await verifier.averify(…)`, or "
        "`async with verifier.handling(…)`"
    )


@pytest.mark.parametrize("missing", ["confirm", "release"])
def test_a_store_with_half_of_confirm_and_release_is_refused(missing: str) -> None:
    class Half:
        def claim(self, *_: object) -> str:
            raise AssertionError

    setattr(Half, {"confirm": "release", "release": "confirm"}[missing], Half.claim)
    with pytest.raises(ConfigurationError, match="needs both confirm and release, or neither"):
        verifier(Half())


class Failing(MemoryReplayStore):
    """Loses its Redis after the claim, so to say."""

    def confirm(self, *_: object) -> None:
        raise ConnectionError("redis is away")

    def release(self, *_: object) -> None:
        raise ConnectionError("redis is away")


@pytest.mark.parametrize("use", [use_sync, use_asyncio, use_trio])
def test_a_store_that_fails_at_the_end_does_not_hide_how_the_block_ended(
    use: Use, caplog: pytest.LogCaptureFixture
) -> None:
    use(Failing())
    with pytest.raises(LookupError, match="my own"):
        use(Failing(), fail)
    assert len(caplog.records) == 2
    for record in caplog.records:
        assert record.levelno == logging.ERROR
        assert "wh_1" in record.getMessage()
        assert "redis is away" in (record.exc_text or "")
    with pytest.raises(ConnectionError, match="redis is away"):
        verifier(Failing()).verify(BODY, signed(BODY))
    with pytest.raises(ConnectionError, match="redis is away"):
        anyio.run(verifier(Failing()).averify, BODY, signed(BODY))


@pytest.mark.parametrize(("backend", "cancelled"), CANCELLATIONS)
@pytest.mark.parametrize("make", [MemoryReplayStore, Awaited])
def test_a_cancelled_block_releases_the_webhook(backend: str, cancelled: Any, make: Any) -> None:
    async def body() -> None:
        store, has_begun = make(), anyio.Event()

        async def run() -> None:
            async with handling(store):
                has_begun.set()
                await anyio.sleep_forever()

        with anyio.fail_after(30):
            await cancelled(run, has_begun.wait)
            async with handling(store):
                pass

    anyio.run(body, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_store_that_hangs_does_not_block_a_cancellation(
    backend: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(handling_module, "_STORE_SECONDS", 0.01)

    class Hanging(Awaited):
        async def release(self, *_: object) -> None:
            await anyio.sleep(10)  # not for ever, so that this test ends if it fails

    async def body() -> None:
        has_begun = anyio.Event()

        async def run() -> None:
            async with handling(Hanging()):
                has_begun.set()
                await anyio.sleep_forever()

        with anyio.fail_after(30):
            await cancelled_by_scope(run, has_begun.wait)

    anyio.run(body, backend=backend)
    assert "TimeoutError" in caplog.text


class Waiting:
    """A store in a database: each step waits for it."""

    def __init__(self) -> None:
        self.inner = MemoryReplayStore()
        self.has_begun = threading.Event()
        self.has_responded = threading.Event()

    def _wait(self) -> None:
        self.has_responded.clear()
        self.has_begun.set()
        if not self.has_responded.wait(10):
            raise TimeoutError

    def claim(self, webhook_id: str, seconds: int, /) -> str | None:
        self._wait()
        return self.inner.claim(webhook_id, seconds)

    def confirm(self, webhook_id: str, token: str, seconds: int, /) -> None:
        self._wait()
        self.inner.confirm(webhook_id, token, seconds)

    def release(self, webhook_id: str, token: str, /) -> None:
        self._wait()
        self.inner.release(webhook_id, token)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_store_that_waits_does_not_block_the_event_loop(backend: str) -> None:
    store = Waiting()
    others: list[str] = []

    async def respond() -> None:
        """Another task of the event loop: if it does not run, no step ends."""
        while True:
            if store.has_begun.is_set():
                store.has_begun.clear()
                others.append("ran")
                store.has_responded.set()
            await anyio.sleep(0.001)

    async def body() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(respond)
            with pytest.raises(LookupError):
                async with handling(store):
                    raise LookupError
            await verifier(store).averify(BODY, signed(BODY))
            with pytest.raises(WebhookReplayedError):
                await handling(store).aclaim()
            group.cancel_scope.cancel()

    anyio.run(body, backend=backend)
    assert len(others) == 5
