"""A realtime server without a socket: it returns the response to each request.

The differences between providers are in `profiles.py`.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import Protocol, cast
from urllib.parse import parse_qs

from openai_realtime.core.strict_json import decode_json
from openai_realtime.dialects import JsonObject, nested_response
from openai_realtime.errors import ParameterError
from openai_realtime.resources import calls
from openai_realtime.testing.messages import MockResponse, RecordedRequest, error_response
from openai_realtime.testing.mock_sessions import CREATE_SESSION, SDP_ANSWER, as_object, new_id
from openai_realtime.testing.phone import MOCK_WEBHOOK_SECRET, MockCall, MockPhone, unknown_call
from openai_realtime.testing.profiles import Profile

MOCK_API_KEY = "sk-mock-key-for-tests"
"""The key that the mock accepts by default."""

_MODEL: JsonObject = {
    "object": "model",
    "created": 1_700_000_000,
    "owned_by": "mock",
    "shutdown_date": None,
}
# A page of any origin may read the responses, as at the real API. The rules are those of the Fetch
# standard: https://fetch.spec.whatwg.org/#http-cors-protocol.
_CORS = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "location, retry-after, x-request-id",
}
_PREFLIGHT = {
    **_CORS,
    "access-control-allow-methods": "POST",
    "access-control-allow-headers": "authorization, content-type",
    "access-control-max-age": "600",
}


class Peers(Protocol):
    """The WebRTC peers of the calls that clients create."""

    def answer(self, call_id: str, offer: str, session: JsonObject) -> str:
        """Return the SDP answer. Raises `ParameterError` for an unusable offer."""
        ...

    def hang_up(self, call_id: str) -> None:
        """End the call with this id, if there is one."""
        ...


@dataclass(frozen=True, slots=True)
class _MintedSecret:
    """A secret's session, and when the secret expires (seconds since 1970)."""

    session: JsonObject
    expires_at: float


class MockBackend:
    """Responds like a provider's realtime endpoints. Every minted secret is new."""

    def __init__(
        self, profile: Profile, *, api_key: str | None, peers: Peers | None = None
    ) -> None:
        self.requests: list[RecordedRequest] = []
        """The received requests, oldest first."""
        self._profile = profile
        self._required_key = api_key
        self._request_numbers = itertools.count(1)
        self._peers = peers
        self._secrets: dict[str, _MintedSecret] = {}
        self._script: deque[MockResponse] = deque()
        self._calls: dict[str, MockCall] = {}
        self._rejects_unknown_calls = False

    def respond_next(self, *responses: MockResponse) -> None:
        """Send `responses` to the next requests, one each, and then the default responses again."""
        for response in responses:
            if not isinstance(cast("object", response), MockResponse):
                message = "respond_next takes MockResponse(…)s"
                raise TypeError(message)
        self._script.extend(responses)

    def forget_script(self) -> None:
        """Drop the scripted responses that have not been sent."""
        self._script.clear()

    def phone(self, *, webhook_url: str, secret: str = MOCK_WEBHOOK_SECRET) -> MockPhone:
        """Return a phone whose calls send webhooks to `webhook_url`, signed with `secret`.

            call = server.phone(webhook_url="http://127.0.0.1:8000/webhooks/openai").ring()
            assert call.wait_for_decision().kind == "accepted"

        After that the calls endpoints respond with 404 to the id of a call that does not exist.
        Without a phone they accept any id.
        """
        self._rejects_unknown_calls = True
        return MockPhone(webhook_url, secret, self._add_call)

    def expire_secrets(self) -> None:
        """Expire every secret that was minted so far."""
        self._secrets = {
            value: replace(secret, expires_at=0) for value, secret in self._secrets.items()
        }

    def respond(self, request: RecordedRequest) -> MockResponse:
        """Record a request and return its response, scripted or default.

        A CORS preflight request is not recorded, and takes no scripted response.
        """
        is_from_page = "origin" in request.headers
        is_preflight = "access-control-request-method" in request.headers
        if is_from_page and is_preflight and request.method == "OPTIONS":
            return MockResponse(204, body=b"", headers=_PREFLIGHT)
        self.requests.append(request)
        try:
            response = self._script.popleft()
        except IndexError:
            response = self._default_response(request)
        return (
            replace(response, headers={**_CORS, **response.headers}) if is_from_page else response
        )

    def _default_response(self, request: RecordedRequest) -> MockResponse:
        request_id = f"req_mock_{next(self._request_numbers)}"
        response = self._route(request)
        headers = {self._profile.request_id_header: request_id, "openai-processing-ms": "1"}
        return replace(response, headers={**headers, **response.headers})

    def _route(self, request: RecordedRequest) -> MockResponse:
        endpoint, *below = self._profile.route(request.path.partition("?")[0])
        if endpoint is None:
            return error_response(404, f"Invalid URL ({request.method} {request.path})")
        try:
            return self._rejection(request, endpoint, below) or self._act(request, endpoint, below)
        except ParameterError as error:
            # A server's message does not have the client's hint about extra_body.
            message = str(error).partition(" (extra_body")[0]
            return error_response(400, message, code="invalid_value", param=error.param)

    def _rejection(
        self, request: RecordedRequest, endpoint: str, below: list[str]
    ) -> MockResponse | None:
        """Return the error response that does not depend on the request's body, or None."""
        path, _, query = request.path.partition("?")
        version = parse_qs(query).get("api-version", [None])[0]
        if request.method != ("GET" if endpoint == "models" else "POST"):
            return error_response(405, f"Not allowed to {request.method} on {path}")
        if endpoint == "calls" and not below and not self._may_offer(request):
            return error_response(401, "This operation requires ephemeral tokens")
        if not self._is_authorized(request, endpoint):
            return error_response(401, "Incorrect API key provided", code="invalid_api_key")
        required = self._profile.provider.default_query.get("api-version")
        if version != required:
            message = (
                f"api-version must be {required}"
                if required
                else "api-version is not accepted here"
            )
            return error_response(400, message, param="api-version")
        if endpoint == "models":
            return None
        return self._profile.reject_dialect(endpoint, request.headers)

    def _act(self, request: RecordedRequest, endpoint: str, below: list[str]) -> MockResponse:
        if endpoint == "models":
            return MockResponse(200, {"id": below[0], **_MODEL})
        if below:
            return self._act_on_call(request, *below)
        if endpoint == "calls":
            return self._create_call(request)
        parameters = self._profile.parse_request(_json_object(request.body), endpoint)
        session = CREATE_SESSION[endpoint](parameters)
        body = self._profile.format_response(session)
        value, _ = _secret_in(body)
        _, expires_at = _secret_in(session)
        nested = as_object(nested_response(session).get("session"))
        self._secrets[value] = _MintedSecret(nested, expires_at)
        return MockResponse(self._profile.success, body)

    def _act_on_call(self, request: RecordedRequest, call_id: str, action: str) -> MockResponse:
        parameters = _json_object(request.body) if request.body else {}
        parameters.pop("type", None)
        parameters = calls.ACTIONS[action].validate(parameters)
        call = self._calls.get(call_id)
        if call is not None:
            response = call.act(action, parameters)
        else:
            response = unknown_call() if self._rejects_unknown_calls else MockResponse(body=b"")
        if action == "hangup" and self._peers is not None:
            self._peers.hang_up(call_id)
        return response

    def _add_call(self, call: MockCall) -> None:
        self._calls[call.call_id] = call

    def _create_call(self, request: RecordedRequest) -> MockResponse:
        content_type = request.headers.get("content-type", "").partition(";")[0]
        session: JsonObject | None = None
        if content_type == "application/sdp":
            offer = request.body.decode("utf-8", "replace")
        elif content_type == "multipart/form-data":
            offer = request.parts.get("sdp", ("", ""))[1]
            parameters: JsonObject = {"sdp": offer}
            if "session" in request.parts:
                session = _json_object(request.parts["session"][1].encode(), "session")
                parameters["session"] = session
            calls.CREATE.validate(parameters)
        else:
            return error_response(415, f"Content type {content_type} is not supported")
        if not offer.startswith("v=0"):
            return error_response(400, "The SDP offer is not valid", param="sdp")
        if session is None:
            secret = self._secrets.get(self._credential(request))
            session = {} if secret is None else secret.session
        call_id = new_id("rtc")
        answer = SDP_ANSWER
        if self._peers is not None:
            answer = self._peers.answer(call_id, offer, session).encode()
        call = MockCall(call_id)
        call.act("accept", {})
        self._add_call(call)
        headers = {"content-type": "application/sdp", "location": f"/v1/realtime/calls/{call_id}"}
        return MockResponse(201, body=answer, headers=headers)

    def _may_offer(self, request: RecordedRequest) -> bool:
        """Return whether an offer comes as its server requires: Azure takes no key and no form."""
        if not self._profile.provider.offer_needs_secret:
            return True
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        is_form = request.headers.get("content-type", "").startswith("multipart/")
        return token in self._secrets and not is_form

    def _is_authorized(self, request: RecordedRequest, endpoint: str) -> bool:
        if self._profile.provider.auth is None:
            return True
        credential = self._credential(request)
        secret = self._secrets.get(credential)
        if secret is not None:
            return endpoint == "calls" and time.time() < secret.expires_at
        return bool(credential) and self._required_key in {None, credential}

    def _credential(self, request: RecordedRequest) -> str:
        """Return a request's API key or client secret, or an empty string."""
        for scheme in self._profile.auth_schemes:
            value = request.headers.get(scheme.header, "")
            if value.startswith(scheme.prefix) and value != scheme.prefix:
                return value.removeprefix(scheme.prefix)
        return ""


def _json_object(content: bytes, name: str = "The body") -> JsonObject:
    try:
        value = decode_json(content)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        message = f"{name} is not a JSON object"
        raise ParameterError(message)
    return value


def _secret_in(body: JsonObject) -> tuple[str, float]:
    """Return a session's secret, and when it expires."""
    inner = body.get("client_secret")
    secret = inner if isinstance(inner, dict) else body
    return str(secret.get("value")), cast("float", secret.get("expires_at"))
