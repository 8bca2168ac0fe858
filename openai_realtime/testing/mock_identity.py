"""The mock's token endpoint, where a workload identity is exchanged, and its metadata services."""

from __future__ import annotations

import secrets
import time
from collections import deque
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from openai_realtime.core.strict_json import decode_json
from openai_realtime.testing.profiles import MockResponse, RecordedRequest

if TYPE_CHECKING:
    from openai_realtime.core.strict_json import Json

TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path
_AZURE_PATH = "/metadata/identity/oauth2/token"
_GCP_PATH = "/computeMetadata/v1/instance/service-accounts/default/identity"
_GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
_TOKEN_TYPES = frozenset(
    {"urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:id_token"}
)


class MockIdentity:
    """What proves an identity: OpenAI's token endpoint, and the metadata services of Azure and Google.

    The mock accepts the access tokens that it issues in place of its API key. Any subject token is
    accepted. The other members of the exchange are checked, as are the headers.
    """

    def __init__(self) -> None:
        self.requests: list[RecordedRequest] = []
        """The received requests, oldest first. They are not among the mock's own `requests`."""
        self.lifetime: float = 3600
        """The lifetime in seconds of the access tokens that are issued from now on."""
        self._script: deque[MockResponse] = deque()
        self._issued: dict[str, float] = {}

    def respond_next(self, *responses: MockResponse) -> None:
        """Send `responses` to the next requests, one each, and then the default responses again.

        server.identity.respond_next(MockResponse(400, {"error": "invalid_grant"}))
        """
        self._script.extend(responses)

    def revoke(self) -> None:
        """Refuse every access token that was issued so far, with 401."""
        self._issued = dict.fromkeys(self._issued, 0.0)

    def is_valid(self, credential: str) -> bool | None:
        """Return whether an access token is valid; None: it was not issued here."""
        expires_at = self._issued.get(credential)
        return None if expires_at is None else time.monotonic() < expires_at

    def respond(self, request: RecordedRequest) -> MockResponse | None:
        """Record a request and return its response; None: the path is not one of these services."""
        path, _, query = request.path.partition("?")
        handle = {
            ("POST", TOKEN_PATH): self._exchange,
            ("GET", _AZURE_PATH): self._azure,
            ("GET", _GCP_PATH): self._gcp,
        }.get((request.method, path))
        if handle is None:
            return None
        self.requests.append(request)
        try:
            return self._script.popleft()
        except IndexError:
            return handle(request, {name: values[0] for name, values in parse_qs(query).items()})

    def _exchange(self, request: RecordedRequest, _query: dict[str, str]) -> MockResponse:
        problem = _problem_of(request)
        if problem is not None:
            return _error("invalid_request", problem)
        return MockResponse(
            json={
                "access_token": self._issue("at"),
                "expires_in": self.lifetime,
                "token_type": "Bearer",
                "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            }
        )

    def _azure(self, request: RecordedRequest, query: dict[str, str]) -> MockResponse:
        if request.headers.get("metadata") != "true":
            return _error("invalid_request", "Required metadata header not specified")
        if not {"api-version", "resource"} <= query.keys():
            return _error("invalid_request", "api-version and resource are required")
        return MockResponse(
            json={
                "access_token": self._issue("entra"),
                "expires_in": str(int(self.lifetime)),
                "resource": query["resource"],
                "token_type": "Bearer",
            }
        )

    def _gcp(self, request: RecordedRequest, query: dict[str, str]) -> MockResponse:
        if request.headers.get("metadata-flavor") != "Google":
            return MockResponse(403, body=b"Missing Metadata-Flavor:Google header.")
        if "audience" not in query:
            return MockResponse(400, body=b"non-empty audience parameter required")
        headers = {"content-type": "text/html", "metadata-flavor": "Google"}
        return MockResponse(body=_token("gcp").encode(), headers=headers)

    def _issue(self, kind: str) -> str:
        token = _token(kind)
        self._issued[token] = time.monotonic() + self.lifetime
        return token


def _token(kind: str) -> str:
    """Return a new text that looks like a JSON Web Token."""
    return f"eyJhbGciOiJSUzI1NiJ9.{kind}-{secrets.token_hex(16)}.mock"


def _problem_of(request: RecordedRequest) -> str | None:
    """Return what is wrong with a token exchange, or None."""
    if "authorization" in request.headers:
        return "Authorization is not accepted here"
    if request.headers.get("content-type") != "application/json":
        return "The content type must be application/json"
    try:
        body: Json = decode_json(request.body)
    except ValueError:
        body = None
    members = body if isinstance(body, dict) else {}
    if members.get("grant_type") != _GRANT_TYPE:
        return f"grant_type must be {_GRANT_TYPE}"
    if members.get("subject_token_type") not in _TOKEN_TYPES:
        return f"subject_token_type must be one of {', '.join(sorted(_TOKEN_TYPES))}"
    for name in ("subject_token", "identity_provider_id", "service_account_id"):
        value = members.get(name)
        if not isinstance(value, str) or not value:
            return f"{name} must be a text that is not empty"
    return None


def _error(code: str, description: str) -> MockResponse:
    return MockResponse(400, {"error": code, "error_description": description})
