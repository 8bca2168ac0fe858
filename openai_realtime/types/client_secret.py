"""The ephemeral client secret: the one thing an answer cannot do without.

Owns: its value, its expiry, and how its age is told. Must not know: where in an answer it stood.
"""

import math
import re
import time
from abc import abstractmethod
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from openai_realtime.core.retry import parse_http_date
from openai_realtime.secrets import EphemeralKey
from openai_realtime.types.base import ResponseModel, WireModel
from openai_realtime.types.constraints import Between

MAX_UNIX_SECONDS = 253_402_300_799  # 9999-12-31T23:59:59Z, the last that a datetime can hold
_LONGEST_TIME = 64  # characters: ISO 8601 with a fraction and a zone has about 35
_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,9})?", re.ASCII)


def parse_expiry(value: object) -> int:
    """Return an expiry in whole Unix seconds; 0 means unknown.

    Takes what servers send: an integer, a float, either as text, or an ISO-8601 time (UTC when it
    names no zone). None and "" mean unknown. Raises `ValueError` on anything else, negative and
    non-finite numbers and dates beyond the year 9999 included.
    """
    if value is None or value == "":
        return 0
    seconds = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value
    elif isinstance(value, str) and len(value) <= _LONGEST_TIME:
        seconds = float(value) if _NUMBER.fullmatch(value) else _parse_iso_8601(value)
    if not 0 <= seconds <= MAX_UNIX_SECONDS:
        message = "expiry is no time: it must be Unix seconds or an ISO-8601 time"
        raise ValueError(message)
    return math.floor(seconds)


def _parse_iso_8601(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


_NO_EXPIRY = ("expiry", "is neither Unix seconds nor an ISO-8601 time")


def _expiry(value: object) -> int:
    try:
        return parse_expiry(value)
    except (ValueError, OverflowError):
        raise PydanticCustomError(*_NO_EXPIRY) from None


class ExpiresAfterParam(TypedDict, total=False):
    """How long a client secret may live."""

    anchor: Literal["created_at"]
    """The moment from which `seconds` count. Default, and the only one: `created_at`."""
    seconds: Annotated[int, Between(10, 7200)]
    """Lifetime in seconds, 10–7200. Default: 60 on the sessions endpoints, 600 on client_secrets."""


class ClientSecretParam(TypedDict, total=False):
    """What may be asked of the client secret."""

    expires_after: ExpiresAfterParam
    """How long it may live. Default: 60 seconds."""


class TranscriptionClientSecretParam(TypedDict, total=False):
    """What may be asked of a transcription session's client secret."""

    expires_after: ExpiresAfterParam
    """How long it may live. Default: the server's. Sent as `expires_at`, which is what the
    transcription endpoint calls it."""
    expires_at: ExpiresAfterParam
    """The same, by the server's own name."""


class ClientSecret(WireModel):
    """An ephemeral client secret: give `value` to one browser or phone, and to nobody else."""

    value: EphemeralKey
    """The secret, a `str`: JSON carries it, its repr is masked. Visible ASCII, at most 4 KiB."""
    expires_at: Annotated[int, BeforeValidator(_expiry)] = 0
    """When it expires, in Unix seconds. 0, the default, means unknown."""

    def received(self, date: str | None, lifetime: float | None = None) -> None:
        """Note that the secret arrived just now, in a response whose Date header is `date`.

        `lifetime` is how many seconds it was asked to live; None: the server was left to choose.
        """
        longest = math.inf if lifetime is None else lifetime
        # What the server's clock showed, as its Date header says, the clocks here at that moment,
        # and the longest that it can live. The header is read when somebody asks.
        object.__setattr__(self, "_arrival", (date, time.time(), time.monotonic(), longest))

    @property
    def expires_at_datetime(self) -> datetime | None:
        """When it expires, as an aware datetime in UTC; None when unknown."""
        return datetime.fromtimestamp(self.expires_at, UTC) if self.expires_at else None

    @property
    def seconds_left(self) -> float | None:
        """Seconds until it expires, never below 0; None when unknown.

        Computed from the server's own clock (the response's Date) and a monotonic one, so that a
        wrong or moved wall clock here changes nothing. Never more than what is left of the lifetime
        that was asked for, whatever clock a gateway on the way has.
        """
        if not self.expires_at:
            return None
        arrival: tuple[str | None, float, float, float] | None = getattr(self, "_arrival", None)
        if arrival is None:
            return max(0.0, self.expires_at - time.time())
        date, server_time, received_at, longest = arrival
        if date is not None:
            server_time = parse_http_date(date) or server_time
            object.__setattr__(self, "_arrival", (None, server_time, received_at, longest))
        left = min(self.expires_at - server_time, longest)
        return max(0.0, left - (time.monotonic() - received_at))

    @property
    def is_expired(self) -> bool:
        """Whether it has expired; False when its expiry is unknown."""
        return self.seconds_left == 0.0


class SecretResponse(ResponseModel):
    """An answer whose point is a client secret, wherever the secret stands in it."""

    SECRET_FIELDS: ClassVar[frozenset[str]]
    """The fields without which it is no answer."""

    @abstractmethod
    def received(self, date: str | None, lifetime: float | None = None) -> None:
        """Note that the secret arrived just now, as `ClientSecret.received` does."""


class FlatSecretResponse(SecretResponse):
    """An answer that carries its client secret inside: the flat shape."""

    SECRET_FIELDS: ClassVar = frozenset({"client_secret"})

    client_secret: ClientSecret
    """The secret for the browser or phone. Always there: an answer without one is an error."""

    def received(self, date: str | None, lifetime: float | None = None) -> None:
        """Note that the secret arrived just now, as `ClientSecret.received` does."""
        self.client_secret.received(date, lifetime)


class NestedSecretResponse(ClientSecret, SecretResponse):
    """An answer that is itself the client secret: the nested shape."""

    SECRET_FIELDS: ClassVar = frozenset({"value", "expires_at"})

    @property
    def client_secret(self) -> ClientSecret:
        """The secret: this very object, under the name that flat sessions have it under."""
        return self
