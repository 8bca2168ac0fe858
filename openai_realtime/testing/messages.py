"""The mock's recorded requests and scripted responses."""

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
        """The decoded JSON body. Raises `ValueError` when the body is not JSON."""
        return decode_json(self.body)

    @property
    def parts(self) -> dict[str, tuple[str, str]]:
        """The parts of a multipart body: each name with its content type and its text."""
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
    """A response to send instead of the default one."""

    status: int = 200
    json: object = None
    """The body as a JSON value. Ignored when `body` is set."""
    body: bytes | None = None
    """The body as bytes, for a body that is not JSON."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    delay: float = 0.0
    """Seconds to wait before the response is sent."""
    drop: Literal["no", "before", "during"] = "no"
    """Close the connection before the response, or in the middle (`during`) of its body."""

    def content(self) -> bytes:
        """Return the body's bytes."""
        return json.dumps(self.json).encode() if self.body is None else self.body


def error_response(
    status: int, message: str, *, code: str | None = None, param: str | None = None
) -> MockResponse:
    """Return an error response in OpenAI's shape."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return MockResponse(status, {"error": error})
