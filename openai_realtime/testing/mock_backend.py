"""A realtime server without a socket: it returns the response to each request.

The differences between providers are in `profiles.py`.
"""

from __future__ import annotations

import itertools
import math
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import cast
from urllib.parse import parse_qs

from openai_realtime.core.retirements import find_retirements
from openai_realtime.core.strict_json import Json, decode_json
from openai_realtime.dialects import JsonObject, nested_response
from openai_realtime.errors import ParameterError
from openai_realtime.providers import BEARER, AuthScheme
from openai_realtime.resources import calls
from openai_realtime.testing.data_channel import AZURE_FILTER, EVERYTHING, Permissions
from openai_realtime.testing.mock_calls import MockCall, Peers, unknown_call, unknown_session
from openai_realtime.testing.mock_identity import MockIdentity
from openai_realtime.testing.mock_live import (
    RefusedError,
    check_model,
    checked_parameters,
)
from openai_realtime.testing.mock_sessions import (
    CREATE_SESSION,
    SDP_ANSWER,
    as_object,
    check_session,
    new_id,
    secret_in,
)
from openai_realtime.testing.mock_sideband import join_call, refused_handshake
from openai_realtime.testing.phone import MOCK_WEBHOOK_SECRET, MockPhone
from openai_realtime.testing.profiles import MockResponse, Profile, RecordedRequest, error_response

MOCK_API_KEY = "sk-mock-key-for-tests"
"""The key that the mock accepts by default."""

_MODEL: JsonObject = {
    "object": "model",
    "created": 1_700_000_000,
    "owned_by": "mock",
}
# A page of any origin may send what it asks for and read every response. The rules are those of the
# Fetch standard: https://fetch.spec.whatwg.org/#http-cors-protocol.
_ASKED = {
    "access-control-request-method": "access-control-allow-methods",
    "access-control-request-headers": "access-control-allow-headers",
    "access-control-request-private-network": "access-control-allow-private-network",
}
_ANY_ORIGIN = {"access-control-allow-origin": "*"}
_PREFLIGHT = {
    **_ANY_ORIGIN,
    "access-control-allow-headers": "authorization, content-type",
    "access-control-max-age": "600",
}
_METHODS = {"models": ("GET", "HEAD"), "sideband": ("GET",)}
_BODILESS = frozenset({"reject", "hangup"})
_JSON = "application/json"
_OFFERS = ("application/sdp", "multipart/form-data")


@dataclass(frozen=True, slots=True)
class _MintedSecret:
    """A secret's session, and when the secret expires (seconds since 1970)."""

    session: JsonObject
    expires_at: float


class MockBackend:
    """Responds like a provider's realtime endpoints. Every minted secret is new."""

    def __init__(
        self,
        profile: Profile,
        *,
        api_key: str | None,
        peers: Peers | None = None,
        usage_interval: float = math.inf,
    ) -> None:
        self.requests: list[RecordedRequest] = []
        """The received requests, oldest first."""
        self.identity: MockIdentity = MockIdentity()
        """The token endpoint and the metadata services."""
        self._profile = profile
        self._required_key = api_key
        self._request_numbers = itertools.count(1)
        self._peers = peers
        self._usage_interval = usage_interval
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
        return MockPhone(webhook_url, secret, self._add_call, self._usage_interval)

    @property
    def calls(self) -> list[MockCall]:
        """The calls so far, by phone and WebRTC, oldest first."""
        return list(dict.fromkeys(self._calls.values()))

    def call(self, call_id: str) -> MockCall:
        """Return the call with an id, `rtc_…` or `live_…`. Raises `KeyError` if there is none."""
        return self._calls[call_id]

    def end_calls(self) -> None:
        """End every call that is accepted: its sidebands are closed normally."""
        for call in self.calls:
            call.close()

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
        asked = {_ASKED[name]: request.headers[name] for name in _ASKED if name in request.headers}
        if is_from_page and request.method == "OPTIONS" and "access-control-allow-methods" in asked:
            return MockResponse(204, body=b"", headers={**_PREFLIGHT, **asked})
        response = self.identity.respond(request)
        if response is not None:
            return response
        self.requests.append(request)
        try:
            response = self._script.popleft()
        except IndexError:
            response = self._default_response(request)
        if not is_from_page:
            return response
        readable = ", ".join(sorted({"location", *map(str.lower, response.headers)}))
        cors = {**_ANY_ORIGIN, "access-control-expose-headers": readable}
        return replace(response, headers={**cors, **response.headers})

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
        except RefusedError as error:
            return error.response
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
        is_sideband = endpoint == "sideband" or "attach" in below[1:]
        methods = _METHODS.get("sideband" if is_sideband else endpoint, ("POST",))
        if request.method not in methods:
            refused = error_response(405, f"Not allowed to {request.method} on {path}")
            return replace(refused, headers={"allow": ", ".join(methods)})
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
        if is_sideband or endpoint == "models":
            return refused_handshake(request) if is_sideband else None
        takes = _OFFERS if endpoint == "calls" and not below else (_JSON,)
        return self._profile.reject_dialect(endpoint, request.headers) or _rejected_body(
            request, takes, is_required=_BODILESS.isdisjoint(below)
        )

    def _act(self, request: RecordedRequest, endpoint: str, below: list[str]) -> MockResponse:
        if endpoint == "models":
            (model,) = below
            day = next((str(row.day) for row in find_retirements({"model": model})), None)
            return MockResponse(200, {"id": model, **_MODEL, "shutdown_date": day})
        if endpoint == "sideband" or "attach" in below[1:]:
            return join_call(request, self._calls, below[0] if below else None)
        if below:
            return self._act_on_call(request, endpoint, *below)
        if endpoint == "calls":
            return self._create_call(request)
        if endpoint == "live":
            return self._create_live_session(request)
        parameters = self._profile.parse_request(_json_object(request.body), endpoint)
        named = as_object(parameters.get("session", parameters)).get("model")
        check_model(named, is_live=False)
        session = CREATE_SESSION[endpoint](parameters)
        body = self._profile.format_response(session)
        value, _ = secret_in(body)
        _, expires_at = secret_in(session)
        nested = as_object(nested_response(session).get("session"))
        self._secrets[value] = _MintedSecret(nested, expires_at)
        return MockResponse(self._profile.success, body)

    def _act_on_call(
        self, request: RecordedRequest, endpoint: str, call_id: str, action: str
    ) -> MockResponse:
        parameters = _json_object(request.body) if request.body else {}
        is_live = endpoint == "live"
        if is_live:
            parameters = checked_parameters(action, parameters, is_azure=self._is_azure)
        else:
            parameters = _checked_action(action, parameters)
        call = self._calls.get(call_id)
        if call is not None:
            response = call.act(action, parameters, is_live=is_live)
        elif self._rejects_unknown_calls:
            response = unknown_session() if is_live else unknown_call()
        else:
            response = MockResponse(body=b"")
        return response

    def _create_live_session(self, request: RecordedRequest) -> MockResponse:
        parameters = checked_parameters(
            "create", _json_object(request.body), is_azure=self._is_azure
        )
        offer = str(as_object(parameters["transport"])["sdp"])
        if not offer.startswith("v=0"):
            return error_response(400, "The SDP offer is not valid", param="transport.sdp")
        session = as_object(parameters["session"])
        call = MockCall(
            "",
            session_id=new_id("live"),
            is_phone=False,
            usage_interval=self._usage_interval,
        )
        call.act("accept", {"session": session}, is_live=True)
        dcid = as_object(parameters["transport"]).get("dcid")
        permissions = Permissions.of_live_session(session)
        answer = self._answer(call, offer, permissions, dcid, "transport.sdp")
        transport: JsonObject = {"type": "webrtc", "sdp": answer}
        return MockResponse(201, {"session": {"id": call.session_id}, "transport": transport})

    def _answer(
        self, call: MockCall, offer: str, permissions: Permissions, dcid: Json, param: str
    ) -> str:
        """Return the SDP answer to a call's offer, and add the call."""
        answer = SDP_ANSWER.decode()
        if self._peers is not None:
            number = dcid if isinstance(dcid, int) else None
            try:
                answer = self._peers.answer(call, offer, permissions, number)
            except ParameterError as error:
                raise ParameterError(str(error), param=param) from None
        self._add_call(call)
        return answer

    @property
    def _is_azure(self) -> bool:
        return self._profile.provider.offer_needs_secret

    def _add_call(self, call: MockCall) -> None:
        self._calls.update({each: call for each in (call.call_id, call.session_id) if each})

    def _create_call(self, request: RecordedRequest) -> MockResponse:
        session: JsonObject | None = None
        if request.content_type == "application/sdp":
            offer = request.body.decode("utf-8", "replace")
        else:
            offer = request.parts.get("sdp", ("", ""))[1]
            parameters: JsonObject = {"sdp": offer}
            if "session" in request.parts:
                session = _json_object(request.parts["session"][1].encode(), "session")
                check_session(session, "session.")
                parameters["session"] = session
                check_model(session.get("model"), is_live=False)
            calls.CREATE.validate(parameters, keep_unknown=True)
        if not offer.startswith("v=0"):
            return error_response(400, "The SDP offer is not valid", param="sdp")
        if session is None:
            secret = self._secrets.get(self._credential(request))
            session = {} if secret is None else secret.session
        call = MockCall(new_id("rtc"), is_phone=False)
        call.act("accept", session)
        query = parse_qs(request.path.partition("?")[2])
        dcid = query.get("dcid", [""])[0]
        is_filtered = self._is_azure and query.get("webrtcfilter") == ["on"]
        permissions = AZURE_FILTER if is_filtered else EVERYTHING
        number = int(dcid) if dcid.isdecimal() else None
        answer = self._answer(call, offer, permissions, number, "sdp").encode()
        location = f"/v1/realtime/calls/{call.call_id}"
        headers = {"content-type": "application/sdp", "location": location}
        return MockResponse(201, body=answer, headers=headers)

    def _may_offer(self, request: RecordedRequest) -> bool:
        """Return whether an offer comes as its server requires: Azure takes no key and no form."""
        if not self._profile.provider.offer_needs_secret:
            return True
        is_form = request.content_type == "multipart/form-data"
        return _credential(request, BEARER) in self._secrets and not is_form

    def _is_authorized(self, request: RecordedRequest, endpoint: str) -> bool:
        if self._profile.provider.auth is None:
            return True
        credential = self._credential(request)
        secret = self._secrets.get(credential)
        if secret is not None:
            return endpoint == "calls" and time.time() < secret.expires_at
        is_valid = self.identity.is_valid(credential)
        if is_valid is not None:
            return is_valid
        return bool(credential) and self._required_key in {None, credential}

    def _credential(self, request: RecordedRequest) -> str:
        """Return a request's API key or client secret, or an empty string."""
        schemes = self._profile.auth_schemes
        return next(filter(None, (_credential(request, scheme) for scheme in schemes)), "")


def _checked_action(action: str, parameters: JsonObject) -> JsonObject:
    """Return the parameters of an action on a Realtime call; raises what a server refuses."""
    if action == "accept":
        check_session(parameters, "")
        check_model(parameters.get("model"), is_live=False)
        if parameters.pop("type") != "realtime":
            message = "type must be realtime"
            raise ParameterError(message, param="type")
    return calls.ACTIONS[action].validate(parameters, keep_unknown=True)


def _credential(request: RecordedRequest, scheme: AuthScheme) -> str:
    value = request.headers.get(scheme.header, "")
    prefix, credential = value[: len(scheme.prefix)], value[len(scheme.prefix) :].strip()
    return credential if prefix.lower() == scheme.prefix.lower() else ""


def _rejected_body(
    request: RecordedRequest, takes: tuple[str, ...], *, is_required: bool
) -> MockResponse | None:
    """Return the error response to a body without a length or of another type, or None."""
    if request.headers.keys().isdisjoint({"content-length", "transfer-encoding"}):
        return error_response(411, "Content-Length is required") if is_required else None
    # A body without a type counts as JSON: RFC 9110, section 8.3, lets a server examine the data.
    if not request.body or request.content_type in {"", *takes}:
        return None
    message = f"Unsupported content type: this endpoint accepts {' and '.join(takes)}"
    return error_response(415, message, code="unsupported_content_type")


def _json_object(content: bytes, name: str = "The body") -> JsonObject:
    try:
        value = decode_json(content)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        message = f"{name} is not a JSON object"
        raise ParameterError(message)
    return value
