"""A pool's keyword arguments: its own settings, and the session parameters of every secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, cast

from openai_realtime.errors import ParameterError
from openai_realtime.resources.create_operation import create_call
from openai_realtime.resources.sessions import CREATE
from openai_realtime.secret_pool.inventory import Limits

if TYPE_CHECKING:
    from openai_realtime.configuration import Configuration
    from openai_realtime.types.session import SecretPoolParams, SessionCreateParams

MAX_LIFETIME = 7200
_DEFAULT_LIFETIME = 600
_SETTINGS = frozenset({"size", "min_size", "min_ttl", "concurrency", "name"})
_numbers = count(1)
_PERSONAL = frozenset({"safety_identifier", "openai-safety-identifier"})


@dataclass(frozen=True, slots=True)
class PoolConfig:
    """The checked arguments of a pool."""

    name: str
    limits: Limits
    lifetime: float
    """The lifetime that is requested for each secret, in seconds."""
    session: SessionCreateParams
    """The parameters of each session."""

    @classmethod
    def parse(cls, configuration: Configuration, params: SecretPoolParams) -> PoolConfig:
        """Split and check a pool's keyword arguments; raises `ParameterError`."""
        arguments = cast("Mapping[str, object]", params)
        session = {name: value for name, value in arguments.items() if name not in _SETTINGS}
        _refuse_personal(session)
        size = _integer("size", params.get("size", 8), 1, 1000)
        limits = Limits(
            min_size=_integer("min_size", params.get("min_size", min(1, size)), 0, size),
            max_size=size,
            concurrency=_integer("concurrency", params.get("concurrency", 8), 1, 100),
            min_ttl=_seconds(params.get("min_ttl", 30.0)),
        )
        create_call(configuration, CREATE, session)  # raises `ParameterError` if they are wrong
        lifetime = _lifetime(session, limits.min_ttl)
        name = arguments["name"] if "name" in arguments else _next_name()
        if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= 100:  # noqa: PLR2004 - the message says it
            message = "name must be a printable text of 1 to 100 characters"
            raise ParameterError(message, param="name")
        return cls(name, limits, lifetime, cast("SessionCreateParams", session))


def _next_name() -> str:
    """Return `sessions`, then `sessions-2` and so on, so that metrics can distinguish pools."""
    number = next(_numbers)
    return "sessions" if number == 1 else f"sessions-{number}"


def _integer(name: str, value: object, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        message = f"{name} must be a whole number from {least} to {most}"
        raise ParameterError(message, param=name)
    return value


def _seconds(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 7000:  # noqa: PLR2004 - the message says it
        message = "min_ttl must be a number of seconds from 0 to 7000"
        raise ParameterError(message, param="min_ttl")
    return value


def _lifetime(session: dict[str, object], min_ttl: float) -> float:
    """Return the lifetime that `session` requests, after adding one to it if it requests none."""
    secret = cast("Mapping[str, Mapping[str, object]]", session.get("client_secret", {}))
    seconds = secret.get("expires_after", {}).get("seconds")
    if not isinstance(seconds, int):
        seconds = min(MAX_LIFETIME, max(_DEFAULT_LIFETIME, round(2 * min_ttl)))
        expires_after = {"anchor": "created_at", "seconds": seconds}
        session["client_secret"] = {**secret, "expires_after": expires_after}
    if seconds <= min_ttl:
        message = f"min_ttl={min_ttl:g} must be less than {seconds} s, the lifetime of the secrets"
        raise ParameterError(message, param="min_ttl")
    return float(seconds)


def _refuse_personal(session: Mapping[str, object]) -> None:
    """Raise `ParameterError` if every secret of the pool would belong to one person."""
    for option in (None, "extra_headers", "extra_body"):
        names = session if option is None else session.get(option)
        for name in cast("Mapping[object, object]", names) if isinstance(names, Mapping) else ():
            if isinstance(name, str) and name.lower() in _PERSONAL:
                message = (
                    f"{name}: a pool cannot hold the secrets of one person, because other callers "
                    "would speak under that person's identifier: use sessions.create instead"
                )
                raise ParameterError(message, param=option or name)
