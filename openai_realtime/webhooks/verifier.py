"""Verifies webhooks by the rules of Standard Webhooks (https://www.standardwebhooks.com).

A webhook is checked in this order: size, headers, age, signature, JSON, shape, replay.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from typing import Any, Final, NoReturn, Protocol, Self, cast

from pydantic import ValidationError

from openai_realtime.core.peer_text import sanitize_text
from openai_realtime.core.strict_json import Json, decode_json
from openai_realtime.environment import read_variable
from openai_realtime.errors import (
    ConfigurationError,
    ParameterError,
    WebhookVerificationError,
    wrapper_hint,
)
from openai_realtime.secrets import MASK, RedactedBytes, WebhookSecret
from openai_realtime.types.webhook import EVENTS, AnyWebhookEvent, WebhookEvent
from openai_realtime.webhooks.handling import CLAIM_TIMEOUT, Handling, claim_seconds
from openai_realtime.webhooks.replay_stores import AnyReplayStore, check_has_method

SECRET_VARIABLE: Final = "OPENAI_WEBHOOK_SECRET"  # noqa: S105 - a variable's name
MAX_BODY_BYTES = 256 * 1024
"""The size limit of a webhook, in bytes; real ones have a few hundred."""
MAX_SIGNATURES = 10
"""How many signatures of a webhook are compared; more are ignored."""

_SECRET_PREFIX = "whsec_"  # noqa: S105 - a prefix
_SIGNATURE_VERSION = "v1,"
_MIN_KEY_BYTES = 16

_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
_ID = re.compile(r"[!-~]{1,256}", re.ASCII)
_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)
# OpenAI delivers again for 72 hours, with a new timestamp and the same id.
_REMEMBERED_SECONDS = 72 * 3600


class HeaderItems(Protocol):
    """Request headers: a dict, or those of Starlette, Django, Flask, aiohttp."""

    def items(self) -> Iterable[tuple[str, str]]:
        """Return names, in any case, and values."""
        ...


Body = bytes | bytearray | memoryview | str
"""A request's raw body; as a text, before it was encoded in UTF-8."""
HeaderPairs = Iterable[tuple[bytes | str, bytes | str]]
"""Names and values of headers, as an ASGI scope has them."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The key in one `whsec_` secret. Its repr shows nothing of the key."""

    _keyed: hmac.HMAC

    def __repr__(self) -> str:
        return f"SigningKey({MASK!r})"

    @classmethod
    def read(cls, secret: str | bytes) -> SigningKey:
        """Return the key in `secret`; raises `ConfigurationError`, which does not quote it.

        As for Standard Webhooks' own library, `whsec_`, the padding of base64 and white space at the
        ends may be missing or there, and bytes without `whsec_` are the key itself.
        """
        secret = _masked(secret)
        keyed = _keyed(secret)
        if keyed is None:
            message = (
                "The webhook secret is unusable: it must be whsec_ and 16 bytes or more as base64"
                f"{wrapper_hint(secret)}. Copy all of it from where the webhook was set up, without "
                "quotes"
            )
            raise ConfigurationError(message)
        return cls(keyed)

    def sign(self, webhook_id: str, timestamp: str, body: bytes) -> str:
        """Return the signature of a webhook, `v1,` and base64; `timestamp` is in Unix seconds."""
        keyed = self._keyed.copy()
        keyed.update(f"{webhook_id}.{timestamp}.".encode())
        keyed.update(body)
        return _SIGNATURE_VERSION + base64.b64encode(keyed.digest()).decode("ascii")


def matches(
    keys: Iterable[SigningKey], signatures: str, webhook_id: str, timestamp: str, body: bytes
) -> bool:
    """Return whether one of `keys` made one of the first 10 `signatures`, separated by spaces.

    Every key is compared with every signature in constant time, also after a match. So the duration
    shows neither which key matches nor how much of a signature is right.
    """
    candidates = [text.encode() for text in signatures.split(" ", MAX_SIGNATURES)[:MAX_SIGNATURES]]
    is_match = False
    for key in keys:
        expected = key.sign(webhook_id, timestamp, body).encode("ascii")
        for candidate in candidates:
            is_match |= hmac.compare_digest(expected, candidate)
    return is_match


def _masked(secret: str | bytes) -> WebhookSecret | RedactedBytes:
    """Return a secret whose repr is masked; an object of another type is returned unchanged."""
    if isinstance(secret, str):
        return WebhookSecret(secret)
    return (
        RedactedBytes(secret) if isinstance(cast("object", secret), bytes) else cast("Any", secret)
    )


def _keyed(secret: object) -> hmac.HMAC | None:
    key = _decode_key(secret)
    return hmac.new(key, digestmod=hashlib.sha256) if len(key) >= _MIN_KEY_BYTES else None


def _decode_key(secret: object) -> bytes:
    if isinstance(secret, bytes):
        if not secret.startswith(_SECRET_PREFIX.encode("ascii")):
            return secret
        secret = secret.decode("latin-1")
    if not isinstance(secret, str):
        return b""
    text = secret.strip().removeprefix(_SECRET_PREFIX).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):  # no base64, or no ASCII
        return b""


class WebhookVerifier:
    """Accepts genuine webhooks and refuses all others, by the rules of Standard Webhooks.

        verifier = WebhookVerifier()  # OPENAI_WEBHOOK_SECRET
        event = verifier.verify(request.get_data(), request.headers)
        if isinstance(event, RealtimeCallIncoming):
            client.calls.accept(event.call_id, model="gpt-realtime-2.1")

    `secrets` is one `whsec_…` secret, or several while one is rotated: each is accepted, in every
    form that Standard Webhooks' own library takes (without `whsec_`, as a key in bytes). Default:
    the environment variable `OPENAI_WEBHOOK_SECRET` (several are separated by spaces). A webhook's
    timestamp may differ by `tolerance` seconds from `clock` (default: 300). With a `replay_store`
    each webhook passes once in 72 hours; without one a copy passes until it is too old. `clock`
    returns the time in Unix seconds. Raises `ConfigurationError` for a secret that is missing or
    unusable, and for an object that is not a replay store.

    `verify` passes a webhook at most once: another delivery is refused, even if your code failed.
    `handling` passes a webhook until your code has succeeded.
    """

    def __init__(
        self,
        secrets: str | bytes | Sequence[str | bytes] | None = None,
        *,
        tolerance: float = 300,
        replay_store: AnyReplayStore | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        secrets = _webhook_secrets(secrets)
        self._keys = [SigningKey.read(secret) for secret in secrets]
        if not 0 < tolerance < math.inf:
            message = "tolerance must be a finite number of seconds above 0"
            raise ConfigurationError(message)
        self._tolerance = tolerance
        if replay_store is not None:
            message = "replay_store takes a store, such as MemoryReplayStore()"
            check_has_method(replay_store, "claim", message)
            if hasattr(replay_store, "confirm") is not hasattr(replay_store, "release"):
                message = "replay_store needs both confirm and release, or neither: it has only one"
                raise ConfigurationError(message)
        self._replay_store = replay_store
        self._clock = clock

    def with_default_store(self, store: AnyReplayStore) -> Self:
        """Return this verifier if it has a replay store, else a copy of it with `store`."""
        if self._replay_store is not None:
            return self
        verifier: Self = copy(self)
        verifier._replay_store = store
        return verifier

    def verify(self, body: Body, headers: HeaderItems | HeaderPairs) -> AnyWebhookEvent:
        """Return the event in a request; `body` is the request's raw body, `headers` a dict or pairs.

        Raises `WebhookVerificationError` for a webhook that is not genuine, and its subclasses
        `WebhookReplayedError` for one that was handled before and `WebhookInProgressError` for one
        that is being handled; `ParameterError` when `body` or `headers` is of another type;
        `ConfigurationError` when the replay store must be awaited (then use `averify`); and what the
        replay store raises.
        """
        handling = self.handling(body, headers)
        handling.claim()
        handling.confirm()
        return handling.event

    async def averify(self, body: Body, headers: HeaderItems | HeaderPairs) -> AnyWebhookEvent:
        """As `verify`, also for a replay store that must be awaited."""
        handling = self.handling(body, headers)
        await handling.aclaim()
        await handling.aconfirm()
        return handling.event

    def handling(
        self,
        body: Body,
        headers: HeaderItems | HeaderPairs,
        *,
        claim_timeout: float = CLAIM_TIMEOUT,
    ) -> Handling:
        """Return a context manager (sync and async) for the event in a request.

            with verifier.handling(request.body, request.headers) as event:
                ...  # respond after the block

        The webhook is done when the block ends. When the block raises an exception, the webhook is
        not done, and passes when it is delivered again. During the block another delivery of it
        raises `WebhookInProgressError`: respond with 503. When a process dies in the block, that
        lasts `claim_timeout` seconds (default 60, from 1 to 86,400). A block that takes longer may
        run twice. Raises what `verify` raises, at the latest at the start of the block; at its end
        the replay store's errors are logged, not raised. A replay store that has only `claim`
        remembers the webhook from the start of the block, as `verify` does.
        """
        seconds = claim_seconds(claim_timeout)
        # A copy passes from `tolerance` seconds before its timestamp until as many after it.
        remembered = max(_REMEMBERED_SECONDS, int(2 * self._tolerance) + 1)
        return Handling(
            self._read(body, headers),
            self._replay_store,
            claim_seconds=seconds,
            remembered_seconds=remembered,
        )

    def _read(self, body: Body, headers: HeaderItems | HeaderPairs) -> AnyWebhookEvent:
        body = _raw(body)
        if len(body) > MAX_BODY_BYTES:
            _refuse(f"its body is larger than {MAX_BODY_BYTES // 1024} KiB")
        webhook_id, timestamp, signatures = _signed_headers(headers)
        self._check_age(timestamp)
        if not matches(self._keys, signatures, webhook_id, timestamp, body):
            _refuse(
                "none of its signatures matches a secret of this verifier. Check that the secret "
                "belongs to this endpoint, and that the body is passed unchanged, byte for byte"
            )
        event = _event(body, webhook_id)
        event.delivered_as(webhook_id)
        return event

    def _check_age(self, timestamp: str) -> None:
        age = self._clock() - int(timestamp)
        if abs(age) > self._tolerance:
            _refuse(
                f"it was sent {abs(age):.0f} s {'ago' if age > 0 else 'in the future'}, and "
                f"{self._tolerance:g} s are allowed: it is a replay, or the clock here is wrong"
            )


def _webhook_secrets(
    secrets: str | bytes | Sequence[str | bytes] | None,
) -> list[WebhookSecret | RedactedBytes]:
    if secrets is None:
        secrets = (read_variable(SECRET_VARIABLE) or "").split()
    is_one = isinstance(secrets, str | bytes) or not isinstance(cast("object", secrets), Iterable)
    all_secrets = cast("list[str | bytes]", [secrets] if is_one else list(secrets))
    if not all_secrets:
        message = (
            f"No webhook secret: pass it, or set the environment variable {SECRET_VARIABLE}. The "
            "provider shows it once, when the webhook is set up"
        )
        raise ConfigurationError(message)
    return [_masked(secret) for secret in all_secrets]


def _raw(body: Body) -> bytes:
    """Return a body as bytes; raises `ParameterError`, also for a text that UTF-8 cannot encode."""
    with suppress(UnicodeEncodeError):
        if isinstance(body, str):
            return body.encode()
        if isinstance(cast("object", body), bytes | bytearray | memoryview):
            return bytes(body)
    message = "body must be the request's raw bytes: parsed JSON cannot be verified"
    raise ParameterError(message, param="body")


def _header_pairs(headers: HeaderItems | HeaderPairs) -> Iterator[tuple[object, object]]:
    """Yield names and values, bytes as texts (RFC 9110 §5.5); raises `ParameterError`."""
    items: object = getattr(headers, "items", None)
    pairs = cast("HeaderItems", headers).items() if callable(items) else headers
    try:
        for name, value in cast("Iterable[tuple[object, object]]", pairs):
            yield _header_text(name), _header_text(value)
    except (TypeError, ValueError):
        message = "headers must be a mapping, or pairs of names and values"
        raise ParameterError(message, param="headers") from None


def _header_text(value: object) -> object:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _signed_headers(headers: HeaderItems | HeaderPairs) -> tuple[str, str, str]:
    """Return id, timestamp and signatures; refuse missing, repeated and malformed headers."""
    received: dict[str, list[object]] = {name: [] for name in _HEADERS}
    for name, value in _header_pairs(headers):
        if isinstance(name, str) and name.lower() in received:
            received[name.lower()].append(value)
    for name, values in received.items():
        if len(values) != 1 or not isinstance(values[0], str):
            _refuse(f"it must have exactly one {name} header. Check that no proxy removes it")
    webhook_id, timestamp, signatures = (cast("str", values[0]) for values in received.values())
    if not _ID.fullmatch(webhook_id):
        _refuse("its webhook-id is not 1 to 256 visible ASCII characters")
    if not _TIMESTAMP.fullmatch(timestamp):
        _refuse("its webhook-timestamp is not a time in Unix seconds")
    if not signatures.isascii():
        _refuse("its webhook-signature is not ASCII")
    return webhook_id, timestamp, signatures


def _event(body: bytes, webhook_id: str) -> AnyWebhookEvent:
    """Return the event in a body; its signature has been checked."""
    try:
        value = decode_json(body, unique_names=True)
    except ValueError as error:
        problem, value = str(error), None
    else:
        problem = "its body is not a JSON object"
    if not isinstance(value, dict):
        _refuse(problem, webhook_id)
    model = EVENTS.get(str(value.get("type")), WebhookEvent)
    event, problem = _validated(value, model)
    if event is None:
        _refuse(problem, webhook_id)
    return event


def _validated(
    value: dict[str, Json], model: type[AnyWebhookEvent]
) -> tuple[AnyWebhookEvent | None, str]:
    try:
        return model.model_validate(value, strict=True), ""
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(step) for step in first["loc"])
        return None, f"its body's {field} is missing or unusable"


def _refuse(problem: str, webhook_id: str | None = None) -> NoReturn:
    message = sanitize_text(f"The webhook is refused: {problem}")
    raise WebhookVerificationError(message, webhook_id=webhook_id)
