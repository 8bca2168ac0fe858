"""One line a request, on the logger `openai_realtime.mint`, with the facts as JSON-able fields.

Owns: which facts are told. Must not know: how they came about. No secret, no header and no principal
is among them: a principal is told by its pseudonym.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass

logger: logging.Logger = logging.getLogger("openai_realtime.mint")


@dataclass(slots=True)
class AccessEntry:
    """What is known of a request; each field is an attribute of the log record too."""

    request_id: str
    http_method: str
    client_address: str | None
    outcome: str = "cancelled"
    """`minted`, `preflight`, `disconnected`, `cancelled`, or a refusal's code."""
    status: int = 0
    """The HTTP status; 499: the client hung up before there was one."""
    seconds: float = 0.0
    principal: str | None = None
    """The principal's pseudonym."""
    provider_request_id: str | None = None
    attempts: int | None = None
    """How many requests minting took."""
    error: str | None = None
    """What went wrong, for operators: it is not told to the client."""

    def write(self) -> None:
        """Write the line: a warning when the service, the limiter or the provider failed."""
        level = logging.INFO if self.error is None else logging.WARNING
        logger.log(
            level,
            "%s %d %s in %.3f s (request id %s)",
            self.http_method,
            self.status,
            self.outcome,
            self.seconds,
            self.request_id,
            extra=asdict(self),
        )
