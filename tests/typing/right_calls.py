"""Right calls of the public API: both type checkers accept every line and infer the asserted types.

`test_typing.py` runs the checkers. Nothing in this file is executed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, assert_type

import httpx
import httpx2
import redis
import redis.asyncio
from pydantic import Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

import openai_realtime
from openai_realtime import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    CertificateError,
    ClientSecret,
    FunctionTool,
    ParameterError,
    RateLimitError,
    RateLimits,
    RealtimeCallIncoming,
    RealtimeError,
    RealtimeSessionCreateResponse,
    RealtimeSessionsClient,
    RealtimeTranscriptionSessionCreateResponse,
    ResponseMeta,
    RetryPolicy,
    SessionCreateParams,
    SyncRealtimeSessionsClient,
    Timeout,
    TranscriptionSessionCreateParams,
    WebhookEvent,
    WebhookVerifier,
)
from openai_realtime.errors import Phase
from openai_realtime.mint import Authorize, ServiceOptions, mint_app
from openai_realtime.mint.secret_issuer import SecretSource
from openai_realtime.resources.sessions import AsyncSessions, Sessions
from openai_realtime.resources.transcription_sessions import (
    AsyncTranscriptionSessions,
    TranscriptionSessions,
)
from openai_realtime.secret_pool import PoolStats, SecretPool, SyncSecretPool
from openai_realtime.secrets import EphemeralKey
from openai_realtime.testing import (
    MockRealtimeServer,
    MockResponse,
    RealtimeRoutes,
    RecordedRequest,
    mock_realtime,
)
from openai_realtime.testing.mock_calls import CallDecision
from openai_realtime.types import AnyWebhookEvent
from openai_realtime.types.audio import CustomVoice, Transcription, TurnDetection, VoiceName
from openai_realtime.types.tools import McpTool, ToolChoiceFunctionParam
from openai_realtime.webhooks import (
    AsyncRedisReplayStore,
    LiveTransportConnected,
    LiveTransportIncoming,
    MemoryReplayStore,
    RedisReplayStore,
    SafetyIdentifierBlocked,
    on_call_incoming,
)


def read_key() -> str:
    return "sk-…"


async def fetch_token() -> str:
    return "ey…"


class KeyHolder:
    """A callable object is as good as a function."""

    async def __call__(self) -> str:
        return "ey…"


def look_up_weather(city: str, days: Annotated[int, Field(ge=1, le=7)] = 1) -> list[str]:
    """Look up the weather."""
    return [city] * days


async def look_up_order(number: str) -> dict[str, object]:
    """Look up an order."""
    return {"number": number}


# --- Clients ---------------------------------------------------------------------------------


async def async_clients() -> None:
    async with RealtimeSessionsClient() as client:
        assert_type(client, RealtimeSessionsClient)
        assert_type(client.sessions, AsyncSessions)
        assert_type(client.transcription_sessions, AsyncTranscriptionSessions)
        assert_type(client.base_url, str)
        copy = client.with_options(timeout=5, max_retries=0, api_key=fetch_token, base_url=None)
        assert_type(copy, RealtimeSessionsClient)
    await client.aclose()

    RealtimeSessionsClient(
        api_key="sk-…",
        base_url="https://example.com/v1",
        organization="org-1",
        project="proj_1",
        timeout=Timeout(total=8.0, connect=2, read=5, pool=1),
        max_retries=4,
        retry=RetryPolicy(base_delay=0.1, max_delay=2, statuses=frozenset({429})),
        allow_http=True,
    )
    RealtimeSessionsClient(base_url=httpx.URL("https://example.com/v1"))
    RealtimeSessionsClient(api_key=None, base_url=None, organization=None, project=None)
    RealtimeSessionsClient(api_key=read_key)
    RealtimeSessionsClient(api_key=fetch_token)
    RealtimeSessionsClient(api_key=KeyHolder())
    RealtimeSessionsClient(api_key=lambda: "sk-…")
    RealtimeSessionsClient(http_client=httpx.AsyncClient(), timeout=2.5)
    RealtimeSessionsClient(http_client=None)
    RealtimeSessionsClient(http_client=httpx2.AsyncClient())
    RealtimeSessionsClient(transport=httpx.AsyncHTTPTransport(http2=True))
    RealtimeSessionsClient(transport=httpx2.AsyncHTTPTransport(uds="/run/gateway.sock"))
    RealtimeSessionsClient(transport=httpx.MockTransport(lambda _: httpx.Response(200)))
    RealtimeSessionsClient(transport=None)


def sync_clients() -> None:
    with SyncRealtimeSessionsClient() as client:
        assert_type(client, SyncRealtimeSessionsClient)
        assert_type(client.sessions, Sessions)
        assert_type(client.transcription_sessions, TranscriptionSessions)
        assert_type(client.base_url, str)
        assert_type(client.with_options(project="proj_2"), SyncRealtimeSessionsClient)
    client.close()

    SyncRealtimeSessionsClient(api_key="sk-…", retry=RetryPolicy(max_retries=0))
    SyncRealtimeSessionsClient(api_key=read_key)
    SyncRealtimeSessionsClient(http_client=httpx.Client())
    SyncRealtimeSessionsClient(http_client=None)
    SyncRealtimeSessionsClient(transport=httpx.HTTPTransport(http2=True))
    SyncRealtimeSessionsClient(transport=httpx2.HTTPTransport())
    SyncRealtimeSessionsClient(transport=httpx.MockTransport(lambda _: httpx.Response(200)))


class TracedClient(RealtimeSessionsClient):
    """`with_options` and `async with` keep a subclass."""


async def subclasses() -> None:
    async with TracedClient() as client:
        assert_type(client, TracedClient)
        assert_type(client.with_options(timeout=1), TracedClient)


# --- sessions.create -------------------------------------------------------------------------


async def a_session_with_everything(client: RealtimeSessionsClient) -> None:
    session = await client.sessions.create(
        model="gpt-realtime-2.1",
        modalities=["text", "audio"],
        instructions="Be brief.",
        voice="verse",
        input_audio_format="pcm16",
        output_audio_format="g711_ulaw",
        input_audio_transcription={"model": "gpt-transcribe", "language": "en", "prompt": "hm"},
        input_audio_noise_reduction={"type": "near_field"},
        turn_detection={
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 500,
            "idle_timeout_ms": None,
            "create_response": True,
            "interrupt_response": False,
        },
        speed=1,
        temperature=0.8,
        max_response_output_tokens="inf",
        tools=[
            FunctionTool.from_function(look_up_weather),
            FunctionTool.from_function(look_up_order),
            {"type": "function", "name": "hang_up"},
            {"type": "function", "name": "wait", "description": "Wait.", "parameters": {}},
        ],
        tool_choice={"type": "function", "name": "hang_up"},
        tracing={"workflow_name": "calls", "group_id": "7", "metadata": {"shop": 7}},
        truncation={
            "type": "retention_ratio",
            "retention_ratio": 0.5,
            "token_limits": {"post_instructions": 4000},
        },
        prompt={"id": "pmpt_1", "version": "2", "variables": {"city": "Paris"}},
        include=["item.input_audio_transcription.logprobs"],
        client_secret={"expires_after": {"anchor": "created_at", "seconds": 60}},
        timeout=Timeout(total=5),
        safety_identifier="a2f9",
        extra_headers={"X-Shop": "7"},
        extra_query={"api-version": "1"},
        extra_body={"anything": [1, None]},
    )
    assert_type(session, RealtimeSessionCreateResponse)


def values_nobody_has_heard_of(client: SyncRealtimeSessionsClient, name: str) -> None:
    """Known names are offered, and every other one is taken."""
    session = client.sessions.create(
        model=name,
        voice={"id": "voice_1"},
        modalities=["smell"],
        input_audio_format=name,
        input_audio_transcription={"model": name},
        tool_choice=name,
        include=[name],
        max_response_output_tokens=4096,
    )
    assert_type(session, RealtimeSessionCreateResponse)


def none_switches_off(client: SyncRealtimeSessionsClient) -> None:
    client.sessions.create(
        input_audio_transcription=None,
        input_audio_noise_reduction=None,
        turn_detection=None,
        tracing=None,
        prompt=None,
        include=None,
    )
    client.sessions.create()


async def parameters_kept_in_a_dict(client: RealtimeSessionsClient) -> None:
    params: SessionCreateParams = {"model": "gpt-realtime-2.1", "speed": 1.1, "timeout": 4}
    assert_type(await client.sessions.create(**params), RealtimeSessionCreateResponse)
    others: TranscriptionSessionCreateParams = {"include": None}
    assert_type(
        await client.transcription_sessions.create(**others),
        RealtimeTranscriptionSessionCreateResponse,
    )


# --- transcription_sessions.create -----------------------------------------------------------


async def a_transcription_session(client: RealtimeSessionsClient) -> None:
    session = await client.transcription_sessions.create(
        input_audio_format="pcm16",
        input_audio_transcription={"model": "gpt-live-transcribe", "language": "de"},
        input_audio_noise_reduction=None,
        turn_detection={"type": "semantic_vad", "eagerness": "low"},
        modalities=["text"],
        include=["item.input_audio_transcription.logprobs"],
        client_secret={"expires_after": {"seconds": 120}},
        timeout=3.5,
    )
    assert_type(session, RealtimeTranscriptionSessionCreateResponse)
    assert_type(session.client_secret, ClientSecret)


def a_blocking_transcription_session(client: SyncRealtimeSessionsClient) -> None:
    session = client.transcription_sessions.create(client_secret={"expires_at": {"seconds": 60}})
    assert_type(session, RealtimeTranscriptionSessionCreateResponse)
    assert_type(session.input_audio_transcription, Transcription | None)


# --- Responses -------------------------------------------------------------------------------


def read_an_answer(session: RealtimeSessionCreateResponse) -> str:
    assert_type(session.client_secret, ClientSecret)
    assert_type(session.client_secret.value, EphemeralKey)
    assert_type(session.client_secret.expires_at, int)
    assert_type(session.client_secret.expires_at_datetime, datetime | None)
    assert_type(session.client_secret.seconds_left, float | None)
    assert_type(session.client_secret.is_expired, bool)

    assert_type(session.id, str | None)
    assert_type(session.expires_at, int | None)
    assert_type(session.voice, VoiceName | CustomVoice | None)
    assert_type(session.speed, float)
    assert_type(session.temperature, float | None)
    assert_type(session.turn_detection, TurnDetection | None)
    assert_type(session.tools, list[FunctionTool | McpTool] | None)
    assert_type(
        session.tool_choice,
        Literal["auto", "none", "required"] | str | ToolChoiceFunctionParam | None,
    )
    assert_type(session.max_response_output_tokens, int | Literal["inf"] | str | None)

    value: str = session.client_secret.value
    return value


def read_how_it_went(meta: ResponseMeta) -> None:
    assert_type(meta.status, int)
    assert_type(meta.request_id, str | None)
    assert_type(meta.attempts, int)
    assert_type(meta.elapsed, float)
    assert_type(meta.possible_orphans, int)
    assert_type(meta.processing_time, float | None)
    assert_type(meta.headers, Mapping[str, str])
    assert_type(meta.unreadable, Mapping[str, object])
    assert_type(meta.rate_limits, RateLimits)
    assert_type(meta.rate_limits.remaining_requests, int | None)
    assert_type(meta.rate_limits.reset_tokens, float | None)


def every_answer_has_meta(
    session: RealtimeSessionCreateResponse, other: RealtimeTranscriptionSessionCreateResponse
) -> None:
    assert_type(session.meta, ResponseMeta)
    assert_type(session.meta.request_id, str | None)
    assert_type(other.meta, ResponseMeta)


# --- Tools -----------------------------------------------------------------------------------


def tools() -> None:
    tool = FunctionTool.from_function(look_up_weather)
    assert_type(tool, FunctionTool)
    assert_type(tool.name, str | None)
    assert_type(tool.description, str | None)
    assert_type(tool.parameters, dict[str, object] | None)
    FunctionTool(name="hang_up", description="Hang up.", parameters={"type": "object"})


# --- Errors ----------------------------------------------------------------------------------


def errors(client: SyncRealtimeSessionsClient) -> None:
    try:
        client.sessions.create()
    except ParameterError as error:
        assert_type(error.param, str | None)
    except RateLimitError as error:
        assert_type(error.status_code, int)
        assert_type(error.retry_after, float | None)
        assert_type(error.headers, Mapping[str, str])
    except APIStatusError as error:
        assert_type(error.status_code, int)
        assert_type(error.body, object)
        assert_type(error.code, str | None)
        assert_type(error.type, str | None)
        assert_type(error.param, str | None)
    except (APITimeoutError, CertificateError) as error:
        assert_type(error.phase, Phase)
    except APIConnectionError as error:
        assert_type(error.phase, Phase)
        assert_type(error.possibly_acted, bool)
    except APIResponseValidationError as error:
        assert_type(error.status_code, int)
    except APIError as error:
        assert_type(error.message, str)
        assert_type(error.request_id, str | None)
        assert_type(error.attempts, int)
        assert_type(error.possible_orphans, int)
        assert_type(error.retryable, bool)
        assert_type(error.hint, str | None)
    except RealtimeError as error:
        assert_type(error.args, tuple[Any, ...])


# --- Secret pools -----------------------------------------------------------------------------


async def a_pool(client: RealtimeSessionsClient) -> None:
    async with client.secret_pool(size=8, min_size=2, min_ttl=30, voice="verse") as pool:
        assert_type(pool, SecretPool)
        assert_type(await pool.acquire(min_ttl=60, timeout=5), RealtimeSessionCreateResponse)
        assert_type(pool.stats(), PoolStats)
        assert_type(pool.stats().last_error, Exception | None)


def a_pool_for_the_mint_service(client: RealtimeSessionsClient) -> SecretSource:
    return client.secret_pool(size=8, voice="verse")


def a_mint_service(client: RealtimeSessionsClient, authorize: Authorize) -> None:
    needed: ServiceOptions = {"session": {"model": "gpt-realtime-2.1"}, "authorize": authorize}
    assert_type(mint_app(client, **needed), Starlette)


def a_pool_for_threads(client: SyncRealtimeSessionsClient) -> None:
    with client.secret_pool(concurrency=2, name="verse", model="gpt-realtime-2.1") as pool:
        assert_type(pool, SyncSecretPool)
        assert_type(pool.acquire(), RealtimeSessionCreateResponse)


# --- Testing ---------------------------------------------------------------------------------


def a_mock_server() -> None:
    with MockRealtimeServer(api_key=None, port=0) as server:
        assert_type(server, MockRealtimeServer)
        assert_type(server.base_url, str)
        assert_type(server.api_key, str)
        assert_type(server.requests, list[RecordedRequest])
        server.respond_next(MockResponse(429, json={"error": {}}), MockResponse(drop="before"))
    assert_type(mock_realtime(), RealtimeRoutes)


assert_type(openai_realtime.__version__, str)


# --- Webhooks --------------------------------------------------------------------------------


async def webhooks(body: bytes, headers: dict[str, str], request: Request) -> None:
    WebhookVerifier(["whsec_…", "whsec_…"], tolerance=60, replay_store=MemoryReplayStore())
    WebhookVerifier("whsec_…", replay_store=RedisReplayStore(redis.Redis()), clock=lambda: 1)
    verifier = WebhookVerifier(replay_store=AsyncRedisReplayStore(redis.asyncio.Redis()))
    event = verifier.verify(body, headers)
    verifier.verify(body.decode(), [(b"webhook-id", b"1")])
    assert_type(event, AnyWebhookEvent)
    if isinstance(event, RealtimeCallIncoming):
        assert_type(event.call_id, str)
        assert_type(event.from_number, str | None)
    elif isinstance(event, LiveTransportIncoming):
        assert_type(event.session_id, str)
        assert_type(event.from_number, str | None)
    elif isinstance(event, LiveTransportConnected):
        assert_type(event.session_id, str)
    elif isinstance(event, SafetyIdentifierBlocked):
        assert_type(event.data.safety_category, str)
    else:
        assert_type(event, WebhookEvent)
        assert_type(event.data, object)
    assert_type(await verifier.averify(body, request.headers), AnyWebhookEvent)
    with verifier.handling(body, headers, claim_timeout=30) as event:
        assert_type(event, AnyWebhookEvent)
    async with verifier.handling(body, request.headers) as event:
        assert_type(event, AnyWebhookEvent)


class OnlyClaims:
    def claim(self, webhook_id: str, seconds: int, /) -> bool:
        return bool(webhook_id and seconds)


class OnlyClaimsLater:
    async def claim(self, webhook_id: str, seconds: int, /) -> bool:
        return bool(webhook_id and seconds)


class Store:
    def claim(self, webhook_id: str, seconds: int, /) -> str | None:
        return f"{webhook_id} {seconds}"

    def confirm(self, webhook_id: str, token: str, seconds: int, /) -> None: ...

    def release(self, webhook_id: str, token: str, /) -> int:
        return len(webhook_id + token)


class StoreLater:
    async def claim(self, webhook_id: str, seconds: int, /) -> str | None:
        return f"{webhook_id} {seconds}"

    async def confirm(self, webhook_id: str, token: str, seconds: int, /) -> None: ...

    async def release(self, webhook_id: str, token: str, /) -> bool:
        return bool(webhook_id + token)


def stores_of_ones_own() -> None:
    for store in (OnlyClaims(), OnlyClaimsLater(), Store(), StoreLater()):
        WebhookVerifier("whsec_…", replay_store=store)


async def answer(call: RealtimeCallIncoming) -> None: ...


def answer_in_a_thread(call: RealtimeCallIncoming) -> None: ...


async def answer_live(call: LiveTransportIncoming) -> None: ...


async def answer_both(call: RealtimeCallIncoming | LiveTransportIncoming) -> None: ...


def phone_calls(verifier: WebhookVerifier, server: MockRealtimeServer) -> None:
    assert_type(on_call_incoming(answer, verifier=verifier, path="/calls"), Route)
    assert_type(on_call_incoming(answer_in_a_thread), Route)
    assert_type(on_call_incoming(answer_live, api="live"), Route)
    assert_type(on_call_incoming(answer_both, api="both"), Route)
    assert_type(on_call_incoming(answer, handle="before_response", claim_timeout=5), Route)
    call = server.phone(webhook_url="http://…", secret="whsec_…").ring(from_="+49", to="+1")
    assert_type(call.wait_for_decision("accepted", timeout=1), CallDecision)
    assert_type(call.wait_for_delivery(), int)
