"""What a realtime server answers, as a function: request in, answer out.

Owns: routing, authorization, error texts. Must not know: sockets, respx, pytest, or how a session
looks (`minted.py`). What differs between providers is in `profiles.py`.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast
from urllib.parse import parse_qs

from openai_realtime.core.strict_json import decode_json
from openai_realtime.dialects import nested_response
from openai_realtime.errors import ParameterError
from openai_realtime.resources import calls
from openai_realtime.testing import browsers
from openai_realtime.testing.messages import MockResponse, RecordedRequest, refusal
from openai_realtime.testing.minted import MINTS, SDP_ANSWER, new_id
from openai_realtime.testing.phone import MOCK_WEBHOOK_SECRET, MockPhone
from openai_realtime.testing.phone_calls import MockCall, unknown_call
from openai_realtime.testing.profiles import Profile

if TYPE_CHECKING:
    from openai_realtime.core.strict_json import Json
    from openai_realtime.dialects import JsonObject

MOCK_API_KEY = "sk-mock-key-for-tests"
"""The key that the mock accepts unless it is told another."""


class Peers(Protocol):
    """Whoever is at the other end of the calls that are begun."""

    def answer(self, call_id: str, offer: str, session: JsonObject) -> str:
        """Return the SDP answer. Raises `ParameterError` for an unusable offer."""
        ...

    def hang_up(self, call_id: str) -> None:
        """End a call, if there is one of this id."""
        ...


@dataclass(frozen=True, slots=True)
class _Minted:
    """What a secret is good for, and until when (seconds since 1970)."""

    session: JsonObject
    expires_at: float


class MockRealtime:
    """Answers as a provider's realtime endpoints do. Every secret it mints is another one."""

    def __init__(
        self, profile: Profile, *, api_key: str | None, peers: Peers | None = None
    ) -> None:
        self.requests: list[RecordedRequest] = []
        """What arrived, oldest first."""
        self._profile = profile
        self._required_key = api_key
        self._numbers = itertools.count(1)
        self._peers = peers
        self._minted: dict[str, _Minted] = {}
        self._script: deque[MockResponse] = deque()
        self._calls: dict[str, MockCall] = {}
        self._knows_every_call = False

    def respond_next(self, *answers: MockResponse) -> None:
        """Answer the next requests with `answers`, one each; after them, as usual again."""
        for answer in answers:
            given = cast("object", answer)
            if not isinstance(given, MockResponse):
                message = "respond_next takes MockResponse(…)s"
                raise TypeError(message)
        self._script.extend(answers)

    def forget_script(self) -> None:
        """Drop the scripted answers that nobody has asked for yet."""
        self._script.clear()

    def phone(self, *, webhook_url: str, secret: str = MOCK_WEBHOOK_SECRET) -> MockPhone:
        """Return a phone; its calls ring at `webhook_url`, in webhooks signed with `secret`.

            call = server.phone(webhook_url="http://127.0.0.1:8000/webhooks/openai").ring()
            assert call.wait_for_decision().kind == "accepted"

        From now on the calls endpoints know every call there is, and answer 404 for all others.
        Without a phone they take any call's id.
        """
        self._knows_every_call = True
        return MockPhone(webhook_url, secret, self._take_call)

    def expire_secrets(self) -> None:
        """Let every secret that was minted so far be expired."""
        for secret, minted in self._minted.items():
            self._minted[secret] = _Minted(minted.session, expires_at=0)

    def answer(self, request: RecordedRequest) -> MockResponse:
        """Record a request and return its answer, scripted or usual.

        A browser's question whether it may ask (CORS) is neither recorded nor scripted.
        """
        permission = browsers.permission(request)
        if permission is not None:
            return permission
        self.requests.append(request)
        try:
            answer = self._script.popleft()
        except IndexError:
            answer = self._usual_answer(request)
        return browsers.readable(answer, request)

    def _usual_answer(self, request: RecordedRequest) -> MockResponse:
        number = next(self._numbers)
        answer = self._checked(request)
        headers = {
            self._profile.request_id_header: f"req_mock_{number}",
            "openai-processing-ms": "1",
            **answer.headers,
        }
        return MockResponse(answer.status, answer.json, answer.body, headers)

    def _checked(self, request: RecordedRequest) -> MockResponse:
        endpoint, *below = self._profile.route(request.path.partition("?")[0])
        if endpoint is None:
            return refusal(404, f"Invalid URL ({request.method} {request.path})")
        try:
            return self._refused(request, endpoint) or self._act(request, endpoint, below)
        except ParameterError as error:
            told = str(error).partition(" (extra_body")[0]  # advice of the client's, not a server's
            return refusal(400, told, code="invalid_value", param=error.param)

    def _refused(self, request: RecordedRequest, endpoint: str) -> MockResponse | None:
        path, _, query = request.path.partition("?")
        version = parse_qs(query).get("api-version", [None])[0]
        if request.method != "POST":
            return refusal(405, f"Not allowed to {request.method} on {path}")
        if not self._is_authorized(request, endpoint):
            return refusal(401, "Incorrect API key provided", code="invalid_api_key")
        if version != self._profile.provider.query.get("api-version"):
            return refusal(400, "api-version is not what it must be here", param="api-version")
        return self._profile.refused(endpoint, request.headers)

    def _act(self, request: RecordedRequest, endpoint: str, below: list[str]) -> MockResponse:
        if below:
            call_id, action = below
            given = self._json(request) if request.body else {}
            given = {name: given[name] for name in given if name != "type"}
            decided = self._decide(call_id, action, calls.ACTIONS[action].validate(given))
            if action == "hangup" and self._peers is not None:
                self._peers.hang_up(call_id)
            return decided
        if endpoint == "calls":
            return self._begin_call(request)
        given = self._json(request)
        session = MINTS[endpoint](self._profile.understood(given, endpoint))
        answer = self._profile.shaped(session)
        self._minted[_secret_in(answer)[0]] = _Minted(
            cast("JsonObject", nested_response(session).get("session", {})), _secret_in(session)[1]
        )
        return MockResponse(self._profile.success, answer)

    def _decide(self, call_id: str, action: str, given: JsonObject) -> MockResponse:
        call = self._calls.get(call_id)
        if call is not None:
            return call.act(action, given)
        return unknown_call() if self._knows_every_call else MockResponse(body=b"")

    def _take_call(self, call: MockCall) -> None:
        self._calls[call.call_id] = call

    def _begin_call(self, request: RecordedRequest) -> MockResponse:
        kind = request.headers.get("content-type", "").partition(";")[0]
        session: Json = None
        if kind == "application/sdp":
            offer = request.body.decode("utf-8", "replace")
        elif kind == "multipart/form-data":
            offer = request.parts.get("sdp", ("", ""))[1]
            given: JsonObject = {"sdp": offer}
            if "session" in request.parts:
                given["session"] = session = decode_json(request.parts["session"][1].encode())
            calls.CREATE.validate(given)
        else:
            return refusal(415, f"Content type {kind} is not supported")
        if not offer.startswith("v=0"):
            return refusal(400, "The SDP offer is not valid", param="sdp")
        if not isinstance(session, dict):
            minted = self._minted.get(self._key(request))
            session = {} if minted is None else minted.session
        call_id = new_id("rtc")
        answer = SDP_ANSWER
        if self._peers is not None:
            answer = self._peers.answer(call_id, offer, session).encode()
        call = MockCall(call_id)
        call.act("accept", {})
        self._take_call(call)
        headers = {"content-type": "application/sdp", "location": f"/v1/realtime/calls/{call_id}"}
        return MockResponse(201, body=answer, headers=headers)

    def _json(self, request: RecordedRequest) -> JsonObject:
        try:
            given = request.json
        except ValueError:
            given = None
        if not isinstance(given, dict):
            message = "The body is not a JSON object"
            raise ParameterError(message)
        return given

    def _is_authorized(self, request: RecordedRequest, endpoint: str) -> bool:
        if self._profile.provider.auth is None:
            return True
        key = self._key(request)
        minted = self._minted.get(key)
        if minted is not None:
            return endpoint == "calls" and time.time() < minted.expires_at
        return bool(key) and self._required_key in {None, key}

    def _key(self, request: RecordedRequest) -> str:
        """Return the key or secret that came with a request, or nothing."""
        for scheme in self._profile.auth_schemes:
            value = request.headers.get(scheme.header, "")
            if value.startswith(scheme.prefix) and value != scheme.prefix:
                return value.removeprefix(scheme.prefix)
        return ""


def _secret_in(answer: JsonObject) -> tuple[str, float]:
    """Return a minted secret and when it expires."""
    inner = answer.get("client_secret")
    secret = inner if isinstance(inner, dict) else answer
    return str(secret.get("value")), cast("float", secret.get("expires_at"))
