"""What a realtime server answers, as a function: request in, answer out.

Owns: routing, authorization, error texts. Must not know: sockets, respx, pytest, or how a session
looks (`minted.py`). What differs between providers is in `profiles.py`.
"""

from __future__ import annotations

import itertools
from collections import deque
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qs

from openai_realtime.core.strict_json import decode_json
from openai_realtime.errors import ParameterError
from openai_realtime.resources import calls
from openai_realtime.testing.messages import MockAnswer, RecordedRequest, refusal
from openai_realtime.testing.minted import MINTS, SDP_ANSWER, new_id
from openai_realtime.testing.phone import MOCK_WEBHOOK_SECRET, MockPhone
from openai_realtime.testing.phone_calls import MockCall, unknown_call
from openai_realtime.testing.profiles import Profile

if TYPE_CHECKING:
    from collections.abc import Callable

    from openai_realtime.dialects import JsonObject

MOCK_API_KEY = "sk-mock-key-for-tests"
"""The key that the mock accepts unless it is told another."""


class MockRealtime:
    """Answers as a provider's realtime endpoints do. Every secret it mints is another one."""

    def __init__(self, profile: Profile, *, api_key: str | None) -> None:
        self.requests: list[RecordedRequest] = []
        """What arrived, oldest first."""
        self._profile = profile
        self._required_key = api_key
        self._numbers = itertools.count(1)
        self._secrets: set[str] = set()
        self._script: deque[MockAnswer] = deque()
        self._calls: dict[str, MockCall] = {}
        self._knows_every_call = False

    def respond_next(self, *answers: MockAnswer) -> None:
        """Answer the next requests with `answers`, one each; after them, as usual again."""
        for answer in answers:
            given = cast("object", answer)
            if not isinstance(given, MockAnswer):
                message = "respond_next takes MockAnswer(…)s"
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

    def answer(self, request: RecordedRequest) -> MockAnswer:
        """Record a request and return its answer, scripted or usual."""
        self.requests.append(request)
        try:
            return self._script.popleft()
        except IndexError:
            return self._usual_answer(request)

    def _usual_answer(self, request: RecordedRequest) -> MockAnswer:
        number = next(self._numbers)
        answer = self._checked(request)
        headers = {
            self._profile.request_id_header: f"req_mock_{number}",
            "openai-processing-ms": "1",
            **answer.headers,
        }
        return MockAnswer(answer.status, answer.json, answer.body, headers)

    def _checked(self, request: RecordedRequest) -> MockAnswer:
        endpoint, *below = self._profile.route(request.path.partition("?")[0])
        if endpoint is None:
            return refusal(404, f"Invalid URL ({request.method} {request.path})")
        try:
            return self._refused(request, endpoint) or self._act(request, endpoint, below)
        except ParameterError as error:
            told = str(error).partition(" (extra_body")[0]  # advice of the client's, not a server's
            return refusal(400, told, code="invalid_value", param=error.param)

    def _refused(self, request: RecordedRequest, endpoint: str) -> MockAnswer | None:
        path, _, query = request.path.partition("?")
        version = parse_qs(query).get("api-version", [None])[0]
        if request.method != "POST":
            return refusal(405, f"Not allowed to {request.method} on {path}")
        if not self._is_authorized(request, endpoint):
            return refusal(401, "Incorrect API key provided", code="invalid_api_key")
        if version != self._profile.provider.query.get("api-version"):
            return refusal(400, "api-version is not what it must be here", param="api-version")
        return None if self._profile.serves(endpoint) else self._profile.retired

    def _act(self, request: RecordedRequest, endpoint: str, below: list[str]) -> MockAnswer:
        if below:
            given = self._json(request) if request.body else {}
            given = {name: given[name] for name in given if name != "type"}
            call_id, action = below
            return self._decide(call_id, action, calls.ACTIONS[action].plain(given))
        if endpoint == "calls":
            return _begin_call(request, self._take_call)
        given = self._json(request)
        session = MINTS[endpoint](self._profile.understood(given, endpoint))
        answer = self._profile.shaped(session)
        self._secrets.add(_secret_in(answer))
        return MockAnswer(self._profile.success, answer)

    def _decide(self, call_id: str, action: str, given: JsonObject) -> MockAnswer:
        call = self._calls.get(call_id)
        if call is not None:
            return call.act(action, given)
        return unknown_call() if self._knows_every_call else MockAnswer(body=b"")

    def _take_call(self, call: MockCall) -> None:
        self._calls[call.call_id] = call

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
        for scheme in self._profile.auth_schemes:
            value = request.headers.get(scheme.header, "")
            key = value.removeprefix(scheme.prefix)
            if value.startswith(scheme.prefix) and key:
                is_secret = key in self._secrets and endpoint == "calls"
                return is_secret or self._required_key is None or key == self._required_key
        return False


def _begin_call(request: RecordedRequest, take: Callable[[MockCall], None]) -> MockAnswer:
    kind = request.headers.get("content-type", "").partition(";")[0]
    if kind == "application/sdp":
        offer = request.body.decode("utf-8", "replace")
    elif kind == "multipart/form-data":
        offer = request.parts.get("sdp", ("", ""))[1]
        session = request.parts.get("session")
        given: JsonObject = {"sdp": offer}
        if session is not None:
            given["session"] = decode_json(session[1].encode())
        calls.CREATE.plain(given)
    else:
        return refusal(415, f"Content type {kind} is not supported")
    if not offer.startswith("v=0"):
        return refusal(400, "The SDP offer is not valid", param="sdp")
    call_id = new_id("rtc")
    call = MockCall(call_id)
    call.act("accept", {})
    take(call)
    headers = {"content-type": "application/sdp", "location": f"/v1/realtime/calls/{call_id}"}
    return MockAnswer(201, body=SDP_ANSWER, headers=headers)


def _secret_in(answer: JsonObject) -> str:
    inner = answer.get("client_secret")
    return str(inner.get("value") if isinstance(inner, dict) else answer.get("value"))
