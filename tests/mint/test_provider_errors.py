from __future__ import annotations

from typing import Any

import pytest

from mint.service import PAGE, app_for, browser, request_secret
from openai_realtime import (
    APIResponseValidationError,
    APITimeoutError,
    CertificateError,
    ClientClosedError,
    ConfigurationError,
    RealtimeError,
)
from openai_realtime.mint.errors import endpoint_error_for
from openai_realtime.testing import MockRealtimeServer, MockResponse

LEAK = "provider-said-this"


def failure(status: int, code: str = LEAK, **headers: str) -> MockResponse:
    return MockResponse(
        status,
        json={"error": {"message": f"{LEAK} sk-1234567890abcdef1234", "code": code}},
        headers={"x-request-id": "req_provider", "x-leak": LEAK, **headers},
    )


@pytest.mark.parametrize(
    ("mock_response", "status", "code", "retry_after"),
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
def test_a_response_contains_nothing_of_the_provider(
    provider: MockRealtimeServer,
    caplog: pytest.LogCaptureFixture,
    mock_response: MockResponse,
    status: int,
    code: str,
    retry_after: str | None,
) -> None:
    provider.respond_next(*[mock_response] * 3)
    with browser(app_for(provider, client={"timeout": 0.2 if mock_response.delay else 5})) as page:
        response = request_secret(page, {"origin": PAGE})
    assert (response.status_code, response.json()["error"]) == (status, code)
    assert response.headers.get("retry-after") == retry_after
    assert list(response.json()) == ["error", "message", "request_id"]
    everything = f"{response.text} {response.headers}"
    assert LEAK not in everything
    assert "sk-" not in everything
    assert "req_provider" not in everything
    # The log has it, with the same request id.
    (record,) = [record for record in caplog.records if record.name == "openai_realtime.mint"]
    fields: dict[str, Any] = vars(record)
    assert fields["request_id"] == response.json()["request_id"]
    assert fields["error"]
    assert "sk-123" not in str(fields)


def test_an_unreachable_provider_is_503(provider: MockRealtimeServer) -> None:
    app = app_for(provider)
    provider.stop()
    with browser(app) as page:
        assert request_secret(page).status_code == 503


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (
            CertificateError(LEAK),
            "provider_failed",
        ),  # waiting does not help: an operator has to act
        (APITimeoutError(LEAK), "provider_unavailable"),
        (ClientClosedError(LEAK), "provider_unavailable"),
        (ConfigurationError(LEAK), "provider_failed"),  # a key callable that has no key
        (APIResponseValidationError(LEAK), "provider_failed"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_without_a_response(error: RealtimeError, code: str) -> None:
    refusal = endpoint_error_for(error)
    assert refusal.code.name == code
    assert LEAK not in str(refusal)


def test_the_client_is_not_closed_by_default(provider: MockRealtimeServer) -> None:
    app = app_for(provider, close_client=False)
    for _ in range(2):
        with browser(app) as page:
            assert request_secret(page).status_code == 200


def test_a_closed_client_is_503(provider: MockRealtimeServer) -> None:
    app = app_for(provider)
    with browser(app) as page:
        assert request_secret(page).status_code == 200
    with browser(app) as page:  # the first one closed it
        response = request_secret(page)
    assert (response.status_code, response.json()["error"]) == (503, "provider_unavailable")
