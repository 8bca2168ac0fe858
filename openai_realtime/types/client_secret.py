"""The ephemeral client secret, its expiry, and the responses that carry one."""

import math
import re
import time
from abc import abstractmethod
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypedDict

from openai_realtime.core.retry import parse_http_date
from openai_realtime.secrets import EphemeralKey
from openai_realtime.types.annotations import Between
from openai_realtime.types.base import ResponseModel, WireModel

MAX_UNIX_SECONDS = 253_402_300_799  # 9999-12-31T23:59:59Z, the last second of a datetime
_LONGEST_TIME = 64  # characters: ISO 8601 with a fraction and a zone has about 35
_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,9})?", re.ASCII)


def parse_expiry(value: object) -> int:
    """Return an expiry in whole Unix seconds; 0 means unknown.

    Servers send an integer, a float, either of them as text, or an ISO-8601 time (in UTC when it
    has no zone). None and "" mean unknown. Raises `ValueError` for anything else, and for numbers
    that are negative, not finite, or after the year 9999.
    """
    if value is None or value == "":
        return 0
    seconds = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value
    elif isinstance(value, str) and len(value) <= _LONGEST_TIME:
        seconds = float(value) if _NUMBER.fullmatch(value) else _parse_iso_8601(value)
    if not 0 <= seconds <= MAX_UNIX_SECONDS:
        message = "the expiry must be Unix seconds or an ISO-8601 time, up to the year 9999"
        raise ValueError(message)
    return math.floor(seconds)


def _parse_iso_8601(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


class _Expiry:
    """Annotates an expiry: Rust code accepts Unix seconds, `parse_expiry` parses other values."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        usual = core_schema.int_schema(strict=True, ge=0, le=MAX_UNIX_SECONDS)
        other = core_schema.no_info_before_validator_function(parse_expiry, handler(source))
        return core_schema.custom_error_schema(
            core_schema.union_schema([usual, other], mode="left_to_right"),
            custom_error_type="expiry",
            custom_error_message="is neither Unix seconds nor an ISO-8601 time",
            serialization=core_schema.simple_ser_schema("int"),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        del schema
        return handler(core_schema.int_schema())


class ExpiresAfterParam(TypedDict, total=False):
    """The lifetime of a client secret."""

    anchor: Literal["created_at"]
    """The moment from which `seconds` count: always `created_at`, the default."""
    seconds: Annotated[int, Between(10, 7200)]
    """Lifetime in seconds, 10–7200. Default: 60 on the sessions endpoints, 600 on client_secrets."""


class ClientSecretParam(TypedDict, total=False):
    """The options of a session's client secret."""

    expires_after: ExpiresAfterParam
    """The secret's lifetime. Default: 60 seconds."""


class TranscriptionClientSecretParam(TypedDict, total=False):
    """The options of a transcription session's client secret."""

    expires_after: ExpiresAfterParam
    """The secret's lifetime. Default: the server's. It is sent as `expires_at`, which is its name
    at the transcription endpoint."""
    expires_at: ExpiresAfterParam
    """The same as `expires_after`, under the endpoint's own name."""


class ClientSecret(WireModel):
    """An ephemeral client secret: give `value` to one browser or phone only."""

    value: EphemeralKey
    """The secret: 1 to 4096 visible ASCII characters, complete in JSON and masked in reprs."""
    expires_at: Annotated[int, _Expiry()] = 0
    """When it expires, in Unix seconds. 0, the default, means unknown."""

    def received(self, date: str | None, lifetime: float | None = None) -> None:
        """Record that the secret arrived now, in a response whose Date header is `date`.

        `lifetime` is the lifetime that the request set, in seconds; None: the server's default.
        """
        longest = math.inf if lifetime is None else lifetime
        # `seconds_left` parses the Date header when it is first read, which many programs never do.
        arrival = (date, time.time(), time.monotonic(), longest)
        object.__setattr__(self, "_arrival", arrival)

    @property
    def expires_at_datetime(self) -> datetime | None:
        """When it expires, as an aware datetime in UTC; None when unknown."""
        return datetime.fromtimestamp(self.expires_at, UTC) if self.expires_at else None

    @property
    def seconds_left(self) -> float | None:
        """Seconds until it expires, never below 0; None when unknown.

        Computed from the server's clock (the response's Date header) and a monotonic clock, so that
        a wrong or changed system clock has no effect. Without a usable Date header, the system clock
        at arrival is used. Never more than the rest of the requested lifetime, even if the Date
        header comes from a gateway whose clock is wrong.
        """
        if not self.expires_at:
            return None
        arrival: tuple[str | None, float, float, float] | None = getattr(self, "_arrival", None)
        if arrival is None:
            return max(0.0, self.expires_at - time.time())
        date, arrived_at, monotonic, longest = arrival
        if date:
            arrived_at = parse_http_date(date) or arrived_at
            object.__setattr__(self, "_arrival", (None, arrived_at, monotonic, longest))
        left = min(self.expires_at - arrived_at, longest)
        return max(0.0, left - (time.monotonic() - monotonic))

    @property
    def is_expired(self) -> bool:
        """Whether it has expired; False when its expiry is unknown."""
        return self.seconds_left == 0.0


class SecretResponse(ResponseModel):
    """A response that carries a client secret."""

    SECRET_FIELDS: ClassVar[frozenset[str]]
    """The fields that make up the secret: a response without them is an error."""

    @abstractmethod
    def received(self, date: str | None, lifetime: float | None = None) -> None:
        """Record that the secret arrived now, as `ClientSecret.received` does."""


class FlatSecretResponse(SecretResponse):
    """A response with its client secret in a field: the flat shape."""

    SECRET_FIELDS: ClassVar = frozenset({"client_secret"})

    client_secret: ClientSecret
    """The secret for the browser or phone. Always there: a response without one is an error."""

    def received(self, date: str | None, lifetime: float | None = None) -> None:
        """Record that the secret arrived now, as `ClientSecret.received` does."""
        self.client_secret.received(date, lifetime)


class NestedSecretResponse(ClientSecret, SecretResponse):
    """A response that is itself the client secret: the nested shape."""

    SECRET_FIELDS: ClassVar = frozenset({"value", "expires_at"})

    @property
    def client_secret(self) -> ClientSecret:
        """This object itself, under the name that the secret has in the flat shape."""
        return self
