"""Decides when an access token is renewed, and whether a call uses it, renews it or waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from openai_realtime.core.deadline import Deadline
from openai_realtime.secrets import Authorization

if TYPE_CHECKING:
    from openai_realtime.secrets import ApiKey

Decision = Literal["use", "renew", "wait"]

MAX_RENEWAL_SECONDS: Final = 10.0
"""The longest time that a call spends on a renewal while the old token is valid."""
RENEWAL_PAUSE_SECONDS: Final = 30.0
"""The time after a failed renewal in which the old token is used without another renewal."""


class IssuedToken(Authorization):
    """An access token, the header that carries it, and its times on a monotonic clock, in seconds."""

    __slots__ = ("expires_at", "is_refused", "renew_at")

    def __init__(
        self, key: ApiKey, header: tuple[bytes, bytes], *, renew_at: float, expires_at: float
    ) -> None:
        super().__init__(key, header)
        self.renew_at: float = renew_at
        """When a new one is issued."""
        self.expires_at: float = expires_at
        self.is_refused: bool = False
        """Whether the API refused it (401), so that it is not used again."""

    def is_usable(self, now: float) -> bool:
        """Return whether it is valid and was not refused."""
        return not self.is_refused and now < self.expires_at

    def is_fresh(self, now: float) -> bool:
        """Return whether it is usable and need not be renewed yet."""
        return self.is_usable(now) and now < self.renew_at

    def renewal_failed(self, now: float) -> None:
        """Put the next renewal off."""
        self.renew_at = now + RENEWAL_PAUSE_SECONDS


def renewal_time(lifetime: float, refresh_buffer: float) -> float:
    """Return how many seconds after it was issued a token is renewed: at the latest after half.

    `lifetime` is in seconds; `refresh_buffer` is how long before its end the renewal is due.
    """
    return lifetime - min(refresh_buffer, lifetime / 2)


def decide(token: IssuedToken | None, now: float, *, is_being_renewed: bool) -> Decision:
    """Return what a call does that needs a token: it uses `token`, renews it, or waits.

    It waits only while another call is renewing the token and there is no usable one.
    """
    if token is not None and token.is_usable(now) and (is_being_renewed or now < token.renew_at):
        return "use"
    return "wait" if is_being_renewed else "renew"


def renewal_deadline(token: IssuedToken | None, now: float, deadline: Deadline) -> Deadline:
    """Return until when a call may renew a token: if it is usable, half of the call's time is left.

    Then the call can still be made with it when the renewal fails.
    """
    if token is None or not token.is_usable(now):
        return deadline
    return Deadline(now + min(MAX_RENEWAL_SECONDS, deadline.remaining() / 2), deadline.clock)
