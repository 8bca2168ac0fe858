"""A pool's keyword arguments: its settings, and the session parameters that every secret shares.

Owns: the split between the two, their ranges, the lifetime asked for, and what may not be pooled.
Must not know: stocks, tasks or threads.
"""

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

LONGEST_LIFETIME = 7200
_USUAL_LIFETIME = 600
_OWN = frozenset({"size", "min_size", "min_ttl", "concurrency", "name"})
_numbers = count(1)
_PERSONAL = frozenset({"safety_identifier", "openai-safety-identifier"})


@dataclass(frozen=True, slots=True)
class PoolConfig:
    """What a pool was made with, checked."""

    name: str
    limits: Limits
    lifetime: float
    """Seconds that each secret is asked to live."""
    session: SessionCreateParams
    """What each session is created with."""

    @classmethod
    def of(cls, configuration: Configuration, params: SecretPoolParams) -> PoolConfig:
        """Split and check a pool's keyword arguments; raises `ParameterError`."""
        given = cast("Mapping[str, object]", params)
        session = {name: value for name, value in given.items() if name not in _OWN}
        _refuse_personal(session)
        size = _whole("size", params.get("size", 8), 1, 1000)
        limits = Limits(
            min_size=_whole("min_size", params.get("min_size", min(1, size)), 0, size),
            max_size=size,
            concurrency=_whole("concurrency", params.get("concurrency", 8), 1, 100),
            min_ttl=_seconds(params.get("min_ttl", 30.0)),
        )
        create_call(configuration, CREATE, session)  # what is wrong with them is told now
        lifetime = _lifetime(session, limits.min_ttl)
        name = given["name"] if "name" in given else _next_name()
        if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= 100:  # noqa: PLR2004 - told below
            message = "name must be a printable text of 1 to 100 characters"
            raise ParameterError(message, param="name")
        return cls(name, limits, lifetime, cast("SessionCreateParams", session))


def _next_name() -> str:
    """Return `sessions`, then `sessions-2` and so on: metrics tell pools apart by their names."""
    number = next(_numbers)
    return "sessions" if number == 1 else f"sessions-{number}"


def _whole(name: str, value: object, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        message = f"{name} must be a whole number from {least} to {most}"
        raise ParameterError(message, param=name)
    return value


def _seconds(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 7000:  # noqa: PLR2004 - told below
        message = "min_ttl must be a number of seconds from 0 to 7000"
        raise ParameterError(message, param="min_ttl")
    return value


def _lifetime(session: dict[str, object], min_ttl: float) -> float:
    """Return the lifetime that a (valid) session asks for, having it ask for one if it does not."""
    secret = cast("Mapping[str, Mapping[str, object]]", session.get("client_secret", {}))
    seconds = secret.get("expires_after", {}).get("seconds")
    if not isinstance(seconds, int):
        seconds = min(LONGEST_LIFETIME, max(_USUAL_LIFETIME, round(2 * min_ttl)))
        expires_after = {"anchor": "created_at", "seconds": seconds}
        session["client_secret"] = {**secret, "expires_after": expires_after}
    if seconds <= min_ttl:
        message = f"min_ttl={min_ttl:g} is no less than the {seconds} s that the secrets live"
        raise ParameterError(message, param="min_ttl")
    return float(seconds)


def _refuse_personal(session: Mapping[str, object]) -> None:
    """Raise `ParameterError` if every secret of the pool would be bound to one person."""
    for option in (None, "extra_headers", "extra_body"):
        names = session if option is None else session.get(option)
        for name in cast("Mapping[object, object]", names) if isinstance(names, Mapping) else ():
            if isinstance(name, str) and name.lower() in _PERSONAL:
                message = (
                    f"{name}: a secret bound to a person is not pooled, for the next one to "
                    "come would speak under that name: use sessions.create for it"
                )
                raise ParameterError(message, param=option or name)
