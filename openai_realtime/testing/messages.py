"""What goes in and out of the mock: recorded requests and scripted answers.

Owns: their shape. Must not know: sockets, providers, sessions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email import message_from_bytes
from typing import Literal

from openai_realtime.core.strict_json import Json, decode_json
from openai_realtime.core.wire import Headers


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request that the mock received."""

    method: str
    path: str
    """The path with its query, such as `/v1/realtime/sessions?x=1`."""
    headers: Headers
    body: bytes
    connection: int = 0
    """A number that requests on the same connection share."""

    @property
    def json(self) -> Json:
        """The decoded JSON body; raises `ValueError` when it is none."""
        return decode_json(self.body)

    @property
    def parts(self) -> dict[str, tuple[str, str]]:
        """The parts of a multipart body: name to content type and text."""
        content_type = f"Content-Type: {self.headers.get('content-type', '')}\r\n\r\n".encode()
        message = message_from_bytes(content_type + self.body)
        return {
            str(part.get_param("name", header="content-disposition")): (
                part.get_content_type(),
                str(part.get_payload(decode=False)),
            )
            for part in message.walk()
            if not part.is_multipart()
        }


@dataclass(frozen=True, slots=True)
class MockResponse:
    """An answer to give instead of the usual one."""

    status: int = 200
    json: object = None
    """The body as JSON. Ignored when `body` is set."""
    body: bytes | None = None
    """The body as bytes, for what is no JSON."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    delay: float = 0.0
    """Seconds to wait first."""
    drop: Literal["no", "before", "during"] = "no"
    """Hang up instead of answering (`before`), or halfway through the body (`during`)."""

    def content(self) -> bytes:
        """Return the body's bytes."""
        return json.dumps(self.json).encode() if self.body is None else self.body


def refusal(
    status: int, message: str, *, code: str | None = None, param: str | None = None
) -> MockResponse:
    """Return an error answer in OpenAI's shape."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return MockResponse(status, {"error": error})
