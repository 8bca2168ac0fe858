"""The phone side of the mock: calls that ring, with their signed webhooks."""

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

from openai_realtime.testing.mock_calls import CallDecision, DecisionKind, MockCall
from openai_realtime.testing.mock_sessions import new_id
from openai_realtime.webhooks.verifier import SigningKey

MOCK_WEBHOOK_SECRET = "whsec_b3BlbmFpX3JlYWx0aW1lIG1vY2sgc2VjcmV0"  # noqa: S105 - made for tests
"""The secret that the mock signs webhooks with by default."""

_DELIVERY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class SignedWebhook:
    """A signed webhook: the body and headers that are sent."""

    body: bytes
    """The body, which the signature covers byte by byte."""
    headers: Mapping[str, str] = field(repr=False)
    """The headers: the content type, and those of Standard Webhooks with the signature."""

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
        usage_interval: float = math.inf,
    ) -> None:
        super().__init__(
            call_id, answer_within, session_id=session_id, usage_interval=usage_interval
        )
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

    def __init__(
        self,
        webhook_url: str,
        secret: str,
        register: Callable[[MockCall], None],
        usage_interval: float = math.inf,
    ) -> None:
        self._url = urlsplit(webhook_url)
        self._usage_interval = usage_interval
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
        call = MockPhoneCall(
            call_id,
            answer_within,
            *webhooks,
            session_id=session_id,
            usage_interval=self._usage_interval,
        )
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
