"""One line a request on the logger `openai_realtime.mint`, and what is told of an error.

No secret, no header and no principal is in a line: a principal is told by its pseudonym.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass

from openai_realtime.core.peer_text import visible
from openai_realtime.errors import RealtimeError

logger: logging.Logger = logging.getLogger("openai_realtime.mint")
_LONGEST = 1000


def described(error: Exception) -> str:
    """Return what an operator is told of an error: one line of printable text, bounded.

    An error of this package's is quoted up to 1,000 characters, because it holds no secret: of a
    provider's error that is its status, code and message. Of any other error it is the type's name.
    """
    if not isinstance(error, RealtimeError):
        return type(error).__name__
    return visible(" ".join(str(error)[:_LONGEST].split()))


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
            "%s %d %s in %.3f s (request id %s)%s",
            self.http_method,
            self.status,
            self.outcome,
            self.seconds,
            self.request_id,
            f": {self.error}" if self.error else "",
            extra=asdict(self),
        )
