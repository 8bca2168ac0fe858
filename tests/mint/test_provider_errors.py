from __future__ import annotations

from typing import Any

import pytest

from mint.service import PAGE, app_for, ask, browser
from openai_realtime import (
    APIResponseValidationError,
    APITimeoutError,
    CertificateError,
    ClientClosedError,
    ConfigurationError,
    RealtimeError,
)
from openai_realtime.mint.provider_errors import refusal_for
from openai_realtime.testing import MockRealtimeServer, MockResponse

LEAK = "provider-said-this"


def failure(status: int, code: str = LEAK, **headers: str) -> MockResponse:
    return MockResponse(
        status,
        json={"error": {"message": f"{LEAK} sk-1234567890abcdef1234", "code": code}},
        headers={"x-request-id": "req_provider", "x-leak": LEAK, **headers},
    )


@pytest.mark.parametrize(
    ("answer", "status", "code", "retry_after"),
    [
        (failure(400), 502, "provider_failed", None),
        (failure(401), 502, "provider_failed", None),
        (failure(403), 502, "provider_failed", None),
        (failure(404, "model_not_found"), 502, "provider_failed", None),
        (failure(429), 429, "provider_busy", None),
        (failure(429, **{"retry-after": "90.5"}), 429, "provider_busy", "91"),
        (failure(429, **{"retry-after": "999999999"}), 429, "provider_busy", "86400"),
        (failure(429, "insufficient_quota"), 502, "provider_failed", None),
        (failure(500), 502, "provider_failed", None),
        (failure(502), 502, "provider_failed", None),
        (failure(503), 503, "provider_unavailable", None),
        (failure(503, **{"retry-after": "70"}), 503, "provider_unavailable", "70"),
        (failure(529), 503, "provider_unavailable", None),
        (failure(302, location="https://evil.example/"), 502, "provider_failed", None),
        (MockResponse(200, json={LEAK: LEAK}), 502, "provider_failed", None),
        (MockResponse(200, json={"client_secret": None}), 502, "provider_failed", None),
        (MockResponse(200, body=f"<html>{LEAK}".encode()), 502, "provider_failed", None),
        (MockResponse(drop="before"), 503, "provider_unavailable", None),
        (MockResponse(drop="during"), 503, "provider_unavailable", None),
        (MockResponse(delay=30), 503, "provider_unavailable", None),
    ],
    ids=str,
)
def test_the_provider_is_not_echoed(
    provider: MockRealtimeServer,
    caplog: pytest.LogCaptureFixture,
    answer: MockResponse,
    status: int,
    code: str,
    retry_after: str | None,
) -> None:
    provider.respond_next(*[answer] * 3)
    with browser(app_for(provider, client={"timeout": 0.2 if answer.delay else 5})) as page:
        told = ask(page, {"origin": PAGE})
    assert (told.status_code, told.json()["error"]) == (status, code)
    assert told.headers.get("retry-after") == retry_after
    assert list(told.json()) == ["error", "message", "request_id"]
    everything = f"{told.text} {told.headers}"
    assert LEAK not in everything
    assert "sk-" not in everything
    assert "req_provider" not in everything
    # The operator is told, by the same request id.
    (record,) = [record for record in caplog.records if record.name == "openai_realtime.mint"]
    facts: dict[str, Any] = vars(record)
    assert facts["request_id"] == told.json()["request_id"]
    assert facts["error"]
    assert "sk-123" not in str(facts)


def test_a_provider_that_is_not_there(provider: MockRealtimeServer) -> None:
    app = app_for(provider)
    provider.stop()
    with browser(app) as page:
        assert ask(page).status_code == 503


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CertificateError(LEAK), "provider_failed"),  # waiting is no help: somebody must see to it
        (APITimeoutError(LEAK), "provider_unavailable"),
        (ClientClosedError(LEAK), "provider_unavailable"),
        (ConfigurationError(LEAK), "provider_failed"),  # a key callable that has no key
        (APIResponseValidationError(LEAK), "provider_failed"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_without_an_answer(error: RealtimeError, code: str) -> None:
    refusal = refusal_for(error)
    assert refusal.reason.code == code
    assert LEAK not in str(refusal)


def test_the_client_stays_its_owners_to_close(provider: MockRealtimeServer) -> None:
    app = app_for(provider, close_client=False)
    for _ in range(2):
        with browser(app) as page:
            assert ask(page).status_code == 200


def test_a_client_that_was_closed(provider: MockRealtimeServer) -> None:
    app = app_for(provider)
    with browser(app) as page:
        assert ask(page).status_code == 200
    with browser(app) as page:  # the first one closed it
        answer = ask(page)
    assert (answer.status_code, answer.json()["error"]) == (503, "provider_unavailable")
