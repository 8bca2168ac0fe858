"""Webhooks for tests, signed without the package, so that it does not check itself."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
OTHER = "whsec_" + base64.b64encode(b"another key of thirty-two bytes!").decode()
NOW = 1_750_287_078
CALL: dict[str, Any] = {
    "id": "evt_1",
    "object": "event",
    "created_at": NOW - 1,
    "type": "realtime.call.incoming",
    "data": {
        "call_id": "rtc_u0_1",
        "sip_headers": [
            {"name": "From", "value": '"Al <sip:+1@x>" <sip:+14155550123@example.com>;tag=1'},
            {"name": "t", "value": "sip:+4930-555@sip.example;transport=tls"},
        ],
    },
}


def signature(body: bytes, secret: str = SECRET, webhook_id: str = "wh_1", at: object = NOW) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{webhook_id}.{at}.".encode() + body, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def signed(
    body: bytes, secret: str = SECRET, webhook_id: str = "wh_1", at: object = NOW
) -> dict[str, str]:
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(at),
        "webhook-signature": signature(body, secret, webhook_id, at),
    }


def encoded(value: object = CALL) -> bytes:
    return json.dumps(value).encode()


def call_with(**data: object) -> dict[str, Any]:
    return {**CALL, "data": {**CALL["data"], **data}}
