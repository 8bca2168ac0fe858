"""Wrong calls of the public API: both type checkers report the error that each line expects.

Every wrong line ends in `# mypy: CODE…, pyright: RULE…`; `test_typing.py` requires exactly these errors.
Nothing in this file is executed.
"""

from __future__ import annotations

import httpx
import redis
import redis.asyncio

import openai_realtime
from openai_realtime import (
    FunctionTool,
    RealtimeSessionCreateResponse,
    RealtimeSessionsClient,
    RetryPolicy,
    SessionCreateParams,
    SyncRealtimeSessionsClient,
    Timeout,
    WebhookVerifier,
)
from openai_realtime import RealtimeClient as Misspelt  # noqa: F401 - the mistake  # mypy: attr-defined, pyright: reportAttributeAccessIssue reportUnknownVariableType reportUnusedImport
from openai_realtime.webhooks import (
    AsyncRedisReplayStore,
    MemoryReplayStore,
    RedisReplayStore,
    on_call_incoming,
)

# One mistake a line, however long its errors are.
# fmt: off

# What no parameter takes: a stray positional argument is checked against a random one by mypy.
ANYTHING = object()

openai_realtime.RealtimeSesionsClient()  # mypy: attr-defined, pyright: reportAttributeAccessIssue reportUnknownMemberType


def read_number() -> int:
    return 1


def add(first: int, second: int) -> int:
    return first + second


# --- Clients ---------------------------------------------------------------------------------


def async_clients(sync_http: httpx.Client) -> None:
    RealtimeSessionsClient(ANYTHING)  # mypy: arg-type call-arg, pyright: reportCallIssue
    RealtimeSessionsClient(api_kee="sk-…")  # mypy: call-arg, pyright: reportCallIssue
    RealtimeSessionsClient(api_key=b"sk")  # mypy: arg-type, pyright: reportArgumentType
    RealtimeSessionsClient(api_key=read_number)  # mypy: arg-type, pyright: reportArgumentType
    RealtimeSessionsClient(api_key=add)  # mypy: arg-type, pyright: reportArgumentType
    RealtimeSessionsClient(timeout=None)  # mypy: arg-type, pyright: reportArgumentType
    RealtimeSessionsClient(timeout="5")  # mypy: arg-type, pyright: reportArgumentType
    RealtimeSessionsClient(timeout=httpx.Timeout(5))  # mypy: arg-type, pyright: reportArgumentType
    RealtimeSessionsClient(max_retries=None)  # mypy: arg-type, pyright: reportArgumentType
    RealtimeSessionsClient(max_retries=1.5)  # mypy: arg-type, pyright: reportArgumentType
    RealtimeSessionsClient(retry=3)  # mypy: arg-type, pyright: reportArgumentType
    RealtimeSessionsClient(allow_http="yes")  # mypy: arg-type, pyright: reportArgumentType
    RealtimeSessionsClient(http_client=sync_http)  # mypy: arg-type, pyright: reportArgumentType
    RealtimeSessionsClient(http_client=httpx.AsyncClient)  # mypy: arg-type, pyright: reportArgumentType
    RealtimeSessionsClient(transport="reqwest")  # mypy: arg-type, pyright: reportArgumentType
    RealtimeSessionsClient(transport=httpx.HTTPTransport())  # mypy: arg-type, pyright: reportArgumentType
    RealtimeSessionsClient(http2=True)  # mypy: call-arg, pyright: reportCallIssue
    with RealtimeSessionsClient():  # mypy: attr-defined, pyright: reportGeneralTypeIssues
        pass


def sync_clients(async_http: httpx.AsyncClient) -> None:
    SyncRealtimeSessionsClient(ANYTHING)  # mypy: arg-type call-arg, pyright: reportCallIssue
    SyncRealtimeSessionsClient(organisation="org-1")  # mypy: call-arg, pyright: reportCallIssue
    SyncRealtimeSessionsClient(http_client=async_http)  # mypy: arg-type, pyright: reportArgumentType
    SyncRealtimeSessionsClient(transport=httpx.AsyncHTTPTransport())  # mypy: arg-type, pyright: reportArgumentType
    SyncRealtimeSessionsClient(retry=RetryPolicy(retries=3))  # mypy: call-arg, pyright: reportCallIssue
    SyncRealtimeSessionsClient(timeout=Timeout(write=3))  # mypy: call-arg, pyright: reportCallIssue


def copies(client: SyncRealtimeSessionsClient) -> None:
    client.with_options(http_client=httpx.Client())  # mypy: call-arg, pyright: reportCallIssue
    client.with_options(transport=httpx.HTTPTransport())  # mypy: call-arg, pyright: reportCallIssue
    client.with_options(api_kee="sk-…")  # mypy: call-arg, pyright: reportCallIssue
    client.with_options(ANYTHING)  # mypy: arg-type call-arg, pyright: reportCallIssue
    client.aclose()  # mypy: attr-defined, pyright: reportAttributeAccessIssue reportUnknownMemberType
    client.session.create()  # mypy: attr-defined, pyright: reportAttributeAccessIssue reportUnknownMemberType


# --- sessions.create -------------------------------------------------------------------------


async def asynchronous(client: RealtimeSessionsClient) -> None:
    client.sessions.create(model="gpt-realtime-2.1")  # mypy: unused-coroutine, pyright: reportUnusedCoroutine
    await client.sessions.create(ANYTHING)  # mypy: arg-type call-arg, pyright: reportCallIssue
    await client.sessions.create(modle="gpt-realtime-2.1")  # mypy: call-arg, pyright: reportCallIssue
    await client.sessions.create(speed="fast")  # mypy: arg-type, pyright: reportArgumentType
    await client.session.create()  # mypy: attr-defined, pyright: reportAttributeAccessIssue reportUnknownMemberType
    await client.sessions.update()  # mypy: attr-defined, pyright: reportAttributeAccessIssue reportUnknownMemberType


def names(client: SyncRealtimeSessionsClient) -> None:
    client.sessions.create(voise="verse")  # mypy: call-arg, pyright: reportCallIssue
    client.sessions.create(max_output_tokens=5)  # mypy: call-arg, pyright: reportCallIssue
    client.sessions.create(input_audio_transcript=None)  # mypy: call-arg, pyright: reportCallIssue
    client.sessions.create(stream=True)  # mypy: call-arg, pyright: reportCallIssue
    client.sessions.create(extra_header={"X": "1"})  # mypy: call-arg, pyright: reportCallIssue


def no_none(client: SyncRealtimeSessionsClient) -> None:
    client.sessions.create(model=None)  # mypy: arg-type, pyright: reportArgumentType
    client.sessions.create(voice=None)  # mypy: arg-type, pyright: reportArgumentType
    client.sessions.create(instructions=None)  # mypy: arg-type, pyright: reportArgumentType
    client.sessions.create(tools=None)  # mypy: arg-type, pyright: reportArgumentType
    client.sessions.create(speed=None)  # mypy: arg-type, pyright: reportArgumentType
    client.sessions.create(timeout=None)  # mypy: arg-type, pyright: reportArgumentType
    client.sessions.create(extra_headers=None)  # mypy: arg-type, pyright: reportArgumentType


def scalars(client: SyncRealtimeSessionsClient) -> None:
    client.sessions.create(model=4)  # mypy: arg-type, pyright: reportArgumentType
    client.sessions.create(speed="1.0")  # mypy: arg-type, pyright: reportArgumentType
    client.sessions.create(temperature=[0.8])  # mypy: arg-type, pyright: reportArgumentType
    client.sessions.create(modalities="audio")  # mypy: arg-type, pyright: reportArgumentType
    client.sessions.create(modalities={"audio"})  # mypy: arg-type, pyright: reportArgumentType
    client.sessions.create(max_response_output_tokens="infinite")  # mypy: arg-type, pyright: reportArgumentType
    client.sessions.create(max_response_output_tokens=1.5)  # mypy: arg-type, pyright: reportArgumentType
    client.sessions.create(tracing="on")  # mypy: arg-type, pyright: reportArgumentType
    client.sessions.create(truncation="off")  # mypy: arg-type, pyright: reportArgumentType


def turn_detection(client: SyncRealtimeSessionsClient) -> None:
    client.sessions.create(turn_detection="server_vad")  # mypy: arg-type, pyright: reportArgumentType
    client.sessions.create(turn_detection={"treshold": 0.5})  # mypy: arg-type, pyright: reportArgumentType
    client.sessions.create(turn_detection={"type": "vad"})  # mypy: arg-type, pyright: reportArgumentType
    client.sessions.create(turn_detection={"threshold": "loud"})  # mypy: arg-type, pyright: reportArgumentType
    client.sessions.create(turn_detection={"eagerness": "keen"})  # mypy: arg-type, pyright: reportArgumentType
    client.sessions.create(turn_detection={"create_response": None})  # mypy: arg-type, pyright: reportArgumentType


def nested(client: SyncRealtimeSessionsClient) -> None:
    client.sessions.create(voice={"name": "verse"})  # mypy: arg-type, pyright: reportArgumentType
    client.sessions.create(voice={"id": 3})  # mypy: arg-type, pyright: reportArgumentType
    client.sessions.create(input_audio_transcription="gpt-transcribe")  # mypy: arg-type, pyright: reportArgumentType
    client.sessions.create(input_audio_transcription={"lang": "en"})  # mypy: arg-type, pyright: reportArgumentType
    client.sessions.create(input_audio_noise_reduction={"type": "far"})  # mypy: arg-type, pyright: reportArgumentType
    client.sessions.create(truncation={"retention_ratio": 0.5})  # mypy: arg-type, pyright: reportArgumentType
    client.sessions.create(prompt={"version": "2"})  # mypy: arg-type, pyright: reportArgumentType
    client.sessions.create(client_secret={"seconds": 60})  # mypy: typeddict-unknown-key, pyright: reportArgumentType
    client.sessions.create(client_secret={"expires_after": 60})  # mypy: typeddict-item, pyright: reportArgumentType
    client.sessions.create(extra_headers={"X-Shop": 7})  # mypy: dict-item, pyright: reportArgumentType
    client.sessions.create(extra_query=["a=1"])  # mypy: arg-type, pyright: reportArgumentType


def tools(client: SyncRealtimeSessionsClient) -> None:
    client.sessions.create(tools=FunctionTool.from_function(add))  # mypy: arg-type, pyright: reportArgumentType
    client.sessions.create(tools=[add])  # mypy: list-item, pyright: reportArgumentType
    client.sessions.create(tools=["add"])  # mypy: list-item, pyright: reportArgumentType
    client.sessions.create(tools=[{"name": "add"}])  # mypy: list-item, pyright: reportArgumentType
    client.sessions.create(tools=[{"type": "tool", "name": "add"}])  # mypy: list-item, pyright: reportArgumentType
    client.sessions.create(tool_choice={"type": "function"})  # mypy: arg-type, pyright: reportArgumentType
    FunctionTool.from_function("add")  # mypy: arg-type, pyright: reportArgumentType
    FunctionTool.from_function()  # mypy: call-arg, pyright: reportCallIssue


def parameters_kept_in_a_dict() -> SessionCreateParams:
    params: SessionCreateParams = {"modle": "gpt-realtime-2.1"}  # mypy: typeddict-unknown-key, pyright: reportAssignmentType
    params["speed"] = "fast"  # mypy: typeddict-item, pyright: reportGeneralTypeIssues
    return params


# --- transcription_sessions.create -----------------------------------------------------------


def transcription(client: SyncRealtimeSessionsClient) -> None:
    client.transcription_sessions.create(model="gpt-transcribe")  # mypy: call-arg, pyright: reportCallIssue
    client.transcription_sessions.create(voice="verse")  # mypy: call-arg, pyright: reportCallIssue
    client.transcription_sessions.create(input_audio_transcription=None)  # mypy: arg-type, pyright: reportArgumentType
    client.transcription_sessions.create(client_secret={"expires": {}})  # mypy: typeddict-unknown-key, pyright: reportArgumentType


# --- Secret pools -----------------------------------------------------------------------------


def pools(client: SyncRealtimeSessionsClient) -> None:
    client.secret_pool(sise=8)  # mypy: call-arg, pyright: reportCallIssue
    client.secret_pool(size="8")  # mypy: arg-type, pyright: reportArgumentType
    client.secret_pool(voise="verse")  # mypy: call-arg, pyright: reportCallIssue


# --- Responses -------------------------------------------------------------------------------


def responses(session: RealtimeSessionCreateResponse) -> None:
    session.client_secret.valeu.upper()  # mypy: attr-defined, pyright: reportAttributeAccessIssue reportUnknownMemberType
    session.request_id.upper()  # mypy: attr-defined, pyright: reportAttributeAccessIssue reportUnknownMemberType
    session.meta.request_id.upper()  # mypy: union-attr, pyright: reportOptionalMemberAccess
    session.model.upper()  # mypy: union-attr, pyright: reportOptionalMemberAccess
    session.meta.attempts = 2  # mypy: misc, pyright: reportAttributeAccessIssue
    session.client_secret = None  # mypy: assignment, pyright: reportAttributeAccessIssue


# --- Webhooks --------------------------------------------------------------------------------


def webhooks(headers: dict[str, str]) -> None:
    WebhookVerifier("whsec_…", replay_store=set[str]())  # mypy: arg-type, pyright: reportArgumentType
    RedisReplayStore(redis.asyncio.Redis())  # mypy: arg-type, pyright: reportArgumentType
    AsyncRedisReplayStore(redis.Redis())  # mypy: arg-type, pyright: reportArgumentType
    WebhookVerifier("whsec_…", replay_store=MemoryReplayStore)  # mypy: arg-type, pyright: reportArgumentType
    WebhookVerifier("whsec_…", 300)  # mypy: call-arg, pyright: reportCallIssue
    on_call_incoming(print, handle="after")  # mypy: arg-type, pyright: reportArgumentType
    WebhookVerifier().verify(b"", None)  # mypy: arg-type, pyright: reportArgumentType
    str(WebhookVerifier().verify(b"", headers).call_id)  # mypy: union-attr, pyright: reportAttributeAccessIssue reportUnknownMemberType reportUnknownArgumentType
