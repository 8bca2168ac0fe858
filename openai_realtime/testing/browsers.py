"""What lets a browser's page read the mock's answers: CORS, as the real API has it.

Owns: the headers. Must not know: sockets, endpoints. The source of the rules is the Fetch standard,
https://fetch.spec.whatwg.org/#http-cors-protocol.
"""

from __future__ import annotations

from dataclasses import replace

from openai_realtime.testing.messages import MockResponse, RecordedRequest

_READABLE = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "location, retry-after, x-request-id",
}
_PERMISSION = MockResponse(
    204,
    body=b"",
    headers={
        **_READABLE,
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": "authorization, content-type",
        "access-control-max-age": "600",
    },
)


def permission(request: RecordedRequest) -> MockResponse | None:
    """Return the answer to a browser's question whether it may ask; None to any other request."""
    asks = request.method == "OPTIONS" and "access-control-request-method" in request.headers
    return _PERMISSION if asks and "origin" in request.headers else None


def readable(answer: MockResponse, request: RecordedRequest) -> MockResponse:
    """Return `answer` as a page of any origin may read it, when a page is who asked."""
    if "origin" not in request.headers:
        return answer
    return replace(answer, headers={**_READABLE, **answer.headers})
