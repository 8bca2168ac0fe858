"""The ready sources of subject tokens, and managed identities as API keys on Azure."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import respx
from faults.leak_checks import assert_nowhere, shown_by
from mint.service import app_for, request_secret
from starlette.testclient import TestClient

from identity.conftest import SUBJECT, client_of, identity_of
from openai_realtime import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    AzureManagedIdentity,
    ConfigurationError,
    GcpMetadata,
    RealtimeSessionsClient,
    SubjectTokenFile,
    SyncRealtimeSessionsClient,
    WorkloadIdentity,
    providers,
    workload_identity,
)
from openai_realtime.core.wire import Headers, Response
from openai_realtime.subject_tokens import read_access_token
from openai_realtime.testing import MockRealtimeServer, MockResponse, mock_realtime

if TYPE_CHECKING:
    from backends import Backend

    from openai_realtime.core.strict_json import Json

JWT = "urn:ietf:params:oauth:token-type:jwt"
ENTRA_PATH = (
    "/metadata/identity/oauth2/token?api-version=2018-02-01"
    "&resource=https%3A%2F%2Fcognitiveservices.azure.com&client_id=c"
)
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"


async def async_source() -> str:
    return SUBJECT


class AwaitableSource:
    async def __call__(self) -> str:
        return SUBJECT


def exchanged(server: MockRealtimeServer) -> dict[str, Json]:
    """Return the body of the last exchange."""
    body = server.identity.requests[-1].json
    assert isinstance(body, dict)
    return body


def test_a_token_file_is_read_anew_for_each_exchange(
    backend: Backend, server: MockRealtimeServer, tmp_path: Path
) -> None:
    file = tmp_path / "token"

    async def body() -> None:
        identity = identity_of(server, SubjectTokenFile(file))
        async with client_of(backend, server, api_key=identity) as client:
            for token in ("eyJ.first.x", "eyJ.second.x"):
                file.write_text(f" {token}\n")
                await client.sessions.create()
                assert exchanged(server)["subject_token"] == token
                assert exchanged(server)["subject_token_type"] == JWT
                server.identity.revoke()

    backend.run(body)


def test_the_default_file_is_that_of_kubernetes() -> None:
    assert SubjectTokenFile().path == "/var/run/secrets/kubernetes.io/serviceaccount/token"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "No such file or directory"),
        (b"\n", "there is no token"),
        (b"a b", "not visible ASCII"),
    ],
)
def test_a_file_without_a_token(
    backend: Backend,
    server: MockRealtimeServer,
    tmp_path: Path,
    content: bytes | None,
    problem: str,
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)

    async def body() -> None:
        identity = identity_of(server, SubjectTokenFile(os.fspath(file)))
        async with client_of(backend, server, api_key=identity) as client:
            with pytest.raises(APIConnectionError, match=problem) as caught:
                await client.sessions.create()
            assert f"Subject token from {file}: " in str(caught.value)
            assert caught.value.step == "subject_token"

    backend.run(body)
    assert not server.identity.requests


@pytest.mark.parametrize("source", [async_source, AwaitableSource()])
def test_an_async_callable(backend: Backend, server: MockRealtimeServer, source: Any) -> None:
    async def body() -> None:
        identity = identity_of(server, source, subject_token_type="id")
        async with client_of(backend, server, api_key=identity) as client:
            if backend.is_sync:
                with pytest.raises(ConfigurationError, match="subject_token is an async callable"):
                    await client.sessions.create()
                return
            await client.sessions.create()
            assert exchanged(server)["subject_token"] == SUBJECT
            assert exchanged(server)["subject_token_type"] == ID_TOKEN

    backend.run(body)


class Pending:
    """It can be awaited, and is no coroutine."""

    def __await__(self) -> Any:
        yield from async_source().__await__()


def test_what_can_be_awaited_is_refused_by_the_sync_client(server: MockRealtimeServer) -> None:
    identity = identity_of(server, Pending)
    with (
        SyncRealtimeSessionsClient(base_url=server.base_url, api_key=identity) as client,
        pytest.raises(ConfigurationError, match="async callable"),
    ):
        client.sessions.create()


@pytest.mark.parametrize("returned", ["", "  ", None, 7, "ü", ZeroDivisionError, StopIteration])
def test_a_callable_that_fails(backend: Backend, server: MockRealtimeServer, returned: Any) -> None:
    def source() -> str:
        if isinstance(returned, type):
            raise returned
        text: str = returned
        return text

    async def body() -> None:
        async with client_of(backend, server, api_key=identity_of(server, source)) as client:
            with pytest.raises(APIConnectionError, match="^Subject token: ") as caught:
                await client.sessions.create()
            assert (caught.value.step, caught.value.retryable) == ("subject_token", False)
            if returned is ZeroDivisionError:
                assert isinstance(caught.value.__cause__, ZeroDivisionError)
                assert "raised ZeroDivisionError" in str(caught.value)

    backend.run(body)
    assert not server.identity.requests


def test_azure_managed_identity(backend: Backend, server: MockRealtimeServer) -> None:
    source = AzureManagedIdentity(endpoint=server.metadata_url, msi_res_id="/a/b")

    async def body() -> None:
        async with client_of(backend, server, api_key=identity_of(server, source)) as client:
            await client.sessions.create()

    backend.run(body)
    metadata, exchange = server.identity.requests
    assert metadata.method == "GET"
    assert metadata.path == (
        "/metadata/identity/oauth2/token?api-version=2018-02-01"
        "&resource=https%3A%2F%2Fmanagement.azure.com%2F&msi_res_id=%2Fa%2Fb"
    )
    assert metadata.headers["metadata"] == "true"
    assert "content-length" not in metadata.headers
    assert isinstance(exchange.json, dict)
    assert exchange.json["subject_token_type"] == JWT
    assert str(exchange.json["subject_token"]).startswith("eyJ")


def test_gcp_metadata(backend: Backend, server: MockRealtimeServer) -> None:
    source = GcpMetadata(endpoint=server.metadata_url)

    async def body() -> None:
        async with client_of(backend, server, api_key=identity_of(server, source)) as client:
            await client.sessions.create()

    backend.run(body)
    metadata, exchange = server.identity.requests
    assert metadata.path == (
        "/computeMetadata/v1/instance/service-accounts/default/identity"
        "?audience=https%3A%2F%2Fapi.openai.com%2Fv1"
    )
    assert metadata.headers["metadata-flavor"] == "Google"
    assert isinstance(exchange.json, dict)
    assert exchange.json["subject_token_type"] == ID_TOKEN


def test_the_real_metadata_services() -> None:
    assert AzureManagedIdentity().endpoint == "http://169.254.169.254"
    assert GcpMetadata().endpoint == "http://metadata.google.internal"


@pytest.mark.parametrize(
    ("response", "kind", "message"),
    [
        (MockResponse(400, {"error": "invalid_request", "error_description": "Identity not found"}),
         APIConnectionError, "400 invalid_request: Identity not found"),
        (MockResponse(302, headers={"location": "http://x/"}), APIConnectionError, "302: "),
        (MockResponse(body=b"<html>"), APIResponseValidationError, "not a JSON object"),
        (MockResponse(json={}), APIConnectionError, "there is no token"),
        (MockResponse(drop="before"), APIConnectionError, "The connection was lost"),
    ],
)  # fmt: skip
def test_a_metadata_service_that_fails(
    backend: Backend,
    server: MockRealtimeServer,
    response: MockResponse,
    kind: type[APIError],
    message: str,
) -> None:
    source = AzureManagedIdentity(endpoint=server.metadata_url)

    async def body() -> None:
        server.identity.respond_next(response)
        identity = identity_of(server, source)
        async with client_of(backend, server, api_key=identity, max_retries=0) as client:
            with pytest.raises(kind, match=message) as caught:
                await client.sessions.create()
            assert f"Subject token from {server.metadata_url}/metadata" in str(caught.value)
            assert caught.value.step == "subject_token"

    backend.run(body)
    assert len(server.identity.requests) == 1


def test_no_proxy_and_no_http_client_is_between_a_client_and_a_metadata_service(
    backend: Backend, server: MockRealtimeServer
) -> None:
    """The user's client would send everything to a proxy that does not exist."""
    source = AzureManagedIdentity(endpoint=server.metadata_url)

    async def body() -> None:
        library: Any = httpx.Client if backend.is_sync else httpx.AsyncClient
        identity = identity_of(server, source)
        http_client = library(proxy="http://127.0.0.1:1")
        client = client_of(
            backend, server, api_key=identity, http_client=http_client, max_retries=0
        )
        for _ in range(2):
            with pytest.raises(APIConnectionError, match="Token exchange .*Could not connect"):
                await client.sessions.create()
        await client.aclose()
        if backend.is_sync:
            http_client.close()
        else:
            await http_client.aclose()

    backend.run(body)
    assert len(server.identity.requests) == 2


@pytest.mark.parametrize("auth", ["key", "token"])
def test_a_managed_identity_as_the_api_key_of_azure(backend: Backend, auth: Any) -> None:
    async def body() -> None:
        with MockRealtimeServer(provider="azure") as server:
            provider = providers.azure("https://x.openai.azure.com", auth=auth)
            api_key = AzureManagedIdentity(endpoint=server.metadata_url, client_id="c")
            provider = replace(provider, base_url=server.base_url)
            async with backend.client(provider=provider, api_key=api_key) as client:
                await client.sessions.create()
                server.identity.revoke()
                assert (await client.sessions.create()).meta.attempts == 2
                server.identity.revoke()
                server.identity.respond_next(MockResponse(404))
                with pytest.raises(APIConnectionError, match="^Access token from ") as caught:
                    await client.with_options(max_retries=0).sessions.create()
                assert (caught.value.step, caught.value.attempts) == ("access_token", 1)
            assert {request.path for request in server.identity.requests} == {ENTRA_PATH}
            assert len(server.identity.requests) == 3
            first = server.requests[0].headers
            assert first["authorization"].startswith("Bearer eyJ")
            assert "api-key" not in first

    backend.run(body)


def test_respx_meets_the_exchange(backend: Backend) -> None:
    identity = workload_identity(
        identity_provider_id="idp", service_account_id="sa", subject_token=lambda: SUBJECT
    )

    async def body() -> None:
        with respx.mock:
            realtime = mock_realtime(api_key="sk-another")
            async with backend.client(api_key=identity) as client:
                await client.sessions.create()
            (exchange,) = realtime.identity.requests
            assert exchange.path == "/oauth/token"

    backend.run(body)


def test_the_mint_service_has_the_identity_of_its_client(server: MockRealtimeServer) -> None:
    app = app_for(
        server, limits="100/minute", client={"api_key": identity_of(server), "max_retries": 0}
    )
    with TestClient(app, headers={"x-user": "ann"}) as page:
        assert request_secret(page).status_code == 200
        server.identity.revoke()
        server.identity.respond_next(MockResponse(403, {"error": "invalid_grant"}))
        assert request_secret(page).json()["error"] == "provider_failed"
        server.identity.respond_next(MockResponse(503))
        assert request_secret(page).json()["error"] == "provider_unavailable"
        assert request_secret(page).status_code == 200
    assert len(server.identity.requests) == 4


RIGHT: dict[str, Any] = {
    "identity_provider_id": "idp",
    "service_account_id": "sa",
    "subject_token": lambda: SUBJECT,
}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"identity_provider_id": ""}, "identity_provider_id must be"),
        ({"service_account_id": None}, "service_account_id must be"),
        ({"subject_token": SUBJECT}, "subject_token must be SubjectTokenFile"),
        ({"subject_token_type": "saml"}, 'subject_token_type must be "jwt" or "id"'),
        ({"subject_token_type": []}, 'subject_token_type must be "jwt" or "id"'),
        ({"refresh_buffer_seconds": -1}, "refresh_buffer_seconds must be"),
        ({"refresh_buffer_seconds": "1"}, "refresh_buffer_seconds must be"),
        ({"refresh_buffer_seconds": float("inf")}, "refresh_buffer_seconds must be"),
        (
            {"token_url": "http://auth.openai.com/oauth/token"},
            "token_url is unusable: it must be https, because plain http",
        ),
    ],
)
def test_an_unusable_identity(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as caught:
        workload_identity(**{**RIGHT, **wrong})
    assert_nowhere([SUBJECT], [("error", str(caught.value))])


@pytest.mark.parametrize(
    ("kind", "wrong", "message"),
    [
        (AzureManagedIdentity, {"client_id": "a", "object_id": "b"}, "pass one of client_id"),
        (AzureManagedIdentity, {"resource": ""}, "resource must be"),
        (AzureManagedIdentity, {"endpoint": "http://10.0.0.1"}, "endpoint is unusable"),
        (AzureManagedIdentity, {"endpoint": "https://169.254.169.254"}, "endpoint is unusable"),
        (GcpMetadata, {"endpoint": "http://metadata.google.internal:81"}, "endpoint is unusable"),
        (GcpMetadata, {"endpoint": "http://metadata.google.internal.evil"}, "endpoint is unusable"),
        (GcpMetadata, {"endpoint": 7}, "endpoint is unusable"),
        (GcpMetadata, {"audience": "\n"}, "audience must be"),
    ],
)
def test_an_unusable_source(kind: Any, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        kind(**wrong)


@pytest.mark.parametrize(
    ("api_key", "provider", "message"),
    [
        (
            workload_identity(**RIGHT),
            providers.azure("https://x.example"),
            "Azure.*AzureManagedIdentity",
        ),
        (workload_identity(**RIGHT), providers.xai(), "xAI takes no access tokens"),
        (
            workload_identity(**RIGHT),
            providers.compatible("https://x.example", auth=providers.API_KEY),
            "takes no access tokens",
        ),
        (AzureManagedIdentity(), providers.openai(), "OpenAI takes no Entra tokens"),
        (GcpMetadata(), providers.openai(), r"AzureManagedIdentity\(\), not a GcpMetadata$"),
        (
            SubjectTokenFile(),
            providers.openai(),
            r"AzureManagedIdentity\(\), not a SubjectTokenFile$",
        ),
    ],
)
def test_a_provider_that_does_not_take_the_tokens(
    api_key: Any, provider: providers.Provider, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        RealtimeSessionsClient(provider=provider, api_key=api_key)


def test_a_gateway_may_take_entra_tokens_for_a_resource_of_its_own() -> None:
    gateway = providers.compatible("https://gateway.example/v1")
    RealtimeSessionsClient(
        provider=gateway, api_key=AzureManagedIdentity(resource="api://gateway.example")
    )


def test_an_identity_is_not_passed_on_to_another_provider(server: MockRealtimeServer) -> None:
    client = RealtimeSessionsClient(api_key=identity_of(server))
    with pytest.raises(ConfigurationError, match="XAI_API_KEY"):
        client.with_options(provider=providers.xai())


def test_the_reprs_show_the_settings_and_no_token() -> None:
    identity = workload_identity(**RIGHT)
    assert isinstance(identity, WorkloadIdentity)
    assert "identity_provider_id='idp'" in repr(identity)
    client = SyncRealtimeSessionsClient(api_key=identity)
    assert SUBJECT not in repr(client) + repr(identity)
    assert list(shown_by(ConfigurationError(repr(client))))


def test_a_lifetime_without_limit() -> None:
    body = b'{"access_token": "access-token", "expires_in": 1' + b"0" * 400 + b"}"
    token, lifetime = read_access_token(Response(200, Headers({}), body))
    assert (token, lifetime) == ("access-token", 1e9)  # a float can carry it
