"""The phone side of the mock: it rings, by a signed webhook, and sees what your code does.

Owns: what a webhook looks like, honest or not, and sending it. Must not know: what the calls
endpoints answer (`phone_calls.py`).
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from openai_realtime.testing.minted import new_id
from openai_realtime.testing.phone_calls import CallDecision, CallState, DecisionKind, MockCall
from openai_realtime.webhooks.verifier import SigningKey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOCK_WEBHOOK_SECRET = "whsec_b3BlbmFpX3JlYWx0aW1lIG1vY2sgc2VjcmV0"  # noqa: S105 - made for tests
"""The secret that the mock signs webhooks with unless it is told another."""

_DELIVERY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class SignedWebhook:
    """A webhook as it is sent."""

    body: bytes
    headers: Mapping[str, str] = field(repr=False)

    def tampered(self) -> SignedWebhook:
        """Return it with one bit of the body changed, and the signature as it was."""
        return replace(self, body=self.body[:-1] + bytes([self.body[-1] ^ 1]))


class MockPhoneCall:
    """A phone call that rings at your webhook's URL."""

    def __init__(self, ringing: MockCall, webhook: SignedWebhook) -> None:
        self._ringing = ringing
        self.webhook: SignedWebhook = webhook
        """The webhook that told of it: `phone.deliver(call.webhook)` replays it."""
        self._delivered = threading.Event()
        self._outcome: int | Exception | None = None

    @property
    def call_id(self) -> str:
        """The call's id, `rtc_…`."""
        return self._ringing.call_id

    @property
    def state(self) -> CallState:
        """What the call is now."""
        return self._ringing.state

    @property
    def decisions(self) -> list[CallDecision]:
        """What was decided about it so far, oldest first."""
        return self._ringing.decisions

    def wait_for_decision(
        self, kind: DecisionKind | None = None, *, timeout: float = 5
    ) -> CallDecision:
        """Return the first decision about the call, or the first one of `kind`.

        Raises `TimeoutError` when there is none in `timeout` seconds, or can be none any more. In
        async code: `await anyio.to_thread.run_sync(call.wait_for_decision)`.
        """
        decision = self._ringing.wait_for(kind, timeout)
        if decision is None:
            told = "no answer yet" if self._outcome is None else self._outcome
            message = (
                f"The call was not {kind or 'decided'}: it is {self.state}, "
                f"and the answer to its webhook was: {told}"
            )
            raise TimeoutError(message)
        return decision

    def wait_for_delivery(self, *, timeout: float = 5) -> int:
        """Return the HTTP status that the webhook was answered with.

        Raises `TimeoutError` when there is none in `timeout` seconds, and the `OSError` of a URL
        that nobody listens at.
        """
        if not self._delivered.wait(timeout) or self._outcome is None:
            message = f"The webhook was not answered in {timeout:g} s"
            raise TimeoutError(message)
        if isinstance(self._outcome, Exception):
            raise self._outcome
        return self._outcome

    def deliver(self, send: Callable[[SignedWebhook], int]) -> None:
        """Send the webhook with `send`, and keep what it was answered with."""
        try:
            self._outcome = send(self.webhook)
        except (OSError, http.client.HTTPException) as error:
            self._outcome = error
        self._delivered.set()


class MockPhone:
    """A phone whose calls ring at `webhook_url`. Made by `MockRealtimeServer.phone`."""

    def __init__(self, webhook_url: str, secret: str, register: Callable[[MockCall], None]) -> None:
        self._url = urlsplit(webhook_url)
        self._key = SigningKey.read(secret)
        self._register = register

    def ring(
        self,
        *,
        from_: str = "+4930123456",
        to: str = "+14155550100",
        sip_headers: Mapping[str, str] | None = None,
        answer_within: float = 5,
        age: float = 0,
    ) -> MockPhoneCall:
        """Let a call ring, and return it at once: the webhook is sent on a thread of its own.

        `from_` and `to` are numbers, or whole SIP URIs; `sip_headers` come beside From and To. A
        call that is neither accepted nor rejected within `answer_within` seconds is missed. `age`
        is how many seconds ago the webhook says it was sent: 600 is too late.
        """
        ringing = MockCall(new_id("rtc"), answer_within)
        self._register(ringing)
        headers = {"From": _sip_address(from_), "To": _sip_address(to), **(sip_headers or {})}
        data = {
            "call_id": ringing.call_id,
            "sip_headers": [{"name": name, "value": headers[name]} for name in headers],
        }
        call = MockPhoneCall(ringing, self.sign(data, age=age))
        threading.Thread(target=call.deliver, args=(self.deliver,), daemon=True).start()
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
        """Send a webhook, and return the HTTP status that it is answered with. Blocks.

        A replay is `deliver(call.webhook)`; a forgery is `deliver(call.webhook.tampered())`. Raises
        `OSError` when there is no answer. Nothing is delivered a second time by itself.
        """
        secure = self._url.scheme == "https"
        connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = connect(self._url.netloc, timeout=_DELIVERY_SECONDS)
        target = self._url._replace(scheme="", netloc="", fragment="").geturl() or "/"
        try:
            connection.request("POST", target, webhook.body, dict(webhook.headers))
            answer = connection.getresponse()
            answer.read()
        finally:
            connection.close()
        return answer.status


def _sip_address(party: str) -> str:
    uri = party if party.startswith(("sip:", "sips:", "tel:")) else f"sip:{party}@mock.invalid"
    return f"<{uri}>;tag={new_id('tag')}"
