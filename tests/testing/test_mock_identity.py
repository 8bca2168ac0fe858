"""The mock's token endpoint and metadata services, over plain HTTP."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from openai_realtime.testing import MockRealtimeServer, MockResponse

EXCHANGE = {
    "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
    "subject_token": "eyJ.subject.x",
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    "identity_provider_id": "idp",
    "service_account_id": "sa",
}
AZURE = "/metadata/identity/oauth2/token"
GCP = "/computeMetadata/v1/instance/service-accounts/default/identity"


@pytest.fixture(scope="module")
def server() -> Iterator[MockRealtimeServer]:
    with MockRealtimeServer() as server:
        yield server


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"grant_type": "refresh_token"}, "grant_type must be"),
        ({"subject_token_type": "jwt"}, "subject_token_type must be one of"),
        ({"subject_token": ""}, "subject_token must be"),
        ({"identity_provider_id": None}, "identity_provider_id must be"),
        ({"service_account_id": 7}, "service_account_id must be"),
    ],
)
def test_a_wrong_exchange_is_refused(
    server: MockRealtimeServer, changes: dict[str, Any], problem: str
) -> None:
    response = httpx.post(server.token_url, json={**EXCHANGE, **changes})
    assert response.status_code == 400
    assert response.json()["error"] == "invalid_request"
    assert problem in response.json()["error_description"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"json": EXCHANGE, "headers": {"authorization": "Bearer x"}}, "Authorization"),
        ({"data": EXCHANGE}, "content type"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, "grant_type"),
        ({"json": [EXCHANGE]}, "grant_type"),
    ],
)
def test_a_wrong_request_is_refused(
    server: MockRealtimeServer, options: dict[str, Any], problem: str
) -> None:
    response = httpx.post(server.token_url, **options)
    assert response.status_code == 400
    assert problem in response.json()["error_description"]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (f"{AZURE}?api-version=1&resource=r", {}, 400),
        (f"{AZURE}?resource=r", {"metadata": "true"}, 400),
        (f"{AZURE}?api-version=1&resource=r", {"metadata": "true"}, 200),
        (f"{GCP}?audience=a", {}, 403),
        (GCP, {"metadata-flavor": "Google"}, 400),
        (f"{GCP}?audience=a", {"metadata-flavor": "Google"}, 200),
        ("/computeMetadata/v1/", {"metadata-flavor": "Google"}, 404),
    ],
)
def test_the_metadata_services(
    server: MockRealtimeServer, path: str, headers: dict[str, str], status: int
) -> None:
    assert httpx.get(f"{server.metadata_url}{path}", headers=headers).status_code == status


def test_an_access_token_is_valid_until_it_expires_or_is_revoked(
    server: MockRealtimeServer,
) -> None:
    def mint(token: str) -> int:
        headers = {"authorization": f"Bearer {token}"}
        return httpx.post(
            f"{server.base_url}/realtime/sessions", json={}, headers=headers
        ).status_code

    before = len(server.requests)
    issued = httpx.post(server.token_url, json=EXCHANGE).json()
    assert (issued["expires_in"], issued["token_type"]) == (3600, "Bearer")
    assert len(server.requests) == before
    assert mint(issued["access_token"]) == 200
    server.identity.revoke()
    assert mint(issued["access_token"]) == 401
    server.identity.lifetime = 0.05
    issued = httpx.post(server.token_url, json=EXCHANGE).json()
    time.sleep(0.06)
    assert mint(issued["access_token"]) == 401


def test_responses_are_scripted_apart_from_those_of_the_api(server: MockRealtimeServer) -> None:
    server.respond_next(MockResponse(418))
    server.identity.respond_next(MockResponse(400, {"error": "invalid_grant"}))
    assert httpx.post(server.token_url, json=EXCHANGE).json() == {"error": "invalid_grant"}
    assert httpx.post(f"{server.base_url}/realtime/sessions", json={}).status_code == 418
