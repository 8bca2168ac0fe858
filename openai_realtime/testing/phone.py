"""The phone side of the mock: calls with their signed webhooks, and your code's decisions."""

from __future__ import annotations

import http.client
import json
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import urlsplit

from openai_realtime.core.strict_json import Json
from openai_realtime.testing.mock_sessions import new_id
from openai_realtime.testing.profiles import MockResponse, error_response
from openai_realtime.webhooks.verifier import SigningKey

MOCK_WEBHOOK_SECRET = "whsec_b3BlbmFpX3JlYWx0aW1lIG1vY2sgc2VjcmV0"  # noqa: S105 - made for tests
"""The secret that the mock signs webhooks with by default."""

_DELIVERY_SECONDS = 30.0

DecisionKind = Literal["accepted", "rejected", "referred", "hung_up", "missed"]
"""The outcome of a call; `missed`: it was neither accepted nor rejected in time."""

CallState = Literal["ringing", "accepted", "rejected", "referred", "hung_up", "missed"]
"""The state of a call."""

_KINDS: dict[str, DecisionKind] = {
    "accept": "accepted",
    "reject": "rejected",
    "refer": "referred",
    "hangup": "hung_up",
}
_REQUIRED_STATES: dict[str, CallState] = {
    "accept": "ringing",
    "reject": "ringing",
    "refer": "accepted",
    "hangup": "accepted",
}
"""The state that each action needs. By OpenAI's reference, refer and hangup need an active call."""


@dataclass(frozen=True, slots=True)
class CallDecision:
    """One decision on a call."""

    kind: DecisionKind
    parameters: dict[str, Json]
    """The request's parameters: a session, a status code, a target URI. `type` is left out."""
    seconds: float
    """The time of the decision, in seconds after the call began to ring."""
    is_live: bool = False
    """Whether it was made at GPT-Live's endpoints."""


class MockCall:
    """A call at the mock's endpoints, by phone or WebRTC. Safe to use from any thread.

    It rings until it is accepted or rejected, or is missed after `answer_within` seconds (default:
    never).
    """

    def __init__(
        self,
        call_id: str,
        answer_within: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
        *,
        session_id: str = "",
    ) -> None:
        self.call_id = call_id
        """The call's id at the Realtime API, `rtc_…`; empty if it is a GPT-Live call only."""
        self.session_id = session_id
        """The call's id at GPT-Live, `live_…`; empty if it is a Realtime call only."""
        self._answer_within = answer_within
        self._clock = clock
        self._began = clock()
        self._decisions: list[CallDecision] = []
        self._changed = threading.Condition()

    @property
    def decisions(self) -> list[CallDecision]:
        """The decisions so far, oldest first."""
        with self._changed:
            self._note_missed()
            return list(self._decisions)

    @property
    def state(self) -> CallState:
        """The call's state now."""
        decisions = self.decisions
        return decisions[-1].kind if decisions else "ringing"

    def _first_decision(self, kind: DecisionKind | None, timeout: float) -> CallDecision | None:
        """Return the first decision of `kind` (None: of any kind).

        Returns None if there is no such decision within `timeout` seconds, or before the call ends.
        """
        deadline = self._clock() + timeout
        with self._changed:
            while True:
                self._note_missed()
                for decision in self._decisions:
                    if kind in {None, decision.kind}:
                        return decision
                if self._clock() >= deadline or self._is_over():
                    return None
                remaining = min(deadline, self._missed_at()) - self._clock()
                self._changed.wait(max(0.0, remaining))

    def act(
        self, action: str, parameters: dict[str, Json], *, is_live: bool = False
    ) -> MockResponse:
        """Apply an action to the call, and return the endpoint's response."""
        with self._changed:
            self._note_missed()
            state = self._decisions[-1].kind if self._decisions else "ringing"
            # The API whose request came first has the call.
            if state not in {"ringing", "missed"} and is_live is not self._decisions[0].is_live:
                return decision_already_made()
            if self._is_over():
                return unknown_session() if is_live else unknown_call()
            if state != _REQUIRED_STATES[action]:
                still_ringing = state == "ringing"
                if not still_ringing:
                    return decision_already_made()
                return error_response(400, "The call is still ringing: accept it first")
            seconds = self._clock() - self._began
            self._decisions.append(CallDecision(_KINDS[action], parameters, seconds, is_live))
            self._changed.notify_all()
            return MockResponse(body=b"")

    def _note_missed(self) -> None:
        if self._clock() >= self._missed_at():
            self._decisions.append(CallDecision("missed", {}, self._answer_within))
            self._changed.notify_all()

    def _missed_at(self) -> float:
        return math.inf if self._decisions else self._began + self._answer_within

    def _is_over(self) -> bool:
        return bool(self._decisions) and self._decisions[-1].kind != "accepted"


def decision_already_made() -> MockResponse:
    """Return the error response for a call that was accepted or rejected, at this API or the other."""
    message = "The call is accepted already, or rejected"
    return error_response(400, message, code="decision_already_made")


def unknown_call() -> MockResponse:
    """Return the error response for a call that is over or never existed."""
    return error_response(
        404, "No call with this id is ringing or active", code="call_id_not_found"
    )


def unknown_session() -> MockResponse:
    """Return the error response for a GPT-Live session that is over or never existed."""
    message = "No session with this id is ringing or active"
    return error_response(404, message, code="session_id_not_found")


@dataclass(frozen=True, slots=True)
class SignedWebhook:
    """A signed webhook: the body and headers that are sent."""

    body: bytes
    headers: Mapping[str, str] = field(repr=False)

    def tampered(self) -> SignedWebhook:
        """Return a copy with one bit of the body changed and the signature unchanged."""
        return replace(self, body=self.body[:-1] + bytes([self.body[-1] ^ 1]))


class MockPhoneCall(MockCall):
    """A phone call whose webhook is sent to your URL; for a call at both APIs there are two."""

    def __init__(
        self,
        call_id: str,
        answer_within: float,
        *webhooks: SignedWebhook,
        session_id: str = "",
    ) -> None:
        super().__init__(call_id, answer_within, session_id=session_id)
        self.webhooks: tuple[SignedWebhook, ...] = webhooks
        """The webhooks that announced the call: for a call at both APIs, Realtime's comes first."""
        self._deliveries: list[int | Exception] = []
        """The statuses of your responses to the webhooks, or why there was no response."""

    @property
    def webhook(self) -> SignedWebhook:
        """The webhook that announced the call: `phone.deliver(call.webhook)` replays it."""
        return self.webhooks[0]

    def wait_for_decision(
        self, kind: DecisionKind | None = None, *, timeout: float = 5
    ) -> CallDecision:
        """Return the first decision on the call, or the first one of `kind`. Blocks.

        Raises `TimeoutError` if there is no such decision within `timeout` seconds, or before the
        call ends. In async code: `await anyio.to_thread.run_sync(call.wait_for_decision)`.
        """
        decision = self._first_decision(kind, timeout)
        if decision is None:
            delivery = ", ".join(map(str, self._deliveries)) or "none yet"
            message = (
                f"The call was not {kind or 'decided'}: it is {self.state}, "
                f"and the response to its webhook was: {delivery}"
            )
            raise TimeoutError(message)
        return decision

    def wait_for_delivery(self, *, timeout: float = 5) -> int:
        """Return the HTTP status of your response to the webhook; of two, the greater. Blocks.

        Raises `TimeoutError` when there is no response within `timeout` seconds, and `OSError` or
        `http.client.HTTPException` when the webhook cannot be delivered.
        """
        with self._changed:
            is_complete = self._changed.wait_for(
                lambda: len(self._deliveries) == len(self.webhooks), timeout
            )
        if not is_complete:
            message = f"There was no response to the webhook in {timeout:g} s"
            raise TimeoutError(message)
        for delivery in self._deliveries:
            if isinstance(delivery, Exception):
                raise delivery
        return max(status for status in self._deliveries if isinstance(status, int))

    def deliver(self, send: Callable[[SignedWebhook], int], webhook: SignedWebhook) -> None:
        """Send a webhook with `send`, and store the status or the error."""
        try:
            delivery: int | Exception = send(webhook)
        except (OSError, http.client.HTTPException) as error:
            delivery = error
        with self._changed:
            self._deliveries.append(delivery)
            self._changed.notify_all()


class MockPhone:
    """A phone whose calls send a webhook to one URL. `MockRealtimeServer.phone` makes it."""

    def __init__(self, webhook_url: str, secret: str, register: Callable[[MockCall], None]) -> None:
        self._url = urlsplit(webhook_url)
        self._key = SigningKey.read(secret)
        self._register = register

    def ring(  # noqa: PLR0913 - options, by name
        self,
        *,
        from_: str = "+4930123456",
        to: str = "+14155550100",
        sip_headers: Mapping[str, str] | None = None,
        answer_within: float = 5,
        age: float = 0,
        api: Literal["realtime", "live", "both"] = "realtime",
    ) -> MockPhoneCall:
        """Begin a call, and return it at once. Another thread sends the webhook.

        `api` says where it rings: `live` sends `live.transport.incoming` in place of
        `realtime.call.incoming`, and `both` sends both, as OpenAI may for one call.

        `from_` and `to` are numbers or whole SIP URIs; `sip_headers` are added to From and To. A
        call that is neither accepted nor rejected within `answer_within` seconds is missed. The
        webhook's timestamp is `age` seconds in the past; 600 is too old for a verifier.
        """
        call_id = "" if api == "live" else new_id("rtc")
        session_id = "" if api == "realtime" else new_id("live")
        headers = {"From": _sip_address(from_), "To": _sip_address(to), **(sip_headers or {})}
        data = {"sip_headers": [{"name": name, "value": headers[name]} for name in headers]}
        webhooks: list[SignedWebhook] = []
        if call_id:
            webhooks.append(self.sign({"call_id": call_id, **data}, age=age))
        if session_id:
            live = {"type": "sip", "session_id": session_id, **data}
            webhooks.append(self.sign(live, type="live.transport.incoming", age=age))
        call = MockPhoneCall(call_id, answer_within, *webhooks, session_id=session_id)
        self._register(call)
        for webhook in webhooks:
            arguments = (self.deliver, webhook)
            threading.Thread(target=call.deliver, args=arguments, daemon=True).start()
        return call

    def sign(
        self,
        data: object,
        *,
        type: str = "realtime.call.incoming",  # noqa: A002 - the field's name
        age: float = 0,
    ) -> SignedWebhook:
        """Return an event of any type as a signed webhook; `deliver` sends it."""
        now = int(time.time())
        event = {
            "id": new_id("evt"),
            "object": "event",
            "type": type,
            "created_at": now,
            "data": data,
        }
        body = json.dumps(event).encode()
        webhook_id, timestamp = new_id("wh"), str(int(now - age))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "OpenAI/1.0 (+https://platform.openai.com/docs/webhooks)",
            "webhook-id": webhook_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": self._key.sign(webhook_id, timestamp, body),
        }
        return SignedWebhook(body, headers)

    def deliver(self, webhook: SignedWebhook) -> int:
        """Send a webhook once, and return the HTTP status of the response. Blocks up to 30 seconds.

        A replay is `deliver(call.webhook)`; a forgery is `deliver(call.webhook.tampered())`. Raises
        `OSError` or `http.client.HTTPException` when there is no response.
        """
        secure = self._url.scheme == "https"
        connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = connect(self._url.netloc, timeout=_DELIVERY_SECONDS)
        target = self._url._replace(scheme="", netloc="", fragment="").geturl() or "/"
        try:
            connection.request("POST", target, webhook.body, dict(webhook.headers))
            response = connection.getresponse()
            response.read()
        finally:
            connection.close()
        return response.status


def _sip_address(party: str) -> str:
    uri = party if party.startswith(("sip:", "sips:", "tel:")) else f"sip:{party}@mock.invalid"
    return f"<{uri}>;tag={new_id('tag')}"
